//! The memory carrier: the whole contract, durability apart. For tests and for throw-away runs.
//!
//! "Segments" are spans of offsets that are forgotten together, so that retention and the limit behave as on disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::BusError;
use crate::ledger::{Batch, Class, Ledger};
use crate::marks::Marks;
use crate::options::BusOptions;
use crate::record::{ConsumerId, ReadLimit, Record, TopicPartition};
use crate::retention;
use crate::stats::{BusStats, Extent};

/// What a record costs beside its key and payload; it stands for the frame it would have on disk.
const RECORD_OVERHEAD_BYTES: usize = 32;

#[derive(Debug)]
pub(crate) struct Memory {
    options: BusOptions,
    marks: Marks,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// Records by slot; the first of each has offset `first[slot]`.
    lines: Vec<VecDeque<(Bytes, Bytes)>>,
    first: Vec<u64>,
    spans: VecDeque<Held>,
    bytes: u64,
    stats: BusStats,
    closed: bool,
}

#[derive(Debug)]
struct Held {
    start: Vec<u64>,
    bytes: u64,
}

impl Memory {
    pub(crate) fn new(options: BusOptions) -> Self {
        let ledger = Ledger::new(options.partitions);
        let slots = ledger.next().len();
        Self {
            marks: Marks::new(ledger.next()),
            state: Mutex::new(State {
                lines: vec![VecDeque::new(); slots],
                first: vec![0; slots],
                spans: VecDeque::from([Held {
                    start: vec![0; slots],
                    bytes: 0,
                }]),
                bytes: 0,
                stats: BusStats::default(),
                closed: false,
                ledger,
            }),
            options,
        }
    }

    pub(crate) fn partitions(&self) -> u32 {
        self.options.partitions
    }

    /// A poisoned lock means a panic between two assignments of an earlier call; no step below can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, BusError> {
        let state = self.lock();
        if state.closed { Err(BusError::Closed) } else { Ok(state) }
    }

    pub(crate) fn write(&self, batch: Batch) -> Result<Vec<u64>, BusError> {
        batch.check_sizes()?;
        let mut state = self.open()?;
        let bytes = (batch.data_bytes() + RECORD_OVERHEAD_BYTES * batch.records.len()) as u64;
        state.make_room(bytes, batch.class, &self.options)?;
        let before = state.ledger.next().to_vec();
        let offsets = state.ledger.apply(&batch)?;
        state.roll(bytes, before, &self.options);
        state.store(batch, bytes)?;
        state.release(self.options.keep_bytes, &self.options);
        for (slot, &next) in state.ledger.next().iter().enumerate() {
            self.marks.publish(slot, next);
        }
        Ok(offsets)
    }

    pub(crate) fn committed(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        let state = self.open()?;
        state.ledger.slot(at)?;
        Ok(state.ledger.committed(consumer, at))
    }

    pub(crate) fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        self.open()?.range(at)
    }

    pub(crate) fn read(&self, at: TopicPartition, offset: u64, limit: ReadLimit) -> Result<Vec<Record>, BusError> {
        let state = self.open()?;
        let Range {
            start: first,
            end: next,
        } = state.range(at)?;
        if offset < first {
            return Err(BusError::Expired {
                at,
                offset,
                first,
                next,
            });
        }
        if offset > next {
            return Err(BusError::BeyondEnd { at, offset, next });
        }
        let line = state
            .lines
            .get(state.ledger.slot(at)?)
            .map(VecDeque::iter)
            .unwrap_or_default();
        let skipped = usize::try_from(offset - first).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut records = Vec::new();
        for (offset, (key, payload)) in (offset..).zip(line.skip(skipped)).take(limit.records) {
            bytes += key.len() + payload.len();
            if bytes > limit.bytes && !records.is_empty() {
                break;
            }
            records.push(Record {
                from: at,
                offset,
                key: key.clone(),
                payload: payload.clone(),
            });
        }
        Ok(records)
    }

    pub(crate) async fn wait(&self, at: TopicPartition, offset: u64) {
        let slot = self.lock().ledger.slot(at);
        if let Ok(slot) = slot {
            self.marks.wait(slot, offset).await;
        }
    }

    pub(crate) fn stats(&self) -> BusStats {
        let state = self.lock();
        let lines = state.ledger.lines().zip(&state.first).zip(state.ledger.next());
        BusStats {
            extents: lines
                .filter(|(_, next)| **next > 0)
                .map(|((at, &first), &next)| Extent { at, first, next })
                .collect(),
            consumers: state.ledger.positions().collect(),
            bytes: state.bytes,
            max_bytes: self.options.max_bytes,
            segments: state.spans.len() as u64,
            ..state.stats.clone()
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.marks.close();
    }
}

impl State {
    fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        let slot = self.ledger.slot(at)?;
        Ok(self.first.get(slot).copied().unwrap_or_default()..self.ledger.next_at(at)?)
    }

    /// Refuses what does not fit, once everything that may go is gone.
    fn make_room(&mut self, bytes: u64, class: Class, options: &BusOptions) -> Result<(), BusError> {
        let limit = match class {
            Class::Fill => options.append_limit(),
            Class::Advance => options.max_bytes,
        };
        if self.bytes + bytes <= limit {
            return Ok(());
        }
        self.release(0, options);
        if self.bytes + bytes <= limit {
            return Ok(());
        }
        self.stats.refused_full += 1;
        self.stats.full = true;
        let held_by = match (self.spans.front(), self.spans.get(1)) {
            (Some(oldest), Some(next)) => retention::holder(&oldest.start, &next.start, &options.pinning, &self.ledger),
            _ => None,
        };
        Err(BusError::DiskFull {
            place: "memory".into(),
            used_bytes: self.bytes,
            limit_bytes: Some(limit),
            held_by: held_by.map(|consumer| consumer.to_string()),
        })
    }

    fn roll(&mut self, bytes: u64, start: Vec<u64>, options: &BusOptions) {
        let full = |span: &Held| span.bytes > 0 && span.bytes + bytes > options.segment_bytes;
        if self.spans.back().is_none_or(full) {
            self.spans.push_back(Held { start, bytes: 0 });
        }
    }

    fn store(&mut self, batch: Batch, bytes: u64) -> Result<(), BusError> {
        self.stats.count_group(1, batch.records.len() as u64, bytes);
        self.stats.full &= batch.class == Class::Advance;
        self.bytes += bytes;
        if let Some(span) = self.spans.back_mut() {
            span.bytes += bytes;
        }
        for record in Arc::unwrap_or_clone(batch.records) {
            let slot = self.ledger.slot(record.to)?;
            if let Some(line) = self.lines.get_mut(slot) {
                line.push_back((Bytes::from(record.key), record.payload));
            }
        }
        Ok(())
    }

    fn release(&mut self, keep_bytes: u64, options: &BusOptions) {
        while let (Some(oldest), Some(next)) = (self.spans.front(), self.spans.get(1)) {
            let left = self.bytes - oldest.bytes;
            if !retention::may_release(
                &oldest.start,
                &next.start,
                left,
                keep_bytes,
                &options.pinning,
                &self.ledger,
            ) {
                break;
            }
            self.bytes = left;
            self.stats.released_segments += 1;
            self.spans.pop_front();
        }
        let Some(oldest) = self.spans.front() else { return };
        for ((first, line), &start) in self.first.iter_mut().zip(&mut self.lines).zip(&oldest.start) {
            let gone = start.saturating_sub(*first);
            line.drain(..usize::try_from(gone).unwrap_or(usize::MAX).min(line.len()));
            *first = start;
        }
    }
}
