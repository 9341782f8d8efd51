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
//! Parameter: window.source_lag_s | s | 600 | 0..3600 | how much longer for a device that still delivers its data
//! Parameter: window.valid_minutes | min | 45 | 1..60 | covered valid minutes an hour needs, HJ 212-2017 D.2 (24)
//! Parameter: window.mark_deadline_hour | h | 12 | 0..23 | hour of the next day until which it is preliminary
//! Parameter: exceed.clear_ratio | - | 0.9 | 0..1 | one window at or below this share of the limit ends the case
//! Parameter: exceed.clear_hours | windows | 2 | 1..24 | so many windows at or below the limit end it too
//! Parameter: exceed.grave_ratio | - | 1.0 | 0..100 | exceed ratio from which the case is graver
//! Parameter: exceed.round_to_limit | bool | false | - | round to the limit's digits before comparing (GB/T 8170)
//! Order: window
//! Source: HJ 212-2017 D.2 (24), (28), C.16; the standard or permit named with each limit. Strictly greater, unrounded.

use plume_schemas::entry::MarkKind;
use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::reading::Basis;
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::Severity;

use crate::engine::Ctx;
use crate::minutes::Why;
use crate::number::to_f64;
use crate::out::Facts;
use crate::plan::{FactorPlan, OutletPlan};
use crate::rules::exceed::{self, Finding, Period, Window};
use crate::series::Series;
use crate::state::persist;
use crate::value::{HourFacts, HourValue, Source};

/// Everything about one hour of one factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hour<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) facts: HourFacts,
    pub(crate) mark: Option<MarkKind>,
    /// Hours since 1970.
    pub(crate) number: i64,
}

impl<'a> Hour<'a> {
    fn window(&self) -> Window<'a> {
        Window {
            plan: self.plan,
            factor: self.factor,
            period: Period::Hour,
            number: self.number,
        }
    }

    fn finding(&self, ctx: &Ctx<'_>) -> (Finding<'a>, Option<HourValue>) {
        let span = self.window().span();
        let limit = self.factor.limit(LimitWindow::Hour, span.start);
        let not = |reason| Finding {
            verdict: Verdict::NotJudged(reason),
            value: None,
            limit,
        };
        if self.factor.is_water && !ctx.settings.window.water {
            return (not(NotJudged::WaterOff), None);
        }
        if self.plan.stopped_over(span) {
            return (not(NotJudged::StopWork), None);
        }
        let Some(in_force) = limit else {
            return (not(NotJudged::NoLimit), None);
        };
        let value = match self.facts.choose() {
            Ok(value) => value,
            Err(reason) => return (not(reason), None),
        };
        let verdict = if exceed::exceeds(ctx, value.sum, in_force) {
            Verdict::Breach(Severity::Exceeded)
        } else {
            Verdict::Fine
        };
        let finding = Finding {
            verdict,
            value: Some(value.sum),
            limit,
        };
        (finding, Some(value))
    }

    fn evidence(&self, value: Option<HourValue>, facts: &mut Facts) {
        let scan = &self.facts.scan;
        if let Some(value) = value {
            facts
                .text(FactKey::ValueSource, value.source.code())
                .text(FactKey::Formula, self.formula(value.source));
            self.compare(value, facts);
        }
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
        } else if let (Some(device), None) = (self.facts.device.filter(|device| device.why != 0), value) {
            facts.text(FactKey::Reason, Why::from_number(device.why).code());
        }
    }

    /// Beside the device's value the mean of its own minutes, where there are enough of them.
    fn compare(&self, value: HourValue, facts: &mut Facts) {
        let minutes = self.facts.scan.packets;
        if value.source != Source::Hour || minutes.n < u32::from(self.facts.needed) {
            return;
        }
        let (reported, own) = (value.sum.mean(), minutes.mean());
        facts.number(FactKey::Recomputed, own);
        if own != 0 {
            facts.float(
                FactKey::DifferencePct,
                (to_f64(reported) - to_f64(own)) / to_f64(own) * 100.0,
            );
        }
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

/// How a logger's hour values relate to the mean of its own minutes: 1 where it averages corrected minutes, something
/// else where
/// it corrects averages, or rounds on the way. Learned from its last hours, because the standard leaves it open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HourRatio {
    ratio: f64,
    hours: u8,
}
persist!(HourRatio { ratio, hours });

/// Hours a ratio is learned from, and hours before it is believed.
const RATIO_HOURS: u8 = 24;
const RATIO_KNOWN: u8 = 3;

impl Default for HourRatio {
    fn default() -> Self {
        Self { ratio: 1.0, hours: 0 }
    }
}

impl HourRatio {
    fn take(&mut self, reported: i64, own: i64) {
        // Values near zero have no ratio worth knowing; beyond a quarter it is a fault, not a form.
        if own <= 0 || reported <= 0 {
            return;
        }
        self.hours = (self.hours + 1).min(RATIO_HOURS);
        let ratio = (to_f64(reported) / to_f64(own)).clamp(0.8, 1.25);
        self.ratio += (ratio - self.ratio) / f64::from(self.hours);
    }

    /// The hour value that a mean of minutes leads to.
    pub(crate) fn of_hour(self, minutes_mean: f64) -> f64 {
        if self.hours < RATIO_KNOWN {
            minutes_mean
        } else {
            minutes_mean * self.ratio
        }
    }

    /// What the mean of the minutes may be so that the hour value is `limit`.
    pub(crate) fn of_minutes(self, limit: i64) -> i64 {
        if self.hours < RATIO_KNOWN {
            return limit;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a limit divided by 0.8 to 1.25")]
        {
            (limit as f64 / self.ratio) as i64
        }
    }
}

/// Judges an hour: at its on-time pane always, later only where that changes something. Gives the verdict and the mean.
pub(crate) fn judge(ctx: &mut Ctx<'_>, hour: Hour<'_>, series: &mut Series, pane: Pane) -> (Verdict, Option<i64>) {
    let (finding, value) = hour.finding(ctx);
    exceed::say(ctx, hour.window(), series, &finding, pane, |facts| {
        hour.evidence(value, facts);
    });
    let own = hour.facts.scan.packets;
    if let (
        Some(HourValue {
            source: Source::Hour,
            sum,
        }),
        Pane::OnTime,
    ) = (value, pane)
        && own.n >= u32::from(hour.facts.needed)
    {
        series.hour_ratio.take(sum.mean(), own.mean());
    }
    (finding.verdict, finding.mean())
}

/// Confirms an hour that still exceeds at its mark deadline.
pub(crate) fn confirm(ctx: &mut Ctx<'_>, hour: Hour<'_>, series: &mut Series) {
    let (finding, value) = hour.finding(ctx);
    exceed::confirm(ctx, hour.window(), series, &finding, |facts| {
        hour.evidence(value, facts);
    });
}
