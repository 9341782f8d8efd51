//! The one thread that writes: group commit, and what happens when the disk says no. Rolling is in [`super::roll`].

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::frame::{Order, batch_bytes, encode_batch};
use super::recover::Recovered;
use super::segment::Segment;
use super::shared::Shared;
use crate::BusError;
use crate::fs::{FsFile, FsLock, is_full, write_all_at};
use crate::ledger::{Batch, Class, Ledger};
use crate::{retention, signals};

/// A group is written once it is this large, whatever else is queued: bounds the wait of the first in it.
const MAX_GROUP_BYTES: usize = 8 << 20;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, BusError>>;

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Write { batch: Batch, reply: Reply<Vec<u64>> },
    Close { reply: Reply<()> },
}

/// A batch in the buffer, not yet on disk.
#[derive(Debug)]
struct Staged {
    batch: Batch,
    offsets: Vec<u64>,
    position: u64,
    reply: Reply<Vec<u64>>,
}

/// Owner of the log's end.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    queue: mpsc::Receiver<Message>,
    pub(super) lock: Box<dyn FsLock>,
    pub(super) file: Arc<dyn FsFile>,
    pub(super) segment: Arc<Segment>,
    /// End of what is on disk.
    pub(super) position: u64,
    /// Of the next frame; those of the staged ones are below.
    pub(super) sequence: u64,
    /// Of the first frame of the group being staged.
    pub(super) group: u64,
    /// Where everyone will stand once the staged batches are on disk.
    pub(super) ledger: Ledger,
    pub(super) buffer: Vec<u8>,
    staged: Vec<Staged>,
    /// Up to here the file has been given zeros, or could not be: see [`Self::reach_ahead`].
    pub(super) ahead: u64,
    /// The file was cut since its last sync.
    pub(super) cut: bool,
    /// `append` is being refused.
    full: bool,
    pub(super) stopped: Option<BusError>,
}

/// Why a batch is not on disk.
#[derive(Debug)]
pub(super) enum Failure {
    /// No room; the log is as it was.
    Full,
    /// The log takes no more writes.
    Fatal(BusError),
}

impl Writer {
    pub(crate) fn new(recovered: Recovered, queue: mpsc::Receiver<Message>) -> (Arc<Shared>, Self) {
        let shared = Arc::new(recovered.shared);
        let ledger = shared.lock().ledger.clone();
        let writer = Self {
            shared: Arc::clone(&shared),
            queue,
            lock: recovered.lock,
            file: recovered.file,
            segment: recovered.segment,
            position: recovered.position,
            ahead: recovered.position,
            sequence: recovered.sequence,
            group: recovered.sequence,
            ledger,
            buffer: Vec::new(),
            staged: Vec::new(),
            cut: false,
            full: false,
            stopped: None,
        };
        (shared, writer)
    }

    /// Serves until closed, or until every handle is gone.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            self.shared.lock().busy = Some(Instant::now());
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write { batch, reply } => self.stage(batch, reply),
                    Message::Close { reply } => return self.close(reply),
                }
                next = if self.buffer.len() < MAX_GROUP_BYTES {
                    self.queue.try_recv().ok()
                } else {
                    None
                };
            }
            self.flush();
            self.shared.lock().busy = None;
        }
    }

    /// Gives a batch its offsets and its place in the group, or answers why not.
    fn stage(&mut self, batch: Batch, reply: Reply<Vec<u64>>) {
        match self.prepare(&batch) {
            Ok(offsets) => self.encode(batch, offsets, reply),
            Err(error) => answer(reply, Err(error)),
        }
    }

    fn prepare(&mut self, batch: &Batch) -> Result<Vec<u64>, BusError> {
        let bytes = batch_bytes(batch);
        if self.needs_roll(bytes) {
            self.flush();
        }
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        let header_bytes = if self.needs_roll(bytes) {
            self.next_header().encode().len() as u64
        } else {
            0
        };
        self.make_room(bytes + header_bytes, batch.class)?;
        if self.needs_roll(bytes) {
            self.roll()?;
        }
        self.ledger.apply(batch)
    }

    fn encode(&mut self, batch: Batch, offsets: Vec<u64>, reply: Reply<Vec<u64>>) {
        let position = self.end();
        let order = Order {
            sequence: self.sequence,
            durable_before: self.group,
        };
        encode_batch(&mut self.buffer, self.segment.place(position), order, &batch, &offsets);
        self.sequence += 1;
        self.staged.push(Staged {
            batch,
            offsets,
            position,
            reply,
        });
    }

    /// End of the log once the staged batches are on disk.
    fn end(&self) -> u64 {
        self.position + self.buffer.len() as u64
    }

    /// True if the segment has frames and `bytes` more would make it longer than it should be.
    fn needs_roll(&self, bytes: u64) -> bool {
        self.end() > self.segment.header_bytes && self.end() + bytes > self.shared.options.segment_bytes
    }

    /// Refuses what would go over the limit once everything that may go is gone.
    fn make_room(&mut self, bytes: u64, class: Class) -> Result<(), BusError> {
        let limit = match class {
            Class::Fill => self.shared.options.append_limit(),
            Class::Advance => self.shared.options.max_bytes,
        };
        let fits = |writer: &Self| writer.shared.lock().bytes + writer.buffer.len() as u64 + bytes <= limit;
        if fits(self) {
            return Ok(());
        }
        self.flush();
        self.release(0);
        if fits(self) {
            Ok(())
        } else {
            Err(self.full(Some(limit)))
        }
    }

    /// Counts and words a refusal.
    pub(super) fn full(&mut self, limit_bytes: Option<u64>) -> BusError {
        let mut state = self.shared.lock();
        state.stats.refused_full += 1;
        let held_by = match (state.segments.front(), state.segments.get(1)) {
            (Some(oldest), Some(next)) => {
                let (start, end) = (&oldest.segment.start, &next.segment.start);
                retention::holder(start, end, &self.shared.options.pinning, &state.ledger)
            }
            _ => None,
        };
        let error = BusError::DiskFull {
            place: self.shared.dir.display().to_string(),
            used_bytes: state.bytes,
            limit_bytes,
            held_by: held_by.map(|consumer| consumer.to_string()),
        };
        state.stats.full = true;
        drop(state);
        if !std::mem::replace(&mut self.full, true) {
            signals::full(&error);
        }
        error
    }

    /// Brings the staged batches to the disk and answers them.
    pub(super) fn flush(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let mut group = std::mem::take(&mut self.staged);
        let mut written = self.write_group();
        if matches!(written, Err(Failure::Full)) {
            group = self.restage(group);
            written = if group.is_empty() {
                Err(Failure::Full)
            } else {
                self.write_group()
            };
        }
        match written {
            Ok(sync) => self.publish(group, sync),
            Err(Failure::Fatal(error)) => refuse(group, &error),
            Err(Failure::Full) => self.refuse_full(group),
        }
        self.buffer.clear();
        self.buffer.shrink_to(MAX_GROUP_BYTES);
        self.group = self.sequence;
    }

    /// After "no space", what is worth another try: everything if releasing segments freed some, or else the batches of
    /// consumers, since they are what frees segments. The others are refused.
    fn restage(&mut self, group: Vec<Staged>) -> Vec<Staged> {
        let freed = self.release(0) > 0;
        let worth = |staged: &Staged| freed || staged.batch.class == Class::Advance;
        let (again, refused) = group.into_iter().partition::<Vec<_>, _>(worth);
        self.refuse_full(refused);
        self.buffer.clear();
        for Staged { batch, reply, .. } in again {
            match self.ledger.apply(&batch) {
                Ok(offsets) => self.encode(batch, offsets, reply),
                Err(error) => answer(reply, Err(error)),
            }
        }
        std::mem::take(&mut self.staged)
    }

    fn refuse_full(&mut self, group: Vec<Staged>) {
        for staged in group {
            let error = self.full(None);
            answer(staged.reply, Err(error));
        }
    }

    /// Writes and syncs the buffer. When there is no space, cuts off what was written of it and forgets the group.
    fn write_group(&mut self) -> Result<Duration, Failure> {
        let written = write_all_at(&*self.file, &self.buffer, self.position);
        if let Err(error) = written {
            if !is_full(&error) {
                return Err(self.stop_here("write", error));
            }
            self.cut_at(self.position)?;
            self.ledger = self.shared.lock().ledger.clone();
            self.sequence = self.group;
            return Err(Failure::Full);
        }
        self.reach_ahead()?;
        self.sync()
    }

    /// Writes zeros after the staged batches, once in a while, so that most syncs find the file as long as it was: then
    /// no length and no blocks have to be made durable, only bytes. Without room for them it goes on as it is.
    fn reach_ahead(&mut self) -> Result<(), Failure> {
        let (end, options) = (self.end(), &self.shared.options);
        if end <= self.ahead || options.ahead_bytes == 0 {
            return Ok(());
        }
        self.ahead = end + options.ahead_bytes;
        let spare = options
            .max_bytes
            .saturating_sub(self.shared.lock().bytes + self.buffer.len() as u64);
        let most = options.segment_bytes.saturating_sub(end).min(spare);
        let zeros = vec![0; usize::try_from(options.ahead_bytes.min(most)).unwrap_or_default()];
        match write_all_at(&*self.file, &zeros, end) {
            Err(error) if is_full(&error) => self.cut_at(end),
            written => written.map_err(|error| self.stop_here("write", error)),
        }
    }

    /// Cuts the file, which is durable with the next sync.
    pub(super) fn cut_at(&mut self, position: u64) -> Result<(), Failure> {
        self.file
            .set_len(position)
            .map_err(|error| self.stop_here("cut", error))?;
        self.cut = true;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<Duration, Failure> {
        // A duration for the statistics; nothing depends on it.
        let started = Instant::now();
        self.file.sync().map_err(|error| self.stop_here("sync", error))?;
        self.cut = false;
        Ok(started.elapsed())
    }

    /// Takes no more writes: what lies after `position` in the segment is unknown.
    fn stop_here(&mut self, action: &'static str, source: io::Error) -> Failure {
        Failure::Fatal(self.stop(action, self.segment.path.clone(), self.position, source))
    }

    /// Takes no more writes.
    pub(super) fn stop(&mut self, action: &'static str, file: PathBuf, offset: u64, source: io::Error) -> BusError {
        let error = BusError::WriteFailed {
            action,
            file: file.clone(),
            offset,
            source: Arc::new(source),
        };
        signals::stopped(&error);
        let stopped = BusError::Stopped { action, file, offset };
        self.shared.lock().stats.stopped = Some(error.to_string());
        self.shared.stopped.send_replace(Some(stopped.clone()));
        self.stopped = Some(stopped);
        error
    }

    /// The group is durable: shows it to readers, wakes them, answers its callers.
    fn publish(&mut self, group: Vec<Staged>, sync: Duration) {
        let bytes = self.buffer.len() as u64;
        self.position += bytes;
        self.note_in_index(&group);
        let mut touched = Vec::new();
        let mut state = self.shared.lock();
        for staged in &group {
            state
                .ledger
                .settle(&staged.batch, &staged.offsets, |slot| touched.push(slot));
        }
        state.bytes += bytes;
        if let Some(held) = state.segments.back_mut() {
            held.bytes = self.position;
        }
        let records = group.iter().map(|staged| staged.offsets.len() as u64).sum();
        state.stats.count_group(group.len() as u64, records, bytes);
        state.stats.count_sync(sync);
        let filled = group.iter().any(|staged| staged.batch.class == Class::Fill);
        if filled {
            state.stats.full = false;
        }
        drop(state);
        touched.sort_unstable();
        touched.dedup();
        for slot in touched {
            let next = self.ledger.next().get(slot).copied().unwrap_or_default();
            self.shared.marks.publish(slot, next);
        }
        if filled && std::mem::take(&mut self.full) {
            signals::resumed();
        }
        self.answer_group(group);
    }

    /// Answers those who fill the log first; then releases what the others' commits have freed, so that it is gone when
    /// their call returns.
    fn answer_group(&mut self, group: Vec<Staged>) {
        let (advanced, filled) = group
            .into_iter()
            .partition::<Vec<_>, _>(|staged| staged.batch.commits.is_some());
        for staged in filled {
            answer(staged.reply, Ok(staged.offsets));
        }
        if !advanced.is_empty() {
            self.release(self.shared.options.keep_bytes);
        }
        for staged in advanced {
            answer(staged.reply, Ok(staged.offsets));
        }
    }

    fn note_in_index(&self, group: &[Staged]) {
        if let Some(loaded) = self.segment.loaded().as_mut() {
            for staged in group {
                for (record, &offset) in staged.batch.records.iter().zip(&staged.offsets) {
                    if let Ok(slot) = self.ledger.slot(record.to) {
                        loaded.index.note(slot, offset, staged.position);
                    }
                }
            }
        }
    }
}

/// Answers a caller; one that has gone away does not mind.
pub(super) fn answer<T>(reply: Reply<T>, result: Result<T, BusError>) {
    drop(reply.send(result));
}

fn refuse(group: Vec<Staged>, error: &BusError) {
    for staged in group {
        answer(staged.reply, Err(error.clone()));
    }
}
