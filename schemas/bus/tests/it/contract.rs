//! The contract, once, for every carrier. A new carrier is one more line in [`for_every_carrier`].

use plume_bus::{Bus, BusError, NewRecord, ReadLimit, TopicPartition};

use crate::support::{EVENTS, Home, REPORTS, REPORTS_1, consumer, options, read_all, record, records, text, texts};

/// Runs each named function as a test against every carrier.
macro_rules! for_every_carrier {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Home::Memory).await; })*
        }
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::support::Home::file()).await; })*
        }
        mod embedded_on_a_simulated_disk {
            $(#[tokio::test] async fn $name() { super::$name(crate::support::Home::Sim(Default::default())).await; })*
        }
    };
}
pub(crate) use for_every_carrier;

for_every_carrier!(
    offsets_count_each_line_alone,
    an_empty_append_is_nothing,
    reading_starts_anywhere_and_keeps_its_limits,
    the_end_is_empty_and_beyond_it_is_an_error,
    unknown_partitions_are_refused_everywhere,
    consumers_commit_apart_and_may_go_back,
    a_refused_transact_leaves_nothing,
    a_transact_leaves_outputs_and_offsets,
    reopening_shows_what_was_acknowledged,
    concurrent_appenders_get_their_own_offsets,
    waiting_ends_when_the_record_is_readable,
    closing_ends_everything,
    statistics_count,
);

pub(crate) async fn offsets_count_each_line_alone(home: Home) {
    let bus = home.open(options()).await;
    assert_eq!(bus.append(records(REPORTS, "a", 3, 0)).await.unwrap(), [0, 1, 2]);
    let mixed = vec![
        record(EVENTS, "e", 0),
        record(REPORTS, "b", 0),
        record(REPORTS_1, "c", 0),
        record(EVENTS, "f", 0),
    ];
    assert_eq!(bus.append(mixed).await.unwrap(), [0, 3, 0, 1]);
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..4);
    assert_eq!(texts(&bus, REPORTS).await, ["a-0", "a-1", "a-2", "b"]);
    assert_eq!(texts(&bus, EVENTS).await, ["e", "f"]);
    let first = bus.read(EVENTS, 0, ReadLimit::records(1)).await.unwrap().remove(0);
    assert_eq!(
        (first.from, first.offset, &first.key[..]),
        (EVENTS, 0, &b"outlet-1"[..])
    );
}

pub(crate) async fn an_empty_append_is_nothing(home: Home) {
    let bus = home.open(options()).await;
    assert!(bus.append(Vec::new()).await.unwrap().is_empty());
    bus.commit(consumer("desk"), Vec::new()).await.unwrap();
    assert!(
        bus.transact(consumer("desk"), Vec::new(), Vec::new())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!((bus.stats().batches, bus.stats().consumers.len()), (0, 0));
}

/// Enough records for several segments, each offset tried as a start.
pub(crate) async fn reading_starts_anywhere_and_keeps_its_limits(home: Home) {
    let bus = home.open(options()).await;
    for n in 0..20 {
        bus.append(vec![
            record(REPORTS, &format!("r{n}"), 100),
            record(EVENTS, "between", 30),
        ])
        .await
        .unwrap();
    }
    assert!(!home.has_segments() || bus.stats().segments > 2);
    for start in 0..20 {
        let some = bus.read(REPORTS, start, ReadLimit::records(4)).await.unwrap();
        let expected: Vec<_> = (start..20.min(start + 4)).map(|n| format!("r{n}")).collect();
        let some: Vec<_> = some.iter().map(text).collect();
        // Over a network, what has arrived; never nothing.
        let arrived = !home.has_segments() && !some.is_empty() && expected.starts_with(&some);
        assert!(arrived || some == expected, "{some:?} at {start}");
    }
    let limit = |records, bytes| ReadLimit { records, bytes };
    let count = async |limit| bus.read(REPORTS, 0, limit).await.unwrap().len();
    // A record is 100 bytes and its key 8.
    for (bytes, most) in [(3 * 108, 3), (3 * 108 - 1, 2)] {
        let count = count(limit(99, bytes)).await;
        assert!(
            count == most || (!home.has_segments() && (1..most).contains(&count)),
            "{count}"
        );
    }
    assert_eq!(count(limit(99, 0)).await, 1, "at least one, however large");
    assert_eq!(count(limit(0, 99)).await, 0);
}

pub(crate) async fn the_end_is_empty_and_beyond_it_is_an_error(home: Home) {
    let bus = home.open(options()).await;
    assert!(bus.read(REPORTS, 0, ReadLimit::records(9)).await.unwrap().is_empty());
    bus.append(records(REPORTS, "a", 2, 0)).await.unwrap();
    assert!(bus.read(REPORTS, 2, ReadLimit::records(9)).await.unwrap().is_empty());
    let error = bus.read(REPORTS, 3, ReadLimit::records(9)).await.unwrap_err();
    assert!(
        matches!(
            error,
            BusError::BeyondEnd {
                at: REPORTS,
                offset: 3,
                next: 2
            }
        ),
        "{error}"
    );
}

pub(crate) async fn unknown_partitions_are_refused_everywhere(home: Home) {
    let bus = home.open(options()).await;
    let nowhere = TopicPartition {
        partition: 2,
        ..REPORTS
    };
    let desk = consumer("desk");
    let errors = [
        bus.append(vec![record(REPORTS, "good", 0), record(nowhere, "bad", 0)])
            .await
            .map(drop),
        bus.commit(desk.clone(), vec![(nowhere, 0)]).await,
        bus.committed(desk, nowhere).await.map(drop),
        bus.range(nowhere).await.map(drop),
        bus.read(nowhere, 0, ReadLimit::records(1)).await.map(drop),
    ];
    for error in errors {
        let partition = error.unwrap_err();
        assert!(
            matches!(
                partition,
                BusError::UnknownPartition {
                    partition: 2,
                    partitions: 2,
                    ..
                }
            ),
            "{partition}"
        );
    }
    bus.wait(nowhere, 0).await;
    assert_eq!(
        bus.range(REPORTS).await.unwrap(),
        0..0,
        "nothing of the refused batch is there"
    );
}

pub(crate) async fn consumers_commit_apart_and_may_go_back(home: Home) {
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "a", 5, 0)).await.unwrap();
    let (archive, desk) = (consumer("archive"), consumer("desk"));
    assert_eq!(bus.committed(archive.clone(), REPORTS).await.unwrap(), None);
    bus.commit(archive.clone(), vec![(REPORTS, 5)]).await.unwrap();
    bus.commit(desk.clone(), vec![(REPORTS, 2), (EVENTS, 0)]).await.unwrap();
    bus.commit(desk.clone(), vec![(REPORTS, 1)]).await.unwrap();
    assert_eq!(bus.committed(archive.clone(), REPORTS).await.unwrap(), Some(5));
    assert_eq!(bus.committed(archive.clone(), EVENTS).await.unwrap(), None);
    assert_eq!(bus.committed(desk.clone(), REPORTS).await.unwrap(), Some(1));
    assert_eq!(bus.committed(desk, EVENTS).await.unwrap(), Some(0));
    let error = bus
        .commit(archive.clone(), vec![(EVENTS, 0), (REPORTS, 6)])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            BusError::BeyondEnd {
                at: REPORTS,
                offset: 6,
                next: 5
            }
        ),
        "{error}"
    );
    assert_eq!(
        bus.committed(archive, EVENTS).await.unwrap(),
        None,
        "a refused commit changes nothing"
    );
}

pub(crate) async fn a_refused_transact_leaves_nothing(home: Home) {
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "a", 3, 0)).await.unwrap();
    let detect = consumer("detect");
    let bad_commit = bus
        .transact(
            detect.clone(),
            records(EVENTS, "e", 2, 0),
            vec![(REPORTS, 2), (REPORTS_1, 1)],
        )
        .await;
    assert!(matches!(bad_commit, Err(BusError::BeyondEnd { .. })));
    let nowhere = TopicPartition { partition: 9, ..EVENTS };
    let bad_output = vec![record(EVENTS, "e", 0), record(nowhere, "e", 0)];
    let bad_output = bus.transact(detect.clone(), bad_output, vec![(REPORTS, 2)]).await;
    assert!(matches!(bad_output, Err(BusError::UnknownPartition { .. })));
    assert_eq!(bus.range(EVENTS).await.unwrap(), 0..0);
    assert_eq!(bus.committed(detect, REPORTS).await.unwrap(), None);
    assert_eq!(
        bus.append(records(EVENTS, "e", 1, 0)).await.unwrap(),
        [0],
        "no offset was used up"
    );
}

pub(crate) async fn a_transact_leaves_outputs_and_offsets(home: Home) {
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "a", 3, 0)).await.unwrap();
    let detect = consumer("detect");
    // A commit may cover outputs of the same transaction.
    let commits = vec![(REPORTS, 3), (EVENTS, 2)];
    assert_eq!(
        bus.transact(detect.clone(), records(EVENTS, "e", 2, 0), commits)
            .await
            .unwrap(),
        [0, 1]
    );
    let bus = if home.survives() {
        bus.close().await.unwrap();
        home.open(options()).await
    } else {
        bus
    };
    assert_eq!(texts(&bus, EVENTS).await, ["e-0", "e-1"]);
    assert_eq!(bus.committed(detect.clone(), REPORTS).await.unwrap(), Some(3));
    assert_eq!(bus.committed(detect, EVENTS).await.unwrap(), Some(2));
}

/// Memory starts empty, by definition; everything else shows all of it, cleanly closed or not.
pub(crate) async fn reopening_shows_what_was_acknowledged(home: Home) {
    let mut expected = Vec::new();
    for round in 0..6 {
        let bus = home.open(options()).await;
        let held = if home.survives() { expected.len() as u64 } else { 0 };
        assert_eq!(bus.range(REPORTS).await.unwrap(), 0..held);
        if home.survives() {
            assert_eq!(texts(&bus, REPORTS).await, expected);
            let committed = bus.committed(consumer("desk"), REPORTS).await.unwrap();
            assert_eq!(committed, (held > 0).then_some(held));
        }
        for n in 0..5 {
            bus.append(vec![record(REPORTS, &format!("{round}-{n}"), 90)])
                .await
                .unwrap();
            expected.push(format!("{round}-{n}"));
        }
        let (_, next) = (
            bus.range(REPORTS).await.unwrap().start,
            bus.range(REPORTS).await.unwrap().end,
        );
        bus.commit(consumer("desk"), vec![(REPORTS, next)]).await.unwrap();
        if round % 2 == 0 {
            bus.close().await.unwrap();
        }
    }
}

pub(crate) async fn concurrent_appenders_get_their_own_offsets(home: Home) {
    const TASKS: usize = 8;
    const BATCHES: usize = 20;
    let bus = home.open(options()).await;
    let one = |task: usize, bus: Bus| async move {
        let mut mine = Vec::new();
        for batch in 0..BATCHES {
            let size = 1 + (task + batch) % 3;
            let text = format!("t{task}b{batch}");
            let offsets = bus.append(records(REPORTS, &text, size, 0)).await.unwrap();
            assert!(
                offsets.windows(2).all(|pair| pair[1] == pair[0] + 1),
                "one batch lies together"
            );
            assert!(
                mine.last().is_none_or(|(last, _)| *last < offsets[0]),
                "and after the batches before it"
            );
            mine.extend(
                offsets
                    .into_iter()
                    .enumerate()
                    .map(|(n, offset)| (offset, format!("{text}-{n}"))),
            );
        }
        mine
    };
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(one(task, bus.clone()))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    let read = read_all(&bus, REPORTS, ReadLimit::records(50)).await.unwrap();
    assert_eq!(read.iter().map(|r| (r.offset, text(r))).collect::<Vec<_>>(), all);
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..all.len() as u64);
}

pub(crate) async fn waiting_ends_when_the_record_is_readable(home: Home) {
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "a", 1, 0)).await.unwrap();
    bus.wait(REPORTS, 0).await;
    let waiter = |offset| {
        let bus = bus.clone();
        tokio::spawn(async move {
            bus.wait(REPORTS, offset).await;
            bus.read(REPORTS, offset, ReadLimit::records(1)).await
        })
    };
    let (second, third) = (waiter(1), waiter(2));
    bus.append(records(EVENTS, "not this line", 5, 0)).await.unwrap();
    bus.append(records(REPORTS, "b", 1, 0)).await.unwrap();
    assert_eq!(second.await.unwrap().unwrap()[0].offset, 1);
    assert!(!third.is_finished());
    bus.append(records(REPORTS, "c", 1, 0)).await.unwrap();
    assert_eq!(third.await.unwrap().unwrap()[0].offset, 2);
}

pub(crate) async fn closing_ends_everything(home: Home) {
    let bus = home.open(options()).await;
    let other = bus.clone();
    bus.append(records(REPORTS, "a", 1, 0)).await.unwrap();
    let waiting = tokio::spawn(async move {
        other.wait(REPORTS, 7).await;
        other.read(REPORTS, 0, ReadLimit::records(1)).await
    });
    bus.close().await.unwrap();
    bus.close().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(BusError::Closed)));
    let desk = consumer("desk");
    let ends = [
        bus.append(records(REPORTS, "a", 1, 0)).await.map(drop),
        bus.transact(desk.clone(), records(REPORTS, "a", 1, 0), Vec::new())
            .await
            .map(drop),
        bus.commit(desk.clone(), vec![(REPORTS, 1)]).await,
        bus.committed(desk, REPORTS).await.map(drop),
        bus.range(REPORTS).await.map(drop),
        bus.read(REPORTS, 0, ReadLimit::records(1)).await.map(drop),
    ];
    assert!(ends.iter().all(|end| matches!(end, Err(BusError::Closed))), "{ends:?}");
}

pub(crate) async fn statistics_count(home: Home) {
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "a", 3, 100)).await.unwrap();
    bus.append(vec![NewRecord::new(EVENTS, "k", "e")]).await.unwrap();
    bus.commit(consumer("desk"), vec![(REPORTS, 2)]).await.unwrap();
    let stats = bus.stats();
    assert_eq!((stats.batches, stats.records), (3, 4));
    if home.has_segments() {
        assert_eq!(stats.segments, 1);
        assert!(stats.bytes > 300 && stats.bytes <= TINY_AND_HEADER && stats.max_bytes == options().max_bytes);
    }
    let extents: Vec<_> = stats.extents.iter().map(|e| (e.at, e.first, e.next)).collect();
    assert_eq!(extents, [(REPORTS, 0, 3), (EVENTS, 0, 1)]);
    let consumers: Vec<_> = stats
        .consumers
        .iter()
        .map(|c| (c.consumer.as_str(), c.at, c.committed))
        .collect();
    assert_eq!(consumers, [("desk", REPORTS, 2)]);
    assert_eq!((stats.stopped, stats.full, stats.refused_full), (None, false, 0));
    assert_eq!((bus.partitions(), bus.generation()), (2, 1));
}

const TINY_AND_HEADER: u64 = crate::support::TINY;
