//! When data came: intervals kept or missed, what was sent again, the device's clock.

use std::collections::BTreeMap;

use plume_schemas::reading::ReportKind;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};

use super::Both;
use super::report::{Clock, Gap, Interval};

/// Moments kept of one kind: real-time data every 30 s for a month.
const MAX_MOMENTS: usize = 90_000;
/// Clock differences kept.
const MAX_SKEWS: usize = 90_000;
/// Data that come so long after they were due were sent again, not slowly: the standard's three tries take 40 s.
const LATE_MS: i64 = 10 * MINUTE_MS;
/// Data may come so long after their period before they count as missing.
const GRACE_MS: i64 = 5 * MINUTE_MS;
/// Data of moments so long before the first packet heard say nothing of what is missing since: an hour of last January
/// that is sent once more is no outage of ten months.
const LOOK_BACK_MS: i64 = 7 * DAY_MS;
/// Gaps named.
const MAX_GAPS: usize = 10;

/// A moment of which data came.
#[derive(Clone, Copy, Debug)]
struct Moment {
    received_at: Time,
    marked: bool,
}

/// Moments of one kind of data.
#[derive(Debug, Default)]
pub(super) struct Series {
    moments: BTreeMap<Time, Moment>,
}

impl Series {
    /// Data of this moment came; the first arrival counts.
    pub(super) fn saw(&mut self, measured_at: Time, received_at: Time, marked: bool) {
        self.moments
            .entry(measured_at)
            .or_insert(Moment { received_at, marked });
        if self.moments.len() > MAX_MOMENTS {
            self.moments.pop_first();
        }
    }

    /// The usual distance between two moments: the middle one, so that gaps do not count.
    fn usual_step(&self) -> Option<i64> {
        let times: Vec<Time> = self.moments.keys().copied().collect();
        let mut steps: Vec<i64> = times
            .windows(2)
            .filter_map(|pair| pair.last().zip(pair.first()).map(|(b, a)| b.since(*a)))
            .collect();
        middle(&mut steps)
    }

    /// How it came, from the first packet heard until now. `told_s`: the registered interval.
    pub(super) fn interval(&self, kind: ReportKind, told_s: Option<i64>, heard: Span) -> Option<Interval> {
        let fixed = match kind {
            ReportKind::Hour => Some(HOUR_MS),
            ReportKind::Day => Some(DAY_MS),
            _ => None,
        };
        let told = fixed.or(told_s.map(|seconds| seconds * SECOND_MS));
        let step = told.or_else(|| self.usual_step()).filter(|step| *step > 0)?;
        let period = if kind == ReportKind::RealTime { 0 } else { step };
        let late = |at: &Time, moment: &Moment| moment.received_at.since(at.plus(period)) > LATE_MS;
        let since = heard.start.plus(-LOOK_BACK_MS);
        let mut gaps = self.gaps(step, since);
        gaps.extend(self.tail(step, period, Span { start: since, ..heard }));
        let missed: u64 = gaps.iter().map(|gap| gap.missed).sum();
        let came = self.moments.len() as u64;
        let count = |wanted: &dyn Fn(&Moment) -> bool| {
            let late = self.moments.iter().filter(|(at, moment)| late(at, moment));
            late.filter(|(_, moment)| wanted(moment)).count() as u64
        };
        let mut delays: Vec<i64> = self
            .moments
            .iter()
            .filter(|(at, moment)| !late(at, moment))
            .map(|(at, moment)| moment.received_at.since(at.plus(period)))
            .collect();
        gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.missed), gap.first));
        gaps.truncate(MAX_GAPS);
        Some(Interval {
            kind: kind.code(),
            name: Both::new(kind.zh(), kind.en()),
            interval_s: step / SECOND_MS,
            registered: told_s.is_some() && fixed.is_none(),
            due: came + missed,
            came,
            late: count(&|_| true),
            marked: count(&|moment| moment.marked),
            delay_s: middle(&mut delays).map_or(0.0, seconds),
            gaps,
        })
    }

    /// Gaps between moments that are not older than `since`.
    fn gaps(&self, step: i64, since: Time) -> Vec<Gap> {
        let times: Vec<Time> = self.moments.range(since..).map(|(at, _)| *at).collect();
        let pairs = times.windows(2).filter_map(|pair| pair.first().zip(pair.last()));
        pairs
            .filter_map(|(first, second)| {
                // Sampling instants jitter by some seconds.
                let missed = (second.since(*first) + step / 2) / step - 1;
                (missed > 0).then(|| Gap {
                    first: first.plus(step),
                    missed: u64::try_from(missed).unwrap_or(0),
                })
            })
            .collect()
    }

    /// What should have come since the last moment of a span, until its end.
    fn tail(&self, step: i64, period: i64, span: Span) -> Option<Gap> {
        let (last, _) = self.moments.range(span.start..).next_back()?;
        let due = last.plus(step + period + GRACE_MS);
        let behind = span.end.since(due);
        (behind >= 0).then(|| Gap {
            first: last.plus(step),
            missed: u64::try_from(behind / step + 1).unwrap_or(0),
        })
    }

    /// How often a period's data came before the period was over, as where DataTime is its end.
    pub(super) fn before_their_end(&self, step: i64) -> u64 {
        let early = |at: &Time, moment: &Moment| moment.received_at < at.plus(step);
        self.moments.iter().filter(|(at, moment)| early(at, moment)).count() as u64
    }

    /// How many moments came.
    pub(super) fn len(&self) -> u64 {
        self.moments.len() as u64
    }
}

/// The device's clock against ours.
#[derive(Debug, Default)]
pub(super) struct Skews(Vec<i64>);

impl Skews {
    /// A packet was sent, by its QN, and came.
    pub(super) fn saw(&mut self, sent_at: Time, received_at: Time) {
        if self.0.len() < MAX_SKEWS {
            self.0.push(sent_at.since(received_at));
        }
    }

    /// What they say.
    pub(super) fn clock(&self) -> Option<Clock> {
        let mut sorted = self.0.clone();
        let median = middle(&mut sorted)?;
        Some(Clock {
            packets: sorted.len() as u64,
            median_s: seconds(median),
            least_s: sorted.first().copied().map_or(0.0, seconds),
            most_s: sorted.last().copied().map_or(0.0, seconds),
        })
    }
}

/// The middle value; sorts.
fn middle(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[expect(clippy::cast_precision_loss, reason = "differences of times, for a person to read")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_219_200_000);

    #[test]
    fn a_moment_of_last_january_is_no_outage_since() {
        let heard = Span {
            start: NOW,
            end: NOW.plus(HOUR_MS),
        };
        let mut series = Series::default();
        series.saw(NOW.plus(-300 * DAY_MS), NOW, false);
        let alone = series.interval(ReportKind::Minute, Some(600), heard).unwrap();
        assert_eq!((alone.came, alone.due), (1, 1), "{alone:?}");
        // The hour after it lacks its last two ten minutes, and an outage of the day before counts.
        for ten in 0..3 {
            let at = NOW.plus(ten * 10 * MINUTE_MS);
            series.saw(at, at.plus(10 * MINUTE_MS), false);
        }
        series.saw(NOW.plus(-HOUR_MS), NOW, true);
        let interval = series.interval(ReportKind::Minute, Some(600), heard).unwrap();
        assert_eq!((interval.came, interval.due), (5, 5 + 5 + 2), "{interval:?}");
        assert_eq!(interval.gaps.iter().map(|gap| gap.missed).collect::<Vec<_>>(), [5, 2]);
    }
}
