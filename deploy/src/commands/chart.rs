//! `plume chart`: the control charts of one factor of an outlet, drawn from the archive: hour means with what is usual,
//! EWMA and CUSUM with their limits, where they signalled and when the change began by their estimate.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use plume_archive::{Field, QuerySpec, Table};
use plume_detect::Lang;
use plume_detect::chart::level::{self, Watching, Which};
use plume_detect::chart::trace::{Episode, Of, Traced, episodes, picture, sentence, trace};
use plume_schemas::factors::Catalogue;
use plume_schemas::time::{DAY_MS, HOUR_MS, Time};
use serde::Serialize;

use super::view::{self, Ticker, hinted};
use super::{chart_checks, drawing};
use crate::cli::chart::ChartArgs;
use crate::out;

/// Days that are drawn, where nobody says otherwise.
const DAYS: i64 = 30;
/// Rows between two looks at the clock.
const LOOK_ROWS: usize = 4_096;

/// Draws, or lists the signals.
pub(crate) fn run(args: &ChartArgs) -> anyhow::Result<ExitCode> {
    if let Some(sheet) = &args.checks {
        return chart_checks::run(args, sheet);
    }
    let config = view::config(args.place.config.as_deref())?;
    let seen = read(args)?;
    let (Some(limit), Some(&(last, _))) = (seen.limit, seen.hours.last()) else {
        bail!(
            "归档中没有 {} {} 的小时判定（有限值的因子才有） / the archive holds no judged hours of it; only a factor with a \
             limit is charted. hint: plume query hours --outlet {}",
            args.outlet,
            args.factor,
            args.outlet
        );
    };
    let by = Watching::new(&config.detect.shift, seen.factors, limit);
    let traced = trace(&by, &seen.hours, level::seed(args.outlet, args.factor));
    let from = args.from.unwrap_or(Time((last + 1) * HOUR_MS).plus(-DAYS * DAY_MS));
    let drawn: Vec<Traced> = traced.into_iter().filter(|hour| hour.start() >= from).collect();
    let catalogue = Catalogue::embedded()?;
    let (lang, name) = match args.lang.as_str() {
        "en" => (Lang::En, catalogue.name_en(args.factor)),
        _ => (Lang::Zh, catalogue.name_zh(args.factor)),
    };
    let title = format!("{} · {name} ({})", args.outlet, args.factor);
    let unit = catalogue
        .unit(args.factor)
        .map_or_else(String::new, |unit| unit.to_string());
    let of = Of {
        title: &title,
        unit: &unit,
        limit,
        lang,
    };
    if args.json {
        for episode in episodes(&drawn) {
            out::line(serde_json::to_string(&row(&episode, &unit))?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let picture = picture(&of, &drawn);
    let path = args.out.clone().unwrap_or_else(|| named(args));
    drawing::write(&path, &picture.svg())?;
    for episode in episodes(&drawn) {
        out::line(sentence(&of, &episode));
    }
    out::line(format_args!("{}: {}", path.display(), picture.words));
    Ok(ExitCode::SUCCESS)
}

/// `chart-91330100MA27X0AB1C_DA001-a21026.svg`.
fn named(args: &ChartArgs) -> PathBuf {
    let outlet = args.outlet.as_str().replace(':', "_");
    PathBuf::from(format!("chart-{outlet}-{}.svg", args.factor))
}

/// A signal as JSON.
#[derive(Debug, Serialize)]
struct Row<'a> {
    chart: &'static str,
    signalled_at: String,
    changed_at: String,
    until: String,
    statistic_sd: f64,
    limit_sd: f64,
    moved: f64,
    unit: &'a str,
}

fn row<'a>(episode: &Episode, unit: &'a str) -> Row<'a> {
    Row {
        chart: match episode.first.which {
            Which::Ewma => "ewma",
            Which::Cusum => "cusum",
        },
        signalled_at: episode.signalled.to_string(),
        changed_at: episode.changed.to_string(),
        until: episode.until.to_string(),
        statistic_sd: episode.first.statistic,
        limit_sd: episode.first.limit,
        moved: episode.last.moved,
        unit,
    }
}

/// What the archive knows: the hours of the factor in order, its limit as it stood last, and how many factors of the
/// outlet have one.
#[derive(Debug, Default)]
struct Seen {
    hours: Vec<(i64, Option<f64>)>,
    limit: Option<f64>,
    factors: usize,
}

/// Reads all hours there are up to the end: what is usual is learned from the beginning on.
fn read(args: &ChartArgs) -> anyhow::Result<Seen> {
    let reader = view::open(&args.place)?;
    let spec = QuerySpec {
        outlet: Some(args.outlet),
        to: args.to,
        columns: ["factor", "measured_at", "value", "limit_value"]
            .map(str::to_owned)
            .to_vec(),
        ..QuerySpec::all(Table::Hours)
    };
    let (mut seen, mut watched) = (Seen::default(), BTreeSet::new());
    let mut ticker = Ticker::new(args.progress);
    for (rows, row) in reader.query(&spec).map_err(hinted)?.enumerate() {
        let row = row.map_err(hinted)?;
        if rows.is_multiple_of(LOOK_ROWS) {
            ticker.tick(|| format!("hours: {rows}"));
        }
        let [factor, Field::Time(at), value, limit] = row.as_slice() else {
            continue;
        };
        let (code, limit) = (factor.to_string(), number(limit));
        if code == args.factor.as_str() {
            seen.hours.push((at.0.div_euclid(HOUR_MS), number(value)));
            seen.limit = limit.or(seen.limit);
        }
        if limit.is_some() {
            watched.insert(code);
        }
    }
    seen.hours.sort_by_key(|&(hour, _)| hour);
    seen.factors = watched.len();
    Ok(seen)
}

fn number(field: &Field) -> Option<f64> {
    match field {
        Field::Null => None,
        Field::Number(number) => Some(*number),
        other => other.to_string().parse().ok(),
    }
}
