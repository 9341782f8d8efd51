//! What EXCEED_HOUR and EXCEED_DAY have in common: when a verdict is said, when its case begins, goes on and ends, and
//! what a revision, a mark or its deadline does to it.

use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Judgement, Pane, Verdict};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};

use crate::engine::Ctx;
use crate::number::{Sum, to_f64};
use crate::out::{Facts, Say, Subject, verdict_code, verdict_of};
use crate::plan::{FactorPlan, LimitPlan, OutletPlan};
use crate::ring::{Said, Short};
use crate::series::Series;
use crate::state::persist;

/// Beijing is this far ahead of UTC.
const BEIJING_MS: i64 = 8 * HOUR_MS;

/// Hours or days. Both are numbered since 1970, days by Beijing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Hour,
    Day,
}

impl Period {
    /// The window of a number.
    pub(crate) fn span(self, number: i64) -> Span {
        let start = |number: i64| match self {
            Self::Hour => Time(number.saturating_mul(HOUR_MS)),
            Self::Day => Time(number.saturating_mul(DAY_MS).saturating_sub(BEIJING_MS)),
        };
        Span {
            start: start(number),
            end: start(number.saturating_add(1)),
        }
    }

    /// The number of the window that contains `at`.
    pub(crate) fn number(self, at: Time) -> i64 {
        match self {
            Self::Hour => at.0.div_euclid(HOUR_MS),
            Self::Day => at.0.saturating_add(BEIJING_MS).div_euclid(DAY_MS),
        }
    }

    pub(crate) fn rule(self) -> RuleCode {
        match self {
            Self::Hour => RuleCode::ExceedHour,
            Self::Day => RuleCode::ExceedDay,
        }
    }

    /// Until when the data of a window can be marked: an hour of the next day.
    pub(crate) fn mark_deadline(self, number: i64, deadline_hour: u8) -> Time {
        let day = Self::Day.number(self.span(number).start);
        Self::Day.span(day).end.plus(i64::from(deadline_hour) * HOUR_MS)
    }
}

/// A window of one factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) period: Period,
    pub(crate) number: i64,
}

impl Window<'_> {
    pub(crate) fn span(&self) -> Span {
        self.period.span(self.number)
    }

    fn subject(&self) -> Subject {
        Subject {
            rule: self.period.rule(),
            outlet: self.plan.id,
            factor: Some(self.factor.code),
            window: self.span(),
        }
    }
}

/// What a rule found out about a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    pub(crate) verdict: Verdict,
    /// The value judged, exactly.
    pub(crate) value: Option<Sum>,
    pub(crate) limit: Option<&'a LimitPlan>,
}

/// True when a value breaks a limit, by the rounding that the settings ask for.
pub(crate) fn exceeds(ctx: &Ctx<'_>, value: Sum, limit: &LimitPlan) -> bool {
    if ctx.settings.exceed.round_to_limit {
        value.exceeds_rounded(limit.value, limit.typed.scale)
    } else {
        value.exceeds(limit.value)
    }
}

impl Finding<'_> {
    pub(crate) fn mean(&self) -> Option<i64> {
        self.value.map(Sum::mean)
    }

    /// Facts every verdict on a limit has; `before` is what was said of the window until now.
    pub(crate) fn evidence(&self, before: Said) -> Facts {
        let mut facts = Facts::with_capacity(14);
        if let Some(mean) = self.mean() {
            facts.number(FactKey::Mean, mean);
        }
        if let Some(limit) = self.limit {
            facts.limit(limit);
            if let (Some(mean), Verdict::Breach(_)) = (self.mean(), self.verdict) {
                facts.float(FactKey::ExceedRatio, exceed_ratio(mean, limit.value));
            }
        }
        if before.has_mean && self.mean().map(Short::new) != Some(before.mean) {
            facts.number(FactKey::Previous, before.mean.millionths());
        }
        facts
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

/// The open case of a series, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct ExceedCase {
    pub(crate) open: bool,
    /// A case this grave was said already.
    grave: bool,
    /// Windows at or below the limit since the last that was not.
    within: u8,
    /// First window of the case.
    pub(crate) first: i64,
    /// Newest window judged at its on-time pane.
    newest: i64,
}
persist!(ExceedCase {
    open,
    grave,
    within,
    first,
    newest
});

impl Series {
    pub(crate) fn said(&self, period: Period, number: i64) -> Said {
        match period {
            Period::Hour => self.hours.said(number),
            Period::Day => self.days.said(number),
        }
    }

    pub(crate) fn note(&mut self, period: Period, number: i64, said: Said) {
        match period {
            Period::Hour => self.hours.note(number, said),
            Period::Day => self.days.note(number, said),
        }
    }

    pub(crate) fn case(&mut self, period: Period) -> &mut ExceedCase {
        match period {
            Period::Hour => &mut self.exceed_hour,
            Period::Day => &mut self.exceed_day,
        }
    }

    /// First window of the case a window belongs to.
    fn case_of(&self, period: Period, number: i64) -> i64 {
        let case = match period {
            Period::Hour => &self.exceed_hour,
            Period::Day => &self.exceed_day,
        };
        match self.said(period, number).case_back {
            63.. if case.open => case.first,
            back => number - i64::from(back),
        }
    }

    pub(crate) fn breached(&self, period: Period, number: i64) -> bool {
        matches!(verdict_of(self.said(period, number).verdict), Some(Verdict::Breach(_)))
    }
}

/// Says what was found of a window: at its on-time pane always, later only where that changes something. `evidence`
/// adds the rule's own facts. True where it was said.
pub(crate) fn say(
    ctx: &mut Ctx<'_>,
    window: Window<'_>,
    series: &mut Series,
    finding: &Finding<'_>,
    pane: Pane,
    evidence: impl FnOnce(&mut Facts),
) -> bool {
    let (period, number) = (window.period, window.number);
    let before = series.said(period, number);
    let said = Said {
        verdict: verdict_code(finding.verdict),
        mean: finding.mean().map(Short::new).unwrap_or_default(),
        has_mean: finding.value.is_some(),
        ..before
    };
    let news = pane == Pane::OnTime || said != before;
    if news {
        let mut facts = finding.evidence(before);
        evidence(&mut facts);
        let say = Say {
            pane,
            verdict: finding.verdict,
            previous: verdict_of(before.verdict),
            late: is_late(ctx, window),
            evidence: facts.0,
        };
        let judgement = ctx.emit.say(window.subject(), say);
        series.note(period, number, said);
        series
            .freq
            .note(period, number, matches!(finding.verdict, Verdict::Breach(_)));
        edges(ctx, &window, series, finding, judgement);
    }
    if pane == Pane::OnTime {
        let case = series.case(period);
        case.newest = case.newest.max(number);
    }
    news
}

/// Too late to alert anybody now: an hour by its setting, a day once it can no longer be marked.
fn is_late(ctx: &Ctx<'_>, window: Window<'_>) -> bool {
    match window.period {
        Period::Hour => ctx.is_late(window.span().end),
        Period::Day => ctx.now >= Period::Day.mark_deadline(window.number, ctx.settings.window.mark_deadline_hour),
    }
}

/// The events that follow from a judgement.
fn edges(ctx: &mut Ctx<'_>, window: &Window<'_>, series: &mut Series, finding: &Finding<'_>, judgement: Judgement) {
    let was_breach = matches!(judgement.previous, Some(Verdict::Breach(_)));
    let settings = &ctx.settings.exceed;
    match (finding.verdict, finding.mean().zip(finding.limit)) {
        (Verdict::Breach(_), Some((mean, limit))) => {
            let grave = exceed_ratio(mean, limit.value) >= settings.grave_ratio;
            breach(ctx, window, series, grave, was_breach, judgement);
        }
        _ if was_breach => retract(ctx, window, series, judgement),
        (Verdict::Fine, Some((mean, limit))) if judgement.pane == Pane::OnTime && series.case(window.period).open => {
            let case = series.case(window.period);
            case.within = case.within.saturating_add(1);
            let well_below = to_f64(mean) <= to_f64(limit.value) * settings.clear_ratio;
            if well_below || case.within >= settings.clear_hours {
                case.open = false;
                let first = window.period.span(case.first).start;
                ctx.emit.happen(first, Edge::Cleared, false, judgement);
            }
        }
        _ => {}
    }
}

fn breach(
    ctx: &mut Ctx<'_>,
    window: &Window<'_>,
    series: &mut Series,
    grave: bool,
    was_breach: bool,
    judgement: Judgement,
) {
    let (period, number) = (window.period, window.number);
    let preliminary = ctx.now < period.mark_deadline(number, ctx.settings.window.mark_deadline_hour);
    let start = |number| period.span(number).start;
    let case = series.case(period);
    let current = judgement.pane == Pane::OnTime || number >= case.newest;
    if current || (case.open && number >= case.first) {
        if number >= case.newest {
            case.within = 0;
        }
        let edge = match (case.open, grave && !case.grave) {
            (false, _) => {
                *case = ExceedCase {
                    open: true,
                    grave,
                    first: number,
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
        note_case(series, period, number, number - first);
        if let Some(edge) = edge {
            ctx.emit.happen(start(first), edge, preliminary, judgement);
        }
    } else if !was_breach {
        // Found out afterwards: a case of its own, over as soon as it is known.
        note_case(series, period, number, 0);
        ctx.emit
            .happen(start(number), Edge::Opened, preliminary, judgement.clone());
        ctx.emit.happen(start(number), Edge::Cleared, preliminary, judgement);
    }
}

fn note_case(series: &mut Series, period: Period, number: i64, back: i64) {
    let said = series.said(period, number);
    let case_back = u8::try_from(back).unwrap_or(63);
    let confirmed = false;
    series.note(
        period,
        number,
        Said {
            case_back,
            confirmed,
            ..said
        },
    );
}

/// A revision took the breach of a window away. The case goes with it, unless another of its windows still exceeds.
fn retract(ctx: &mut Ctx<'_>, window: &Window<'_>, series: &mut Series, judgement: Judgement) {
    let (period, number) = (window.period, window.number);
    let first = series.case_of(period, number);
    let of_case =
        |other: i64| other != number && series.breached(period, other) && series.case_of(period, other) == first;
    if (first..first.saturating_add(64)).any(of_case) {
        return;
    }
    let case = series.case(period);
    if case.open && case.first == first {
        case.open = false;
    }
    ctx.emit
        .happen(period.span(first).start, Edge::Retracted, false, judgement);
}

/// True where a window's breach is still preliminary.
pub(crate) fn unconfirmed(series: &Series, period: Period, number: i64) -> bool {
    series.breached(period, number) && !series.said(period, number).confirmed
}

/// At the mark deadline: what still exceeds is no longer preliminary. One event per case.
pub(crate) fn confirm(
    ctx: &mut Ctx<'_>,
    window: Window<'_>,
    series: &mut Series,
    finding: &Finding<'_>,
    evidence: impl FnOnce(&mut Facts),
) {
    let (period, number) = (window.period, window.number);
    let before = series.said(period, number);
    series.note(
        period,
        number,
        Said {
            confirmed: true,
            ..before
        },
    );
    let first = series.case_of(period, number);
    let confirmed = |other: i64| series.said(period, other).confirmed && series.case_of(period, other) == first;
    if (first..number).any(confirmed) {
        return;
    }
    let mut facts = finding.evidence(before);
    evidence(&mut facts);
    let say = Say {
        pane: Pane::Late,
        verdict: finding.verdict,
        previous: verdict_of(before.verdict),
        late: false,
        evidence: facts.0,
    };
    let judgement = ctx.emit.draft(window.subject(), say);
    ctx.emit
        .happen(period.span(first).start, Edge::Confirmed, false, judgement);
}
