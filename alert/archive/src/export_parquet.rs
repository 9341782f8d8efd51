//! `plume query --format parquet`: a result as one Parquet file, numbers as doubles, times as Beijing wall clock.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field as ArrowField, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::ArchiveError;
use crate::query::Field;
use crate::rowset::{FieldType, Rowset};
use crate::tables::wall_clock_ms;

/// Rows collected before they are written: a few megabytes.
const CHUNK_ROWS: usize = 32_768;
/// The level of the archive's own files.
const ZSTD_LEVEL: i32 = 3;

/// Writes all rows as a Parquet file; returns how many. Passwords are masked.
pub fn write_parquet(rows: Rowset<'_>, out: &mut (impl Write + Send)) -> Result<u64, ArchiveError> {
    let columns = rows.columns().to_vec();
    let failed = |source: ParquetError| ArchiveError::Parquet {
        what: "write",
        file: "result".into(),
        source,
    };
    let schema = Arc::new(Schema::new(
        columns
            .iter()
            .map(|(name, holds)| ArrowField::new(name, data_type(*holds), true))
            .collect::<Vec<_>>(),
    ));
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(zstd))
        .build();
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties)).map_err(failed)?;
    let mut chunk = Chunk::new(&columns);
    let mut written = 0;
    for row in rows {
        chunk.push(row?);
        written += 1;
        if chunk.rows >= CHUNK_ROWS {
            writer.write(&chunk.finish(&schema).map_err(failed)?).map_err(failed)?;
        }
    }
    writer.write(&chunk.finish(&schema).map_err(failed)?).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(written)
}

fn data_type(holds: FieldType) -> DataType {
    match holds {
        FieldType::Text => DataType::Utf8,
        FieldType::Int => DataType::Int64,
        FieldType::Number => DataType::Float64,
        FieldType::Bool => DataType::Boolean,
        FieldType::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
    }
}

enum Builder {
    Text(StringBuilder),
    Int(Int64Builder),
    Number(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Builder {
    fn new(holds: FieldType) -> Self {
        match holds {
            FieldType::Text => Self::Text(StringBuilder::new()),
            FieldType::Int => Self::Int(Int64Builder::new()),
            FieldType::Number => Self::Number(Float64Builder::new()),
            FieldType::Bool => Self::Bool(BooleanBuilder::new()),
            FieldType::Time => Self::Time(TimestampMillisecondBuilder::new()),
        }
    }

    fn push(&mut self, field: Field) {
        match (self, field) {
            (Self::Text(column), Field::Null) => column.append_null(),
            (Self::Text(column), field) => column.append_value(field.to_string()),
            (Self::Int(column), Field::Int(number)) => column.append_value(number),
            (Self::Number(column), Field::Number(number)) => column.append_value(number),
            (Self::Number(column), Field::Typed { number, .. }) => column.append_option(number),
            (Self::Bool(column), Field::Bool(yes)) => column.append_value(yes),
            (Self::Time(column), Field::Time(at)) => column.append_value(wall_clock_ms(at)),
            (Self::Int(column), _) => column.append_null(),
            (Self::Number(column), _) => column.append_null(),
            (Self::Bool(column), _) => column.append_null(),
            (Self::Time(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
        }
    }
}

struct Chunk {
    columns: Vec<Builder>,
    rows: usize,
}

impl Chunk {
    fn new(columns: &[(String, FieldType)]) -> Self {
        Self {
            columns: columns.iter().map(|(_, holds)| Builder::new(*holds)).collect(),
            rows: 0,
        }
    }

    fn push(&mut self, row: Vec<Field>) {
        for (column, field) in self.columns.iter_mut().zip(row) {
            column.push(field);
        }
        self.rows += 1;
    }

    fn finish(&mut self, schema: &Arc<Schema>) -> Result<RecordBatch, ParquetError> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
