//! EXCEED_DAY
//!
//! What: the day mean of a factor is strictly greater than the limit in force at the day's start. The day mean is the
//! device's own, or the mean of the valid hours where there are at least 20.
//! What-zh: 日均值严格大于当日开始时适用的限值。日均值取设备上报值，缺失时取不少于20个有效小时的均值。
//! Why: waste incineration is judged by days, and waste water is.
//! Why-zh: 生活垃圾焚烧按日均值判定，废水亦按日均值判定。
//! Fooled by: hours missing where values were high; a day flag that is normal (18 hours) though the mean is not valid
//! (20).
//! Fooled-zh: 高值时段缺失；日数据标记正常（18小时）而日均值无效（需20小时）。
//! Parameter: window.valid_hours | h | 20 | 1..24 | valid hours a day mean needs, HJ 212-2017 D.2 (25)
//! Parameter: window.day_flag_hours | h | 18 | 1..24 | valid hours for the flag N, HJ 212-2017 C.18
//! Parameter: window.day_grace_s | s | 1800 | 0..43200 | how long a day waits for the device's own value
//! Parameter: window.water | bool | false | - | judge waste water too
//! Order: window
//! Source: HJ 212-2017 D.2 (25), C.18; MEE order 10/2019 for waste incineration; the standard or permit of each limit.

use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::reading::{Basis, Flag};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::Severity;

use crate::engine::Ctx;
use crate::minutes::Why;
use crate::number::{Sum, to_f64};
use crate::out::Facts;
use crate::plan::{FactorPlan, OutletPlan};
use crate::ring::DeviceValue;
use crate::rules::exceed::{self, Finding, Period, Window};
use crate::series::Series;

/// Hours of a day.
const HOURS: u8 = 24;

/// What the hours of a day add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct DaySum {
    /// Means of valid hours.
    pub(crate) valid: Sum,
    pub(crate) stopped: u8,
    pub(crate) marked: u8,
    /// Hours lost on plume's side.
    pub(crate) deaf: u8,
    /// Hours that cannot be corrected, or lack what to correct with.
    pub(crate) uncorrectable: u8,
    /// Hours of which nothing came.
    pub(crate) empty: u8,
}

impl DaySum {
    /// Counts an hour.
    pub(crate) fn add(&mut self, hour: Result<i64, NotJudged>) {
        match hour {
            Ok(mean) => self.valid.add(mean),
            Err(NotJudged::Stopped | NotJudged::StopWork) => self.stopped += 1,
            Err(NotJudged::Marked) => self.marked += 1,
            Err(NotJudged::PlatformSide) => self.deaf += 1,
            Err(NotJudged::NoCorrection | NotJudged::MissingInput) => self.uncorrectable += 1,
            Err(NotJudged::NoData) => self.empty += 1,
            Err(_) => {}
        }
    }

    /// Why too few hours are valid: the greatest cause.
    fn lack(&self, needed: u8) -> NotJudged {
        let allowed = HOURS.saturating_sub(needed);
        if self.stopped > allowed {
            NotJudged::Stopped
        } else if self.marked > allowed {
            NotJudged::Marked
        } else if self.uncorrectable > allowed {
            NotJudged::NoCorrection
        } else if self.deaf > allowed {
            NotJudged::PlatformSide
        } else if self.empty == HOURS {
            NotJudged::NoData
        } else {
            NotJudged::TooFewValid
        }
    }
}

/// Everything about one day of one factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) sum: DaySum,
    pub(crate) device: Option<DeviceValue>,
    /// Beijing days since 1970.
    pub(crate) number: i64,
}

impl<'a> Day<'a> {
    fn window(&self) -> Window<'a> {
        Window {
            plan: self.plan,
            factor: self.factor,
            period: Period::Day,
            number: self.number,
        }
    }

    /// The value of the day, and whether it is the device's own.
    fn value(&self, needed: u8) -> Result<(Sum, bool), NotJudged> {
        // A device's day contains the marked hours, so it cannot be judged beside a mark; the hours that are left can.
        if let Some(device) = self.device.filter(|_| self.sum.marked == 0) {
            match (device.why != 0).then(|| Why::from_number(device.why)) {
                None if !device.to_correct => {
                    let value = device.value.millionths();
                    return Ok((Sum { n: 1, sum: value }, true));
                }
                // Without a flag, or uncorrected, the device's day decides nothing.
                None | Some(Why::Flag(Flag::Missing)) => {}
                Some(Why::Flag(Flag::Stopped)) => return Err(NotJudged::Stopped),
                Some(Why::NoCorrection) => return Err(NotJudged::NoCorrection),
                Some(Why::Flag(_) | Why::Unreadable) => return Err(NotJudged::TooFewValid),
            }
        }
        if self.sum.valid.n >= u32::from(needed) {
            return Ok((self.sum.valid, false));
        }
        Err(self.sum.lack(needed))
    }

    fn finding(&self, ctx: &Ctx<'_>) -> (Finding<'a>, bool) {
        let span = self.window().span();
        let limit = self.factor.limit(LimitWindow::Day, span.start);
        let not = |reason| Finding {
            verdict: Verdict::NotJudged(reason),
            value: None,
            limit,
        };
        if self.factor.is_water && !ctx.settings.window.water {
            return (not(NotJudged::WaterOff), false);
        }
        if self.plan.stopped_over(span) {
            return (not(NotJudged::StopWork), false);
        }
        let Some(in_force) = limit else {
            return (not(NotJudged::NoLimit), false);
        };
        match self.value(ctx.settings.window.valid_hours) {
            Err(reason) => (not(reason), false),
            Ok((value, reported)) => {
                let verdict = if exceed::exceeds(ctx, value, in_force) {
                    Verdict::Breach(Severity::Exceeded)
                } else {
                    Verdict::Fine
                };
                let value = Some(value);
                (Finding { verdict, value, limit }, reported)
            }
        }
    }

    fn evidence(&self, finding: &Finding<'_>, reported: bool, flag_hours: u8, facts: &mut Facts) {
        if let Some(mean) = finding.mean() {
            let (source, formula) = match (reported, self.factor.basis) {
                (true, Basis::Corrected) => ("device_day", "reported day ZsAvg"),
                (true, _) => ("device_day", "reported day Avg"),
                (false, _) => ("device_hours", "mean of valid hours; HJ 212-2017 D.2(25)"),
            };
            facts.text(FactKey::ValueSource, source).text(FactKey::Formula, formula);
            let own = self.sum.valid;
            if reported && own.n > 0 && own.sum != 0 {
                let difference = (to_f64(mean) - to_f64(own.mean())) / to_f64(own.mean()) * 100.0;
                facts
                    .number(FactKey::Recomputed, own.mean())
                    .float(FactKey::DifferencePct, difference);
            }
        }
        let flag = if self.sum.valid.n >= u32::from(flag_hours) {
            "N"
        } else {
            "D"
        };
        facts
            .int(FactKey::ValidHours, i64::from(self.sum.valid.n))
            .text(FactKey::DayFlag, flag)
            .text(FactKey::Basis, self.factor.basis.code());
    }
}

/// Judges a day: at its on-time pane always, later only where that changes something.
pub(crate) fn judge(ctx: &mut Ctx<'_>, day: Day<'_>, series: &mut Series, pane: Pane) -> (Verdict, Option<i64>) {
    let (finding, reported) = day.finding(ctx);
    let flag_hours = ctx.settings.window.day_flag_hours;
    exceed::say(ctx, day.window(), series, &finding, pane, |facts| {
        day.evidence(&finding, reported, flag_hours, facts);
    });
    (finding.verdict, finding.mean())
}

/// Confirms a day that still exceeds at its mark deadline.
pub(crate) fn confirm(ctx: &mut Ctx<'_>, day: Day<'_>, series: &mut Series) {
    let (finding, reported) = day.finding(ctx);
    let flag_hours = ctx.settings.window.day_flag_hours;
    exceed::confirm(ctx, day.window(), series, &finding, |facts| {
        day.evidence(&finding, reported, flag_hours, facts);
    });
}
