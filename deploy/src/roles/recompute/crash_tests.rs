//! Wherever a turn is killed, the next one leaves the log as one turn would have.

use plume_bus::Topic;
use plume_schemas::entry::EntryBody;
use plume_schemas::time::{MINUTE_MS, Span};
use plume_schemas::wire;

use super::work::{RECOMPUTE, Turned};
use super::world::{Fate, World, hour, mark, within};
use crate::roles::{at, consumer};

const HOURS: i64 = 60;

async fn marked() -> World {
    let mut world = World::new().await;
    world
        .hours(HOURS, |at| if within(at, 8..11) { Fate::Over } else { Fate::Usual })
        .await;
    world.turn().await;
    let span = Span {
        start: hour(8),
        end: hour(11),
    };
    world.take(vec![mark(span, false, hour(HOURS).plus(MINUTE_MS))]).await;
    world
}

async fn recomputed(world: &World) -> usize {
    let reports = world.reports().await;
    let bodies = reports.iter().map(|bytes| wire::decode_entry(bytes).unwrap());
    bodies.filter(|body| matches!(body, EntryBody::Recomputed(_))).count()
}

#[tokio::test]
async fn killed_between_what_it_appended_and_its_position_it_does_nothing_again() {
    let mut world = marked().await;
    let before = world.position().await;
    assert!(matches!(world.work.turn(0).await.unwrap(), Turned::Done(said) if said.len() == 1));
    assert_eq!(recomputed(&world).await, 1);
    // What a kill leaves: the batch is in the log, the position where it was, the judge has not read it yet.
    let line = at(Topic::Reports, 0);
    world
        .bus
        .commit(consumer(RECOMPUTE).unwrap(), vec![(line, before)])
        .await
        .unwrap();
    world.work = World::work(&world.bus, world.dir.path());
    assert!(matches!(world.work.turn(0).await.unwrap(), Turned::Waits("judge")));
    world.settle().await;
    assert!(world.turn().await.is_empty(), "everything is said already");
    assert_eq!(recomputed(&world).await, 1);
    assert!(world.position().await > before);
    world.assert_replays().await;
}

/// A start with nothing in memory: the registry before the position comes out of the archive, so that the next change
/// is compared with it.
#[tokio::test]
async fn after_a_restart_a_registry_change_is_compared_with_what_was_recorded_before() {
    let mut world = marked().await;
    assert_eq!(world.turn().await.len(), 1);
    world.work = World::work(&world.bus, world.dir.path());
    let now = hour(HOURS).plus(2 * MINUTE_MS);
    let stricter = world.stricter_since(hour(2), 5, now);
    world.take(vec![stricter]).await;
    assert!(!world.turn().await.is_empty());
    world.assert_replays().await;
}
