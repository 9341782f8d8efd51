//! Which row groups and pages of a file can hold what is looked for.

use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

/// A condition on one column; rows without a value do not meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Exactly this word.
    Word(&'static str, String),
    /// From the first to the last of these numbers, both included; times as wall clock milliseconds.
    Between(&'static str, i64, i64),
}

impl Want {
    pub(crate) fn column(&self) -> &'static str {
        match self {
            Self::Word(column, _) | Self::Between(column, ..) => column,
        }
    }

    /// Whether values from `min` to `max`, as stored in statistics, can meet it. Statistics of text may be cut, so
    /// that the
    /// smallest is smaller and the largest larger than any value: that only costs a read.
    fn may_meet(&self, min: &[u8], max: &[u8]) -> bool {
        match self {
            Self::Word(_, word) => min <= word.as_bytes() && word.as_bytes() <= max,
            Self::Between(_, low, high) => match (number(min), number(max)) {
                (Some(min), Some(max)) => min <= *high && *low <= max,
                _ => true,
            },
        }
    }

    /// The rows of a batch that meet it.
    fn met_by(&self, batch: &RecordBatch) -> Option<BooleanArray> {
        let column = batch.column_by_name(self.column())?;
        let met = match self {
            Self::Word(_, word) => {
                let is_it = |found: Option<&str>| Some(found == Some(word.as_str()));
                match column.as_dictionary_opt::<Int32Type>() {
                    Some(numbered) => numbered
                        .downcast_dict::<StringArray>()?
                        .into_iter()
                        .map(is_it)
                        .collect(),
                    None => column.as_string_opt::<i32>()?.iter().map(is_it).collect(),
                }
            }
            Self::Between(_, low, high) => {
                let inside = |number: Option<i64>| Some(number.is_some_and(|number| *low <= number && number <= *high));
                match column.data_type() {
                    DataType::Int32 => column
                        .as_primitive::<Int32Type>()
                        .iter()
                        .map(|n| inside(n.map(i64::from)))
                        .collect(),
                    DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(inside).collect(),
                    DataType::Timestamp(..) => column
                        .as_primitive_opt::<TimestampMillisecondType>()?
                        .iter()
                        .map(inside)
                        .collect(),
                    _ => return None,
                }
            }
        };
        Some(met)
    }
}

/// A number of 4 or 8 little-endian bytes, as statistics hold it.
fn number(bytes: &[u8]) -> Option<i64> {
    if let Ok(eight) = bytes.try_into() {
        return Some(i64::from_le_bytes(eight));
    }
    bytes.try_into().ok().map(|four| i64::from(i32::from_le_bytes(four)))
}

/// What to read of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) row_groups: Vec<usize>,
    /// Rows of these row groups, one after the other.
    pub(crate) rows: RowSelection,
}

/// The row groups of a run and their pages in which rows can meet all of `wants`.
pub(crate) fn plan(metadata: &ParquetMetaData, run: &Range<usize>, wants: &[Want]) -> Plan {
    let (mut row_groups, mut ranges, mut before) = (Vec::new(), Vec::new(), 0);
    let groups = metadata.row_groups().iter().enumerate();
    for (number, group) in groups.filter(|(number, _)| run.contains(number)) {
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let mut kept = Vec::from([Range { start: 0, end: rows }]);
        for want in wants {
            let Some(column) = place(group, want.column()) else {
                continue;
            };
            if excluded(group, column, want) {
                kept.clear();
            } else if let Some(pages) = pages(metadata, number, column, rows, want) {
                kept = overlap(&kept, &pages);
            }
        }
        if kept.is_empty() {
            continue;
        }
        row_groups.push(number);
        ranges.extend(kept.into_iter().map(|range| range.start + before..range.end + before));
        before += rows;
    }
    let rows = RowSelection::from_consecutive_ranges(ranges.into_iter(), before);
    Plan { row_groups, rows }
}

fn place(group: &RowGroupMetaData, column: &str) -> Option<usize> {
    group
        .columns()
        .iter()
        .position(|chunk| chunk.column_descr().name() == column)
}

fn excluded(group: &RowGroupMetaData, column: usize, want: &Want) -> bool {
    let bounds = group
        .columns()
        .get(column)
        .and_then(|chunk| chunk.statistics())
        .and_then(|statistics| statistics.min_bytes_opt().zip(statistics.max_bytes_opt()));
    bounds.is_some_and(|(min, max)| !want.may_meet(min, max))
}

/// The rows of the pages that can meet `want`; `None` where the file has no index of them.
fn pages(
    metadata: &ParquetMetaData,
    group: usize,
    column: usize,
    rows: usize,
    want: &Want,
) -> Option<Vec<Range<usize>>> {
    let index = metadata.page_index()?;
    let bounds = index.column_index(group, column)?;
    let locations = index.offset_index(group, column)?.page_locations();
    let starts: Vec<usize> = locations
        .iter()
        .map(|page| usize::try_from(page.first_row_index).unwrap_or(0))
        .collect();
    let mut kept: Vec<Range<usize>> = Vec::new();
    for (page, &start) in starts.iter().enumerate() {
        let end = starts.get(page + 1).copied().unwrap_or(rows);
        if !page_may_meet(bounds, page, want) {
            continue;
        }
        match kept.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => kept.push(start..end),
        }
    }
    Some(kept)
}

fn page_may_meet(bounds: &ColumnIndexMetaData, page: usize, want: &Want) -> bool {
    if bounds.is_null_page(page) {
        return false;
    }
    let bounds = match bounds {
        ColumnIndexMetaData::INT32(index) => {
            let bytes = |number: &i32| number.to_le_bytes().to_vec();
            index.min_value(page).map(bytes).zip(index.max_value(page).map(bytes))
        }
        ColumnIndexMetaData::INT64(index) => {
            let bytes = |number: &i64| number.to_le_bytes().to_vec();
            index.min_value(page).map(bytes).zip(index.max_value(page).map(bytes))
        }
        ColumnIndexMetaData::BYTE_ARRAY(index) => index
            .min_value(page)
            .map(<[u8]>::to_vec)
            .zip(index.max_value(page).map(<[u8]>::to_vec)),
        _ => None,
    };
    bounds.is_none_or(|(min, max)| want.may_meet(&min, &max))
}

fn overlap(left: &[Range<usize>], right: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut both = Vec::new();
    for a in left {
        for b in right {
            let range = a.start.max(b.start)..a.end.min(b.end);
            if !range.is_empty() {
                both.push(range);
            }
        }
    }
    both
}

/// The rows of a batch that meet all of `wants`.
pub(crate) fn meets(batch: &RecordBatch, wants: &[Want]) -> BooleanArray {
    let mut kept = BooleanArray::from(vec![true; batch.num_rows()]);
    for want in wants {
        kept = match want.met_by(batch) {
            Some(met) => kept
                .iter()
                .zip(met.iter())
                .map(|(a, b)| Some(a == Some(true) && b == Some(true)))
                .collect(),
            None => BooleanArray::from(vec![false; batch.num_rows()]),
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Files;
    use crate::parquet_file::{Effort, Opened, Writer};
    use crate::tables::{Cell, Form, Rows, Table};
    use plume_bus::fs::SimFs;
    use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn overlaps() {
        assert_eq!(overlap(&[0..10, 20..30], &[5..25, 26..27]), [5..10, 20..25, 26..27]);
        assert!(overlap(&[0..10, 30..40], &[10..20, 20..30]).is_empty());
    }

    #[test]
    fn an_outlet_and_factor_are_a_few_pages_of_a_day() {
        let spec = Table::Readings.spec();
        let mut rows = Rows::new(spec);
        let places: Vec<String> = (0..40).map(|outlet| format!("E:DA{outlet:03}")).collect();
        for factor in ["a19001", "a21002", "a21026"] {
            for outlet in &places {
                for minute in 0..500 {
                    rows.push(spec.columns.iter().map(|column| match (column.name, column.form) {
                        ("factor", _) => Cell::Text(factor),
                        ("outlet", _) => Cell::Text(outlet),
                        ("measured_at", _) => Cell::Time(Time(minute * MINUTE_MS)),
                        (_, Form::Word | Form::Text) => Cell::Text("-"),
                        (_, Form::Bool) => Cell::Bool(false),
                        (_, Form::Value) => Cell::Number(1.5),
                        _ => Cell::Int(0),
                    }));
                }
            }
        }
        let files = Files::new(Arc::new(SimFs::new()), Path::new("/a"));
        let mut writer = Writer::new(spec, 0, Effort::Usual).unwrap();
        writer.write(&rows.sorted().unwrap()).unwrap();
        let (content, written) = writer.finish(0).unwrap();
        assert_eq!(written, 60_000);
        files.put("file", &content).unwrap();
        let opened = Opened::open(&files, "file", true).unwrap();
        let metadata = opened.metadata.metadata();
        let whole = 0..metadata.num_row_groups();
        let plan = |metadata, wants: &[Want]| plan(metadata, &whole, wants);
        let all = plan(metadata, &[]);
        assert_eq!((all.row_groups, all.rows.row_count()), (vec![0], 60_000));
        let outlet = Want::Word("outlet", places[20].clone());
        let factor = Want::Word("factor", "a21002".to_owned());
        let some = plan(metadata, &[factor.clone(), outlet]);
        // Its own page, and the two in which a factor ends and the next begins, which hold all outlets.
        assert_eq!(some.rows.row_count(), 3 * 4_096);
        let hour = Want::Between("measured_at", 8 * HOUR_MS, 9 * HOUR_MS);
        assert_eq!(
            plan(metadata, &[hour]).rows.row_count(),
            60_000,
            "every page has the hour"
        );
        let other = Want::Between("measured_at", -5, -1);
        assert!(plan(metadata, &[factor, other]).row_groups.is_empty());
    }

    #[test]
    fn numbers_of_both_widths() {
        assert_eq!(number(&(-5_i32).to_le_bytes()), Some(-5));
        assert_eq!(number(&(-5_i64).to_le_bytes()), Some(-5));
        assert_eq!(number(b"abc"), None);
    }
}
