//! A frame: one atomic batch on disk. See the layout in [`super`].

use crc32fast::Hasher;

use super::bytes::{Cursor, Put, len_u8, len_u32, partition_u16};
use crate::ledger::Batch;
use crate::record::{ConsumerId, Topic, TopicPartition};

/// Bytes before the body.
pub(crate) const FRAME_HEADER_BYTES: usize = 32;
/// What every marker starts with; resynchronisation looks for it.
pub(crate) const MARKER: &[u8; 3] = b"PLF";
/// Bytes of a record beside key and payload.
const RECORD_BYTES: usize = 16;
/// Bytes of one committed offset.
const COMMIT_BYTES: usize = 11;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records and commits.
    Batch,
    /// Nothing: the log was closed here, and everything before is on disk.
    Close,
}

impl Kind {
    fn marker(self) -> [u8; 4] {
        match self {
            Self::Batch => *b"PLFB",
            Self::Close => *b"PLFC",
        }
    }

    fn of(marker: &[u8]) -> Option<Self> {
        [Self::Batch, Self::Close]
            .into_iter()
            .find(|kind| kind.marker() == marker)
    }
}

/// Where a frame lies. Part of its checksum, so that bytes that only look like a frame (a packet that quotes one, a
/// stale block) never pass for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// First sequence of the segment.
    pub(crate) segment: u64,
    /// Position of the frame in its file.
    pub(crate) position: u64,
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) body_bytes: u32,
    pub(crate) sequence: u64,
    /// Every frame with a smaller sequence was on disk before this one was written.
    pub(crate) durable_before: u64,
    pub(crate) body_crc: u32,
}

impl Head {
    /// The head in `bytes`, or `None` if they are not one written at `place`.
    pub(crate) fn decode(bytes: &[u8], place: Place) -> Option<Self> {
        let (covered, crc) = bytes
            .get(..FRAME_HEADER_BYTES)?
            .split_at_checked(FRAME_HEADER_BYTES - 4)?;
        let mut fields = Cursor(covered);
        let head = Self {
            kind: Kind::of(fields.take(4)?)?,
            body_bytes: fields.u32()?,
            sequence: fields.u64()?,
            durable_before: fields.u64()?,
            body_crc: fields.u32()?,
        };
        (Cursor(crc).u32()? == head_crc(covered, place)).then_some(head)
    }

    fn encode(&self, place: Place) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES);
        bytes.extend_from_slice(&self.kind.marker());
        bytes.put_u32(self.body_bytes);
        bytes.put_u64(self.sequence);
        bytes.put_u64(self.durable_before);
        bytes.put_u32(self.body_crc);
        let crc = head_crc(&bytes, place);
        bytes.put_u32(crc);
        let mut head = [0; FRAME_HEADER_BYTES];
        head.copy_from_slice(&bytes);
        head
    }

    /// Head and body together.
    pub(crate) fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }
}

fn head_crc(covered: &[u8], place: Place) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&place.segment.to_le_bytes());
    hasher.update(&place.position.to_le_bytes());
    hasher.update(covered);
    hasher.finalize()
}

/// The two sequences of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) sequence: u64,
    pub(crate) durable_before: u64,
}

/// Bytes a batch takes on disk.
pub(crate) fn batch_bytes(batch: &Batch) -> u64 {
    let records: usize = batch
        .records
        .iter()
        .map(|r| RECORD_BYTES + r.key.len() + r.payload.len())
        .sum();
    let commits = batch.commits.as_ref().map_or(0, |(consumer, commits)| {
        consumer.as_str().len() + 4 + COMMIT_BYTES * commits.len()
    });
    (FRAME_HEADER_BYTES + 4 + records + 1 + commits) as u64
}

/// Bytes that each record takes at least: damaged bytes divided by it bound the records they held.
pub(crate) fn smallest_record() -> u64 {
    RECORD_BYTES as u64
}

/// Appends the frame of `batch` to `out`: the one copy a payload sees on its way to the disk.
pub(crate) fn encode_batch(out: &mut Vec<u8>, place: Place, order: Order, batch: &Batch, offsets: &[u64]) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    out.put_u32(len_u32(batch.records.len()));
    for (record, &offset) in batch.records.iter().zip(offsets) {
        put_line(out, record.to);
        out.put_u64(offset);
        out.put_u8(len_u8(record.key.len()));
        out.put_u32(len_u32(record.payload.len()));
        out.extend_from_slice(record.key.as_bytes());
        out.extend_from_slice(&record.payload);
    }
    match &batch.commits {
        None => out.put_u8(0),
        Some((consumer, commits)) => {
            out.put_u8(len_u8(consumer.as_str().len()));
            out.extend_from_slice(consumer.as_str().as_bytes());
            out.put_u32(len_u32(commits.len()));
            for &(at, offset) in commits {
                put_line(out, at);
                out.put_u64(offset);
            }
        }
    }
    seal(out, start, Kind::Batch, place, order);
}

/// Appends a frame that marks a clean close.
pub(crate) fn encode_close(out: &mut Vec<u8>, place: Place, order: Order) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    seal(out, start, Kind::Close, place, order);
}

/// Appends a copy of a frame for another place.
pub(crate) fn encode_moved(out: &mut Vec<u8>, place: Place, head: &Head, body: &[u8]) {
    out.extend_from_slice(&head.encode(place));
    out.extend_from_slice(body);
}

fn seal(out: &mut [u8], start: usize, kind: Kind, place: Place, order: Order) {
    let Some((head, body)) = out
        .get_mut(start..)
        .and_then(|frame| frame.split_at_mut_checked(FRAME_HEADER_BYTES))
    else {
        return;
    };
    let sealed = Head {
        kind,
        body_bytes: len_u32(body.len()),
        sequence: order.sequence,
        durable_before: order.durable_before,
        body_crc: crc32fast::hash(body),
    };
    head.copy_from_slice(&sealed.encode(place));
}

fn put_line(out: &mut Vec<u8>, at: TopicPartition) {
    out.put_u8(at.topic.code());
    out.put_u16(partition_u16(at.partition));
}

fn take_line(from: &mut Cursor<'_>) -> Option<TopicPartition> {
    let topic = Topic::from_code(from.u8()?)?;
    let partition = u32::from(from.u16()?);
    Some(TopicPartition { topic, partition })
}

/// What a batch frame holds, one piece at a time.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Record {
        at: TopicPartition,
        offset: u64,
        key: &'a [u8],
        payload: &'a [u8],
    },
    Commit {
        consumer: &'a ConsumerId,
        at: TopicPartition,
        offset: u64,
    },
}

/// Hands every piece of a body to `visit`, in order. `None` if the body is not well formed.
pub(crate) fn decode_batch(body: &[u8], mut visit: impl FnMut(Piece<'_>)) -> Option<()> {
    let mut from = Cursor(body);
    for _ in 0..from.u32()? {
        let at = take_line(&mut from)?;
        let offset = from.u64()?;
        let key_bytes = usize::from(from.u8()?);
        let payload_bytes = from.u32()? as usize;
        let key = from.take(key_bytes)?;
        let payload = from.take(payload_bytes)?;
        visit(Piece::Record {
            at,
            offset,
            key,
            payload,
        });
    }
    let name_bytes = usize::from(from.u8()?);
    if name_bytes > 0 {
        let consumer = take_consumer(&mut from, name_bytes)?;
        for _ in 0..from.u32()? {
            let at = take_line(&mut from)?;
            let offset = from.u64()?;
            visit(Piece::Commit {
                consumer: &consumer,
                at,
                offset,
            });
        }
    }
    from.0.is_empty().then_some(())
}

pub(super) fn take_consumer(from: &mut Cursor<'_>, name_bytes: usize) -> Option<ConsumerId> {
    let name = str::from_utf8(from.take(name_bytes)?).ok()?;
    ConsumerId::new(name).ok()
}
