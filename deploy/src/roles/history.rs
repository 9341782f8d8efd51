//! The hours of the past for the desk's reports and long charts: what the devices reported, and where they reported
//! none, what was judged.

use std::collections::HashMap;

use plume_alert::desk::{HistoryQuestion, HourValue, Quantity};
use plume_archive::{Field, Location, QuerySpec, Reader, Table};
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Basis, Flag, ReportKind, Statistic};
use tokio::sync::mpsc;

use super::Context;
use super::stop::Stop;

/// Most numbers of one answer: a year of an outlet with ten factors, each with mean, corrected mean and total.
const MAX_VALUES: usize = 366 * 24 * 30;
const READINGS: [&str; 7] = [
    "factor",
    "measured_at",
    "statistic",
    "basis",
    "value",
    "flag",
    "revision",
];
const HOURS: [&str; 6] = ["factor", "measured_at", "basis", "value", "reason", "revision"];

/// Answers until told to stop, one question after the other: pages wait, the disk is shared with the archive's loop.
pub(crate) async fn answer(
    context: Context,
    mut questions: mpsc::Receiver<HistoryQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    loop {
        let question = super::desk::next(&mut questions, &stop).await;
        let Some(question) = question else {
            return Ok(());
        };
        if question.answer.is_closed() {
            continue;
        }
        let archive = context.archive.clone();
        let read = tokio::task::spawn_blocking(move || {
            let hours = hours(&archive, &question).map_err(|error| format!("{error:#}"));
            // Who asked may have left.
            drop(question.answer.send(hours));
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "a question of history was not answered");
        }
    }
}

/// What an hour's number is told apart by.
type Key = (FactorCode, i64, Option<Basis>);

fn hours(archive: &Location, question: &HistoryQuestion) -> anyhow::Result<Vec<HourValue>> {
    let reader = super::archive::reader(archive)?;
    let mut found: HashMap<Key, (i64, HourValue)> = HashMap::new();
    judged(&reader, question, &mut found)?;
    reported(&reader, question, &mut found)?;
    Ok(found.into_values().map(|(_, hour)| hour).collect())
}

fn spec(question: &HistoryQuestion, table: Table, columns: &[&str]) -> QuerySpec {
    QuerySpec {
        outlet: Some(question.outlet),
        factor: question.factor,
        from: Some(question.span.start),
        to: Some(question.span.end),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        limit: MAX_VALUES,
        ..QuerySpec::all(table)
    }
}

/// What was judged: of a device that reports no hours this is all there is.
fn judged(
    reader: &Reader,
    question: &HistoryQuestion,
    found: &mut HashMap<Key, (i64, HourValue)>,
) -> anyhow::Result<()> {
    for row in reader.query(&spec(question, Table::Hours, &HOURS))? {
        let row = row?;
        let [factor, Field::Time(at), basis, Field::Number(value), reason, revision] = row.as_slice() else {
            continue;
        };
        let Some((factor, basis)) = factor_of(factor).zip(Basis::from_code(&basis.to_string())) else {
            continue;
        };
        let hour = HourValue {
            factor,
            at: *at,
            quantity: Quantity::Mean(basis),
            value: *value,
            counts: matches!(reason, Field::Null),
        };
        // Revisions of judgements and of readings are counted differently: what is reported comes after and wins.
        let revision = if let Field::Int(revision) = revision {
            *revision
        } else {
            0
        };
        newest(
            found,
            (factor, at.0, Some(basis)),
            revision.saturating_add(i64::MIN),
            hour,
        );
    }
    Ok(())
}

/// What the device reported of its hours.
fn reported(
    reader: &Reader,
    question: &HistoryQuestion,
    found: &mut HashMap<Key, (i64, HourValue)>,
) -> anyhow::Result<()> {
    let spec = QuerySpec {
        kind: Some(ReportKind::Hour),
        ..spec(question, Table::Readings, &READINGS)
    };
    for row in reader.query(&spec)? {
        let row = row?;
        let [factor, Field::Time(at), statistic, basis, value, flag, revision] = row.as_slice() else {
            continue;
        };
        let (Some(factor), Some(value)) = (factor_of(factor), number_of(value)) else {
            continue;
        };
        let quantity = match Statistic::from_code(&statistic.to_string()) {
            Some(Statistic::Mean) => Basis::from_code(&basis.to_string()).map(Quantity::Mean),
            Some(Statistic::Total) => Some(Quantity::Total),
            _ => None,
        };
        let Some(quantity) = quantity else { continue };
        let hour = HourValue {
            factor,
            at: *at,
            quantity,
            value,
            counts: flag.to_string() == Flag::Normal.code(),
        };
        let basis = match quantity {
            Quantity::Mean(basis) => Some(basis),
            Quantity::Total => None,
        };
        let revision = if let Field::Int(revision) = revision {
            *revision
        } else {
            0
        };
        newest(found, (factor, at.0, basis), revision, hour);
    }
    Ok(())
}

fn newest(found: &mut HashMap<Key, (i64, HourValue)>, key: Key, revision: i64, hour: HourValue) {
    let kept = found.entry(key).or_insert((revision, hour));
    if kept.0 <= revision {
        *kept = (revision, hour);
    }
}

fn factor_of(field: &Field) -> Option<FactorCode> {
    FactorCode::new(&field.to_string()).ok()
}

fn number_of(field: &Field) -> Option<f64> {
    match field {
        Field::Typed { number, .. } => *number,
        Field::Number(number) => Some(*number),
        _ => None,
    }
}
