//! RATIO
//!
//! What: a pollutant that for days rose and fell with the oxygen, or against it, now does the opposite, hour after
//! hour; the same of the share that NO2 has in NOx, where NO2 is registered. A lead: `疑似比值异常，待核查`.
//! What-zh: 数日以来与含氧量同向（或反向）变化的污染物，连续数小时转为相反；登记了二氧化氮的，其在氮氧化物中的占比亦同。线索：
//! `疑似比值异常，待核查`。
//! Why: fuel, air and dilution move both within a minute, in a way that belongs to the plant; a value that is made up
//! or swapped does not know what the oxygen does.
//! Why-zh: 燃料、配风与稀释同时影响二者，其关系由装置决定；人为编造或调换的数值不随含氧量变化。
//! Fooled by: another fuel, burner or way of controlling the denitrification; a leak that dilutes what did not vary.
//! Fooled-zh: 更换燃料、燃烧器或脱硝控制方式；原本平稳的烟气出现漏风稀释。
//! Parameter: ratio.correlation | - | 0.5 | 0.2..0.95 | least correlation with the oxygen, of the past and of late
//! Parameter: ratio.hours | h | 6 | 2..48 | hours that "of late" looks back
//! Parameter: ratio.history_hours | h | 72 | 24..720 | hours of the past before anything is said
//! Parameter: ratio.clear_hours | h | 6 | 1..240 | hours without that end it
//! Order: arrival
//! Source: correlation signs of NOx and SO2 with O2 that flip, a score and no alarm: public rule tables; numbers are
//! project choices. The correlation of an hour is Pearson's, of minutes as measured; an hour alone says little, so what
//! is compared are means of Fisher's z: an EWMA of late, and the past with a memory of thirty days, which stands still
//! meanwhile.

use plume_schemas::ids::FactorCode;
use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::Slot;
use crate::number::to_f64;
use crate::out::Facts;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, Spell, narrow, tell};
use crate::rules::exceed_hour::Hour;
use crate::state::persist;
use crate::value::Minutes;

/// Hours the past is remembered by.
const MEMORY_H: f64 = 720.0;
/// Minutes of both that an hour needs.
const LEAST: u32 = 45;
/// Oxygen of air, percent.
const AIR_PCT: f64 = 21.0;
/// NO2, and the NOx that it is a part of (HJ 212-2017 annex B).
const NO2: &str = "a21004";
const NOX: &str = "a21002";
/// Beyond this a correlation is as good as perfect, and its z stays finite.
const MOST: f64 = 0.999;

/// How a factor goes with the oxygen.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Ratio {
    pub(crate) spell: Spell,
    /// Means of Fisher's z: of the past, and of late.
    past: f32,
    late: f32,
    hours: u16,
}
persist!(Ratio {
    spell,
    past,
    late,
    hours,
});

/// Looks at an hour.
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, ratio: &mut Ratio) {
    let seen = correlation(minutes, hour.number, |_, value| Some(value));
    turn(ctx, hour, seen, (ratio, "sign_flips"));
}

/// True for the factor whose share in NOx is looked at, whether or not it has a limit.
pub(crate) fn is_share(factor: FactorCode) -> bool {
    factor.as_str() == NO2
}

/// Place of NOx among the factors of an outlet.
pub(crate) fn whole(plan: &OutletPlan) -> Option<usize> {
    plan.codes.iter().position(|code| code.as_str() == NOX)
}

/// Looks at an hour of the share that NO2 has in NOx, whose minutes are `whole`. Both are as measured: what air does to
/// the one it does to the other.
pub(crate) fn look_at_share(
    ctx: &mut Ctx<'_>,
    hour: &Hour<'_>,
    (minutes, whole): (&Minutes<'_>, &Minutes<'_>),
    ratio: &mut Ratio,
) {
    let share = |minute: usize, value: f64| {
        let nox = measured(whole, hour.number, minute)?;
        (nox > 0.0).then(|| value / nox)
    };
    let seen = correlation(minutes, hour.number, share);
    turn(ctx, hour, seen, (ratio, "share_flips"));
}

/// What an hour's correlation makes of the past.
fn turn(ctx: &mut Ctx<'_>, hour: &Hour<'_>, seen: Option<f64>, (ratio, reason): (&mut Ratio, &str)) {
    let settings = &ctx.settings.ratio;
    let Some(seen) = seen else { return };
    let late = f64::from(ratio.late);
    let late = late + (seen.atanh() - late) * 2.0 / (f64::from(settings.hours) + 1.0);
    ratio.late = narrow(late);
    let (past, now) = (f64::from(ratio.past).tanh(), late.tanh());
    let known = ratio.hours >= settings.history_hours && past.abs() >= settings.correlation;
    let holds = known && now.abs() >= settings.correlation && now * past < 0.0;
    if !holds {
        ratio.hours = ratio.hours.saturating_add(1);
        let mean = f64::from(ratio.past);
        ratio.past = narrow(mean + (seen.atanh() - mean) / f64::from(ratio.hours).min(MEMORY_H));
    }
    let start = hour.number * 60;
    let lasts = Lasts {
        rise: 0,
        fall: u16::from(settings.clear_hours) * 60,
    };
    let Some(turn) = ratio.spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .float(FactKey::Statistic, now)
        .float(FactKey::Usual, past)
        .float(FactKey::Score, ((now - past).abs() / 2.0).clamp(0.0, 1.0))
        .text(FactKey::Reason, reason);
    let about = About {
        rule: RuleCode::Ratio,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// What was measured in a minute: what is stored corrected moves with the oxygen by its formula.
fn measured(minutes: &Minutes<'_>, hour: i64, minute: usize) -> Option<f64> {
    let Slot::Value { value, judged, .. } = minutes.own?.slot(hour, minute) else {
        return None;
    };
    match minutes.reference_o2.map(to_f64) {
        Some(reference) if judged => {
            let oxygen = minutes.oxygen(hour, minute).map(to_f64)?;
            Some(to_f64(value) * (AIR_PCT - oxygen) / (AIR_PCT - reference))
        }
        _ => Some(to_f64(value)),
    }
}

/// Pearson's correlation of what `of` makes of the measured minutes of an hour with their oxygen; none where there are
/// too few, or one of the two does not move.
fn correlation(minutes: &Minutes<'_>, hour: i64, of: impl Fn(usize, f64) -> Option<f64>) -> Option<f64> {
    let own = minutes.own?;
    let (mut n, mut mean, mut square, mut product) = (0_u32, [0.0; 2], [0.0; 2], 0.0);
    own.each(hour, 60, |minute, slot| {
        let Slot::Value { .. } = slot else { return };
        let oxygen = minutes.oxygen(hour, minute).map(to_f64);
        let value = measured(minutes, hour, minute).and_then(|value| of(minute, value));
        let (Some(value), Some(oxygen)) = (value, oxygen.filter(|&oxygen| oxygen < AIR_PCT)) else {
            return;
        };
        let pair = [value, oxygen];
        n += 1;
        let before = [pair[0] - mean[0], pair[1] - mean[1]];
        for side in 0..2 {
            mean[side] += before[side] / f64::from(n);
            square[side] += before[side] * (pair[side] - mean[side]);
        }
        product += before[0] * (pair[1] - mean[1]);
    });
    let size = (square[0] * square[1]).sqrt();
    (n >= LEAST && size > 0.0).then(|| (product / size).clamp(-MOST, MOST))
}
