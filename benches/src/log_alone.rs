//! The log alone: records a second that it makes durable, by callers at once and records in each append, beside a bare
//! write and sync of as many bytes.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use plume_benches::error::LoadError;
use plume_bus::{Bus, BusOptions, BusUrl, ClockKind, NewRecord, Recovery, Topic, TopicPartition};
use tokio::task::JoinSet;

use crate::process::Usage;
use crate::report::say;

/// Bytes of an encoded minute report with its packet.
const PAYLOAD_BYTES: usize = 700;
/// Callers at once, and records in each of their appends.
const SHAPES: [(usize, usize); 5] = [(1, 1), (100, 1), (1, 512), (16, 64), (64, 256)];
const REPORTS: TopicPartition = TopicPartition {
    topic: Topic::Reports,
    partition: 0,
};

/// Appends in every shape for a while, and prints a line for each.
pub(crate) async fn measure(directory: &Path, each: Duration) -> Result<(), LoadError> {
    let broken = |error: &dyn std::fmt::Display| LoadError::Server(error.to_string());
    let options = BusOptions {
        partitions: 1,
        clock: ClockKind::Virtual,
        segment_bytes: 64 << 20,
        keep_bytes: 128 << 20,
        max_bytes: 2 << 30,
        pinning: Vec::new(),
        ahead_bytes: plume_bus::AHEAD_BYTES,
        recovery: Recovery::Refuse,
    };
    let bus = Bus::open(&BusUrl::File(directory.join("log")), options)
        .await
        .map_err(|error| broken(&error))?;
    say("callers x records   records/s   cpu us/record   us/sync   bare write and sync, records/s\n")?;
    for (callers, records) in SHAPES {
        let bare = bare(directory, records, each)?;
        let (before, cpu, began) = (bus.stats(), Usage::of(std::process::id())?.cpu, Instant::now());
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            tasks.spawn(append(bus.clone(), records, began + each));
        }
        let mut count = 0;
        while let Some(ended) = tasks.join_next().await {
            count += ended?.map_err(|error| broken(&error))?;
        }
        let took = began.elapsed().as_secs_f64();
        let cpu = Usage::of(std::process::id())?.cpu.saturating_sub(cpu);
        let after = bus.stats();
        let syncs = (after.fsyncs - before.fsyncs).max(1);
        say(&format!(
            "{callers:>7} x {records:<7} {:>11.0} {:>15.2} {:>9} {bare:>12.0}\n",
            count as f64 / took,
            cpu.as_secs_f64() * 1e6 / count.max(1) as f64,
            (after.total_fsync_us - before.total_fsync_us) / syncs,
        ))?;
    }
    bus.close().await.map_err(|error| broken(&error))
}

/// One caller: append after append until the time is over. Gives how many records it knows to be durable.
async fn append(bus: Bus, records: usize, end: Instant) -> Result<u64, plume_bus::BusError> {
    let payload = bytes::Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let mut count = 0;
    while Instant::now() < end {
        let batch = (0..records).map(|_| NewRecord::new(REPORTS, "BENCH:DA001", payload.clone()));
        count += bus.append(batch.collect()).await?.len() as u64;
    }
    Ok(count)
}

/// The yardstick, one caller on the same disk in the same run.
fn bare(directory: &Path, records: usize, each: Duration) -> Result<f64, LoadError> {
    let path = directory.join("bare");
    let failed = LoadError::io("writing the bare file");
    let write = || {
        let mut file = File::create(&path)?;
        let bytes = vec![b'x'; records * PAYLOAD_BYTES];
        let (mut count, began) = (0_u64, Instant::now());
        while began.elapsed() < each {
            file.write_all(&bytes)?;
            file.sync_data()?;
            count += records as u64;
        }
        let rate = count as f64 / began.elapsed().as_secs_f64();
        std::fs::remove_file(&path).map(|()| rate)
    };
    write().map_err(failed)
}
