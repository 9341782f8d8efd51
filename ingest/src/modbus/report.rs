//! From a minute of samples to reports, one for each outlet the device serves: nothing after this knows that the
//! device was polled.

use std::sync::Arc;

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::formulas::{self, FormulaError};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::{
    Complaint, ComplaintCode, Dialect, Evidence, Origin, QuarantineReason, Quarantined, Report, Times,
};
use plume_schemas::time::Time;
use plume_schemas::units::{Quantity, Unit};

use super::map::{Model, Unit as SiteUnit};
use super::minute::Minute;
use super::read::Miss;
use super::series::{OXYGEN, Series, SeriesList};
use crate::hj212::complaints::inline;
use crate::hj212::intake::LogRecord;

/// 系统编码 of air pollution sources: what a stack's monitor is.
const AIR: &str = "31";
/// First line of the evidence of a minute: what it is, and its version.
const EVIDENCE: &str = "plume-modbus/0";

/// A device that is polled.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// Its address on the bus.
    pub unit: u8,
    /// Who it is in the registry.
    pub mn: Mn,
    /// What it holds.
    pub model: Arc<Model>,
    /// What is reported of it.
    pub series: SeriesList,
}

impl Polled {
    /// A unit of the site.
    pub fn new(unit: &SiteUnit, catalogue: &Catalogue) -> Self {
        Self {
            unit: unit.unit,
            mn: unit.mn,
            series: SeriesList::new(&unit.model, unit.stack, catalogue),
            model: Arc::clone(&unit.model),
        }
    }
}

/// What reports need to know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The registry in force.
    pub registry: &'a RegistryIndex,
    /// Units and molar masses.
    pub catalogue: &'a Catalogue,
    /// Who polls.
    pub ingest: IngestId,
    /// Over which bus.
    pub peer: Inline<47>,
    /// Our clock.
    pub now: Time,
    /// How far the device's clock may be off, milliseconds.
    pub clock_limit_ms: i64,
}

/// A finished zero or span check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckSeen {
    /// When it was seen.
    pub at: Time,
    /// Of what.
    pub factor: FactorCode,
    /// What the analyser showed.
    pub reading: f64,
    /// What the gas holds.
    pub standard: f64,
    /// The unit of both.
    pub unit: Unit,
    /// Digits kept of both.
    pub decimals: u8,
}

/// The records of a minute: a report for each outlet, or quarantine where the registry knows none.
pub fn of_minute(device: &Polled, minute: &Minute, scene: Scene<'_>) -> Vec<LogRecord> {
    let sent_at = minute.samples.iter().rev().find_map(|sample| sample.clock);
    let draft = Draft {
        device,
        scene,
        kind: ReportKind::Minute,
        measured_at: minute.start,
        sent_at,
        complaints: complaints(minute, sent_at, scene),
        raw: evidence(device, minute),
    };
    draft.records(
        |factor| device.series.list.iter().any(|series| series.factor == factor),
        |outlet, takes, complaints| readings(device, minute, scene, outlet, takes, complaints),
    )
}

/// The records of a zero or span check.
pub fn of_check(device: &Polled, check: &CheckSeen, scene: Scene<'_>) -> Vec<LogRecord> {
    let raw = format!(
        "{EVIDENCE} check\nmn={} unit={} model={}\n{} reading={} standard={}\n",
        device.mn, device.unit, device.model.name, check.factor, check.reading, check.standard
    );
    let reading = |outlet, statistic, value| Reading {
        factor: check.factor,
        statistic,
        basis: Basis::Standard,
        value: value_of(
            in_registered_unit(value, (check.factor, check.unit), outlet, scene),
            check.decimals,
        ),
        flag: Flag::Calibration,
        maker_flag: Inline::default(),
    };
    let draft = Draft {
        device,
        scene,
        kind: ReportKind::Calibration,
        measured_at: check.at.floor(1_000),
        sent_at: None,
        complaints: Vec::new(),
        raw: raw.into_bytes(),
    };
    draft.records(
        |factor| factor == check.factor,
        |outlet, _, _| {
            vec![
                reading(outlet, Statistic::CheckReading, check.reading),
                reading(outlet, Statistic::CheckStandard, check.standard),
            ]
        },
    )
}

/// A report before it is known whose it is.
struct Draft<'a> {
    device: &'a Polled,
    scene: Scene<'a>,
    kind: ReportKind,
    measured_at: Time,
    sent_at: Option<Time>,
    complaints: Vec<Complaint>,
    raw: Vec<u8>,
}

impl Draft<'_> {
    fn records(
        self,
        has: impl Fn(FactorCode) -> bool,
        fill: impl Fn(OutletId, &dyn Fn(FactorCode) -> bool, &mut Vec<Complaint>) -> Vec<Reading>,
    ) -> Vec<LogRecord> {
        let Scene { registry, now, .. } = self.scene;
        let mut outlets: Vec<OutletId> = Vec::new();
        for route in registry.routes(self.device.mn, AIR, self.measured_at) {
            let concerned = route.source.factors.is_empty() || route.source.factors.iter().any(|&factor| has(factor));
            if concerned && !outlets.contains(&route.outlet) {
                outlets.push(route.outlet);
            }
        }
        if outlets.is_empty() {
            return vec![self.quarantined(now)];
        }
        let packet = ContentId::of(&[&self.raw]);
        let count = u16::try_from(outlets.len()).unwrap_or(u16::MAX);
        let shares = outlets.into_iter().zip(0_u16..).map(|(outlet, number)| {
            let takes = |factor: FactorCode| {
                registry
                    .routes(self.device.mn, AIR, self.measured_at)
                    .any(|route| route.outlet == outlet && route.takes(factor))
            };
            let mut complaints = if number == 0 {
                self.complaints.clone()
            } else {
                Vec::new()
            };
            let readings = fill(outlet, &takes, &mut complaints);
            LogRecord::Entry(EntryBody::Report(Box::new(Report {
                outlet,
                kind: self.kind,
                times: Times {
                    measured_at: self.measured_at,
                    sent_at: self.sent_at,
                    received_at: now,
                },
                origin: Origin {
                    mn: self.device.mn,
                    st: inline(AIR),
                    dialect: Dialect::Modbus,
                    ingest: self.scene.ingest,
                    peer: self.scene.peer,
                    registry_revision: registry.registry().revision,
                },
                backfill: false,
                readings,
                complaints,
                evidence: Evidence {
                    packet,
                    raw: if number == 0 { self.raw.clone() } else { Vec::new() },
                    share: (number, count),
                    cn: 0,
                    qn: Inline::default(),
                    part: (0, 0),
                    key_id: None,
                },
            })))
        });
        shares.collect()
    }

    fn quarantined(&self, now: Time) -> LogRecord {
        let known = self.scene.registry.knows(self.device.mn);
        let reason = if known {
            QuarantineReason::NoOutlet
        } else {
            QuarantineReason::UnknownMn
        };
        LogRecord::Quarantined(Box::new(Quarantined {
            reason,
            detail: format!("polled device {}, minute {}", self.device.mn, self.measured_at),
            received_at: now,
            ingest: self.scene.ingest,
            peer: self.scene.peer,
            mn: Some(self.device.mn),
            cn: None,
            stream_offset: 0,
            raw: self.raw.clone(),
        }))
    }
}

fn complaints(minute: &Minute, clock: Option<Time>, scene: Scene<'_>) -> Vec<Complaint> {
    let missed = |text: String| Complaint {
        code: ComplaintCode::MissedPoll,
        factor: None,
        text: inline(&text),
    };
    let silent = minute.silent_before.iter();
    let mut all: Vec<Complaint> = silent
        .map(|(minutes, why)| missed(format!("{minutes} min: {why}")))
        .collect();
    let of = |(why, count): (Miss, usize)| missed(format!("{count} of {}: {why}", minute.due));
    all.extend(minute.misses().into_iter().map(of));
    let last = minute.samples.iter().rev().find(|sample| sample.clock.is_some());
    if let (Some(clock), Some(last)) = (clock, last)
        && clock.since(last.at).abs() > scene.clock_limit_ms
    {
        all.push(Complaint {
            code: ComplaintCode::FarDataTime,
            factor: None,
            text: inline(&format!("device clock {}", clock.stamp14())),
        });
    }
    all
}

/// The readings of one outlet.
fn readings(
    device: &Polled,
    minute: &Minute,
    scene: Scene<'_>,
    outlet: OutletId,
    takes: &dyn Fn(FactorCode) -> bool,
    complaints: &mut Vec<Complaint>,
) -> Vec<Reading> {
    let maker_flag = minute
        .samples
        .iter()
        .rev()
        .map(|sample| sample.maker_flag)
        .find(|flag| !flag.is_empty());
    let oxygen = normal_mean(device, minute, OXYGEN);
    let mut readings = Vec::new();
    for (place, series) in device
        .series
        .list
        .iter()
        .enumerate()
        .filter(|(_, series)| takes(series.factor))
    {
        let mean = minute.mean(place);
        let setup = scene.registry.factor(outlet, series.factor);
        let convert = |value: f64| in_registered_unit(value, (series.factor, series.unit), outlet, scene);
        let reading = |statistic, basis, value: Option<f64>| Reading {
            factor: series.factor,
            statistic,
            basis,
            value: value.map_or(Value::Empty, |value| value_of(convert(value), series.decimals)),
            flag: mean.flag,
            maker_flag: maker_flag.unwrap_or_default(),
        };
        if series.basis == Basis::Standard
            && let Some((_, least, largest)) = mean.values
        {
            readings.push(reading(Statistic::Min, series.basis, Some(least)));
            readings.push(reading(Statistic::Max, series.basis, Some(largest)));
        }
        readings.push(reading(
            Statistic::Mean,
            series.basis,
            mean.values.map(|values| values.0),
        ));
        let normal = mean
            .values
            .filter(|_| mean.flag == Flag::Normal && series.basis == Basis::Standard);
        let reference = setup
            .and_then(|setup| setup.reference_o2_pct)
            .filter(|_| is_gas(series.unit));
        if let (Some((value, ..)), Some(reference), Some(oxygen)) = (normal, reference, oxygen) {
            match formulas::corrected(value, oxygen, reference.to_f64()) {
                Ok(corrected) => readings.push(reading(Statistic::Mean, Basis::Corrected, Some(corrected))),
                Err(error) => complaints.push(uncorrectable(series.factor, error)),
            }
        }
    }
    readings
}

fn is_gas(unit: Unit) -> bool {
    unit.quantity() == Quantity::GasConcentration
}

fn uncorrectable(factor: FactorCode, error: FormulaError) -> Complaint {
    Complaint {
        code: ComplaintCode::Sentinel,
        factor: Some(factor),
        text: inline(&error.to_string()),
    }
}

/// The valid mean of a factor on the standard basis.
fn normal_mean(device: &Polled, minute: &Minute, code: &str) -> Option<f64> {
    let is = |series: &Series| series.factor.as_str() == code && series.basis == Basis::Standard;
    let mean = minute.mean(device.series.list.iter().position(is)?);
    let (value, ..) = mean.values.filter(|_| mean.flag == Flag::Normal)?;
    Some(value)
}

/// A value in the unit of the registry, where it names one, else of the catalogue.
fn in_registered_unit(value: f64, (factor, from): (FactorCode, Unit), outlet: OutletId, scene: Scene<'_>) -> f64 {
    let setup = scene.registry.factor(outlet, factor);
    let registered = setup.and_then(|setup| setup.unit.as_deref()).and_then(Unit::parse);
    let known = scene.catalogue.get(factor);
    let to = registered.or(known.and_then(|factor| factor.unit)).unwrap_or(from);
    let mass = known.and_then(|factor| factor.molar_mass_g_mol);
    from.convert(value, to, mass).unwrap_or(value)
}

fn value_of(value: f64, decimals: u8) -> Value {
    Decimal::from_f64(value, decimals).map_or(Value::Float(value), Value::Decimal)
}

/// The samples as they were, for whoever asks why a mean is what it is. One line for each round: milliseconds since
/// the minute's start, then each series as `value flag`, or why the round is missing.
fn evidence(device: &Polled, minute: &Minute) -> Vec<u8> {
    let mut text = format!(
        "{EVIDENCE} minute\nmn={} unit={} model={} start={} due={}\nms",
        device.mn, device.unit, device.model.name, minute.start, minute.due
    );
    for series in &device.series.list {
        let basis = if series.basis == Basis::Raw { "-raw" } else { "" };
        write_to(
            &mut text,
            format_args!(",{}{basis}[{}]", series.factor, series.unit.code()),
        );
    }
    for sample in &minute.samples {
        write_to(&mut text, format_args!("\n{}", sample.at.since(minute.start)));
        match &sample.points {
            Err(why) => write_to(&mut text, format_args!(",!{why}")),
            Ok(points) => {
                for (point, series) in points.iter().zip(&device.series.list) {
                    let digits = usize::from(series.decimals);
                    text.push(',');
                    if let Some(value) = point.value {
                        write_to(&mut text, format_args!("{value:.digits$}"));
                    }
                    if point.flag != Flag::Normal {
                        write_to(&mut text, format_args!(" {}", point.flag));
                    }
                }
            }
        }
    }
    text.push('\n');
    text.into_bytes()
}

fn write_to(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.push_str(&std::fmt::format(what));
}
