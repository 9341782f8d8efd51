//! Out of control or not: the drift limits of HJ 75-2017 (11.2, table 4) and the state they lead to; beside it the
//! rules of 40 CFR 60 Appendix F (Procedure 1) and 40 CFR 75 Appendix B (2.1.4).
//!
//! Drift is (reading − reference) / full scale, in percent. Limits are written from memory of the table and are
//! therefore settings.

use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::state::{Persist, Reader, RestoreError, persist};

/// Drift limits of one kind of instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Zero and span drift that is required, % of full scale.
    pub required_pct: [f64; 2],
    /// Zero and span drift beyond which it is out of control, % of full scale.
    pub out_pct: [f64; 2],
    /// Zero drift that is as good as the percentage, in the unit of the instrument (velocity: 0.9 and 1.8 m/s).
    pub absolute: Option<[f64; 2]>,
    /// A check is due so long after the last one, hours.
    pub interval_h: u16,
}

impl Limits {
    /// Particulate matter, automatic calibration.
    pub const PM_AUTO: Self = Self::new([2.0, 2.0], [8.0, 8.0], None, 24);
    /// Particulate matter, calibrated by hand.
    pub const PM_MANUAL: Self = Self::new([2.0, 2.0], [8.0, 8.0], None, 15 * 24);
    /// Gas, automatic calibration.
    pub const GAS_AUTO: Self = Self::new([2.5, 2.5], [5.0, 10.0], None, 24);
    /// Gas, extractive, calibrated by hand.
    pub const GAS_EXTRACTIVE_MANUAL: Self = Self::new([2.5, 2.5], [5.0, 10.0], None, 7 * 24);
    /// Gas, measured in the stack, calibrated by hand.
    pub const GAS_DIRECT_MANUAL: Self = Self::new([2.5, 2.5], [5.0, 10.0], None, 15 * 24);
    /// Velocity, automatic calibration; it has no span.
    pub const VELOCITY_AUTO: Self = Self::new([3.0, f64::INFINITY], [8.0, f64::INFINITY], Some([0.9, 1.8]), 24);
    /// Velocity, calibrated by hand.
    pub const VELOCITY_MANUAL: Self = Self::new([3.0, f64::INFINITY], [8.0, f64::INFINITY], Some([0.9, 1.8]), 30 * 24);

    const fn new(required_pct: [f64; 2], out_pct: [f64; 2], absolute: Option<[f64; 2]>, interval_h: u16) -> Self {
        Self {
            required_pct,
            out_pct,
            absolute,
            interval_h,
        }
    }
}

/// What one check found, as found (before any adjustment).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// When.
    pub at: Time,
    /// Zero and span drift, % of full scale; `None` where it was not checked.
    pub drift_pct: [Option<f64>; 2],
    /// Zero drift in the unit of the instrument, where its limits know it.
    pub zero_absolute: Option<f64>,
    /// It was adjusted, and passed afterwards.
    pub adjusted: bool,
}

/// How a check compares with the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Within what is required.
    Good,
    /// Beyond it: recalibrate.
    Poor,
    /// So far beyond that nothing since the last good check counts.
    Out,
}

/// Where an instrument stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No check is known yet.
    #[default]
    Unknown,
    /// The last check was good, or was made good, and the next is not due.
    InControl,
    /// It drifted beyond what is required and was not adjusted.
    Recalibrate,
    /// Its data do not count, since this moment.
    OutOfControl(Time),
}

impl Persist for Standing {
    fn save(&self, to: &mut Vec<u8>) {
        let (code, since) = match *self {
            Self::Unknown => (0_u8, Time(0)),
            Self::InControl => (1, Time(0)),
            Self::Recalibrate => (2, Time(0)),
            Self::OutOfControl(since) => (3, since),
        };
        code.save(to);
        since.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let (code, since) = (u8::load(from)?, Time::load(from)?);
        match code {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::InControl),
            2 => Ok(Self::Recalibrate),
            3 => Ok(Self::OutOfControl(since)),
            _ => Err(from.damaged("standing of an instrument")),
        }
    }
}

/// One instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Where it stands.
    pub standing: Standing,
    /// The last check that left it good.
    pub last_good: Option<Time>,
    /// The last check of any result.
    pub last_check: Option<Time>,
}
persist!(Control {
    standing,
    last_good,
    last_check
});

/// What became of a check, or of its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// How the check was, where there was one.
    pub grade: Option<Grade>,
    /// Where it stood, and stands.
    pub from: Standing,
    /// See `from`.
    pub to: Standing,
    /// Hours whose data do not count, once their end is known.
    pub invalid: Option<Span>,
}

impl Limits {
    /// The worse of both points. A percentage beyond its limit is forgiven where the absolute drift is within its own.
    pub fn grade(&self, check: &Check) -> Grade {
        let beyond = |limits: &[f64; 2], absolute: Option<f64>| {
            let forgiven = match (check.zero_absolute, absolute) {
                (Some(drift), Some(limit)) => drift.abs() <= limit,
                _ => false,
            };
            let [zero, span] = check.drift_pct;
            let [zero_limit, span_limit] = *limits;
            zero.is_some_and(|drift| drift.abs() > zero_limit && !forgiven)
                || span.is_some_and(|drift| drift.abs() > span_limit)
        };
        if beyond(&self.out_pct, self.absolute.map(|[_, out]| out)) {
            Grade::Out
        } else if beyond(&self.required_pct, self.absolute.map(|[required, _]| required)) {
            Grade::Poor
        } else {
            Grade::Good
        }
    }

    /// Takes a check. What came before the last one is ignored.
    pub fn check(&self, control: &mut Control, check: &Check) -> Option<Change> {
        if control.last_check.is_some_and(|last| check.at <= last) {
            return None;
        }
        let overdue = self.overdue(control, check.at).map(|change| change.to);
        let from = overdue.unwrap_or(control.standing);
        let grade = self.grade(check);
        let begins = match (from, grade) {
            (Standing::OutOfControl(since), Grade::Out) => {
                Some(control.last_good.map_or(since, |good| good.min(since)))
            }
            (Standing::OutOfControl(since), _) => Some(since),
            (_, Grade::Out) => Some(control.last_good.unwrap_or(check.at)),
            _ => None,
        };
        let passed = grade == Grade::Good || check.adjusted;
        let to = match begins {
            Some(since) if !passed => Standing::OutOfControl(since),
            None if !passed => Standing::Recalibrate,
            _ => Standing::InControl,
        };
        control.last_check = Some(check.at);
        control.standing = to;
        if passed {
            control.last_good = Some(check.at);
        }
        Some(Change {
            grade: Some(grade),
            from,
            to,
            invalid: begins.filter(|_| passed).map(|start| Span { start, end: check.at }),
        })
    }

    /// Notices that a check has not come by its time: out of control since then. Says so once.
    pub fn overdue(&self, control: &mut Control, now: Time) -> Option<Change> {
        let due = Time(control.last_check?.0 + i64::from(self.interval_h) * HOUR_MS);
        let from = control.standing;
        if now <= due || matches!(from, Standing::OutOfControl(_)) {
            return None;
        }
        control.standing = Standing::OutOfControl(due);
        Some(Change {
            grade: None,
            from,
            to: control.standing,
            invalid: None,
        })
    }
}

/// 40 CFR 60 Appendix F, Procedure 1: five daily drifts in a row beyond twice the specification, or one beyond four
/// times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendixF {
    /// Checks in a row beyond twice the specification.
    pub run: u8,
    /// The last check that passed.
    pub last_passed: Option<Time>,
}
persist!(AppendixF { run, last_passed });

impl AppendixF {
    /// Takes a daily check; the moment since when data do not count, where it put the instrument out of control.
    pub fn check(&mut self, at: Time, drift_pct: f64, specification_pct: f64) -> Option<Time> {
        let drift = drift_pct.abs();
        if drift <= 2.0 * specification_pct {
            (self.run, self.last_passed) = (0, Some(at));
            return None;
        }
        self.run = self.run.saturating_add(1);
        if drift > 4.0 * specification_pct {
            return Some(self.last_passed.unwrap_or(at));
        }
        (self.run >= 5).then_some(at)
    }
}

/// 40 CFR 75 Appendix B 2.1.4: beyond twice the specification is out of control until a passed test. Specification:
/// 2.5 % of span (SO2, NOx), 0.5 % O2 or CO2.
pub fn part_75_out(error_pct: f64, specification_pct: f64) -> bool {
    error_pct.abs() > 2.0 * specification_pct
}

/// Which American rule is asked beside HJ 75.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Federal {
    /// 40 CFR 60 Appendix F, Procedure 1: [`AppendixF`].
    Part60,
    /// 40 CFR 75 Appendix B 2.1.4: [`part_75_out`].
    Part75,
}

/// One point of an analyser under an American rule: out of control, and since when, until a check passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FederalControl {
    /// Which rule.
    pub rule: Federal,
    /// Specification of the drift, % of span.
    pub specification_pct: f64,
    appendix_f: AppendixF,
    out_since: Option<Time>,
}

impl FederalControl {
    /// In control, until a check says otherwise.
    pub fn new(rule: Federal, specification_pct: f64) -> Self {
        Self {
            rule,
            specification_pct,
            appendix_f: AppendixF::default(),
            out_since: None,
        }
    }

    /// Takes a check (% of span, as found); since when the analyser is out of control at this point, if it is.
    pub fn check(&mut self, at: Time, drift_pct: f64) -> Option<Time> {
        let begun = match self.rule {
            Federal::Part60 => self.appendix_f.check(at, drift_pct, self.specification_pct),
            Federal::Part75 => part_75_out(drift_pct, self.specification_pct).then_some(at),
        };
        let passed = drift_pct.abs() <= 2.0 * self.specification_pct;
        self.out_since = match (self.out_since, begun) {
            _ if passed => None,
            (Some(since), Some(begun)) => Some(since.min(begun)),
            (since, begun) => since.or(begun),
        };
        self.out_since
    }
}
