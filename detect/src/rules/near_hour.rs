//! NEAR_HOUR
//!
//! What: while an hour runs, the probability that its mean will exceed the limit, the projected mean, and the
//! headroom: what the
//! remaining minutes may average at most so that the hour does not exceed.
//! What-zh: 小时进行中，给出小时均值超标的概率、预计均值，以及余下分钟的均值上限（不高于此值则不超标）。
//! Why: a warning before the hour is over can still be acted on.
//! Why-zh: 小时结束之前的提醒，才来得及处置。
//! Fooled by: an upset younger than the noise that was learned; a factor that swings between two levels; minutes that
//! never come.
//! Fooled-zh: 刚发生的突变；在两个水平之间来回的工况；未上传的分钟数据。
//! Parameter: near.notice | probability | 0.3 | 0..1 | level 提示
//! Parameter: near.attention | probability | 0.6 | 0..1 | level 关注
//! Parameter: near.urgent | probability | 0.9 | 0..1 | level 紧急
//! Parameter: near.hysteresis | probability | 0.1 | 0..0.3 | a level is left only below its threshold minus this
//! Parameter: near.rise_s | s | 120 | 0..900 | a level must hold this long before it is said
//! Parameter: near.fall_s | s | 300 | 0..1800 | a lower level must hold this long, doubling when it comes back
//! Parameter: near.min_minutes | min | 5 | 1..45 | valid minutes of the hour before anything is said
//! Parameter: near.min_history | min | 30 | 1..600 | minutes of this outlet's own past that its noise is learned from
//! Parameter: near.min_sd_pct | % of limit | 1.0 | 0.01..20 | least standard deviation of one minute
//! Parameter: near.upset_min | min | 90.0 | 10..1440 | how long an upset lasts on average if nobody acts
//! Order: arrival
//! Source: levels are a project choice; the mean is that of EXCEED_HOUR; AR(1) moments as in any text on time series.

use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{MINUTE_MS, Span, Time};

use crate::config::NearSettings;
use crate::engine::Ctx;
use crate::hold::{HoldTimes, Look};
use crate::noise::Forecast;
use crate::number::{ONE, pow10, to_f64};
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, LimitPlan, OutletPlan};
use crate::rules::exceed::Period;
use crate::series::Series;
use crate::value::HourScan;

/// Half width of an 80 % band of a normal distribution, in standard deviations.
pub(crate) const BAND_80: f64 = 1.281_551_565_544_6;

fn hour_span(hour: i64) -> Span {
    Period::Hour.span(hour)
}

fn hour_start(hour: i64) -> Time {
    hour_span(hour).start
}

/// The running hour of a factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) scan: HourScan,
    pub(crate) hour: i64,
    /// Minutes of the hour that the new evidence begins at.
    pub(crate) since: u8,
}

/// What the rest of the hour means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    /// Minutes of the hour that can still become valid.
    pub(crate) left: u8,
    /// What they may average, millionths, rounded down to one digit more than the limit has.
    pub(crate) headroom: i64,
    forecast: Forecast,
    pub(crate) probability: f64,
    pub(crate) projected: f64,
}

impl Running<'_> {
    /// `None` while nothing can be said: the hour is complete, too young, or cannot become valid.
    pub(crate) fn outlook(
        &self,
        limit: &LimitPlan,
        series: &Series,
        settings: &NearSettings,
        needed: u8,
    ) -> Option<Outlook> {
        let (n, left) = (self.scan.all.n, 60_u8.saturating_sub(self.scan.end));
        let total = n + u32::from(left);
        if left == 0 || n < u32::from(settings.min_minutes) || total < u32::from(needed) {
            return None;
        }
        if series.noise.history_min() < settings.min_history {
            return None;
        }
        // What the minutes may average, by the form in which this logger makes its hours.
        let bar = series.hour_ratio.of_minutes(limit.value);
        let rest = i128::from(bar) * i128::from(total) - i128::from(self.scan.all.sum);
        let exact = i64::try_from(rest.div_euclid(i128::from(left))).unwrap_or(i64::MAX);
        let digit = ONE / pow10((limit.typed.scale + 1).min(6));
        let headroom = exact - exact.rem_euclid(digit);
        let size = to_f64(limit.value);
        let least_sd = settings.min_sd_pct / 100.0 * size;
        let forecast = series.noise.forecast(left, least_sd, settings.upset_min, size);
        let minutes_mean = (to_f64(self.scan.all.sum) + forecast.mean() * f64::from(left)) / f64::from(total);
        let projected = series.hour_ratio.of_hour(minutes_mean);
        let probability = forecast.above(to_f64(exact));
        Some(Outlook {
            left,
            headroom,
            forecast,
            probability,
            projected,
        })
    }

    fn subject(&self) -> Subject {
        Subject {
            rule: RuleCode::NearHour,
            outlet: self.plan.id,
            factor: Some(self.factor.code),
            window: hour_span(self.hour),
        }
    }

    fn evidence(&self, outlook: &Outlook, limit: &LimitPlan, now: Time) -> Facts {
        let share = f64::from(outlook.left) / (f64::from(outlook.left) + f64::from(self.scan.all.n));
        let end = hour_span(self.hour).end;
        // The clock's minutes, but never more than the data leaves open.
        let by_clock = end
            .since(now.max(hour_start(self.hour)))
            .div_euclid(MINUTE_MS)
            .clamp(0, 60);
        let mut facts = Facts::with_capacity(11);
        facts
            .float(FactKey::Probability, outlook.probability)
            .float(FactKey::Projected, outlook.projected)
            .float(FactKey::ProjectedBand, BAND_80 * outlook.forecast.sd() * share)
            .number(FactKey::Headroom, outlook.headroom)
            .int(FactKey::MinutesLeft, by_clock.min(i64::from(outlook.left)))
            .limit(limit)
            .number(FactKey::MeanSoFar, self.scan.all.mean())
            .int(FactKey::ValidMinutes, i64::from(self.scan.all.n))
            .text(FactKey::Basis, self.factor.basis.code());
        if let Some(last) = self.scan.last {
            facts.number(FactKey::Value, last);
        }
        facts
    }
}

/// Level of a probability, 0 for none.
pub(crate) fn level_of(probability: f64, settings: &NearSettings) -> u8 {
    let thresholds = [settings.notice, settings.attention, settings.urgent];
    thresholds
        .iter()
        .fold(0, |level, &threshold| level + u8::from(probability >= threshold))
}

/// Looks at the running hour after new minutes came.
pub(crate) fn look(ctx: &mut Ctx<'_>, running: Running<'_>, series: &mut Series) {
    let start = hour_start(running.hour);
    let Some(limit) = running.factor.limit(LimitWindow::Hour, start) else {
        return;
    };
    if running.plan.stopped_at(ctx.now) || (running.factor.is_water && !ctx.settings.window.water) {
        return;
    }
    if series.near_hour != running.hour {
        if series.near.is_open() {
            // The hour before is not judged yet; its outcome is said first.
            return;
        }
        series.near_hour = running.hour;
    }
    let settings = &ctx.settings.near;
    let Some(outlook) = running.outlook(limit, series, settings, ctx.settings.window.valid_minutes) else {
        return;
    };
    let minute = |minutes: u8| start.plus(i64::from(minutes) * MINUTE_MS);
    let before = series.near.severity();
    let look = Look {
        since: minute(running.since),
        until: minute(running.scan.end),
        level: level_of(outlook.probability, settings),
        level_to_keep: level_of(outlook.probability + settings.hysteresis, settings),
        window: start,
    };
    let times = HoldTimes {
        rise_ms: settings.rise_s * 1_000,
        fall_ms: settings.fall_s * 1_000,
    };
    let edge = series.near.look(look, times);
    let after = series.near.severity();
    if before == after {
        return;
    }
    let verdict = |severity: Option<_>| severity.map_or(Verdict::Fine, Verdict::Breach);
    let say = Say {
        pane: Pane::Early,
        verdict: verdict(after),
        previous: before.map(Verdict::Breach),
        late: false,
        evidence: running.evidence(&outlook, limit, ctx.now).0,
    };
    let judgement = ctx.emit.say(running.subject(), say);
    if let Some(edge) = edge {
        ctx.emit.happen(series.near.first_window, edge, false, judgement);
    }
}

/// The hour is judged: its warning is over, whatever became of it.
pub(crate) fn finish(
    ctx: &mut Ctx<'_>,
    plan: &OutletPlan,
    factor: &FactorPlan,
    series: &mut Series,
    hour: i64,
    outcome: (Verdict, Option<i64>),
) {
    if series.near_hour > hour || !series.near.is_open() {
        return;
    }
    let window = hour_span(series.near_hour);
    let previous = series.near.severity().map(Verdict::Breach);
    let Some(edge) = series.near.end() else { return };
    let mut facts = Facts::with_capacity(4);
    let (verdict, mean) = outcome;
    if let Some(mean) = mean {
        facts.number(FactKey::Mean, mean);
    }
    if let Some(limit) = factor.limit(LimitWindow::Hour, window.start) {
        facts.limit(limit);
    }
    facts.text(
        FactKey::Reason,
        match verdict {
            Verdict::Fine => "hour_within_limit",
            Verdict::Breach(_) => "hour_exceeded",
            Verdict::NotJudged(reason) => reason.code(),
        },
    );
    let subject = Subject {
        rule: RuleCode::NearHour,
        outlet: plan.id,
        factor: Some(factor.code),
        window,
    };
    let say = Say {
        pane: Pane::OnTime,
        verdict: Verdict::Fine,
        previous,
        late: false,
        evidence: facts.0,
    };
    let judgement = ctx.emit.say(subject, say);
    debug_assert_eq!(edge, Edge::Cleared);
    ctx.emit.happen(series.near.first_window, edge, false, judgement);
}
