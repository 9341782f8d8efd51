//! ZSDEV
//!
//! What: corrected values of the device that are not its measured values corrected to the reference oxygen, minute by
//! minute, for most of an hour.
//! What-zh: 一小时内多数分钟的上报折算值与按基准含氧量复算的结果不符。
//! Why: a wrong reference oxygen, a wrong formula or an edited value decides whether the hour exceeds.
//! Why-zh: 基准含氧量、公式设置错误或数值被改动，都会影响是否超标的结论。
//! Fooled by: loggers that correct the samples instead of their mean while the oxygen swings within the minute; oxygen
//! near 21 %, which is left out.
//! Fooled-zh: 分钟内含氧量剧烈波动且逐样折算的数采仪；含氧量接近 21% 的分钟不参与比较。
//! Parameter: zsdev.pct | % | 2.0 | 0.1..50 | difference of one minute
//! Parameter: zsdev.least_pct_limit | % of limit | 1.0 | 0..20 | least difference that matters
//! Parameter: zsdev.minutes | min | 30 | 5..60 | minutes of the hour that must have been compared
//! Parameter: zsdev.share | share | 0.5 | 0.1..1 | share of them that must differ
//! Parameter: zsdev.most_oxygen_pct | % | 19.0 | 15..20.9 | minutes with more oxygen are left out
//! Order: arrival
//! Source: HJ 212-2017 D.2 (28); 2 % is a rule of public code, not of law.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::number::{corrected, from_f64, to_f64};
use crate::out::Facts;
use crate::quality::{About, Lasts, Seen, Spell, tell};
use crate::state::persist;

/// Minutes of one hour that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Tally {
    pub(crate) spell: Spell,
    hour: u32,
    compared: u16,
    differ: u16,
    /// The last pair that differed: reported and recomputed, units of the factor.
    reported: f32,
    recomputed: f32,
}
persist!(Tally {
    spell,
    hour,
    compared,
    differ,
    reported,
    recomputed
});

/// Looks at a new pair of values; an hour is over when the first pair of the next one comes.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, oxygen: (f64, i64), tally: &mut Tally) {
    let settings = &ctx.settings.zsdev;
    let given = &seen.given;
    let hour = u32::try_from(given.start.div_euclid(60)).unwrap_or(0);
    if hour > tally.hour {
        finish(ctx, seen, tally);
        *tally = Tally {
            spell: tally.spell,
            hour,
            ..Tally::default()
        };
    }
    let (oxygen, at) = oxygen;
    if !given.pair || at != given.start || oxygen > settings.most_oxygen_pct || hour < tally.hour {
        return;
    }
    let (Some(measured), Some(reported), Some(reference)) = (given.measured, given.judged, seen.factor.reference_o2)
    else {
        return;
    };
    let Some(own) = from_f64(oxygen).and_then(|oxygen| corrected(measured, oxygen, reference)) else {
        return;
    };
    let minutes = u16::try_from(given.end - given.start).unwrap_or(1);
    let difference = to_f64((reported - own).abs());
    tally.compared += minutes;
    let matters = settings.least_pct_limit / 100.0 * seen.size;
    if difference > matters.max(settings.pct / 100.0 * to_f64(own).abs()) {
        tally.differ += minutes;
        (tally.reported, tally.recomputed) = (narrow(reported), narrow(own));
    }
}

fn finish(ctx: &mut Ctx<'_>, seen: &Seen<'_>, tally: &mut Tally) {
    let settings = &ctx.settings.zsdev;
    if tally.compared < settings.minutes {
        return;
    }
    let holds = f64::from(tally.differ) >= settings.share * f64::from(tally.compared) && !seen.excused();
    let start = i64::from(tally.hour) * 60;
    let Some(turn) = tally.spell.look(holds, start, start + 60, Lasts { rise: 0, fall: 60 }) else {
        return;
    };
    let mut facts = Facts::with_capacity(8);
    facts
        .int(FactKey::Count, i64::from(tally.differ))
        .int(FactKey::Of, i64::from(tally.compared));
    if holds {
        let (reported, own) = (f64::from(tally.reported), f64::from(tally.recomputed));
        facts
            .float(FactKey::Reported, reported)
            .float(FactKey::Recomputed, own)
            .text(FactKey::Formula, "C×(21−O2s)/(21−O2); HJ 212-2017 D.2(28)");
        if own.abs() > 0.0 {
            facts.float(FactKey::DifferencePct, (reported - own) / own * 100.0);
        }
    }
    let about = About {
        rule: RuleCode::ZsDev,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// Seven digits are plenty for an example.
#[expect(clippy::cast_possible_truncation, reason = "shown to a person, not computed with")]
fn narrow(millionths: i64) -> f32 {
    to_f64(millionths) as f32
}
