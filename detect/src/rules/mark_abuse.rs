//! MARKABUSE
//!
//! What: hours marked or filed as stopped in which the stack looks like running: oxygen of combustion and pollutants
//! clearly there. A lead: `疑似不实标记，待核查`.
//! What-zh: 标记或报备为停运的小时内，含氧量与污染物浓度表明仍在运行。线索：`疑似不实标记，待核查`。
//! Why: marked hours are not judged; false marks count as falsified data.
//! Why-zh: 标记时段不参与判定；不实标记按数据造假论处。
//! Fooled by: a shared stack that is not registered as one, whose other unit runs; residual heat and fans in the first
//! hours of a stop.
//! Fooled-zh: 未登记为共用的烟囱中另一台机组在运行；停运初期的余热与风机吹扫。
//! Parameter: mark_abuse.hours | h | 2 | 1..24 | such hours in a row
//! Parameter: mark_abuse.oxygen_pct | % | 17.0 | 10..20 | oxygen below this is combustion
//! Parameter: mark_abuse.pct_limit | % of limit | 20.0 | 1..100 | mean of a pollutant above this share of its limit
//! Parameter: mark_abuse.minutes | min | 45 | 5..60 | minutes of the hour that must show it
//! Parameter: mark_abuse.clear_hours | h | 24 | 1..240 | marked hours without that end it
//! Order: arrival
//! Source: announcement 2022 No. 21 of the ministry makes the discharger answer for marks; signs by public enforcement
//! guides; numbers are project choices. Looked at when an hour ends, and for the past when a mark comes.

use plume_schemas::judgement::FactKey;
use plume_schemas::rule::{RuleCode, Severity};

use crate::config::MarkAbuseSettings;
use crate::engine::Ctx;
use crate::minutes::{MinuteStore, Slot};
use crate::number::to_f64;
use crate::out::Facts;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, size, tell};
use crate::rules::exceed::Period;

/// What an hour shows though it is marked.
#[derive(Clone, Copy, Debug)]
struct Signs {
    oxygen: f64,
    /// Largest mean, as a share of its limit.
    share: f64,
}

/// Looks at an hour, where it is marked or filed as stopped.
pub(crate) fn look(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, hour: i64) {
    let settings = &ctx.settings.mark_abuse;
    let Some(place) = plan.oxygen else { return };
    let marked = outlet.marks.of_hour(plan.factors[place].code, hour);
    let minutes = (marked.stopped | marked.stop_work).count_ones();
    if minutes < u32::from(settings.minutes) && !plan.stopped_over(Period::Hour.span(hour)) {
        return;
    }
    // In a chimney that others share it is their gas.
    let own = plan.shared_stack.is_empty();
    let signs = signs(outlet, plan, settings, hour).filter(|_| own);
    let start = hour * 60;
    let lasts = Lasts {
        rise: u16::from(settings.hours) * 60,
        fall: u16::from(settings.clear_hours) * 60,
    };
    let Some(turn) = outlet
        .quality
        .mark_abuse
        .look(signs.is_some(), start, start + 60, lasts)
    else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    if let Some(signs) = signs {
        facts
            .float(FactKey::OxygenMean, signs.oxygen)
            .float(FactKey::Value, signs.share)
            .float(FactKey::Score, signs.share.clamp(0.0, 1.0));
    }
    facts.text(FactKey::Reason, "runs_while_marked_stopped");
    let about = About {
        rule: RuleCode::MarkAbuse,
        plan,
        factor: None,
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

fn signs(outlet: &Outlet, plan: &OutletPlan, settings: &MarkAbuseSettings, hour: i64) -> Option<Signs> {
    let least = u32::from(settings.minutes);
    let mean = |place: usize| mean(outlet.factors.get(place)?.minutes.as_ref()?, hour, least);
    let oxygen = mean(plan.oxygen?).filter(|&oxygen| oxygen < settings.oxygen_pct)?;
    let shares = plan.factors.iter().enumerate().filter_map(|(place, factor)| {
        let size = size(factor, hour * 60)?;
        Some(mean(place)? / size)
    });
    let share = shares.fold(0.0, f64::max);
    (share * 100.0 > settings.pct_limit).then_some(Signs { oxygen, share })
}

/// Mean of the values of an hour, where there are enough.
fn mean(store: &MinuteStore, hour: i64, least: u32) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0);
    store.each(hour, 60, |_, slot| {
        if let Slot::Value { value, .. } = slot {
            (sum, n) = (sum + to_f64(value), n + 1);
        }
    });
    (n >= least).then(|| sum / f64::from(n))
}
