//! Segment boundaries: at every byte, with batches larger than a segment, and more segments than stay in memory.

use plume_bus::fs::{Loss, SimFs};
use plume_bus::{BusOptions, ReadLimit};

use crate::support::{EVENTS, REPORTS, TINY, open_sim, options, record, records, segments, text, texts};

fn keep() -> BusOptions {
    BusOptions {
        pinning: Vec::new(),
        keep_bytes: 1 << 19,
        ..options()
    }
}

/// The last batch of the first segment ends at every byte around the boundary.
#[tokio::test]
async fn a_batch_that_ends_at_or_around_the_boundary() {
    let mut exactly_full = 0;
    for size in 600..900 {
        let fs = SimFs::new();
        let bus = open_sim(&fs, keep()).await.unwrap();
        let sizes = [size, 200, 50];
        for (n, size) in sizes.into_iter().enumerate() {
            assert_eq!(
                bus.append(vec![record(REPORTS, &format!("r{n}"), size)]).await.unwrap(),
                [n as u64]
            );
        }
        let lengths: Vec<_> = segments(&fs)
            .iter()
            .map(|path| fs.content(path).unwrap().len() as u64)
            .collect();
        assert!(lengths.iter().all(|length| *length <= TINY), "{lengths:?}");
        exactly_full += usize::from(lengths[0] == TINY);
        for reopened in [false, true] {
            let bus = if reopened {
                drop(open_sim(&fs, keep()).await);
                fs.restart(Loss::Power);
                open_sim(&fs, keep()).await.unwrap()
            } else {
                bus.clone()
            };
            for start in 0..3 {
                let rest = bus.read(REPORTS, start, ReadLimit::records(9)).await.unwrap();
                let found: Vec<_> = rest.iter().map(|r| (text(r), r.payload.len())).collect();
                let expected = sizes.iter().enumerate().map(|(n, size)| (format!("r{n}"), *size));
                assert_eq!(
                    found,
                    expected.skip(usize::try_from(start).unwrap()).collect::<Vec<_>>()
                );
            }
        }
    }
    assert!(exactly_full > 0, "a segment may be filled to the last byte");
}

#[tokio::test]
async fn a_batch_larger_than_a_segment_has_one_to_itself() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, keep()).await.unwrap();
    bus.append(records(REPORTS, "small", 2, 100)).await.unwrap();
    bus.append(records(REPORTS, "large", 30, 100)).await.unwrap();
    bus.append(records(REPORTS, "after", 2, 100)).await.unwrap();
    assert_eq!(bus.stats().segments, 3);
    assert!(fs.content(&segments(&fs)[1]).unwrap().len() as u64 > 3 * TINY);
    let all = texts(&bus, REPORTS).await;
    assert_eq!(
        (all.len(), all[1].as_str(), all[2].as_str(), all[32].as_str()),
        (34, "small-1", "large-0", "after-0")
    );
}

/// Sealed segments are indexed when first read and forgotten when there are many; reading any offset works all the
/// same, also on a line with few records among many of another.
#[tokio::test]
async fn more_segments_than_stay_in_memory() {
    const COUNT: u64 = 600;
    let fs = SimFs::new();
    let bus = open_sim(&fs, keep()).await.unwrap();
    for n in 0..COUNT {
        let mut batch = vec![record(REPORTS, &format!("r{n}"), 120)];
        if n % 50 == 0 {
            batch.push(record(EVENTS, &format!("e{}", n / 50), 10));
        }
        bus.append(batch).await.unwrap();
    }
    assert!(bus.stats().segments > 64 + 16, "{}", bus.stats().segments);
    drop(bus);
    let bus = open_sim(&fs, keep()).await.unwrap();
    for pass in 0..2 {
        for start in (0..COUNT).step_by(7).chain((0..COUNT).rev().step_by(11)) {
            let one = bus.read(REPORTS, start, ReadLimit::records(1)).await.unwrap();
            assert_eq!(
                (one[0].offset, text(&one[0])),
                (start, format!("r{start}")),
                "pass {pass}"
            );
        }
        let events: Vec<_> = (0..COUNT / 50).map(|n| format!("e{n}")).collect();
        assert_eq!(texts(&bus, EVENTS).await, events);
    }
}
