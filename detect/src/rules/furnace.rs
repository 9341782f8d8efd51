//! FURNACE
//!
//! What: the furnace temperature of a waste incinerator, as five-minute means of a natural day: how many were below
//! 850 °C
//! while nothing was marked. More than five are a violation.
//! What-zh: 垃圾焚烧炉膛温度：一个自然日内正常工况下5分钟均值低于850℃的次数，超过5次即为违规。
//! Why: below 850 °C dioxins are not destroyed; the rule counts five-minute means, so what is left can be counted down.
//! Why-zh: 温度低于850℃时二噁英不能充分分解；按次数判定，可提前提醒余量。
//! Fooled by: start-up, shut-down and thermocouple faults that are not marked; minutes that never come.
//! Fooled-zh: 启停炉、热电偶故障未标记；分钟数据缺失。
//! Parameter: furnace.factors | factor codes | a01901 | - | which factors are furnace temperatures
//! Parameter: furnace.least_celsius | °C | 850 | 500..1200 | least five-minute mean
//! Parameter: furnace.allowed | times | 5 | 0..288 | five-minute means below it that a day may have
//! Parameter: furnace.valid_minutes | min | 4 | 1..5 | valid minutes of the five
//! Order: window
//! Source: MEE order 10/2019 on waste incineration, furnace temperature [from memory]; HJ 212-2025 CN 2111 sends the
//! means.

use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};

use crate::config::FurnaceSettings;
use crate::engine::Ctx;
use crate::marks::Marks;
use crate::minutes::{MinuteStore, Slot};
use crate::number::Sum;
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, OutletPlan};
use crate::rules::exceed::Period;
use crate::state::persist;

/// What was said of the last two days of a furnace.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Furnace {
    even: FurnaceDay,
    odd: FurnaceDay,
}
persist!(Furnace { even, odd });

#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct FurnaceDay {
    day: i64,
    level: u8,
    confirmed: bool,
}
persist!(FurnaceDay { day, level, confirmed });

impl Furnace {
    fn day(&mut self, day: i64) -> &mut FurnaceDay {
        let state = if day.rem_euclid(2) == 0 {
            &mut self.even
        } else {
            &mut self.odd
        };
        if state.day != day {
            *state = FurnaceDay {
                day,
                ..FurnaceDay::default()
            };
        }
        state
    }
}

/// A furnace and where its minutes and marks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: &'a FactorPlan,
    pub(crate) store: Option<&'a MinuteStore>,
    pub(crate) marks: &'a Marks,
    pub(crate) day: i64,
}

/// What a day's five-minute means say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Count {
    low: u16,
    judged: u16,
    /// Lowest mean, millionths of a degree.
    lowest: Option<i64>,
}

impl View<'_> {
    /// `None` where this is no furnace, or its day is no longer remembered whole.
    fn count(&self, settings: &FurnaceSettings) -> Option<Count> {
        let store = self.store.filter(|_| settings.factors.contains(&self.factor.code))?;
        let span = Period::Day.span(self.day);
        let first = Period::Hour.number(span.start);
        if !store.reaches(first) || self.plan.stopped_over(span) {
            return None;
        }
        let mut count = Count::default();
        for hour in first..first + 24 {
            let marked = self.marks.of_hour(self.factor.code, hour).any();
            for five in 0..12 {
                let mut sum = Sum::default();
                for minute in five * 5..five * 5 + 5 {
                    if let (Slot::Value { value, .. }, 0) = (store.slot(hour, minute), marked >> minute & 1) {
                        sum.add(value);
                    }
                }
                if sum.n >= u32::from(settings.valid_minutes) {
                    count.judged += 1;
                    count.lowest = Some(count.lowest.map_or(sum.mean(), |lowest| lowest.min(sum.mean())));
                    let least = i128::from(settings.least_celsius) * 1_000_000 * i128::from(sum.n);
                    count.low += u16::from(i128::from(sum.sum) < least);
                }
            }
        }
        Some(count)
    }

    fn subject(&self) -> Subject {
        Subject {
            rule: RuleCode::Furnace,
            outlet: self.plan.id,
            factor: Some(self.factor.code),
            window: Period::Day.span(self.day),
        }
    }

    fn say(&self, ctx: &Ctx<'_>, count: Count, previous: Option<Verdict>) -> Say {
        let settings = &ctx.settings.furnace;
        let mut facts = Facts::with_capacity(6);
        facts
            .int(FactKey::Count, i64::from(count.low))
            .int(FactKey::Of, i64::from(count.judged))
            .int(FactKey::Threshold, i64::from(settings.allowed))
            .int(FactKey::Limit, settings.least_celsius)
            .text(FactKey::Clause, "MEE order 10/2019");
        if let Some(lowest) = count.lowest {
            facts.number(FactKey::Value, lowest);
        }
        let end = Period::Day.span(self.day).end;
        let level = level_of(count.low, settings);
        Say {
            pane: if ctx.now < end { Pane::Early } else { Pane::Late },
            verdict: Severity::from_number(level).map_or(Verdict::Fine, Verdict::Breach),
            previous,
            late: ctx.now >= Period::Day.mark_deadline(self.day, ctx.settings.window.mark_deadline_hour),
            evidence: facts.0,
        }
    }
}

/// The count rises towards the violation: notice at the first, attention at the last that is allowed.
fn level_of(low: u16, settings: &FurnaceSettings) -> u8 {
    match low {
        0 => 0,
        low if low > settings.allowed => Severity::Exceeded.number(),
        low if low == settings.allowed => Severity::Attention.number(),
        _ => Severity::Notice.number(),
    }
}

/// Counts a day again after its minutes or marks changed. The store is asked, so order of arrival does not matter.
pub(crate) fn look(ctx: &mut Ctx<'_>, view: View<'_>, furnace: &mut Furnace) {
    let Some(count) = view.count(&ctx.settings.furnace) else {
        return;
    };
    let level = level_of(count.low, &ctx.settings.furnace);
    let state = furnace.day(view.day);
    let before = state.level;
    if level == before {
        return;
    }
    let edge = match (before, level) {
        (0, _) => Some(Edge::Opened),
        (before, level) if level > before => Some(Edge::Worsened),
        // A mark or a correction took it away, or took the violation away.
        (4, _) | (_, 0) => Some(Edge::Retracted),
        _ => None,
    };
    (state.level, state.confirmed) = (level, false);
    let previous = Some(Severity::from_number(before).map_or(Verdict::Fine, Verdict::Breach));
    let say = view.say(ctx, count, previous.filter(|_| before > 0));
    let preliminary = level == Severity::Exceeded.number() && !say.late;
    let judgement = ctx.emit.say(view.subject(), say);
    if let Some(edge) = edge {
        let first = Period::Day.span(view.day).start;
        ctx.emit.happen(first, edge, preliminary, judgement);
    }
}

/// At the mark deadline a violation is no longer preliminary.
pub(crate) fn confirm(ctx: &mut Ctx<'_>, view: View<'_>, furnace: &mut Furnace) {
    let state = furnace.day(view.day);
    if state.level != Severity::Exceeded.number() || state.confirmed {
        return;
    }
    state.confirmed = true;
    let Some(count) = view.count(&ctx.settings.furnace) else {
        return;
    };
    let say = view.say(ctx, count, Some(Verdict::Breach(Severity::Exceeded)));
    let judgement = ctx.emit.draft(view.subject(), say);
    let first = Period::Day.span(view.day).start;
    ctx.emit.happen(first, Edge::Confirmed, false, judgement);
}
