//! A disk that fills up, and one whose syncs fail.

use plume_bus::fs::{Fault, Loss, SimFs};
use plume_bus::{Bus, BusError, BusOptions, ReadLimit};

use crate::support::{
    EVENTS, REPORTS, TINY, consumer, held_sync, open_sim, options, read_all, record, records, segments, text, texts,
};

fn is_full(error: &BusError) -> bool {
    matches!(error, BusError::DiskFull { limit_bytes: None, .. })
}

async fn fill(bus: &Bus) -> u64 {
    for n in 0.. {
        if let Err(error) = bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await {
            assert!(is_full(&error), "{error}");
            return n;
        }
    }
    unreachable!()
}

/// Every capacity, so that the disk fills within headers, frames, and while a segment is made.
#[tokio::test]
async fn a_full_disk_refuses_whole_and_resumes_by_itself() {
    for capacity in (600..2_600).step_by(7) {
        let fs = SimFs::new();
        let bus = open_sim(&fs, options()).await.unwrap();
        fs.set_capacity(Some(capacity));
        let count = fill(&bus).await;
        assert!(bus.stats().full && fs.used_bytes() <= capacity);
        let expected: Vec<_> = (0..count).map(|n| format!("r{n}")).collect();
        assert_eq!(
            texts(&bus, REPORTS).await,
            expected,
            "nothing acknowledged is lost, nothing refused is there"
        );
        // A copy of what is on the disk opens just as well, whatever was cut off.
        let copy = SimFs::new();
        for path in segments(&fs) {
            copy.replace(&path, fs.content(&path).unwrap());
        }
        let opened = open_sim(&copy, options()).await.unwrap();
        assert_eq!(
            (texts(&opened, REPORTS).await, opened.findings()),
            (expected, &[][..]),
            "capacity {capacity}"
        );
        // Somebody makes room: no hand on the bus.
        fs.set_capacity(None);
        assert_eq!(bus.append(records(REPORTS, "more", 12, 100)).await.unwrap()[0], count);
        assert!(!bus.stats().full);
        drop(bus);
        fs.restart(Loss::Power);
        let bus = open_sim(&fs, options()).await.unwrap();
        assert_eq!(bus.range(REPORTS).await.unwrap(), 0..count + 12);
    }
}

/// The system had written the half that was cut off to the disk already; the segment is sealed; the power goes. The
/// half must not come back.
#[tokio::test]
async fn what_was_cut_off_stays_cut_off() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    bus.append(records(REPORTS, "r", 3, 100)).await.unwrap();
    fs.set_eager(true);
    fs.set_capacity(Some(fs.used_bytes() + 60));
    assert!(is_full(
        &bus.append(records(REPORTS, "half", 1, 100)).await.unwrap_err()
    ));
    fs.set_capacity(None);
    fs.set_eager(false);
    assert_eq!(bus.append(records(REPORTS, "next", 8, 100)).await.unwrap()[0], 3);
    assert_eq!(bus.stats().segments, 2, "the segment that was cut is sealed");
    drop(bus);
    fs.restart(Loss::Power);
    let bus = open_sim(&fs, options()).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..11);
}

/// No space, but consumed segments are being kept for others: they go, and the same call succeeds.
#[tokio::test]
async fn a_full_disk_gives_up_what_is_only_kept() {
    let fs = SimFs::new();
    let keeping = BusOptions {
        keep_bytes: 500 * TINY,
        ..options()
    };
    let bus = open_sim(&fs, keeping).await.unwrap();
    for n in 0..40 {
        bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await.unwrap();
    }
    bus.commit(consumer("archive"), vec![(REPORTS, 40)]).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap().start, 0, "kept");
    fs.set_capacity(Some(fs.used_bytes()));
    assert_eq!(bus.append(records(REPORTS, "r", 3, 100)).await.unwrap(), [40, 41, 42]);
    assert!(bus.range(REPORTS).await.unwrap().start > 0, "given up");
    assert_eq!(bus.stats().refused_full, 0);
}

/// Callers in one group on a disk with a little room: consumers, who free space, get it.
#[tokio::test]
async fn a_little_room_is_for_consumers() {
    let fs = SimFs::new();
    let roomy = BusOptions {
        segment_bytes: 64 * TINY,
        ..options()
    };
    let bus = open_sim(&fs, roomy).await.unwrap();
    bus.append(records(REPORTS, "r", 5, 100)).await.unwrap();
    fs.hold_syncs(true);
    let write = |bus: Bus, text: &'static str, bytes| {
        tokio::spawn(async move { bus.append(vec![record(EVENTS, text, bytes)]).await })
    };
    let held = write(bus.clone(), "held", 10);
    held_sync(&fs).await;
    // The rest queues behind the held sync and makes one group.
    let big = write(bus.clone(), "big", 500);
    tokio::task::yield_now().await;
    let commit = tokio::spawn({
        let bus = bus.clone();
        async move { bus.commit(consumer("archive"), vec![(REPORTS, 5)]).await }
    });
    tokio::task::yield_now().await;
    fs.set_capacity(Some(fs.used_bytes() + 200));
    fs.hold_syncs(false);
    held.await.unwrap().unwrap();
    assert!(is_full(&big.await.unwrap().unwrap_err()));
    commit.await.unwrap().unwrap();
    assert_eq!(bus.committed(consumer("archive"), REPORTS).await.unwrap(), Some(5));
    assert_eq!(texts(&bus, EVENTS).await, ["held"]);
}

/// The classic trap: after a failed sync the system shows bytes that the disk does not have.
#[tokio::test]
async fn a_failed_sync_is_never_taken_back() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    bus.append(records(REPORTS, "safe", 2, 0)).await.unwrap();
    fs.inject(1, Fault::Error); // The write succeeds, the sync does not.
    let error = bus.append(records(REPORTS, "doubtful", 2, 0)).await.unwrap_err();
    match &error {
        BusError::WriteFailed {
            action: "sync",
            file,
            offset,
            ..
        } => {
            assert_eq!(file, segments(&fs).last().unwrap());
            assert!(*offset > 0 && error.hint().contains("restart"));
        }
        other => panic!("{other}"),
    }
    for _ in 0..3 {
        let again = bus.append(records(REPORTS, "again", 1, 0)).await.unwrap_err();
        assert!(
            matches!(again, BusError::Stopped { action: "sync", .. }),
            "not retried as success: {again}"
        );
    }
    let commit = bus.commit(consumer("desk"), vec![(REPORTS, 1)]).await.unwrap_err();
    assert!(matches!(commit, BusError::Stopped { .. }));
    assert_eq!(
        texts(&bus, REPORTS).await,
        ["safe-0", "safe-1"],
        "reading goes on, of what is durable"
    );
    assert!(matches!(bus.close().await, Err(BusError::Stopped { .. })));
    // The process is started again. The system still shows the doubtful batch; opening makes it true.
    let bus = open_sim(&fs, options()).await.unwrap();
    let shown = texts(&bus, REPORTS).await;
    assert_eq!(shown, ["safe-0", "safe-1", "doubtful-0", "doubtful-1"]);
    fs.restart(Loss::Power);
    let bus = open_sim(&fs, options()).await.unwrap();
    assert_eq!(texts(&bus, REPORTS).await, shown);
}

/// Every caller that waits on the failed write gets the same answer.
#[tokio::test]
async fn everyone_in_a_failed_group_is_told() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    fs.hold_syncs(true);
    let append = |n: usize| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.append(records(REPORTS, &format!("t{n}"), 1, 0)).await })
    };
    let first = append(0);
    held_sync(&fs).await;
    let others: Vec<_> = (1..6).map(append).collect();
    tokio::task::yield_now().await;
    fs.inject(0, Fault::Error);
    fs.hold_syncs(false);
    assert!(matches!(
        first.await.unwrap(),
        Err(BusError::WriteFailed { action: "sync", .. })
    ));
    for other in others {
        assert!(matches!(other.await.unwrap(), Err(BusError::Stopped { .. })));
    }
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..0);
}

/// Readers are not held up by a disk that stalls.
#[tokio::test]
async fn a_stalled_disk_does_not_stall_readers() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    bus.append(records(REPORTS, "r", 9, 100)).await.unwrap();
    fs.hold_syncs(true);
    let writer = tokio::spawn({
        let bus = bus.clone();
        async move { bus.append(records(REPORTS, "late", 1, 0)).await }
    });
    held_sync(&fs).await;
    let all = read_all(&bus, REPORTS, ReadLimit::records(4)).await.unwrap();
    assert_eq!(all.len(), 9, "and see nothing that is not durable");
    assert_eq!(text(&all[8]), "r-8");
    assert!(!writer.is_finished());
    let (waits, waits_on) = (bus.stats().busy_us, bus.stats().busy_us);
    fs.hold_syncs(false);
    assert_eq!(writer.await.unwrap().unwrap(), [9]);
    assert!(0 < waits && waits <= waits_on, "and for how long is said: {waits} µs");
}
