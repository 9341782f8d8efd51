//! CLOCK
//!
//! What: a device whose clock is off: what it says it sent now arrives long after, or before it was sent.
//! What-zh: 设备时钟偏差：报文自称的发送时间与收到时间长期不符。
//! Why: its minutes are put into the wrong hours, and far ahead they are not judged at all.
//! Why-zh: 数据会落入错误的小时；超前过多的数据不予判定。
//! Fooled by: a carrier that holds packets back for longer than half an hour.
//! Fooled-zh: 线路长时间缓存报文超过半小时。
//! Parameter: clock_skew.ahead_s | s | 60 | 5..3600 | how far ahead
//! Parameter: clock_skew.behind_s | s | 300 | 30..3600 | how far behind
//! Parameter: clock_skew.minutes | min | 30 | 5..720 | for how long; a queue that is sent after a break is shorter
//! Parameter: clock_skew.clear_minutes | min | 10 | 1..120 | minutes of good time that end it
//! Order: arrival
//! Source: project choice. QN is compared with the time of receipt (HJ 212-2017 6.4.4); packets sent again are left
//! out.

use plume_schemas::judgement::FactKey;
use plume_schemas::report::Report;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{MINUTE_MS, SECOND_MS};

use crate::engine::Ctx;
use crate::out::Facts;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, tell};

/// Looks at a packet's two times. One device at a time: the first that is off, until it is good again.
pub(crate) fn look(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report) {
    let Some(sent_at) = report.times.sent_at.filter(|_| !report.backfill) else {
        return;
    };
    let (settings, whole) = (&ctx.settings.clock_skew, &mut outlet.quality);
    let ahead_ms = sent_at.since(report.times.received_at);
    let holds = ahead_ms > settings.ahead_s * SECOND_MS || -ahead_ms > settings.behind_s * SECOND_MS;
    let mn = report.origin.mn;
    if whole.clock_of.is_none_or(|held| held != mn) && (!holds || whole.clock_of.is_some()) {
        return;
    }
    whole.clock_of = Some(mn);
    let minute = report.times.received_at.0.div_euclid(MINUTE_MS);
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let turn = whole.clock.look(holds, minute, minute + 1, lasts);
    if !holds && !whole.clock.is_open() {
        whole.clock_of = None;
    }
    let Some(turn) = turn else { return };
    let mut facts = Facts::with_capacity(5);
    facts
        .text(FactKey::Name, mn.as_str())
        .float(FactKey::Value, ahead_ms as f64 / SECOND_MS as f64)
        .text(
            FactKey::Reason,
            if ahead_ms > 0 { "clock_ahead" } else { "clock_behind" },
        );
    let about = About {
        rule: RuleCode::Clock,
        plan,
        factor: None,
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}
