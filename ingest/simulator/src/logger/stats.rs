//! Statistics of a logger (HJ 212-2017 annex D.2 and the flag rule of C.16 to C.18): minute means from samples, hours
//! from valid minutes, days from valid hours.

use plume_schemas::decimal::Decimal;
use plume_schemas::reading::Flag;

/// One factor over one period, or at one sample. Numbers are mantissas at the instrument's scale, so that sums are
/// exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) mean: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// The same, corrected to the reference oxygen; `None` where no correction applies or none of it could be
    /// computed.
    pub(crate) corrected: Option<Triple>,
    /// Emitted mass or volume of the period, in last printed digits; `None` for samples and for what is not emitted.
    pub(crate) total: Option<i64>,
    pub(crate) flag: Flag,
}

/// Mean, minimum and maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Triple {
    pub(crate) mean: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Stat {
    /// One sample.
    pub(crate) fn sample(value: i64, corrected: Option<i64>, flag: Flag) -> Self {
        Self {
            mean: value,
            min: value,
            max: value,
            corrected: corrected.map(|value| Triple {
                mean: value,
                min: value,
                max: value,
            }),
            total: None,
            flag,
        }
    }
}

/// The flag of a period that is not normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodFlag {
    /// `D`, as C.16 to C.18 of HJ 212-2017 say.
    Standard,
    /// The abnormal flag seen most, as many loggers do: a calibration stays `C`.
    Dominant,
}

/// The sub-values of one factor in one period.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    valid: Sums,
    all: Sums,
    flags: Vec<(Flag, u32)>,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    values: Sum,
    corrected: Sum,
    total: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    total: i128,
    count: u32,
    min: i64,
    max: i64,
}

impl Sum {
    fn add(&mut self, value: Triple) {
        self.min = if self.count == 0 {
            value.min
        } else {
            self.min.min(value.min)
        };
        self.max = if self.count == 0 {
            value.max
        } else {
            self.max.max(value.max)
        };
        self.total += i128::from(value.mean);
        self.count += 1;
    }

    fn close(&self) -> Option<Triple> {
        (self.count > 0).then(|| Triple {
            mean: rounded_quotient(self.total, i128::from(self.count)),
            min: self.min,
            max: self.max,
        })
    }
}

impl Tally {
    pub(crate) fn add(&mut self, sub: &Stat) {
        let value = Triple {
            mean: sub.mean,
            min: sub.min,
            max: sub.max,
        };
        let sums = if sub.flag == Flag::Normal {
            [Some(&mut self.valid), Some(&mut self.all)]
        } else {
            [None, Some(&mut self.all)]
        };
        for sums in sums.into_iter().flatten() {
            sums.values.add(value);
            if let Some(corrected) = sub.corrected {
                sums.corrected.add(corrected);
            }
            if let Some(total) = sub.total {
                sums.total = Some(sums.total.unwrap_or(0).saturating_add(total));
            }
        }
        match self.flags.iter_mut().find(|(flag, _)| *flag == sub.flag) {
            Some((_, count)) => *count += 1,
            None => self.flags.push((sub.flag, 1)),
        }
    }

    /// The period's statistics where `due` sub-values were due; `None` where none came. Normal when at least 75 % of
    /// what was due is normal; then mean and total are those of the normal ones alone, else of whatever was shown.
    pub(crate) fn close(&self, due: u32, rule: PeriodFlag) -> Option<Stat> {
        let normal = self.valid.values.count;
        let flag = if u64::from(normal) * 4 >= u64::from(due) * 3 {
            Flag::Normal
        } else {
            self.abnormal(rule)
        };
        let sums = if normal > 0 { &self.valid } else { &self.all };
        let values = sums.values.close()?;
        Some(Stat {
            mean: values.mean,
            min: values.min,
            max: values.max,
            corrected: sums.corrected.close(),
            total: sums.total,
            flag,
        })
    }

    fn abnormal(&self, rule: PeriodFlag) -> Flag {
        match rule {
            PeriodFlag::Standard => Flag::Fault,
            PeriodFlag::Dominant => self
                .flags
                .iter()
                .filter(|(flag, _)| *flag != Flag::Normal)
                .max_by_key(|(_, count)| *count)
                .map_or(Flag::Fault, |(flag, _)| *flag),
        }
    }
}

/// The quotient rounded half to even, as clause 8 of HJ 212-2025 is implemented.
fn rounded_quotient(total: i128, count: i128) -> i64 {
    let (floor, rest) = (total.div_euclid(count), total.rem_euclid(count));
    let up = match (rest * 2).cmp(&count) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor % 2 != 0,
    };
    i64::try_from(floor + i128::from(up)).unwrap_or(i64::MAX)
}

/// Conversion to the reference oxygen (annex D.2 (28)): `None` where oxygen is at or above that of air.
pub(crate) fn corrected(value: Decimal, o2_pct: f64, reference_pct: f64) -> Option<i64> {
    let room = crate::plant::AIR_O2_PCT - o2_pct;
    if room <= 0.0 {
        return None;
    }
    let converted = value.to_f64() * (crate::plant::AIR_O2_PCT - reference_pct) / room;
    Decimal::from_f64(converted, value.scale).map(|decimal| decimal.mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(values: &[(i64, Flag)]) -> Tally {
        let mut tally = Tally::default();
        for (value, flag) in values {
            tally.add(&Stat::sample(*value, None, *flag));
        }
        tally
    }

    #[test]
    fn normal_at_three_quarters_of_what_was_due() {
        let mut values = vec![(10, Flag::Normal); 9];
        values.extend([(1_000, Flag::Calibration); 3]);
        let closed = tally(&values).close(12, PeriodFlag::Standard).unwrap();
        assert_eq!((closed.mean, closed.max, closed.flag), (10, 10, Flag::Normal));
        values.truncate(8);
        let short = tally(&values).close(12, PeriodFlag::Dominant).unwrap();
        assert_eq!(short.flag, Flag::Fault, "8 of 12 came, all normal: too few");
    }

    #[test]
    fn abnormal_periods_show_what_was_shown() {
        let values = [(5, Flag::Calibration), (7, Flag::Calibration), (9, Flag::OverRange)];
        let closed = tally(&values).close(3, PeriodFlag::Dominant).unwrap();
        assert_eq!((closed.mean, closed.flag), (7, Flag::Calibration));
        assert_eq!(tally(&values).close(3, PeriodFlag::Standard).unwrap().flag, Flag::Fault);
        assert!(tally(&[]).close(3, PeriodFlag::Standard).is_none());
    }

    #[test]
    fn means_round_half_to_even() {
        for (values, mean) in [([1, 2], 2), ([2, 3], 2), ([-1, -2], -2), ([-3, -2], -2)] {
            let tally = tally(&values.map(|v| (v, Flag::Normal)));
            assert_eq!(tally.close(2, PeriodFlag::Standard).unwrap().mean, mean, "{values:?}");
        }
    }

    #[test]
    fn correction_follows_the_formula_and_refuses_air() {
        let value = Decimal::new(2_800, 2).unwrap();
        assert_eq!(corrected(value, 7.0, 6.0), Some(3_000));
        assert_eq!(corrected(value, 21.0, 6.0), None);
    }
}
