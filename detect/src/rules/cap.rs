//! CAP
//!
//! What: minutes that pile up just below the limit and hardly ever pass it, as if cut off there. A lead:
//! `疑似封顶，待核查`.
//! What-zh: 一日内分钟值在限值之下堆积而几乎不越过，如同被截断。线索：`疑似封顶，待核查`。
//! Why: what a controller holds below a limit thins out towards it; what software cuts off piles up against it.
//! Why-zh: 受控工况的数值越接近限值越稀少；软件截断则在限值处堆积。
//! Fooled by: a controller whose set point is a percent below the limit.
//! Fooled-zh: 设定值恰在限值下方约百分之一的控制系统。
//! Parameter: cap.band_pct | % of limit | 1.5 | 0.5..10 | width of the bands below and above the limit
//! Parameter: cap.minutes | min | 60 | 10..720 | minutes of the last day in the band below
//! Parameter: cap.above_share | share | 0.02 | 0..0.5 | minutes above, as a share of those below, that are too few
//! Parameter: cap.clear_hours | h | 24 | 1..240 | hours without that end it
//! Order: arrival
//! Source: a project choice, in place of the share of a day between 90 and 100 % of the limit that public guides name:
//! that would accuse every well-run plant close to its limit. The minutes must grow towards the limit.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::Slot;
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Spell, size, tell};
use crate::rules::exceed_hour::Hour;
use crate::value::Minutes;

/// Looked at so often, hours: a day's minutes are gone through.
const EVERY_H: i64 = 6;
const DAY_H: i64 = 24;
/// Fewer minutes of the day than this say nothing.
const LEAST_MIN: u32 = 360;

/// Minutes of the last day near the limit.
#[derive(Clone, Copy, Debug, Default)]
struct Near {
    /// In the band that ends at the limit, in the one below it, and in the one above the limit.
    at: u32,
    below: u32,
    above: u32,
    beyond: u32,
    n: u32,
}

/// Looks at the day that ends with an hour, a few times a day.
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, spell: &mut Spell) {
    if hour.number.rem_euclid(EVERY_H) != 0 {
        return;
    }
    let settings = &ctx.settings.cap;
    let (Some(limit), Some(store)) = (size(hour.factor, hour.number * 60), minutes.own) else {
        return;
    };
    let band = settings.band_pct / 100.0 * limit;
    let mut near = Near::default();
    for number in hour.number - DAY_H + 1..=hour.number {
        store.each(number, 60, |_, slot| {
            let Slot::Value { value, .. } = slot else { return };
            let above = to_f64(value) - limit;
            near.n += 1;
            near.at += u32::from(above <= 0.0 && above > -band);
            near.below += u32::from(above <= -band && above > -2.0 * band);
            near.above += u32::from(above > 0.0 && above <= band);
            near.beyond += u32::from(above > band);
        });
    }
    let over = f64::from(near.above + near.beyond);
    let piled = near.at >= u32::from(settings.minutes) && near.at >= near.below;
    let holds = piled && near.n >= LEAST_MIN && over <= settings.above_share * f64::from(near.at);
    let start = hour.number * 60;
    let lasts = Lasts {
        rise: 0,
        fall: u16::from(settings.clear_hours) * 60,
    };
    let Some(turn) = spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(7);
    facts
        .float(FactKey::Limit, limit)
        .int(FactKey::Count, i64::from(near.at))
        .int(FactKey::Of, i64::from(near.n))
        .float(FactKey::Score, score(&near))
        .text(FactKey::Reason, "cut_off");
    let about = About {
        rule: RuleCode::Cap,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// How much more stands against the limit than below it: 0.5 where it is the same, towards 1 where all does.
fn score(near: &Near) -> f64 {
    f64::from(near.at) / f64::from(near.at + near.below + near.above).max(1.0)
}
