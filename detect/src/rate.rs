//! The effective transmission rate (传输有效率), and what stands for hours whose amounts are missing. Pure counting: who
//! calls says what came, when, and with which flag.
//!
//! effective = transmission × validity; transmission = received / due; validity = valid / valid-due. Hours and days of
//! each pollutant are counted apart and added up. Two rates stand beside each other: **immediate** (即时), of what came
//! in time, and **completed** (补全), of what has come by now. Periods in which the outlet stood still leave both
//! denominators. The weight of hours against days is not settled by any text at hand: both count one each.
//!
//! Source: national training material and public code; the form of the second denominator is not verified, so it is a
//! [`Policy`].

use std::collections::BTreeMap;

use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};

/// What the second denominator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// Of what was received so much is valid: a loss counts once.
    #[default]
    Received,
    /// Of what was due so much is valid: a loss counts twice.
    Due,
}

/// Hour or day values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Hour values.
    Hour,
    /// Day values, of Beijing days.
    Day,
}

impl Step {
    /// Its length, milliseconds.
    pub const fn ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// The period that contains `at`.
    pub fn of(self, at: Time) -> Span {
        let start = at.floor(self.ms());
        Span {
            start,
            end: start.plus(self.ms()),
        }
    }
}

/// What came of one period of one pollutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// Start of the period.
    pub start: Time,
    /// When it was received.
    pub received_at: Time,
    /// Sent again after a break, or late by its own word.
    pub backfill: bool,
    /// Fit for statistics: flag N.
    pub valid: bool,
    /// Flagged as stopped.
    pub stopped: bool,
}

/// Counts of one pollutant over one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Periods that were due: those of the span in which the outlet ran.
    pub due: u32,
    /// Of these, received.
    pub received: u32,
    /// Of these, valid.
    pub valid: u32,
}

impl Counts {
    /// received / due, 0 to 1; `None` where nothing was due.
    pub fn transmission(&self) -> Option<f64> {
        share(self.received, self.due)
    }

    /// valid / valid-due, 0 to 1.
    pub fn validity(&self, policy: Policy) -> Option<f64> {
        match policy {
            Policy::Received => share(self.valid, self.received),
            Policy::Due => share(self.valid, self.due),
        }
    }

    /// transmission × validity, 0 to 1; 0 where something was due and nothing came.
    pub fn effective(&self, policy: Policy) -> Option<f64> {
        match policy {
            // received / due × valid / received, without rounding on the way.
            Policy::Received => share(self.valid, self.due),
            Policy::Due => Some(self.transmission()? * self.validity(policy)?),
        }
    }

    /// Adds up counts of pollutants, of hours and days, of outlets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            due: self.due + other.due,
            received: self.received + other.received,
            valid: self.valid + other.valid,
        }
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// Both rates of one pollutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rates {
    /// Of what came in time.
    pub immediate: Counts,
    /// Of what has come by now.
    pub completed: Counts,
    /// Periods that left both denominators because the outlet stood still.
    pub stopped: u32,
}

impl Rates {
    /// Adds up.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            immediate: self.immediate.and(other.immediate),
            completed: self.completed.and(other.completed),
            stopped: self.stopped + other.stopped,
        }
    }
}

/// How long after its end a value is still in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTime {
    /// Of an hour, milliseconds.
    pub hour_ms: i64,
    /// Of a day, milliseconds.
    pub day_ms: i64,
}

/// What is counted over.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    /// From when to when; only periods that lie in it whole, and have ended by `now`.
    pub span: Span,
    /// Now: what has not ended is not due yet.
    pub now: Time,
    /// Filed stop-work and marks of a stop.
    pub stops: &'a [Span],
    /// When a value is in time.
    pub in_time: InTime,
}

/// Counts what came of one pollutant. Of several values of one period the first that came is the immediate one, the
/// last is the completed one.
pub fn count(step: Step, over: &Over<'_>, came: &[Came]) -> Rates {
    let mut periods: BTreeMap<Time, Vec<&Came>> = BTreeMap::new();
    for one in came {
        periods.entry(step.of(one.start).start).or_default().push(one);
    }
    let late_ms = match step {
        Step::Hour => over.in_time.hour_ms,
        Step::Day => over.in_time.day_ms,
    };
    let mut rates = Rates::default();
    let first = step.of(over.span.start.plus(step.ms() - 1)).start;
    let mut period = step.of(first);
    while period.end <= over.span.end && period.end <= over.now {
        let mut values = periods.remove(&period.start).unwrap_or_default();
        values.sort_by_key(|one| one.received_at);
        let flagged = values.last().is_some_and(|one| one.stopped);
        let filed = over
            .stops
            .iter()
            .any(|stop| stop.start <= period.start && period.end <= stop.end);
        if flagged || filed {
            rates.stopped += 1;
        } else {
            let deadline = period.end.plus(late_ms);
            let prompt = |one: &&&Came| !one.backfill && one.received_at <= deadline;
            rates.immediate = rates.immediate.and(one(values.iter().find(prompt).copied()));
            rates.completed = rates.completed.and(one(values.last().copied()));
        }
        period = step.of(period.end);
    }
    rates
}

fn one(came: Option<&Came>) -> Counts {
    Counts {
        due: 1,
        received: u32::from(came.is_some()),
        valid: u32::from(came.is_some_and(|came| came.valid)),
    }
}

/// The rate a span will end with, where the rest of it goes like what has passed; with it, how many more periods may be
/// lost (neither received nor valid) before it falls below `pass`. `left` periods are still to come.
pub fn forecast(so_far: Counts, left: u32, policy: Policy, pass: f64) -> Option<(f64, u32)> {
    let rate = so_far.effective(policy)?;
    let with_lost = |lost: u32| {
        let good = left - lost;
        let whole = so_far.and(Counts {
            due: left,
            received: good,
            valid: good,
        });
        whole.effective(policy).unwrap_or(0.0)
    };
    let spare = (0..=left).take_while(|&lost| with_lost(lost) >= pass).count();
    Some((rate, u32::try_from(spare.saturating_sub(1)).unwrap_or(0)))
}

/// An amount that stands for a missing hour's (HJ 75-2017 12.2, from memory): the largest of the last valid hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitute {
    /// The largest of so many last valid hours.
    LargestOf(usize),
    /// No automatic rule: the capture rate is below 75 %.
    ByHand,
}

/// Which substitute a gap of `gap_h` hours takes, by the capture rate of the quarter, 0 to 1.
pub fn substitute(capture: f64, gap_h: u32) -> Substitute {
    match (capture >= 0.9, capture >= 0.75, gap_h <= 24) {
        (true, _, true) => Substitute::LargestOf(180),
        (true, _, false) => Substitute::LargestOf(720),
        (false, true, _) => Substitute::LargestOf(2_160),
        (false, false, _) => Substitute::ByHand,
    }
}

/// Fills the missing hours of a quarter: amounts of hours in order, `None` where missing or invalid. What is filled in
/// is never looked back at. Concentrations stay as they are; only amounts are filled. Beside each hour stands whether
/// it was filled; an hour for which there is no rule, or nothing before it, stays `None`.
pub fn fill(amounts: &[Option<f64>], capture: f64) -> Vec<(Option<f64>, bool)> {
    let mut filled = Vec::with_capacity(amounts.len());
    let mut valid: Vec<f64> = Vec::new();
    let mut rest = amounts;
    while let Some((&first, others)) = rest.split_first() {
        if let Some(amount) = first {
            valid.push(amount);
            filled.push((first, false));
            rest = others;
            continue;
        }
        let gap = rest.iter().take_while(|amount| amount.is_none()).count();
        let stands = match substitute(capture, u32::try_from(gap).unwrap_or(u32::MAX)) {
            Substitute::LargestOf(hours) => valid.iter().rev().take(hours).copied().reduce(f64::max),
            Substitute::ByHand => None,
        };
        filled.extend(std::iter::repeat_n((stands, stands.is_some()), gap));
        rest = rest.get(gap..).unwrap_or_default();
    }
    filled
}
