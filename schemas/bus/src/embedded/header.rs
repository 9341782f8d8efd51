//! The header of a segment: what the log is, and where everyone stood when the segment was begun.

use std::path::Path;
use std::sync::Arc;

use super::bytes::{Cursor, Put, len_u8, len_u32, partition_u16};
use super::frame::take_consumer;
use crate::BusError;
use crate::fs::{FsFile, read_exact_at};
use crate::ledger::Ledger;
use crate::options::{ClockKind, MAX_PARTITIONS};
use crate::record::{Topic, TopicPartition};

/// The format this build writes and reads. v0: free to change until the Kafka carrier lands.
pub const FORMAT_VERSION: u16 = 0;
const MAGIC: &[u8; 8] = b"PLUMELOG";
/// Magic, version, flags, length: the part that all versions keep in place, as the checksum at the end.
const PREFIX_BYTES: usize = 16;
/// Longest header: 32 consumers with a committed offset on each of 1,792 lines are 5 MB; beyond this a length is
/// damaged.
const MAX_HEADER_BYTES: u32 = 8 << 20;
const REPAIRED: u16 = 1;

/// A segment's header, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) clock: ClockKind,
    pub(crate) partitions: u32,
    /// Counts re-partitionings (D7); 1 until the log can grow.
    pub(crate) generation: u32,
    /// Sequence of the first frame; also the file's name.
    pub(crate) first_sequence: u64,
    /// Rewritten by recovery: its length may differ from what the next segment remembers, its sequences may have gaps.
    pub(crate) repaired: bool,
    /// The segment before, if there was one.
    pub(crate) previous: Option<Previous>,
    /// Next and committed offsets when the segment was begun.
    pub(crate) ledger: Ledger,
}

/// What a segment knows of the one before it, so that a missing or shortened one is noticed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) first_sequence: u64,
    pub(crate) bytes: u64,
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Damaged(&'static str),
    Version(u16),
}

impl Flaw {
    pub(crate) fn at(self, file: &Path) -> BusError {
        let file = file.to_owned();
        match self {
            Self::Damaged(what) => BusError::Damaged { file, offset: 0, what },
            Self::Version(found) => BusError::Version {
                file,
                found,
                known: FORMAT_VERSION,
            },
        }
    }
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 10);
        out.extend_from_slice(MAGIC);
        out.put_u16(FORMAT_VERSION);
        out.put_u16(if self.repaired { REPAIRED } else { 0 });
        out.put_u32(0);
        out.put_u32(match self.clock {
            ClockKind::System => 1,
            ClockKind::Virtual => 2,
        });
        out.put_u32(self.partitions);
        out.put_u32(self.generation);
        out.put_u64(self.first_sequence);
        let previous = self.previous.unwrap_or(Previous {
            first_sequence: 0,
            bytes: 0,
        });
        out.put_u64(previous.first_sequence);
        out.put_u64(previous.bytes);
        self.encode_snapshot(&mut out);
        let length = len_u32(out.len() + 4);
        if let Some(field) = out.get_mut(12..PREFIX_BYTES) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.put_u32(crc);
        out
    }

    fn encode_snapshot(&self, out: &mut Vec<u8>) {
        let lines: Vec<_> = self
            .ledger
            .lines()
            .zip(self.ledger.next())
            .filter(|(_, next)| **next > 0)
            .collect();
        out.put_u32(len_u32(lines.len()));
        for (at, &next) in lines {
            out.put_u8(at.topic.code());
            out.put_u16(partition_u16(at.partition));
            out.put_u64(next);
        }
        let positions: Vec<_> = self.ledger.positions().collect();
        out.put_u32(len_u32(positions.len()));
        for position in positions {
            out.put_u8(len_u8(position.consumer.as_str().len()));
            out.extend_from_slice(position.consumer.as_str().as_bytes());
            out.put_u8(position.at.topic.code());
            out.put_u16(partition_u16(position.at.partition));
            out.put_u64(position.committed);
        }
    }

    /// Decodes a whole header: checksum first, then the version, then the rest.
    fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let damaged = Flaw::Damaged("the segment header does not match its checksum");
        let (covered, crc) = bytes
            .len()
            .checked_sub(4)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(damaged)?;
        if Cursor(crc).u32() != Some(crc32fast::hash(covered)) {
            return Err(damaged);
        }
        let mut from = Cursor(covered);
        let version = from.take(MAGIC.len()).and_then(|_| from.u16()).ok_or(damaged)?;
        if version != FORMAT_VERSION {
            return Err(Flaw::Version(version));
        }
        Self::decode_fields(from).ok_or(Flaw::Damaged("the segment header is not well formed"))
    }

    fn decode_fields(mut from: Cursor<'_>) -> Option<Self> {
        let flags = from.u16()?;
        from.u32()?;
        let clock = match from.u32()? {
            1 => ClockKind::System,
            2 => ClockKind::Virtual,
            _ => return None,
        };
        let partitions = from.u32().filter(|n| (1..=MAX_PARTITIONS).contains(n))?;
        let generation = from.u32()?;
        let first_sequence = from.u64()?;
        let previous = Previous {
            first_sequence: from.u64()?,
            bytes: from.u64()?,
        };
        let mut ledger = Ledger::new(partitions);
        for _ in 0..from.u32()? {
            let slot = ledger.slot(take_line(&mut from)?).ok()?;
            ledger.raise(slot, from.u64()?);
        }
        for _ in 0..from.u32()? {
            let name_bytes = usize::from(from.u8()?);
            let consumer = take_consumer(&mut from, name_bytes)?;
            let at = take_line(&mut from)?;
            ledger.slot(at).ok()?;
            ledger.set_committed(&consumer, at, from.u64()?);
        }
        from.0.is_empty().then_some(Self {
            clock,
            partitions,
            generation,
            first_sequence,
            repaired: flags & REPAIRED != 0,
            previous: (previous.first_sequence > 0).then_some(previous),
            ledger,
        })
    }

    /// Reads the header of `file`; also its length, which is where the frames begin.
    pub(crate) fn read(file: &dyn FsFile, path: &Path) -> Result<(Self, u64), HeaderError> {
        let size = file.size().map_err(|e| HeaderError::Io(io_error("read", path, e)))?;
        let mut bytes = vec![0; PREFIX_BYTES];
        let whole =
            |bytes: &mut Vec<u8>| read_exact_at(file, bytes, 0).map_err(|e| HeaderError::Io(io_error("read", path, e)));
        let short = HeaderError::Flaw(Flaw::Damaged("the segment is shorter than its header"));
        if size < PREFIX_BYTES as u64 {
            return Err(short);
        }
        whole(&mut bytes)?;
        let mut from = Cursor(&bytes);
        if from.take(MAGIC.len()) != Some(MAGIC) {
            return Err(HeaderError::Flaw(Flaw::Damaged(
                "the file does not begin as a plume log segment",
            )));
        }
        let length = from.u32().and_then(|_| from.u32()).unwrap_or_default();
        if length > MAX_HEADER_BYTES || u64::from(length) > size {
            return Err(short);
        }
        bytes.resize(length as usize, 0);
        whole(&mut bytes)?;
        let header = Self::decode(&bytes).map_err(HeaderError::Flaw)?;
        Ok((header, u64::from(length)))
    }
}

/// Why a header could not be had.
#[derive(Debug)]
pub(crate) enum HeaderError {
    Io(BusError),
    Flaw(Flaw),
}

impl HeaderError {
    pub(crate) fn at(self, file: &Path) -> BusError {
        match self {
            Self::Io(error) => error,
            Self::Flaw(flaw) => flaw.at(file),
        }
    }
}

fn take_line(from: &mut Cursor<'_>) -> Option<TopicPartition> {
    let topic = Topic::from_code(from.u8()?)?;
    Some(TopicPartition {
        topic,
        partition: u32::from(from.u16()?),
    })
}

/// A file operation outside the write path that failed.
pub(crate) fn io_error(action: &'static str, file: &Path, source: std::io::Error) -> BusError {
    BusError::Io {
        action,
        file: file.to_owned(),
        source: Arc::new(source),
    }
}
