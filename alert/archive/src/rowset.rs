//! Rows on their way out: named and typed columns, whatever they are made of.

use crate::ArchiveError;
use crate::query::Field;
use crate::scan::Progress;

/// What a column of a result holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text, and bytes as text.
    Text,
    /// Whole numbers.
    Int,
    /// Numbers.
    Number,
    /// Yes or no.
    Bool,
    /// Moments.
    Time,
}

/// Rows of a result, passwords masked, one after the other.
pub struct Rowset<'a> {
    columns: Vec<(String, FieldType)>,
    progress: Progress,
    rows: Box<dyn Iterator<Item = Result<Vec<Field>, ArchiveError>> + 'a>,
}

impl std::fmt::Debug for Rowset<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rowset({:?}, {:?})", self.columns, self.progress)
    }
}

impl<'a> Rowset<'a> {
    pub(crate) fn new(
        columns: Vec<(String, FieldType)>,
        progress: Progress,
        rows: impl Iterator<Item = Result<Vec<Field>, ArchiveError>> + 'a,
    ) -> Self {
        Self {
            columns,
            progress,
            rows: Box::new(rows),
        }
    }

    /// The columns: name, and what they hold.
    pub fn columns(&self) -> &[(String, FieldType)] {
        &self.columns
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The same rows with what devices typed as plain doubles: no trailing zeros, and nothing where it is no number, so
    /// that a column of values is one of numbers wherever it is read.
    #[must_use]
    pub fn as_float64(self) -> Self {
        let (columns, progress) = (self.columns, self.progress);
        let plain = |field| match field {
            Field::Typed { number, .. } => number.map_or(Field::Null, Field::Number),
            other => other,
        };
        let rows = self.rows.map(move |row| Ok(row?.into_iter().map(plain).collect()));
        Self::new(columns, progress, rows)
    }

    /// The same rows, with `look` told of each as it goes by: for a line of progress.
    #[must_use]
    pub fn watched(self, mut look: impl FnMut(&Progress) + 'a) -> Self {
        let (columns, progress) = (self.columns, self.progress);
        let shown = progress.clone();
        let rows = self.rows.inspect(move |_| look(&shown));
        Self::new(columns, progress, rows)
    }
}

impl Iterator for Rowset<'_> {
    type Item = Result<Vec<Field>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}
