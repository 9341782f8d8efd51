//! Killed between any two steps: every effect once, every notice at least once, at most one message twice.

use plume_alert::case::ActKind;
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::judgement::{Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};

use crate::world::{World, enterprise, event, exceed, near, said};

/// More write statements than the story has; a run without a struck failure ends the search earlier.
const MOST_STATEMENTS: u32 = 1_000;

fn story() -> Vec<Event> {
    let near = near("20261121142500");
    let over = exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000");
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121142600").severity(Severity::Urgent);
    vec![
        near.from(1),
        stuck.from(2),
        near.clone()
            .severity(Severity::Exceeded)
            .edge(Edge::Worsened, "20261121143000")
            .from(3),
        over.from(4),
        near.clone()
            .pane(Pane::OnTime)
            .edge(Edge::Cleared, "20261121150500")
            .from(5),
        stuck
            .verdict(Verdict::Fine)
            .edge(Edge::Cleared, "20261121151000")
            .from(6),
    ]
}

/// Everything a person could see, without the ids of sessions.
async fn book(world: &World) -> Vec<String> {
    let mut lines = vec![format!("next offset {}", world.desk.resume_offset(0).await.unwrap())];
    for case in world.cases().await {
        lines.push(format!(
            "{:?}",
            (
                case.id,
                case.version,
                case.changed_seq,
                case.state,
                case.outcome,
                case.severity
            )
        ));
        lines.extend(world.trace(case.id).await);
        lines.extend(world.notices(case.id).await);
    }
    lines
}

/// Applies the story with the `n`-th write failing; on a failure the process is gone, a new one reads on from the
/// store.
async fn told_with_failure_at(n: u32) -> (Vec<String>, bool) {
    let mut world = World::new().await;
    world.desk.store().plan_failure(n);
    let events = story();
    let mut struck = false;
    loop {
        let next = world.desk.resume_offset(0).await.unwrap();
        let Some(event) = events.get(usize::try_from(next).unwrap()) else {
            break;
        };
        let at = LogPosition {
            partition: 0,
            offset: next,
        };
        if world.desk.apply(at, event).await.is_err() {
            assert!(!struck, "one failure is planned");
            struck = true;
            world = world.reopened().await;
        }
    }
    (book(&world).await, struck)
}

#[tokio::test]
async fn an_event_is_applied_whole_or_not_at_all() {
    let (whole, _) = told_with_failure_at(0).await;
    for n in 1..MOST_STATEMENTS {
        let (after_crash, struck) = told_with_failure_at(n).await;
        assert_eq!(whole, after_crash, "killed at write {n}");
        if !struck {
            assert!(n > 50, "the story has many writes, {n} were tried");
            return;
        }
    }
    panic!("the story never ended");
}

/// Sends three urgent notices with the `n`-th write failing; what was heard, in all.
async fn sent_with_failure_at(n: u32) -> (Vec<usize>, bool) {
    let mut world = World::new().await;
    for (offset, factor) in ["a21026", "a21002", "a34013"].into_iter().enumerate() {
        let stuck = event(RuleCode::Const, Edge::Opened, "20261121142500").factor(Some(factor));
        world.apply(&stuck.from(offset as u64)).await;
    }
    world.desk.store().plan_failure(n);
    let mut struck = false;
    // Retries back off; a day is enough for all of them.
    for _ in 0..20 {
        if world.desk.send_due(world.now()).await.is_err() {
            struck = true;
            world = world.reopened().await;
        }
        world.pass_time(1_800_000);
    }
    assert_eq!(
        world.desk.store().outbox_state().await.unwrap(),
        (None, 0),
        "killed at write {n}"
    );
    for case in world.cases().await {
        assert!(
            world
                .notices(case.id)
                .await
                .iter()
                .all(|line| line.ends_with("sent/due")),
            "killed at write {n}"
        );
    }
    let heard = ["SO₂", "NOx", "PM"].map(|factor| world.heard.count(&format!("】{factor} 数据恒值")));
    (heard.to_vec(), struck)
}

#[tokio::test]
async fn a_notice_goes_out_at_least_once_and_one_message_at_most_twice() {
    let (plain, _) = sent_with_failure_at(0).await;
    assert_eq!(plain, [2, 2, 2], "环保主管 and 运维单位 each");
    let mut repeats_seen = 0;
    for n in 1..MOST_STATEMENTS {
        let (heard, struck) = sent_with_failure_at(n).await;
        let repeats: usize = heard
            .iter()
            .map(|&times| times.checked_sub(2).expect("nothing is lost"))
            .sum();
        assert!(repeats <= 1, "killed at write {n}: {heard:?}");
        repeats_seen += repeats;
        if !struck {
            assert!(
                repeats_seen > 0,
                "a kill between sending and recording must have been among them"
            );
            return;
        }
    }
    panic!("sending never ended");
}

#[tokio::test]
async fn an_act_is_done_whole_or_not_at_all() {
    for n in 1..MOST_STATEMENTS {
        let world = World::new().await;
        world.apply(&near("20261121142500").from(0)).await;
        let case = world.only_case().await;
        world.desk.store().plan_failure(n);
        let answer = said(ActKind::ReportFault, "采样泵故障", world.now());
        let done = world.desk.act(&enterprise(), case.id, &answer, case.version).await;
        let struck = done.is_err();
        let world = world.reopened().await;
        let after = world.only_case().await;
        let expected = if struck { (1, 1) } else { (2, 2) };
        assert_eq!(
            (after.version, world.trace(case.id).await.len()),
            expected,
            "killed at write {n}"
        );
        if !struck {
            assert!(n > 3);
            return;
        }
        // The number that the failed report took is given out again.
        let row = world
            .desk
            .act(&enterprise(), case.id, &answer, after.version)
            .await
            .unwrap();
        assert!(world.trace(row.id).await[1].contains("-0001"), "killed at write {n}");
    }
    panic!("the act never succeeded");
}

/// The trace cannot be rewritten, not even by a statement that forgets the rule.
#[tokio::test]
async fn the_trace_is_append_only() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(0)).await;
    for sql in ["UPDATE trace SET text = 'x'", "DELETE FROM trace"] {
        let error = crate::postgres::run_on(&world.url, sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}
