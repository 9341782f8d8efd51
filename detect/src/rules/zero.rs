//! ZERO
//!
//! What: a pollutant reads zero though the stack runs and it was clearly there before.
//! What-zh: 排放口在运行，且此前该污染物浓度明显不为零，而实测值变为零并持续。
//! Why: gas behind a running boiler is not free of what was in it an hour ago; a blocked probe, a broken pump or a cut
//! signal wire reads zero.
//! Why-zh: 运行中的烟气不会突然不含该污染物；多为探头堵塞、采样泵故障或信号线断开。
//! Fooled by: a change to clean fuel; an analyser that has read zero since its first day, which CONST and inspections
//! must find.
//! Fooled-zh: 改用清洁燃料；自接入之日起一直为零的分析仪。
//! Parameter: zero.minutes | min | 120 | 10..1440 | minutes of zero, of one pollutant
//! Parameter: zero.all_minutes | min | 60 | 10..1440 | minutes of zero where all pollutants of the outlet read zero
//! Parameter: zero.floor_pct_limit | % of limit | 2.0 | 0..50 | level it must have had before
//! Parameter: zero.clear_minutes | min | 10 | 1..120 | minutes of other values that end it
//! Parameter: zero.exempt | factor codes | [] | - | factors that may read zero
//! Order: arrival
//! Source: two hours for one and one hour for all pollutants: public rule tables of bureaus; the floor is a project
//! choice.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::out::Facts;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, Seen, Spell, tell};

/// Looks at a new value. `zeros` has a bit for each factor whose last value was zero.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, zeros: &mut u64, spell: &mut Spell) {
    let settings = &ctx.settings.zero;
    let Some(value) = seen.given.measured else { return };
    let bit = 1_u64 << seen.place;
    *zeros = if value == 0 { *zeros | bit } else { *zeros & !bit };
    // Its level before counts where the zeros begin; afterwards they are part of it.
    let was_there = !spell.is_idle() || seen.level >= settings.floor_pct_limit / 100.0 * seen.size;
    let holds = value == 0 && was_there && seen.runs && !settings.exempt.contains(&seen.factor.code) && !seen.excused();
    let all = holds && *zeros & limited(seen.plan) == limited(seen.plan);
    let lasts = Lasts {
        rise: if all { settings.all_minutes } else { settings.minutes },
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .number(FactKey::Value, value)
        .int(FactKey::Threshold, i64::from(lasts.rise))
        .text(FactKey::Reason, if all { "all_zero" } else { "one_zero" })
        .float(FactKey::Mean, seen.level);
    let about = About {
        rule: RuleCode::Zero,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Attention,
    };
    tell(ctx, about, turn, facts);
}

/// The factors with a limit, one bit each.
fn limited(plan: &OutletPlan) -> u64 {
    let places = (0_u32..)
        .zip(plan.factors.iter())
        .filter(|(_, factor)| !factor.limits.is_empty());
    places.fold(0, |bits, (place, _)| bits | 1 << place)
}
