//! One hour of minutes in 128 bytes: a base, a scale and 60 codes.

use super::{PlainSum, STEPS};
use crate::number::{SCALE, pow10};
use crate::state::{Persist, Reader, RestoreError, persist};

/// Codes for values: twice this many, for packets and for samples.
pub(super) const SPAN: i64 = 0x7F00;
pub(super) const FROM_SAMPLES: u16 = 0x7F00;
pub(super) const EXCLUDED_SAMPLES: u16 = 0xFE00;
pub(super) const EXCLUDED_PACKET: u16 = 0xFF00;
pub(super) const MISSING: u16 = 0xFFFF;

/// Aligned, so that an hour is two cache lines and never three.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[repr(align(64))]
pub(super) struct Block {
    /// Value of code 0, in units of the scale.
    pub(super) base: i32,
    pub(super) scale: u8,
    pub(super) kind: u8,
    /// Rank of the device that holds the hour, plus one.
    pub(super) rank: u8,
    pub(super) codes: Codes,
}
persist!(Block {
    base,
    scale,
    kind,
    rank,
    codes
});

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Codes(pub(super) [u16; 60]);

impl Default for Codes {
    fn default() -> Self {
        Self([MISSING; 60])
    }
}

impl Persist for Codes {
    fn save(&self, to: &mut Vec<u8>) {
        self.0.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        <[u16; 60]>::load(from).map(Self)
    }
}

/// Kinds of blocks: no value yet; values judged as they are; values to be corrected; values kept wide.
pub(super) const EMPTY: u8 = 0;
pub(super) const JUDGED: u8 = 1;
pub(super) const TO_CORRECT: u8 = 2;
pub(super) const WIDE: u8 = 3;

impl Block {
    /// The first `limit` minutes added up, where all of them are values judged as they are.
    pub(super) fn plain_sum(&self, limit: u8) -> Option<PlainSum> {
        if self.kind != JUDGED {
            return None;
        }
        // Without branches, so that eight minutes are looked at in one instruction.
        let (mut packets, mut samples, mut unfit, mut end) = (0_u16, 0_u16, 0_u16, 0_u16);
        let (mut of_packets, mut of_samples) = (0_u32, 0_u32);
        for (minute, &code) in (1_u16..).zip(self.codes.0.iter().take(usize::from(limit))) {
            let is_packet = code < FROM_SAMPLES;
            let is_sample = (FROM_SAMPLES..EXCLUDED_SAMPLES).contains(&code);
            packets += u16::from(is_packet);
            samples += u16::from(is_sample);
            unfit |= u16::from((EXCLUDED_SAMPLES..MISSING).contains(&code));
            of_packets += u32::from(if is_packet { code } else { 0 });
            let sample = code.wrapping_sub(FROM_SAMPLES);
            of_samples += u32::from(if is_sample { sample } else { 0 });
            end = end.max(if code == MISSING { 0 } else { minute });
        }
        if unfit != 0 {
            return None;
        }
        let step = STEPS[usize::from(self.scale & 7)];
        let base = i64::from(self.base);
        Some(PlainSum {
            packets: u32::from(packets),
            of_packets: (base * i64::from(packets) + i64::from(of_packets)) * step,
            samples: u32::from(samples),
            of_samples: (base * i64::from(samples) + i64::from(of_samples)) * step,
            end: u8::try_from(end).unwrap_or(60),
        })
    }

    /// The code of a value, after moving base or scale where that makes room for it; `None` where two bytes are not
    /// enough.
    pub(super) fn fit(&mut self, value: i64, judged: bool) -> Option<u16> {
        let kind = if judged { JUDGED } else { TO_CORRECT };
        let needed = digits(value);
        if self.kind == EMPTY {
            let base = in_units(value, needed) - SPAN / 2;
            (self.base, self.scale, self.kind) = (i32::try_from(base).ok()?, needed, kind);
        }
        if self.kind != kind {
            return None;
        }
        let scale = self.scale.max(needed);
        let units = in_units(value, scale);
        let offset = units - i64::from(self.base);
        if scale != self.scale || !(0..SPAN).contains(&offset) {
            self.rebase(units, scale)?;
        }
        u16::try_from(units - i64::from(self.base)).ok()
    }

    /// Moves all values to a finer scale and a base that takes `units` in too.
    fn rebase(&mut self, units: i64, scale: u8) -> Option<()> {
        let step = pow10(scale - self.scale);
        let value = |code: u16| match code {
            0..FROM_SAMPLES => Some((i64::from(self.base) + i64::from(code)) * step),
            FROM_SAMPLES..EXCLUDED_SAMPLES => Some((i64::from(self.base) + i64::from(code - FROM_SAMPLES)) * step),
            _ => None,
        };
        let values = || self.codes.0.iter().filter_map(|&code| value(code)).chain([units]);
        let (low, high) = (values().min()?, values().max()?);
        if high - low >= SPAN {
            return None;
        }
        let base = i32::try_from(low - (SPAN - (high - low)) / 2).ok()?;
        let mut codes = self.codes;
        for code in &mut codes.0 {
            if let Some(units) = value(*code) {
                let offset = if *code >= FROM_SAMPLES { FROM_SAMPLES } else { 0 };
                *code = u16::try_from(units - i64::from(base)).ok()? + offset;
            }
        }
        (self.base, self.scale, self.codes) = (base, scale, codes);
        Some(())
    }
}

/// Digits behind the point that a value in millionths needs.
fn digits(value: i64) -> u8 {
    // Constant divisors, and two digits first, which is what most loggers send.
    if value % 10_000 != 0 {
        return match () {
            () if value % 1_000 == 0 => 3,
            () if value % 100 == 0 => 4,
            () if value % 10 == 0 => 5,
            () => SCALE,
        };
    }
    match () {
        () if value % 1_000_000 == 0 => 0,
        () if value % 100_000 == 0 => 1,
        () => 2,
    }
}

/// A value in millionths in whole units of a scale.
fn in_units(value: i64, scale: u8) -> i64 {
    match scale {
        0 => value / 1_000_000,
        1 => value / 100_000,
        2 => value / 10_000,
        3 => value / 1_000,
        4 => value / 100,
        5 => value / 10,
        _ => value,
    }
}
