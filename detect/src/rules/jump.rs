//! JUMP
//!
//! What: a value that leaves the level of the last hour within one minute, by far more than its noise (Hampel's test:
//! distance from the median in units of the median absolute deviation); where the new level stands to the old one as
//! one unit to another, that is said.
//! What-zh: 数值在一分钟内跳离最近一小时的水平，且远超自身波动（Hampel 检验：与中位数之差以绝对中位差计）；
//! 若前后之比恰为单位换算系数，则予以注明。
//! Why: gas is mixed on its way through the duct, analysers answer within a minute or two; what is there all at once is
//! rather electronics, a valve, a gas bottle or a changed unit.
//! Why-zh: 烟气在烟道中混合，分析仪响应需一两分钟；瞬间到位的变化多为电路、阀门、标气或单位设置所致。
//! Fooled by: a true rise that is faster than the analyser; oxygen that jumps, because corrected values follow it;
//! packets of many minutes. Clean stacks, zeros and the end of the range are left to other rules.
//! Fooled-zh: 快于仪表响应的真实变化；含氧量突变带动折算值；间隔较长的分钟数据。洁净烟气、零值与满量程由其他规则判定。
//! Parameter: jump.deviations | robust sd | 6.0 | 3..20 | how far from the median
//! Parameter: jump.pct_limit | % of limit | 20.0 | 1..100 | least distance that matters
//! Parameter: jump.step_share | share | 0.8 | 0..1 | share of the distance that one minute must have covered
//! Parameter: jump.renew_minutes | min | 15 | 5..60 | how often the level of the last hour is taken anew
//! Parameter: jump.unit_pct | % | 1.0 | 0.1..10 | how near the ratio of two hours' medians must be to a conversion of
//! units
//! Parameter: jump.unit_hours | h | 24 | 1..168 | how long a suspected unit slip stays open at its new level
//! Order: arrival
//! Source: Hampel 1974, six robust standard deviations, three minutes of five; public rule tables have 10 % of the
//! limit, which true upsets pass too often (`plume score --quality`); conversions of HJ 212-2017 D.2 (20)(21).

use plume_schemas::ids::FactorCode;
use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::MINUTE_MS;

use crate::config::JumpSettings;
use crate::engine::Ctx;
use crate::minutes::{MinuteStore, Slot};
use crate::number::to_f64;
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, tell};
use crate::state::persist;

/// Standard deviation of normal noise whose median absolute deviation is one.
const MAD_TO_SD: f64 = 1.4826;
/// Minutes of the level, an hour, and how many of them must have a value.
const LEVEL_MIN: i64 = 60;
const LEAST_VALUES: usize = 30;
/// Of the last five values so many must be far away.
const RECENT: u8 = 0b1_1111;
const FAR_OF_RECENT: u32 = 3;
/// A level below this share of the limit is that of a clean or stopped stack, a value below this one that of a zero.
const CLEAN_SHARE: f64 = 0.05;
const ZERO_SHARE: f64 = 0.02;
/// Ratios of units that get mixed up: of any factor, of SO₂, of nitrogen oxides (NO₂, NO, and one for the other) and of
/// CO, ppm for mg/m³ by M/22.4.
const SLIPS: [(&str, f64, &str); 6] = [
    ("", 1_000.0, "×1000"),
    ("a21026", 2.860_1, "SO2 ppm:mg/m3"),
    ("a2100", 2.053_8, "NO2 ppm:mg/m3"),
    ("a2100", 1.339_6, "NO ppm:mg/m3"),
    ("a2100", 1.533_2, "NO:NO2"),
    ("a21005", 1.250_5, "CO ppm:mg/m3"),
];

/// The level of the last hour and what came since.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Jump {
    pub(crate) spell: Spell,
    /// Median and robust standard deviation, units of the factor, and when they were taken; 0 for never.
    median: f32,
    sd: f32,
    taken: u32,
    previous: f32,
    /// Which of the last five values were far away, newest lowest.
    far: u8,
    /// One of them came all at once.
    at_once: bool,
    /// Its new level is the old one in another unit.
    slip: bool,
}
persist!(Jump {
    spell,
    median,
    sd,
    taken,
    previous,
    far,
    at_once,
    slip
});

impl Jump {
    /// Something of its cache line.
    pub(crate) fn touch(&self) -> u64 {
        u64::from(self.taken)
    }

    /// Takes the level of the last hour anew where it is due. `Some` where the level that an open case jumped to turns
    /// out to be the old one in another unit.
    fn renew(&mut self, seen: &Seen<'_>, settings: &JumpSettings) -> Option<&'static str> {
        let start = seen.given.start;
        let open_min = start - self.spell.first().0.div_euclid(MINUTE_MS);
        let due = match (self.spell.is_open(), self.slip) {
            (true, false) => open_min >= LEVEL_MIN,
            (true, true) => open_min >= i64::from(settings.unit_hours) * 60,
            (false, _) if self.far == 0 => start - i64::from(self.taken) >= i64::from(settings.renew_minutes),
            // It has risen slowly: that is its level now.
            (false, _) => start - i64::from(self.taken) >= LEVEL_MIN,
        };
        if !due {
            return None;
        }
        let Some((median, sd)) = seen.store.and_then(|store| level(store, start)) else {
            if start - i64::from(self.taken) > LEVEL_MIN {
                self.taken = 0;
            }
            return None;
        };
        let open_as_jump = self.spell.is_open() && !self.slip;
        let slip =
            slip_of(seen.factor.code, median, f64::from(self.median), settings.unit_pct).filter(|_| open_as_jump);
        if slip.is_some() {
            self.slip = true;
            return slip;
        }
        (self.median, self.sd, self.taken) = (narrow(median), narrow(sd), u32::try_from(start).unwrap_or(0));
        None
    }
}

/// Seven digits are plenty for a level.
#[expect(clippy::cast_possible_truncation, reason = "a level to compare with, not a result")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// Median and robust standard deviation of the hour before `minute`.
fn level(store: &MinuteStore, minute: i64) -> Option<(f64, f64)> {
    let mut values = [0_i64; 60];
    let mut n = 0;
    let (hour, first) = (
        minute.div_euclid(60),
        usize::try_from(minute.rem_euclid(60)).unwrap_or(0),
    );
    let mut take = |wanted: bool, slot: Slot| {
        if let (true, Slot::Value { value, .. }, Some(to)) = (wanted, slot, values.get_mut(n)) {
            *to = value;
            n += 1;
        }
    };
    store.each(hour - 1, 60, |minute, slot| take(minute >= first, slot));
    store.each(hour, u8::try_from(first).unwrap_or(60), |_, slot| take(true, slot));
    let values = values.get_mut(..n).filter(|_| n >= LEAST_VALUES)?;
    let middle = *values.select_nth_unstable(n / 2).1;
    for value in values.iter_mut() {
        *value = (*value - middle).abs();
    }
    let spread = *values.select_nth_unstable(n / 2).1;
    Some((to_f64(middle), to_f64(spread) * MAD_TO_SD))
}

/// The unit slip that a ratio of two levels of a factor looks like.
fn slip_of(factor: FactorCode, level: f64, before: f64, within_pct: f64) -> Option<&'static str> {
    let near = |ratio: f64, slip: f64| (ratio / slip - 1.0).abs() * 100.0 <= within_pct;
    let found = SLIPS
        .iter()
        .filter(|(of, ..)| factor.as_str().starts_with(of))
        .find(|&&(_, slip, _)| near(level / before, slip) || near(before / level, slip));
    found.filter(|_| level > 0.0 && before > 0.0).map(|&(.., name)| name)
}

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, jump: &mut Jump) {
    let settings = &ctx.settings.jump;
    let given = &seen.given;
    let Some(value) = given.judged.map(to_f64) else { return };
    // Within a cycle of its analyser a value is repeated, not measured again: it counts once.
    let cycle = i64::from(seen.factor.cycle_min);
    if cycle > 1 && given.start.div_euclid(cycle) <= (jump.spell.looked_to() - 1).div_euclid(cycle) {
        return;
    }
    let before = jump.median;
    if let Some(name) = jump.renew(seen, settings) {
        let turn = jump.spell.worsen();
        let mut facts = facts(value, f64::from(before), "unit_slip");
        facts.text(FactKey::Formula, name);
        return tell(ctx, about(seen, Severity::Attention), turn, facts);
    }
    let (median, sd) = (f64::from(jump.median), f64::from(jump.sd));
    let distance = (value - median).abs();
    // A clean stack that starts, one that stops, and the end of the range have rules of their own.
    let apart = median > CLEAN_SHARE * seen.size
        && value > ZERO_SHARE * seen.size
        && seen.factor.range.is_none_or(|(_, high)| value < to_f64(high));
    let bar = (settings.pct_limit / 100.0 * seen.size).max(settings.deviations * sd);
    let far = jump.taken != 0 && apart && distance > bar;
    if far {
        jump.at_once |= (value - f64::from(jump.previous)).abs() >= settings.step_share * distance;
    }
    jump.far = (jump.far << 1 | u8::from(far)) & RECENT;
    if jump.far == 0 {
        jump.at_once = false;
    }
    jump.previous = narrow(value);
    let holds = jump.at_once && jump.far.count_ones() >= FAR_OF_RECENT && !seen.excused();
    let lasts = Lasts { rise: 0, fall: 0 };
    let Some(turn) = jump.spell.look(holds, given.start, given.end, lasts) else {
        return;
    };
    jump.slip = false;
    let mut facts = facts(value, median, if holds { "jump" } else { "level_again" });
    if sd > 0.0 {
        facts.float(FactKey::Score, distance / sd);
    }
    tell(ctx, about(seen, Severity::Notice), turn, facts);
}

fn facts(value: f64, median: f64, reason: &str) -> Facts {
    let mut facts = Facts::with_capacity(7);
    facts
        .float(FactKey::Value, value)
        .float(FactKey::Mean, median)
        .text(FactKey::Reason, reason);
    facts
}

fn about<'a>(seen: &Seen<'a>, severity: Severity) -> About<'a> {
    About {
        rule: RuleCode::Jump,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity,
    }
}
