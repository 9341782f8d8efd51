//! Group commit: one sync in flight, the next takes everything that queued meanwhile, no timer.

use plume_bus::fs::SimFs;
use plume_bus::{Bus, BusOptions};

use crate::support::{EVENTS, REPORTS, TINY, consumer, held_sync, open_sim, options, records};

fn roomy() -> BusOptions {
    BusOptions {
        segment_bytes: 64 * TINY,
        ..options()
    }
}

fn append(bus: &Bus, text: &str) -> tokio::task::JoinHandle<Vec<u64>> {
    let (bus, batch) = (bus.clone(), records(REPORTS, text, 2, 0));
    tokio::spawn(async move { bus.append(batch).await.unwrap() })
}

#[tokio::test]
async fn what_queues_behind_a_sync_shares_the_next() {
    const QUEUED: u64 = 40;
    let fs = SimFs::new();
    let bus = open_sim(&fs, roomy()).await.unwrap();
    fs.hold_syncs(true);
    let first = append(&bus, "first");
    held_sync(&fs).await;
    let queued: Vec<_> = (0..QUEUED).map(|n| append(&bus, &format!("q{n}"))).collect();
    tokio::task::yield_now().await; // Every caller has queued once it has been polled.
    assert_eq!(
        (bus.stats().groups, bus.range(REPORTS).await.unwrap()),
        (0, 0..0),
        "nothing is durable yet"
    );
    fs.hold_syncs(false);
    assert_eq!(first.await.unwrap(), [0, 1]);
    for (n, task) in (1..).zip(queued) {
        assert_eq!(task.await.unwrap(), [2 * n, 2 * n + 1], "in the order of the calls");
    }
    let stats = bus.stats();
    assert_eq!((stats.batches, stats.groups, stats.fsyncs), (QUEUED + 1, 2, 2));
    assert_eq!(
        (stats.last_group_batches, stats.largest_group_batches),
        (QUEUED, QUEUED)
    );
}

#[tokio::test]
async fn a_lone_caller_waits_for_one_sync_and_nothing_else() {
    let bus = open_sim(&SimFs::new(), roomy()).await.unwrap();
    for n in 1..=10 {
        append(&bus, "alone").await.unwrap();
        assert_eq!((bus.stats().groups, bus.stats().fsyncs), (n, n));
    }
}

/// A caller that stops waiting loses the answer, not the record; everybody else is unharmed.
#[tokio::test]
async fn a_caller_that_goes_away() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, roomy()).await.unwrap();
    fs.hold_syncs(true);
    let (gone, stays) = (append(&bus, "gone"), append(&bus, "stays"));
    held_sync(&fs).await;
    gone.abort();
    fs.hold_syncs(false);
    assert_eq!(stays.await.unwrap(), [2, 3]);
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..4);
}

/// Transactions and commits queue with the rest and keep their order.
#[tokio::test]
async fn kinds_of_calls_share_a_group() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, roomy()).await.unwrap();
    fs.hold_syncs(true);
    let first = append(&bus, "first");
    held_sync(&fs).await;
    let second = append(&bus, "second");
    tokio::task::yield_now().await;
    let third = tokio::spawn({
        let bus = bus.clone();
        // Valid only because `second` is before it in the same group.
        async move {
            bus.transact(consumer("detect"), records(EVENTS, "e", 1, 0), vec![(REPORTS, 4)])
                .await
                .unwrap()
        }
    });
    tokio::task::yield_now().await;
    fs.hold_syncs(false);
    assert_eq!(
        (first.await.unwrap(), second.await.unwrap(), third.await.unwrap()),
        (vec![0, 1], vec![2, 3], vec![0])
    );
    assert_eq!((bus.stats().batches, bus.stats().groups), (3, 2));
    assert_eq!(bus.committed(consumer("detect"), REPORTS).await.unwrap(), Some(4));
}

/// A group ends where the segment does; nobody notices.
#[tokio::test]
async fn a_group_crosses_segments() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    fs.hold_syncs(true);
    let first = append(&bus, "first");
    held_sync(&fs).await;
    let queued: Vec<_> = (0..30).map(|n| append(&bus, &format!("q{n}"))).collect();
    tokio::task::yield_now().await; // Every caller has queued once it has been polled.
    fs.hold_syncs(false);
    first.await.unwrap();
    for (n, task) in (1..).zip(queued) {
        assert_eq!(task.await.unwrap(), [2 * n, 2 * n + 1]);
    }
    assert!(bus.stats().segments > 2);
}
