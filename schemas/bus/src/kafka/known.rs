//! What this process has seen of the topics: for statistics, and so that a question the answer to which is known is not
//! asked again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{ConsumerId, TopicPartition};
use crate::stats::{BusStats, ConsumerPosition, Extent};

#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    lines: BTreeMap<TopicPartition, Range<u64>>,
    committed: BTreeMap<(ConsumerId, TopicPartition), u64>,
    stats: BusStats,
}

impl Known {
    /// A poisoned lock means a panic between two assignments; none of them can panic.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One past the last record seen of a line.
    pub(super) fn end(&self, at: TopicPartition) -> u64 {
        self.lock().lines.get(&at).map_or(0, |seen| seen.end)
    }

    /// The brokers said what a line holds.
    pub(super) fn extent(&self, at: TopicPartition, range: &Range<u64>) {
        if range.end > 0 {
            self.lock().lines.insert(at, range.clone());
        }
    }

    /// Records were written.
    pub(super) fn written(&self, records: &[(TopicPartition, u64)], bytes: u64) {
        let mut seen = self.lock();
        for &(at, offset) in records {
            let line = seen.lines.entry(at).or_default();
            line.end = line.end.max(offset + 1);
        }
        seen.stats.count_group(1, records.len() as u64, bytes);
    }

    /// Offsets were committed.
    pub(super) fn committed(&self, consumer: &ConsumerId, commits: &[(TopicPartition, u64)]) {
        let mut seen = self.lock();
        for &(at, offset) in commits {
            seen.committed.insert((consumer.clone(), at), offset);
        }
    }

    /// Whether the reports are being moved.
    pub(super) fn moving(&self, moving: bool) {
        self.lock().stats.sealed = moving;
    }

    /// True once this process has heard that they are.
    pub(super) fn is_moving(&self) -> bool {
        self.lock().stats.sealed
    }

    pub(super) fn stats(&self) -> BusStats {
        let seen = self.lock();
        let extents = seen.lines.iter().map(|(&at, line)| Extent {
            at,
            first: line.start,
            next: line.end,
        });
        let consumers = seen
            .committed
            .iter()
            .map(|((consumer, at), &committed)| ConsumerPosition {
                consumer: consumer.clone(),
                at: *at,
                committed,
            });
        BusStats {
            extents: extents.collect(),
            consumers: consumers.collect(),
            ..seen.stats.clone()
        }
    }
}
