//! Checks that nobody reports: while an analyser is calibrated its minutes are flagged, and stand level on the gas it
//! is given. A level near zero and one high in the range within one calibration are zero and span gas; a level alone
//! may be anything, such as the stack itself during maintenance.

use crate::state::persist;

/// Minutes of a level: a response time of up to 200 s (HJ 75-2017 9.3) is over by then, or it is not yet level.
const LEAST_MIN: u16 = 3;
/// A calibration with a longer break is two, minutes.
const BREAK_MIN: i64 = 5;
/// A level moves by no more than this, % of full scale.
const LEVEL_PCT: f64 = 1.0;
/// What is as near to zero may be zero gas, % of full scale: what HJ 75 calls out of control, and some.
const LOW_PCT: f64 = 20.0;
/// What is above may be span gas, % of full scale: HJ 76 has 80 to 100 %, cylinders of an older range less.
const HIGH_PCT: f64 = 50.0;
/// A second level of one gas that differs so much was made by an adjustment, % of full scale.
const ADJUSTED_PCT: f64 = 0.5;

/// Minutes of one level, values in the factor's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Run {
    minutes: u16,
    sum: f64,
    least: f64,
    most: f64,
}
persist!(Run {
    minutes,
    sum,
    least,
    most
});

/// First and last level of one gas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    first: f64,
    last: f64,
}
persist!(Seen { first, last });

/// A calibration as it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Calibration {
    /// The minute since 1970 after its last one; 0 while there is none.
    end: i64,
    run: Run,
    low: Option<Seen>,
    high: Option<Seen>,
}
persist!(Calibration { end, run, low, high });

/// A level, and the one that an adjustment led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// As found.
    pub(crate) before: f64,
    /// As left, where it was adjusted.
    pub(crate) after: Option<f64>,
}

/// What a calibration showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibrated {
    /// The minute since 1970 after its last one.
    pub(crate) end: i64,
    /// On zero gas, where span gas was given too.
    pub(crate) zero: Option<Level>,
    /// High in the range: on span gas.
    pub(crate) high: Option<Level>,
}

impl Calibration {
    /// True while one goes on.
    pub(crate) fn is_open(&self) -> bool {
        self.end != 0
    }

    /// Takes a minute that is flagged as calibration; gives the one before, where a break shows that it is over.
    pub(crate) fn take(&mut self, (start, end): (i64, i64), value: f64, full_scale: f64) -> Option<Calibrated> {
        let over = if self.is_open() && start - self.end > BREAK_MIN {
            self.close(full_scale)
        } else {
            None
        };
        if start < self.end {
            // Out of order: a level is told by minutes in a row.
            return over;
        }
        let minutes = u16::try_from(end - start).unwrap_or(u16::MAX);
        let Run { least, most, .. } = self.run;
        let together = Run {
            minutes: self.run.minutes.saturating_add(minutes),
            sum: self.run.sum + value * f64::from(minutes),
            least: least.min(value),
            most: most.max(value),
        };
        let is_level = self.run.minutes > 0 && together.most - together.least <= LEVEL_PCT / 100.0 * full_scale;
        if is_level {
            self.run = together;
        } else {
            self.note(full_scale);
            self.run = Run {
                minutes,
                sum: value * f64::from(minutes),
                least: value,
                most: value,
            };
        }
        self.end = end;
        over
    }

    /// It is over: what it showed. `None` where none went on.
    pub(crate) fn close(&mut self, full_scale: f64) -> Option<Calibrated> {
        self.note(full_scale);
        let Self { end, low, high, .. } = std::mem::take(self);
        let level = |seen: Seen| Level {
            before: seen.first,
            after: Some(seen.last).filter(|last| (last - seen.first).abs() > ADJUSTED_PCT / 100.0 * full_scale),
        };
        (end != 0).then(|| Calibrated {
            end,
            zero: low.filter(|_| high.is_some()).map(level),
            high: high.map(level),
        })
    }

    /// Keeps the level that has ended, where it was one.
    fn note(&mut self, full_scale: f64) {
        if self.run.minutes < LEAST_MIN {
            return;
        }
        let mean = self.run.sum / f64::from(self.run.minutes);
        let pct = mean / full_scale * 100.0;
        let seen = if pct.abs() <= LOW_PCT {
            &mut self.low
        } else if pct >= HIGH_PCT {
            &mut self.high
        } else {
            return;
        };
        seen.get_or_insert(Seen {
            first: mean,
            last: mean,
        })
        .last = mean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(values: &[f64]) -> Calibrated {
        let mut calibration = Calibration::default();
        for (minute, &value) in (100..).zip(values) {
            assert_eq!(calibration.take((minute, minute + 1), value, 100.0), None);
        }
        let seen = calibration.close(100.0).unwrap();
        assert!(!calibration.is_open());
        seen
    }

    #[test]
    fn zero_and_span_gas_are_told_by_both_being_there() {
        let seen = calibrated(&[30.0, 12.0, 1.0, 1.1, 1.2, 40.0, 80.2, 80.0, 79.8, 55.0]);
        let near = |level: Option<Level>, value: f64| (level.unwrap().before - value).abs() < 1e-9;
        assert!(near(seen.zero, 1.1) && near(seen.high, 80.0), "{seen:?}");
        assert_eq!((seen.zero.unwrap().after, seen.end), (None, 110));
        // The stack while somebody works on it, and a minute of span gas that was not waited for.
        assert_eq!(calibrated(&[3.0, 3.1, 3.0, 3.2, 80.0, 3.0]).zero, None);
    }

    #[test]
    fn a_second_level_is_what_it_was_left_with() {
        let seen = calibrated(&[4.0, 4.0, 4.0, 80.0, 80.0, 80.0, 0.1, 0.1, 0.1]);
        let zero = seen.zero.unwrap();
        assert!((zero.before - 4.0).abs() < 1e-9 && (zero.after.unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(seen.high.unwrap().after, None);
    }

    #[test]
    fn a_break_ends_it() {
        let mut calibration = Calibration::default();
        for minute in 0..3 {
            calibration.take((minute, minute + 1), 80.0, 100.0);
        }
        let over = calibration.take((20, 21), 80.0, 100.0).unwrap();
        assert_eq!((over.end, over.high.is_some()), (3, true));
        assert_eq!(calibration.close(100.0).unwrap().high, None, "one minute is no level");
    }
}
