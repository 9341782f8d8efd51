//! FLOW0
//!
//! What: no gas flow, though the gas is warm or a pollutant is clearly there.
//! What-zh: 烟气流量为零，而烟温高于环境或污染物浓度明显不为零。
//! Why: emitted amounts are then counted as nothing; the Pitot tube is blocked or its transmitter is dead.
//! Why-zh: 排放量因此计为零；多为皮托管堵塞或变送器故障。
//! Fooled by: a duct that stays warm after a stop; a fan that is off while the plant idles.
//! Fooled-zh: 停运后烟道余温；风机停运的待机工况。
//! Parameter: flow0.minutes | min | 60 | 5..720 | for how long
//! Parameter: flow0.warm_celsius | °C | 40.0 | 20..150 | gas this warm does not stand still (20 above 20 °C outside)
//! Parameter: flow0.clear_minutes | min | 10 | 1..120 | minutes of flow that end it
//! Order: arrival
//! Source: 20 °C above the surroundings and one hour: public rule tables; the outside temperature is not in the data.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::out::Facts;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, excused, tell};

/// Other signs of the stack must not be older than this, minutes.
const FRESH_MIN: i64 = 10;

/// Looks at the flow of `minute`, once a report.
pub(crate) fn look(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, minute: i64) {
    let settings = &ctx.settings.flow0;
    let Some(flow) = outlet.flow else { return };
    let [code, _] = plan.flows;
    let whole = &mut outlet.quality;
    let fresh = |at: i64| minute - at <= FRESH_MIN;
    let warm = fresh(whole.temperature_minute) && whole.temperature > settings.warm_celsius;
    let polluted = fresh(whole.polluted_minute);
    let holds = flow <= 0.0 && (warm || polluted) && !excused(plan, &outlet.marks, code, minute);
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = whole.flow0.look(holds, minute, minute + 1, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(5);
    facts
        .float(FactKey::Value, flow)
        .text(FactKey::Reason, if warm { "gas_warm" } else { "pollutant_there" });
    let about = About {
        rule: RuleCode::Flow0,
        plan,
        factor: None,
        severity: Severity::Attention,
    };
    tell(ctx, about, turn, facts);
}
