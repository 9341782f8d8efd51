//! One desk is active at a time.

use crate::world::{World, near};

#[tokio::test]
async fn a_lease_is_held_by_one_and_passes_on_when_it_ends() {
    let world = World::new().await;
    let hold = async |holder: &str| {
        world
            .desk
            .store()
            .hold_lease("desk", holder, world.now(), 15_000)
            .await
            .unwrap()
    };
    assert!(hold("a").await);
    assert!(!hold("b").await);
    world.pass_time(10_000);
    assert!(hold("a").await, "the holder keeps it");
    world.pass_time(14_999);
    assert!(!hold("b").await);
    world.pass_time(1);
    assert!(hold("b").await);
    assert!(!hold("a").await);
}

/// Two desks on one store: one sends; when it stops, the other takes over, and nothing is sent twice.
#[tokio::test]
async fn of_two_desks_one_sends_and_the_other_takes_over() {
    let world = World::new().await;
    let second = world.beside().await;
    world.desk.set_holder("first");
    second.set_holder("second");
    let (stop_first, stopped) = tokio::sync::oneshot::channel::<()>();
    let first = {
        let desk = world.desk.clone();
        tokio::spawn(async move { desk.run_outbox(async { drop(stopped.await) }).await })
    };
    world.apply(&near("20261121142500").from(1)).await;
    wait_until(|| world.heard.count("短信 →") == 2).await;
    assert!(world.desk.is_active());
    let (stop_second, stopped) = tokio::sync::oneshot::channel::<()>();
    let other = {
        let desk = second.clone();
        tokio::spawn(async move { desk.run_outbox(async { drop(stopped.await) }).await })
    };
    world
        .apply(&near("20261121142500").factor(Some("a21002")).from(2))
        .await;
    wait_until(|| world.heard.count("短信 →") == 4).await;
    assert!(!second.is_active());
    stop_first.send(()).unwrap();
    first.await.unwrap();
    world.pass_time(15_000);
    world
        .apply(&near("20261121142500").factor(Some("a34013")).from(3))
        .await;
    wait_until(|| world.heard.count("短信 →") == 6).await;
    assert!(second.is_active());
    stop_second.send(()).unwrap();
    other.await.unwrap();
    assert_eq!(world.heard.count("短信 →"), 6);
}

/// Looks again and again until it holds; a test that waits for ever is ended by its runner.
async fn wait_until(holds: impl Fn() -> bool) {
    let mut look = tokio::time::interval(std::time::Duration::from_millis(5));
    while !holds() {
        look.tick().await;
    }
}
