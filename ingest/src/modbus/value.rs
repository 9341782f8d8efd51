//! From a raw number to a value in its unit, and what its own range says of it.

use plume_schemas::decimal::Decimal;
use plume_schemas::reading::Flag;

use super::read::Miss;
use super::words::Raw;

/// Above this current the transmitter says that it has failed (NAMUR NE 43).
const FAILED_HIGH_MA: f64 = 21.0;
/// Above this current the value is over the measuring range (NE 43: 3.8 to 20.5 mA carry a value).
const OVER_RANGE_MA: f64 = 20.5;
/// Below this current the value is under the measuring range, or the wire is broken.
const UNDER_RANGE_MA: f64 = 3.8;

/// From raw to the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// `raw · scale + offset`.
    Linear {
        /// Factor.
        scale: Decimal,
        /// What is added.
        offset: Decimal,
    },
    /// A 4–20 mA loop behind an input card.
    Loop(Loop),
}

/// A 4–20 mA loop: raw counts at both ends, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loop {
    /// Raw counts at 4 mA.
    pub at_4ma: f64,
    /// Raw counts at 20 mA.
    pub at_20ma: f64,
    /// The value at 4 mA.
    pub low: f64,
    /// The value at 20 mA.
    pub high: f64,
}

/// What a register holds, in its unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// Nothing, and why.
    Nothing(Miss),
}

/// A value with what is known of its quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The value.
    pub got: Got,
    /// The flag; [`Flag::Normal`] unless something speaks against it.
    pub flag: Flag,
}

impl Cell {
    /// A value that is missing.
    pub fn missing(why: Miss) -> Self {
        Self {
            got: Got::Nothing(why),
            flag: why.flag(),
        }
    }

    /// The number, flagged or not.
    pub fn number(&self) -> Option<f64> {
        match self.got {
            Got::Number(value) => Some(value),
            Got::Text(_) | Got::Nothing(_) => None,
        }
    }
}

/// What makes a value of a raw number.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    /// From raw to the value.
    pub scaling: Scaling,
    /// Raw whole numbers that mean "no value".
    pub invalid: Vec<i64>,
    /// The range outside which the value is flagged: below D, above T.
    pub valid: Option<(f64, f64)>,
}

impl Meaning {
    /// The value of a raw number.
    pub fn of(&self, raw: Raw) -> Cell {
        let raw = match raw {
            Raw::Text(text) => {
                return Cell {
                    got: Got::Text(text),
                    flag: Flag::Normal,
                };
            }
            Raw::Unreadable => return Cell::missing(Miss::Unreadable),
            Raw::Whole(whole) if self.invalid.iter().any(|&none| i128::from(none) == whole) => {
                return Cell::missing(Miss::Unreadable);
            }
            Raw::Whole(whole) => whole as f64,
            Raw::Real(real) => real,
        };
        let (value, flag) = match self.scaling {
            Scaling::Linear { scale, offset } => (raw * scale.to_f64() + offset.to_f64(), Flag::Normal),
            Scaling::Loop(range) => range.of(raw),
        };
        if !value.is_finite() {
            return Cell::missing(Miss::Unreadable);
        }
        let flag = match (flag, self.valid) {
            (Flag::Normal, Some((low, _))) if value < low => Flag::Fault,
            (Flag::Normal, Some((_, high))) if value > high => Flag::OverRange,
            (flag, _) => flag,
        };
        Cell {
            got: Got::Number(value),
            flag,
        }
    }
}

impl Loop {
    fn of(self, raw: f64) -> (f64, Flag) {
        let share = (raw - self.at_4ma) / (self.at_20ma - self.at_4ma);
        let current_ma = 4.0 + 16.0 * share;
        let flag = if !(UNDER_RANGE_MA..=FAILED_HIGH_MA).contains(&current_ma) {
            Flag::Fault
        } else if current_ma > OVER_RANGE_MA {
            Flag::OverRange
        } else {
            Flag::Normal
        };
        (self.low + (self.high - self.low) * share, flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(scale: &str, offset: &str) -> Meaning {
        let decimal = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        Meaning {
            scaling: Scaling::Linear {
                scale: decimal(scale),
                offset: decimal(offset),
            },
            invalid: vec![-32_768, 65_535],
            valid: Some((-10.0, 200.0)),
        }
    }

    #[test]
    fn scale_offset_and_range() {
        let meaning = linear("0.1", "-40");
        for (raw, number, flag) in [
            (Raw::Whole(1365), Some(96.5), Flag::Normal),
            (Raw::Whole(2401), Some(200.1), Flag::OverRange),
            (Raw::Whole(299), Some(-10.1), Flag::Fault),
            (Raw::Whole(65_535), None, Flag::Fault),
            (Raw::Real(f64::NAN), None, Flag::Fault),
            (Raw::Real(f64::INFINITY), None, Flag::Fault),
            (Raw::Unreadable, None, Flag::Fault),
        ] {
            let cell = meaning.of(raw.clone());
            assert_eq!(
                (cell.number().is_some(), cell.flag),
                (number.is_some(), flag),
                "{raw:?}"
            );
            if let (Some(found), Some(number)) = (cell.number(), number) {
                assert!((found - number).abs() < 1e-9, "{raw:?} is {found}");
            }
        }
    }

    #[test]
    fn a_current_loop_says_when_it_carries_no_value() {
        let range = Loop {
            at_4ma: 6400.0,
            at_20ma: 32_000.0,
            low: 0.0,
            high: 200.0,
        };
        let raw = |ma: f64| 6400.0 + (ma - 4.0) / 16.0 * 25_600.0;
        for (ma, value, flag) in [
            (4.0, 0.0, Flag::Normal),
            (12.0, 100.0, Flag::Normal),
            (20.0, 200.0, Flag::Normal),
            (3.85, -1.875, Flag::Normal),
            (20.6, 207.5, Flag::OverRange),
            (21.5, 218.75, Flag::Fault),
            (3.7, -3.75, Flag::Fault),
            (0.0, -50.0, Flag::Fault),
        ] {
            let (found, found_flag) = range.of(raw(ma));
            assert!(
                (found - value).abs() < 1e-9 && found_flag == flag,
                "{ma} mA: {found} {found_flag}"
            );
        }
    }
}
