//! Sorted runs: while a day lasts, its new rows are put behind what is there, and what is there is copied as it lies.
//!
//! Rebuilding a day with every publication writes each of its rows twelve times. So a file consists of runs of whole
//! row groups, each in the table's order; the footer says where each begins. A run that is still short is merged with
//! what comes; one that fills a row group stays until the day is over, when all become one (docs/adr/0001).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::parquet_file::{CREATED_BY, OPERATION};

/// The key of the footer that names the first row group of each run; a file without it is one run.
const RUNS: &str = "plume.runs";
/// Most runs of a file: a reader merges them, with a batch of each in memory. One more, and all become one.
const MAX_RUNS: usize = 32;
/// A run of so many encoded bytes is long enough, however few rows these are: raw packets.
const LONG_BYTES: u64 = 4 << 20;

/// How many of a file's runs, given their rows and encoded bytes, stay as they are when rows come.
pub(crate) fn kept(runs: &[(u64, u64)], long_rows: u64) -> usize {
    let is_short = |run: &&(u64, u64)| run.0 < long_rows && run.1 < LONG_BYTES;
    let short = runs.iter().rev().take_while(is_short).count();
    let long = runs.len() - short;
    if long < MAX_RUNS { long } else { 0 }
}

/// The row groups of each run, oldest first.
pub(crate) fn of(metadata: &ParquetMetaData) -> Vec<Range<usize>> {
    let footer = metadata.file_metadata().key_value_metadata();
    let said = footer
        .into_iter()
        .flatten()
        .find(|entry| entry.key == RUNS)
        .and_then(|entry| entry.value.as_deref());
    let starts = said.into_iter().flat_map(|said| said.split(',')).map(str::parse);
    // What is not said, or not understood, is one run.
    let starts: Vec<usize> = starts.collect::<Result<_, _>>().unwrap_or_default();
    let ends = starts.iter().skip(1).copied().chain([metadata.num_row_groups()]);
    let runs: Vec<Range<usize>> = starts.iter().copied().zip(ends).map(|(from, to)| from..to).collect();
    if runs.is_empty() {
        return Vec::from([Range {
            start: 0,
            end: metadata.num_row_groups(),
        }]);
    }
    runs
}

/// Rows and encoded bytes of each run.
pub(crate) fn sizes(metadata: &ParquetMetaData) -> Vec<(u64, u64)> {
    let size = |run: Range<usize>| {
        let groups = metadata.row_groups().get(run).unwrap_or_default();
        let sum =
            |of: fn(&RowGroupMetaData) -> i64| groups.iter().map(|group| u64::try_from(of(group)).unwrap_or(0)).sum();
        (sum(RowGroupMetaData::num_rows), sum(RowGroupMetaData::total_byte_size))
    };
    of(metadata).into_iter().map(size).collect()
}

/// A whole file in memory, with its footer and indexes.
#[derive(Debug)]
pub(crate) struct Whole {
    content: Bytes,
    metadata: ParquetMetaData,
}

impl Whole {
    /// Errors: bytes that are no Parquet file.
    pub(crate) fn of(content: Bytes) -> Result<Self, ParquetError> {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = reader.parse_and_finish(&content)?;
        Ok(Self { content, metadata })
    }

    /// Rows in its first `kept` runs.
    pub(crate) fn rows(&self, kept: usize) -> u64 {
        sizes(&self.metadata).iter().take(kept).map(|(rows, _)| rows).sum()
    }
}

/// The file that has the first `kept` runs of the old one as they lie, and behind them all of the new one, as it lies,
/// as a run. The footer is the new one's, but for the operation. Errors: a file that is no whole Parquet file.
pub(crate) fn appended(old: Option<&Whole>, kept: usize, new: &Whole, operation: u64) -> Result<Vec<u8>, ParquetError> {
    let runs: Vec<Range<usize>> = old.map_or_else(Vec::new, |old| of(&old.metadata).into_iter().take(kept).collect());
    let old_groups = runs.last().map_or(0, |run| run.end);
    let starts: Vec<String> = runs
        .iter()
        .map(|run| run.start)
        .chain([old_groups])
        .map(|start| start.to_string())
        .collect();
    let said = new.metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let said = said
        .filter(|entry| entry.key != OPERATION && entry.key != RUNS)
        .cloned();
    let mut footer: Vec<KeyValue> = said.collect();
    footer.push(KeyValue::new(OPERATION.to_owned(), operation.to_string()));
    if starts.len() > 1 {
        footer.push(KeyValue::new(RUNS.to_owned(), starts.join(",")));
    }
    let sorting = new
        .metadata
        .row_groups()
        .first()
        .and_then(|group| group.sorting_columns().cloned());
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_sorting_columns(sorting)
        .set_key_value_metadata(Some(footer))
        .build();
    let schema = new.metadata.file_metadata().schema_descr().root_schema_ptr();
    let room = new.content.len() + old.map_or(0, |old| old.content.len());
    let mut writer = SerializedFileWriter::new(Vec::with_capacity(room), schema, Arc::new(properties))?;
    if let Some(old) = old {
        copy(&mut writer, old, 0..old_groups)?;
    }
    copy(&mut writer, new, 0..new.metadata.num_row_groups())?;
    writer.into_inner()
}

/// Copies row groups without decoding them.
fn copy(writer: &mut SerializedFileWriter<Vec<u8>>, from: &Whole, groups: Range<usize>) -> Result<(), ParquetError> {
    let index = from.metadata.page_index();
    for (number, group) in from.metadata.row_groups().iter().enumerate().take(groups.end) {
        let mut copied = writer.next_row_group()?;
        for (place, column) in group.columns().iter().enumerate() {
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                rows_written: u64::try_from(group.num_rows()).unwrap_or(0),
                metadata: column.clone(),
                bloom_filter: None,
                column_index: index.and_then(|index| index.column_index(number, place)).cloned(),
                offset_index: index.and_then(|index| index.offset_index(number, place)).cloned(),
            };
            copied.append_column(&from.content, close)?;
        }
        copied.close()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_runs_are_merged_and_long_ones_stay() {
        let long = (144_000, 300_000);
        let few_large = (2_000, LONG_BYTES);
        let short = (143_999, 300_000);
        assert_eq!(kept(&[], 144_000), 0);
        assert_eq!(kept(&[short], 144_000), 0);
        assert_eq!(kept(&[long], 144_000), 1);
        assert_eq!(kept(&[long, few_large, short, short], 144_000), 2);
        assert_eq!(
            kept(&[long, short, long], 144_000),
            3,
            "only what lies at the end is merged"
        );
    }

    #[test]
    fn one_run_too_many_makes_one_of_all() {
        let long = (144_000, 300_000);
        assert_eq!(kept(&[long; MAX_RUNS - 1], 144_000), MAX_RUNS - 1);
        assert_eq!(kept(&[long; MAX_RUNS], 144_000), 0);
    }
}
