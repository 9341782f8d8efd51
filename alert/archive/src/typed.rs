//! Readings out of the table `readings`, digit by digit as the device typed them: those of certain packets.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use arrow::record_batch::RecordBatch;
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{FactorCode, Inline, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};

use crate::ArchiveError;
use crate::log_rows::Cells;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::Table;
use crate::tables::readings::show;

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

/// The reading of a row; `None` where a word is not of this version.
pub(crate) fn reading(batch: &RecordBatch, row: usize) -> Option<Reading> {
    let cells = Cells { batch, row };
    Some(Reading {
        factor: FactorCode::new(&cells.text("factor")).ok()?,
        statistic: Statistic::from_code(&cells.text("statistic"))?,
        basis: Basis::from_code(&cells.text("basis"))?,
        value: value(batch, row)?,
        flag: Flag::from_code(&cells.text("flag"))?,
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
