//! Hours and their amounts, from the archive.

use std::collections::BTreeMap;

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_schemas::ids::FactorCode;
use plume_schemas::judgement::NotJudged;
use plume_schemas::reading::{Basis, ReportKind, Statistic};
use plume_schemas::time::{HOUR_MS, Time};

use super::Hour;
use crate::cli::amounts::AmountsArgs;
use crate::commands::view::Ticker;
use crate::rates::{each, names};

/// Hours before the quarter that are looked back at: where three quarters of the hours are valid, they hold the 2,160
/// valid ones that the longest rule asks for.
const LOOK_BACK_H: i64 = 2_880;
/// Flow of gas, m³/s, at standard state and dry.
const FLOW: &str = "a00000";
/// (mg/m³) · (m³/s) to kg an hour.
const KG_AN_HOUR: f64 = 3_600.0 * 1e-6;

/// By outlet and factor.
pub(super) type Key = (String, String);

/// Hours in a row of one pollutant, the first of them at `first`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) first: Time,
    pub(super) hours: Vec<Hour>,
}

/// What stands of an hour: whether it was judged, or stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stood {
    Stopped,
    Valid,
    Invalid,
}

/// Values of hours: the one with the largest revision stands.
type Values = BTreeMap<Key, BTreeMap<Time, (i64, f64)>>;

/// Reads what is asked for. Hours between the first that was judged and the last are all there.
pub(super) fn hours(reader: &Reader, args: &AmountsArgs, ticker: &mut Ticker) -> anyhow::Result<BTreeMap<Key, Series>> {
    let mut stood: BTreeMap<Key, BTreeMap<Time, Stood>> = BTreeMap::new();
    let judged = QuerySpec {
        columns: names(&["outlet", "factor", "measured_at", "verdict", "reason"]),
        ..asked(Table::Hours, args)
    };
    each(reader, &judged, ticker, |row| {
        let [outlet, factor, Field::Time(at), verdict, reason] = row else {
            return;
        };
        let wanted = args.factors.iter().any(|code| code.as_str() == factor.to_string());
        if wanted {
            let key = (outlet.to_string(), factor.to_string());
            let state = state(&verdict.to_string(), &reason.to_string());
            stood.entry(key).or_default().insert(*at, state);
        }
    })?;
    let totals = values(reader, args, (Statistic::Total, &args.factors), ticker)?;
    let means = values(reader, args, (Statistic::Mean, &args.factors), ticker)?;
    let flow = FactorCode::new(FLOW).ok();
    let flows = values(reader, args, (Statistic::Mean, flow.as_slice()), ticker)?;
    let series = stood.into_iter().filter_map(|(key, states)| {
        let in_quarter = |at: &Time| *at >= args.quarter.start && *at < args.quarter.end;
        states.keys().any(in_quarter).then_some(())?;
        let of_flow = (key.0.clone(), FLOW.to_owned());
        let amount = |at: Time| {
            let value = |values: &Values, key: &Key| values.get(key)?.get(&at).map(|(_, value)| *value);
            let computed = || Some(value(&means, &key)? * value(&flows, &of_flow)? * KG_AN_HOUR);
            value(&totals, &key).or_else(computed)
        };
        let series = joined(&states, amount)?;
        Some((key.clone(), series))
    });
    Ok(series.collect())
}

fn state(verdict: &str, reason: &str) -> Stood {
    if [NotJudged::Stopped.code(), NotJudged::StopWork.code()].contains(&reason) {
        Stood::Stopped
    } else if verdict == "not_judged" {
        Stood::Invalid
    } else {
        Stood::Valid
    }
}

/// Every hour from the first to the last that was judged.
fn joined(states: &BTreeMap<Time, Stood>, amount: impl Fn(Time) -> Option<f64>) -> Option<Series> {
    let (first, last) = (*states.keys().next()?, *states.keys().next_back()?);
    let count = usize::try_from(last.since(first) / HOUR_MS + 1).ok()?;
    let moments = std::iter::successors(Some(first), |at| Some(at.plus(HOUR_MS))).take(count);
    let hours = moments.map(|at| match states.get(&at) {
        Some(Stood::Stopped) => Hour::Stopped,
        Some(Stood::Valid) => amount(at).map_or(Hour::Missing, Hour::Valid),
        Some(Stood::Invalid) | None => Hour::Missing,
    });
    Some(Series {
        first,
        hours: hours.collect(),
    })
}

fn values(
    reader: &Reader,
    args: &AmountsArgs,
    (statistic, factors): (Statistic, &[FactorCode]),
    ticker: &mut Ticker,
) -> anyhow::Result<Values> {
    let mut values = Values::new();
    for &factor in factors {
        let spec = QuerySpec {
            kind: Some(ReportKind::Hour),
            factor: Some(factor),
            statistic: Some(statistic),
            basis: Some(Basis::Standard),
            columns: names(&["outlet", "factor", "measured_at", "revision", "value"]),
            ..asked(Table::Readings, args)
        };
        each(reader, &spec, ticker, |row| {
            let [outlet, factor, Field::Time(at), Field::Int(revision), value] = row else {
                return;
            };
            let number = match value {
                Field::Typed { number, .. } => *number,
                Field::Number(number) => Some(*number),
                _ => None,
            };
            let Some(number) = number else { return };
            let of = values.entry((outlet.to_string(), factor.to_string())).or_default();
            let stands = of.entry(*at).or_insert((*revision, number));
            if *revision >= stands.0 {
                *stands = (*revision, number);
            }
        })?;
    }
    Ok(values)
}

fn asked(table: Table, args: &AmountsArgs) -> QuerySpec {
    QuerySpec {
        outlet: args.outlet,
        from: Some(args.quarter.start.plus(-LOOK_BACK_H * HOUR_MS)),
        to: Some(args.quarter.end),
        ..QuerySpec::all(table)
    }
}
