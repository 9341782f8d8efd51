//! Minutes made of real-time samples: the last few minutes of one (outlet, factor), still open to one more sample.

use plume_schemas::reading::Flag;
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};

use crate::minutes::{Made, Slot, Why};
use crate::number::{SCALE, divide, pow10};
use crate::state::persist;

/// Minutes kept open. Samples that are further out of order than this no longer change a minute that has a mean; they
/// still fill one that has none. Links deliver in order, so more would be memory for nothing.
const OPEN: usize = 8;
/// A sample is known by its five seconds: HJ 212-2017 D.2 (23) has samples at most 5 s apart, uploads come every 30 s
/// or so.
const BIN_MS: i64 = 5 * SECOND_MS;

#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Open {
    /// Minutes since 1970.
    minute: u32,
    valid: u8,
    total: u8,
    /// Bits 0-11: five-second bins taken; 12-14: digits of the samples; 15: judged as they are.
    bins: u16,
    sum: i64,
}
persist!(Open {
    minute,
    valid,
    total,
    bins,
    sum
});

/// One sample of a factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Time,
    /// The value in millionths, or why it does not count.
    pub(crate) value: Result<i64, Why>,
    /// Digits behind the point it came with.
    pub(crate) digits: u8,
    /// False where it still has to be corrected.
    pub(crate) judged: bool,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The minute's content now.
    Minute(Slot),
    /// It was there already.
    Repeat,
    /// Too far out of order for a mean; the slot it would make alone.
    Alone(Slot),
}

/// The open minutes.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SampleRing {
    open: [Open; OPEN],
}
persist!(SampleRing { open });

impl SampleRing {
    /// Takes a sample into its minute.
    pub(crate) fn take(&mut self, sample: Sample) -> Taken {
        let minute = u32::try_from(sample.at.0.div_euclid(MINUTE_MS)).unwrap_or(0);
        let known = self
            .open
            .iter()
            .position(|open| open.total > 0 && open.minute == minute);
        let place = known.unwrap_or_else(|| (0..OPEN).min_by_key(|&i| self.open[i].minute).unwrap_or(0));
        let open = &mut self.open[place];
        if known.is_none() {
            if open.minute > minute {
                return Taken::Alone(lone(sample));
            }
            *open = Open {
                minute,
                ..Open::default()
            };
        }
        let bin = 1 << (sample.at.0.rem_euclid(MINUTE_MS) / BIN_MS);
        if open.bins & bin != 0 {
            return Taken::Repeat;
        }
        open.bins |= bin;
        open.total = open.total.saturating_add(1);
        if let Ok(value) = sample.value {
            open.add(value, sample.digits.min(SCALE), sample.judged);
        }
        let why = sample.value.err().unwrap_or(Why::Flag(Flag::Unknown));
        Taken::Minute(open.slot(why))
    }
}

impl Open {
    fn add(&mut self, value: i64, digits: u8, judged: bool) {
        let was_judged = self.bins >> 15 == 1;
        if self.valid > 0 && was_judged != judged {
            if was_judged {
                // Corrected samples stand; an uncorrected one beside them is not mixed in.
                self.total = self.total.saturating_sub(1);
                return;
            }
            (self.sum, self.valid) = (0, 0);
        }
        let digits = u16::from(digits).max(self.bins >> 12 & 0b111);
        self.bins = self.bins & 0x0FFF | digits << 12 | u16::from(judged) << 15;
        self.sum = self.sum.saturating_add(value);
        self.valid = self.valid.saturating_add(1);
    }

    /// The minute: the mean of its valid samples, rounded half to even to the digits they came with, where at least
    /// three quarters of them are valid (HJ 212-2017 C.16 to C.18), else excluded.
    fn slot(&self, why: Why) -> Slot {
        if self.valid == 0 || u16::from(self.valid) * 4 < u16::from(self.total) * 3 {
            return Slot::Excluded {
                why,
                from: Made::Samples,
            };
        }
        let step = pow10(SCALE - u8::try_from(self.bins >> 12 & 0b111).unwrap_or(0).min(SCALE));
        let units = divide(i128::from(self.sum), i128::from(self.valid) * i128::from(step));
        let value = i64::try_from(units).unwrap_or(0).saturating_mul(step);
        Slot::Value {
            value,
            judged: self.bins >> 15 == 1,
            from: Made::Samples,
        }
    }
}

fn lone(sample: Sample) -> Slot {
    match sample.value {
        Ok(value) => Slot::Value {
            value,
            judged: sample.judged,
            from: Made::Samples,
        },
        Err(why) => Slot::Excluded {
            why,
            from: Made::Samples,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64, value: Result<i64, Why>) -> Sample {
        Sample {
            at: Time(second * SECOND_MS),
            value,
            digits: 2,
            judged: true,
        }
    }

    fn mean(taken: Taken) -> Option<i64> {
        match taken {
            Taken::Minute(Slot::Value { value, .. }) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn a_minute_is_the_mean_of_its_samples() {
        let mut ring = SampleRing::default();
        assert_eq!(mean(ring.take(sample(600, Ok(10_010_000)))), Some(10_010_000));
        assert_eq!(
            mean(ring.take(sample(630, Ok(10_020_000)))),
            Some(10_020_000),
            "10.015 half to even"
        );
        assert_eq!(ring.take(sample(632, Ok(99_000_000))), Taken::Repeat);
        let calibrating = Err(Why::Flag(Flag::Calibration));
        assert_eq!(
            mean(ring.take(sample(640, calibrating))),
            None,
            "two of three are less than 75 %"
        );
        for minute in 11..19 {
            ring.take(sample(minute * 60, Ok(1_000_000)));
        }
        assert!(matches!(ring.take(sample(645, Ok(1_000_000))), Taken::Alone(_)));
    }
}
