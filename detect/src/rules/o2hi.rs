//! O2HI
//!
//! What: oxygen almost as high as in air, while the stack shows gas flow or pollutants.
//! What-zh: 含氧量接近空气，而烟气流量或污染物浓度表明仍在排放。
//! Why: air leaks into the sampling line or the duct, or the plant was stopped and nobody marked it; either way the
//! corrected values mean nothing.
//! Why-zh: 采样管路或烟道漏风，或已停运而未标记；两种情况下折算值均无意义。
//! Fooled by: start-up and shut-down that are marked only the next day; dryers and other plants whose gas is mostly
//! air.
//! Fooled-zh: 次日才标记的启停炉过程；烘干等烟气本身即接近空气的装置。
//! Parameter: o2hi.pct | % | 19.0 | 15..20.9 | oxygen
//! Parameter: o2hi.minutes | min | 60 | 5..720 | for how long
//! Parameter: o2hi.clear_minutes | min | 10 | 1..120 | minutes below that end it
//! Order: arrival
//! Source: public enforcement guides; 19 % and one hour are project choices. Outlets without a reference oxygen are not
//! looked at: nothing of theirs is corrected.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, tell};

/// Other signs of the stack must not be older than this, minutes.
const FRESH_MIN: i64 = 10;

/// Looks at a new oxygen value, beside the last gas flow and the last minute in which a pollutant was clearly there.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    seen: Seen<'_>,
    flow: Option<(f64, i64)>,
    polluted_minute: i64,
    spell: &mut Spell,
) {
    let settings = &ctx.settings.o2hi;
    let Some(oxygen) = seen.given.measured.map(to_f64) else {
        return;
    };
    let fresh = |minute: i64| seen.given.start - minute <= FRESH_MIN;
    let flows = flow.is_some_and(|(flow, at)| flow > 0.0 && fresh(at));
    let corrects = || seen.plan.factors.iter().any(|factor| factor.reference_o2.is_some());
    let holds = oxygen > settings.pct && (flows || fresh(polluted_minute)) && corrects() && !seen.excused();
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(5);
    facts
        .float(FactKey::Value, oxygen)
        .float(FactKey::Threshold, settings.pct)
        .text(FactKey::Reason, if flows { "gas_flows" } else { "pollutant_there" });
    let about = About {
        rule: RuleCode::O2Hi,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Attention,
    };
    tell(ctx, about, turn, facts);
}
