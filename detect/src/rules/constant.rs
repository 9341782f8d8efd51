//! CONST
//!
//! What: a measured value that does not move: equal minute after minute, or, well above zero, within a very narrow
//! range for hours.
//! What-zh: 实测值长时间不变：连续多分钟数值完全相同，或在明显高于零的水平上数小时内波动极小。
//! Why: gas is never that still; a stuck analyser, a blocked probe or a frozen logger is, and then nothing else it
//! says is worth much.
//! Why-zh: 烟气不会如此平稳；多为分析仪卡死、探头堵塞或数采仪死机，其数据已不可信。
//! Fooled by: a clean stack whose instrument rounds to its last digit; hold values during calibration that carry no
//! flag.
//! Fooled-zh: 洁净烟气因仪表位数不足而数值相同；校准期间保持值未加标记。
//! Parameter: constant.equal_minutes | min | 60 | 10..1440 | minutes of one and the same value
//! Parameter: constant.min_packets | packets | 6 | 2..60 | fewest packets among them
//! Parameter: constant.range_minutes | min | 240 | 30..1440 | minutes within a narrow range
//! Parameter: constant.range_pct_fs | % of range | 1.0 | 0..10 | how narrow; 0 switches this part off
//! Parameter: constant.range_floor_pct_fs | % of range | 20.0 | 0..100 | below it a narrow range is normal
//! Parameter: constant.flow_moves_pct | % | 3.0 | 0..50 | least swing of the gas flow meanwhile, where one is known,
//! for
//! the narrow range to be wrong; 0 asks for none
//! Parameter: constant.clear_minutes | min | 10 | 1..120 | minutes of movement that end it
//! Parameter: constant.exempt | factor codes | [] | - | factors whose value may stand still
//! Order: arrival
//! Source: range of 1 % by public code; the rest is a project choice. Zero is left to ZERO; flagged minutes are not
//! looked at, nor those of a stack that holds air or whose gas stands. Of a cycling analyser as many analyses must be
//! equal as packets elsewhere.

use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{MINUTE_MS, Span, Time};

use crate::config::ConstantSettings;
use crate::engine::Ctx;
use crate::hold::{HoldTimes, Look};
use crate::number::to_f64;
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, OutletPlan};
use crate::series::Series;
use crate::state::persist;

/// How long a value has not moved.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Run {
    /// End of the last value, minutes since 1970; 0 while there is none.
    end: i64,
    /// The value, millionths, and since when it has been the same.
    value: i64,
    since: i64,
    packets: u16,
    /// Lowest and highest value, and since when all were within a narrow range.
    low: i64,
    high: i64,
    range_since: i64,
    /// Gas flow when the value came to rest.
    flow: Option<f64>,
    /// Least and largest gas flow since `range_since`; 0 where none is known.
    flow_low: f32,
    flow_high: f32,
}
persist!(Run {
    end,
    value,
    since,
    packets,
    low,
    high,
    range_since,
    flow,
    flow_low,
    flow_high
});

/// Seven digits are plenty for a swing.
#[expect(clippy::cast_possible_truncation, reason = "to compare with, not a result")]
fn narrow(flow: f64) -> f32 {
    flow as f32
}

/// One new value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Measured value, millionths; `None` where it does not count.
    pub(crate) value: Option<i64>,
    /// First minute it covers, since 1970.
    pub(crate) start: i64,
    /// Minute after the last it covers.
    pub(crate) end: i64,
    /// Gas flow now.
    pub(crate) flow: Option<f64>,
    /// No sign says that nothing runs.
    pub(crate) runs: bool,
}

/// Why a value counts as standing still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Still {
    Equal,
    Narrow,
}

impl Run {
    /// Something of each cache line.
    pub(crate) fn touch(&self) -> u64 {
        self.end.unsigned_abs() ^ u64::from(self.flow_high.to_bits())
    }

    fn restart(&mut self, value: i64, seen: &Seen) {
        (self.value, self.since, self.packets, self.flow) = (value, seen.start, 0, seen.flow);
    }

    fn begin_range(&mut self, value: i64, seen: &Seen) {
        (self.low, self.high, self.range_since) = (value, value, seen.start);
        let flow = seen.flow.map_or(0.0, narrow);
        (self.flow_low, self.flow_high) = (flow, flow);
    }

    /// True unless the gas stood as still as the value: then a narrow range is what is to be expected.
    fn gas_moved(&self, least_pct: f64) -> bool {
        let (low, high) = (f64::from(self.flow_low), f64::from(self.flow_high));
        high <= 0.0 || (high - low) / high * 100.0 >= least_pct
    }

    /// Takes a value in order; what is late or overlaps is left out.
    /// A cycling analyser may send one packet a cycle.
    fn take(&mut self, value: i64, seen: &Seen, width: Option<i64>, cycle_min: u8) {
        if self.end == 0 || seen.start > self.end + i64::from(cycle_min) - 1 {
            // A gap: nobody knows what happened in it.
            self.restart(value, seen);
            self.begin_range(value, seen);
        }
        if value != self.value {
            self.restart(value, seen);
        }
        self.packets = self.packets.saturating_add(1);
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        if width.is_none_or(|width| self.high - self.low >= width) {
            self.begin_range(value, seen);
        }
        if let Some(flow) = seen.flow.map(narrow) {
            (self.flow_low, self.flow_high) = (self.flow_low.min(flow), self.flow_high.max(flow));
        }
        self.end = seen.end;
    }

    fn still(&self, range: Option<(i64, i64)>, settings: &ConstantSettings, cycle_min: u8) -> Option<Still> {
        let lasted = self.end - self.since;
        // Within a cycle the value stands still by nature: as many analyses must be equal as packets elsewhere.
        let cycles = i64::from(cycle_min) * i64::from(settings.min_packets);
        let needed = i64::from(settings.equal_minutes).max(if cycle_min > 1 { cycles } else { 0 });
        if lasted >= needed && self.packets >= settings.min_packets {
            return Some(Still::Equal);
        }
        let (low, high) = range.filter(|_| settings.range_pct_fs > 0.0)?;
        let floor = to_f64(low) + (to_f64(high) - to_f64(low)) * settings.range_floor_pct_fs / 100.0;
        let narrow = self.end - self.range_since >= i64::from(settings.range_minutes)
            && to_f64(self.low) >= floor
            && self.gas_moved(settings.flow_moves_pct);
        narrow.then_some(Still::Narrow)
    }
}

/// True where standing still would be wrong: factors with a limit, and the oxygen they are corrected with.
fn concerns(factor: &FactorPlan, settings: &ConstantSettings) -> bool {
    let measured = factor.has_limit(LimitWindow::Hour) || factor.has_limit(LimitWindow::Day) || factor.is_oxygen;
    measured && !settings.exempt.contains(&factor.code)
}

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, plan: &OutletPlan, factor: &FactorPlan, series: &mut Series, seen: Seen) {
    let settings = &ctx.settings.constant;
    let old = seen.end <= series.run.end;
    if old || !concerns(factor, settings) || plan.stopped_at(ctx.now) {
        return;
    }
    let Some(value) = seen.value.filter(|&value| value != 0 && seen.runs) else {
        // Flagged, unreadable or zero, or air in a stack that does not run: not a measurement that should move.
        series.run = Run { end: 0, ..series.run };
        return;
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of a range that is itself an i64"
    )]
    let width = factor
        .range
        .map(|(low, high)| ((high - low) as f64 * settings.range_pct_fs / 100.0) as i64);
    series.run.take(value, &seen, width, factor.cycle_min);
    // Oxygen of a well-run boiler does stay within a narrow range; only standing still is wrong there.
    let range = factor.range.filter(|_| !factor.is_oxygen);
    let still = series.run.still(range, settings, factor.cycle_min);
    let since = match still {
        Some(Still::Narrow) => series.run.range_since,
        _ => series.run.since,
    };
    let minute = |minutes: i64| Time(minutes.saturating_mul(MINUTE_MS));
    let level = if still.is_some() {
        Severity::Attention.number()
    } else {
        0
    };
    let look = Look {
        since: minute(seen.start),
        until: minute(seen.end),
        level,
        level_to_keep: level,
        window: minute(since),
    };
    let times = HoldTimes {
        rise_ms: 0,
        fall_ms: i64::from(settings.clear_minutes) * MINUTE_MS,
    };
    let before = series.constant.severity();
    let Some(edge) = series.constant.look(look, times) else {
        return;
    };
    let window = Span {
        start: minute(since),
        end: minute(seen.end),
    };
    let after = series.constant.severity();
    let say = Say {
        pane: Pane::Early,
        verdict: after.map_or(Verdict::Fine, Verdict::Breach),
        previous: before.map(Verdict::Breach),
        late: ctx.is_late(window.end),
        evidence: evidence(&series.run, still, since, &seen).0,
    };
    let subject = Subject {
        rule: RuleCode::Const,
        outlet: plan.id,
        factor: Some(factor.code),
        window,
    };
    let judgement = ctx.emit.say(subject, say);
    ctx.emit.happen(series.constant.first_window, edge, false, judgement);
}

fn evidence(run: &Run, still: Option<Still>, since: i64, seen: &Seen) -> Facts {
    let mut facts = Facts::with_capacity(6);
    facts
        .number(FactKey::Value, run.value)
        .int(FactKey::LastedMinutes, seen.end - since)
        .time(FactKey::Since, Time(since.saturating_mul(MINUTE_MS)))
        .text(
            FactKey::Reason,
            match still {
                Some(Still::Equal) => "equal",
                Some(Still::Narrow) => "narrow_range",
                None => "moves",
            },
        );
    if still == Some(Still::Equal) {
        facts.int(FactKey::Count, i64::from(run.packets));
    }
    if let (Some(then), Some(now)) = (run.flow.filter(|flow| flow.abs() > f64::EPSILON), seen.flow) {
        facts.float(FactKey::FlowChange, (now - then) / then * 100.0);
    }
    facts
}
