//! Reading a line: index, frames, records. On a blocking thread, beside the writer and never in its way.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::frame::{Piece, decode_batch};
use super::header::io_error;
use super::segment::Segment;
use super::shared::{Shared, Source};
use super::walk::{Step, Window};
use crate::BusError;
use crate::record::{ReadLimit, Record, TopicPartition};

/// Records of one call, gathered into one buffer that they share afterwards.
#[derive(Debug)]
struct Gathered {
    at: TopicPartition,
    /// The next offset wanted.
    wanted: u64,
    limit: ReadLimit,
    bytes: BytesMut,
    found: Vec<Found>,
    full: bool,
}

#[derive(Debug)]
struct Found {
    offset: u64,
    key: Range<usize>,
    payload: Range<usize>,
}

/// Durable records of `at` from `offset` on, as [`crate::Bus::read`] promises.
pub(crate) fn read(
    shared: &Shared,
    at: TopicPartition,
    offset: u64,
    limit: ReadLimit,
) -> Result<Vec<Record>, BusError> {
    let mut gathered = Gathered {
        at,
        wanted: offset,
        limit,
        bytes: BytesMut::new(),
        found: Vec::new(),
        full: limit.records == 0,
    };
    loop {
        let source = shared.open_state()?.source(at, gathered.wanted);
        let source = match source {
            Ok(Some(source)) => source,
            Ok(None) => break,
            // Retention overtook this call between two segments: what was gathered before is still good.
            Err(_) if !gathered.found.is_empty() => break,
            Err(error) => return Err(error),
        };
        if gathered.full || gathered.wanted >= source.end {
            break;
        }
        let end = source.end;
        if let Err(error) = gathered.take_from(shared, &source) {
            // A segment that cannot be read because retention just removed it has expired; the range tells.
            shared.open_state()?.check_readable(at, gathered.wanted)?;
            return Err(error);
        }
        if !gathered.full {
            // All this segment had of the line is taken; what a repair set aside lies between here and its end.
            gathered.wanted = gathered.wanted.max(end);
        }
    }
    Ok(gathered.into_records())
}

impl Gathered {
    fn take_from(&mut self, shared: &Shared, source: &Source) -> Result<(), BusError> {
        let slot = shared.lock().ledger.slot(self.at)?;
        let segment = &source.segment;
        let (file, Some(mut position)) = locate(shared, segment, slot, self.wanted)? else {
            return Ok(());
        };
        let mut window = Window::new(&*file, source.bytes);
        while !self.full && self.wanted < source.end {
            let step = window
                .step(segment.place(position))
                .map_err(|e| io_error("read", &segment.path, e))?;
            let head = match step {
                Step::Frame(head) => head,
                Step::End => break,
                Step::Short => return Err(segment.damaged(position, "a durable frame ends with the file")),
                Step::Bad(what) => return Err(segment.damaged(position, what)),
            };
            let before = self.wanted;
            let body = window
                .body(position, &head)
                .map_err(|e| io_error("read", &segment.path, e))?;
            self.take_frame(body.unwrap_or_default())
                .ok_or_else(|| segment.damaged(position, "a frame body is not well formed"))?;
            position += head.frame_bytes();
            if self.wanted == before {
                // Nothing of this line here: the index may know a shorter way.
                let (_, ahead) = locate(shared, segment, slot, self.wanted)?;
                position = ahead.map_or(position, |ahead| ahead.max(position));
            }
        }
        Ok(())
    }

    fn take_frame(&mut self, body: &[u8]) -> Option<()> {
        if body.is_empty() {
            return Some(());
        }
        decode_batch(body, |piece| {
            if let Piece::Record {
                at,
                offset,
                key,
                payload,
            } = piece
                && at == self.at
                && offset >= self.wanted
            {
                self.take(offset, key, payload);
            }
        })
    }

    fn take(&mut self, offset: u64, key: &[u8], payload: &[u8]) {
        let over = self.bytes.len() + key.len() + payload.len() > self.limit.bytes && !self.found.is_empty();
        self.full |= over || self.found.len() >= self.limit.records;
        if self.full {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.found.push(Found {
            offset,
            key: start..middle,
            payload: middle..self.bytes.len(),
        });
        self.wanted = offset + 1;
        self.full = self.found.len() >= self.limit.records;
    }

    fn into_records(self) -> Vec<Record> {
        let bytes: Bytes = self.bytes.freeze();
        let record = |found: Found| Record {
            from: self.at,
            offset: found.offset,
            key: bytes.slice(found.key),
            payload: bytes.slice(found.payload),
        };
        self.found.into_iter().map(record).collect()
    }
}

type Located = (Arc<dyn crate::fs::FsFile>, Option<u64>);

/// [`Segment::locate`], loading the segment first if it is a sealed one that nobody has read yet.
fn locate(shared: &Shared, segment: &Arc<Segment>, slot: usize, offset: u64) -> Result<Located, BusError> {
    loop {
        if let Some(located) = segment.locate(slot, offset) {
            return Ok(located);
        }
        if segment.load(&*shared.fs, &shared.options)? {
            shared.note_loaded(Arc::clone(segment));
        }
    }
}
