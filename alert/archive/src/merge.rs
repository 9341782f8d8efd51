//! Merging sorted files of one table into one sorted file, a batch of each in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};

use crate::ArchiveError;
use crate::tables::{Spec, Words};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Rows that the inputs of a merge have in memory, all together: of packets some 30 MB.
const MERGED_ROWS: usize = 32 * 1_024;
/// Fewer rows of an input at a time than this take longer to fetch than to merge.
const LEAST_ROWS: usize = 512;

/// Rows that each of so many inputs is to give at a time.
pub(crate) fn batch_rows(inputs: usize) -> usize {
    (MERGED_ROWS / inputs.max(1)).clamp(LEAST_ROWS, BATCH_ROWS)
}

/// One input: its batches in the table's order.
pub(crate) type Input = Box<dyn Iterator<Item = Result<RecordBatch, ArchiveError>>>;

/// The rows of several inputs in the table's order; of equal ones the earlier input's come first.
pub(crate) struct Merge {
    spec: &'static Spec,
    keys: RowConverter,
    inputs: Vec<Cursor>,
    /// The next row of each input that has one.
    next: BinaryHeap<Reverse<(OwnedRow, usize)>>,
    failed: bool,
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merge({}, {} inputs)", self.spec.name, self.inputs.len())
    }
}

struct Cursor {
    batches: Input,
    current: Option<(RecordBatch, Rows)>,
    at: usize,
}

impl Merge {
    /// Merges inputs whose words lie as `words` says.
    pub(crate) fn new(spec: &'static Spec, words: Words, inputs: Vec<Input>) -> Result<Self, ArchiveError> {
        let keys = key_converter(spec, words)?;
        let cursor = |batches| Cursor {
            batches,
            current: None,
            at: 0,
        };
        let mut merge = Self {
            spec,
            keys,
            inputs: inputs.into_iter().map(cursor).collect(),
            next: BinaryHeap::new(),
            failed: false,
        };
        for input in 0..merge.inputs.len() {
            merge.refill(input)?;
        }
        Ok(merge)
    }

    /// Reads an input's next batch that has rows, and puts its first row into the heap.
    fn refill(&mut self, input: usize) -> Result<(), ArchiveError> {
        let Some(cursor) = self.inputs.get_mut(input) else {
            return Ok(());
        };
        cursor.current = None;
        for batch in cursor.batches.by_ref() {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let rows = key_rows(self.spec, &self.keys, &batch)?;
            self.next.push(Reverse((rows.row(0).owned(), input)));
            (cursor.current, cursor.at) = (Some((batch, rows)), 0);
            break;
        }
        Ok(())
    }

    /// The next rows, at most [`BATCH_ROWS`] of them: up to where an input needs its next batch.
    fn step(&mut self) -> Result<Option<RecordBatch>, ArchiveError> {
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(BATCH_ROWS);
        let mut empty = None;
        while places.len() < BATCH_ROWS && empty.is_none() {
            let Some(Reverse((_, input))) = self.next.pop() else {
                break;
            };
            let Some(cursor) = self.inputs.get_mut(input) else {
                continue;
            };
            let Some((_, rows)) = &cursor.current else { continue };
            // As far as this input is not behind the next best, its rows follow each other.
            let room = rows.num_rows().min(cursor.at + BATCH_ROWS - places.len());
            let end = match self.next.peek() {
                Some(Reverse((best, other))) => {
                    run_end(cursor.at + 1, room, |row| (rows.row(row), input) < (best.row(), *other))
                }
                None => room,
            };
            places.extend((cursor.at..end).map(|row| (input, row)));
            cursor.at = end;
            if end < rows.num_rows() {
                self.next.push(Reverse((rows.row(end).owned(), input)));
            } else {
                empty = Some(input);
            }
        }
        let merged = self.gather(&places)?;
        if let Some(input) = empty {
            self.refill(input)?;
        }
        Ok(merged)
    }

    fn gather(&self, places: &[(usize, usize)]) -> Result<Option<RecordBatch>, ArchiveError> {
        let (Some(&(input, first)), Some(&last)) = (places.first(), places.last()) else {
            return Ok(None);
        };
        if last == (input, first + places.len() - 1)
            && places.iter().all(|&(other, _)| other == input)
            && let Some((batch, _)) = self.inputs.get(input).and_then(|cursor| cursor.current.as_ref())
        {
            // One run of one input is passed on as it lies.
            return Ok(Some(batch.slice(first, places.len())));
        }
        let mut slots = vec![0; self.inputs.len()];
        let mut batches = Vec::new();
        for (slot, cursor) in slots.iter_mut().zip(&self.inputs) {
            *slot = batches.len();
            batches.extend(cursor.current.as_ref().map(|(batch, _)| batch));
        }
        let indices: Vec<(usize, usize)> = places
            .iter()
            .map(|&(input, row)| (slots.get(input).copied().unwrap_or(0), row))
            .collect();
        let merged = interleave_record_batch(&batches, &indices);
        merged.map(Some).map_err(|source| failed(self.spec, source))
    }
}

/// The first of the sorted rows `from..to` that is not before; a run of hundreds is passed over in a few steps.
fn run_end(from: usize, to: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut known, mut stride) = (from, 1);
    while known < to && is_before((known + stride - 1).min(to - 1)) {
        known = (known + stride).min(to);
        stride *= 2;
    }
    // Between `known` and the row just looked at.
    let mut end = (known + stride - 1).min(to);
    while known < end {
        let middle = known.midpoint(end);
        if is_before(middle) {
            known = middle + 1;
        } else {
            end = middle;
        }
    }
    known
}

impl Iterator for Merge {
    type Item = Result<RecordBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        step.transpose()
    }
}

/// Turns the key columns of rows into bytes that compare as the rows do.
pub(crate) fn key_converter(spec: &Spec, words: Words) -> Result<RowConverter, ArchiveError> {
    converter(spec, spec.key.iter().copied(), words)
}

/// The same of some columns.
pub(crate) fn converter<'a>(
    spec: &Spec,
    names: impl Iterator<Item = &'a str>,
    words: Words,
) -> Result<RowConverter, ArchiveError> {
    let columns = names.filter_map(|name| spec.columns.iter().find(|column| column.name == name));
    let fields = columns
        .map(|column| SortField::new(column.form.data_type(words)))
        .collect();
    RowConverter::new(fields).map_err(|source| failed(spec, source))
}

/// The keys of a batch's rows.
pub(crate) fn key_rows(spec: &Spec, keys: &RowConverter, batch: &RecordBatch) -> Result<Rows, ArchiveError> {
    let column = |name: &&str| {
        let missing = || ArrowError::SchemaError(format!("no column {name}"));
        batch
            .column_by_name(name)
            .map(std::sync::Arc::clone)
            .ok_or_else(missing)
    };
    let columns: Result<Vec<_>, _> = spec.key.iter().map(column).collect();
    columns
        .and_then(|columns| keys.convert_columns(&columns))
        .map_err(|source| failed(spec, source))
}

pub(crate) fn failed(spec: &Spec, source: ArrowError) -> ArchiveError {
    ArchiveError::Rows {
        table: spec.name,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::run_end;

    #[test]
    fn a_run_ends_where_looking_at_each_row_says() {
        for to in 0..40 {
            for from in 0..=to {
                for end in from..=to {
                    assert_eq!(run_end(from, to, |row| row < end), end, "{from}..{to}");
                }
            }
        }
    }
}
