//! What the tests share: short names, tiny segments, homes for a bus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plume_bus::fs::SimFs;
use plume_bus::{
    Bus, BusError, BusOptions, BusUrl, ClockKind, ConsumerId, NewRecord, Pinning, ReadLimit, Record, Recovery, Topic,
    TopicPartition,
};

/// Segments of this size roll after a handful of records.
pub(crate) const TINY: u64 = 1 << 10;

pub(crate) const REPORTS: TopicPartition = TopicPartition::new(Topic::Reports, 0);
pub(crate) const REPORTS_1: TopicPartition = TopicPartition::new(Topic::Reports, 1);
pub(crate) const EVENTS: TopicPartition = TopicPartition::new(Topic::Events, 0);

pub(crate) fn options() -> BusOptions {
    BusOptions {
        partitions: 2,
        clock: ClockKind::System,
        segment_bytes: TINY,
        keep_bytes: 0,
        max_bytes: 1 << 20,
        pinning: vec![pin("archive", &Topic::ALL)],
        ahead_bytes: 0,
        recovery: Recovery::Refuse,
    }
}

pub(crate) fn consumer(name: &str) -> ConsumerId {
    ConsumerId::new(name).unwrap()
}

pub(crate) fn pin(name: &str, topics: &[Topic]) -> Pinning {
    Pinning {
        consumer: consumer(name),
        topics: topics.to_vec(),
    }
}

/// A record whose payload says where it came from and is `bytes` long.
pub(crate) fn record(to: TopicPartition, text: &str, bytes: usize) -> NewRecord {
    let mut payload = text.as_bytes().to_vec();
    payload.resize(bytes.max(text.len()), b'.');
    NewRecord::new(to, "outlet-1", payload)
}

/// `count` records `TEXT-0`, `TEXT-1`, … for one line.
pub(crate) fn records(to: TopicPartition, text: &str, count: usize, bytes: usize) -> Vec<NewRecord> {
    (0..count).map(|n| record(to, &format!("{text}-{n}"), bytes)).collect()
}

/// The text a payload begins with.
pub(crate) fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload)
        .trim_end_matches('.')
        .to_owned()
}

/// Everything a line holds, read in steps of `limit`.
pub(crate) async fn read_all(bus: &Bus, at: TopicPartition, limit: ReadLimit) -> Result<Vec<Record>, BusError> {
    let range = bus.range(at).await?;
    let mut all: Vec<Record> = Vec::new();
    let mut next = range.start;
    loop {
        let some = bus.read(at, next, limit).await?;
        let Some(last) = some.last() else { break };
        next = last.offset + 1;
        all.extend(some);
    }
    Ok(all)
}

pub(crate) async fn texts(bus: &Bus, at: TopicPartition) -> Vec<String> {
    read_all(bus, at, ReadLimit::records(3))
        .await
        .unwrap()
        .iter()
        .map(text)
        .collect()
}

/// Where a bus lives between two openings.
pub(crate) enum Home {
    Memory,
    File(tempfile::TempDir),
    Sim(SimFs),
    /// Topics of this URL on a real broker.
    #[cfg(feature = "kafka")]
    Kafka(BusUrl),
}

impl Home {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(crate) fn survives(&self) -> bool {
        !matches!(self, Self::Memory)
    }

    /// True where the bus keeps segments of its own; brokers keep theirs to themselves.
    pub(crate) fn has_segments(&self) -> bool {
        match self {
            Self::Memory | Self::File(_) | Self::Sim(_) => true,
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => false,
        }
    }

    pub(crate) async fn open(&self, options: BusOptions) -> Bus {
        match self {
            Self::Memory => Bus::open(&BusUrl::Memory, options).await.unwrap(),
            Self::File(dir) => Bus::open(&BusUrl::File(dir.path().join("deep/log")), options)
                .await
                .unwrap(),
            Self::Sim(fs) => open_sim(fs, options).await.unwrap(),
            #[cfg(feature = "kafka")]
            Self::Kafka(url) => Bus::open(url, options).await.unwrap(),
        }
    }
}

pub(crate) fn sim_dir() -> PathBuf {
    PathBuf::from("/log")
}

pub(crate) async fn open_sim(fs: &SimFs, options: BusOptions) -> Result<Bus, BusError> {
    Bus::open_with_fs(Arc::new(fs.clone()), sim_dir(), options).await
}

/// Lets every spawned call queue, then waits until the writer is held in a sync. For single-threaded runtimes.
pub(crate) async fn held_sync(fs: &SimFs) {
    tokio::task::yield_now().await;
    fs.await_held_sync();
}

/// Segments of a simulated log, oldest first.
pub(crate) fn segments(fs: &SimFs) -> Vec<PathBuf> {
    use plume_bus::fs::Fs;
    let mut names = fs.list(&sim_dir()).unwrap();
    names.retain(|name| Path::new(name).extension().is_some_and(|e| e == "log"));
    names.sort();
    names.into_iter().map(|name| sim_dir().join(name)).collect()
}
