//! What writer and readers share: the durable state. Locked for lookups and updates in memory only, never across IO.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::segment::Segment;
use crate::BusError;
use crate::fs::Fs;
use crate::ledger::Ledger;
use crate::marks::Marks;
use crate::options::BusOptions;
use crate::record::TopicPartition;
use crate::stats::{BusStats, Extent, micros};

/// Sealed segments whose index and file handle stay in memory: bounds memory and open files however long the log is.
const MAX_LOADED_SEGMENTS: usize = 64;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) options: BusOptions,
    pub(crate) generation: u32,
    pub(crate) marks: Marks,
    pub(crate) stopped: watch::Sender<Option<BusError>>,
    state: Mutex<State>,
}

/// Everything here is on disk, or was when it was put here.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    /// Oldest first; the last is the one being written. Never empty.
    pub(crate) segments: VecDeque<Held>,
    /// Bytes of all segments.
    pub(crate) bytes: u64,
    pub(crate) stats: BusStats,
    /// When the group under way began.
    pub(crate) busy: Option<Instant>,
    pub(crate) closed: bool,
    loaded: VecDeque<Arc<Segment>>,
}

/// A segment and how much of it is durable.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) segment: Arc<Segment>,
    pub(crate) bytes: u64,
}

/// Where to read a line from some offset on.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) segment: Arc<Segment>,
    /// Durable bytes of the segment.
    pub(crate) bytes: u64,
    /// First offset of the line that is not in this segment.
    pub(crate) end: u64,
}

impl Shared {
    pub(crate) fn new(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        options: BusOptions,
        generation: u32,
        ledger: Ledger,
        segments: VecDeque<Held>,
    ) -> Self {
        Self {
            fs,
            dir,
            options,
            generation,
            marks: Marks::new(ledger.next()),
            stopped: watch::Sender::new(None),
            state: Mutex::new(State {
                ledger,
                bytes: segments.iter().map(|held| held.bytes).sum(),
                segments,
                stats: BusStats::default(),
                busy: None,
                closed: false,
                loaded: VecDeque::new(),
            }),
        }
    }

    /// A poisoned lock means that a thread panicked between two assignments; no code under this lock can panic.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless the bus is closed.
    pub(crate) fn open_state(&self) -> Result<MutexGuard<'_, State>, BusError> {
        let state = self.lock();
        if state.closed { Err(BusError::Closed) } else { Ok(state) }
    }

    /// Remembers that a sealed segment is loaded, unloading the longest loaded one beyond the limit.
    pub(crate) fn note_loaded(&self, segment: Arc<Segment>) {
        let mut state = self.lock();
        state.loaded.push_back(segment);
        let surplus = if state.loaded.len() > MAX_LOADED_SEGMENTS {
            state.loaded.pop_front()
        } else {
            None
        };
        drop(state);
        if let Some(segment) = surplus {
            segment.unload();
        }
    }

    /// Takes the oldest segment off the log, if there is a newer one. Readers that hold it read on.
    pub(crate) fn take_oldest(&self) -> Option<Held> {
        let mut state = self.lock();
        if state.segments.len() < 2 {
            return None;
        }
        let held = state.segments.pop_front()?;
        state.bytes -= held.bytes;
        state.loaded.retain(|segment| !Arc::ptr_eq(segment, &held.segment));
        drop(state);
        held.segment.unload();
        Some(held)
    }

    /// Undoes [`Self::take_oldest`].
    pub(crate) fn put_back(&self, held: Held) {
        let mut state = self.lock();
        state.bytes += held.bytes;
        state.segments.push_front(held);
    }

    pub(crate) fn stats(&self) -> BusStats {
        let state = self.lock();
        let first = state
            .segments
            .front()
            .map(|held| held.segment.start.as_slice())
            .unwrap_or_default();
        let lines = state.ledger.lines().zip(first).zip(state.ledger.next());
        BusStats {
            extents: lines
                .filter(|(_, next)| **next > 0)
                .map(|((at, &first), &next)| Extent { at, first, next })
                .collect(),
            consumers: state.ledger.positions().collect(),
            bytes: state.bytes,
            max_bytes: self.options.max_bytes,
            segments: state.segments.len() as u64,
            busy_us: state.busy.map_or(0, |since| micros(since.elapsed())),
            ..state.stats.clone()
        }
    }
}

impl State {
    pub(crate) fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        let slot = self.ledger.slot(at)?;
        let first = self.segments.front().and_then(|held| held.segment.start.get(slot));
        Ok(first.copied().unwrap_or_default()..self.ledger.next_at(at)?)
    }

    /// Checks that `offset` is retained, or the end.
    pub(crate) fn check_readable(&self, at: TopicPartition, offset: u64) -> Result<(), BusError> {
        let Range {
            start: first,
            end: next,
        } = self.range(at)?;
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
        Ok(())
    }

    /// The segment that holds `offset` of a line, or the one where it would come next.
    pub(crate) fn source(&self, at: TopicPartition, offset: u64) -> Result<Option<Source>, BusError> {
        self.check_readable(at, offset)?;
        let slot = self.ledger.slot(at)?;
        let start = |held: &Held| held.segment.start.get(slot).copied().unwrap_or_default();
        let after = self.segments.partition_point(|held| start(held) <= offset);
        let Some(held) = after.checked_sub(1).and_then(|at| self.segments.get(at)) else {
            return Ok(None);
        };
        Ok(Some(Source {
            segment: Arc::clone(&held.segment),
            bytes: held.bytes,
            end: self.segments.get(after).map_or(self.ledger.next_at(at)?, start),
        }))
    }
}
