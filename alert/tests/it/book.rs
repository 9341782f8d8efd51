//! What events make of cases, through the store.

use plume_alert::EventOutcome;
use plume_alert::case::{ActKind, Certainty, Outcome, State};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use proptest::prelude::*;

use crate::world::{World, enterprise, event, exceed, near};

#[tokio::test]
async fn a_warning_answered_in_time_ends_as_complied() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(10)).await;
    let case = world.only_case().await;
    assert_eq!(
        (case.state, case.severity, case.outcome),
        (State::Open, Severity::Urgent, None)
    );
    assert_eq!(case.tags.district, "东区");
    world.act(&enterprise(), ActKind::Answer, "脱硫剂不足").await;
    let cleared = near("20261121142500").pane(Pane::OnTime).verdict(Verdict::Fine);
    world
        .apply(&with_edge(cleared, Edge::Cleared, "20261121150500", "20261121145900").from(11))
        .await;
    let case = world.only_case().await;
    assert_eq!((case.state, case.outcome), (State::Closed, Some(Outcome::Complied)));
    insta::assert_debug_snapshot!(world.trace(case.id).await);
}

/// The judge ends a warning with the verdict that the warning is over; its reason says what the hour was.
#[tokio::test]
async fn the_reason_of_the_end_decides_the_outcome() {
    for (reason, outcome, told) in [
        ("hour_within_limit", Outcome::FellBack, true),
        ("hour_exceeded", Outcome::Exceeded, false),
        ("too_few_valid", Outcome::InvalidHour, false),
    ] {
        let world = World::new().await;
        world.apply(&near("20261121142500").from(10)).await;
        world.send_all().await;
        let end = near("20261121142500")
            .verdict(Verdict::Fine)
            .pane(Pane::OnTime)
            .text(FactKey::Reason, reason)
            .edge(Edge::Cleared, "20261121150500");
        world.apply(&end.from(11)).await;
        let case = world.only_case().await;
        assert_eq!((case.state, case.outcome), (State::Closed, Some(outcome)), "{reason}");
        let cleared = world
            .notices(case.id)
            .await
            .iter()
            .any(|line| line.contains("/cleared/"));
        assert_eq!(cleared, told, "{reason}");
    }
}

#[tokio::test]
async fn a_later_hour_of_an_open_exceedance_is_no_success() {
    let world = World::new().await;
    world
        .apply(
            &exceed("20261121140500")
                .window("20261121130000")
                .first("20261121130000")
                .from(1),
        )
        .await;
    world.apply(&near("20261121142500").from(2)).await;
    world
        .apply(
            &near("20261121142500")
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121144500")
                .from(3),
        )
        .await;
    world.desk.log_says(crate::world::at("20261121152000"));
    world.desk.settle().await.unwrap();
    let cases = world.cases().await;
    let warning = cases.iter().find(|case| case.rule == RuleCode::NearHour).unwrap();
    assert_eq!(warning.outcome, Some(Outcome::Exceeded));
}

/// The same breach with another edge, judged at `stamp` of the hour of `window`.
fn with_edge(said: crate::world::Said, edge: Edge, stamp: &str, window: &str) -> crate::world::Said {
    said.edge(edge, stamp).window(window)
}

#[tokio::test]
async fn a_warning_nobody_answers_falls_back_or_exceeds() {
    // Fell back: the projection cleared early, and the log moved past the hour without an exceedance.
    let world = World::new().await;
    world.apply(&near("20261121142500").from(10)).await;
    let cleared = near("20261121142500")
        .verdict(Verdict::Fine)
        .edge(Edge::Cleared, "20261121143500");
    world.apply(&cleared.from(11)).await;
    assert_eq!(world.only_case().await.state, State::Resolved);
    assert_eq!(world.desk.settle().await.unwrap(), 0);
    world.desk.log_says(crate::world::at("20261121152000"));
    assert_eq!(world.desk.settle().await.unwrap(), 1);
    let case = world.only_case().await;
    assert_eq!((case.state, case.outcome), (State::Closed, Some(Outcome::FellBack)));

    // A revision of the hour changes the outcome, and the trace keeps both.
    let late = exceed("20261121170000")
        .window("20261121140000")
        .first("20261121140000")
        .pane(Pane::Late)
        .late();
    world.apply(&late.from(12)).await;
    let cases = world.cases().await;
    let warning = cases.iter().find(|case| case.rule == RuleCode::NearHour).unwrap();
    assert_eq!(warning.outcome, Some(Outcome::Exceeded));
    assert_eq!(
        world.trace(warning.id).await,
        [
            "opened",
            "resolved",
            "outcome: fell_back",
            "closed",
            "outcome: exceeded"
        ]
    );
}

#[tokio::test]
async fn an_exceedance_decides_its_warning_and_stands_for_itself() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(10)).await;
    // Of another factor and of another hour: neither decides the warning.
    world
        .apply(
            &exceed("20261121150500")
                .window("20261121140000")
                .factor(Some("a21002"))
                .from(11),
        )
        .await;
    world
        .apply(
            &exceed("20261121140500")
                .window("20261121130000")
                .first("20261121130000")
                .from(12),
        )
        .await;
    let of = |cases: &[plume_alert::store::CaseRow], rule| cases.iter().find(|c| c.rule == rule).cloned().unwrap();
    assert_eq!(of(&world.cases().await, RuleCode::NearHour).outcome, None);
    world
        .apply(
            &exceed("20261121150500")
                .window("20261121140000")
                .first("20261121140000")
                .from(13),
        )
        .await;
    let cases = world.cases().await;
    let warning = of(&cases, RuleCode::NearHour);
    assert_eq!(
        (warning.state, warning.outcome),
        (State::Closed, Some(Outcome::Exceeded))
    );
}

#[tokio::test]
async fn an_hour_that_cannot_be_judged_is_neither_success_nor_failure() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(10)).await;
    let invalid = near("20261121142500")
        .pane(Pane::OnTime)
        .verdict(Verdict::NotJudged(NotJudged::TooFewValid))
        .edge(Edge::Cleared, "20261121150500");
    world.apply(&invalid.from(11)).await;
    assert_eq!(world.only_case().await.outcome, Some(Outcome::InvalidHour));
}

#[tokio::test]
async fn a_warning_left_without_any_word_is_an_invalid_hour() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(10)).await;
    world.desk.log_says(crate::world::at("20261121152001"));
    world.desk.settle().await.unwrap();
    let case = world.only_case().await;
    assert_eq!((case.state, case.outcome), (State::Closed, Some(Outcome::InvalidHour)));
}

#[tokio::test]
async fn an_exceedance_is_preliminary_then_confirmed_or_not_judged() {
    let world = World::new().await;
    world
        .apply(
            &exceed("20261121150500")
                .window("20261121140000")
                .first("20261121140000")
                .from(10),
        )
        .await;
    let case = world.only_case().await;
    assert_eq!(
        (case.certainty, case.severity),
        (Certainty::Preliminary, Severity::Exceeded)
    );
    let confirmed = exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000");
    let mut sure = confirmed.clone().edge(Edge::Confirmed, "20261122120000").from(90);
    sure.preliminary = false;
    world.apply(&sure).await;
    assert_eq!(world.only_case().await.certainty, Certainty::Confirmed);

    let world = World::new().await;
    world.apply(&confirmed.from(10)).await;
    let marked = confirmed
        .verdict(Verdict::NotJudged(NotJudged::Marked))
        .pane(Pane::Late)
        .edge(Edge::Retracted, "20261122100000");
    world.apply(&marked.from(11)).await;
    let case = world.only_case().await;
    assert_eq!(
        (case.state, case.certainty, case.outcome),
        (State::Retracted, Certainty::NotJudged, None)
    );
    assert_eq!(world.trace(case.id).await, ["opened", "not_judged"]);
}

#[tokio::test]
async fn a_correction_that_removes_the_breach_makes_it_a_false_alarm_once_confirmed() {
    let world = World::new().await;
    world.apply(&exceed("20261121150500").from(10)).await;
    let corrected = exceed("20261121150500")
        .verdict(Verdict::Fine)
        .edge(Edge::Retracted, "20261121180000");
    world.apply(&corrected.from(11)).await;
    assert_eq!(world.only_case().await.state, State::Retracting);
    let case = world
        .act(&crate::world::duty(), ActKind::ConfirmRetraction, "核实")
        .await;
    assert_eq!(
        (case.state, case.outcome),
        (State::Retracted, Some(Outcome::FalseAlarm))
    );
}

#[tokio::test]
async fn faults_of_one_instrument_join_and_end_together() {
    let world = World::new().await;
    let zero = event(RuleCode::Zero, Edge::Opened, "20261121100000").severity(Severity::Attention);
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121110000").severity(Severity::Urgent);
    world.apply(&zero.from(1)).await;
    world.apply(&stuck.from(2)).await;
    // Another outlet's fault stays its own case.
    world
        .apply(&stuck.clone().outlet(crate::world::OTHER_OUTLET).from(3))
        .await;
    assert_eq!(world.cases().await.len(), 2);
    let of_first = async || {
        let cases = world.cases().await;
        cases
            .into_iter()
            .find(|case| case.outlet.as_str() == crate::world::OUTLET)
            .unwrap()
    };
    assert_eq!(of_first().await.severity, Severity::Urgent);
    world
        .apply(
            &stuck
                .clone()
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121120000")
                .from(4),
        )
        .await;
    let case = of_first().await;
    assert_eq!((case.state, case.severity), (State::Open, Severity::Attention));
    world
        .apply(
            &zero
                .clone()
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121123000")
                .from(5),
        )
        .await;
    assert_eq!(of_first().await.state, State::Resolved);
    // It comes back: the same case opens again, and an hour a day later closes it by itself.
    world
        .apply(&zero.clone().edge(Edge::Opened, "20261121130000").from(6))
        .await;
    assert_eq!(of_first().await.state, State::Open);
    world
        .apply(
            &zero
                .verdict(Verdict::Fine)
                .edge(Edge::Cleared, "20261121133000")
                .from(7),
        )
        .await;
    world.desk.log_says(crate::world::at("20261122133000"));
    world.desk.settle().await.unwrap();
    let case = of_first().await;
    assert_eq!(case.state, State::Closed);
    assert_eq!(
        world.trace(case.id).await,
        [
            "opened", "joined", "resolved", "resolved", "reopened", "resolved", "closed"
        ]
    );
}

#[tokio::test]
async fn the_end_of_something_unknown_changes_nothing() {
    let world = World::new().await;
    let end = near("20261121142500").edge(Edge::Cleared, "20261121143000").from(10);
    assert_eq!(world.apply(&end).await, EventOutcome::Ignored);
    assert!(world.cases().await.is_empty());
    assert_eq!(world.desk.resume_offset(0).await.unwrap(), 11);
}

#[tokio::test]
async fn an_event_counts_once_by_offset_and_by_id() {
    let world = World::new().await;
    let first = near("20261121142500").from(10);
    assert!(matches!(world.apply(&first).await, EventOutcome::Applied(_)));
    assert_eq!(world.apply(&first).await, EventOutcome::Repeated);
    // The same event again further on in the log, as an at-least-once producer writes it.
    let again = plume_schemas::entry::LogPosition {
        partition: 0,
        offset: 20,
    };
    assert_eq!(world.desk.apply(again, &first).await.unwrap(), EventOutcome::Repeated);
    assert_eq!(world.desk.resume_offset(0).await.unwrap(), 21);
    let case = world.only_case().await;
    assert_eq!((case.version, world.trace(case.id).await.len()), (1, 1));
}

/// A day of events of one outlet, in the judge's order.
fn story() -> Vec<plume_schemas::event::Event> {
    let near = near("20261121142500");
    let over = exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000");
    let stuck = event(RuleCode::Const, Edge::Opened, "20261121151000").severity(Severity::Attention);
    vec![
        near.from(1),
        near.clone()
            .severity(Severity::Exceeded)
            .edge(Edge::Worsened, "20261121143000")
            .from(2),
        over.from(3),
        near.clone()
            .verdict(Verdict::Breach(Severity::Exceeded))
            .pane(Pane::OnTime)
            .edge(Edge::Cleared, "20261121150500")
            .from(4),
        stuck.from(5),
        stuck
            .clone()
            .severity(Severity::Urgent)
            .edge(Edge::Worsened, "20261121153000")
            .from(6),
        over.clone()
            .verdict(Verdict::Fine)
            .window("20261121150000")
            .edge(Edge::Cleared, "20261121160500")
            .from(7),
        stuck
            .clone()
            .verdict(Verdict::Fine)
            .edge(Edge::Cleared, "20261121163000")
            .from(8),
        over.verdict(Verdict::Fine)
            .pane(Pane::Late)
            .edge(Edge::Retracted, "20261121190000")
            .from(9),
    ]
}

async fn book_after(orders: &[usize], restart_after: Option<usize>) -> (String, Vec<Vec<String>>) {
    let events = story();
    let mut world = World::new().await;
    for (done, &index) in orders.iter().enumerate() {
        // Positions grow, as in a log that holds repeats.
        let at = plume_schemas::entry::LogPosition {
            partition: 0,
            offset: done as u64,
        };
        world.desk.apply(at, &events[index]).await.unwrap();
        if restart_after == Some(done) {
            world = world.reopened().await;
        }
    }
    let mut traces = Vec::new();
    let cases = world.cases().await;
    for case in &cases {
        traces.push(world.trace(case.id).await);
    }
    let shown: Vec<_> = cases
        .iter()
        .map(|case| format!("{:?}", (case.id, case.version, case.state, case.outcome, case.severity)))
        .collect();
    (shown.join("\n"), traces)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any replay of any stretch seen before, anywhere, with a restart anywhere, gives the same book.
    #[test]
    fn repetition_changes_nothing(
        replays in prop::collection::vec((0_usize..9, 0_usize..9), 0..4),
        restart in 0_usize..9,
    ) {
        let mut order: Vec<usize> = (0..9).collect();
        for (upto, from) in replays {
            // After the first occurrence of `upto`, everything from `from` to it comes again.
            let (from, upto) = (from.min(upto), from.max(upto));
            let place = order.iter().position(|&index| index == upto).unwrap();
            let again: Vec<usize> = (from..=upto).collect();
            order.splice(place + 1..=place, again);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plain: Vec<usize> = (0..9).collect();
        let (expected, repeated) = runtime.block_on(async {
            (book_after(&plain, None).await, book_after(&order, Some(restart)).await)
        });
        prop_assert_eq!(expected, repeated);
    }
}
