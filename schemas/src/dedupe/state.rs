//! The memory as bytes, to be stored with the offset up to which it has seen the log.
//!
//! Format 0: numbers as LEB128 varints (signed ones zigzag), fingerprints as 8 or 4 little-endian bytes. Devices and
//! streams are sorted and shapes numbered by first use, so that equal memories have equal bytes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::hash;
use super::shape::{Key, ShapeId, Shapes};
use super::stream::{Prints, Record, Stream};
use super::{Dedupe, Device, Horizons};
use crate::ids::{FactorCode, IdMap, Inline, Mn, OutletId};
use crate::reading::{Basis, ReportKind, Statistic};
use crate::time::Time;

/// The format this build writes and reads.
const FORMAT: u64 = 0;

/// Bytes are not a stored memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DedupeError {
    /// Written by another version.
    #[error("dedupe state has format {found}, this build reads format {FORMAT}")]
    Format {
        /// The format found.
        found: u64,
    },
    /// Cut off, or a part that cannot be.
    #[error("dedupe state is damaged at byte {at}, expected {what}")]
    Damaged {
        /// Where.
        at: usize,
        /// What was expected there.
        what: &'static str,
    },
}

impl DedupeError {
    /// What to try.
    pub fn hint(&self) -> String {
        "drop this checkpoint and replay from the one before: the state is rebuilt from the log".to_owned()
    }
}

impl Dedupe {
    /// The memory as bytes.
    pub fn checkpoint(&self) -> Vec<u8> {
        let devices: BTreeMap<&(Mn, OutletId), &Device> = self.devices.iter().collect();
        let mut numbers: HashMap<ShapeId, u64> = HashMap::new();
        let mut used: Vec<ShapeId> = Vec::new();
        let mut body = Writer::default();
        body.count(devices.len());
        for ((mn, outlet), device) in devices {
            body.text(mn.as_str());
            body.text(outlet.as_str());
            body.signed(device.newest.0);
            body.signed(device.received_at.0);
            let mut streams: Vec<&Stream> = device.streams.iter().collect();
            streams.sort_by_key(|stream| (stream.st, stream.kind));
            body.count(streams.len());
            for stream in streams {
                body.stream(stream, &mut |id| {
                    *numbers.entry(id).or_insert_with(|| {
                        used.push(id);
                        used.len() as u64 - 1
                    })
                });
            }
        }
        let mut head = Writer::default();
        head.number(FORMAT);
        head.signed(self.swept_day);
        head.count(used.len());
        for shape in used.iter().filter_map(|&id| self.shapes.get(id)) {
            head.count(shape.keys.len());
            shape.keys.iter().for_each(|&key| head.key(key));
        }
        head.0.extend_from_slice(&body.0);
        head.0
    }

    /// The memory from bytes. Errors: another format, or bytes that are not what [`Dedupe::checkpoint`] writes.
    pub fn restore(horizons: Horizons, bytes: &[u8]) -> Result<Self, DedupeError> {
        let mut reader = Reader { bytes, at: 0 };
        let found = reader.number()?;
        if found != FORMAT {
            return Err(DedupeError::Format { found });
        }
        let swept_day = reader.signed()?;
        let mut shapes = Shapes::default();
        let mut ids = Vec::new();
        for _ in 0..reader.number()? {
            let mut keys = Vec::new();
            for _ in 0..reader.number()? {
                keys.push(reader.key()?);
            }
            let names = keys
                .iter()
                .map(|key: &Key| hash::name(key.factor, key.statistic, key.basis));
            let print = names.fold(hash::Print::new(), hash::Print::word);
            ids.push(shapes.add(keys.into(), print.get(), 0));
        }
        let mut devices = IdMap::default();
        for _ in 0..reader.number()? {
            let mn = reader.parsed("an MN", |text| Mn::new(text).ok())?;
            let outlet = reader.parsed("an outlet id", |text| OutletId::new(text).ok())?;
            let (newest, received_at) = (Time(reader.signed()?), Time(reader.signed()?));
            let mut streams = Vec::new();
            for _ in 0..reader.number()? {
                let stream = reader.stream(&ids, &mut shapes)?;
                let sorted = streams
                    .last()
                    .is_none_or(|last: &Stream| (last.st, last.kind) < (stream.st, stream.kind));
                if !sorted {
                    return Err(reader.damaged("each stream once, in order"));
                }
                streams.push(stream);
            }
            let device = Device {
                newest,
                received_at,
                streams,
            };
            if devices.insert((mn, outlet), device).is_some() {
                return Err(reader.damaged("each device once"));
            }
        }
        if reader.at != bytes.len() {
            return Err(reader.damaged("the end"));
        }
        Ok(Self {
            horizons,
            swept_day,
            devices,
            shapes,
            scratch: Prints::default(),
        })
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        loop {
            let low = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn signed(&mut self, number: i64) {
        self.number((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn key(&mut self, key: Key) {
        self.text(key.factor.as_str());
        self.0.push(key.statistic.number());
        self.0.push(key.basis.number());
        self.number(key.nth.into());
    }

    fn stream(&mut self, stream: &Stream, number: &mut impl FnMut(ShapeId) -> u64) {
        self.text(stream.st.as_str());
        self.0.push(stream.kind.number());
        self.number(u64::from(stream.dropped.is_some()));
        self.signed(stream.dropped.map_or(0, |at| at.0));
        self.count(stream.records.len());
        let mut previous = 0;
        for record in &stream.records {
            self.signed(record.at.0.wrapping_sub(previous));
            previous = record.at.0;
            self.0.extend_from_slice(&record.packet.to_le_bytes());
            self.0.extend_from_slice(&record.digest.to_le_bytes());
            self.number(number(record.shape));
            self.number(record.revision.into());
        }
        self.count(stream.sharp.len());
        for print in stream.sharp.iter().flat_map(|prints| prints.iter()) {
            self.0.extend_from_slice(&print.to_le_bytes());
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, what: &'static str) -> DedupeError {
        DedupeError::Damaged { at: self.at, what }
    }

    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DedupeError> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.damaged(what))?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, DedupeError> {
        self.take(1, what)
            .map(|bytes| bytes.iter().copied().fold(0, |_, byte| byte))
    }

    fn number(&mut self) -> Result<u64, DedupeError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte("a number")?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number of at most 64 bits"))
    }

    fn signed(&mut self) -> Result<i64, DedupeError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, DedupeError> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| self.damaged(what))
    }

    fn parsed<T>(&mut self, what: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, DedupeError> {
        let length = self.small(what)?;
        let text = std::str::from_utf8(self.take(length, what)?).ok();
        text.and_then(parse).ok_or_else(|| self.damaged(what))
    }

    fn closed<T>(&mut self, what: &'static str, from_number: impl Fn(u8) -> Option<T>) -> Result<T, DedupeError> {
        let number = self.byte(what)?;
        from_number(number).ok_or_else(|| self.damaged(what))
    }

    fn print(&mut self) -> Result<u64, DedupeError> {
        let bytes = self.take(8, "a fingerprint")?;
        bytes
            .try_into()
            .map(u64::from_le_bytes)
            .map_err(|_| self.damaged("a fingerprint"))
    }

    fn key(&mut self) -> Result<Key, DedupeError> {
        Ok(Key {
            factor: self.parsed("a factor code", |text| FactorCode::new(text).ok())?,
            statistic: self.closed("a statistic", Statistic::from_number)?,
            basis: self.closed("a basis", Basis::from_number)?,
            nth: self.small("the number of a reading")?,
        })
    }

    fn stream(&mut self, ids: &[ShapeId], shapes: &mut Shapes) -> Result<Stream, DedupeError> {
        let st = self.parsed("a system code", Inline::new)?;
        let kind = self.closed("a kind of report", ReportKind::from_number)?;
        let mut stream = Stream::new(st, kind);
        let has_dropped = self.number()? != 0;
        let dropped = Time(self.signed()?);
        stream.dropped = has_dropped.then_some(dropped);
        let mut at = 0_i64;
        for place in 0..self.number()? {
            let step = self.signed()?;
            if place > 0 && step < 0 {
                return Err(self.damaged("records by time"));
            }
            at = at.checked_add(step).ok_or_else(|| self.damaged("a time"))?;
            let (packet, digest) = (self.print()?, self.print()?);
            let number: usize = self.small("a shape")?;
            let shape = ids
                .get(number)
                .copied()
                .ok_or_else(|| self.damaged("the number of a shape"))?;
            shapes.use_once_more(shape);
            stream.records.push_back(Record {
                at: Time(at),
                packet,
                digest,
                shape,
                revision: self.small("a revision")?,
            });
        }
        stream.sharp = self.sharp(&stream.records, shapes)?;
        Ok(stream)
    }

    fn sharp(&mut self, records: &VecDeque<Record>, shapes: &Shapes) -> Result<VecDeque<Box<[u32]>>, DedupeError> {
        let count: usize = self.small("a number of sharp reports")?;
        let first = records.len().checked_sub(count);
        let first = first.ok_or_else(|| self.damaged("no more sharp reports than reports"))?;
        let mut sharp = VecDeque::with_capacity(count);
        for record in records.range(first..) {
            let keys = shapes.get(record.shape).map_or(0, |shape| shape.keys.len());
            let prints = self.take(keys * size_of::<u32>(), "fingerprints of readings")?;
            let (prints, _) = prints.as_chunks::<4>();
            sharp.push_back(prints.iter().map(|&print| u32::from_le_bytes(print)).collect());
        }
        Ok(sharp)
    }
}
