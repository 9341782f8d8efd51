//! The tables of the archive: columns with their meaning, how each is encoded, in what order rows lie.
//!
//! A table is data here: a list of [`Column`]s and a sort key. Building, writing, merging and reading are written
//! once, for all.

pub(crate) mod checkpoints;
pub(crate) mod entries;
pub(crate) mod judgements;
pub(crate) mod packets;
pub(crate) mod quarantine;
pub(crate) mod readings;
pub(crate) mod registry;
mod rows;
pub(crate) mod windows;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub(crate) use rows::{Cell, Rows, moment, wall_clock_ms};

/// Version of all schemas, in every file as `plume.schema` = `<table>/<version>`.
pub const SCHEMA_VERSION: u32 = 0;

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row an hour, outlet and factor with a limit: the value judged and what was said of it last.
    Hours,
    /// The same for days.
    Days,
    /// One row a reading, each once; corrections as further revisions.
    Readings,
    /// One row a report as it came, repeats included, with the raw bytes.
    Packets,
    /// What else the log of reports holds: ticks, presence, clock steps, registry revisions, marks.
    Entries,
    /// The judge's memory of each partition, one a day.
    Checkpoints,
    /// What each rule said of each window.
    Judgements,
    /// The edges: opened, worsened, cleared, retracted, confirmed.
    Events,
    /// What could not be read, with its bytes.
    Quarantine,
    /// Outlets as the registry last described them.
    Outlets,
    /// Factors: code, names, unit.
    Factors,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 11] = [
        Self::Hours,
        Self::Days,
        Self::Readings,
        Self::Packets,
        Self::Entries,
        Self::Checkpoints,
        Self::Judgements,
        Self::Events,
        Self::Quarantine,
        Self::Outlets,
        Self::Factors,
    ];

    /// The name of its folder.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The table of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether its rows are of days; else all lie in one file.
    pub(crate) const fn is_dated(self) -> bool {
        !matches!(self, Self::Outlets | Self::Factors)
    }

    /// Whether its rows can be marked until a deadline, and are confirmed then.
    pub(crate) const fn is_confirmed(self) -> bool {
        matches!(self, Self::Hours | Self::Days)
    }

    /// The columns a person wants to see first.
    pub const fn brief(self) -> &'static [&'static str] {
        match self {
            Self::Hours => windows::HOURS_BRIEF,
            Self::Days => windows::DAYS_BRIEF,
            Self::Readings => readings::BRIEF,
            Self::Packets => &["received_at", "outlet", "kind", "measured_at", "verdict", "peer", "raw"],
            Self::Entries => &["received_at", "entry", "outlet", "mn", "state", "log_offset"],
            Self::Checkpoints => &["stood_at", "log_partition", "log_offset"],
            Self::Judgements => &["window_start", "outlet", "factor", "rule", "pane", "verdict", "words"],
            Self::Events => &["happened_at", "outlet", "factor", "rule", "edge", "event_id", "words"],
            Self::Quarantine => &["received_at", "reason", "mn", "peer", "raw"],
            Self::Outlets => &["outlet", "name", "enterprise_name", "district", "industry"],
            Self::Factors => &["factor", "symbol", "name_zh", "name_en", "unit"],
        }
    }

    /// Its columns, in order, with their meaning: name, Chinese, English.
    pub fn columns(self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        self.spec()
            .columns
            .iter()
            .map(|column| (column.name, column.zh, column.en))
    }

    pub(crate) const fn spec(self) -> &'static Spec {
        match self {
            Self::Hours => &windows::HOURS,
            Self::Days => &windows::DAYS,
            Self::Readings => &readings::SPEC,
            Self::Packets => &packets::SPEC,
            Self::Entries => &entries::SPEC,
            Self::Checkpoints => &checkpoints::SPEC,
            Self::Judgements => &judgements::JUDGEMENTS,
            Self::Events => &judgements::EVENTS,
            Self::Quarantine => &quarantine::SPEC,
            Self::Outlets => &registry::OUTLETS,
            Self::Factors => &registry::FACTORS,
        }
    }
}

/// How a table is made.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// Rows lie in the order of these columns; equal ones as they came.
    pub(crate) key: &'static [&'static str],
    /// Of rows that are equal in so many first columns of the key only the last one stands; 0 where all stand.
    pub(crate) latest: usize,
    /// Columns in which single values are looked for.
    pub(crate) bloom: &'static [&'static str],
}

impl Spec {
    /// The Arrow schema; each field says in its metadata what it means.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema_with(Words::Text)
    }

    /// The same with words as they are wanted in memory; files are the same either way.
    pub(crate) fn schema_with(&self, words: Words) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(|column| column.field(words)).collect();
        Arc::new(Schema::new(fields))
    }

    /// The place of a column.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) null: bool,
    /// Empty in most files: what is known to hold nothing is not read when files are merged.
    pub(crate) seldom: bool,
    /// Unit, where it has one.
    pub(crate) unit: &'static str,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
}

impl Column {
    const fn new(name: &'static str, form: Form, zh: &'static str, en: &'static str) -> Self {
        Self {
            name,
            form,
            null: false,
            seldom: false,
            unit: "",
            zh,
            en,
        }
    }

    /// May be empty.
    const fn or_null(mut self) -> Self {
        self.null = true;
        self
    }

    /// May be empty, and nearly always is.
    const fn or_mostly_null(mut self) -> Self {
        (self.null, self.seldom) = (true, true);
        self
    }

    const fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    fn field(&self, words: Words) -> Field {
        let mut meaning = HashMap::from([
            ("zh".to_owned(), self.zh.to_owned()),
            ("en".to_owned(), self.en.to_owned()),
        ]);
        if !self.unit.is_empty() {
            meaning.insert("unit".to_owned(), self.unit.to_owned());
        }
        Field::new(self.name, self.form.data_type(words), self.null).with_metadata(meaning)
    }
}

/// What a column holds and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One of few words: dictionary.
    Word,
    /// Text that seldom repeats.
    Text,
    /// Bytes that seldom repeat.
    Bytes,
    /// A number of a few values: dictionary.
    Small,
    /// A number that grows from row to row: delta.
    Count,
    /// The device's value: the nearest double, dictionary as long as it pays (docs/adr/0001).
    Value,
    /// A computed number.
    Number,
    /// Yes or no.
    Bool,
    /// Beijing wall clock, milliseconds, no zone in the column: delta.
    Time,
}

/// How words lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// As text: what readers ask for.
    Text,
    /// As numbers of a dictionary: writing and merging move four bytes a word instead of twenty.
    Numbered,
}

impl Form {
    pub(crate) fn data_type(self, words: Words) -> DataType {
        match self {
            Self::Word if words == Words::Numbered => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            Self::Word | Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Small => DataType::Int32,
            Self::Count => DataType::Int64,
            Self::Value | Self::Number => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_blooms_are_columns() {
        for table in Table::ALL {
            let spec = table.spec();
            for name in spec.key.iter().chain(spec.bloom) {
                assert!(spec.place(name).is_some(), "{} has no column {name}", spec.name);
            }
            assert_eq!(Table::from_name(table.name()), Some(table));
        }
    }

    #[test]
    fn schemas() {
        let mut lines = Vec::new();
        for table in Table::ALL {
            let spec = table.spec();
            lines.push(format!(
                "{}/{SCHEMA_VERSION}, sorted by {}",
                spec.name,
                spec.key.join(", ")
            ));
            for column in spec.columns {
                let Column {
                    name,
                    form,
                    unit,
                    zh,
                    en,
                    ..
                } = column;
                let null = if column.null { "?" } else { "" };
                lines.push(format!("  {name}: {form:?}{null} {unit} | {zh} | {en}"));
            }
        }
        let text = lines.join("\n");
        insta::assert_snapshot!(text);
    }
}
