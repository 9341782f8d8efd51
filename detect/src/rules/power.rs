//! POWER
//!
//! What: readings flagged as stopped (F) that are those of a running stack. A lead: `疑似停运标记下排放，待核查`.
//! What-zh: 标记为停运（F）的时段内，读数仍为运行水平。线索：`疑似停运标记下排放，待核查`。
//! Why: hours flagged as stopped are not judged.
//! Why-zh: 标记为停运的小时不参与判定。
//! Fooled by: gas of a neighbour in a shared stack; readings that move though the pump is off.
//! Fooled-zh: 共用烟囱中相邻装置的烟气；采样泵停运后读数仍在变化。
//! Parameter: power.pct_limit | % of limit | 20.0 | 1..100 | readings above this share of the limit
//! Parameter: power.minutes | min | 60 | 5..720 | for how long
//! Parameter: power.clear_minutes | min | 30 | 5..720 | minutes without that end it
//! Order: arrival
//! Source: public enforcement guides (marked stop while the stack looks like running); numbers are project choices.
//! Electric power of production and treatment (ST 44 and 45) is archived; HJ 212 names no codes for the two, so it is
//! not compared.

use plume_schemas::judgement::FactKey;
use plume_schemas::reading::Flag;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, tell};

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, (spell, last): (&mut Spell, &mut i64)) {
    let settings = &ctx.settings.power;
    let stopped = seen.given.flag == Flag::Stopped;
    if !stopped && spell.is_idle() {
        return;
    }
    let bar = settings.pct_limit / 100.0 * seen.size;
    let value = seen.given.stated.unwrap_or(0);
    // A value that is held while the pump is off does not move.
    let moves = value != std::mem::replace(last, value);
    let holds = stopped && moves && seen.runs && to_f64(value) > bar;
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .number(FactKey::Value, value)
        .float(FactKey::Threshold, bar)
        .float(FactKey::Score, (to_f64(value) / seen.size).clamp(0.0, 1.0))
        .text(FactKey::Reason, seen.given.flag.code());
    let about = About {
        rule: RuleCode::Power,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}
