//! CALGAP
//!
//! What: hours that exceed are followed by calibration or maintenance again and again. A lead:
//! `疑似以校准规避，待核查`.
//! What-zh: 超标小时之后屡次紧接校准或维护。线索：`疑似以校准规避，待核查`。
//! Why: minutes of a calibration are not judged; once is care, three times in a month is a habit.
//! Why-zh: 校准时段不参与判定；偶尔一次属正常，一月内多次则值得核查。
//! Fooled by: a technician who calibrates because the value looked wrong, and was right.
//! Fooled-zh: 运维人员因数值异常而校准，且校准属实。
//! Parameter: calgap.minutes | min | 15 | 5..60 | minutes of calibration or maintenance in the hour after
//! Parameter: calgap.times | times | 3 | 2..3 | how often
//! Parameter: calgap.days | d | 30 | 1..90 | within so many days
//! Parameter: calgap.clear_hours | h | 168 | 1..1000 | hours without another that end it
//! Order: arrival
//! Source: three in thirty days: public enforcement guides.

use plume_schemas::judgement::{FactKey, Verdict};
use plume_schemas::reading::Flag;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::{Slot, Why};
use crate::out::{Facts, verdict_of};
use crate::quality::{About, Lasts, Spell, tell};
use crate::ring::HourRing;
use crate::rules::exceed_hour::Hour;
use crate::state::persist;
use crate::value::Minutes;

/// Hours in which it happened last, newest first; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Followed {
    pub(crate) spell: Spell,
    hours: [u32; 3],
}
persist!(Followed { spell, hours });

impl Followed {
    /// Hours from the first of the last `times` to the last; very many where there were fewer.
    fn span_h(&self, times: u8) -> i64 {
        let first = self.hours[usize::from(times.clamp(2, 3)) - 1];
        if first == 0 {
            i64::MAX
        } else {
            i64::from(self.hours[0]) - i64::from(first)
        }
    }
}

/// Looks at an hour, beside what was said of the one before.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    hour: &Hour<'_>,
    minutes: &Minutes<'_>,
    said: &HourRing,
    followed: &mut Followed,
) {
    let settings = &ctx.settings.calgap;
    let exceeded = matches!(
        verdict_of(said.said(hour.number - 1).verdict),
        Some(Verdict::Breach(Severity::Exceeded))
    );
    let mut holds = false;
    if exceeded && calibrated(hour, minutes) >= u32::from(settings.minutes) {
        followed.hours.rotate_right(1);
        followed.hours[0] = u32::try_from(hour.number).unwrap_or(0);
        holds = followed.span_h(settings.times) <= i64::from(settings.days) * 24;
    } else if !followed.spell.is_open() {
        return;
    }
    let start = hour.number * 60;
    let lasts = Lasts {
        rise: 0,
        fall: settings.clear_hours.saturating_mul(60),
    };
    let Some(turn) = followed.spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .int(FactKey::Count, i64::from(settings.times))
        .int(FactKey::Days, followed.span_h(settings.times).div_euclid(24))
        .float(FactKey::Score, 1.0)
        .text(FactKey::Reason, "calibration_after_exceedance");
    let about = About {
        rule: RuleCode::CalGap,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// Minutes of the hour in calibration or maintenance, by flag or mark.
fn calibrated(hour: &Hour<'_>, minutes: &Minutes<'_>) -> u32 {
    let marked = hour.facts.marked.other.count_ones();
    let mut flagged = 0;
    if let Some(store) = minutes.own {
        store.each(hour.number, 60, |_, slot| {
            let why = match slot {
                Slot::Excluded { why, .. } => Some(why),
                Slot::Missing | Slot::Value { .. } => None,
            };
            flagged += u32::from(matches!(why, Some(Why::Flag(Flag::Calibration | Flag::Maintenance))));
        });
    }
    marked.max(flagged)
}
