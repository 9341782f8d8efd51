//! NEARMARK
//!
//! What: calibration, maintenance, a mark or silence that begins after the hour was said to be about to exceed. A
//! lead: `疑似预警后标记，待核查`.
//! What-zh: 小时内发出超标预警之后，随即开始校准、维护、标记或断传。线索：`疑似预警后标记，待核查`。
//! Why: what is not measured is not judged; whoever is warned early can also look away early.
//! Why-zh: 未测量的时段不参与判定；预警也可能被用来规避。
//! Fooled by: the daily automatic calibration, where an upset happens to come before it.
//! Fooled-zh: 每日自动校准恰在工况异常之后。
//! Parameter: near_mark.minutes | min | 10 | 3..50 | minutes without measurement, in a row, within the hour
//! Parameter: near_mark.clear_hours | h | 24 | 1..240 | hours without another that end it
//! Order: arrival
//! Source: project choice. The warning counts from 关注 on; minutes in which plume itself was not listening do not.

use plume_schemas::judgement::FactKey;
use plume_schemas::reading::Flag;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::minutes::{Slot, Why};
use crate::out::Facts;
use crate::quality::{About, Lasts, Spell, tell};
use crate::rules::exceed_hour::Hour;
use crate::value::Minutes;

/// Longest stretch without measurement after the warning.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    minutes: u8,
    reason: &'static str,
}

/// Looks at an hour that was warned of at minute `near_at` (since 1970).
pub(crate) fn look(ctx: &mut Ctx<'_>, hour: &Hour<'_>, minutes: &Minutes<'_>, near_at: i64, spell: &mut Spell) {
    let settings = &ctx.settings.near_mark;
    let start = hour.number * 60;
    let warned = near_at >= start && near_at < start + 60;
    if !warned && !spell.is_open() {
        return;
    }
    let gap = if warned {
        longest(hour, minutes, near_at - start)
    } else {
        Gap::default()
    };
    let own_fault = gap.reason == SILENCE && hour.facts.deaf > 0;
    let holds = gap.minutes >= settings.minutes && !own_fault;
    let lasts = Lasts {
        rise: 0,
        fall: settings.clear_hours.saturating_mul(60),
    };
    let Some(turn) = spell.look(holds, start, start + 60, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    if holds {
        let invalid = hour.facts.choose().is_err();
        facts
            .int(FactKey::Count, i64::from(gap.minutes))
            .text(FactKey::Reason, gap.reason)
            .float(FactKey::Score, if invalid { 1.0 } else { 0.5 });
    }
    let about = About {
        rule: RuleCode::NearMark,
        plan: hour.plan,
        factor: Some(hour.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

const SILENCE: &str = "silence";

fn longest(hour: &Hour<'_>, minutes: &Minutes<'_>, from: i64) -> Gap {
    let (mut best, mut run) = (Gap::default(), Gap::default());
    let from = usize::try_from(from).unwrap_or(0);
    for minute in from..60 {
        let slot = minutes
            .own
            .map_or(Slot::Missing, |store| store.slot(hour.number, minute));
        let marked = hour.facts.marked.any() >> minute & 1 == 1;
        let reason = match slot {
            Slot::Value { .. } if marked => hour.mark.map_or("marked", plume_schemas::entry::MarkKind::code),
            // A value beyond the range was measured, if badly.
            Slot::Value { .. }
            | Slot::Excluded {
                why: Why::Flag(Flag::OverRange),
                ..
            } => {
                run = Gap::default();
                continue;
            }
            Slot::Missing => SILENCE,
            Slot::Excluded {
                why: Why::Flag(flag), ..
            } => flag.code(),
            Slot::Excluded { .. } => "unreadable",
        };
        if run.minutes == 0 {
            run.reason = reason;
        }
        run.minutes += 1;
        if run.minutes > best.minutes {
            best = run;
        }
    }
    best
}
