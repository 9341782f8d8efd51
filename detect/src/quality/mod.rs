//! What the rules of data quality and the leads remember of an outlet and its factors, and how they speak. The rules
//! themselves are in `rules/`. Most of them cost a comparison a minute; what needs more is done once an hour.

mod hourly;
mod minute;
mod spell;

use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{MINUTE_MS, Span, Time};

pub(crate) use minute::{Given, Seen, minute, report};
pub(crate) use spell::{Lasts, Spell, Turn};

use crate::engine::Ctx;
use crate::marks::Marks;
use crate::number::to_f64;
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, OutletPlan};
use crate::rules::budget::Budget;
use crate::rules::calgap::Followed;
use crate::rules::jump::Jump;
use crate::rules::power::Electric;
use crate::rules::ratio::Ratio;
use crate::rules::smooth::Smooth;
use crate::rules::zsdev::Tally;
use crate::state::persist;

/// A sign of the stack older than this, minutes, says nothing of now.
const SIGN_MIN: i64 = 30;
/// Gas with more oxygen than this, percent, is nearly air: nothing burns behind it.
const AIR_PCT: f64 = 19.0;

/// One factor: what every minute touches.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Quality {
    pub(crate) zero: Spell,
    pub(crate) neg: Spell,
    pub(crate) range: Spell,
    pub(crate) jump: Jump,
}
persist!(Quality { zero, neg, range, jump });

/// One factor: what is looked at once an hour or seldom. It lies apart from the hot core, as the minutes do.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Hourly {
    pub(crate) zsdev: Tally,
    pub(crate) hourmin: Spell,
    pub(crate) amount: Spell,
    pub(crate) cap: Spell,
    pub(crate) smooth: Smooth,
    pub(crate) ratio: Ratio,
    pub(crate) calgap: Followed,
    pub(crate) near_mark: Spell,
    /// Minute at which NEAR_HOUR first wanted attention, in its hour.
    pub(crate) near_at: i64,
    pub(crate) power: Spell,
    /// Last value flagged as stopped, millionths.
    pub(crate) stopped_value: i64,
}
persist!(Hourly {
    zsdev,
    hourmin,
    amount,
    cap,
    smooth,
    ratio,
    calgap,
    near_mark,
    near_at,
    power,
    stopped_value,
});

/// Bytes of what is looked at once an hour or seldom.
const HOURLY_LIMIT: usize = 176;
const _: () = assert!(size_of::<Hourly>() <= HOURLY_LIMIT);

impl Quality {
    /// Something of each cache line.
    pub(crate) fn touch(&self) -> u64 {
        u64::from(self.zero.is_idle()) ^ self.jump.touch()
    }

    /// Ends every open case of a factor: rule and first window of each.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = (RuleCode, Time)> {
        end([
            (RuleCode::Zero, &mut self.zero),
            (RuleCode::Neg, &mut self.neg),
            (RuleCode::Range, &mut self.range),
            (RuleCode::Jump, &mut self.jump.spell),
        ])
    }
}

impl Hourly {
    /// Something of each cache line.
    pub(crate) fn touch(&self) -> u64 {
        let spells = u64::from(self.zsdev.spell.is_idle()) ^ u64::from(self.power.is_idle());
        spells ^ self.near_at.unsigned_abs() ^ u64::from(self.cap.is_idle())
    }

    /// Ends every open case of a factor: rule and first window of each.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = (RuleCode, Time)> {
        end([
            (RuleCode::ZsDev, &mut self.zsdev.spell),
            (RuleCode::Power, &mut self.power),
            (RuleCode::HourMin, &mut self.hourmin),
            (RuleCode::Amount, &mut self.amount),
            (RuleCode::Cap, &mut self.cap),
            (RuleCode::Smooth, &mut self.smooth.spell),
            (RuleCode::Ratio, &mut self.ratio.spell),
            (RuleCode::CalGap, &mut self.calgap.spell),
            (RuleCode::NearMark, &mut self.near_mark),
        ])
    }
}

/// One outlet as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct OutletQuality {
    pub(crate) budget: Budget,
    pub(crate) flow0: Spell,
    pub(crate) o2hi: Spell,
    pub(crate) mark_abuse: Spell,
    pub(crate) clock: Spell,
    pub(crate) electric: Electric,
    /// The device whose clock is off.
    pub(crate) clock_of: Option<Mn>,
    /// Last oxygen, percent, last gas temperature, °C, each with its minute.
    pub(crate) oxygen: f64,
    pub(crate) oxygen_minute: i64,
    pub(crate) temperature: f64,
    pub(crate) temperature_minute: i64,
    /// Last minute in which a pollutant was clearly there.
    pub(crate) polluted_minute: i64,
    /// Factors whose last value was zero, one bit each.
    pub(crate) zeros: u64,
}
persist!(OutletQuality {
    budget,
    flow0,
    o2hi,
    mark_abuse,
    clock,
    electric,
    clock_of,
    oxygen,
    oxygen_minute,
    temperature,
    temperature_minute,
    polluted_minute,
    zeros,
});

impl OutletQuality {
    /// Ends every open case of the outlet as a whole.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = (RuleCode, Time)> {
        end([
            (RuleCode::Flow0, &mut self.flow0),
            (RuleCode::O2Hi, &mut self.o2hi),
            (RuleCode::MarkAbuse, &mut self.mark_abuse),
            (RuleCode::Clock, &mut self.clock),
            (RuleCode::Power, &mut self.electric.spell),
        ])
    }

    /// Something of each cache line.
    pub(crate) fn touch(&self) -> u64 {
        let signs = self.oxygen_minute ^ self.temperature_minute ^ self.polluted_minute;
        signs.unsigned_abs() ^ self.zeros ^ u64::from(self.clock.is_idle()) ^ u64::from(self.clock_of.is_some())
    }

    /// True unless a sign of the stack says that nothing runs behind it: air instead of gas, or no flow.
    pub(crate) fn runs(&self, flow: Option<(f64, i64)>, minute: i64) -> bool {
        let is_air = minute - self.oxygen_minute <= SIGN_MIN && self.oxygen >= AIR_PCT;
        let is_still = flow.is_some_and(|(flow, at)| minute - at <= SIGN_MIN && flow <= 0.0);
        !is_air && !is_still
    }
}

fn end<const N: usize>(spells: [(RuleCode, &mut Spell); N]) -> impl Iterator<Item = (RuleCode, Time)> {
    let ended = spells.map(|(rule, spell)| {
        let first = spell.first();
        spell.close().then_some((rule, first))
    });
    ended.into_iter().flatten()
}

/// What a case is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) rule: RuleCode,
    pub(crate) plan: &'a OutletPlan,
    pub(crate) factor: Option<FactorCode>,
    pub(crate) severity: Severity,
}

/// Says that a case opened or ended, with the evidence.
pub(crate) fn tell(ctx: &mut Ctx<'_>, about: About<'_>, turn: Turn, mut facts: Facts) {
    facts
        .time(FactKey::Since, turn.first)
        .int(FactKey::LastedMinutes, turn.lasted_min());
    let breach = Verdict::Breach(about.severity);
    let opens = turn.edge != Edge::Cleared;
    let say = Say {
        pane: Pane::Early,
        verdict: if opens { breach } else { Verdict::Fine },
        previous: (!opens).then_some(breach),
        late: ctx.is_late(turn.end),
        evidence: facts.0,
    };
    let subject = Subject {
        rule: about.rule,
        outlet: about.plan.id,
        factor: about.factor,
        window: Span {
            start: turn.first,
            end: turn.end,
        },
    };
    let judgement = ctx.emit.say(subject, say);
    ctx.emit.happen(turn.first, turn.edge, false, judgement);
}

/// Seven digits are plenty for an average.
#[expect(clippy::cast_possible_truncation, reason = "a past to compare with, not a result")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

/// The limit that gives the size of things, units of the factor: the hour's, else the day's, in force at `minute`.
pub(crate) fn size(factor: &FactorPlan, minute: i64) -> Option<f64> {
    let at = Time(minute.saturating_mul(MINUTE_MS));
    let limit = factor
        .limit(LimitWindow::Hour, at)
        .or_else(|| factor.limit(LimitWindow::Day, at))?;
    Some(to_f64(limit.value)).filter(|&size| size > 0.0)
}

/// Width of the measuring range, millionths. Where none is registered five times the limit stands for it: ranges are
/// chosen at two to four times the limit, so this is on the large side.
pub(crate) fn full_scale(factor: &FactorPlan) -> Option<f64> {
    let registered = factor.range.map(|(low, high)| (high - low) as f64);
    registered.or_else(|| {
        let largest = factor.limits.iter().map(|limit| limit.value).max()?;
        Some(5.0 * largest as f64)
    })
}

/// True where a minute is excused: filed stop-work, or a mark of any kind.
pub(crate) fn excused(plan: &OutletPlan, marks: &Marks, factor: FactorCode, minute: i64) -> bool {
    plan.stopped_at(Time(minute.saturating_mul(MINUTE_MS)))
        || marks.of_hour(factor, minute.div_euclid(60)).any() >> minute.rem_euclid(60) & 1 == 1
}
