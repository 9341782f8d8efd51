//! The minute store: 48 hours of one (outlet, factor) at two bytes a minute, exactly.
//!
//! An hour is one block of 128 bytes: a base, a scale and 60 codes, each an offset from the base in units of the last
//! digit sent. Values of one hour lie close together, so two bytes are enough to keep them digit by digit; an hour
//! where they are not (a wide swing with many digits, or corrected and uncorrected minutes mixed) moves to a wide
//! block beside it, still exact. So 48 hours take 6144 bytes as long as no hour is wide, and 1 KiB more for each that
//! is.
//!
//! Rules of precedence make the content a function of what came, not of its order: of two devices the one listed first
//! holds an hour; a minute packet replaces what samples said of its minutes, never the other way; a corrected value as
//! reported stays when the same minute is sent again without one. Of two different packets for the same minute the
//! later in the log counts (D5).

use plume_schemas::reading::Flag;

mod block;

use block::{Block, EXCLUDED_PACKET, EXCLUDED_SAMPLES, FROM_SAMPLES, JUDGED, MISSING, WIDE};

use crate::state::{Persist, Reader, RestoreError};

/// Hours kept: through the next day's 12:00, when marks are due, with half a day to spare.
pub(crate) const HOURS: usize = 48;
/// Hours kept, as a difference of hour numbers.
const HORIZON: i64 = 48;
/// Why a minute's value does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its flag.
    Flag(Flag),
    /// The device said it cannot be corrected (sentinel of 2025), or O2 is at or above 21 %.
    NoCorrection,
    /// It is no number, or an absurd one.
    Unreadable,
}

impl Why {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Flag(flag) => flag.number(),
            Self::NoCorrection => 0x20,
            Self::Unreadable => 0x21,
        }
    }

    /// As a word of the evidence: the flag, or what was wrong.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Flag(flag) => flag.code(),
            Self::NoCorrection => "no_correction",
            Self::Unreadable => "unreadable",
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0x20 => Self::NoCorrection,
            0x21 => Self::Unreadable,
            _ => Self::Flag(Flag::from_number(number).unwrap_or(Flag::Unknown)),
        }
    }
}

/// What a minute's value is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// A minute packet.
    Packet,
    /// Real-time samples.
    Samples,
}

/// One minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing came.
    Missing,
    /// Something came that does not count.
    Excluded { why: Why, from: Made },
    /// A value, millionths. `judged` is false where it still has to be corrected to the reference oxygen.
    Value { value: i64, judged: bool, from: Made },
}

impl Slot {
    /// What it was made from; `None` where nothing came.
    pub(crate) fn from(self) -> Option<Made> {
        match self {
            Self::Missing => None,
            Self::Excluded { from, .. } | Self::Value { from, .. } => Some(from),
        }
    }
}

/// Millionths of one unit at each scale.
const STEPS: [i64; 8] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1, 1];

/// Minutes added up, packets and samples apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct PlainSum {
    pub(crate) packets: u32,
    pub(crate) of_packets: i64,
    pub(crate) samples: u32,
    pub(crate) of_samples: i64,
    /// Last minute for which anything came, plus one; 0 for none.
    pub(crate) end: u8,
}

/// What putting a minute changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it was there already, digit by digit.
    Same,
    /// The minute was empty.
    New,
    /// The minute said something else before.
    Revised,
    /// Something of higher standing holds the minute.
    Outranked,
    /// Older than the store reaches.
    TooOld,
}

/// An hour that two bytes a minute cannot hold. Codes of the block still say what is missing, excluded, or from
/// samples.
#[derive(Clone, Debug, PartialEq)]
struct Wide {
    hour: i64,
    values: Box<[i64; 60]>,
    /// Minutes judged as they are, one bit each.
    judged: u64,
}

impl Persist for Wide {
    fn save(&self, to: &mut Vec<u8>) {
        self.hour.save(to);
        self.values.as_ref().save(to);
        self.judged.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(Self {
            hour: i64::load(from)?,
            values: Box::new(<[i64; 60]>::load(from)?),
            judged: u64::load(from)?,
        })
    }
}

/// 48 hours of minutes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MinuteStore {
    newest: i64,
    blocks: Box<[Block; HOURS]>,
    wide: Vec<Wide>,
}

/// Hours of which nothing is known take one byte of a checkpoint.
impl Persist for MinuteStore {
    fn save(&self, to: &mut Vec<u8>) {
        self.newest.save(to);
        for block in self.blocks.iter() {
            (*block != Block::default()).save(to);
            if *block != Block::default() {
                block.save(to);
            }
        }
        self.wide.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let mut store = Self::new();
        store.newest = i64::load(from)?;
        for block in store.blocks.iter_mut() {
            if bool::load(from)? {
                *block = Block::load(from)?;
            }
        }
        store.wide = Vec::load(from)?;
        Ok(store)
    }
}

impl MinuteStore {
    pub(crate) fn new() -> Self {
        Self {
            newest: i64::MIN,
            blocks: Box::new([Block::default(); HOURS]),
            wide: Vec::new(),
        }
    }

    /// Bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<[Block; HOURS]>() + self.wide.len() * (size_of::<Wide>() + size_of::<[i64; 60]>())
    }

    fn index(hour: i64) -> usize {
        usize::try_from(hour.rem_euclid(HORIZON)).unwrap_or(0)
    }

    /// True where the store still reaches back to an hour.
    pub(crate) fn reaches(&self, hour: i64) -> bool {
        hour > self.newest.saturating_sub(HORIZON)
    }

    fn holds(&self, hour: i64) -> bool {
        hour <= self.newest && self.reaches(hour)
    }

    /// Something of its own cache line.
    pub(crate) fn touch(&self) -> u64 {
        self.newest.unsigned_abs()
    }

    /// Something of the two cache lines of the hour of a minute since 1970.
    pub(crate) fn touch_minute(&self, minute: i64) -> u64 {
        let block = &self.blocks[Self::index(minute.div_euclid(60))];
        let ends = block.codes.0[0] ^ block.codes.0[59];
        u64::from(ends)
    }

    /// What is known of a minute of an hour.
    pub(crate) fn slot(&self, hour: i64, minute: usize) -> Slot {
        if !self.holds(hour) || minute >= 60 {
            return Slot::Missing;
        }
        self.decode(&self.blocks[Self::index(hour)], hour, minute)
    }

    /// Shows each of the first `limit` minutes of an hour for which anything came.
    pub(crate) fn each(&self, hour: i64, limit: u8, mut show: impl FnMut(usize, Slot)) {
        if !self.holds(hour) {
            return;
        }
        let block = &self.blocks[Self::index(hour)];
        for (minute, &code) in block.codes.0.iter().enumerate().take(usize::from(limit)) {
            if code != MISSING {
                show(minute, self.decode(block, hour, minute));
            }
        }
    }

    /// Adds up the first `limit` minutes of an hour, where all of them are values judged as they are: the usual case,
    /// and many times faster than looking at each. `None` where a minute needs looking at.
    pub(crate) fn plain_sum(&self, hour: i64, limit: u8) -> Option<PlainSum> {
        let block = self.blocks.get(Self::index(hour)).filter(|_| self.holds(hour))?;
        block.plain_sum(limit)
    }

    #[inline]
    fn decode(&self, block: &Block, hour: i64, minute: usize) -> Slot {
        let code = block.codes.0[minute];
        match code {
            MISSING => Slot::Missing,
            EXCLUDED_PACKET.. => excluded(code - EXCLUDED_PACKET, Made::Packet),
            EXCLUDED_SAMPLES.. => excluded(code - EXCLUDED_SAMPLES, Made::Samples),
            _ => {
                let (offset, from) = match code.checked_sub(FROM_SAMPLES) {
                    Some(offset) => (offset, Made::Samples),
                    None => (code, Made::Packet),
                };
                let (value, judged) = if block.kind == WIDE {
                    self.wide_value(hour, minute)
                } else {
                    let units = i64::from(block.base) + i64::from(offset);
                    (units * STEPS[usize::from(block.scale & 7)], block.kind == JUDGED)
                };
                Slot::Value { value, judged, from }
            }
        }
    }

    fn wide_value(&self, hour: i64, minute: usize) -> (i64, bool) {
        let found = self.wide.iter().find(|wide| wide.hour == hour);
        found.map_or((0, true), |wide| (wide.values[minute], wide.judged >> minute & 1 == 1))
    }

    /// Puts a minute in, if it may (see above). `rank` is that of the device.
    pub(crate) fn put(&mut self, hour: i64, minute: usize, slot: Slot, rank: u8) -> Change {
        if hour > self.newest {
            self.advance(hour);
        }
        if !self.holds(hour) || minute >= 60 {
            return Change::TooOld;
        }
        let held = self.blocks[Self::index(hour)].rank;
        if held != 0 && rank + 1 > held {
            return Change::Outranked;
        }
        if held != 0 && rank + 1 < held {
            self.clear(hour);
        }
        let old = self.slot(hour, minute);
        let keeps_corrected = matches!(
            (old, slot),
            (Slot::Value { judged: true, .. }, Slot::Value { judged: false, .. })
        ) && old.from() == slot.from();
        if (old.from() == Some(Made::Packet) && slot.from() == Some(Made::Samples)) || keeps_corrected {
            return Change::Outranked;
        }
        if old == slot {
            return Change::Same;
        }
        self.blocks[Self::index(hour)].rank = rank + 1;
        self.write(hour, minute, slot);
        if old == Slot::Missing {
            Change::New
        } else {
            Change::Revised
        }
    }

    /// Moves on to a newer hour; hours skipped, and those that fall off the other end, become empty.
    fn advance(&mut self, hour: i64) {
        let from = self.newest.saturating_add(1).max(hour.saturating_sub(HORIZON - 1));
        self.newest = hour;
        for passed in from..=hour {
            self.blocks[Self::index(passed)] = Block::default();
        }
        let horizon = hour.saturating_sub(HORIZON);
        self.wide.retain(|wide| wide.hour > horizon);
    }

    fn clear(&mut self, hour: i64) {
        self.blocks[Self::index(hour)] = Block::default();
        self.wide.retain(|wide| wide.hour != hour);
    }

    fn write(&mut self, hour: i64, minute: usize, slot: Slot) {
        let index = Self::index(hour);
        match slot {
            Slot::Missing => self.blocks[index].codes.0[minute] = MISSING,
            Slot::Excluded { why, from } => {
                let base = if from == Made::Packet {
                    EXCLUDED_PACKET
                } else {
                    EXCLUDED_SAMPLES
                };
                self.blocks[index].codes.0[minute] = base + u16::from(why.number());
            }
            Slot::Value { value, judged, from } => {
                let offset = if from == Made::Packet { 0 } else { FROM_SAMPLES };
                if self.blocks[index].kind != WIDE {
                    // Leave the minute's old value out of what must fit.
                    self.blocks[index].codes.0[minute] = MISSING;
                    if let Some(code) = self.blocks[index].fit(value, judged) {
                        self.blocks[index].codes.0[minute] = code + offset;
                        return;
                    }
                    self.widen(hour);
                }
                self.blocks[index].codes.0[minute] = offset;
                if let Some(wide) = self.wide.iter_mut().find(|wide| wide.hour == hour) {
                    wide.values[minute] = value;
                    wide.judged = wide.judged & !(1 << minute) | u64::from(judged) << minute;
                }
            }
        }
    }

    fn widen(&mut self, hour: i64) {
        let mut wide = Wide {
            hour,
            values: Box::new([0; 60]),
            judged: 0,
        };
        for minute in 0..60 {
            if let Slot::Value { value, judged, .. } = self.slot(hour, minute) {
                wide.values[minute] = value;
                wide.judged |= u64::from(judged) << minute;
            }
        }
        let block = &mut self.blocks[Self::index(hour)];
        block.kind = WIDE;
        for code in &mut block.codes.0 {
            *code = match *code {
                0..FROM_SAMPLES => 0,
                FROM_SAMPLES..EXCLUDED_SAMPLES => FROM_SAMPLES,
                other => other,
            };
        }
        self.wide.push(wide);
    }
}

fn excluded(number: u16, from: Made) -> Slot {
    Slot::Excluded {
        why: Why::from_number(u8::try_from(number).unwrap_or(0)),
        from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(value: i64) -> Slot {
        Slot::Value {
            value,
            judged: true,
            from: Made::Packet,
        }
    }

    #[test]
    fn forty_eight_hours_fit_six_kibibytes() {
        assert_eq!(size_of::<Block>(), 128);
        let mut store = MinuteStore::new();
        for minute in 0..60 * 48_i64 {
            let (hour, minute_of_hour) = (minute / 60, usize::try_from(minute % 60).unwrap());
            store.put(hour, minute_of_hour, value(12_340_000 + minute * 10_000), 0);
        }
        assert_eq!(store.bytes(), 6144);
        assert_eq!(store.slot(47, 59), value(12_340_000 + 2879 * 10_000));
        assert_eq!(store.put(48, 0, value(1), 0), Change::New);
        assert_eq!(store.slot(0, 0), Slot::Missing, "the oldest hour made room");
        assert_eq!(store.put(0, 0, value(1), 0), Change::TooOld);
    }

    #[test]
    fn precedence_does_not_depend_on_order() {
        let sample = Slot::Value {
            value: 5,
            judged: true,
            from: Made::Samples,
        };
        let mut store = MinuteStore::new();
        assert_eq!(store.put(9, 3, sample, 1), Change::New);
        assert_eq!(store.put(9, 3, value(7), 1), Change::Revised);
        assert_eq!(store.put(9, 3, sample, 1), Change::Outranked);
        assert_eq!(store.put(9, 3, value(7), 1), Change::Same);
        assert_eq!(
            store.put(9, 4, value(8), 2),
            Change::Outranked,
            "the hour belongs to the device of rank 1"
        );
        assert_eq!(store.put(9, 4, value(8), 0), Change::New);
        assert_eq!(store.slot(9, 3), Slot::Missing, "and is handed over whole");
        let raw = Slot::Value {
            value: 3,
            judged: false,
            from: Made::Packet,
        };
        assert_eq!(store.put(9, 4, raw, 0), Change::Outranked);
    }

    fn slots() -> impl Strategy<Value = Slot> {
        let number = prop_oneof![
            0_i64..100_000_000,
            (0_i64..10_000).prop_map(|n| n * 10_000),
            -crate::number::MAX_ABS..crate::number::MAX_ABS,
        ];
        let from = prop_oneof![Just(Made::Packet), Just(Made::Samples)];
        prop_oneof![
            4 => (number, any::<bool>(), from.clone())
                .prop_map(|(value, judged, from)| Slot::Value { value, judged, from }),
            1 => (1_u8..=12, from).prop_map(|(n, from)| Slot::Excluded { why: Why::from_number(n), from }),
        ]
    }

    proptest! {
        /// Against the simplest model there is: whatever the encoding does, what was accepted can be read back exactly.
        #[test]
        fn keeps_every_value_exactly(puts in prop::collection::vec((0_i64..60, 0_usize..60, slots()), 1..200)) {
            let (mut store, mut model) = (MinuteStore::new(), std::collections::BTreeMap::new());
            for (hour, minute, slot) in puts {
                if matches!(store.put(hour, minute, slot, 0), Change::New | Change::Revised) {
                    model.insert((hour, minute), slot);
                }
                model.retain(|&(hour, _), _| store.holds(hour));
            }
            let mut bytes = Vec::new();
            store.save(&mut bytes);
            prop_assert_eq!(&MinuteStore::load(&mut Reader::new(&bytes)).unwrap(), &store);
            for hour in 0..60 {
                for minute in 0..60 {
                    let expected = model.get(&(hour, minute)).copied().unwrap_or(Slot::Missing);
                    prop_assert_eq!(store.slot(hour, minute), expected);
                }
            }
        }
    }
}
