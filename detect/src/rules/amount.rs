//! AMOUNT
//!
//! What: the emitted amount of an hour (SO2, NOx, particulates) that a logger reports is not its concentration times
//! its gas flow.
//! What-zh: 数采仪上报的小时排放量（二氧化硫、氮氧化物、颗粒物）与浓度、流量之积不符。
//! Why: amounts are what is taxed and capped by the permit; the corrected concentration, another unit of flow, or zero
//! in their place are common mistakes.
//! Why-zh: 排放量用于环保税和许可总量核算；误用折算浓度、流量单位有误或直接置零较为常见。
//! Fooled by: concentration and flow that rise and fall together within the hour; a flow that is not dry and at
//! standard state; amounts with few digits, whose last digit is allowed for.
//! Fooled-zh: 小时内浓度与流量同步变化；流量非标干；位数过少的排放量（已考虑末位误差）。
//! Parameter: amount.pct | % | 2.0 | 0.1..50 | difference
//! Parameter: amount.hours | h | 2 | 1..24 | hours in a row
//! Order: arrival
//! Source: HJ 212-2017 D.2 (33): measured concentration, not the corrected one; 2 % is a rule of public code.

use plume_schemas::judgement::FactKey;
use plume_schemas::reading::{Basis, Flag, Reading, Statistic};
use plume_schemas::report::Report;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::out::Facts;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, tell};
use crate::rules::exceed::Period;

/// SO₂, nitrogen oxides and particulates: those whose amounts are taxed, reported in kg (others are in g).
const IN_KG: [&str; 3] = ["a21026", "a21002", "a34013"];
/// mg to kg.
const MG_TO_KG: f64 = 1e-6;
/// Seconds of an hour: the gas flow is in m³/s.
const HOUR_S: f64 = 3_600.0;
/// Less than this, kg an hour, is not compared.
const LEAST_KG: f64 = 0.01;

/// Half of the last digit of a reading, in its unit.
fn half_digit(reading: &Reading) -> f64 {
    let scale = reading.value.decimal().map_or(6, |decimal| decimal.scale);
    0.5 * 10_f64.powi(-i32::from(scale))
}

/// Looks at an hour packet. Its reading of the factor and of the gas flow stand in it, or there is nothing to compare.
pub(crate) fn look(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report, hour: i64) {
    let find = |code, statistic| {
        let fits = |reading: &&Reading| {
            reading.factor == code
                && reading.statistic == statistic
                && reading.basis == Basis::Standard
                && reading.flag == Flag::Normal
        };
        report.readings.iter().find(fits)
    };
    let span = Period::Hour.span(hour);
    let [flow, _] = plan.flows;
    let total = find(flow, Statistic::Total).and_then(|reading| reading.value.to_f64());
    let mean = || Some(find(flow, Statistic::Mean)?.value.to_f64()? * HOUR_S);
    let Some(volume) = total.filter(|&total| total > 0.0).or_else(mean) else {
        return;
    };
    for (factor, state) in plan.factors.iter().zip(outlet.factors.iter_mut()) {
        if !IN_KG.contains(&factor.code.as_str()) || factor.limits.is_empty() {
            continue;
        }
        let (Some(amount), Some(mean)) = (find(factor.code, Statistic::Total), find(factor.code, Statistic::Mean))
        else {
            continue;
        };
        let (Some(reported), Some(concentration)) = (amount.value.to_f64(), mean.value.to_f64()) else {
            continue;
        };
        let own = concentration * volume * MG_TO_KG;
        let digits = half_digit(amount) + half_digit(mean) * volume * MG_TO_KG;
        let settings = &ctx.settings.amount;
        let holds =
            own > LEAST_KG && (reported - own).abs() > settings.pct / 100.0 * own + digits && !plan.stopped_over(span);
        let lasts = Lasts {
            rise: u16::from(settings.hours) * 60,
            fall: u16::from(settings.hours) * 60,
        };
        let Some(turn) = state.hourly.amount.look(holds, hour * 60, hour * 60 + 60, lasts) else {
            continue;
        };
        let mut facts = Facts::with_capacity(7);
        facts
            .float(FactKey::Reported, reported)
            .float(FactKey::Recomputed, own)
            .text(FactKey::Formula, "C×Q×1e-6; HJ 212-2017 D.2(33)");
        if own > 0.0 {
            facts.float(FactKey::DifferencePct, (reported - own) / own * 100.0);
        }
        let about = About {
            rule: RuleCode::Amount,
            plan,
            factor: Some(factor.code),
            severity: Severity::Notice,
        };
        tell(ctx, about, turn, facts);
    }
}
