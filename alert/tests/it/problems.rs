//! Problems: from a confirmed exceedance to 复核通过, with deadlines on both sides.

use plume_alert::accounts::Viewer;
use plume_alert::case::{ActKind, State};
use plume_alert::problem::{Problem, ProblemError, ProblemState, Source, Step, Verdict as Review};
use plume_alert::store::ProblemFilter;
use plume_alert::{Desk, Finding};
use plume_schemas::event::Edge;
use plume_schemas::ids::EnterpriseId;
use plume_schemas::judgement::{NotJudged, Pane, Verdict};

use crate::world::{Said, World, at, branch, contractor, duty, enterprise, exceed, lead_officer, other_enterprise};

fn over() -> Said {
    exceed("20261119150500")
        .window("20261119140000")
        .first("20261119140000")
}

fn confirmed() -> plume_schemas::event::Event {
    let mut event = over().pane(Pane::Late).edge(Edge::Confirmed, "20261120120000").from(2);
    event.preliminary = false;
    event
}

/// An exceedance of Thursday, over by four, confirmed on Friday noon.
async fn world_with_problem() -> World {
    let world = World::new().await;
    world.go_to("20261119150500");
    world.apply(&over().from(0)).await;
    let fine = over().verdict(Verdict::Fine).window("20261119150000");
    world.apply(&fine.edge(Edge::Cleared, "20261119160500").from(1)).await;
    world.go_to("20261120120000");
    world.apply(&confirmed()).await;
    world
}

async fn only(desk: &Desk, viewer: &Viewer) -> Problem {
    let mut problems = desk
        .store()
        .problems(viewer, &ProblemFilter::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

fn submit() -> Step {
    Step::Submit {
        cause: "石灰石供浆泵故障".into(),
        measures: "更换备用泵".into(),
    }
}

fn review(verdict: Review, guidance: &str) -> Step {
    Step::Review {
        verdict,
        guidance: guidance.into(),
    }
}

#[tokio::test]
async fn a_confirmed_exceedance_is_put_right_and_reviewed() {
    let world = world_with_problem().await;
    let problem = only(&world.desk, &enterprise()).await;
    // Friday noon and three working days: the end of Wednesday.
    assert_eq!(problem.due_at, at("20261126000000"));
    assert_eq!((problem.state, problem.source), (ProblemState::Open, Source::Alert));
    let case = world.only_case().await;
    assert_eq!(case.due_at, Some(problem.due_at));
    // The answer on the case is the first round.
    world.act(&enterprise(), ActKind::Answer, "石灰石供浆泵故障").await;
    let problem = only(&world.desk, &branch("东区")).await;
    assert_eq!((problem.state, problem.rounds.len()), (ProblemState::Submitted, 1));
    assert_eq!(problem.rounds[0].review_due_at, at("20261126000000"));
    let step = async |viewer: &Viewer, problem: &Problem, step: &Step| {
        world
            .desk
            .problem_step(viewer, problem.id, step, problem.version, world.now())
            .await
    };
    let back = step(
        &branch("东区"),
        &problem,
        &review(Review::Return, "请补充供浆泵检修记录"),
    )
    .await
    .unwrap();
    assert_eq!(back.state, ProblemState::Returned);
    world.pass_time(60_000);
    world.send_all().await;
    assert_eq!(
        world.heard.count("退回补充，指导意见：请补充供浆泵检修记录"),
        1,
        "{}",
        world.heard.text()
    );
    let again = step(&enterprise(), &back, &submit()).await.unwrap();
    let looked = step(&duty(), &again, &review(Review::OnSite, "")).await.unwrap();
    assert_eq!(looked.rounds[1].review_due_at, at("20261212000000"));
    let done = step(&duty(), &looked, &review(Review::Pass, "")).await.unwrap();
    assert_eq!((done.state, done.rounds.len()), (ProblemState::Passed, 2));
    let case = world.only_case().await;
    assert_eq!((case.state, case.due_at), (State::Closed, None));
    insta::assert_debug_snapshot!(world.trace(case.id).await);
    let counts = world
        .desk
        .store()
        .rectification(&duty(), &ProblemFilter::default(), world.now())
        .await
        .unwrap();
    assert_eq!((counts.found, counts.passed, counts.rate_pct()), (1, 1, Some(100.0)));
}

#[tokio::test]
async fn each_side_is_overdue_by_its_own_deadline() {
    let world = world_with_problem().await;
    world.go_to("20261126000000");
    world.desk.log_says(world.now());
    world.desk.settle().await.unwrap();
    world.send_all().await;
    let case = world.only_case().await;
    assert_eq!(world.trace(case.id).await.last().unwrap(), "overdue: 2026-11-26");
    world.go_to("20261126080000");
    world.send_all().await;
    assert_eq!(
        world.heard.count("应于以下日期前反馈，现已逾期：2026-11-26"),
        1,
        "{}",
        world.heard.text()
    );
    let counts = async |now| {
        world
            .desk
            .store()
            .rectification(&duty(), &ProblemFilter::default(), now)
            .await
            .unwrap()
    };
    assert_eq!(
        (
            counts(world.now()).await.overdue,
            counts(world.now()).await.review_overdue
        ),
        (1, 0)
    );
    world.act(&enterprise(), ActKind::Answer, "石灰石供浆泵故障").await;
    assert_eq!(counts(world.now()).await.overdue, 0);
    // Said once, and the bureau's own clock runs now.
    world.go_to("20261202000000");
    world.desk.log_says(world.now());
    world.desk.settle().await.unwrap();
    assert_eq!(
        world
            .trace(case.id)
            .await
            .iter()
            .filter(|line| line.starts_with("overdue"))
            .count(),
        1
    );
    assert_eq!(counts(world.now()).await.review_overdue, 1);
}

#[tokio::test]
async fn a_mark_accepted_late_withdraws_the_problem() {
    let world = world_with_problem().await;
    let marked = over()
        .verdict(Verdict::NotJudged(NotJudged::Marked))
        .pane(Pane::Late)
        .edge(Edge::Retracted, "20261120150000");
    world.apply(&marked.from(3)).await;
    assert_eq!(only(&world.desk, &duty()).await.state, ProblemState::Withdrawn);
    let counts = world
        .desk
        .store()
        .rectification(&duty(), &ProblemFilter::default(), world.now())
        .await
        .unwrap();
    assert_eq!((counts.found, counts.rate_pct()), (0, None));
    assert_eq!(world.only_case().await.due_at, None);
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let world = world_with_problem().await;
    let problem = only(&world.desk, &duty()).await;
    let refused = async |viewer: &Viewer, step: Step, version| {
        world
            .desk
            .problem_step(viewer, problem.id, &step, version, world.now())
            .await
            .unwrap_err()
    };
    let pass = || review(Review::Pass, "");
    assert!(matches!(
        refused(&other_enterprise(), submit(), 1).await,
        ProblemError::NoSuchProblem
    ));
    assert!(matches!(
        refused(&branch("西区"), pass(), 1).await,
        ProblemError::NoSuchProblem
    ));
    assert!(matches!(
        refused(&contractor(), submit(), 1).await,
        ProblemError::NotAllowed { .. }
    ));
    assert!(matches!(
        refused(&lead_officer(), pass(), 1).await,
        ProblemError::NotAllowed { .. }
    ));
    assert!(matches!(
        refused(&duty(), pass(), 1).await,
        ProblemError::WrongState { .. }
    ));
    assert!(matches!(
        refused(&enterprise(), submit(), 7).await,
        ProblemError::Changed { expected: 7, found: 1 }
    ));
    let empty = Step::Submit {
        cause: " ".into(),
        measures: "x".into(),
    };
    assert!(matches!(
        refused(&enterprise(), empty, 1).await,
        ProblemError::Empty { field: "cause" }
    ));
    assert_eq!(only(&world.desk, &duty()).await.version, 1);
}

#[tokio::test]
async fn people_find_problems_too() {
    let world = World::new().await;
    let finding = |source| Finding {
        source,
        enterprise: EnterpriseId::new("91330100MA27X0AB1C").unwrap(),
        outlet: None,
        title: "采样平台护栏松动".into(),
    };
    let now = world.now();
    let open = async |viewer: &Viewer, source| world.desk.open_problem(viewer, &finding(source), now).await;
    assert!(open(&branch("东区"), Source::Inspection).await.is_ok());
    assert!(open(&enterprise(), Source::SelfCheck).await.is_ok());
    assert!(matches!(
        open(&enterprise(), Source::Directive).await,
        Err(ProblemError::NotAllowed { .. })
    ));
    assert!(matches!(
        open(&duty(), Source::Alert).await,
        Err(ProblemError::NotAllowed { .. })
    ));
    assert!(matches!(
        open(&branch("西区"), Source::Inspection).await,
        Err(ProblemError::NoSuchProblem)
    ));
    assert!(matches!(
        open(&other_enterprise(), Source::SelfCheck).await,
        Err(ProblemError::NoSuchProblem)
    ));
    let all = world
        .desk
        .store()
        .problems(&duty(), &ProblemFilter::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
}
