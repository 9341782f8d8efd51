//! NEG
//!
//! What: a concentration below zero by more than the noise of a zero.
//! What-zh: 浓度为负，且超出零点噪声。
//! Why: there is no negative gas; the zero has drifted, or the zero gas was not clean.
//! Why-zh: 浓度不可能为负；多为零点漂移或零气不纯。
//! Fooled by: a range registered too small or too large; span and zero checks that carry no flag.
//! Fooled-zh: 量程登记有误；未加标记的零点、量程核查。
//! Parameter: neg.pct_fs | % of range | 2.0 | 0..20 | how far below zero
//! Parameter: neg.minutes | min | 15 | 1..240 | for how long
//! Parameter: neg.clear_minutes | min | 15 | 1..240 | minutes of other values that end it
//! Order: arrival
//! Source: 2 % of the range is the zero drift HJ 75 allows for particulates, from memory; fifteen minutes are a
//! project choice. Where no range is registered five times the limit stands for it.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::number::{ONE, to_f64};
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, full_scale, tell};

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, spell: &mut Spell) {
    let settings = &ctx.settings.neg;
    let Some(value) = seen.given.measured else { return };
    if value >= 0 && spell.is_idle() {
        return;
    }
    let bar = full_scale(seen.factor).map_or(0.0, |width| -width / ONE as f64 * settings.pct_fs / 100.0);
    let holds = bar < 0.0 && to_f64(value) < bar && !seen.excused();
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(4);
    facts.number(FactKey::Value, value).float(FactKey::Threshold, bar);
    let about = About {
        rule: RuleCode::Neg,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Attention,
    };
    tell(ctx, about, turn, facts);
}
