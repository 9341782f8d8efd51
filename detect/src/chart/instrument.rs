//! What the checks of one analyser say, check by check: QAL3 (precision, then drift) beside Shewhart and EWMA, the
//! standing by HJ 75, and how many days are left until the drift that HJ 75 allows.
//!
//! Zero and span have charts and a standing each; the analyser is as good as the worse of the two. A QAL3 signal is a
//! finding: its published constants alone would alarm every fifty checks. It warns only beyond what HJ 75 allows, or
//! with [`WARN_DAYS`] days left until there: by the slope of the last month, or by a line that began within the last
//! checks ([`ramp`]), whichever says sooner. An analyser that has lost its precision has no line: it is defect.

use plume_schemas::time::{DAY_MS, Span, Time};

use super::checks::{Checked, Point};
use super::control::{Check, Control, Grade, Limits, Standing};
use super::ewma::{Ewma, EwmaState};
use super::qal3::{Finding, Qal3, Qal3State};
use super::ramp::{self, Ramp};
use super::slope::{DaysLeft, MAX_POINTS, Slope, middle, theil_sen};
use crate::state::persist;

/// So many days left are a warning: a week, the time to send for a contractor.
pub const WARN_DAYS: f64 = 7.0;
/// Action limit of the Shewhart chart, standard deviations.
const ACTION_SD: f64 = 3.0;
/// The EWMA beside them.
const SLOW: Ewma = Ewma {
    lambda: 0.2,
    limit_sd: 3.0,
};

/// One analyser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instrument {
    /// Full scale, units of the checks.
    pub full_scale: f64,
    /// Standard deviation of a check by its certification (s_AMS), units of the checks; without it nothing is charted.
    pub sd: Option<f64>,
    /// What HJ 75 allows of its kind.
    pub limits: Limits,
}

/// What the charts say of a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charts {
    /// QAL3.
    pub qal3: Finding,
    /// Difference in standard deviations, and whether it is beyond the action limit.
    pub shewhart: (f64, bool),
    /// EWMA of the differences in standard deviations, and whether it is beyond its limit.
    pub ewma: (f64, bool),
    /// Sums of QAL3's drift chart after the check, upwards and downwards, standard deviations.
    pub sums: [f64; 2],
    /// Sum of its precision chart, squared standard deviations.
    pub precision: f64,
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessed {
    /// The check.
    pub check: Checked,
    /// Reading less gas, % of full scale, as found.
    pub drift_pct: f64,
    /// The charts, where the analyser's standard deviation is known.
    pub charts: Option<Charts>,
    /// How it compares with HJ 75.
    pub grade: Grade,
    /// It was adjusted, and what it showed afterwards is good.
    pub put_right: bool,
    /// How the analyser stands after it: the worse of both points.
    pub standing: Standing,
    /// Data that do not count, once their end is known.
    pub invalid: Option<Span>,
    /// Drift as if nobody had adjusted anything, % of full scale per day.
    pub slope: Option<Slope>,
    /// A drift that began within the last checks, % of full scale, where the standard deviation is known.
    pub ramp: Option<Ramp>,
    /// Days until the drift that HJ 75 allows without a recalibration: the sooner of slope and ramp.
    pub days_left: DaysLeft,
    /// Beyond what HJ 75 allows and not put right, or [`WARN_DAYS`] or fewer left.
    pub warns: bool,
}

/// One point of the analyser.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Watched {
    pub(crate) control: Control,
    qal3: Qal3State,
    slow: EwmaState,
    /// Sum of all corrections so far, % of full scale, and the drifts as they would be without them.
    corrected_pct: f64,
    drifts: Vec<(f64, f64)>,
    /// Of these, the last adjustment and those behind it.
    since_adjusted: u16,
    /// The drift it was left with, % of full scale, where that is beyond what is required.
    left_pct: Option<f64>,
}
persist!(Watched {
    control,
    qal3,
    slow,
    corrected_pct,
    drifts,
    since_adjusted,
    left_pct
});

/// Takes the checks of one analyser in order of time.
pub fn assess(instrument: &Instrument, checks: &[Checked]) -> Vec<Assessed> {
    let mut points = [Watched::default(), Watched::default()];
    let mut assessed = Vec::with_capacity(checks.len());
    for check in checks {
        let [zero, span] = &mut points;
        let (own, other) = match check.point {
            Point::Zero => (zero, &mut *span),
            Point::Span => (span, &mut *zero),
        };
        // What has become overdue since is part of how the analyser stands.
        instrument.limits.overdue(&mut other.control, check.at);
        let one = own.take(instrument, check);
        assessed.push(Assessed {
            standing: worse(own.control.standing, other.control.standing),
            ..one
        });
    }
    assessed
}

/// The worse of two points.
pub(crate) fn worse(one: Standing, other: Standing) -> Standing {
    match (one, other) {
        (Standing::OutOfControl(since), Standing::OutOfControl(also)) => Standing::OutOfControl(since.min(also)),
        (Standing::OutOfControl(since), _) | (_, Standing::OutOfControl(since)) => Standing::OutOfControl(since),
        (Standing::Recalibrate, _) | (_, Standing::Recalibrate) => Standing::Recalibrate,
        (Standing::Unknown, other) => other,
        (one, _) => one,
    }
}

/// The sooner of the days that slope and ramp leave.
fn sooner(slope: DaysLeft, ramp: Option<f64>) -> DaysLeft {
    match (slope, ramp) {
        (DaysLeft::Days(days), Some(other)) => DaysLeft::Days(days.min(other)),
        (DaysLeft::Undetermined, Some(days)) => DaysLeft::Days(days),
        (slope, _) => slope,
    }
}

impl Watched {
    /// Takes a check of this point, later than those before. How the analyser stands is said of this point alone.
    pub(crate) fn take(&mut self, instrument: &Instrument, check: &Checked) -> Assessed {
        let pct = |value: f64| value / instrument.full_scale * 100.0;
        let difference = check.before - check.gas;
        let drift_pct = pct(difference);
        let is_zero = check.point == Point::Zero;
        let as_check = |value: f64, adjusted| Check {
            at: check.at,
            drift_pct: if is_zero {
                [Some(pct(value)), None]
            } else {
                [None, Some(pct(value))]
            },
            zero_absolute: Some(value).filter(|_| is_zero && instrument.limits.absolute.is_some()),
            adjusted,
        };
        // An adjustment puts it right where what it shows afterwards is good, or nobody noted it.
        let left = check.after.unwrap_or(check.gas) - check.gas;
        let put_right = check.adjusted && instrument.limits.grade(&as_check(left, false)) == Grade::Good;
        let found = as_check(difference, put_right);
        let grade = instrument.limits.grade(&found);
        let change = instrument.limits.check(&mut self.control, &found);
        // What was left beyond its limit does not come back by itself: somebody adjusted it and nobody said so.
        if let Some(left_pct) = self.left_pct.take().filter(|_| grade == Grade::Good) {
            self.adjust(left_pct - drift_pct, 0);
        }
        let charts = instrument.sd.map(|sd| self.chart(sd, difference));
        self.note(check.at, drift_pct);
        let ramp = self.ramp(charts, instrument);
        if check.adjusted {
            self.adjust(drift_pct - pct(left), 1);
        }
        if grade > Grade::Good && !put_right {
            self.left_pct = Some(if check.adjusted { pct(left) } else { drift_pct });
        }
        // What was put right has no line any more.
        let ramp = ramp.filter(|_| !check.adjusted);
        let slope = theil_sen(&self.drifts).map(|line| self.placed(line));
        let [zero, span] = instrument.limits.required_pct;
        let limit = if is_zero { zero } else { span };
        let days_left = sooner(
            slope.map_or(DaysLeft::Undetermined, |slope| slope.days_until(limit)),
            ramp.map(|ramp| ramp.days_until(limit)),
        );
        let soon = match days_left {
            DaysLeft::Passed => true,
            DaysLeft::Days(days) => days <= WARN_DAYS,
            DaysLeft::Undetermined => false,
        };
        Assessed {
            check: *check,
            drift_pct,
            charts,
            grade,
            put_right,
            standing: self.control.standing,
            invalid: change.and_then(|change| change.invalid),
            slope,
            ramp,
            days_left,
            warns: soon || grade > Grade::Good && !put_right,
        }
    }

    /// Keeps a drift as it would be if nobody had adjusted anything.
    fn note(&mut self, at: Time, drift_pct: f64) {
        let day = at.0 as f64 / DAY_MS as f64;
        self.drifts.push((day, drift_pct + self.corrected_pct));
        if self.drifts.len() > MAX_POINTS {
            self.drifts.remove(0);
        }
        self.since_adjusted = self.since_adjusted.saturating_add(1);
    }

    /// The charts begin anew after an adjustment; the slope goes on as if nobody had touched it. Of the drifts noted,
    /// the last `since` are as the adjustment left them.
    fn adjust(&mut self, by_pct: f64, since: u16) {
        self.corrected_pct += by_pct;
        self.since_adjusted = since;
        (self.qal3, self.slow) = (Qal3State::default(), EwmaState::default());
    }

    /// What was seen since the last adjustment, at most so many: day and drift as found.
    fn since_adjusted(&self, most: usize) -> impl Iterator<Item = (f64, f64)> {
        let count = usize::from(self.since_adjusted).min(most);
        let from = self.drifts.len().saturating_sub(count);
        let corrected_pct = self.corrected_pct;
        let seen = self.drifts.iter().skip(from);
        seen.map(move |&(day, drift)| (day, drift - corrected_pct))
    }

    /// The line, through what was seen since the last adjustment. A robust slope shrugs off a jump, and its correction
    /// does not: the one may not be subtracted from the other.
    fn placed(&self, line: Slope) -> Slope {
        let last = self.drifts.last().map_or(0.0, |&(day, _)| day);
        let seen = self.since_adjusted(MAX_POINTS);
        let mut levels: Vec<f64> = seen.map(|(day, drift)| drift + line.per_day * (last - day)).collect();
        levels.sort_unstable_by(f64::total_cmp);
        let now = middle(&levels).unwrap_or(line.now);
        Slope { now, ..line }
    }

    /// The drift that began within the last checks, as found.
    fn ramp(&self, charts: Option<Charts>, instrument: &Instrument) -> Option<Ramp> {
        let sd = instrument.sd?;
        if matches!(charts?.qal3, Finding::PrecisionLost { .. }) {
            return None;
        }
        let points: Vec<(f64, f64)> = self.since_adjusted(ramp::MAX_CHECKS + 1).collect();
        ramp::find(&points, sd / instrument.full_scale * 100.0)
    }

    fn chart(&mut self, sd: f64, difference: f64) -> Charts {
        let distance = difference / sd;
        let slow = SLOW.step(&mut self.slow, distance);
        let qal3 = Qal3::published(sd).step(&mut self.qal3, difference);
        Charts {
            qal3,
            shewhart: (distance, distance.abs() > ACTION_SD),
            ewma: (self.slow.mean, slow.is_some()),
            sums: [self.qal3.drift.high / sd, self.qal3.drift.low / sd],
            precision: self.qal3.precision / (sd * sd),
        }
    }
}
