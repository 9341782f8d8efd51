//! The hour ring: for each of the last 48 hours of one (outlet, factor), what the device reported and what was last
//! said of it. Twelve bytes an hour, part of the hot core.

use crate::number::{SCALE, pow10};
use crate::state::persist;

/// As many hours as the minute store keeps.
pub(crate) use crate::minutes::HOURS;
const HORIZON: i64 = 48;

/// A value in 31 bits and a scale: nine significant digits, more than any device sends. A longer one is rounded half
/// to even.
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

/// What a device's hour packet said of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceHour {
    pub(crate) value: Short,
    /// Number of the reason why it does not count ([`crate::minutes::Why`]), or 0.
    pub(crate) why: u8,
    /// It still has to be corrected to the reference oxygen.
    pub(crate) to_correct: bool,
    /// Rank of the device.
    pub(crate) rank: u8,
}

/// What was said of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct SaidHour {
    /// Code of the verdict, see [`crate::out::verdict_code`]; 0 where nothing was said.
    pub(crate) verdict: u8,
    /// The mean judged.
    pub(crate) mean: Short,
    /// A mean was judged.
    pub(crate) has_mean: bool,
    /// Hours back to the first hour of its case, 63 for more.
    pub(crate) case_back: u8,
    /// No longer preliminary.
    pub(crate) confirmed: bool,
}

/// The ring.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HourRing {
    newest: i64,
    device: [i32; HOURS],
    device_note: [u16; HOURS],
    said: [i32; HOURS],
    said_note: [u16; HOURS],
}
persist!(HourRing {
    newest,
    device,
    device_note,
    said,
    said_note
});

impl HourRing {
    pub(crate) fn new() -> Self {
        Self {
            newest: i64::MIN,
            device: [0; HOURS],
            device_note: [0; HOURS],
            said: [0; HOURS],
            said_note: [0; HOURS],
        }
    }

    fn index(hour: i64) -> usize {
        usize::try_from(hour.rem_euclid(HORIZON)).unwrap_or(0)
    }

    /// True where the ring still reaches.
    pub(crate) fn reaches(&self, hour: i64) -> bool {
        hour > self.newest.saturating_sub(HORIZON)
    }

    fn advance(&mut self, hour: i64) {
        let from = self.newest.saturating_add(1).max(hour.saturating_sub(HORIZON - 1));
        self.newest = hour;
        for passed in from..=hour {
            let i = Self::index(passed);
            (self.device[i], self.device_note[i], self.said[i], self.said_note[i]) = (0, 0, 0, 0);
        }
    }

    /// The device's hour value.
    pub(crate) fn device(&self, hour: i64) -> Option<DeviceHour> {
        if hour > self.newest || !self.reaches(hour) {
            return None;
        }
        let (mantissa, note) = (self.device[Self::index(hour)], self.device_note[Self::index(hour)]);
        // Bits: 0-2 scale, 3-8 why, 9 to correct, 10-13 rank, 15 present.
        (note >> 15 == 1).then(|| DeviceHour {
            value: Short {
                mantissa,
                scale: low8(note, 0, 0b111),
            },
            why: low8(note, 3, 0b11_1111),
            to_correct: note >> 9 & 1 == 1,
            rank: low8(note, 10, 0b1111),
        })
    }

    /// Takes a device's hour value, unless a device of higher standing holds the hour. True when something changed. A
    /// corrected value is not replaced by an uncorrected one of the same device.
    pub(crate) fn put_device(&mut self, hour: i64, new: DeviceHour) -> bool {
        if hour > self.newest {
            self.advance(hour);
        }
        if !self.reaches(hour) {
            return false;
        }
        if let Some(old) = self.device(hour) {
            let outranked = old.rank < new.rank;
            let keeps_corrected = old.rank == new.rank && !old.to_correct && new.to_correct && old.why == 0;
            if outranked || keeps_corrected || old == new {
                return false;
            }
        }
        let i = Self::index(hour);
        self.device[i] = new.value.mantissa;
        self.device_note[i] = u16::from(new.value.scale)
            | u16::from(new.why) << 3
            | u16::from(new.to_correct) << 9
            | u16::from(new.rank) << 10
            | 1 << 15;
        true
    }

    /// What was said of an hour.
    pub(crate) fn said(&self, hour: i64) -> SaidHour {
        if hour > self.newest || !self.reaches(hour) {
            return SaidHour::default();
        }
        // Bits: 0-2 scale, 3 has mean, 4-8 verdict, 9-14 case, 15 confirmed.
        let (mantissa, note) = (self.said[Self::index(hour)], self.said_note[Self::index(hour)]);
        SaidHour {
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

    /// Notes what was said of an hour.
    pub(crate) fn note(&mut self, hour: i64, said: SaidHour) {
        if hour > self.newest {
            self.advance(hour);
        }
        if !self.reaches(hour) {
            return;
        }
        let i = Self::index(hour);
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
    fn the_first_listed_device_holds_an_hour() {
        let hour = |mantissa, rank| DeviceHour {
            value: Short { mantissa, scale: 1 },
            why: 0,
            to_correct: false,
            rank,
        };
        let mut ring = HourRing::new();
        assert!(ring.put_device(100, hour(351, 1)));
        assert!(!ring.put_device(100, hour(351, 1)), "a repeat is nothing new");
        assert!(!ring.put_device(100, hour(340, 2)));
        assert!(ring.put_device(100, hour(352, 0)));
        assert_eq!(ring.device(100), Some(hour(352, 0)));
        assert!(ring.put_device(148, hour(1, 0)));
        assert_eq!(ring.device(100), None);
        assert!(!ring.put_device(100, hour(1, 0)));
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
            let mut ring = HourRing::new();
            let device = DeviceHour { value: Short::new(value), why, to_correct: flags.0, rank };
            ring.put_device(7, device);
            prop_assert_eq!(ring.device(7), Some(device));
            let said = SaidHour {
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
