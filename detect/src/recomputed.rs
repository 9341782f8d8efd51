//! What judging again out of the archive found, said by the judge: judgements and events of windows that it no longer
//! remembers come out of the log like any other.
//!
//! The border: the judge itself revises what began in the hour that runs or the [`KEPT_HOURS`] before it, and lets pass
//! what a recomputation says of that. What lies before it says as it was found, once: whoever recomputes has compared
//! with what was said last.

use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Judgement, Pane, Verdict};
use plume_schemas::recompute::{Recomputed, Revision};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, Time};

use crate::engine::Ctx;
use crate::number;
use crate::out::{Facts, Say, Subject, verdict_code};
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::ring::{Said, Short};
use crate::rules::exceed::Period;
use crate::rules::freq;
use crate::series::Series;

/// Hours before the one that runs that the judge certainly still revises. It keeps 48; a device that sends its hour
/// early or a grace time that has not passed moves that by one or two.
const KEPT_HOURS: i64 = 45;

/// Windows that begin at or after this moment the judge revises by itself, when its clock shows `now`.
pub fn remembered_from(now: Time) -> Time {
    now.floor(HOUR_MS).plus(-KEPT_HOURS * HOUR_MS)
}

impl Outlet {
    /// Says what was found of windows before the judge's memory.
    pub(crate) fn recomputed(&mut self, ctx: &mut Ctx<'_>, plan: &OutletPlan, recomputed: &Recomputed) {
        let Some(closing) = self.closing else { return };
        let kept_from = remembered_from(ctx.now);
        let mut spoken_of = 0_u64;
        for revision in &recomputed.revisions {
            let judgement = &revision.judgement;
            let place = plan.codes.iter().position(|&code| Some(code) == judgement.factor);
            let is_ours = judgement.outlet == plan.id && judgement.window.start < kept_from;
            let Some(i) = place.filter(|_| is_ours) else { continue };
            let judgement = say(ctx, revision, recomputed.why.code());
            let series = &mut self.factors[i].series;
            learn(series, &judgement);
            for turn in &revision.turns {
                if turn.edge == Edge::Retracted {
                    end(series, judgement.rule, turn.first_window);
                }
                ctx.emit.happen(turn.first_window, turn.edge, false, judgement.clone());
            }
            spoken_of |= 1 << i;
        }
        for i in (0..plan.factors.len()).filter(|&i| spoken_of >> i & 1 == 1) {
            // Hours of the last week count in what piles up now.
            let series = &mut self.factors[i].series;
            freq::look(ctx, plan, &plan.factors[i], series, (closing - 1, Pane::Late, true));
        }
    }
}

fn say(ctx: &mut Ctx<'_>, revision: &Revision, why: &str) -> Judgement {
    let found = &revision.judgement;
    let subject = Subject {
        rule: found.rule,
        outlet: found.outlet,
        factor: found.factor,
        window: found.window,
    };
    let mut facts = Facts(found.evidence.clone());
    facts.text(FactKey::RecomputedFor, why);
    let say = Say {
        pane: Pane::Late,
        verdict: found.verdict,
        previous: found.previous,
        late: true,
        evidence: facts.0,
    };
    ctx.emit.say(subject, say)
}

/// The period of a rule whose windows are remembered one by one.
fn period(rule: RuleCode) -> Option<Period> {
    match rule {
        RuleCode::ExceedHour => Some(Period::Hour),
        RuleCode::ExceedDay => Some(Period::Day),
        _ => None,
    }
}

/// Keeps what was said: FREQ counts eight days of hours and two months of days, and at the border the window may still
/// be remembered.
fn learn(series: &mut Series, judgement: &Judgement) {
    let Some(period) = period(judgement.rule) else { return };
    let number = period.number(judgement.window.start);
    let mean = match judgement.fact(FactKey::Mean) {
        Some(plume_schemas::judgement::FactValue::Decimal(mean)) => number::from_decimal(mean),
        _ => None,
    };
    let before = series.said(period, number);
    if before.verdict != 0 {
        let said = Said {
            verdict: verdict_code(judgement.verdict),
            mean: mean.map(Short::new).unwrap_or_default(),
            has_mean: mean.is_some(),
            ..before
        };
        series.note(period, number, said);
    }
    let breached = matches!(judgement.verdict, Verdict::Breach(_));
    series.freq.note(period, number, breached);
}

/// A case that is taken back goes on no longer, though it began before what is remembered.
fn end(series: &mut Series, rule: RuleCode, first_window: Time) {
    let Some(period) = period(rule) else { return };
    let case = series.case(period);
    if case.open && period.span(case.first).start == first_window {
        case.open = false;
    }
}
