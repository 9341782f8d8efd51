//! Minute values of the last hours, in memory, for the charts of the case page. Lost on a restart and filled again
//! from the log.

use std::collections::{HashMap, VecDeque};

use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic};
use plume_schemas::report::Report;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use crate::config::SeriesConfig;

/// One minute (or the minutes of one packet) of one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start of the minute.
    pub at: Time,
    /// Minutes it stands for: 1, or the device's interval.
    pub minutes: u8,
    /// As reported (dry standard state), if it was.
    pub standard: Option<f32>,
    /// Corrected to reference oxygen, if it was.
    pub corrected: Option<f32>,
    /// The worst flag of it.
    pub flag: Flag,
}

/// A point as kept: 16 bytes.
#[derive(Clone, Copy)]
struct Kept {
    /// Minutes since 1970.
    minute: u32,
    /// As reported, and corrected; NaN where there is none.
    values: [f32; 2],
    /// Samples averaged in each, or [`WHOLE_MINUTE`].
    counts: [u8; 2],
    minutes: u8,
    flag: Flag,
}

/// In place of a count: the value is the device's own minute mean, which samples no longer change.
const WHOLE_MINUTE: u8 = u8::MAX;

#[derive(Default)]
struct Series {
    points: VecDeque<Kept>,
    /// Minute of the newest point, to know the series longest without news.
    newest: u32,
    /// Minutes between the last two minute packets: how long one stands for.
    step: u8,
}

/// The minutes of all outlets.
pub struct SeriesStore {
    config: SeriesConfig,
    series: HashMap<(OutletId, FactorCode), Series>,
    points: u64,
    dropped: u64,
}

impl std::fmt::Debug for SeriesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeriesStore({} series, {} points)", self.series.len(), self.points)
    }
}

impl SeriesStore {
    /// An empty store.
    pub fn new(config: SeriesConfig) -> Self {
        Self {
            config,
            series: HashMap::new(),
            points: 0,
            dropped: 0,
        }
    }

    /// Takes the minute means and samples of a report; other kinds are not charted.
    pub fn observe(&mut self, report: &Report) {
        let wanted = match report.kind {
            ReportKind::Minute | ReportKind::FiveMinute => Statistic::Mean,
            ReportKind::RealTime => Statistic::Sample,
            _ => return,
        };
        let Ok(minute) = u32::try_from(report.times.measured_at.0.div_euclid(MINUTE_MS)) else {
            return;
        };
        for reading in &report.readings {
            if reading.statistic == wanted && reading.basis != Basis::Raw {
                self.take((report.outlet, reading.factor), minute, reading);
            }
        }
        while self.points > self.config.max_points && self.drop_oldest() {}
    }

    fn take(&mut self, key: (OutletId, FactorCode), minute: u32, reading: &Reading) {
        let Some(value) = reading.value.to_f64() else { return };
        #[expect(clippy::cast_possible_truncation, reason = "a chart needs seven digits, not sixteen")]
        let value = value as f32;
        let series = self.series.entry(key).or_default();
        let sample = reading.statistic == Statistic::Sample;
        let place = series.points.binary_search_by_key(&minute, |kept| kept.minute);
        let at = match place {
            Ok(at) => at,
            Err(at) => {
                let before = at
                    .checked_sub(1)
                    .and_then(|i| series.points.get(i))
                    .map(|kept| kept.minute);
                if !sample && let Some(before) = before {
                    // A gap longer than any interval of the field (60 minutes) says nothing of the interval.
                    series.step = u8::try_from(minute - before)
                        .ok()
                        .filter(|&step| step <= 60)
                        .unwrap_or(series.step);
                }
                series.points.insert(
                    at,
                    Kept {
                        minute,
                        values: [f32::NAN; 2],
                        counts: [0; 2],
                        minutes: if sample { 1 } else { series.step.max(1) },
                        flag: reading.flag,
                    },
                );
                self.points += 1;
                at
            }
        };
        if let Some(kept) = series.points.get_mut(at) {
            kept.add(value, reading, sample);
        }
        series.newest = series.newest.max(minute);
        let minutes_kept = u32::try_from(i64::from(self.config.hours) * HOUR_MS / MINUTE_MS).unwrap_or(u32::MAX);
        let oldest = series.newest.saturating_sub(minutes_kept);
        while series.points.front().is_some_and(|kept| kept.minute < oldest) {
            series.points.pop_front();
            self.points -= 1;
        }
    }

    /// Drops the series longest without news; false where there is none.
    fn drop_oldest(&mut self) -> bool {
        let Some(key) = self
            .series
            .iter()
            .min_by_key(|(key, series)| (series.newest, **key))
            .map(|(key, _)| *key)
        else {
            return false;
        };
        if let Some(series) = self.series.remove(&key) {
            self.points -= series.points.len() as u64;
            self.dropped += 1;
        }
        true
    }

    /// The points of one factor within `span`, oldest first.
    pub fn points(&self, outlet: OutletId, factor: FactorCode, span: Span) -> Vec<Point> {
        let Some(series) = self.series.get(&(outlet, factor)) else {
            return Vec::new();
        };
        series
            .points
            .iter()
            .map(Kept::shown)
            .filter(|point| span.contains(point.at))
            .collect()
    }

    /// Factors of an outlet that have points, in order of code.
    pub fn factors(&self, outlet: OutletId) -> Vec<FactorCode> {
        let mut factors: Vec<_> = self
            .series
            .keys()
            .filter(|(of, _)| *of == outlet)
            .map(|(_, factor)| *factor)
            .collect();
        factors.sort_unstable();
        factors
    }

    /// Minutes of `span` with a normal value; `None` where the memory does not reach back to its start.
    pub fn valid_minutes(&self, outlet: OutletId, factor: FactorCode, span: Span) -> Option<u32> {
        let points = self.points(
            outlet,
            factor,
            Span {
                start: Time(i64::MIN),
                end: span.end,
            },
        );
        let reaches_back = points.first().is_some_and(|first| first.at <= span.start);
        let valid = points
            .iter()
            .filter(|point| span.contains(point.at) && point.flag == Flag::Normal)
            .map(|point| u32::from(point.minutes))
            .sum();
        reaches_back.then_some(valid)
    }

    /// Points kept now, and series dropped for want of room.
    pub fn load(&self) -> (u64, u64) {
        (self.points, self.dropped)
    }
}

impl Kept {
    fn add(&mut self, value: f32, reading: &Reading, sample: bool) {
        let slot = usize::from(reading.basis == Basis::Corrected);
        let (Some(kept), Some(count)) = (self.values.get_mut(slot), self.counts.get_mut(slot)) else {
            return;
        };
        if !sample {
            (*kept, *count) = (value, WHOLE_MINUTE);
            self.flag = reading.flag;
        } else if *count != WHOLE_MINUTE {
            // A running mean; past 254 samples of a minute one more no longer shows.
            *count = (*count + 1).min(WHOLE_MINUTE - 1);
            let before = if kept.is_nan() { value } else { *kept };
            *kept = before + (value - before) / f32::from(*count);
            if reading.flag != Flag::Normal {
                self.flag = reading.flag;
            }
        }
    }

    fn shown(&self) -> Point {
        let some = |value: f32| Some(value).filter(|value| value.is_finite());
        Point {
            at: Time(i64::from(self.minute) * MINUTE_MS),
            minutes: self.minutes,
            standard: some(self.values[0]),
            corrected: some(self.values[1]),
            flag: self.flag,
        }
    }
}
