//! Rows of a table on their way into a file.

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use plume_schemas::time::{HOUR_MS, Time};

use super::words::WordBuilder;
use super::{Form, Spec, Words};
use crate::ArchiveError;
use crate::merge::failed;
use crate::order::order;

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Text(&'a str),
    Bytes(&'a [u8]),
    Int(i64),
    Number(f64),
    Bool(bool),
    Time(Time),
}

impl<'a> Cell<'a> {
    /// Text, or nothing.
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    /// Text, or nothing where it is empty.
    pub(crate) fn filled(text: &'a str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }

    /// A number, or nothing.
    pub(crate) fn number(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }

    /// A whole number.
    pub(crate) fn int(number: impl TryInto<i64>) -> Self {
        Self::Int(number.try_into().unwrap_or(i64::MAX))
    }
}

/// Milliseconds of the Beijing wall clock, as if it were UTC: what a time column without a zone holds.
pub(crate) const fn wall_clock_ms(at: Time) -> i64 {
    at.0.saturating_add(8 * HOUR_MS)
}

/// The moment of a wall clock.
pub(crate) const fn moment(wall_clock_ms: i64) -> Time {
    Time(wall_clock_ms.saturating_sub(8 * HOUR_MS))
}

enum Builder {
    Word(WordBuilder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Small(Int32Builder),
    Count(Int64Builder),
    Number(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Builder {
    fn of(form: Form) -> Self {
        match form {
            Form::Word => Self::Word(WordBuilder::default()),
            Form::Text => Self::Text(StringBuilder::new()),
            Form::Bytes => Self::Bytes(BinaryBuilder::new()),
            Form::Small => Self::Small(Int32Builder::new()),
            Form::Count => Self::Count(Int64Builder::new()),
            Form::Value | Form::Number => Self::Number(Float64Builder::new()),
            Form::Bool => Self::Bool(BooleanBuilder::new()),
            Form::Time => Self::Time(TimestampMillisecondBuilder::new()),
        }
    }

    /// Takes a cell; one of the wrong kind becomes null, which a column that must be filled then refuses.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Word(column), Cell::Text(text)) => column.push(text),
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            (Self::Bytes(column), Cell::Bytes(bytes)) => column.append_value(bytes),
            (Self::Small(column), Cell::Int(number)) => column.append_value(i32::try_from(number).unwrap_or(i32::MAX)),
            (Self::Count(column), Cell::Int(number)) => column.append_value(number),
            (Self::Number(column), Cell::Number(number)) => column.append_value(number),
            (Self::Bool(column), Cell::Bool(yes)) => column.append_value(yes),
            (Self::Time(column), Cell::Time(at)) => column.append_value(wall_clock_ms(at)),
            (Self::Word(column), _) => column.push_null(),
            (Self::Text(column), _) => column.append_null(),
            (Self::Bytes(column), _) => column.append_null(),
            (Self::Small(column), _) => column.append_null(),
            (Self::Count(column), _) => column.append_null(),
            (Self::Number(column), _) => column.append_null(),
            (Self::Bool(column), _) => column.append_null(),
            (Self::Time(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Word(column) => column.finish(),
            Self::Text(column) => ArrayBuilder::finish(column),
            Self::Bytes(column) => ArrayBuilder::finish(column),
            Self::Small(column) => ArrayBuilder::finish(column),
            Self::Count(column) => ArrayBuilder::finish(column),
            Self::Number(column) => ArrayBuilder::finish(column),
            Self::Bool(column) => ArrayBuilder::finish(column),
            Self::Time(column) => ArrayBuilder::finish(column),
        }
    }
}

/// Rows of one table, in the order in which they came.
pub(crate) struct Rows {
    spec: &'static Spec,
    columns: Vec<Builder>,
    len: u64,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows({}, {})", self.spec.name, self.len)
    }
}

impl Rows {
    pub(crate) fn new(spec: &'static Spec) -> Self {
        Self {
            spec,
            columns: spec.columns.iter().map(|column| Builder::of(column.form)).collect(),
            len: 0,
        }
    }

    /// Adds a row; the cells stand in the order of the table's columns.
    pub(crate) fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        let mut cells = cells.into_iter();
        for column in &mut self.columns {
            column.push(cells.next().unwrap_or(Cell::Null));
        }
        debug_assert!(cells.next().is_none(), "{} has fewer columns", self.spec.name);
        self.len += 1;
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The rows in the table's order, words numbered, and none left here.
    pub(crate) fn sorted(&mut self) -> Result<RecordBatch, ArchiveError> {
        let batch = self.unsorted()?;
        if batch.num_rows() < 2 {
            // A checkpoint is one row of up to a hundred megabytes, which need not be copied.
            return Ok(batch);
        }
        let order = order(self.spec, &batch)?;
        take_record_batch(&batch, &order).map_err(|source| failed(self.spec, source))
    }

    /// The rows as they came, words numbered, and none left here.
    pub(crate) fn unsorted(&mut self) -> Result<RecordBatch, ArchiveError> {
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        self.len = 0;
        RecordBatch::try_new(self.spec.schema_with(Words::Numbered), columns)
            .map_err(|source| failed(self.spec, source))
    }
}
