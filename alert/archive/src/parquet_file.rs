//! Tables as Parquet files: which encodings, which indexes, and what stands in the footer (docs/adr/0001).

use std::ops::Range;
use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, PageIndexPolicy, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;

use crate::ArchiveError;
use crate::files::{Blob, Files};
use crate::runs;
use crate::tables::{Column, Form, SCHEMA_VERSION, Spec, Words};

/// Rows of a row group. A hundred minute series of a day: the dictionary of their values is still small, and one
/// outlet's readings
/// of a factor lie in one or two of them.
const ROW_GROUP_ROWS: usize = 144_000;
/// Rows of a page, the least that is read: words, times and counters of a whole row group take some hundred bytes, less
/// than an index of their pages would. Large ones end at a megabyte.
const PAGE_ROWS: usize = ROW_GROUP_ROWS;
/// The same of the columns in whose order rows lie.
const KEY_PAGE_ROWS: usize = 16_384;
/// The same of the columns by which an outlet is found and which are large: a factor of an outlet has some ten
/// thousand readings a day. Smaller pages cost more in the index than they save.
const FINE_PAGE_ROWS: usize = 4_096;
/// Raw packets take a few hundred bytes each; a row group of them ends here.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// Values beyond so many different bytes are written plainly: a larger dictionary costs more than it saves
/// (docs/adr/0001).
const VALUE_DICTIONARY_BYTES: usize = 64 << 10;
/// Words are few; this holds tens of thousands.
const WORD_DICTIONARY_BYTES: usize = 1 << 20;
/// While the day lasts, a file is written again every hour: higher levels take two to five times as long for 3 % less.
const USUAL_ZSTD_LEVEL: i32 = 3;
/// Once the day is over its files are written for good: a sixth of the speed for 8 % less (docs/adr/0001).
const MOST_ZSTD_LEVEL: i32 = 15;
/// The same of raw packets and texts: 26 % smaller than at the usual level. Level 15 takes six times as long for 1 %
/// less.
const MOST_TEXT_ZSTD_LEVEL: i32 = 9;
/// Of a hundred row groups without the id that is looked for, one is read in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Most different ids in one row group of `events`; the filter shrinks to what came.
const BLOOM_DISTINCT: u64 = 20_000;

/// Who wrote it.
pub(crate) const CREATED_BY: &str = concat!("plume ", env!("CARGO_PKG_VERSION"));

/// The key of the footer that names the operation of the manifest which wrote the file.
pub(crate) const OPERATION: &str = "plume.operation";

/// The key of the footer that says how many rows merging found to be there already.
const DROPPED: &str = "plume.dropped";

/// The key of the footer that names the table and the version of its columns.
const SCHEMA: &str = "plume.schema";

/// How much work goes into making a file small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// It will be written again soon.
    Usual,
    /// Its day is over.
    Most,
}

/// How a table's files are written.
fn properties(spec: &Spec, operation: u64, effort: Effort) -> Result<WriterProperties, ParquetError> {
    let about = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let (level, text_level) = match effort {
        Effort::Usual => (USUAL_ZSTD_LEVEL, USUAL_ZSTD_LEVEL),
        Effort::Most => (MOST_ZSTD_LEVEL, MOST_TEXT_ZSTD_LEVEL),
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(WORD_DICTIONARY_BYTES)
        .set_sorting_columns(Some(sorting(spec)))
        .set_key_value_metadata(Some(vec![
            about(SCHEMA, schema_version(spec)),
            about(
                "plume.timezone",
                "Asia/Shanghai wall clock (UTC+08:00), no zone in the columns".to_owned(),
            ),
            about(OPERATION, operation.to_string()),
        ]));
    for column in spec.columns {
        let path = || ColumnPath::from(column.name);
        if is_searched(spec, column) {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::Page);
        }
        let page_rows = match column.name {
            "outlet" | "value" => FINE_PAGE_ROWS,
            name if spec.key.contains(&name) => KEY_PAGE_ROWS,
            _ => PAGE_ROWS,
        };
        properties = properties.set_column_data_page_row_count_limit(path(), page_rows);
        properties = match column.form {
            // Of words in no order the smallest and largest say nothing, and comparing each costs a tenth of writing.
            Form::Word if !column.seldom && !is_searched(spec, column) => {
                properties.set_column_statistics_enabled(path(), EnabledStatistics::None)
            }
            Form::Word | Form::Small => properties,
            Form::Value => properties.set_column_dictionary_page_size_limit(path(), VALUE_DICTIONARY_BYTES),
            Form::Count | Form::Time => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED),
            Form::Text | Form::Bytes => properties
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_compression(path(), Compression::ZSTD(ZstdLevel::try_new(text_level)?))
                .set_column_statistics_enabled(
                    path(),
                    if column.seldom {
                        EnabledStatistics::Chunk
                    } else {
                        EnabledStatistics::None
                    },
                ),
            Form::Number | Form::Bool => properties.set_column_dictionary_enabled(path(), false),
        };
        if spec.bloom.contains(&column.name) {
            properties = properties
                .set_column_bloom_filter_fpp(path(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path(), BLOOM_DISTINCT);
        }
    }
    Ok(properties.build())
}

/// Whether pages are told apart by what they hold of a column: not by values, nor by words that lie in no order. The
/// index is read whole before anything else is, so that what is in it must be worth it.
fn is_searched(spec: &Spec, column: &Column) -> bool {
    spec.key.contains(&column.name) || column.name == "mn" || matches!(column.form, Form::Count | Form::Time)
}

fn schema_version(spec: &Spec) -> String {
    format!("{}/{SCHEMA_VERSION}", spec.name)
}

fn sorting(spec: &Spec) -> Vec<SortingColumn> {
    let places = spec.key.iter().filter_map(|name| spec.place(name));
    let ascending = |place| {
        Some(SortingColumn {
            column_idx: i32::try_from(place).ok()?,
            descending: false,
            nulls_first: true,
        })
    };
    places.filter_map(ascending).collect()
}

/// Writes a file in memory, batch by batch: rows must come in the table's order.
#[derive(Debug)]
pub(crate) struct Writer {
    parquet: ArrowWriter<Vec<u8>>,
    spec: &'static Spec,
    rows: u64,
}

impl Writer {
    pub(crate) fn new(spec: &'static Spec, operation: u64, effort: Effort) -> Result<Self, ArchiveError> {
        let properties = properties(spec, operation, effort).map_err(|error| failed(spec, error))?;
        let writer = ArrowWriter::try_new(Vec::new(), spec.schema(), Some(properties));
        Ok(Self {
            parquet: writer.map_err(|error| failed(spec, error))?,
            spec,
            rows: 0,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArchiveError> {
        self.rows += batch.num_rows() as u64;
        self.parquet.write(batch).map_err(|error| failed(self.spec, error))
    }

    /// The file's bytes and how many rows it has; the footer notes how many rows were left out.
    pub(crate) fn finish(self, dropped: u64) -> Result<(Vec<u8>, u64), ArchiveError> {
        let Self {
            mut parquet,
            spec,
            rows,
        } = self;
        if dropped > 0 {
            parquet.append_key_value_metadata(KeyValue::new(DROPPED.to_owned(), dropped.to_string()));
        }
        Ok((parquet.into_inner().map_err(|error| failed(spec, error))?, rows))
    }
}

fn failed(spec: &Spec, source: ParquetError) -> ArchiveError {
    ArchiveError::Parquet {
        what: "write",
        file: spec.name.into(),
        source,
    }
}

/// A file of the archive, its footer and indexes read.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    blob: Blob,
    pub(crate) metadata: ArrowReaderMetadata,
    name: String,
    files: Files,
}

impl Opened {
    /// Opens a file; with `indexes`, reads the page indexes too.
    pub(crate) fn open(files: &Files, name: &str, indexes: bool) -> Result<Self, ArchiveError> {
        let blob = files.open(name)?;
        let policy = if indexes {
            PageIndexPolicy::Optional
        } else {
            PageIndexPolicy::Skip
        };
        let options = ArrowReaderOptions::new().with_page_index_policy(policy);
        let metadata = ArrowReaderMetadata::load(&blob, options).map_err(|source| unreadable(files, name, source))?;
        Ok(Self {
            blob,
            metadata,
            name: name.to_owned(),
            files: files.clone(),
        })
    }

    /// The same file with its words as numbers of dictionaries. Errors: columns that are not the table's.
    pub(crate) fn with_numbered_words(mut self, spec: &Spec) -> Result<Self, ArchiveError> {
        let options = ArrowReaderOptions::new().with_schema(spec.schema_with(Words::Numbered));
        self.metadata = ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options)
            .map_err(|source| self.unreadable(source))?;
        Ok(self)
    }

    /// Whether it has the columns of this version of the table.
    pub(crate) fn is_current(&self, spec: &Spec) -> bool {
        self.footer(SCHEMA) == Some(schema_version(spec).as_str())
    }

    /// The row groups of each sorted run.
    pub(crate) fn runs(&self) -> Vec<Range<usize>> {
        runs::of(self.metadata.metadata())
    }

    /// Reads rows with it.
    pub(crate) fn reader(&self) -> ParquetRecordBatchReaderBuilder<Blob> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.blob.clone(), self.metadata.clone())
    }

    /// The operation that wrote the file.
    pub(crate) fn operation(&self) -> Option<u64> {
        self.footer(OPERATION)?.parse().ok()
    }

    /// Rows that merging left out when it was written, because they were there already.
    pub(crate) fn dropped(&self) -> u64 {
        self.footer(DROPPED).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// What the footer says under a key.
    pub(crate) fn footer(&self, key: &str) -> Option<&str> {
        let footer = self.metadata.metadata().file_metadata().key_value_metadata()?;
        footer.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// Rows in it.
    pub(crate) fn rows(&self) -> u64 {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    pub(crate) fn unreadable(&self, source: ParquetError) -> ArchiveError {
        unreadable(&self.files, &self.name, source)
    }

    /// All batches of a run, of all columns. One that is known to hold nothing in the run is not read.
    pub(crate) fn batches(
        &self,
        run: Range<usize>,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ArchiveError>> + use<>, ArchiveError> {
        let schema = Arc::clone(self.metadata.schema());
        let groups = self
            .metadata
            .metadata()
            .row_groups()
            .get(run.clone())
            .unwrap_or_default();
        let is_empty = |column: usize| {
            groups.iter().all(|group| {
                let statistics = group.columns().get(column).and_then(|chunk| chunk.statistics());
                let nulls = statistics.and_then(Statistics::null_count_opt);
                nulls.is_some() && nulls == u64::try_from(group.num_rows()).ok()
            })
        };
        let (empty, filled): (Vec<usize>, Vec<usize>) =
            (0..schema.fields().len()).partition(|&column| is_empty(column));
        let mask = ProjectionMask::roots(self.metadata.metadata().file_metadata().schema_descr(), filled);
        let reader = self.reader().with_batch_size(batch_rows).with_projection(mask);
        let reader = reader.with_row_groups(run.collect()).build();
        let reader = reader.map_err(|source| self.unreadable(source))?;
        let (files, name) = (self.files.clone(), Arc::<str>::from(self.name.as_str()));
        Ok(reader.map(move |batch| {
            let whole = batch.and_then(|batch| with_nulls(&schema, &empty, &batch));
            whole.map_err(|error| unreadable(&files, &name, error.into()))
        }))
    }
}

/// The batch with the columns of `empty` places, which were not read.
fn with_nulls(schema: &SchemaRef, empty: &[usize], batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let mut read = batch.columns().iter();
    let columns = schema.fields().iter().enumerate().filter_map(|(place, field)| {
        if empty.contains(&place) {
            Some(new_null_array(field.data_type(), rows))
        } else {
            read.next().cloned()
        }
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
}

pub(crate) fn unreadable(files: &Files, name: &str, source: ParquetError) -> ArchiveError {
    ArchiveError::Parquet {
        what: "read",
        file: files.path(name),
        source,
    }
}
