//! Records a second the bus takes, by records in one append and by appends in flight. On disk every append waits for
//! its fsync; what several wait for at once is written and synced once.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use plume_bus::{Bus, BusOptions, BusUrl, ClockKind, NewRecord, Recovery, Topic, TopicPartition};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Bytes of an encoded minute report with its raw packet.
const PAYLOAD_BYTES: usize = 700;
const REPORTS: TopicPartition = TopicPartition {
    topic: Topic::Reports,
    partition: 0,
};

fn options() -> BusOptions {
    BusOptions {
        partitions: 1,
        clock: ClockKind::Virtual,
        segment_bytes: 64 << 20,
        keep_bytes: 64 << 20,
        max_bytes: 1 << 30,
        pinning: Vec::new(),
        ahead_bytes: plume_bus::AHEAD_BYTES,
        recovery: Recovery::Refuse,
    }
}

fn records(count: usize) -> Vec<NewRecord> {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    (0..count)
        .map(|_| NewRecord::new(REPORTS, "BENCH:DA001", payload.clone()))
        .collect()
}

/// `in_flight` appends of `count` records each, all awaited.
async fn append(bus: &Bus, count: usize, in_flight: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let (bus, records) = (bus.clone(), records(count));
        tasks.spawn(async move { bus.append(records).await.is_ok() });
    }
    while let Some(done) = tasks.join_next().await {
        assert!(done.unwrap_or(false), "every append is durable");
    }
}

fn carrier(c: &mut Criterion, runtime: &Runtime, name: &str, url: &str) {
    let opened = BusUrl::parse(url).and_then(|url| runtime.block_on(Bus::open(&url, options())));
    let Ok(bus) = opened else {
        // Said aloud, not skipped in silence.
        panic!("the bus at {url} does not open");
    };
    let mut group = c.benchmark_group(format!("bus/{name}"));
    for (count, in_flight) in [(1, 1), (16, 1), (256, 1), (1, 16), (1, 64), (16, 64)] {
        group.throughput(Throughput::Elements((count * in_flight) as u64));
        let id = BenchmarkId::from_parameter(format!("{count}_records_x_{in_flight}_in_flight"));
        group.bench_function(id, |b| b.iter(|| runtime.block_on(append(&bus, count, in_flight))));
    }
    group.finish();
}

fn log(c: &mut Criterion) {
    let Ok(runtime) = Runtime::new() else {
        panic!("no runtime");
    };
    carrier(c, &runtime, "memory", "memory:");
    let Ok(directory) = tempfile::tempdir() else {
        panic!("no temporary directory");
    };
    carrier(c, &runtime, "embedded", &format!("file:{}", directory.path().display()));
}

criterion_group!(benches, log);
criterion_main!(benches);
