//! EXCEED_HOUR
//!
//! What: the hour mean of a factor is strictly greater than the limit in force at the hour's start.
//! What-zh: 小时均值严格大于该小时开始时适用的限值，即判为小时均值超标。
//! Why: this is the value an authority judges; everything earlier exists to prevent it.
//! Why-zh: 这是监管部门据以判定的数值，其余规则都为避免它而设。
//! Fooled by: missing or false marks, hours the device calls normal though its minutes are not, a limit that is not
//! registered.
//! Fooled-zh: 未标记或不实标记；分钟数据无效而小时数据标为正常；限值未登记。
//! Parameter: window.grace_s | s | 300 | 0..3600 | how long an hour waits for the device's own value
//! Parameter: window.valid_minutes | min | 45 | 1..60 | covered valid minutes an hour needs, HJ 212-2017 D.2 (24)
//! Parameter: exceed.clear_ratio | - | 0.9 | 0..1 | one hour at or below this share of the limit ends the case
//! Parameter: exceed.clear_hours | h | 2 | 1..24 | so many hours at or below the limit end it too
//! Parameter: exceed.grave_ratio | - | 1.0 | 0..100 | exceed ratio from which the case is graver
//! Order: window
//! Source: HJ 212-2017 D.2 (24), (28), C.16; the standard or permit named with each limit. Strictly greater,
//! unrounded.

use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::reading::Basis;
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};

use crate::engine::Ctx;
use crate::hours::{SaidHour, Short};
use crate::minutes::Why;
use crate::number::to_f64;
use crate::out::{Facts, Say, Subject, verdict_code, verdict_of};
use crate::plan::{FactorPlan, LimitPlan, OutletPlan};
use crate::series::Series;
use crate::state::persist;
use crate::value::{HourFacts, HourValue, Source};

/// The open case of a series, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct ExceedCase {
    open: bool,
    /// A case this grave was said already.
    grave: bool,
    /// Hours at or below the limit since the last that was not.
    within: u8,
    /// First hour of the case.
    first: i64,
    /// Newest hour judged at its on-time pane.
    newest: i64,
}
persist!(ExceedCase {
    open,
    grave,
    within,
    first,
    newest
});

/// Start of an hour.
pub(crate) fn start_of(hour: i64) -> Time {
    Time(hour.saturating_mul(HOUR_MS))
}

/// An hour as a span.
pub(crate) fn span_of(hour: i64) -> Span {
    Span {
        start: start_of(hour),
        end: start_of(hour.saturating_add(1)),
    }
}

/// Everything about one hour of one factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hour<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) facts: HourFacts,
    pub(crate) mark: Option<plume_schemas::entry::MarkKind>,
    /// Hours since 1970.
    pub(crate) number: i64,
}

/// The verdict with what it rests on.
#[derive(Clone, Copy, Debug)]
struct Ruling<'a> {
    verdict: Verdict,
    value: Option<HourValue>,
    limit: Option<&'a LimitPlan>,
}

impl<'a> Hour<'a> {
    fn ruling(&self, water: bool) -> Ruling<'a> {
        let span = span_of(self.number);
        let limit = self.factor.limit(LimitWindow::Hour, span.start);
        let not = |reason| Ruling {
            verdict: Verdict::NotJudged(reason),
            value: None,
            limit,
        };
        if self.factor.is_water() && !water {
            return not(NotJudged::WaterOff);
        }
        if self.plan.stopped_at(span.start) && self.plan.stopped_at(span.end.plus(-1)) {
            return not(NotJudged::StopWork);
        }
        let Some(in_force) = limit else {
            return not(NotJudged::NoLimit);
        };
        let value = match self.facts.choose() {
            Ok(value) => value,
            Err(reason) => return not(reason),
        };
        let verdict = if value.sum.exceeds(in_force.value) {
            Verdict::Breach(Severity::Exceeded)
        } else {
            Verdict::Fine
        };
        Ruling {
            verdict,
            value: Some(value),
            limit,
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            rule: RuleCode::ExceedHour,
            outlet: self.plan.id,
            factor: Some(self.factor.code),
            window: span_of(self.number),
        }
    }

    fn evidence(&self, ruling: &Ruling<'_>, before: SaidHour) -> Facts {
        let mut facts = Facts::with_capacity(12);
        if let Some(value) = ruling.value {
            facts.number(FactKey::Mean, value.sum.mean());
            facts.text(FactKey::ValueSource, value.source.code());
            facts.text(FactKey::Formula, self.formula(value.source));
        }
        if let Some(limit) = ruling.limit {
            facts.limit(limit);
            if let (Some(value), Verdict::Breach(_)) = (ruling.value, ruling.verdict) {
                facts.float(FactKey::ExceedRatio, exceed_ratio(value.sum.mean(), limit.value));
            }
        }
        let scan = &self.facts.scan;
        facts
            .int(FactKey::ValidMinutes, i64::from(scan.all.n))
            .text(FactKey::Basis, self.factor.basis.code());
        if let Some(reference) = self.factor.reference_o2 {
            facts.number(FactKey::ReferenceOxygen, reference);
            let minutes_mean = (scan.oxygen.n > 0).then(|| scan.oxygen.mean());
            if let Some(oxygen) = self.facts.device_oxygen.or(minutes_mean) {
                facts.number(FactKey::OxygenMean, oxygen);
            }
        }
        if let (Some(mark), true) = (self.mark, self.facts.marked.any() != 0) {
            facts.text(FactKey::Reason, mark.code());
        } else if let (Some(device), None) = (self.facts.device.filter(|device| device.why != 0), ruling.value) {
            let why = match Why::from_number(device.why) {
                Why::Flag(flag) => flag.code(),
                Why::NoCorrection => "no_correction",
                Why::Unreadable => "unreadable",
            };
            facts.text(FactKey::Reason, why);
        }
        if before.has_mean && ruling.value.map(|value| Short::new(value.sum.mean())) != Some(before.mean) {
            facts.number(FactKey::Previous, before.mean.millionths());
        }
        facts
    }

    /// The formula by which the value came about, with its clause.
    fn formula(&self, source: Source) -> &'static str {
        match (source, self.factor.basis) {
            (Source::Hour, Basis::Corrected) => "reported hour ZsAvg",
            (Source::Hour, _) => "reported hour Avg",
            (Source::HourCorrected, _) => "C×(21−O2s)/(21−O2), hour means; HJ 212-2017 D.2(28)",
            (_, Basis::Corrected) if self.facts.scan.recomputed => {
                "mean of C×(21−O2s)/(21−O2); HJ 212-2017 D.2(24)(28)"
            }
            (_, Basis::Corrected) => "mean of minute ZsAvg; HJ 212-2017 D.2(24)",
            _ => "mean of valid minutes; HJ 212-2017 D.2(24)",
        }
    }
}

/// `(value − limit) / limit`.
pub(crate) fn exceed_ratio(value: i64, limit: i64) -> f64 {
    if limit == 0 {
        f64::INFINITY
    } else {
        (to_f64(value) - to_f64(limit)) / to_f64(limit)
    }
}

/// Until when the data of an hour can be marked.
pub(crate) fn mark_deadline(hour: i64, deadline_hour: u8) -> Time {
    start_of(hour)
        .floor(DAY_MS)
        .plus(DAY_MS + i64::from(deadline_hour) * HOUR_MS)
}

/// Judges an hour: at its on-time pane always, later only where that changes something. Gives the verdict and the mean.
pub(crate) fn judge(ctx: &mut Ctx<'_>, hour: Hour<'_>, series: &mut Series, pane: Pane) -> (Verdict, Option<i64>) {
    let ruling = hour.ruling(ctx.settings.window.water);
    let mean = ruling.value.map(|value| value.sum.mean());
    let before = series.hours.said(hour.number);
    let said = SaidHour {
        verdict: verdict_code(ruling.verdict),
        mean: mean.map(Short::new).unwrap_or_default(),
        has_mean: mean.is_some(),
        ..before
    };
    if pane == Pane::OnTime || said != before {
        let say = Say {
            pane,
            verdict: ruling.verdict,
            previous: verdict_of(before.verdict),
            late: ctx.is_late(span_of(hour.number).end),
            evidence: hour.evidence(&ruling, before).0,
        };
        let judgement = ctx.emit.say(hour.subject(), say);
        series.hours.note(hour.number, said);
        edges(ctx, &hour, series, &ruling, judgement);
    }
    if pane == Pane::OnTime {
        series.exceed.newest = series.exceed.newest.max(hour.number);
    }
    (ruling.verdict, mean)
}

/// The events that follow from a judgement.
fn edges(ctx: &mut Ctx<'_>, hour: &Hour<'_>, series: &mut Series, ruling: &Ruling<'_>, judgement: Judgement) {
    let was_breach = matches!(judgement.previous, Some(Verdict::Breach(_)));
    let mean_and_limit = ruling
        .value
        .map(|value| value.sum.mean())
        .zip(ruling.limit.map(|limit| limit.value));
    match (ruling.verdict, mean_and_limit) {
        (Verdict::Breach(_), Some((mean, limit))) => {
            let grave = exceed_ratio(mean, limit) >= ctx.settings.exceed.grave_ratio;
            breach(ctx, hour.number, series, grave, was_breach, judgement);
        }
        _ if was_breach => retract(ctx, hour.number, series, judgement),
        (Verdict::Fine, Some((mean, limit))) if judgement.pane == Pane::OnTime && series.exceed.open => {
            let case = &mut series.exceed;
            case.within = case.within.saturating_add(1);
            let well_below = to_f64(mean) <= to_f64(limit) * ctx.settings.exceed.clear_ratio;
            if well_below || case.within >= ctx.settings.exceed.clear_hours {
                case.open = false;
                let first = start_of(case.first);
                ctx.emit.happen(first, Edge::Cleared, false, judgement);
            }
        }
        _ => {}
    }
}

fn breach(ctx: &mut Ctx<'_>, hour: i64, series: &mut Series, grave: bool, was_breach: bool, judgement: Judgement) {
    let preliminary = ctx.now < mark_deadline(hour, ctx.settings.window.mark_deadline_hour);
    let case = &mut series.exceed;
    let current = judgement.pane == Pane::OnTime || hour >= case.newest;
    if current || (case.open && hour >= case.first) {
        if hour >= case.newest {
            case.within = 0;
        }
        let edge = match (case.open, grave && !case.grave) {
            (false, _) => {
                *case = ExceedCase {
                    open: true,
                    grave,
                    first: hour,
                    within: 0,
                    newest: case.newest,
                };
                Some(Edge::Opened)
            }
            (true, true) => Some(Edge::Worsened),
            (true, false) => None,
        };
        case.grave |= grave;
        let first = case.first;
        note_case(series, hour, hour - first);
        if let Some(edge) = edge {
            ctx.emit.happen(start_of(first), edge, preliminary, judgement);
        }
    } else if !was_breach {
        // Found out afterwards: a case of its own, over as soon as it is known.
        note_case(series, hour, 0);
        ctx.emit
            .happen(start_of(hour), Edge::Opened, preliminary, judgement.clone());
        ctx.emit.happen(start_of(hour), Edge::Cleared, preliminary, judgement);
    }
}

fn note_case(series: &mut Series, hour: i64, back: i64) {
    let said = series.hours.said(hour);
    let confirmed = false;
    series.hours.note(
        hour,
        SaidHour {
            case_back: u8::try_from(back).unwrap_or(63),
            confirmed,
            ..said
        },
    );
}

/// First hour of the case an hour belongs to.
fn case_of(series: &Series, hour: i64) -> i64 {
    match series.hours.said(hour).case_back {
        63.. if series.exceed.open => series.exceed.first,
        back => hour - i64::from(back),
    }
}

/// A revision took the breach of an hour away. The case goes with it, unless another of its hours still exceeds.
fn retract(ctx: &mut Ctx<'_>, hour: i64, series: &mut Series, judgement: Judgement) {
    let first = case_of(series, hour);
    let breached = |other: i64| matches!(verdict_of(series.hours.said(other).verdict), Some(Verdict::Breach(_)));
    let others = (first..first + 48).any(|other| other != hour && breached(other) && case_of(series, other) == first);
    if others {
        return;
    }
    if series.exceed.open && series.exceed.first == first {
        series.exceed.open = false;
    }
    ctx.emit.happen(start_of(first), Edge::Retracted, false, judgement);
}

/// At the mark deadline: what still exceeds is no longer preliminary. One event per case.
pub(crate) fn confirm(ctx: &mut Ctx<'_>, hour: Hour<'_>, series: &mut Series) {
    let before = series.hours.said(hour.number);
    if before.confirmed || !matches!(verdict_of(before.verdict), Some(Verdict::Breach(_))) {
        return;
    }
    series.hours.note(
        hour.number,
        SaidHour {
            confirmed: true,
            ..before
        },
    );
    let first = case_of(series, hour.number);
    let already = (first..hour.number).any(|other| {
        series.hours.said(other).confirmed && series.hours.said(other).verdict != 0 && case_of(series, other) == first
    });
    if already {
        return;
    }
    let ruling = hour.ruling(ctx.settings.window.water);
    let say = Say {
        pane: Pane::Late,
        verdict: ruling.verdict,
        previous: verdict_of(before.verdict),
        late: false,
        evidence: hour.evidence(&ruling, before).0,
    };
    let judgement = ctx.emit.draft(hour.subject(), say);
    ctx.emit.happen(start_of(first), Edge::Confirmed, false, judgement);
}
