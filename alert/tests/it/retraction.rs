//! A correction took an exceedance away: the case stands, and nobody outside is told, until an officer has decided.

use plume_alert::accounts::Viewer;
use plume_alert::act::ActError;
use plume_alert::case::{ActKind, Certainty, Outcome, State};
use plume_alert::problem::ProblemState;
use plume_alert::store::{CaseRow, Order, Page, ProblemFilter};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::rule::RuleCode;

use crate::world::{MINUTE, Said, World, branch, contractor, duty, enterprise, exceed, near, other_enterprise, said};

fn over() -> Said {
    exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000")
}

/// The hour packet was sent again with a lower mean.
fn corrected() -> Said {
    exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000")
        .verdict(Verdict::Fine)
        .pane(Pane::Late)
        .decimal(FactKey::Mean, "30.1")
        .edge(Edge::Retracted, "20261121180000")
}

/// Told of, then corrected.
async fn corrected_world() -> World {
    let world = World::new().await;
    world.go_to("20261121150500");
    world.apply(&near("20261121142500").from(9)).await;
    world.apply(&over().from(10)).await;
    world.pass_time(3 * 60 * MINUTE);
    world.send_all().await;
    world.apply(&corrected().from(11)).await;
    world.send_all().await;
    world
}

/// The kinds of a case's trace.
async fn kinds(world: &World, case: plume_schemas::ids::ContentId) -> Vec<&'static str> {
    let trace = world.desk.store().trace(&duty(), case).await.unwrap();
    trace.iter().map(|line| line.kind.code()).collect()
}

async fn of(world: &World, rule: RuleCode) -> CaseRow {
    let cases = world.cases().await;
    cases.into_iter().find(|case| case.rule == rule).unwrap()
}

async fn decide(world: &World, viewer: &Viewer, kind: ActKind, text: &str) -> Result<CaseRow, ActError> {
    let case = of(world, RuleCode::ExceedHour).await;
    let act = said(kind, text, world.now());
    world.desk.act(viewer, case.id, &act, case.version).await
}

#[tokio::test]
async fn until_an_officer_has_looked_the_exceedance_stands_and_nobody_is_told() {
    let world = corrected_world().await;
    let case = of(&world, RuleCode::ExceedHour).await;
    assert_eq!(
        (case.state, case.certainty, case.outcome),
        (State::Retracting, Certainty::Preliminary, None)
    );
    assert_eq!(kinds(&world, case.id).await, ["opened", "retracting"]);
    assert_eq!(world.heard.count("撤回"), 0, "{}", world.heard.text());
    // What the warning of that hour led to is not changed on the device's word alone either.
    assert_eq!(of(&world, RuleCode::NearHour).await.outcome, Some(Outcome::Exceeded));
    let counts = world.desk.store().counts(&duty(), world.now()).await.unwrap();
    assert_eq!((counts.retracting, counts.resolved), (1, 0));
    // It is on the enterprise's list all the same, with nothing said of its end.
    let page = Page {
        order: Order::Gravest,
        offset: 0,
        limit: 10,
    };
    let filter = plume_alert::store::CaseFilter {
        states: State::LIVE.to_vec(),
        ..Default::default()
    };
    let seen = world.desk.store().cases(&enterprise(), &filter, page).await.unwrap();
    assert_eq!(seen.rows.len(), 1);
}

#[tokio::test]
async fn an_officer_confirms_it_with_a_reason_and_those_who_heard_are_told() {
    let world = corrected_world().await;
    let why = "核对质控记录：标气核查时段误报为运行数据";
    let row = decide(&world, &branch("东区"), ActKind::ConfirmRetraction, why)
        .await
        .unwrap();
    assert_eq!((row.state, row.outcome), (State::Retracted, Some(Outcome::FalseAlarm)));
    let trace = world.desk.store().trace(&duty(), row.id).await.unwrap();
    let decided = trace.iter().find(|line| line.kind.code() == "retracted").unwrap();
    assert_eq!(
        (decided.actor.as_str(), decided.text.as_str(), decided.at),
        (branch("东区").name.as_str(), why, world.now())
    );
    assert_eq!(
        kinds(&world, row.id).await,
        ["opened", "retracting", "retracted", "outcome"]
    );
    world.send_all().await;
    assert!(world.heard.count("提醒撤回") > 0, "{}", world.heard.text());
    assert_eq!(of(&world, RuleCode::NearHour).await.outcome, Some(Outcome::FellBack));
    // Decided once.
    let again = decide(&world, &duty(), ActKind::RejectRetraction, "x").await;
    assert!(
        matches!(
            again,
            Err(ActError::WrongState {
                state: State::Retracted,
                ..
            })
        ),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_officer_rejects_it_and_the_exceedance_is_confirmed_and_has_to_be_put_right() {
    let world = corrected_world().await;
    let row = decide(&world, &duty(), ActKind::RejectRetraction, "修订无依据")
        .await
        .unwrap();
    assert_eq!(
        (row.state, row.certainty, row.outcome),
        (State::Resolved, Certainty::Confirmed, None)
    );
    assert_eq!(
        row.judgement.number(FactKey::Mean),
        Some(37.2),
        "the judgement that stands"
    );
    assert_eq!(
        kinds(&world, row.id).await,
        ["opened", "retracting", "retraction_rejected"]
    );
    assert_eq!(of(&world, RuleCode::NearHour).await.outcome, Some(Outcome::Exceeded));
    let problems = world
        .desk
        .store()
        .problems(&duty(), &ProblemFilter::default(), 0, 10)
        .await
        .unwrap();
    assert!(
        matches!(problems.as_slice(), [problem] if problem.state == ProblemState::Open),
        "{problems:?}"
    );
    assert_eq!(row.due_at, problems.first().map(|problem| problem.due_at));
    world.go_to("20261122090000");
    world.send_all().await;
    assert_eq!(world.heard.count("提醒撤回"), 0, "{}", world.heard.text());
    assert!(world.heard.count("确认") > 0, "{}", world.heard.text());
}

#[tokio::test]
async fn only_officers_decide_and_only_with_a_reason() {
    let world = corrected_world().await;
    for viewer in [enterprise(), contractor()] {
        for kind in [ActKind::ConfirmRetraction, ActKind::RejectRetraction] {
            let refused = decide(&world, &viewer, kind, "数据有误").await;
            assert!(matches!(refused, Err(ActError::NotAllowed { .. })), "{refused:?}");
        }
    }
    let foreign = decide(&world, &other_enterprise(), ActKind::ConfirmRetraction, "x").await;
    assert!(matches!(foreign, Err(ActError::NoSuchCase)));
    let silent = decide(&world, &duty(), ActKind::ConfirmRetraction, " ").await;
    assert!(matches!(silent, Err(ActError::Empty { field: "text" })));
    // Neither closed nor called a false alarm past the question.
    for kind in [ActKind::Close, ActKind::CloseFalse] {
        let refused = decide(&world, &duty(), kind, "x").await;
        assert!(matches!(refused, Err(ActError::WrongState { .. })), "{refused:?}");
    }
    assert_eq!(of(&world, RuleCode::ExceedHour).await.state, State::Retracting);
}

#[tokio::test]
async fn data_that_exceed_again_end_the_question() {
    let world = corrected_world().await;
    world.apply(&over().edge(Edge::Opened, "20261121190000").from(12)).await;
    let case = of(&world, RuleCode::ExceedHour).await;
    assert_eq!(case.state, State::Open);
    assert_eq!(kinds(&world, case.id).await, ["opened", "retracting", "reopened"]);
    let late = decide(&world, &duty(), ActKind::ConfirmRetraction, "x").await;
    assert!(matches!(late, Err(ActError::WrongState { .. })));
}

#[tokio::test]
async fn an_hour_that_a_correction_leaves_without_enough_data_waits_too_a_mark_does_not() {
    for (reason, state, outcome) in [
        (NotJudged::TooFewValid, State::Retracting, Some(Outcome::InvalidHour)),
        (NotJudged::Stopped, State::Retracting, Some(Outcome::InvalidHour)),
        (NotJudged::Marked, State::Retracted, None),
    ] {
        let world = World::new().await;
        world.apply(&over().from(10)).await;
        world
            .apply(&corrected().verdict(Verdict::NotJudged(reason)).from(11))
            .await;
        let case = of(&world, RuleCode::ExceedHour).await;
        assert_eq!(case.state, state, "{reason:?}");
        if state == State::Retracting {
            let row = decide(&world, &duty(), ActKind::ConfirmRetraction, "核实")
                .await
                .unwrap();
            assert_eq!((row.state, row.outcome), (State::Retracted, outcome), "{reason:?}");
        } else {
            assert_eq!((case.certainty, case.outcome), (Certainty::NotJudged, outcome));
        }
    }
}

#[tokio::test]
async fn an_overdue_answer_is_not_asked_for_while_the_bureau_itself_is_asked() {
    let world = World::new().await;
    world.apply(&over().from(10)).await;
    let mut sure = over().edge(Edge::Confirmed, "20261122120000").from(11);
    sure.preliminary = false;
    world.apply(&sure).await;
    world
        .apply(&corrected().edge(Edge::Retracted, "20261122130000").from(12))
        .await;
    world.go_to("20261210000000");
    world.desk.log_says(world.now());
    world.desk.settle().await.unwrap();
    let case = of(&world, RuleCode::ExceedHour).await;
    assert!(
        !world
            .trace(case.id)
            .await
            .iter()
            .any(|line| line.starts_with("overdue"))
    );
    // The bureau let the time pass; once it has rejected the correction the answer is overdue.
    decide(&world, &duty(), ActKind::RejectRetraction, "修订无依据")
        .await
        .unwrap();
    world.desk.settle().await.unwrap();
    assert!(
        world
            .trace(case.id)
            .await
            .iter()
            .any(|line| line.starts_with("overdue"))
    );
}
