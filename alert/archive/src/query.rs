//! `plume query`: rows of a table by outlet, factor, kind and time.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::reading::{Basis, ReportKind, Statistic};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::prune::Want;
use crate::reader::Reader;
use crate::rowset::{FieldType, Rowset};
use crate::scan::{Progress, Rows, Scan, days};
use crate::tables::{Form, Table, moment, readings, wall_clock_ms};
use plume_schemas::mask;

/// What to look for; what is not given is not asked.
#[derive(Clone, Debug)]
pub struct QuerySpec {
    /// In which table.
    pub table: Table,
    /// Of one outlet.
    pub outlet: Option<OutletId>,
    /// Of one factor.
    pub factor: Option<FactorCode>,
    /// Of one kind.
    pub kind: Option<ReportKind>,
    /// Said by one rule: judgements and events.
    pub rule: Option<RuleCode>,
    /// One statistic of readings.
    pub statistic: Option<Statistic>,
    /// One basis of readings.
    pub basis: Option<Basis>,
    /// From this moment of the table's own time: measured, begun (judgements, events), else received.
    pub from: Option<Time>,
    /// Before this moment.
    pub to: Option<Time>,
    /// These columns in this order; none means all. `kind` is one of readings too.
    pub columns: Vec<String>,
    /// At most so many rows.
    pub limit: usize,
}

impl QuerySpec {
    /// All rows of a table.
    pub fn all(table: Table) -> Self {
        Self {
            table,
            outlet: None,
            factor: None,
            kind: None,
            rule: None,
            statistic: None,
            basis: None,
            from: None,
            to: None,
            columns: Vec::new(),
            limit: usize::MAX,
        }
    }

    /// Which files to go through for it, and what to look for in them.
    pub(crate) fn scan(&self) -> Scan {
        let mut days = days(self.from, self.to);
        if self.table == Table::Packets {
            // Dated by arrival, which is later than measuring, but for a clock that is ahead.
            days = (days.0.saturating_sub(1), i64::MAX);
        }
        Scan {
            table: self.table,
            kind: self.kind.filter(|_| self.table == Table::Readings),
            days: Some(days),
            wants: self.wants(),
        }
    }

    fn wants(&self) -> Vec<Want> {
        let word = |column, word: Option<&str>| word.map(|word| Want::Word(column, word.to_owned()));
        let outlet = self.outlet.as_ref().map(OutletId::as_str);
        let factor = self.factor.as_ref().map(FactorCode::as_str);
        let mut wants: Vec<Want> = [
            word("factor", factor),
            word("outlet", outlet),
            word("rule", self.rule.map(RuleCode::code)),
            word("statistic", self.statistic.map(Statistic::code)),
            word("basis", self.basis.map(Basis::code)),
            // The kind of readings is their folder.
            word(
                "kind",
                self.kind
                    .map(ReportKind::code)
                    .filter(|_| self.table != Table::Readings),
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.from.is_some() || self.to.is_some() {
            let low = self.from.map_or(i64::MIN, wall_clock_ms);
            let high = self.to.map_or(i64::MAX, |to| wall_clock_ms(to.plus(-1)));
            wants.extend(time_column(self.table).map(|column| Want::Between(column, low, high)));
        }
        wants
    }
}

/// The time a table is asked by; none where its rows are of no time.
fn time_column(table: Table) -> Option<&'static str> {
    match table {
        Table::Hours | Table::Days | Table::Readings | Table::Packets => Some("measured_at"),
        Table::Entries | Table::Quarantine => Some("received_at"),
        Table::Judgements | Table::Events => Some("window_start"),
        Table::Checkpoints => Some("stood_at"),
        Table::Outlets | Table::Factors => None,
    }
}

/// A value of a row, as people and files show it.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A computed number.
    Number(f64),
    /// A reading's value: the number, and what the device typed.
    Typed {
        /// The nearest double; `None` for what is no number.
        number: Option<f64>,
        /// As typed.
        text: String,
    },
    /// Yes or no.
    Bool(bool),
    /// A moment.
    Time(Time),
    /// Bytes of a packet, passwords masked, bytes outside ASCII escaped.
    Bytes(String),
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Text(text) | Self::Bytes(text) | Self::Typed { text, .. } => f.pad(text),
            Self::Int(number) => f.pad(&number.to_string()),
            Self::Number(number) => f.pad(&number.to_string()),
            Self::Bool(yes) => f.pad(if *yes { "true" } else { "false" }),
            Self::Time(at) => f.pad(&stamp(*at)),
        }
    }
}

/// `2026-11-21 14:42:00`, with milliseconds where there are some: what spreadsheets read as a time.
fn stamp(at: Time) -> String {
    let c = at.civil();
    let whole = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    );
    match c.millisecond {
        0 => whole,
        some => format!("{whole}.{some:03}"),
    }
}

/// The rows found.
#[derive(Debug)]
pub struct Query<'a> {
    table: Table,
    rows: Rows<'a>,
    columns: Vec<String>,
    batch: Option<(Option<ReportKind>, RecordBatch)>,
    at: usize,
    left: usize,
}

impl Reader {
    /// Looks for rows, published or not. Errors: a column the table does not have.
    pub fn query(&self, spec: &QuerySpec) -> Result<Query<'_>, ArchiveError> {
        let own = spec.table.spec().columns.iter().map(|column| column.name.to_owned());
        let kind = (spec.table == Table::Readings).then(|| "kind".to_owned());
        let all: Vec<String> = kind.into_iter().chain(own).collect();
        if let Some(column) = spec.columns.iter().find(|column| !all.contains(column)) {
            return Err(ArchiveError::Column {
                table: spec.table.name(),
                column: column.clone(),
                expected: all.join(", "),
            });
        }
        Ok(Query {
            table: spec.table,
            rows: self.scan(spec.scan()),
            columns: if spec.columns.is_empty() {
                all
            } else {
                spec.columns.clone()
            },
            batch: None,
            at: 0,
            left: spec.limit,
        })
    }
}

impl Query<'_> {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.rows.progress.clone()
    }

    fn field_type(&self, column: &str) -> FieldType {
        let spec = self.table.spec();
        let form = spec.place(column).and_then(|place| spec.columns.get(place));
        match form.map(|column| column.form) {
            // The one column that is a folder, `kind`, is a word.
            None | Some(Form::Word | Form::Text | Form::Bytes) => FieldType::Text,
            Some(Form::Small | Form::Count) => FieldType::Int,
            Some(Form::Value | Form::Number) => FieldType::Number,
            Some(Form::Bool) => FieldType::Bool,
            Some(Form::Time) => FieldType::Time,
        }
    }
}

impl<'a> From<Query<'a>> for Rowset<'a> {
    fn from(query: Query<'a>) -> Self {
        let typed = |column: &String| (column.clone(), query.field_type(column));
        Self::new(query.columns.iter().map(typed).collect(), query.progress(), query)
    }
}

impl Iterator for Query<'_> {
    type Item = Result<Vec<Field>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some((kind, batch)) = &self.batch
                && self.at < batch.num_rows()
            {
                let row = self
                    .columns
                    .iter()
                    .map(|column| field(batch, *kind, column, self.at))
                    .collect();
                self.at += 1;
                self.left -= 1;
                return Some(Ok(row));
            }
            match self.rows.next()? {
                Ok(batch) => (self.batch, self.at) = (Some(batch), 0),
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
            }
        }
    }
}

pub(crate) fn field(batch: &RecordBatch, kind: Option<ReportKind>, name: &str, row: usize) -> Field {
    if let ("kind", Some(kind)) = (name, kind) {
        return Field::Text(kind.code().to_owned());
    }
    let Some(column) = batch.column_by_name(name) else {
        return Field::Null;
    };
    // Where a device typed it: the value of an hour is computed.
    if name == "value" && batch.column_by_name("decimals").is_some() {
        return typed(batch, row);
    }
    if column.is_null(row) {
        return Field::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Field::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int32 => Field::Int(i64::from(column.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Field::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Field::Number(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Field::Bool(column.as_boolean().value(row)),
        DataType::Timestamp(..) => Field::Time(moment(column.as_primitive::<TimestampMillisecondType>().value(row))),
        DataType::Binary => Field::Bytes(mask::shown(column.as_binary::<i32>().value(row))),
        _ => Field::Null,
    }
}

/// A reading's value as it was typed.
fn typed(batch: &RecordBatch, row: usize) -> Field {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let number = column("value").map(|column| column.as_primitive::<Float64Type>().value(row));
    let decimals = column("decimals").map(|column| column.as_primitive::<Int32Type>().value(row));
    let text = column("text").map(|column| column.as_string::<i32>().value(row).to_owned());
    let shown = match (text, number, decimals.and_then(|decimals| u8::try_from(decimals).ok())) {
        (Some(text), _, _) => text,
        (None, Some(number), Some(decimals)) => readings::show(number, decimals),
        (None, Some(number), None) => number.to_string(),
        (None, None, _) => return Field::Null,
    };
    Field::Typed { number, text: shown }
}
