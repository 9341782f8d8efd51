//! The samples of one minute, and what they add up to (HJ 212-2017 D.2 (23), C.16).

use plume_schemas::formulas::{SAMPLES_PER_MINUTE, mean_of_valid};
use plume_schemas::ids::Inline;
use plume_schemas::reading::Flag;
use plume_schemas::time::Time;

use super::read::Miss;
use super::series::Point;

/// One round: when, and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When the round was over, by our clock.
    pub at: Time,
    /// One point for each series, or why the whole round is missing.
    pub points: Result<Vec<Point>, Miss>,
    /// The first request that failed in a round that brought something.
    pub partly: Option<Miss>,
    /// The maker's own state.
    pub maker_flag: Inline<7>,
    /// The device's clock.
    pub clock: Option<Time>,
}

/// The samples of a minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Minute {
    /// Its start.
    pub start: Time,
    /// How many samples are due in a minute.
    pub due: usize,
    /// Those taken or missed, in order; what is short of `due` plume itself did not ask for.
    pub samples: Vec<Sample>,
    /// Whole minutes before this one without any answer, and why.
    pub silent_before: Option<(u32, Miss)>,
}

/// What a minute is of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Mean, least and largest of the valid samples; of all that have a value where none is valid.
    pub values: Option<(f64, f64, f64)>,
    /// N where at least twelve and three quarters of the samples due are valid, else what most of the others say.
    pub flag: Flag,
}

impl Minute {
    /// True when the device answered at least once.
    pub fn heard(&self) -> bool {
        self.samples.iter().any(|sample| sample.points.is_ok())
    }

    /// What it is of one series.
    pub fn mean(&self, series: usize) -> Mean {
        let point = |sample: &Sample| {
            sample
                .points
                .as_ref()
                .ok()
                .and_then(|points| points.get(series).copied())
        };
        let points: Vec<Option<Point>> = self.samples.iter().map(point).collect();
        let valid: Vec<f64> = points.iter().flatten().filter_map(|point| normal(*point)).collect();
        if valid.len() * 4 >= self.due * 3
            && let Ok(mean) = mean_of_valid(&valid, SAMPLES_PER_MINUTE)
        {
            return Mean {
                values: Some(spread(mean, &valid)),
                flag: Flag::Normal,
            };
        }
        let any: Vec<f64> = points.iter().flatten().filter_map(|point| point.value).collect();
        let kept = if valid.is_empty() { &any } else { &valid };
        Mean {
            values: mean_of_valid(kept, 1).ok().map(|mean| spread(mean, kept)),
            flag: self.most_common_fault(&points),
        }
    }

    /// What most of the samples that are not normal say; of equals the one more often a device's own statement. A
    /// sample that is not there is a fault of the line.
    fn most_common_fault(&self, points: &[Option<Point>]) -> Flag {
        const ORDER: [Flag; 9] = [
            Flag::Stopped,
            Flag::Maintenance,
            Flag::Calibration,
            Flag::Fault,
            Flag::OverRange,
            Flag::ConditionFault,
            Flag::Manual,
            Flag::Missing,
            Flag::LinkFault,
        ];
        let absent = self.due.saturating_sub(points.iter().flatten().count());
        let said = |flag: Flag| points.iter().flatten().filter(|point| point.flag == flag).count();
        let count = |flag: Flag| said(flag) + if flag == Flag::LinkFault { absent } else { 0 };
        // `max_by_key` takes the last of equals.
        let most = ORDER.into_iter().rev().max_by_key(|&flag| count(flag));
        most.unwrap_or(Flag::LinkFault)
    }

    /// Samples that are missing, by reason.
    pub fn misses(&self) -> Vec<(Miss, usize)> {
        let late = self.due.saturating_sub(self.samples.len());
        let mut all: Vec<Miss> = self
            .samples
            .iter()
            .filter_map(|sample| sample.points.as_ref().err().copied().or(sample.partly))
            .chain(std::iter::repeat_n(Miss::Late, late))
            .collect();
        all.sort_unstable();
        let runs = all.chunk_by(|a, b| a == b);
        runs.filter_map(|run| Some((*run.first()?, run.len()))).collect()
    }
}

fn normal(point: Point) -> Option<f64> {
    point.value.filter(|_| point.flag == Flag::Normal)
}

fn spread(mean: f64, values: &[f64]) -> (f64, f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (mean, least, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rounds that brought this.
    type Rounds = (usize, Result<(f64, Flag), Miss>);

    fn minute(due: usize, samples: &[Rounds]) -> Minute {
        let of = |(count, one): &Rounds| {
            let sample = Sample {
                at: Time(0),
                points: one.map(|(value, flag)| {
                    vec![Point {
                        value: Some(value),
                        flag,
                    }]
                }),
                partly: None,
                maker_flag: Inline::default(),
                clock: None,
            };
            vec![sample; *count]
        };
        Minute {
            start: Time(0),
            due,
            samples: samples.iter().flat_map(of).collect(),
            silent_before: None,
        }
    }

    #[test]
    fn twelve_valid_samples_and_three_quarters_make_a_minute() {
        let good = |count, value| (count, Ok((value, Flag::Normal)));
        let (lost, calibrating) = (Err(Miss::Timeout), Ok((0.0, Flag::Calibration)));
        for (due, samples, mean, flag) in [
            (15, vec![good(15, 20.0)], Some(20.0), Flag::Normal),
            (
                15,
                vec![good(6, 10.0), good(6, 30.0), (3, lost)],
                Some(20.0),
                Flag::Normal,
            ),
            (15, vec![good(11, 10.0), (4, lost)], Some(10.0), Flag::LinkFault),
            (20, vec![good(14, 10.0), (6, lost)], Some(10.0), Flag::LinkFault),
            (12, vec![good(11, 10.0), (1, lost)], Some(10.0), Flag::LinkFault),
            (
                15,
                vec![good(5, 10.0), (10, calibrating)],
                Some(10.0),
                Flag::Calibration,
            ),
            (15, vec![(15, calibrating)], Some(0.0), Flag::Calibration),
            (
                15,
                vec![good(5, 10.0), (5, calibrating), (5, lost)],
                Some(10.0),
                Flag::Calibration,
            ),
            (15, vec![(15, lost)], None, Flag::LinkFault),
            // Samples that plume did not take count as missing.
            (15, vec![good(11, 10.0)], Some(10.0), Flag::LinkFault),
        ] {
            let found = minute(due, &samples).mean(0);
            assert_eq!(
                (found.values.map(|values| values.0), found.flag),
                (mean, flag),
                "{samples:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_has_its_reason() {
        let samples = [
            (5, Ok((1.0, Flag::Normal))),
            (2, Err(Miss::Timeout)),
            (3, Err(Miss::NoLink)),
        ];
        let misses = minute(15, &samples).misses();
        assert_eq!(misses, [(Miss::NoLink, 3), (Miss::Timeout, 2), (Miss::Late, 5)]);
    }
}
