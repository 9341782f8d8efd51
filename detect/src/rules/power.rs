//! POWER
//!
//! What: readings flagged as stopped (F) that are those of a running stack; or production draws power while treatment
//! draws none (HJ 212-2025, ST 44). A lead: `疑似治理设施停运，待核查`.
//! What-zh: 标记为停运（F）的时段内，读数仍为运行水平；或生产设施用电而治理设施不用电（HJ 212-2025，ST=44）。线索：
//! `疑似治理设施停运，待核查`。
//! Why: hours flagged as stopped are not judged; treatment that is switched off saves its power first.
//! Why-zh: 标记为停运的小时不参与判定；停用治理设施首先省下的是它的用电。
//! Fooled by: gas of a neighbour in a shared stack that is not registered as one; readings that move though the pump is
//! off; a treatment with a spare unit whose meter is not reported.
//! Fooled-zh: 未登记为共用的烟囱中相邻装置的烟气；采样泵停运后读数仍在变化；备用治理设施的电表未上报。
//! Parameter: power.pct_limit | % of limit | 20.0 | 1..100 | readings above this share of the limit
//! Parameter: power.minutes | min | 60 | 5..720 | for how long
//! Parameter: power.clear_minutes | min | 30 | 5..720 | minutes without that end it
//! Parameter: power.production | code prefixes | [d204] | - | power of production units, added up
//! Parameter: power.treatment | code prefixes | [d304] | - | power of treatment units, added up
//! Parameter: power.on_pct | % of usual | 30.0 | 5..100 | production draws at least this share of its usual power
//! Parameter: power.off_pct | % of usual | 10.0 | 0..50 | treatment draws at most this share of its usual power
//! Parameter: power.history_hours | h | 24 | 1..720 | hours of both before anything is said
//! Order: arrival
//! Source: public enforcement guides (marked stop while the stack looks like running); numbers are project choices.
//! What the digits of the electricity codes mean is inferred from the standard's examples (2 production, 3 treatment;
//! d20405 and d30406 look like power or current), so the prefixes are settings; without such codes nothing is said.

use plume_schemas::judgement::FactKey;
use plume_schemas::reading::{Flag, Statistic};
use plume_schemas::report::Report;
use plume_schemas::rule::{RuleCode, Severity};

use crate::engine::Ctx;
use crate::number::{self, to_f64};
use crate::out::Facts;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;
use crate::quality::{About, Lasts, Seen, Spell, excused, narrow, tell};
use crate::state::persist;

/// A meter that was not read for so long, minutes, says nothing of now.
const FRESH_MIN: i64 = 10;
/// Share of the usual power that a minute without it takes away: half in a month.
const FADE: f64 = 1.6e-5;

/// Power that production or treatment draws.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Meter {
    /// Minute of the last reading, since 1970.
    minute: i64,
    now: f32,
    /// The most of the last weeks, fading.
    usual: f32,
    /// Minute of the first.
    since: i64,
}
persist!(Meter {
    minute,
    now,
    usual,
    since,
});

/// The two kinds of power of an outlet.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Electric {
    pub(crate) spell: Spell,
    production: Meter,
    treatment: Meter,
}
persist!(Electric {
    spell,
    production,
    treatment,
});

impl Meter {
    fn read(&mut self, value: Option<f64>, minute: i64) {
        let Some(value) = value.filter(|_| minute > self.minute) else {
            return;
        };
        let usual = f64::from(self.usual) * (1.0 - FADE * (minute - self.minute).clamp(1, 1_440) as f64);
        (self.minute, self.now, self.usual) = (minute, narrow(value), narrow(usual.max(value)));
        if self.since == 0 {
            self.since = minute;
        }
    }

    /// Share of the usual power that is drawn at `minute`, where that is known.
    fn share(&self, minute: i64, history_hours: u16) -> Option<f64> {
        let known = minute - self.since >= i64::from(history_hours) * 60 && minute - self.minute <= FRESH_MIN;
        (known && self.usual > 0.0).then(|| f64::from(self.now) / f64::from(self.usual))
    }
}

/// Reads the electricity of a report and looks at both meters.
pub(crate) fn electricity(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report, minute: i64) {
    let settings = &ctx.settings.power;
    let drawn = |prefixes: &[String]| sum(report, prefixes);
    let (production, treatment) = (drawn(&settings.production), drawn(&settings.treatment));
    if production.is_none() && treatment.is_none() {
        return;
    }
    let Outlet { marks, quality, .. } = outlet;
    let electric = &mut quality.electric;
    electric.production.read(production, minute);
    electric.treatment.read(treatment, minute);
    let share = |meter: &Meter| meter.share(minute, settings.history_hours);
    let (Some(works), Some(treats)) = (share(&electric.production), share(&electric.treatment)) else {
        return;
    };
    let differ = works * 100.0 >= settings.on_pct && treats * 100.0 <= settings.off_pct;
    let holds = differ && !excused(plan, marks, plan.flows[0], minute);
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = electric.spell.look(holds, minute, minute + 1, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .float(FactKey::Value, f64::from(electric.treatment.now))
        .float(FactKey::Usual, f64::from(electric.treatment.usual))
        .float(FactKey::Score, (1.0 - treats).clamp(0.0, 1.0))
        .text(FactKey::Reason, "treatment_draws_nothing");
    let about = About {
        rule: RuleCode::Power,
        plan,
        factor: None,
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}

/// The readings whose codes begin so, added up.
fn sum(report: &Report, prefixes: &[String]) -> Option<f64> {
    let fits = |code: &str| prefixes.iter().any(|prefix| code.starts_with(prefix.as_str()));
    let values = report.readings.iter().filter(|reading| {
        matches!(reading.statistic, Statistic::Sample | Statistic::Mean)
            && matches!(reading.flag, Flag::Normal | Flag::Missing)
            && fits(reading.factor.as_str())
    });
    let numbers = values.filter_map(|reading| number::from_value(reading.value));
    numbers.map(to_f64).reduce(|sum, value| sum + value)
}

/// Looks at a new value.
pub(crate) fn look(ctx: &mut Ctx<'_>, seen: &Seen<'_>, (spell, last): (&mut Spell, &mut i64)) {
    let settings = &ctx.settings.power;
    let stopped = seen.given.flag == Flag::Stopped;
    if !stopped && spell.is_idle() {
        return;
    }
    let bar = settings.pct_limit / 100.0 * seen.size;
    let value = seen.given.stated.unwrap_or(0);
    // A value that is held while the pump is off does not move.
    let moves = value != std::mem::replace(last, value);
    // What moves in a chimney that others share says nothing of this unit.
    let own = seen.plan.shared_stack.is_empty();
    let holds = stopped && own && moves && seen.runs && to_f64(value) > bar;
    let lasts = Lasts {
        rise: settings.minutes,
        fall: settings.clear_minutes,
    };
    let Some(turn) = spell.look(holds, seen.given.start, seen.given.end, lasts) else {
        return;
    };
    let mut facts = Facts::with_capacity(6);
    facts
        .number(FactKey::Value, value)
        .float(FactKey::Threshold, bar)
        .float(FactKey::Score, (to_f64(value) / seen.size).clamp(0.0, 1.0))
        .text(FactKey::Reason, seen.given.flag.code());
    let about = About {
        rule: RuleCode::Power,
        plan: seen.plan,
        factor: Some(seen.factor.code),
        severity: Severity::Notice,
    };
    tell(ctx, about, turn, facts);
}
