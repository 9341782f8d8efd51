//! The headline's big numbers: time left and headroom before what went wrong.

use plume_schemas::judgement::{FactKey, FactValue};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use super::number::{self, compared, fact, fixed, lasting, window};
use crate::case::{Family, State};
use crate::desk::text::{Texts, put};
use crate::store::CaseRow;
use crate::words::exceed_ratio;

/// One big number with its unit and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The number.
    pub(crate) value: String,
    /// Its unit.
    pub(crate) unit: String,
    /// What it is.
    pub(crate) label: String,
    /// As of when, where that is not now.
    pub(crate) note: String,
    /// The one to be seen first.
    pub(crate) first: bool,
    /// The number counts down to this moment, in minutes; milliseconds since 1970.
    pub(crate) ends: Option<i64>,
}

/// The running hour as a bar of 60 minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HourBar {
    /// Minutes gone.
    pub(crate) past: i64,
    /// Minutes left.
    pub(crate) left: i64,
    /// The same in words.
    pub(crate) word: String,
}

/// The bar of a warning whose hour still runs.
pub(crate) fn hour_bar(case: &CaseRow, now: Time, t: &Texts) -> Option<HourBar> {
    let running = runs(case, now) && case.window.end.since(case.window.start) == HOUR_MS;
    running.then(|| {
        let past = now.since(case.window.start) / MINUTE_MS;
        HourBar {
            past,
            left: 60 - past,
            word: put(t.hour_bar, &[&past, &(60 - past)]),
        }
    })
}

/// A warning about a window that has not ended.
pub(crate) fn runs(case: &CaseRow, now: Time) -> bool {
    case.family == Family::Near && case.state == State::Open && case.window.contains(now)
}

/// Minutes left of the window, begun ones counted whole, as an hour's end is counted down.
fn minutes_left(case: &CaseRow, now: Time) -> i64 {
    (case.window.end.since(now) + MINUTE_MS - 1) / MINUTE_MS
}

/// The figures of a case, the first to be seen first. `unit` is the factor's.
pub(crate) fn figures(case: &CaseRow, unit: &str, now: Time, t: &'static Texts) -> Vec<Figure> {
    let mut figures = match case.family {
        Family::Near => near(case, unit, now, t),
        Family::Exceed | Family::Frequency => exceed(case, unit, now, t),
        _ => lasted(case, unit, now, t),
    };
    if case.family != Family::Near && live(case) {
        figures.extend(due(case, now, t));
    }
    if let Some(first) = figures.first_mut() {
        first.first = true;
    }
    figures
}

fn live(case: &CaseRow) -> bool {
    case.state.is_live()
}

fn figure(label: impl Into<String>, value: String, unit: &str) -> Figure {
    Figure {
        value,
        unit: unit.to_owned(),
        label: label.into(),
        note: String::new(),
        first: false,
        ends: None,
    }
}

fn near(case: &CaseRow, unit: &str, now: Time, t: &'static Texts) -> Vec<Figure> {
    let judgement = &case.judgement;
    let mut figures = Vec::new();
    if runs(case, now) {
        let day = case.window.end.since(case.window.start) >= DAY_MS;
        let left = minutes_left(case, now);
        let (value, of) = if day {
            lasting(left * MINUTE_MS, t)
        } else {
            (left.to_string(), t.minutes)
        };
        let mut time_left = figure(if day { t.time_left_day } else { t.time_left_hour }, value, of);
        time_left.ends = (!day).then_some(case.window.end.0);
        figures.push(time_left);
        figures.extend(headroom(case, unit, now, t));
    }
    let limit = fact(judgement, FactKey::Limit);
    if let (Some(mean), Some(limit)) = (compared(judgement, FactKey::Mean), &limit) {
        figures.push(figure(t.mean_limit, format!("{mean} / {limit}"), unit));
    } else if let (Some(projected), Some(limit)) = (compared(judgement, FactKey::Projected), limit) {
        figures.push(figure(t.projected_limit, format!("{projected} / {limit}"), unit));
    }
    figures
}

/// What the rest may average, and as of when that was worked out; where even zero is too much, that is said instead.
fn headroom(case: &CaseRow, unit: &str, now: Time, t: &'static Texts) -> Option<Figure> {
    let judgement = &case.judgement;
    judgement.number(FactKey::Headroom)?;
    let Some(value) = number::headroom(judgement) else {
        return Some(figure(t.no_headroom, t.dash.to_owned(), ""));
    };
    let mut headroom = figure(t.headroom, value, unit);
    if now.since(judgement.judged_at) >= 2 * MINUTE_MS {
        headroom.note = put(t.as_of, &[&judgement.judged_at.hour_minute()]);
    }
    Some(headroom)
}

fn exceed(case: &CaseRow, unit: &str, now: Time, t: &'static Texts) -> Vec<Figure> {
    let judgement = &case.judgement;
    let mut figures = Vec::new();
    if let Some(ratio) = judgement.number(FactKey::ExceedRatio).filter(|&ratio| ratio > 0.0) {
        let label = put(t.mean_of, &[&window(case.window, now)]);
        figures.push(figure(label, put(t.exceed_ratio, &[&exceed_ratio(ratio)]), ""));
    }
    if let (Some(mean), Some(limit)) = (compared(judgement, FactKey::Mean), fact(judgement, FactKey::Limit)) {
        figures.push(figure(t.mean_limit, format!("{mean} / {limit}"), unit));
    }
    if figures.is_empty() {
        return lasted(case, unit, now, t);
    }
    figures
}

/// When it began: as the judge found out, else when it was opened.
pub(crate) fn began(case: &CaseRow) -> Time {
    match case.judgement.fact(FactKey::Since) {
        Some(FactValue::Time(at)) => at,
        _ => case.opened_at,
    }
}

/// How long it has lasted and what the value is.
fn lasted(case: &CaseRow, unit: &str, now: Time, t: &'static Texts) -> Vec<Figure> {
    let judgement = &case.judgement;
    let since = began(case);
    let until = case.resolved_at.or(case.closed_at).unwrap_or(now);
    let told = judgement.number(FactKey::LastedMinutes).unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "minutes of a breach, bounded by the registry's age"
    )]
    let ms = until.since(since).max(told.clamp(0.0, 1e9) as i64 * MINUTE_MS);
    let (value, of) = lasting(ms, t);
    let mut figures = vec![figure(t.lasted, value, of)];
    if let Some(value) = fact(judgement, FactKey::Value) {
        figures.push(figure(t.value, value, unit));
    }
    if let Some(change) = judgement.number(FactKey::FlowChange) {
        figures.push(figure(t.flow_change, fixed(change, 0), "%"));
    }
    figures
}

/// How long a person still has, or by how much it is late.
fn due(case: &CaseRow, now: Time, t: &'static Texts) -> Option<Figure> {
    let due = case.due_at?;
    let left = due.since(now);
    let (label, ms) = if left >= 0 {
        (t.due_left, left)
    } else {
        (t.overdue_by, -left)
    };
    let (value, unit) = lasting(ms, t);
    Some(figure(label, value, unit))
}
