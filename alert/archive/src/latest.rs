//! Of rows of the same thing, in the table's order, only the last one: for tables that say how things stand.

use arrow::array::BooleanArray;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::record_batch::RecordBatch;
use arrow::row::RowConverter;

use crate::ArchiveError;
use crate::merge::{converter, failed};
use crate::tables::{Spec, Words};

/// Passes on the last row of each thing.
pub(crate) struct Latest<I> {
    spec: &'static Spec,
    keys: RowConverter,
    rows: I,
    /// The last row seen: one of the same thing may follow.
    held: Option<RecordBatch>,
    /// Rows in whose place a later one stands.
    pub(crate) superseded: u64,
}

impl<I: Iterator<Item = Result<RecordBatch, ArchiveError>>> Latest<I> {
    pub(crate) fn new(spec: &'static Spec, words: Words, rows: I) -> Result<Self, ArchiveError> {
        Ok(Self {
            spec,
            keys: converter(spec, things(spec), words)?,
            rows,
            held: None,
            superseded: 0,
        })
    }

    /// The rows of `batch` behind the one held that stand, but for its last one, which is held now.
    fn pass(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let failed = |source| failed(self.spec, source);
        let all = match self.held.take() {
            Some(held) => concat_batches(&batch.schema(), [&held, batch]).map_err(failed)?,
            None => batch.clone(),
        };
        let columns: Vec<_> = things(self.spec)
            .filter_map(|name| all.column_by_name(name).cloned())
            .collect();
        let keys = self.keys.convert_columns(&columns).map_err(failed)?;
        let last = all.num_rows() - 1;
        let stands: BooleanArray = (0..last).map(|row| Some(keys.row(row) != keys.row(row + 1))).collect();
        let passed = filter_record_batch(&all.slice(0, last), &stands).map_err(failed)?;
        self.superseded += (last - passed.num_rows()) as u64;
        self.held = Some(all.slice(last, 1));
        Ok(passed)
    }
}

/// The columns that name a thing.
fn things(spec: &'static Spec) -> impl Iterator<Item = &'static str> {
    spec.key.iter().copied().take(spec.latest)
}

impl<I: Iterator<Item = Result<RecordBatch, ArchiveError>>> Iterator for Latest<I> {
    type Item = Result<RecordBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rows.next() {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => match self.pass(&batch) {
                    Ok(passed) if passed.num_rows() == 0 => {}
                    other => return Some(other),
                },
                Some(Err(error)) => return Some(Err(error)),
                None => return self.held.take().map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Cell, Rows, Table};
    use plume_schemas::time::Time;
    use proptest::prelude::*;

    /// Rows of `outlets`, in order: outlet and revision.
    fn batch(rows: &[(String, i64)]) -> RecordBatch {
        let spec = Table::Outlets.spec();
        let mut built = Rows::new(spec);
        for (outlet, revision) in rows {
            built.push(spec.columns.iter().map(|column| match column.name {
                "outlet" => Cell::Text(outlet),
                "revision" => Cell::Int(*revision),
                "recorded_at" => Cell::Time(Time(0)),
                _ if column.null => Cell::Null,
                _ => Cell::Text("-"),
            }));
        }
        built.sorted().unwrap()
    }

    proptest! {
        #[test]
        fn the_last_of_each_stands_however_the_batches_are_cut(
            mut rows in proptest::collection::vec((0_u8..6, 0_i64..40), 0..60), cut in 1_usize..9,
        ) {
            rows.sort_unstable();
            rows.dedup();
            let rows: Vec<(String, i64)> = rows.into_iter().map(|(n, r)| (format!("E:{n}"), r)).collect();
            let batches: Vec<_> = rows.chunks(cut).map(|chunk| Ok(batch(chunk))).collect();
            let mut latest = Latest::new(Table::Outlets.spec(), Words::Numbered, batches.into_iter()).unwrap();
            let stands: usize = latest.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
            let mut model: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
            for (outlet, revision) in &rows {
                model.insert(outlet, *revision);
            }
            prop_assert_eq!(stands, model.len());
            prop_assert_eq!(latest.superseded, (rows.len() - model.len()) as u64);
        }
    }
}
