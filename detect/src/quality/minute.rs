//! What the rules of quality see of a report and of each minute of a factor.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Flag, Statistic};
use plume_schemas::report::Report;
use plume_schemas::time::MINUTE_MS;

use crate::engine::Ctx;
use crate::marks::Marks;
use crate::minutes::MinuteStore;
use crate::number::{self, to_f64};
use crate::outlet::{Factor, Outlet};
use crate::plan::{FactorPlan, OutletPlan};
use crate::quality::{OutletQuality, size};
use crate::rules::{flow0, jump, neg, o2hi, power, range, zero, zsdev};

/// A concentration above this share of the limit is clearly there.
const POLLUTED_SHARE: f64 = 0.05;

/// What a report gave of a factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// First minute since 1970, and the one after the last.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The value judged, millionths, where it counts.
    pub(crate) judged: Option<i64>,
    /// What the instrument measured, where it counts.
    pub(crate) measured: Option<i64>,
    /// It was given beside a corrected value.
    pub(crate) pair: bool,
    /// The judged value is one that only counts corrected, and came alone.
    pub(crate) only_corrected: bool,
    pub(crate) flag: Flag,
    /// The number given, whatever its flag.
    pub(crate) stated: Option<i64>,
}

/// One minute of one factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) marks: &'a Marks,
    pub(crate) store: Option<&'a MinuteStore>,
    pub(crate) given: Given,
    /// Place of the factor in the plan.
    pub(crate) place: usize,
    /// The limit, units of the factor.
    pub(crate) size: f64,
    /// No sign says that nothing runs.
    pub(crate) runs: bool,
    /// Level of the factor before, units.
    pub(crate) level: f64,
}

impl Seen<'_> {
    /// True where the minute is excused.
    pub(crate) fn excused(&self) -> bool {
        super::excused(self.plan, self.marks, self.factor.code, self.given.start)
    }
}

/// Looks at one minute of the factor at `place`, in the order it came.
pub(crate) fn minute(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, place: usize, given: Given) {
    let factor = &plan.factors[place];
    if factor.is_water && !ctx.settings.window.water {
        return;
    }
    let flow = outlet.flow.map(|flow| (flow, outlet.flow_minute));
    let Outlet {
        factors,
        marks,
        quality: whole,
        ..
    } = outlet;
    let Some(Factor {
        quality,
        hourly,
        minutes,
        series,
        ..
    }) = factors.get_mut(place)
    else {
        return;
    };
    let seen = |size: f64, whole: &OutletQuality| Seen {
        plan,
        factor,
        marks,
        store: minutes.as_ref(),
        given,
        place,
        size,
        runs: whole.runs(flow, given.start),
        level: series.noise.base(),
    };
    if factor.is_oxygen {
        if let Some(oxygen) = given.measured.filter(|_| given.start >= whole.oxygen_minute) {
            (whole.oxygen, whole.oxygen_minute) = (to_f64(oxygen), given.start);
        }
        let mut o2hi = whole.o2hi;
        o2hi::look(ctx, seen(1.0, whole), flow, whole.polluted_minute, &mut o2hi);
        whole.o2hi = o2hi;
        range::look(ctx, &seen(1.0, whole), &mut quality.range);
        return;
    }
    let Some(size) = size(factor, given.start) else { return };
    if given
        .measured
        .is_some_and(|value| to_f64(value) > POLLUTED_SHARE * size)
    {
        whole.polluted_minute = whole.polluted_minute.max(given.start);
    }
    let seen = seen(size, whole);
    zero::look(ctx, &seen, &mut whole.zeros, &mut quality.zero);
    neg::look(ctx, &seen, &mut quality.neg);
    range::look(ctx, &seen, &mut quality.range);
    jump::look(ctx, &seen, &mut quality.jump);
    zsdev::look(ctx, &seen, (whole.oxygen, whole.oxygen_minute), &mut hourly.zsdev);
    power::look(ctx, &seen, (&mut hourly.power, &mut hourly.stopped_value));
}

/// Takes the gas temperature and looks at the flow, once a report.
pub(crate) fn report(
    ctx: &mut Ctx<'_>,
    outlet: &mut Outlet,
    plan: &OutletPlan,
    report: &Report,
    (of, current): (Statistic, bool),
) {
    if !current {
        return;
    }
    let minute = report.times.measured_at.0.div_euclid(MINUTE_MS);
    power::electricity(ctx, outlet, plan, report, minute);
    let temperature: FactorCode = plan.temperature;
    let reading = report
        .readings
        .iter()
        .find(|reading| reading.factor == temperature && reading.statistic == of && reading.flag == Flag::Normal);
    if let Some(value) = reading.and_then(|reading| number::from_value(reading.value)) {
        (outlet.quality.temperature, outlet.quality.temperature_minute) = (to_f64(value), minute);
    }
    if outlet.flow_minute == minute {
        flow0::look(ctx, outlet, plan, minute);
    }
}
