//! The contract where room ends: retention, the disk limit, and the named sizes. For every carrier.

use plume_bus::{
    Bus, BusError, BusOptions, MAX_BATCH_BYTES, MAX_BATCH_RECORDS, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, NewRecord,
    ReadLimit, Topic,
};

use crate::contract::for_every_carrier;
use crate::support::{EVENTS, Home, REPORTS, TINY, consumer, options, pin, record, records, text, texts};

for_every_carrier!(
    segments_wait_for_every_pinning_consumer,
    consumed_segments_are_kept_up_to_keep_bytes,
    expired_offsets_name_what_is_retained,
    readers_on_both_sides_of_retention,
    at_the_limit_appends_wait_for_consumers,
    consumers_may_use_the_reserve,
    batches_over_a_named_size_are_refused,
    consumers_are_counted,
);

async fn fill(bus: &Bus, count: usize) {
    for n in 0..count {
        bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await.unwrap();
    }
}

async fn segments_wait_for_every_pinning_consumer(home: Home) {
    let pinning = vec![pin("detect", &[Topic::Reports]), pin("archive", &Topic::ALL)];
    let bus = home.open(BusOptions { pinning, ..options() }).await;
    fill(&bus, 30).await;
    bus.append(vec![record(EVENTS, "e", 0)]).await.unwrap();
    let before = bus.stats();
    assert!(before.segments >= 4);
    bus.commit(consumer("desk"), vec![(REPORTS, 30)]).await.unwrap();
    bus.commit(consumer("detect"), vec![(REPORTS, 30)]).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..30, "archive has not been here");
    bus.commit(consumer("archive"), vec![(REPORTS, 15)]).await.unwrap();
    let first = bus.range(REPORTS).await.unwrap().start;
    assert!(first > 0 && first <= 15, "{first}");
    assert_eq!(
        bus.read(REPORTS, 15, ReadLimit::records(1)).await.unwrap()[0].offset,
        15
    );
    bus.commit(consumer("archive"), vec![(REPORTS, 30), (EVENTS, 1)])
        .await
        .unwrap();
    let after = bus.stats();
    assert_eq!(after.segments, 1, "only the one being written");
    assert!(after.released_segments >= 3 && after.bytes < before.bytes);
}

async fn consumed_segments_are_kept_up_to_keep_bytes(home: Home) {
    let bus = home
        .open(BusOptions {
            keep_bytes: 3 * TINY,
            ..options()
        })
        .await;
    for n in 1..=60 {
        fill(&bus, 1).await;
        bus.commit(consumer("archive"), vec![(REPORTS, n)]).await.unwrap();
    }
    let bytes = bus.stats().bytes;
    assert!((3 * TINY..=5 * TINY).contains(&bytes), "{bytes}");
}

async fn expired_offsets_name_what_is_retained(home: Home) {
    let bus = home.open(options()).await;
    fill(&bus, 30).await;
    bus.commit(consumer("archive"), vec![(REPORTS, 30)]).await.unwrap();
    let range = bus.range(REPORTS).await.unwrap();
    let error = bus.read(REPORTS, 0, ReadLimit::records(1)).await.unwrap_err();
    match &error {
        BusError::Expired {
            at: REPORTS,
            offset: 0,
            first,
            next: 30,
        } => assert_eq!(*first, range.start),
        other => panic!("{other}"),
    }
    assert!(error.hint().contains(&format!("continue at {}", range.start)));
    assert_eq!(texts(&bus, REPORTS).await.len() as u64, range.end - range.start);
    if home.survives() {
        drop(bus);
        let bus = home.open(options()).await;
        assert_eq!(
            bus.range(REPORTS).await.unwrap(),
            range,
            "what is released stays released"
        );
    }
}

/// One reader commits and lets segments go; another, which does not pin, reads all it can get at the same time.
async fn readers_on_both_sides_of_retention(home: Home) {
    const COUNT: u64 = 200;
    let bus = home.open(options()).await;
    let pinning = tokio::spawn(follow(bus.clone(), Some("archive"), COUNT));
    let other = tokio::spawn(follow(bus.clone(), None, COUNT));
    for n in 0..COUNT {
        bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await.unwrap();
    }
    let (seen, skipped) = pinning.await.unwrap();
    assert_eq!((seen, skipped), (COUNT, 0), "a pinning consumer misses nothing");
    let (seen, skipped) = other.await.unwrap();
    assert_eq!(seen + skipped, COUNT, "the other knows what it missed");
    assert!(bus.stats().released_segments > 10);
}

/// Reads to `count`, committing as `name`; returns how many records it saw and how many had expired.
async fn follow(bus: Bus, name: Option<&'static str>, count: u64) -> (u64, u64) {
    let (mut next, mut seen, mut skipped) = (0, 0, 0);
    while next < count {
        bus.wait(REPORTS, next).await;
        match bus.read(REPORTS, next, ReadLimit::records(7)).await {
            Ok(some) => {
                for record in &some {
                    assert_eq!((record.offset, text(record)), (next, format!("r{next}")));
                    next += 1;
                    seen += 1;
                }
            }
            Err(BusError::Expired { first, .. }) => {
                skipped += first - next;
                next = first;
            }
            Err(error) => panic!("{error}"),
        }
        if let Some(name) = name {
            bus.commit(consumer(name), vec![(REPORTS, next)]).await.unwrap();
        }
    }
    (seen, skipped)
}

async fn append_until_full(bus: &Bus) -> (u64, BusError) {
    for n in 0.. {
        if let Err(error) = bus.append(vec![record(REPORTS, &format!("r{n}"), 100)]).await {
            return (n, error);
        }
    }
    unreachable!()
}

async fn at_the_limit_appends_wait_for_consumers(home: Home) {
    let small = BusOptions {
        max_bytes: 8 * TINY,
        ..options()
    };
    let bus = home.open(small.clone()).await;
    let (count, error) = append_until_full(&bus).await;
    match &error {
        BusError::DiskFull {
            limit_bytes: Some(limit),
            held_by: Some(name),
            used_bytes,
            ..
        } => {
            assert_eq!((*limit, name.as_str()), (7 * TINY, "archive"));
            assert!(*used_bytes <= *limit);
        }
        other => panic!("{other}"),
    }
    let stats = bus.stats();
    assert!(stats.full && stats.refused_full == 1 && stats.bytes <= 7 * TINY);
    assert_eq!(
        texts(&bus, REPORTS).await.len() as u64,
        count,
        "nothing acknowledged is lost"
    );
    bus.commit(consumer("archive"), vec![(REPORTS, count / 2)])
        .await
        .unwrap();
    assert_eq!(
        bus.append(records(REPORTS, "again", 1, 100)).await.unwrap(),
        [count],
        "and no offset either"
    );
    assert!(!bus.stats().full);
    if home.survives() {
        drop(bus);
        let bus = home.open(small).await;
        assert_eq!(bus.range(REPORTS).await.unwrap().end, count + 1);
    }
}

async fn consumers_may_use_the_reserve(home: Home) {
    let bus = home
        .open(BusOptions {
            max_bytes: 32 * TINY,
            ..options()
        })
        .await;
    let (count, _) = append_until_full(&bus).await;
    let mut written = 0;
    let error = loop {
        let outputs = vec![record(EVENTS, "e", 100)];
        match bus.transact(consumer("detect"), outputs, vec![(REPORTS, count)]).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 10, "{written}");
    assert!(
        matches!(error, BusError::DiskFull { limit_bytes: Some(limit), .. } if limit == 32 * TINY),
        "{error}"
    );
    assert!(bus.stats().bytes <= 32 * TINY);
    assert_eq!(bus.range(EVENTS).await.unwrap().end, written);
}

pub(crate) async fn batches_over_a_named_size_are_refused(home: Home) {
    let big = BusOptions {
        segment_bytes: 1 << 20,
        max_bytes: 64 << 20,
        ..options()
    };
    let bus = home.open(big).await;
    let payload = |bytes| NewRecord::new(REPORTS, "k", vec![7_u8; bytes]);
    let key = |bytes| NewRecord::new(REPORTS, "k".repeat(bytes), "p");
    let over = [
        vec![payload(MAX_PAYLOAD_BYTES + 1)],
        vec![key(MAX_KEY_BYTES + 1)],
        vec![NewRecord::new(REPORTS, "", ""); MAX_BATCH_RECORDS + 1],
        vec![payload(MAX_PAYLOAD_BYTES); MAX_BATCH_BYTES / MAX_PAYLOAD_BYTES + 1],
    ];
    for batch in over {
        assert!(matches!(bus.append(batch).await, Err(BusError::TooLarge { .. })));
    }
    let commits = vec![(REPORTS, 0); MAX_BATCH_RECORDS + 1];
    assert!(matches!(
        bus.commit(consumer("desk"), commits).await,
        Err(BusError::TooLarge { .. })
    ));
    assert_eq!(bus.range(REPORTS).await.unwrap(), 0..0);
    // At the limit all is well, segment size or not.
    assert_eq!(
        bus.append(vec![payload(MAX_PAYLOAD_BYTES), key(MAX_KEY_BYTES)])
            .await
            .unwrap(),
        [0, 1]
    );
    bus.append(vec![payload(MAX_PAYLOAD_BYTES); MAX_BATCH_BYTES / MAX_PAYLOAD_BYTES])
        .await
        .unwrap();
    let one = bus.read(REPORTS, 0, ReadLimit::records(9)).await.unwrap();
    assert_eq!(one[0].payload.len(), MAX_PAYLOAD_BYTES);
    assert!(one.len() == 2 || !home.has_segments(), "all that fits the limit");
    assert_eq!(
        bus.read(REPORTS, 1, ReadLimit::records(9)).await.unwrap()[0].key.len(),
        MAX_KEY_BYTES
    );
}

async fn consumers_are_counted(home: Home) {
    let bus = home.open(options()).await;
    for n in 0..32 {
        bus.commit(consumer(&format!("c{n}")), vec![(REPORTS, 0)])
            .await
            .unwrap();
    }
    bus.commit(consumer("c7"), vec![(EVENTS, 0)]).await.unwrap();
    let error = bus.commit(consumer("one-more"), vec![(REPORTS, 0)]).await.unwrap_err();
    assert!(matches!(error, BusError::TooManyConsumers { limit: 32, .. }), "{error}");
}
