//! Readings measured before the time up to which repeats are known: merging compares them with what is there.
//!
//! In the table's order the rows of one reading follow each other, oldest packet first. A first pass numbers the rows
//! that nobody
//! compared yet: the value that stands already is left out, another one becomes the next revision. The second pass
//! applies that.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{OwnedRow, RowConverter};

use crate::ArchiveError;
use crate::merge::{converter, failed};
use crate::tables::Words;
use crate::tables::readings::{REVISION, SPEC};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    LeaveOut,
    Number(i32),
}

/// What becomes of the rows, by their place in the merged order.
#[derive(Debug)]
pub(crate) struct Revisions {
    verdicts: BTreeMap<u64, Verdict>,
    /// Rows applied to so far.
    at: u64,
}

/// A row of one reading.
struct Row {
    place: u64,
    packet: i64,
    revision: Option<i32>,
    says: Says,
}

/// What makes two values of a reading the same one: 1.50 is 1.5.
#[derive(Clone, PartialEq)]
struct Says {
    value: Option<u64>,
    text: Option<String>,
    flag: String,
    maker_flag: Option<String>,
}

impl Revisions {
    /// Nothing to change.
    pub(crate) fn none() -> Self {
        Self {
            verdicts: BTreeMap::new(),
            at: 0,
        }
    }

    /// Goes through all rows and numbers those without a revision.
    pub(crate) fn of(rows: impl Iterator<Item = Result<RecordBatch, ArchiveError>>) -> Result<Self, ArchiveError> {
        let mut this = Self::none();
        let keys = reading_keys()?;
        let mut group: Vec<Row> = Vec::new();
        let mut current: Option<OwnedRow> = None;
        let mut place = 0;
        for batch in rows {
            let batch = batch?;
            let columns = Columns::of(&batch)?;
            let readings = keys
                .convert_columns(&columns.reading)
                .map_err(|source| failed(&SPEC, source))?;
            for row in 0..batch.num_rows() {
                let reading = readings.row(row);
                if current.as_ref().is_none_or(|current| current.row() != reading) {
                    this.settle(&mut group);
                    current = Some(reading.owned());
                }
                group.push(columns.row(row, place));
                place += 1;
            }
        }
        this.settle(&mut group);
        Ok(this)
    }

    /// Numbers the rows of one reading.
    fn settle(&mut self, group: &mut Vec<Row>) {
        let rows = std::mem::take(group);
        if rows.iter().all(|row| row.revision.is_some()) {
            return;
        }
        // Makers' sub-fields can share a name within a packet; which is which is not known here, so none is left out.
        let alike = rows
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.packet == b.packet));
        let mut number = rows.iter().filter_map(|row| row.revision).max();
        let by_number = rows
            .iter()
            .filter(|row| row.revision.is_some())
            .max_by_key(|row| row.revision);
        let mut stands = by_number.map(|row| row.says.clone());
        for row in rows.iter().filter(|row| row.revision.is_none()) {
            let verdict = if !alike && stands.as_ref() == Some(&row.says) {
                Verdict::LeaveOut
            } else {
                let next = number.map_or(0, |number| number + 1);
                (number, stands) = (Some(next), Some(row.says.clone()));
                Verdict::Number(next)
            };
            self.verdicts.insert(row.place, verdict);
        }
    }

    /// Rows left out.
    pub(crate) fn dropped(&self) -> u64 {
        let left_out = self.verdicts.values().filter(|verdict| **verdict == Verdict::LeaveOut);
        left_out.count() as u64
    }

    /// The next rows of the same order, as they are to be stored.
    pub(crate) fn apply(&mut self, batch: RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let from = self.at;
        self.at += batch.num_rows() as u64;
        if self.verdicts.range(from..self.at).next().is_none() {
            return Ok(batch);
        }
        let verdict = |row: usize| self.verdicts.get(&(from + row as u64)).copied();
        rewritten(&batch, verdict).map_err(|source| failed(&SPEC, source))
    }
}

fn rewritten(batch: &RecordBatch, verdict: impl Fn(usize) -> Option<Verdict>) -> Result<RecordBatch, ArrowError> {
    let place = batch.schema().index_of(REVISION)?;
    let old = batch.column(place).as_primitive::<Int32Type>();
    let number = |row| match verdict(row) {
        Some(Verdict::Number(number)) => Some(number),
        _ => old.is_valid(row).then(|| old.value(row)),
    };
    let numbers: Int32Array = (0..batch.num_rows()).map(number).collect();
    let keep: BooleanArray = (0..batch.num_rows())
        .map(|row| Some(verdict(row) != Some(Verdict::LeaveOut)))
        .collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    if let Some(column) = columns.get_mut(place) {
        *column = Arc::new(numbers);
    }
    filter_record_batch(&RecordBatch::try_new(batch.schema(), columns)?, &keep)
}

/// The columns that name a reading: the key without the packet.
fn reading_columns() -> impl Iterator<Item = &'static str> {
    SPEC.key.iter().copied().filter(|name| *name != "packet")
}

fn reading_keys() -> Result<RowConverter, ArchiveError> {
    converter(&SPEC, reading_columns(), Words::Numbered)
}

struct Columns<'a> {
    reading: Vec<ArrayRef>,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ArchiveError> {
        let column = |name: &str| {
            let missing = || failed(&SPEC, ArrowError::SchemaError(format!("no column {name}")));
            batch.column_by_name(name).map(Arc::clone).ok_or_else(missing)
        };
        let reading = reading_columns().map(column).collect::<Result<_, _>>()?;
        for column in SPEC.columns {
            if batch
                .column_by_name(column.name)
                .is_none_or(|found| *found.data_type() != column.form.data_type(Words::Numbered))
            {
                let other = ArrowError::SchemaError(format!("column {} is not of this version", column.name));
                return Err(failed(&SPEC, other));
            }
        }
        Ok(Self { reading, batch })
    }

    fn row(&self, row: usize, place: u64) -> Row {
        let column = |name| self.batch.column_by_name(name).filter(|column| column.is_valid(row));
        let text = column("text").map(|column| column.as_string::<i32>().value(row).to_owned());
        let word = |name| {
            let column = column(name)?.as_dictionary_opt::<Int32Type>()?;
            let words = column.values().as_string_opt::<i32>()?;
            column.key(row).map(|key| words.value(key).to_owned())
        };
        Row {
            place,
            packet: column("packet").map_or(0, |column| column.as_primitive::<Int64Type>().value(row)),
            revision: column(REVISION).map(|column| column.as_primitive::<Int32Type>().value(row)),
            says: Says {
                // -0.0 is 0.0.
                value: column("value").map(|column| (column.as_primitive::<Float64Type>().value(row) + 0.0).to_bits()),
                text,
                flag: word("flag").unwrap_or_default(),
                maker_flag: word("maker_flag"),
            },
        }
    }
}
