//! Daily zero and span checks: analysers that stay, and analysers that begin to drift at some moment of some day.

use plume_detect::chart::checks::{Checked, Point};
use plume_detect::chart::control::Limits;
use plume_detect::chart::instrument::{Assessed, Instrument, assess};
use plume_detect::chart::qal3::Finding;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use serde::Serialize;

use super::{Chance, Delay, rounded};

/// Standard deviations of a check, % of full scale; known to the charts as s_AMS of the certification.
const SDS_PCT: [f64; 2] = [0.25, 0.5];
/// Drifts, % of full scale a week.
const DRIFTS_PCT_WEEK: [f64; 3] = [1.0, 2.0, 4.0];
/// Analysers of an outlet: SO2, NOx, particulate matter.
const ANALYSERS: u64 = 3;
/// Days without a drift that are counted of each.
const QUIET_DAYS: u32 = 730;
/// Drifts of each kind, per outlet asked for.
const DRIFTS_EACH: u32 = 10;
/// Days before a drift begins, and those after which nobody waits any more.
const BEFORE_DAYS: u32 = 40;
const AFTER_DAYS: u32 = 40;
/// Full scale, and what the span gas holds.
const FULL_SCALE: f64 = 100.0;
const SPAN_GAS: f64 = 80.0;
const MONTH_DAYS: f64 = 30.0;
/// 2026-03-02 00:00 in Beijing, and the time of day of the checks.
const START: Time = Time(1_772_380_800_000);
const CHECKED_AT_MS: i64 = 8 * HOUR_MS;

/// What was counted.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) quiet: Vec<Quiet>,
    pub(super) drifts: Vec<Drift>,
}

/// Outlets without a drift.
#[derive(Debug, Serialize)]
pub(super) struct Quiet {
    pub(super) sd_pct: f64,
    pub(super) outlet_months: f64,
    /// QAL3 findings and warnings, each counted where it begins.
    pub(super) findings: u32,
    pub(super) alerts: u32,
    pub(super) findings_per_outlet_month: f64,
    pub(super) alerts_per_outlet_month: f64,
}

/// Analysers whose span drifts and whose zero does not.
#[derive(Debug, Serialize)]
pub(super) struct Drift {
    pub(super) sd_pct: f64,
    pub(super) pct_per_week: f64,
    /// Days to the QAL3 finding, and to the warning.
    pub(super) finding_days: Delay,
    pub(super) alert_days: Delay,
}

impl Measured {
    /// Whether the warning came by `days` (median) and at most `alerts` an outlet-month were false.
    pub(super) fn meets(&self, sd_pct: f64, pct_per_week: f64, days: f64, alerts: f64) -> bool {
        let soon = |drift: &Drift| drift.alert_days.median.is_some_and(|median| median <= days);
        let asked = |drift: &&Drift| drift.sd_pct <= sd_pct && drift.pct_per_week >= pct_per_week;
        let quiet = |quiet: &Quiet| quiet.alerts_per_outlet_month <= alerts;
        self.drifts.iter().filter(asked).all(soon) && self.quiet.iter().all(quiet)
    }
}

/// Simulates `outlets` outlets, and ten times as many drifts of each kind.
pub(super) fn measure(seed: u64, outlets: u32) -> Measured {
    let mut measured = Measured {
        quiet: Vec::new(),
        drifts: Vec::new(),
    };
    for sd_pct in SDS_PCT {
        measured.quiet.push(quiet(seed, outlets, sd_pct));
        for pct_per_week in DRIFTS_PCT_WEEK {
            measured.drifts.push(drift(seed, outlets, sd_pct, pct_per_week));
        }
    }
    measured
}

fn instrument(sd_pct: f64) -> Instrument {
    Instrument {
        full_scale: FULL_SCALE,
        sd: Some(sd_pct * FULL_SCALE / 100.0),
        limits: Limits::GAS_AUTO,
    }
}

/// Zero and span checks of `days` days; the span is off by what `drift_pct` says of the moment.
fn daily(chance: &mut Chance, days: u32, sd_pct: f64, drift_pct: impl Fn(Time) -> f64) -> Vec<Checked> {
    let mut checks = Vec::new();
    let mut take = |point: Point, gas: f64, at: Time, off_pct: f64| {
        checks.push(Checked {
            line: 1,
            at,
            outlet: OutletId::default(),
            factor: FactorCode::default(),
            point,
            gas,
            before: gas + (off_pct + sd_pct * chance.normal()) * FULL_SCALE / 100.0,
            after: None,
            adjusted: false,
        });
    };
    for day in 0..i64::from(days) {
        let at = START.plus(day * DAY_MS + CHECKED_AT_MS);
        take(Point::Zero, 0.0, at, 0.0);
        let at = at.plus(10 * MINUTE_MS);
        take(Point::Span, SPAN_GAS, at, drift_pct(at));
    }
    checks
}

fn is_finding(one: &Assessed) -> bool {
    one.charts.is_some_and(|charts| charts.qal3 != Finding::Fine)
}

fn is_alert(one: &Assessed) -> bool {
    one.warns
}

/// How often `is` begins at one point of the analyser.
fn begins(assessed: &[Assessed], point: Point, is: fn(&Assessed) -> bool) -> u32 {
    let mut before = false;
    let mut count = 0;
    for one in assessed.iter().filter(|one| one.check.point == point) {
        let now = is(one);
        count += u32::from(now && !before);
        before = now;
    }
    count
}

fn quiet(seed: u64, outlets: u32, sd_pct: f64) -> Quiet {
    let (mut findings, mut alerts) = (0, 0);
    for analyser in 0..u64::from(outlets) * ANALYSERS {
        let mut chance = Chance::new(seed.wrapping_mul(1_000_003).wrapping_add(analyser));
        let checks = daily(&mut chance, QUIET_DAYS, sd_pct, |_| 0.0);
        let assessed = assess(&instrument(sd_pct), &checks);
        for &point in Point::ALL {
            findings += begins(&assessed, point, is_finding);
            alerts += begins(&assessed, point, is_alert);
        }
    }
    let outlet_months = f64::from(outlets) * f64::from(QUIET_DAYS) / MONTH_DAYS;
    Quiet {
        sd_pct,
        outlet_months: rounded(outlet_months),
        findings,
        alerts,
        findings_per_outlet_month: rounded(f64::from(findings) / outlet_months),
        alerts_per_outlet_month: rounded(f64::from(alerts) / outlet_months),
    }
}

fn drift(seed: u64, outlets: u32, sd_pct: f64, pct_per_week: f64) -> Drift {
    let (mut findings, mut alerts) = (Vec::new(), Vec::new());
    for n in 0..u64::from(outlets * DRIFTS_EACH) {
        let mut chance = Chance::new(seed.wrapping_mul(2_000_003).wrapping_add(n));
        #[expect(clippy::cast_possible_truncation, reason = "a moment of a day")]
        let begun = START.plus(i64::from(BEFORE_DAYS) * DAY_MS + (chance.share() * DAY_MS as f64) as i64);
        let off = |at: Time| (days_since(at, begun) * pct_per_week / 7.0).max(0.0);
        let checks = daily(&mut chance, BEFORE_DAYS + AFTER_DAYS, sd_pct, off);
        let assessed = assess(&instrument(sd_pct), &checks);
        findings.extend(delay(&assessed, begun, is_finding));
        alerts.extend(delay(&assessed, begun, is_alert));
    }
    Drift {
        sd_pct,
        pct_per_week,
        finding_days: Delay::of(findings),
        alert_days: Delay::of(alerts),
    }
}

fn days_since(at: Time, begun: Time) -> f64 {
    at.since(begun) as f64 / DAY_MS as f64
}

/// Days from the beginning of the drift until the span says so: `Some(None)` where it never does, `None` where it had
/// said so before, which is no finding of this drift.
#[expect(
    clippy::option_option,
    reason = "left out, not found, or found after so long are three things"
)]
fn delay(assessed: &[Assessed], begun: Time, is: fn(&Assessed) -> bool) -> Option<Option<f64>> {
    let mut span = assessed.iter().filter(|one| one.check.point == Point::Span);
    let before = span.clone().take_while(|one| one.check.at < begun).last();
    if before.is_some_and(is) {
        return None;
    }
    let first = span.find(|one| one.check.at >= begun && is(one));
    Some(first.map(|one| days_since(one.check.at, begun)))
}
