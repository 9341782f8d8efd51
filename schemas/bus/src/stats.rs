//! What the bus can say about itself: for `/metrics`, `plume stats` and the desk.

use std::time::Duration;

use crate::record::{ConsumerId, TopicPartition};

/// Counts since the bus was opened, and the state of the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusStats {
    /// Every line that ever held a record.
    pub extents: Vec<Extent>,
    /// Every committed offset.
    pub consumers: Vec<ConsumerPosition>,
    /// What the bus occupies, in bytes.
    pub bytes: u64,
    /// What it may occupy, in bytes.
    pub max_bytes: u64,
    /// Segments, the one being written included.
    pub segments: u64,
    /// Successful `append`, `transact` and `commit` calls.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes written, frames and headers included.
    pub written_bytes: u64,
    /// Group commits: `batches / groups` callers shared one sync on average.
    pub groups: u64,
    /// Callers that shared the last sync.
    pub last_group_batches: u64,
    /// Most callers that ever shared one.
    pub largest_group_batches: u64,
    /// Syncs of segment files.
    pub fsyncs: u64,
    /// The last of them, in microseconds.
    pub last_fsync_us: u64,
    /// The slowest of them, in microseconds.
    pub slowest_fsync_us: u64,
    /// All of them together, in microseconds.
    pub total_fsync_us: u64,
    /// How long the disk has been busy with the group under way, in microseconds; 0 where there is none.
    pub busy_us: u64,
    /// Writes refused for want of room.
    pub refused_full: u64,
    /// The last `append` was refused for want of room.
    pub full: bool,
    /// Reports are refused while `plume bus grow` moves their topics.
    pub sealed: bool,
    /// Segments released by retention.
    pub released_segments: u64,
    /// Why the bus takes no writes any more, if so.
    pub stopped: Option<String>,
}

impl BusStats {
    /// Counts one sync that made `batches` durable.
    pub(crate) fn count_group(&mut self, batches: u64, records: u64, bytes: u64) {
        self.groups += 1;
        self.batches += batches;
        self.records += records;
        self.written_bytes += bytes;
        self.last_group_batches = batches;
        self.largest_group_batches = self.largest_group_batches.max(batches);
    }

    /// Counts the time of a sync.
    pub(crate) fn count_sync(&mut self, took: Duration) {
        let us = micros(took);
        self.fsyncs += 1;
        self.last_fsync_us = us;
        self.slowest_fsync_us = self.slowest_fsync_us.max(us);
        self.total_fsync_us = self.total_fsync_us.saturating_add(us);
    }
}

/// A time in microseconds.
pub(crate) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// What one line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which line.
    pub at: TopicPartition,
    /// First retained offset.
    pub first: u64,
    /// One past the last durable offset.
    pub next: u64,
}

/// How far a consumer has come on one line; `next - committed` of the line's extent is its lag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPosition {
    /// Who.
    pub consumer: ConsumerId,
    /// Where.
    pub at: TopicPartition,
    /// The next offset it will read.
    pub committed: u64,
}
