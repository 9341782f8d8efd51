//! One thing explains another: each pair through the engine, with the named reason in the log of notices.

use std::sync::Arc;

use plume_alert::case::Family;
use plume_schemas::event::{Edge, Event};
use plume_schemas::registry::{RegistryIndex, StopWork};
use plume_schemas::rule::{RuleCode, Severity};

use crate::world::{MINUTE, OTHER_OUTLET, Said, World, at, event, exceed, near, registry};

/// What became of every notice of that family that was due: the state and the named reason, each once.
async fn ends(world: &World, family: Family) -> Vec<String> {
    let mut ends = Vec::new();
    for case in world.cases().await.into_iter().filter(|case| case.family == family) {
        for line in world.notices(case.id).await {
            let mut parts = line.rsplit('/');
            let (reason, state) = (parts.next().unwrap(), parts.next().unwrap());
            if state != "waiting" {
                ends.push(format!("{state} {reason}"));
            }
        }
    }
    ends.sort();
    ends.dedup();
    ends
}

/// Applies events in order, then lets all that is due go out.
async fn told(events: &[Event]) -> World {
    let world = World::new().await;
    for event in events {
        world.apply(event).await;
    }
    world.pass_time(MINUTE);
    world.send_all().await;
    world
}

fn silent() -> Said {
    event(RuleCode::Miss, Edge::Opened, "20261121142000").factor(None)
}

fn stuck() -> Said {
    event(RuleCode::Const, Edge::Opened, "20261121142500").severity(Severity::Attention)
}

const MUTED: [&str; 1] = ["skipped inhibited"];
const SENT: [&str; 1] = ["sent due"];

#[tokio::test]
async fn a_silent_device_mutes_what_its_silence_looks_like() {
    let world = told(&[silent().from(1), stuck().from(2)]).await;
    assert_eq!(ends(&world, Family::Quality).await, MUTED);
    // At another outlet it explains nothing.
    let elsewhere = stuck().outlet("91330100MA27X0AB1C:DA002");
    let world = told(&[silent().from(1), elsewhere.from(2)]).await;
    assert_eq!(ends(&world, Family::Quality).await, SENT);
}

#[tokio::test]
async fn an_exceedance_mutes_the_warning_of_its_hour() {
    let (warning, over) = (near("20261121142500"), exceed("20261121142600"));
    // Whichever the judge says first: the warning still waits in the outbox, or comes when the hour is already lost.
    for events in [[warning.from(1), over.from(2)], [over.from(1), warning.from(2)]] {
        let world = told(&events).await;
        let ends = ends(&world, Family::Near).await;
        let named = |end: &String| matches!(end.as_str(), "skipped inhibited" | "skipped over");
        assert!(!ends.is_empty() && ends.iter().all(named), "{ends:?}");
        assert_eq!(world.heard.count("小时均值可能超标"), 0, "{}", world.heard.text());
    }
    let world = told(&[warning.from(1)]).await;
    assert_eq!(ends(&world, Family::Near).await, SENT);
}

#[tokio::test]
async fn a_common_cause_mutes_the_devices_it_explains() {
    let cause = event(RuleCode::CommonCause, Edge::Opened, "20261121142000").factor(None);
    let world = told(&[cause.from(1), silent().from(2)]).await;
    assert_eq!(ends(&world, Family::Offline).await, MUTED);
    // Of another district it does not.
    let world = told(&[cause.outlet(OTHER_OUTLET).from(1), silent().from(2)]).await;
    assert!(!ends(&world, Family::Offline).await.contains(&MUTED[0].to_owned()));
}

#[tokio::test]
async fn an_approved_stop_mutes_standstill_and_nothing_else() {
    let stopped = |approved| {
        let mut registry = registry().registry().clone();
        registry.outlets[0].stop_work.push(StopWork {
            approved,
            valid_from: Some(at("20261121000000")),
            valid_to: Some(at("20261122000000")),
        });
        Arc::new(RegistryIndex::new(registry))
    };
    for (approved, expected) in [(true, "skipped stop_work"), (false, "sent due")] {
        for rule in [RuleCode::Zero, RuleCode::Const, RuleCode::Flow0] {
            let world = World::new().await;
            world.desk.set_registry(stopped(approved));
            let still = event(rule, Edge::Opened, "20261121142500").severity(Severity::Attention);
            world.apply(&still.from(1)).await;
            world
                .apply(&exceed("20261121142500").factor(Some("a21002")).from(2))
                .await;
            world.pass_time(MINUTE);
            world.send_all().await;
            assert_eq!(ends(&world, Family::Quality).await, [expected], "{rule}");
            assert_eq!(ends(&world, Family::Exceed).await, SENT, "{rule}");
        }
    }
}
