//! SMOOTH
//!
//! What: minutes whose small irregularities are all but gone, against this outlet's own past. A lead:
//! `疑似平滑，待核查`.
//! What-zh: 分钟值的细小波动几乎消失（与该排放口自身历史相比）。线索：`疑似平滑，待核查`。
//! Why: turbulence and electronics leave their noise on every measurement; a drawn or filtered curve has none.
//! Why-zh: 湍流与电路噪声必然留在实测值上；人为绘制或滤波的曲线则没有。
//! Fooled by: a longer damping set at the analyser for a good reason; readings with few digits.
//! Fooled-zh: 因正当理由加大仪表阻尼；位数过少的读数。
//! Parameter: smooth.share | share | 0.01 | 0.0001..0.5 | irregularity (variance of second differences) against the
//! past
//! Parameter: smooth.hours | h | 6 | 2..24 | hours in a row
//! Parameter: smooth.history_hours | h | 24 | 6..720 | hours of the past before anything is said
//! Parameter: smooth.floor_pct_limit | % of limit | 5.0 | 0..50 | least level of the hour
//! Order: arrival
//! Source: residual variance below 1 % of its own past for six hours: public rule tables. Its past is an average whose
//! memory is thirty days and that stands still meanwhile.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::Slot;
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Spell, narrow, size, tell};
use crate::rules::exceed_hour::Hour;
use crate::state::persist;
use crate::value::Minutes;

/// Hours the past is remembered by.
const MEMORY_H: f64 = 720.0;
/// Second differences an hour needs.
const LEAST: u32 = 30;

/// The irregularity of the past: mean square of second differences of minutes, relative to the level.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Smooth {
    pub(crate) spell: Spell,
    past: f32,
    hours: u16,
}
persist!(Smooth { spell, past, hours });

/// Looks at an hour.
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, smooth: &mut Smooth) {
    let settings = &ctx.settings.smooth;
    let Some(size) = size(hour.factor, hour.number * 60) else {
        return;
    };
    let Some((level, square)) = irregularity(minutes, hour.number) else {
        return;
    };
    // A value that does not move at all is CONST's.
    if level < settings.floor_pct_limit / 100.0 * size || square <= 0.0 {
        return;
    }
    let known = smooth.hours >= settings.history_hours;
    let holds = known && square < settings.share * f64::from(smooth.past);
    if !holds {
        smooth.hours = smooth.hours.saturating_add(1);
        let past = f64::from(smooth.past);
        smooth.past = narrow(past + (square - past) / f64::from(smooth.hours).min(MEMORY_H));
    }
    let start = hour.number * 60;
    let lasts = Lasts {
        rise: u16::from(settings.hours) * 60,
        fall: u16::from(settings.hours) * 60,
    };
    let Some(turn) = smooth.spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .float(FactKey::Mean, level)
        .float(FactKey::Score, (1.0 - square / f64::from(smooth.past)).clamp(0.0, 1.0))
        .float(FactKey::Threshold, settings.share)
        .text(FactKey::Reason, "irregularity_gone");
    let about = About {
        rule: RuleCode::Smooth,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// Mean of an hour, and mean square of the second differences of its minutes, relative to the mean: noise grows with
/// the level.
fn irregularity(minutes: &Minutes<'_>, hour: i64) -> Option<(f64, f64)> {
    let store = minutes.own?;
    let (mut sum, mut n, mut squares, mut steps) = (0.0, 0_u32, 0.0, 0_u32);
    let mut last: [Option<(usize, f64)>; 2] = [None; 2];
    store.each(hour, 60, |minute, slot| {
        let Slot::Value { value, .. } = slot else { return };
        let value = to_f64(value);
        (sum, n) = (sum + value, n + 1);
        if let [Some((first, a)), Some((second, b))] = last
            && first + 2 == minute
            && second + 1 == minute
        {
            let bend = value - 2.0 * b + a;
            (squares, steps) = (squares + bend * bend, steps + 1);
        }
        last = [last[1], Some((minute, value))];
    });
    let level = sum / f64::from(n.max(1));
    (steps >= LEAST && level > 0.0).then(|| (level, squares / f64::from(steps) / (level * level)))
}
