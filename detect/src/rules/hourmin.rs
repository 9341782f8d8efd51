//! HOURMIN
//!
//! What: the hour value a logger reports is not the mean of the minutes it reported, in neither of the two forms the
//! standard leaves open (mean of corrected minutes, or means corrected).
//! What-zh: 数采仪上报的小时值与其分钟值的均值不符，且两种折算顺序（先折算后平均、先平均后折算）均不吻合。
//! Why: one of the two was edited, or the logger counts minutes it should leave out.
//! Why-zh: 其中之一被改动，或数采仪计入了不应计入的分钟。
//! Fooled by: minutes that were lost on the way; an hour that had fewer valid minutes than was seen here.
//! Fooled-zh: 传输中丢失的分钟数据；本地参与统计的分钟与平台所见不同。
//! Parameter: hourmin.pct | % | 2.0 | 0.1..50 | difference of the two
//! Parameter: hourmin.least_pct_limit | % of limit | 1.0 | 0..20 | least difference that matters
//! Parameter: hourmin.hours | h | 2 | 1..24 | hours in a row
//! Order: arrival
//! Source: HJ 212-2017 D.2 (24); 2 % as in ZSDEV. Hours with less than 45 minutes here are not compared.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::Slot;
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Spell, size, tell};
use crate::rules::exceed_hour::Hour;
use crate::value::Minutes;

/// Oxygen of air in the formula, percent.
const AIR_O2: f64 = 21.0;

/// Compares an hour's two values, where there are two. Oldest hour first; what comes after a later one is left out.
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, spell: &mut Spell) {
    let settings = &ctx.settings.hourmin;
    let facts = &hour.facts;
    let device = facts.device.filter(|device| device.why == 0 && !device.to_correct);
    let (Some(device), Some(size)) = (device, size(hour.factor, hour.number * 60)) else {
        return;
    };
    let own = facts.scan.packets;
    if own.n < u32::from(facts.needed) || facts.marked.any() != 0 {
        return;
    }
    let (reported, mean) = (to_f64(device.value.millionths()), to_f64(own.mean()));
    let differs = |own: f64| {
        (reported - own).abs() > (settings.pct / 100.0 * own.abs()).max(settings.least_pct_limit / 100.0 * size)
    };
    let holds =
        differs(mean) && other_form(minutes, hour.number).is_none_or(differs) && of_cycles(minutes, hour).all(differs);
    let start = hour.number * 60;
    let lasts = Lasts {
        rise: u16::from(settings.hours) * 60,
        fall: u16::from(settings.hours) * 60,
    };
    let Some(turn) = spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(7);
    facts
        .number(FactKey::Reported, device.value.millionths())
        .number(FactKey::Recomputed, own.mean())
        .int(FactKey::ValidMinutes, i64::from(own.n));
    if mean.abs() > f64::EPSILON {
        facts.float(FactKey::DifferencePct, (reported - mean) / mean * 100.0);
    }
    let about = About {
        rule: RuleCode::HourMin,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// Means of the analyses of a cycling analyser, one value a cycle, wherever in the hour its cycles begin: a logger may
/// average those instead of the minutes. Nothing where the analyser measures all the time.
fn of_cycles(minutes: &Minutes<'_>, hour: &Hour<'_>) -> impl Iterator<Item = f64> {
    let (cycle, number) = (usize::from(hour.factor.cycle_min), hour.number);
    let store = minutes.own.filter(|_| cycle > 1);
    let beginnings = 0..store.map_or(0, |_| cycle);
    beginnings.filter_map(move |first| {
        let slots = (first..60)
            .step_by(cycle)
            .filter_map(|minute| Some(store?.slot(number, minute)));
        let (mut sum, mut n) = (0.0, 0.0);
        for slot in slots {
            if let Slot::Value { value, .. } = slot {
                (sum, n) = (sum + to_f64(value), n + 1.0);
            }
        }
        (n > 0.0).then(|| sum / n)
    })
}

/// The hour's means, then corrected: minutes are brought back to what was measured with their own oxygen.
fn other_form(minutes: &Minutes<'_>, hour: i64) -> Option<f64> {
    let (store, reference) = (minutes.own?, to_f64(minutes.reference_o2?));
    let (mut measured, mut oxygen, mut n) = (0.0, 0.0, 0.0);
    store.each(hour, 60, |minute, slot| {
        if let (Slot::Value { value, .. }, Some(o2)) = (slot, minutes.oxygen(hour, minute).map(to_f64)) {
            measured += to_f64(value) * (AIR_O2 - o2) / (AIR_O2 - reference);
            oxygen += o2;
            n += 1.0;
        }
    });
    let below_air = AIR_O2 - oxygen / n;
    (n > 0.0 && below_air > 0.0).then(|| measured / n * (AIR_O2 - reference) / below_air)
}
