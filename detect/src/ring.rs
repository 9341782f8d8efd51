//! Rings of windows: for each of the last hours (or days) of one (outlet, factor), what the device reported and what
//! was last said of it. Twelve bytes a window, part of the hot core.

use crate::minutes::HOURS;
use crate::number::{SCALE, pow10};
use crate::state::{Persist, Reader, RestoreError};

/// As many hours as the minute store keeps.
pub(crate) type HourRing = Ring<HOURS>;
/// Days whose verdict can still change: their hours are remembered, or the device sends its day value late.
pub(crate) type DayRing = Ring<4>;

/// A value in 31 bits and a scale: nine significant digits, more than any device sends. A longer one is rounded half to
/// even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Short {
    pub(crate) mantissa: i32,
    pub(crate) scale: u8,
}

impl Short {
    /// From millionths. Values up to [`crate::number::MAX_ABS`] fit at scale 0.
    pub(crate) fn new(millionths: i64) -> Self {
        for scale in (0..=SCALE).rev() {
            let step = pow10(SCALE - scale);
            let units = crate::number::divide(i128::from(millionths), i128::from(step));
            if let Ok(mantissa) = i32::try_from(units) {
                return Self { mantissa, scale };
            }
        }
        Self {
            mantissa: if millionths < 0 { i32::MIN } else { i32::MAX },
            scale: 0,
        }
    }

    /// In millionths.
    pub(crate) fn millionths(self) -> i64 {
        i64::from(self.mantissa) * pow10(SCALE - self.scale.min(SCALE))
    }
}

/// What a device's hour or day packet said of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceValue {
    pub(crate) value: Short,
    /// Number of the reason why it does not count ([`crate::minutes::Why`]), or 0.
    pub(crate) why: u8,
    /// It still has to be corrected to the reference oxygen.
    pub(crate) to_correct: bool,
    /// Rank of the device.
    pub(crate) rank: u8,
}

/// What was said of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Said {
    /// Code of the verdict, see [`crate::out::verdict_code`]; 0 where nothing was said.
    pub(crate) verdict: u8,
    /// The mean judged.
    pub(crate) mean: Short,
    /// A mean was judged.
    pub(crate) has_mean: bool,
    /// Windows back to the first one of its case, 63 for more.
    pub(crate) case_back: u8,
    /// No longer preliminary.
    pub(crate) confirmed: bool,
}

/// The last `N` windows. Windows are numbered: hours since 1970, Beijing days since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring<const N: usize> {
    newest: i64,
    device: [i32; N],
    said: [i32; N],
    device_note: [u16; N],
    said_note: [u16; N],
}

impl<const N: usize> Persist for Ring<N> {
    fn save(&self, to: &mut Vec<u8>) {
        self.newest.save(to);
        self.device.save(to);
        self.said.save(to);
        self.device_note.save(to);
        self.said_note.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(Self {
            newest: Persist::load(from)?,
            device: Persist::load(from)?,
            said: Persist::load(from)?,
            device_note: Persist::load(from)?,
            said_note: Persist::load(from)?,
        })
    }
}

impl<const N: usize> Ring<N> {
    #[expect(clippy::cast_possible_wrap, reason = "rings have dozens of places")]
    const REACH: i64 = N as i64;

    pub(crate) fn new() -> Self {
        Self {
            newest: i64::MIN,
            device: [0; N],
            said: [0; N],
            device_note: [0; N],
            said_note: [0; N],
        }
    }

    fn index(window: i64) -> usize {
        usize::try_from(window.rem_euclid(Self::REACH)).unwrap_or(0)
    }

    /// True where the ring still reaches.
    pub(crate) fn reaches(&self, window: i64) -> bool {
        window > self.newest.saturating_sub(Self::REACH)
    }

    fn advance(&mut self, window: i64) {
        let from = self
            .newest
            .saturating_add(1)
            .max(window.saturating_sub(Self::REACH - 1));
        self.newest = window;
        for passed in from..=window {
            let i = Self::index(passed);
            (self.device[i], self.device_note[i], self.said[i], self.said_note[i]) = (0, 0, 0, 0);
        }
    }

    /// The device's value of a window.
    pub(crate) fn device(&self, window: i64) -> Option<DeviceValue> {
        if window > self.newest || !self.reaches(window) {
            return None;
        }
        let (mantissa, note) = (self.device[Self::index(window)], self.device_note[Self::index(window)]);
        // Bits: 0-2 scale, 3-8 why, 9 to correct, 10-13 rank, 15 present.
        (note >> 15 == 1).then(|| DeviceValue {
            value: Short {
                mantissa,
                scale: low8(note, 0, 0b111),
            },
            why: low8(note, 3, 0b11_1111),
            to_correct: note >> 9 & 1 == 1,
            rank: low8(note, 10, 0b1111),
        })
    }

    /// Takes a device's value, unless a device of higher standing holds the window. True when something changed. A
    /// corrected value is not replaced by an uncorrected one of the same device.
    pub(crate) fn put_device(&mut self, window: i64, new: DeviceValue) -> bool {
        if window > self.newest {
            self.advance(window);
        }
        if !self.reaches(window) {
            return false;
        }
        if let Some(old) = self.device(window) {
            let outranked = old.rank < new.rank;
            let keeps_corrected = old.rank == new.rank && !old.to_correct && new.to_correct && old.why == 0;
            if outranked || keeps_corrected || old == new {
                return false;
            }
        }
        let i = Self::index(window);
        self.device[i] = new.value.mantissa;
        self.device_note[i] = u16::from(new.value.scale)
            | u16::from(new.why) << 3
            | u16::from(new.to_correct) << 9
            | u16::from(new.rank) << 10
            | 1 << 15;
        true
    }

    /// What was said of a window.
    pub(crate) fn said(&self, window: i64) -> Said {
        if window > self.newest || !self.reaches(window) {
            return Said::default();
        }
        // Bits: 0-2 scale, 3 has mean, 4-8 verdict, 9-14 case, 15 confirmed.
        let (mantissa, note) = (self.said[Self::index(window)], self.said_note[Self::index(window)]);
        Said {
            verdict: low8(note, 4, 0b1_1111),
            mean: Short {
                mantissa,
                scale: low8(note, 0, 0b111),
            },
            has_mean: note >> 3 & 1 == 1,
            case_back: low8(note, 9, 0b11_1111),
            confirmed: note >> 15 == 1,
        }
    }

    /// Notes what was said of a window.
    pub(crate) fn note(&mut self, window: i64, said: Said) {
        if window > self.newest {
            self.advance(window);
        }
        if !self.reaches(window) {
            return;
        }
        let i = Self::index(window);
        self.said[i] = said.mean.mantissa;
        self.said_note[i] = u16::from(said.mean.scale)
            | u16::from(said.has_mean) << 3
            | u16::from(said.verdict) << 4
            | u16::from(said.case_back.min(63)) << 9
            | u16::from(said.confirmed) << 15;
    }
}

fn low8(note: u16, shift: u8, mask: u16) -> u8 {
    u8::try_from(note >> shift & mask).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_listed_device_holds_a_window() {
        let value = |mantissa, rank| DeviceValue {
            value: Short { mantissa, scale: 1 },
            why: 0,
            to_correct: false,
            rank,
        };
        let mut ring = HourRing::new();
        assert!(ring.put_device(100, value(351, 1)));
        assert!(!ring.put_device(100, value(351, 1)), "a repeat is nothing new");
        assert!(!ring.put_device(100, value(340, 2)));
        assert!(ring.put_device(100, value(352, 0)));
        assert_eq!(ring.device(100), Some(value(352, 0)));
        assert!(ring.put_device(148, value(1, 0)));
        assert_eq!(ring.device(100), None);
        assert!(!ring.put_device(100, value(1, 0)));
    }

    proptest! {
        #[test]
        fn notes_come_back(
            value in -1_000_000_000_000_000_i64..1_000_000_000_000_000,
            why in 0_u8..34,
            rank in 0_u8..=13,
            verdict in 0_u8..32,
            case_back in 0_u8..64,
            flags in any::<(bool, bool, bool)>(),
        ) {
            let mut ring = DayRing::new();
            let device = DeviceValue { value: Short::new(value), why, to_correct: flags.0, rank };
            ring.put_device(7, device);
            prop_assert_eq!(ring.device(7), Some(device));
            let said = Said {
                verdict, mean: Short::new(value), has_mean: flags.1, case_back, confirmed: flags.2,
            };
            ring.note(7, said);
            prop_assert_eq!(ring.said(7), said);
            prop_assert_eq!(ring.device(7), Some(device));
            let error = (Short::new(value).millionths() - value).abs();
            prop_assert!(error <= 500_000 && (value.abs() > 2_000_000_000 || error == 0));
        }
    }
}
