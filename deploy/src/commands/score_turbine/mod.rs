//! `plume score --turbine`: three years of a real gas turbine through the judge, hour by hour: alerts a month by rule,
//! and each alert of the charts with what the turbine's own load and the weather say of it.
//!
//! The table is the UCI "Gas Turbine CO and NOx Emission Data Set" (Kaya, Tüfekci, Uzun 2019). It has no time stamps;
//! rows are given consecutive hours from 2011-01-01 on, and nothing in it is labelled as a fault.

mod causes;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::judgement::{FactKey, FactValue};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use serde::Serialize;

use crate::cli::ScoreArgs;
use crate::commands::view;
use crate::out;
use causes::Causes;

/// 2011-01-01 00:00 in Beijing: the hour the first row is given.
const START: Time = Time(1_293_811_200_000);
/// Rows of the first years: behind each of them the turbine's next year begins.
const YEARS: [usize; 2] = [7_411, 7_411 + 7_628];
const MONTH_H: f64 = 720.0;
/// Minutes between two Ticks: rarer ones would be a silence of plume's own.
const TICK_EVERY_MIN: usize = 2;
/// Rows between two words of progress.
const PROGRESS: usize = 5_000;
/// The outlet. Limits are stand-ins: NOx as in deploy/examples/turbine-registry.toml, CO a tenth of the European limit
/// of gas turbines (2010/75/EU, annex V: 100 mg/m³), so that moves of 1 mg/m³ matter.
const REGISTRY: &str = r#"
[[enterprise]]
id = "TURBINE"
name = "turbine"

[[outlet]]
id = "TURBINE:DA001"
enterprise = "TURBINE"
number = "DA001"

[[outlet.factor]]
code = "a21002"
limit = [{ window = "hour", value = "80", source = "permit" }]

[[outlet.factor]]
code = "a21005"
limit = [{ window = "hour", value = "10", source = "permit" }]

[[source]]
mn = "DE2011000000000000000001"
outlet = "TURBINE:DA001"
"#;

/// What one row holds.
#[derive(Clone, Copy, Debug)]
struct Row {
    ambient_c: f64,
    pressure_mbar: f64,
    humidity_pct: f64,
    load: f64,
    nox: f64,
    co: f64,
}

/// The pollutants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gas {
    Nox,
    Co,
}

impl Gas {
    const ALL: [Self; 2] = [Self::Nox, Self::Co];

    fn code(self) -> &'static str {
        match self {
            Self::Nox => "a21002",
            Self::Co => "a21005",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nox => "NOx",
            Self::Co => "CO",
        }
    }

    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Nox => row.nox,
            Self::Co => row.co,
        }
    }
}

/// One alert of the charts.
#[derive(Debug, Serialize)]
struct Alert {
    factor: &'static str,
    /// Row of the table (from 1) at which it was said, and at which the level began to move, by the chart's estimate.
    said_row: usize,
    changed_row: usize,
    chart: String,
    /// By the chart's estimate when it was said, mg/m³.
    moved: f64,
    /// Rows until it was over for good; `None` where it was not at the end.
    lasted_h: Option<usize>,
    /// How often the case was opened: a level that comes and goes within one change is one case.
    opened: usize,
    causes: Causes,
}

/// Everything found.
#[derive(Debug, Serialize)]
struct Score {
    rows: usize,
    months: f64,
    /// Cases opened by rule, of those that judge values.
    opened: BTreeMap<String, usize>,
    alerts: Vec<Alert>,
}

/// Judges the table and prints what was found.
pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<ExitCode> {
    let path = args.turbine.as_deref().context("no table is given")?;
    let config = view::config(args.config.as_deref())?;
    let rows = read(path)?;
    let events = judge(&config.detect, &rows)?;
    let mut opened = BTreeMap::new();
    let mut cases = BTreeSet::new();
    // A device that sends hours alone is silent in between; what judges transmission says so, every hour.
    let of_values = |rule: RuleCode| !matches!(rule, RuleCode::Miss | RuleCode::CommonCause);
    let is_new =
        |event: &&Event| event.edge == Edge::Opened && of_values(event.judgement.rule) && cases.insert(event.case);
    for event in events.iter().filter(is_new) {
        let factor = event.judgement.factor;
        let gas = Gas::ALL
            .into_iter()
            .find(|gas| factor.is_some_and(|f| f.as_str() == gas.code()));
        let name = format!("{} {}", event.judgement.rule.code(), gas.map_or("", Gas::name));
        *opened.entry(name.trim().to_owned()).or_insert(0) += 1;
    }
    let score = Score {
        rows: rows.len(),
        months: (rows.len() as f64 / MONTH_H * 10.0).round() / 10.0,
        opened,
        alerts: alerts(&rows, &events),
    };
    if args.json {
        out::line(serde_json::to_string_pretty(&score)?);
    } else {
        table::tell(&score);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the columns that are asked, in whatever order they stand.
fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let shown = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("read {shown}"))?;
    let head = reader.headers().with_context(|| format!("read {shown}"))?.clone();
    let place = |name: &str| {
        let found = head.iter().position(|column| column == name);
        found.with_context(|| format!("{shown}: no column `{name}`. hint: give the UCI gas turbine table as it is"))
    };
    let places = [
        place("Ambient temperature")?,
        place("Ambient pressure")?,
        place("Ambient humidity")?,
        place("Turbine energy yield")?,
        place("Nitrogen oxides")?,
        place("Carbon monoxide")?,
    ];
    let mut rows = Vec::new();
    for (line, record) in (2..).zip(reader.records()) {
        let record = record.with_context(|| format!("{shown}:{line}"))?;
        let cell = |place: usize| {
            let text = record.get(place).unwrap_or_default();
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            value.with_context(|| format!("{shown}:{line}: `{text}` is no number"))
        };
        let [ambient, pressure, humidity, load, nox, co] = places;
        rows.push(Row {
            ambient_c: cell(ambient)?,
            pressure_mbar: cell(pressure)?,
            humidity_pct: cell(humidity)?,
            load: cell(load)?,
            nox: cell(nox)?,
            co: cell(co)?,
        });
    }
    Ok(rows)
}

/// Hour packets of all rows through the judge.
fn judge(settings: &Settings, rows: &[Row]) -> anyhow::Result<Vec<Event>> {
    let registry: Registry = toml::from_str(REGISTRY).context("the score's own registry")?;
    let origin = Origin {
        mn: Mn::new("DE2011000000000000000001")?,
        st: Inline::new("31").unwrap_or_default(),
        dialect: Dialect::Hj2017,
        ingest: IngestId::new("score")?,
        peer: Inline::default(),
        registry_revision: 1,
    };
    let outlet = OutletId::new("TURBINE:DA001")?;
    let (mut engine, mut said) = (
        Engine::new(settings.clone(), Partition { index: 0, count: 1 }),
        Out::default(),
    );
    let mut offset = 0;
    let mut take = |body: EntryBody| {
        let at = LogPosition { partition: 0, offset };
        offset += 1;
        engine.step(&Entry { at, body }, &mut said);
    };
    take(EntryBody::Registry(Box::new(Registry {
        recorded_at: START,
        ..registry
    })));
    for (place, (hour, row)) in (0_i64..).zip(rows).enumerate() {
        let measured_at = START.plus(hour * HOUR_MS);
        let end = measured_at.plus(HOUR_MS);
        take(EntryBody::Report(Box::new(report(&origin, outlet, measured_at, row)?)));
        for minute in (2..60).step_by(TICK_EVERY_MIN) {
            take(EntryBody::Tick(Tick {
                ingest: origin.ingest,
                received_at: end.plus(minute * MINUTE_MS),
            }));
        }
        if (place + 1) % PROGRESS == 0 {
            out::complain(format_args!("{} / {} 小时 / hours", place + 1, rows.len()));
        }
    }
    Ok(said.events)
}

/// The hour packet of a row.
fn report(origin: &Origin, outlet: OutletId, measured_at: Time, row: &Row) -> anyhow::Result<Report> {
    let received_at = measured_at.plus(HOUR_MS + SECOND_MS);
    let mut readings = Vec::with_capacity(2);
    for gas in Gas::ALL {
        readings.push(Reading {
            factor: FactorCode::new(gas.code())?,
            statistic: Statistic::Mean,
            basis: Basis::Standard,
            value: Value::Decimal(Decimal::from_f64(gas.of(row), 3).context("a value of the table")?),
            flag: Flag::Normal,
            maker_flag: Inline::default(),
        });
    }
    Ok(Report {
        outlet,
        kind: ReportKind::Hour,
        times: Times {
            measured_at,
            sent_at: Some(received_at),
            received_at,
        },
        origin: origin.clone(),
        backfill: false,
        readings,
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::of(&[&measured_at.0.to_le_bytes()]),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2061,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    })
}

/// The row whose hour begins at `at`.
fn row_at(at: Time) -> usize {
    usize::try_from(at.since(START).div_euclid(HOUR_MS)).unwrap_or(0)
}

/// The cases of the charts, each with its causes.
fn alerts(rows: &[Row], events: &[Event]) -> Vec<Alert> {
    let shifts = || events.iter().filter(|event| event.judgement.rule == RuleCode::Shift);
    let opened = || shifts().filter(|event| event.edge == Edge::Opened);
    let mut alerts = Vec::new();
    let mut seen = BTreeSet::new();
    for first in opened() {
        let factor = first.judgement.factor;
        let gas = Gas::ALL
            .into_iter()
            .find(|gas| factor.is_some_and(|factor| factor.as_str() == gas.code()));
        let (Some(gas), true) = (gas, seen.insert(first.case)) else {
            continue;
        };
        let window = first.judgement.window;
        let last = shifts().rfind(|event| event.case == first.case);
        let over = last.filter(|event| event.edge == Edge::Cleared);
        let (changed, said) = (row_at(window.start), row_at(window.end));
        alerts.push(Alert {
            factor: gas.name(),
            said_row: said,
            changed_row: changed + 1,
            chart: text(first),
            moved: first.judgement.number(FactKey::Moved).unwrap_or_default(),
            lasted_h: over.map(|over| row_at(over.judgement.window.end).saturating_sub(said)),
            opened: opened().filter(|event| event.case == first.case).count(),
            causes: causes::causes(rows, gas, (changed, said)),
        });
    }
    alerts
}

/// Which chart said it.
fn text(event: &Event) -> String {
    match event.judgement.fact(FactKey::Reason) {
        Some(FactValue::Text(text)) => text.as_str().to_owned(),
        _ => String::new(),
    }
}
