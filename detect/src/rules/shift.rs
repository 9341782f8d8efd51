//! SHIFT
//!
//! What: the level of hour means has moved away from what is usual for the hour and the day, slowly (EWMA) or at once
//! (CUSUM), lastingly, and by an amount that matters against the limit.
//! What-zh: 小时均值的总体水平偏离该时段常态（缓慢漂移由EWMA、突然偏移由CUSUM识别），持续一定时间，且偏离量相对限值不可忽略。
//! Why: an analyser that loses sensitivity, a leak of air into the sampling line or a worn-out absorber shows in the
//! level weeks before it shows in an exceedance.
//! Why-zh: 分析仪灵敏度下降、采样管路漏气、脱硫脱硝能力衰减，往往在超标之前数周就表现为水平偏移。
//! Fooled by: a change of fuel, load or product, which is a shift and no fault; the first weeks after a start.
//! Fooled-zh: 燃料、负荷或产品调整（确有偏移但并非故障）；投运后最初数周。
//! Parameter: shift.enabled | bool | true | - | charts hour means at all
//! Parameter: shift.learn_hours | h | 336 | 48..2160 | valid hours before the first limits of the charts
//! Parameter: shift.false_alarms | 1/outlet-month | 0.1 | 0.001..10 | budget that the limits are simulated for
//! Parameter: shift.lasting_hours | h | 3 | 1..72 | so long a chart must signal before anything is said
//! Parameter: shift.material_pct | % of limit | 10.0 | 0..100 | a smaller move is not said
//! Parameter: shift.rebase_hours | h | 168 | 24..2160 | a level that stayed so long is the new baseline
//! Parameter: shift.lambda | - | 0.1 | 0.01..1 | weight of the newest hour in the EWMA
//! Parameter: shift.k | sd | 0.5 | 0.1..2 | reference value of the CUSUM: half the shift to be found
//! Parameter: shift.spike_sd | sd | 5.0 | 3..20 | an hour further from the median teaches nothing
//! Parameter: shift.least_sd_pct | % of limit | 1.0 | 0..20 | noise is taken for at least that much
//! Order: arrival
//! Source: Roberts 1959; Page 1954; Lucas and Saccucci 1990; Alwan and Roberts 1988 for residuals; limits by
//! simulation on the outlet's own residuals. Free days are Saturday and Sunday. The numbers are project choices.

use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::chart::level::{self, Level, Looked, Watching, Which};
use crate::engine::Ctx;
use crate::hold::Hold;
use crate::number::to_f64;
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, OutletPlan};
use crate::rules::exceed::Period;
use crate::series::Series;
use crate::state::persist;

/// The watch over one level, and what was said of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Charted {
    level: Level,
    pub(crate) hold: Hold,
}
persist!(Charted { level, hold });

/// Takes an hour at its on-time pane, once; charts never rewind.
pub(crate) fn take(
    ctx: &mut Ctx<'_>,
    plan: &OutletPlan,
    factor: &FactorPlan,
    series: &mut Series,
    (hour, mean): (i64, Result<i64, NotJudged>),
) {
    let settings = &ctx.settings.shift;
    let Some(limit) = factor.limits.first().filter(|_| settings.enabled) else {
        return;
    };
    let limit = to_f64(limit.value);
    let window = Period::Hour.span(hour);
    let charted = series.charted.get_or_insert_with(Box::<Charted>::default);
    let Ok(mean) = mean else {
        charted.level.skip();
        return;
    };
    let watched = plan.factors.iter().filter(|factor| !factor.limits.is_empty()).count();
    let by = Watching::new(settings, watched, limit);
    let looked = charted
        .level
        .take(&by, hour, to_f64(mean), level::seed(plan.id, factor.code));
    say(
        ctx,
        (plan, factor),
        &mut charted.hold,
        window,
        (to_f64(mean), limit, looked),
    );
}

fn say(
    ctx: &mut Ctx<'_>,
    (plan, factor): (&OutletPlan, &FactorPlan),
    hold: &mut Hold,
    window: Span,
    (mean, limit, looked): (f64, f64, Looked),
) {
    let before = hold.severity();
    let said = looked.found.filter(|found| found.is_said(&ctx.settings.shift, limit));
    let edge = match (&said, looked.found) {
        (Some(found), _) => {
            let begun = window.end.plus(-i64::from(found.since_h) * HOUR_MS);
            hold.raise(Severity::Notice.number(), window.end, begun)
        }
        // What became small is not over while the chart still signals.
        (None, Some(_)) => None,
        (None, None) => hold.end(),
    };
    let Some(edge) = edge else { return };
    let after = hold.severity();
    let first = hold.first_window;
    let say = Say {
        pane: Pane::OnTime,
        verdict: after.map_or(Verdict::Fine, Verdict::Breach),
        previous: before.map(Verdict::Breach),
        late: ctx.is_late(window.end),
        evidence: evidence(mean, &looked, first).0,
    };
    let subject = Subject {
        rule: RuleCode::Shift,
        outlet: plan.id,
        factor: Some(factor.code),
        window: Span {
            start: first,
            end: window.end,
        },
    };
    let judgement = ctx.emit.say(subject, say);
    ctx.emit.happen(first, edge, false, judgement);
}

fn evidence(mean: f64, looked: &Looked, first: Time) -> Facts {
    let mut facts = Facts::with_capacity(7);
    facts.float(FactKey::Mean, mean);
    if let Some(usual) = looked.usual {
        facts.float(FactKey::Usual, usual);
    }
    let Some(found) = &looked.found else {
        facts.text(FactKey::Reason, if looked.rebased { "rebased" } else { "level_back" });
        return facts;
    };
    let chart = match found.which {
        Which::Ewma => "ewma",
        Which::Cusum => "cusum",
    };
    facts
        .float(FactKey::Moved, found.moved)
        .time(FactKey::Since, first)
        .float(FactKey::Statistic, found.statistic.abs())
        .float(FactKey::Threshold, found.limit)
        .text(FactKey::Reason, chart);
    facts
}
