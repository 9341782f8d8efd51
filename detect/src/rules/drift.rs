//! DRIFT
//!
//! What: a zero or span check shows a drift beyond what HJ 75 requires, or the drifts of an analyser lead there within
//! a week. Every check is judged: QAL3 (precision, then drift) beside Shewhart and EWMA, the standing by HJ 75, and the
//! days left by the slope of the checks; what the charts say is a finding on the outlet's page and alerts nobody.
//! What-zh: 零点或跨度检查的漂移超出 HJ 75 的要求，或按趋势一周内将达到。每次检查均作判定：QAL3（先精密度、后漂移）、Shewhart 与 EWMA 控制图、HJ 75
//! 受控状态、距限值天数；控制图结论仅在排放口页面列示，不发预警。
//! Why: data of an analyser beyond its limit do not count back to its last good check; a week is the time to send for
//! a contractor.
//! Why-zh: 失控期间的数据自上次合格校准起无效；提前一周提醒，可在失控前安排运维单位校准。
//! Fooled by: gas of another value than written down; a check before the analyser has settled; a device that does not
//! say whether it adjusted itself, which then counts as not adjusted until a check is good again.
//! Fooled-zh: 标气值录入有误；示值未稳定即读数；设备不报告是否自动调整（按未调整处理，直至检查合格）。
//! Parameter: drift.enabled | bool | true | - | judges zero and span checks at all
//! Parameter: drift.sd_pct_fs | % FS | 0.5 | 0..5 | s_AMS of QAL3, by the certificate (QAL1); 0: no charts
//! Parameter: drift.zero_gas_pct_fs | % FS | 20.0 | 0..50 | gas of at most so much is zero gas, where nobody said
//! Parameter: drift.gas_required_pct | % FS | 2.5 | 0.1..20 | drift that is required of gas analysers
//! Parameter: drift.gas_out_zero_pct | % FS | 5.0 | 0.1..50 | zero drift beyond which they are out of control
//! Parameter: drift.gas_out_span_pct | % FS | 10.0 | 0.1..50 | span drift beyond which they are out of control
//! Parameter: drift.dust_required_pct | % FS | 2.0 | 0.1..20 | drift that is required of dust monitors
//! Parameter: drift.dust_out_pct | % FS | 8.0 | 0.1..50 | drift beyond which they are out of control
//! Parameter: drift.velocity_required_pct | % FS | 3.0 | 0.1..20 | zero drift required of velocity (or 0.9 m/s)
//! Parameter: drift.velocity_out_pct | % FS | 8.0 | 0.1..50 | zero drift out of control (and above 1.8 m/s)
//! Parameter: drift.automatic_hours | h | 24 | 1..168 | the next check is due so long after one by the device itself
//! Parameter: drift.gas_by_hand_hours | h | 168 | 24..2160 | … after one by hand of a gas analyser
//! Parameter: drift.dust_by_hand_hours | h | 360 | 24..2160 | … of a dust monitor
//! Parameter: drift.velocity_by_hand_hours | h | 720 | 24..2160 | … of velocity
//! Parameter: drift.dust | codes | a34013 | - | factors that are dust
//! Parameter: drift.velocity | codes | a01011 | - | factors that are velocity
//! Parameter: drift.repeat_minutes | min | 60 | 0..1440 | the same numbers again within so long are the same check
//! Parameter: drift.plateaus | bool | true | - | takes level stretches of minutes flagged C for checks
//! Order: arrival
//! Source: HJ 75-2017 11.2 and table 4, from memory and therefore settings; EN 14181 (QAL3), constants as published in
//! a maker's manual (ABB EL3000); Sen 1968. Zero gas up to 20 % of span: 40 CFR 75 appendix A, 5.2. Drift needs a
//! registered measuring range; without one it is not judged. Direct measurement by hand is due after 15 days, not 7.

use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::{FactKey, NotJudged, Pane, Verdict};
use plume_schemas::report::Report;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Span, Time};

use crate::chart::Side;
use crate::chart::checks::Checked;
use crate::chart::control::{Grade, Limits, Standing};
use crate::chart::instrument::{Assessed, Instrument, Watched, worse};
use crate::chart::plateau::{Calibrated, Calibration, Level};
use crate::chart::qal3::Finding;
use crate::chart::slope::DaysLeft;
use crate::config::DriftSettings;
use crate::engine::Ctx;
use crate::hold::Hold;
use crate::number::to_f64;
use crate::out::{Facts, Say, Subject};
use crate::outlet::Outlet;
use crate::plan::{FactorPlan, OutletPlan};
use crate::quality::Given;
use crate::state::persist;

/// A check that comes later is history: recorded and charted, but no news. Two days to write a check down.
const LATE_MS: i64 = 2 * DAY_MS;
/// How far a level may be from the gas known for it and still be that gas, % of full scale.
const SAME_GAS_PCT: f64 = 20.0;
/// What is as good as the percentage, velocity, m/s: required, out of control (HJ 75-2017 table 4).
const VELOCITY_M_S: [f64; 2] = [0.9, 1.8];

/// The analyser of one factor. There is none where there are no checks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drift {
    pub(crate) factor: FactorCode,
    zero: Watch,
    span: Watch,
    pub(crate) hold: Hold,
    /// What span gas held at last, units of the factor.
    span_gas: Option<f64>,
    calibration: Calibration,
}
persist!(Drift {
    factor,
    zero,
    span,
    hold,
    span_gas,
    calibration
});

/// One point of it.
#[derive(Clone, Debug, PartialEq, Default)]
struct Watch {
    watched: Watched,
    /// The last check.
    at: Time,
    gas: f64,
    before: f64,
    adjusted: bool,
    /// Level it wants said.
    level: u8,
}
persist!(Watch {
    watched,
    at,
    gas,
    before,
    adjusted,
    level
});

/// What became of a check before it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// It is new, and counts as made then.
    New(Time),
    /// It is known.
    Again,
    /// Older than the last one: charts never rewind.
    TooOld,
}

impl Drift {
    fn new(factor: FactorCode) -> Self {
        Self {
            factor,
            zero: Watch::default(),
            span: Watch::default(),
            hold: Hold::default(),
            span_gas: None,
            calibration: Calibration::default(),
        }
    }

    /// The point of a check, and the other one.
    fn points(&mut self, point: CheckPoint) -> (&mut Watch, &mut Watch) {
        match point {
            CheckPoint::Zero => (&mut self.zero, &mut self.span),
            CheckPoint::Span => (&mut self.span, &mut self.zero),
        }
    }
}

impl Watch {
    fn came(&self, check: &Check, repeat_ms: i64) -> Came {
        if self.watched.control.last_check.is_none() {
            return Came::New(check.at);
        }
        let near = check.at.since(self.at).abs() <= repeat_ms;
        let same = near && check.gas.to_bits() == self.gas.to_bits() && check.before.to_bits() == self.before.to_bits();
        match same {
            // The device sent it, and whoever adjusted it says so: the same check, told more completely.
            true if check.adjusted && !self.adjusted => Came::New(check.at.max(self.at.plus(1))),
            true => Came::Again,
            false if check.at <= self.at => Came::TooOld,
            false => Came::New(check.at),
        }
    }
}

/// The state of a factor's analyser, made on its first check.
fn drift_of(outlet: &mut Outlet, factor: FactorCode) -> Option<&mut Drift> {
    let place = match outlet.drifts.binary_search_by_key(&factor, |drift| drift.factor) {
        Ok(place) => place,
        Err(place) => {
            outlet.drifts.insert(place, Drift::new(factor));
            place
        }
    };
    outlet.drifts.get_mut(place)
}

/// Takes the checks of a device's own report.
pub(crate) fn report(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, report: &Report) {
    for check in Check::of_report(report) {
        take(ctx, outlet, plan, &check);
    }
}

/// Takes a minute packet of a factor: level stretches under flag C are checks that nobody reports.
pub(crate) fn minute(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, factor: &FactorPlan, given: &Given) {
    let settings = &ctx.settings.drift;
    let calibrating = given.flag == plume_schemas::reading::Flag::Calibration;
    if (!calibrating && outlet.drifts.is_empty()) || !settings.enabled || !settings.plateaus {
        return;
    }
    let Some(full_scale) = full_scale(factor) else { return };
    let known = outlet.drifts.iter().any(|drift| drift.factor == factor.code);
    let Some(drift) = drift_of(outlet, factor.code).filter(|drift| calibrating || drift.calibration.is_open()) else {
        return;
    };
    let over = match given.stated.filter(|_| calibrating) {
        Some(value) => drift
            .calibration
            .take((given.start, given.end), to_f64(value), full_scale),
        None if calibrating => None,
        None => drift.calibration.close(full_scale),
    };
    let span_gas = drift.span_gas;
    if let Some(seen) = over {
        for check in checks(plan.id, factor.code, seen, (span_gas, full_scale), ctx.now) {
            take(ctx, outlet, plan, &check);
        }
    }
    forget_idle(outlet, factor.code, known);
}

/// What was made for nothing is not kept: a minute under flag C is not yet a check.
fn forget_idle(outlet: &mut Outlet, factor: FactorCode, known: bool) {
    if !known {
        outlet
            .drifts
            .retain(|drift| drift.factor != factor || drift.calibration.is_open());
    }
}

/// The checks that a calibration was.
fn checks(
    outlet: OutletId,
    factor: FactorCode,
    seen: Calibrated,
    (span_gas, full_scale): (Option<f64>, f64),
    now: Time,
) -> impl Iterator<Item = Check> {
    let span_gas = span_gas.filter(|gas| {
        seen.high
            .is_some_and(|high| (high.before - gas).abs() <= SAME_GAS_PCT / 100.0 * full_scale)
    });
    let check = move |point, gas: f64, level: Level| Check {
        outlet,
        factor,
        point: Some(point),
        at: Time(seen.end.saturating_mul(MINUTE_MS)),
        gas,
        before: level.before,
        after: level.after,
        adjusted: level.after.is_some(),
        source: CheckSource::Plateau,
        by: String::new(),
        note: String::new(),
        received_at: now,
    };
    let zero = seen.zero.map(|level| check(CheckPoint::Zero, 0.0, level));
    let span = seen.high.zip(span_gas);
    zero.into_iter()
        .chain(span.map(|(level, gas)| check(CheckPoint::Span, gas, level)))
}

/// The measuring range, units of the factor. Nothing stands for it: drift against a guess would be a guess.
fn full_scale(factor: &FactorPlan) -> Option<f64> {
    factor.range.map(|(low, high)| to_f64(high - low))
}

/// Takes a check.
pub(crate) fn take(ctx: &mut Ctx<'_>, outlet: &mut Outlet, plan: &OutletPlan, check: &Check) {
    let settings = &ctx.settings.drift;
    let Some(factor) = plan.factors.iter().find(|factor| factor.code == check.factor) else {
        ctx.counts.unregistered += 1;
        return;
    };
    if !settings.enabled {
        return;
    }
    if check.at.since(ctx.now) > ctx.settings.window.future_s * 1_000 {
        ctx.counts.future += 1;
        return;
    }
    let Some(full_scale) = full_scale(factor) else {
        return not_judged(ctx, plan, check);
    };
    let point = check.point.unwrap_or_else(|| {
        let is_zero = check.gas.abs() <= settings.zero_gas_pct_fs / 100.0 * full_scale;
        if is_zero { CheckPoint::Zero } else { CheckPoint::Span }
    });
    let Some(drift) = drift_of(outlet, factor.code) else {
        return;
    };
    let (own, other) = drift.points(point);
    let at = match own.came(check, i64::from(settings.repeat_minutes) * MINUTE_MS) {
        Came::New(at) => at,
        Came::Again => return ctx.counts.repeats += 1,
        Came::TooOld => return ctx.counts.too_old += 1,
    };
    let instrument = Instrument {
        full_scale,
        sd: Some(settings.sd_pct_fs / 100.0 * full_scale).filter(|&sd| sd > 0.0),
        limits: limits(settings, factor.code, check.source),
    };
    let checked = Checked {
        line: 0,
        at,
        outlet: plan.id,
        factor: factor.code,
        point,
        gas: check.gas,
        before: check.before,
        after: check.after,
        adjusted: check.adjusted,
    };
    // What has become overdue since is part of how the analyser stands.
    instrument.limits.overdue(&mut other.watched.control, at);
    let one = own.watched.take(&instrument, &checked);
    let assessed = Assessed {
        standing: worse(one.standing, other.watched.control.standing),
        ..one
    };
    let (level, reason) = wanted(&assessed);
    (own.at, own.gas, own.before, own.adjusted, own.level) = (at, check.gas, check.before, check.adjusted, level);
    let highest = level.max(other.level);
    if point == CheckPoint::Span {
        drift.span_gas = Some(check.gas);
    }
    let facts = evidence(&instrument, &assessed, (check.source, reason));
    say(ctx, (plan, factor.code), &mut drift.hold, (at, level, highest), facts);
}

/// HJ 75's limits for a factor, and when its next check is due.
fn limits(settings: &DriftSettings, factor: FactorCode, source: CheckSource) -> Limits {
    let (by_hand_hours, limits) = if settings.dust.contains(&factor) {
        let [required, out] = [settings.dust_required_pct, settings.dust_out_pct];
        (settings.dust_by_hand_hours, ([required; 2], [out; 2], None))
    } else if settings.velocity.contains(&factor) {
        // Velocity has no span.
        let [required, out] =
            [settings.velocity_required_pct, settings.velocity_out_pct].map(|pct| [pct, f64::INFINITY]);
        (settings.velocity_by_hand_hours, (required, out, Some(VELOCITY_M_S)))
    } else {
        let out = [settings.gas_out_zero_pct, settings.gas_out_span_pct];
        (settings.gas_by_hand_hours, ([settings.gas_required_pct; 2], out, None))
    };
    let (required_pct, out_pct, absolute) = limits;
    Limits {
        required_pct,
        out_pct,
        absolute,
        interval_h: if source.is_automatic() {
            settings.automatic_hours
        } else {
            by_hand_hours
        },
    }
}

/// The level that a check wants said, and why.
fn wanted(assessed: &Assessed) -> (u8, &'static str) {
    let severity = |severity: Severity| severity.number();
    match (assessed.grade, assessed.put_right, assessed.days_left) {
        (Grade::Out, false, _) => (severity(Severity::Urgent), "beyond_out_limit"),
        (Grade::Poor, false, _) => (severity(Severity::Attention), "beyond_required"),
        (_, _, DaysLeft::Passed) if assessed.warns => (severity(Severity::Notice), "trend_beyond"),
        (_, _, DaysLeft::Days(_)) if assessed.warns => (severity(Severity::Notice), "trend_soon"),
        (_, true, _) => (0, "adjusted"),
        _ => (0, "within_required"),
    }
}

fn say(
    ctx: &mut Ctx<'_>,
    (plan, factor): (&OutletPlan, FactorCode),
    hold: &mut Hold,
    (at, level, highest): (Time, u8, u8),
    facts: Facts,
) {
    let before = hold.severity();
    // Zero and span are one analyser: its case is as grave as the worse of them.
    let edge: Option<Edge> = if highest > 0 {
        hold.raise(highest, at, at)
    } else {
        hold.end()
    };
    let first = hold.first_window;
    let say = Say {
        pane: Pane::OnTime,
        verdict: Severity::from_number(level).map_or(Verdict::Fine, Verdict::Breach),
        previous: edge.and(before).map(Verdict::Breach),
        late: ctx.now.since(at) > LATE_MS,
        evidence: facts.0,
    };
    let judgement = ctx.emit.say(subject(plan.id, factor, at), say);
    if let Some(edge) = edge {
        ctx.emit.happen(first, edge, false, judgement);
    }
}

/// A check is of a moment; its window is the minute that begins then.
fn subject(outlet: OutletId, factor: FactorCode, at: Time) -> Subject {
    Subject {
        rule: RuleCode::Drift,
        outlet,
        factor: Some(factor),
        window: Span {
            start: at,
            end: at.plus(MINUTE_MS),
        },
    }
}

/// Says that nothing can be said without a measuring range.
fn not_judged(ctx: &mut Ctx<'_>, plan: &OutletPlan, check: &Check) {
    let mut facts = Facts::with_capacity(5);
    facts
        .float(FactKey::Gas, check.gas)
        .float(FactKey::AsFound, check.before)
        .text(FactKey::ValueSource, source_word(check.source))
        .text(FactKey::Reason, "no_range");
    let say = Say {
        pane: Pane::OnTime,
        verdict: Verdict::NotJudged(NotJudged::MissingInput),
        previous: None,
        late: ctx.now.since(check.at) > LATE_MS,
        evidence: facts.0,
    };
    ctx.emit.say(subject(plan.id, check.factor, check.at), say);
}

/// How a check is known, as evidence says it.
fn source_word(source: CheckSource) -> &'static str {
    match source {
        CheckSource::Device => "check_device",
        CheckSource::Polled => "check_polled",
        CheckSource::Plateau => "check_plateau",
        CheckSource::Form => "check_form",
        CheckSource::Sheet => "check_sheet",
    }
}

fn evidence(instrument: &Instrument, assessed: &Assessed, (source, reason): (CheckSource, &str)) -> Facts {
    let check = &assessed.check;
    let of_point = |[zero, span]: [f64; 2]| if check.point == CheckPoint::Zero { zero } else { span };
    let (required, out) = (
        of_point(instrument.limits.required_pct),
        of_point(instrument.limits.out_pct),
    );
    let mut facts = Facts::with_capacity(22);
    facts
        .text(FactKey::Point, check.point.code())
        .float(FactKey::Gas, check.gas)
        .float(FactKey::AsFound, check.before);
    if let Some(after) = check.after {
        facts.float(FactKey::AsLeft, after);
    }
    facts
        .text(FactKey::Adjusted, if check.adjusted { "yes" } else { "no" })
        .text(FactKey::ValueSource, source_word(source))
        .float(FactKey::FullScale, instrument.full_scale)
        .int(FactKey::DueHours, instrument.limits.interval_h.into())
        .float(FactKey::DriftPct, assessed.drift_pct);
    if required.is_finite() {
        facts.float(FactKey::Threshold, required).float(FactKey::OutLimit, out);
    }
    let (standing, since) = match assessed.standing {
        Standing::Unknown | Standing::InControl => ("in_control", assessed.invalid.map(|span| span.start)),
        Standing::Recalibrate => ("recalibrate", None),
        Standing::OutOfControl(since) => ("out_of_control", Some(since)),
    };
    facts.text(FactKey::Standing, standing);
    if let Some(since) = since {
        facts.time(FactKey::Since, since);
    }
    charts(&mut facts, assessed);
    if let Some(per_day) = per_day(assessed, required) {
        facts.float(FactKey::SlopePerDay, per_day);
    }
    match assessed.days_left {
        DaysLeft::Days(days) => facts.float(FactKey::Days, days),
        DaysLeft::Passed => facts.float(FactKey::Days, 0.0),
        DaysLeft::Undetermined => &mut facts,
    };
    facts.text(FactKey::Reason, reason);
    facts
}

/// The slope by which the days are counted: of the line that has just begun where that is sooner, else of all checks.
fn per_day(assessed: &Assessed, required: f64) -> Option<f64> {
    let begun = assessed.ramp.filter(|ramp| match assessed.days_left {
        DaysLeft::Days(days) => ramp.days_until(required) <= days,
        DaysLeft::Passed | DaysLeft::Undetermined => false,
    });
    let begun = begun.map(|ramp| ramp.per_day);
    begun.or_else(|| assessed.slope.map(|slope| slope.per_day))
}

/// What the charts say, where there are any.
fn charts(facts: &mut Facts, assessed: &Assessed) {
    let Some(charts) = &assessed.charts else { return };
    let finding = match charts.qal3 {
        Finding::Fine => "fine",
        Finding::PrecisionLost { .. } => "precision_lost",
        Finding::Drifted { side: Side::High, .. } => "drifted_up",
        Finding::Drifted { side: Side::Low, .. } => "drifted_down",
    };
    let [high, low] = charts.sums;
    facts.text(FactKey::Qal3, finding);
    if let Finding::Drifted { adjust_by, .. } = charts.qal3 {
        facts.float(FactKey::AdjustBy, adjust_by);
    }
    facts
        .float(FactKey::SumHigh, high)
        .float(FactKey::SumLow, low)
        .float(FactKey::PrecisionSum, charts.precision)
        .float(FactKey::Ewma, charts.ewma.0);
}
