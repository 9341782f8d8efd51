//! Readings out of the table `readings`, digit by digit as the device typed them: those of certain packets, and those
//! that stand after all corrections.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use arrow::record_batch::RecordBatch;
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{FactorCode, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::layout::Folder;
use crate::log_rows::Cells;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::Table;
use crate::tables::readings::{REVISION, show};

impl Reader {
    /// Readings that became rows, of an outlet's packets `first..=last` of a kind, by packet; those of one packet in
    /// the table's order. `days` are those of measuring.
    pub fn readings_of_packets(
        &self,
        outlet: OutletId,
        kind: ReportKind,
        (first, last): (u64, u64),
        days: Option<(i64, i64)>,
    ) -> Result<BTreeMap<u64, Vec<Reading>>, ArchiveError> {
        let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let scan = Scan {
            table: Table::Readings,
            kind: Some(kind),
            days,
            wants: vec![
                Want::Word("outlet", outlet.as_str().to_owned()),
                Want::Between("packet", int(first), int(last)),
            ],
        };
        let mut found: BTreeMap<u64, Vec<Reading>> = BTreeMap::new();
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            for row in 0..batch.num_rows() {
                let packet = Cells { batch: &batch, row }.count("packet");
                found.entry(packet).or_default().extend(reading(&batch, row));
            }
        }
        Ok(found)
    }
}

/// A reading as it stands: its last revision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandingReading {
    /// Of which outlet.
    pub outlet: OutletId,
    /// The device that sent it.
    pub mn: Mn,
    /// When it was measured.
    pub measured_at: Time,
    /// What it says.
    pub reading: Reading,
}

impl Reader {
    /// First and last day of which readings are there, of any kind; `None` where there are none.
    pub fn reading_days(&self) -> Option<(i64, i64)> {
        let files = self.manifest.parts.keys().chain(self.manifest.batches.keys());
        let folders = files.filter_map(|name| Folder::of_file(name));
        let days = folders.filter(|folder| folder.table == Table::Readings);
        days.filter_map(|folder| folder.day)
            .fold(None, |found: Option<(i64, i64)>, day| {
                Some(found.map_or((day, day), |(first, last)| (first.min(day), last.max(day))))
            })
    }

    /// The readings of a kind and day of measuring as they stand, corrections applied, of one outlet or of all. Memory
    /// is that of the day.
    pub fn standing_readings(
        &self,
        kind: ReportKind,
        day: i64,
        outlet: Option<OutletId>,
    ) -> Result<Vec<StandingReading>, ArchiveError> {
        let scan = Scan {
            table: Table::Readings,
            kind: Some(kind),
            days: Some((day, day)),
            wants: outlet
                .map(|outlet| Want::Word("outlet", outlet.as_str().to_owned()))
                .into_iter()
                .collect(),
        };
        // Rows of one reading follow each other, of several devices mixed, the oldest packet first.
        let mut standing: Vec<StandingReading> = Vec::new();
        let mut group: Vec<(i32, StandingReading)> = Vec::new();
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            for row in 0..batch.num_rows() {
                let Some((revision, next)) = revised(&batch, row) else {
                    continue;
                };
                if group.first().is_some_and(|(_, first)| !is_same(first, &next)) {
                    standing.extend(group.drain(..).map(|(_, reading)| reading));
                }
                match group.iter_mut().find(|(_, other)| other.mn == next.mn) {
                    Some(other) if other.0 <= revision => *other = (revision, next),
                    Some(_) => {}
                    None => group.push((revision, next)),
                }
            }
        }
        standing.extend(group.into_iter().map(|(_, reading)| reading));
        Ok(standing)
    }
}

/// Whether two rows are of one reading, whoever sent them.
fn is_same(a: &StandingReading, b: &StandingReading) -> bool {
    let key = |one: &StandingReading| {
        let reading = &one.reading;
        (
            reading.factor,
            one.outlet,
            reading.statistic.number(),
            reading.basis.number(),
            one.measured_at,
        )
    };
    key(a) == key(b)
}

/// The reading of a row with its revision; one that was not compared yet is newer than those that were.
fn revised(batch: &RecordBatch, row: usize) -> Option<(i32, StandingReading)> {
    let cells = Cells { batch, row };
    let revision = batch.column_by_name(REVISION).filter(|column| column.is_valid(row));
    let revision = revision.map_or(i32::MAX, |column| column.as_primitive::<Int32Type>().value(row));
    let standing = StandingReading {
        outlet: OutletId::new(&cells.text("outlet")).ok()?,
        mn: Mn::new(&cells.text("mn")).ok()?,
        measured_at: cells.time("measured_at")?,
        reading: reading(batch, row)?,
    };
    Some((revision, standing))
}

/// The reading of a row; `None` where a word is not of this version.
pub(crate) fn reading(batch: &RecordBatch, row: usize) -> Option<Reading> {
    let cells = Cells { batch, row };
    let flag = cells.text("flag");
    Some(Reading {
        factor: FactorCode::new(&cells.text("factor")).ok()?,
        statistic: Statistic::from_code(&cells.text("statistic"))?,
        basis: Basis::from_code(&cells.text("basis"))?,
        value: value(batch, row)?,
        flag: Flag::from_code(&flag)?,
        maker_flag: Inline::new(&cells.text("maker_flag"))?,
    })
}

/// The value as the device typed it: `value`, `decimals` and `text` together say it exactly.
fn value(batch: &RecordBatch, row: usize) -> Option<Value> {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let number = column("value").map(|column| column.as_primitive::<Float64Type>().value(row));
    let decimals = column("decimals").map(|column| column.as_primitive::<Int32Type>().value(row));
    let text = column("text").map(|column| column.as_string::<i32>().value(row));
    match (number, decimals, text) {
        (Some(number), Some(decimals), None) => {
            let shown = show(number, u8::try_from(decimals).ok()?);
            Decimal::parse(shown.as_bytes()).map(Value::Decimal)
        }
        (_, Some(_), Some(text)) => Decimal::parse(text.as_bytes()).map(Value::Decimal),
        (Some(number), None, _) => Some(Value::Float(number)),
        (None, None, Some(text)) => Inline::new(text).map(Value::Text),
        (None, _, None) => Some(Value::Empty),
    }
}
