//! TWIN
//!
//! What: two outlets whose minutes of one factor are the same values, though the registry knows of no gas and no device
//! that they share. A lead: `疑似数据雷同，待核查`.
//! What-zh: 两个排放口同一因子的分钟值逐分钟相同，而登记信息中二者并无共用的排气筒或设备。线索：`疑似数据雷同，待核查`。
//! Why: two instruments never agree to the last digit for an hour; equal series are one series sent twice.
//! Why-zh: 两台仪表不可能连续一小时到末位数字都一致；相同的序列就是同一序列上报两次。
//! Fooled by: a shared chimney that is not registered as one; copies that are scaled, delayed or noised; a copy of the
//! measured values beside corrected ones of its own.
//! Fooled-zh: 共用排气筒未登记；复制后缩放、延时或加噪；只复制实测值而折算值各自计算。
//! Parameter: twin.minutes | min | 60 | 30..360 | minutes of equal values
//! Parameter: twin.odds | -log10 | 12.0 | 6..40 | how unlikely it must be by chance (negative decimal logarithm of the
//! probability), from how often each value occurs and how often the two are equal elsewhere in the window: constants
//! and readings of few digits never come so far
//! Parameter: twin.clear_hours | h | 24 | 6..720 | hours without that end it
//! Order: arrival
//! Source: two outlets equal minute by minute for an hour: public rule tables. One minute in six is compared, in
//! windows of six hours; the judge of each outlet says a fingerprint of it, and the desk pairs them (D18).

use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::engine::Ctx;
use crate::marks::Marks;
use crate::minutes::Slot;
use crate::out::{Facts, Say, Subject};
use crate::quality::excused;
use crate::rules::exceed_hour::Hour;
use crate::value::Minutes;

/// Hours of one fingerprint: short enough for a lead within the day, long enough for few of them.
pub(crate) const WINDOW_H: i64 = 6;
/// Windows begin at 00:00, 06:00, … in Beijing.
pub(crate) const ZONE_H: i64 = 8;
/// One minute in so many is compared: copies are found in a sixth of the room.
pub(crate) const EVERY_MIN: i64 = 6;
/// Minutes compared in a window, each one character of a fact.
pub(crate) const SAMPLES: usize = 60;
const _: () = assert!(WINDOW_H * 60 == EVERY_MIN * 60 && SAMPLES == 60);
/// Stands for a minute without a value.
pub(crate) const NOTHING: u8 = b'.';
/// Six bits each.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Says the fingerprint of the window that an hour ends, where enough of it moved.
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, marks: &Marks) {
    let end = hour.number + 1;
    let Some(store) = minutes.own.filter(|_| (end + ZONE_H).rem_euclid(WINDOW_H) == 0) else {
        return;
    };
    let first = (end - WINDOW_H) * 60;
    let mut values = [None; SAMPLES];
    for (value, minute) in values
        .iter_mut()
        .zip((first..).step_by(usize::try_from(EVERY_MIN).unwrap_or(1)))
    {
        let of_hour = usize::try_from(minute.rem_euclid(60)).unwrap_or(0);
        // Zero is what stopped and empty stacks have in common.
        if let Slot::Value { value: found, .. } = store.slot(minute.div_euclid(60), of_hour)
            && found > 0
            && !excused(hour.plan, marks, hour.factor.code, minute)
        {
            *value = Some(found);
        }
    }
    let least = i64::from(ctx.settings.twin.minutes) / EVERY_MIN;
    if i64::from(moves(&values)) < least {
        return;
    }
    let window = Span {
        start: Time((end - WINDOW_H) * HOUR_MS),
        end: Time(end * HOUR_MS),
    };
    let subject = Subject {
        rule: RuleCode::Twin,
        outlet: hour.plan.id,
        factor: Some(hour.factor.code),
        window,
    };
    let mut facts = Facts::with_capacity(3);
    facts
        .text(FactKey::Print, &text(values.map(|value| value.map_or(NOTHING, letter))))
        .text(FactKey::Shape, &text(levels(&values)))
        .text(FactKey::Name, hour.plan.origin(hour.factor.code, window.start).as_str());
    let say = Say {
        pane: Pane::OnTime,
        verdict: Verdict::Fine,
        previous: None,
        late: ctx.is_late(window.end),
        evidence: facts.0,
    };
    ctx.emit.say(subject, say);
}

/// How often the value is another than the one before it.
fn moves(values: &[Option<i64>; SAMPLES]) -> u32 {
    let mut known = values.iter().flatten();
    let Some(mut last) = known.next() else { return 0 };
    let mut moves = 0;
    for value in known {
        moves += u32::from(value != last);
        last = value;
    }
    moves
}

/// The character of a value: equal values have equal ones, others mostly not.
fn letter(value: i64) -> u8 {
    // The mixing of splitmix64 (Steele, Lea, Flood 2014): neighbouring values fall far apart.
    let mut bits = value.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    LETTERS[usize::try_from((bits ^ bits >> 31) >> 58).unwrap_or(0)]
}

/// Each value's place between the least and the largest, in 64 steps.
fn levels(values: &[Option<i64>; SAMPLES]) -> [u8; SAMPLES] {
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let width = i128::from(high) - i128::from(low);
    values.map(|value| {
        let Some(value) = value else { return NOTHING };
        let step = (i128::from(value) - i128::from(low)) * 63 / width.max(1);
        LETTERS[usize::try_from(step).unwrap_or(0).min(63)]
    })
}

/// The step of a level's character.
pub(crate) fn level(letter: u8) -> Option<f64> {
    let step = LETTERS.iter().position(|&known| known == letter)?;
    Some(step as f64)
}

fn text(letters: [u8; SAMPLES]) -> String {
    letters.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_values_have_different_letters() {
        let values = (0..2_000_i64).map(|n| 20_000_000 + n * 10_000);
        let same = values
            .clone()
            .filter(|&value| letter(value) == letter(value + 10_000))
            .count();
        assert!((10..70).contains(&same), "about one in 64 of 2000: {same}");
        let mut counts = std::collections::BTreeMap::new();
        values.for_each(|value| *counts.entry(letter(value)).or_insert(0) += 1);
        assert_eq!(counts.len(), 64);
    }

    #[test]
    fn levels_stand_between_the_least_and_the_largest() {
        let mut values = [None; SAMPLES];
        values[0] = Some(10);
        values[7] = Some(73);
        values[8] = Some(41);
        let levels = levels(&values);
        assert_eq!(level(levels[0]), Some(0.0));
        assert_eq!(level(levels[7]), Some(63.0));
        assert_eq!(level(levels[8]), Some(31.0));
        assert_eq!((levels[1], level(NOTHING)), (NOTHING, None));
        assert_eq!(moves(&values), 2);
        assert_eq!(moves(&[Some(5); SAMPLES]), 0, "a value that stands still is CONST's");
    }
}
