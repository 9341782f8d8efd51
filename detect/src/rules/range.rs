//! RANGE
//!
//! What: a measured value at or beyond the upper end of the measuring range, or flagged T.
//! What-zh: 实测值达到或超过量程上限，或数据标记为 T。
//! Why: what is there is larger than what is shown; the hour's mean is then too low, and nobody knows by how much.
//! Why-zh: 真实浓度高于显示值，小时均值因此偏低且无法估计。
//! Fooled by: a range registered for another analyser; span gas above the range during a check without a flag.
//! Fooled-zh: 量程登记有误；核查时通入高浓度标气而未加标记。
//! Parameter: range.minutes | min | 1 | 1..60 | for how long
//! Parameter: range.clear_minutes | min | 10 | 1..240 | minutes within the range that end it
//! Order: arrival
//! Source: flag T of HJ 212-2017 table 8; at once is a project choice. Without a registered range only the flag is
//! looked at. Corrected values have no range and are not looked at.

use plume_schemas::judgement::FactKey;
use plume_schemas::reading::Flag;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, tell};

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, spell: &mut Spell) {
    let settings = &ctx.settings.range;
    let flagged = seen.given.flag == Flag::OverRange;
    let high = seen.factor.range.map(|(_, high)| high);
    let measured = seen.given.measured.filter(|_| !seen.given.only_corrected);
    let beyond = high.zip(measured).is_some_and(|(high, value)| value >= high);
    if measured.is_none() && !flagged {
        return;
    }
    let holds = (flagged || beyond) && !seen.excused();
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(5);
    if let Some(value) = seen.given.stated {
        facts.number(FactKey::Value, value);
    }
    if let Some(high) = high {
        facts.number(FactKey::Threshold, high);
    }
    facts.text(FactKey::Reason, seen.given.flag.code());
    let about = About {
        rule: RuleCode::Range,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Attention,
    };
    tell(ctx, about, turn, facts);
}
