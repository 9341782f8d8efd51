//! The writer's slower moments: beginning a segment, releasing old ones, closing.

use std::io;
use std::sync::Arc;

use super::frame::{Order, encode_close};
use super::header::{Header, Previous};
use super::recover::make_segment;
use super::segment::{Index, Loaded, Segment, segment_path};
use super::shared::Held;
use super::writer::{Failure, Reply, Writer, answer};
use crate::BusError;
use crate::fs::{is_full, write_all_at};
use crate::{retention, signals};

impl Writer {
    /// The header of the segment that would begin now.
    pub(super) fn next_header(&self) -> Header {
        Header {
            clock: self.shared.options.clock,
            partitions: self.shared.options.partitions,
            generation: self.shared.generation,
            first_sequence: self.sequence,
            repaired: false,
            previous: Some(Previous {
                first_sequence: self.segment.first_sequence,
                bytes: self.position,
            }),
            ledger: self.ledger.clone(),
        }
    }

    /// Seals the segment and begins the next. The staged batches must be on disk.
    pub(super) fn roll(&mut self) -> Result<(), BusError> {
        if let Err(Failure::Fatal(error)) = self.seal() {
            return Err(error);
        }
        let begun = match self.begin() {
            Err(Failure::Full) if self.release(0) > 0 => self.begin(),
            begun => begun,
        };
        match begun {
            Ok(()) => {
                self.release(self.shared.options.keep_bytes);
                Ok(())
            }
            Err(Failure::Full) => Err(self.full(None)),
            Err(Failure::Fatal(error)) => Err(error),
        }
    }

    /// Makes the length durable that the next header names.
    fn seal(&mut self) -> Result<(), Failure> {
        if self.ahead > self.position {
            self.cut_at(self.position)?;
        }
        if self.cut { self.sync().map(drop) } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let header = self.next_header();
        let shared = Arc::clone(&self.shared);
        let path = segment_path(&shared.dir, header.first_sequence);
        let (file, bytes) = match make_segment(&*shared.fs, &shared.dir, &header, |_, _| Ok(())) {
            Ok(made) => made,
            Err(error) if is_full(&error) => return Err(Failure::Full),
            Err(error) => return Err(Failure::Fatal(self.stop("make segment", path, 0, error))),
        };
        if let Err(error) = shared.fs.sync_dir(&shared.dir) {
            return Err(Failure::Fatal(self.stop("sync the directory of", path, 0, error)));
        }
        let loaded = Loaded {
            file: Arc::clone(&file),
            index: Index::new(self.ledger.next().len(), &shared.options),
        };
        let segment = Arc::new(Segment::new(path, &header, bytes, Some(loaded)));
        let sealed = std::mem::replace(&mut self.segment, Arc::clone(&segment));
        let mut state = shared.lock();
        state.bytes += bytes;
        state.stats.written_bytes += bytes;
        state.segments.push_back(Held { segment, bytes });
        drop(state);
        shared.note_loaded(sealed);
        self.file = file;
        self.position = bytes;
        self.ahead = bytes;
        Ok(())
    }

    /// Unlinks consumed segments, oldest first, while `keep_bytes` remain; returns how many. Each removal is synced
    /// before the next, so that a crash never leaves a hole.
    pub(super) fn release(&mut self, keep_bytes: u64) -> usize {
        let shared = Arc::clone(&self.shared);
        let mut released = 0;
        while self.stopped.is_none()
            && self.may_release(keep_bytes)
            && let Some(held) = shared.take_oldest()
        {
            let path = &held.segment.path;
            match shared.fs.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    signals::not_released(path, &error);
                    shared.put_back(held);
                    break;
                }
                _ => {}
            }
            if let Err(error) = shared.fs.sync_dir(&shared.dir) {
                self.stop("sync the directory of", path.clone(), 0, error);
                break;
            }
            shared.lock().stats.released_segments += 1;
            released += 1;
        }
        released
    }

    fn may_release(&self, keep_bytes: u64) -> bool {
        let state = self.shared.lock();
        let (Some(oldest), Some(next)) = (state.segments.front(), state.segments.get(1)) else {
            return false;
        };
        let (start, end) = (&oldest.segment.start, &next.segment.start);
        let pinning = &self.shared.options.pinning;
        retention::may_release(
            start,
            end,
            state.bytes - oldest.bytes,
            keep_bytes,
            pinning,
            &state.ledger,
        )
    }

    /// Finishes what is staged, marks the end as clean, frees the directory, and only then answers.
    pub(super) fn close(mut self, reply: Reply<()>) {
        self.flush();
        let result = self.mark_closed();
        self.shared.lock().closed = true;
        self.shared.marks.close();
        drop(self.lock);
        answer(reply, result);
    }

    fn mark_closed(&mut self) -> Result<(), BusError> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        let order = Order {
            sequence: self.sequence,
            durable_before: self.sequence,
        };
        encode_close(&mut self.buffer, self.segment.place(self.position), order);
        match write_all_at(&*self.file, &self.buffer, self.position) {
            Ok(()) => {}
            // Without room for the mark the end is unclean, which costs nothing that was acknowledged.
            Err(error) if is_full(&error) => return Ok(()),
            Err(error) => return Err(self.stop("write", self.segment.path.clone(), self.position, error)),
        }
        let end = self.position + self.buffer.len() as u64;
        match self.cut_at(end).and_then(|()| self.sync()) {
            Err(Failure::Fatal(error)) => Err(error),
            _ => Ok(()),
        }
    }
}
