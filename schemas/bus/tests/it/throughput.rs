//! How fast the embedded log is on this disk. Holds no number to account; prints them:
//! `cargo test --release -p plume-bus --test it throughput -- --nocapture`

use std::path::Path;
use std::time::Instant;

use plume_bus::fs::{Fs, RealFs};
use plume_bus::{Bus, BusOptions, BusUrl, NewRecord, ReadLimit};

use crate::support::{REPORTS, options, read_all};

const PAYLOAD_BYTES: usize = 1_000;

fn realistic() -> BusOptions {
    BusOptions {
        segment_bytes: 64 << 20,
        keep_bytes: 1 << 30,
        max_bytes: 4 << 30,
        pinning: Vec::new(),
        ..options()
    }
}

/// `callers` at once append `rounds` batches of `size` records each; returns records per second.
async fn append(bus: &Bus, callers: usize, rounds: usize, size: usize) -> f64 {
    let payload = bytes::Bytes::from(vec![b'7'; PAYLOAD_BYTES]);
    let started = Instant::now();
    let one = |bus: Bus, payload: bytes::Bytes| async move {
        for _ in 0..rounds {
            let batch = (0..size)
                .map(|_| NewRecord::new(REPORTS, "outlet-1", payload.clone()))
                .collect();
            bus.append(batch).await.unwrap();
        }
    };
    let tasks: Vec<_> = (0..callers)
        .map(|_| tokio::spawn(one(bus.clone(), payload.clone())))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (callers * rounds * size) as f64 / started.elapsed().as_secs_f64()
}

/// The yardstick: the same bytes, one write and one sync for each batch, and nothing else.
fn bare(dir: &Path, rounds: usize, size: usize) -> f64 {
    let file = RealFs.create(&dir.join("bare")).unwrap();
    let batch = vec![b'7'; size * PAYLOAD_BYTES];
    let started = Instant::now();
    for round in 0..rounds {
        assert_eq!(
            file.write_at(&batch, (round * batch.len()) as u64).unwrap(),
            batch.len()
        );
        file.sync().unwrap();
    }
    (rounds * size) as f64 / started.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput() {
    let home = tempfile::tempdir().unwrap();
    for (rounds, size) in [(600, 32), (400, 1)] {
        let rate = bare(home.path(), rounds, size);
        println!("bare write and sync, {size:2} records: {rate:9.0} records/s");
    }
    let bus = Bus::open(&BusUrl::File(home.path().join("log")), realistic())
        .await
        .unwrap();
    for (callers, rounds, size) in [(1, 600, 32), (8, 150, 32), (1, 400, 1), (100, 40, 1)] {
        let before = bus.stats();
        let rate = append(&bus, callers, rounds, size).await;
        let after = bus.stats();
        let shared = (after.batches - before.batches) as f64 / (after.groups - before.groups) as f64;
        let sync_us = (after.total_fsync_us - before.total_fsync_us) / (after.fsyncs - before.fsyncs);
        println!(
            "append {callers:3} callers x {size:2} records: {rate:9.0} records/s, \
             {shared:5.1} calls a sync, {sync_us} us a sync"
        );
    }
    let range = bus.range(REPORTS).await.unwrap();
    let started = Instant::now();
    let all = read_all(&bus, REPORTS, ReadLimit::records(1_000)).await.unwrap();
    let rate = all.len() as f64 / started.elapsed().as_secs_f64();
    println!("read   1000 records a call:      {rate:9.0} records/s");
    assert_eq!(range, 0..all.len() as u64);
    let overhead = bus.stats().bytes as f64 / all.iter().map(|r| r.payload.len() as f64).sum::<f64>();
    println!("disk bytes for a payload byte:   {overhead:9.3}");
    assert!(overhead < 1.1, "{overhead}");
}
