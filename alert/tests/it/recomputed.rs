//! What judging again out of the archive finds is news of long ago: cases show it, and nobody is rung or woken for it.

use plume_alert::case::{Certainty, State};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{NotJudged, Pane, Verdict};

use crate::world::{MINUTE, Said, World, exceed};

/// Twice the limit: it rings at the duty desk.
fn over() -> Said {
    use plume_schemas::judgement::{FactKey, FactValue};
    exceed("20261121150500")
        .window("20261121140000")
        .first("20261121140000")
        .fact(FactKey::ExceedRatio, FactValue::Float(1.5))
}

/// A mark that somebody set ten days later, at night.
fn marked() -> Said {
    over()
        .verdict(Verdict::NotJudged(NotJudged::Marked))
        .pane(Pane::Late)
        .late()
        .edge(Edge::Retracted, "20261201030000")
}

#[tokio::test]
async fn a_mark_ten_days_later_retracts_and_tells_in_the_morning_without_a_ring() {
    let world = World::new().await;
    world.go_to("20261121150500");
    world.apply(&over().from(10)).await;
    world.pass_time(MINUTE);
    world.send_all().await;
    let case = world.only_case().await;
    let told = world.notices(case.id).await;
    assert!(told.iter().any(|line| line.contains("/ring/first/sent/")), "{told:#?}");
    assert!(
        told.iter()
            .any(|line| line.starts_with("enterprise/") && line.contains("/first/sent/")),
        "{told:#?}"
    );

    world.go_to("20261201030000");
    world.apply(&marked().from(9_000)).await;
    world.send_all().await;
    let case = world.only_case().await;
    assert_eq!((case.state, case.certainty), (State::Retracted, Certainty::NotJudged));
    let told = world.notices(case.id).await;
    let retracted: Vec<&String> = told.iter().filter(|line| line.contains("/retracted/")).collect();
    assert!(
        !retracted.is_empty(),
        "who heard of it hears that it is not judged: {told:#?}"
    );
    for line in &retracted {
        assert!(line.ends_with("/waiting/quiet_hours"), "{line}");
        assert!(!line.contains("/ring/") && !line.contains("/voice/"), "{line}");
    }
    world.go_to("20261201073100");
    world.send_all().await;
    let told = world.notices(case.id).await;
    let sent = told.iter().filter(|line| line.contains("/retracted/sent/")).count();
    assert_eq!(sent, retracted.len(), "{told:#?}");
}

#[tokio::test]
async fn an_exceedance_of_ten_days_ago_becomes_a_case_and_nobody_is_told() {
    let world = World::new().await;
    world.go_to("20261201030000");
    let found = over().pane(Pane::Late).late();
    world
        .apply(&found.clone().edge(Edge::Opened, "20261201030000").from(9_000))
        .await;
    world
        .apply(&found.clone().edge(Edge::Cleared, "20261201030000").from(9_001))
        .await;
    world.send_all().await;
    let case = world.only_case().await;
    assert_eq!(case.state, State::Resolved);
    let told = world.notices(case.id).await;
    assert!(
        !told.is_empty() && told.iter().all(|line| line.contains("/skipped/")),
        "{told:#?}"
    );

    // Taken back, and one after all: still nobody.
    world.apply(&marked().from(9_500)).await;
    world
        .apply(&found.edge(Edge::Opened, "20261201031000").from(9_900))
        .await;
    world.send_all().await;
    let told = world.notices(case.id).await;
    assert!(told.iter().all(|line| !line.contains("/sent/")), "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("/reopened/skipped/late")),
        "{told:#?}"
    );
}

#[tokio::test]
async fn what_is_found_afterwards_does_not_join_the_case_of_today() {
    let world = World::new().await;
    world.go_to("20261201150500");
    let today = exceed("20261201150500")
        .window("20261201140000")
        .first("20261201140000");
    world.apply(&today.from(9_000)).await;
    world
        .apply(
            &over()
                .pane(Pane::Late)
                .late()
                .edge(Edge::Opened, "20261201151000")
                .from(9_001),
        )
        .await;
    let cases = world.cases().await;
    assert_eq!(cases.len(), 2, "{cases:#?}");
}
