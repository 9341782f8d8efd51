//! NEAR_DAY
//!
//! What: while a day runs, after each hour, the probability that its mean will exceed the limit, the projected mean,
//! and what the
//! remaining valid hours may average at most.
//! What-zh: 当日进行中，每小时结束后给出日均值超标的概率、预计均值，以及余下有效小时的均值上限。
//! Why: a day that exceeds is decided hours before it ends.
//! Why-zh: 日均值超标往往在当日结束数小时前已成定局，越早处置越有效。
//! Fooled by: a plant that runs differently by day and by night before it has been watched for some days.
//! Fooled-zh: 昼夜工况差异大而观察天数不足的企业。
//! Parameter: near_day.min_hours | h | 4 | 1..20 | valid hours of the day before anything is said
//! Parameter: near_day.min_history | h | 12 | 2..240 | hours of this outlet's own past that its noise is learned from
//! Parameter: near_day.min_sd_pct | % of limit | 3.0 | 0.01..50 | least standard deviation of one hour
//! Parameter: near.notice | probability | 0.3 | 0..1 | levels and hysteresis are those of NEAR_HOUR
//! Order: arrival
//! Source: levels are a project choice; the mean is that of EXCEED_DAY.

use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS};
use statrs::function::erf::erfc;

use crate::engine::Ctx;
use crate::hold::{HoldTimes, Look};
use crate::number::{ONE, Sum, pow10, to_f64};
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, LimitPlan, OutletPlan};
use crate::rules::exceed::Period;
use crate::rules::near_hour::{BAND_80, level_of};
use crate::series::Series;
use crate::state::persist;

/// Memory of hour means, hours: the level over half a day, its noise over two days.
const LEVEL_HOURS: f64 = 12.0;
const NOISE_HOURS: f64 = 48.0;
/// Greatest memory of one hour to the next that is believed.
const MAX_PHI: f64 = 0.95;

/// How hour means behave.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct HourMeans {
    seen: u16,
    level: f64,
    last: f64,
    variance: f64,
    covariance: f64,
}
persist!(HourMeans {
    seen,
    level,
    last,
    variance,
    covariance
});

impl HourMeans {
    /// Takes the mean of the hour that follows the last one taken.
    pub(crate) fn take(&mut self, mean: f64) {
        let first = 1.0 / (f64::from(self.seen) + 1.0);
        let deviation = mean - self.level;
        if self.seen > 0 {
            let weight = (1.0 / NOISE_HOURS).max(first);
            self.variance += weight * (deviation * deviation - self.variance);
            self.covariance += weight * (deviation * self.last - self.covariance);
        }
        self.level += (1.0 / LEVEL_HOURS).max(first) * deviation;
        self.last = if self.seen > 0 { deviation } else { 0.0 };
        self.seen = self.seen.saturating_add(1);
    }

    /// Mean and standard deviation of the mean of the next `hours` hours.
    fn forecast(&self, hours: u8, least_sd: f64) -> (f64, f64) {
        let n = f64::from(hours.max(1));
        let phi = if self.variance > 0.0 {
            (self.covariance / self.variance).clamp(0.0, MAX_PHI)
        } else {
            0.0
        };
        let head = phi * (1.0 - phi.powf(n)) / (1.0 - phi);
        let tail = phi * phi * (1.0 - phi.powf(2.0 * n)) / (1.0 - phi * phi);
        let variance = self.variance.max(least_sd * least_sd);
        let around = variance * (1.0 + phi) / (1.0 - phi) * (n - 2.0 * head + tail).max(0.0) / (n * n);
        // The level itself is known from half a day of hours.
        let known = variance / f64::from(self.seen).clamp(1.0, LEVEL_HOURS);
        (
            self.level + self.last * head / n,
            (around + known).sqrt().max(least_sd / n.sqrt()),
        )
    }
}

/// What is left of a day after an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    /// Valid hours so far.
    pub(crate) valid: Sum,
    pub(crate) day: i64,
    /// Hours of the day that have ended.
    pub(crate) ended: u8,
}

/// Looks at the running day after an hour was judged.
pub(crate) fn look(ctx: &mut Ctx<'_>, running: Running<'_>, series: &mut Series) {
    let span = Period::Day.span(running.day);
    let left = 24_u8.saturating_sub(running.ended);
    let Some(limit) = running.factor.limit(LimitWindow::Day, span.start).filter(|_| left > 0) else {
        return;
    };
    if running.plan.stopped_at(ctx.now) || (running.factor.is_water && !ctx.settings.window.water) {
        return;
    }
    if series.near_day_of != running.day {
        if series.near_day.is_open() {
            return;
        }
        series.near_day_of = running.day;
    }
    let (near, settings) = (&ctx.settings.near, &ctx.settings.near_day);
    let total = running.valid.n + u32::from(left);
    let enough = running.valid.n >= u32::from(settings.min_hours) && series.hour_means.seen >= settings.min_history;
    if !enough || total < u32::from(ctx.settings.window.valid_hours) {
        return;
    }
    let outlook = Outlook::new(&running, limit, left, &series.hour_means, settings.min_sd_pct);
    let until = span.start.plus(i64::from(running.ended) * HOUR_MS);
    let look = Look {
        since: until.plus(-HOUR_MS),
        until,
        level: level_of(outlook.probability, near),
        level_to_keep: level_of(outlook.probability + near.hysteresis, near),
        window: span.start,
    };
    let before = series.near_day.severity();
    let times = HoldTimes {
        rise_ms: 0,
        fall_ms: HOUR_MS,
    };
    let edge = series.near_day.look(look, times);
    let after = series.near_day.severity();
    if before == after {
        return;
    }
    let say = Say {
        pane: Pane::Early,
        verdict: after.map_or(Verdict::Fine, Verdict::Breach),
        previous: before.map(Verdict::Breach),
        late: false,
        evidence: outlook.evidence(&running, limit, span.end.since(ctx.now.max(until))).0,
    };
    let judgement = ctx.emit.say(subject(running.plan, running.factor, running.day), say);
    if let Some(edge) = edge {
        ctx.emit.happen(series.near_day.first_window, edge, false, judgement);
    }
}

/// What the rest of the day means.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    headroom: i64,
    probability: f64,
    projected: f64,
    half_band: f64,
}

impl Outlook {
    fn new(running: &Running<'_>, limit: &LimitPlan, left: u8, means: &HourMeans, min_sd_pct: f64) -> Self {
        let total = running.valid.n + u32::from(left);
        let rest = i128::from(limit.value) * i128::from(total) - i128::from(running.valid.sum);
        let exact = i64::try_from(rest.div_euclid(i128::from(left.max(1)))).unwrap_or(i64::MAX);
        let digit = ONE / pow10((limit.typed.scale + 1).min(6));
        let (mean, sd) = means.forecast(left, min_sd_pct / 100.0 * to_f64(limit.value));
        let share = f64::from(left) / f64::from(total);
        Self {
            headroom: exact - exact.rem_euclid(digit),
            probability: erfc((to_f64(exact) - mean) / sd * std::f64::consts::FRAC_1_SQRT_2) / 2.0,
            projected: to_f64(running.valid.sum) / f64::from(total) + mean * share,
            half_band: BAND_80 * sd * share,
        }
    }

    fn evidence(&self, running: &Running<'_>, limit: &LimitPlan, left_ms: i64) -> Facts {
        let mut facts = Facts::with_capacity(11);
        facts
            .float(FactKey::Probability, self.probability)
            .float(FactKey::Projected, self.projected)
            .float(FactKey::ProjectedBand, self.half_band)
            .number(FactKey::Headroom, self.headroom)
            .int(FactKey::MinutesLeft, left_ms.div_euclid(MINUTE_MS))
            .limit(limit)
            .number(FactKey::MeanSoFar, running.valid.mean())
            .int(FactKey::ValidHours, i64::from(running.valid.n))
            .text(FactKey::Basis, running.factor.basis.code());
        facts
    }
}

fn subject(plan: &OutletPlan, factor: &FactorPlan, day: i64) -> Subject {
    Subject {
        rule: RuleCode::NearDay,
        outlet: plan.id,
        factor: Some(factor.code),
        window: Period::Day.span(day),
    }
}

/// The day is judged: its warning is over, whatever became of it.
pub(crate) fn finish(
    ctx: &mut Ctx<'_>,
    plan: &OutletPlan,
    factor: &FactorPlan,
    series: &mut Series,
    day: i64,
    outcome: (Verdict, Option<i64>),
) {
    if series.near_day_of > day {
        return;
    }
    let previous = series.near_day.severity().map(Verdict::Breach);
    let Some(edge) = series.near_day.end() else { return };
    let (verdict, mean) = outcome;
    let mut facts = Facts::with_capacity(4);
    if let Some(mean) = mean {
        facts.number(FactKey::Mean, mean);
    }
    let reason = match verdict {
        Verdict::Fine => "day_within_limit",
        Verdict::Breach(_) => "day_exceeded",
        Verdict::NotJudged(reason) => reason.code(),
    };
    facts.text(FactKey::Reason, reason);
    let say = Say {
        pane: Pane::OnTime,
        verdict: Verdict::Fine,
        previous,
        late: false,
        evidence: facts.0,
    };
    let judgement = ctx.emit.say(subject(plan, factor, series.near_day_of), say);
    ctx.emit.happen(series.near_day.first_window, edge, false, judgement);
}
