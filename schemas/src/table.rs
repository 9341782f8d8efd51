//! Reading the small CSV tables that are compiled into plume: strict, so that a slip in a data file fails a test,
//! with its line.

/// A data file that comes with plume (or a file given in its place) is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not CSV.
    #[error("{file}:{line}: not readable as CSV: {reason}")]
    Unreadable {
        /// Which file.
        file: &'static str,
        /// In which line, from 1.
        line: u64,
        /// What the CSV reader said.
        reason: String,
    },
    /// The columns are not the expected ones.
    #[error("{file}:1: columns are `{found}`, expected `{expected}`")]
    Columns {
        /// Which file.
        file: &'static str,
        /// The columns found.
        found: String,
        /// The columns there must be.
        expected: String,
    },
    /// A cell that cannot be read.
    #[error("{file}:{line}: {column} is `{text}`, expected {expected}")]
    Cell {
        /// Which file.
        file: &'static str,
        /// In which line, from 1.
        line: u64,
        /// In which column.
        column: &'static str,
        /// The text found.
        text: String,
        /// What would have been valid.
        expected: &'static str,
    },
    /// A key that stands twice.
    #[error("{file}:{line}: {column} `{text}` stands in an earlier line already")]
    Duplicate {
        /// Which file.
        file: &'static str,
        /// In which line, from 1.
        line: u64,
        /// In which column.
        column: &'static str,
        /// The key.
        text: String,
    },
}

impl CatalogueError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { file, .. } => format!("save {file} as CSV in UTF-8 with commas and double quotes"),
            Self::Columns { expected, .. } => format!("give the first line exactly these columns: {expected}"),
            Self::Cell { column, expected, .. } => format!("write {expected} into {column}"),
            Self::Duplicate { column, .. } => format!("keep one row for each {column}"),
        }
    }
}

/// One line of a table.
pub(crate) struct Row<'a> {
    file: &'static str,
    columns: &'static [&'static str],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The line number in the file, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// The text of a column; empty where it has none.
    pub(crate) fn text(&self, column: &'static str) -> &str {
        let place = self.columns.iter().position(|&name| name == column);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    /// The parsed text of a column that must not be empty.
    pub(crate) fn required<T>(
        &self,
        column: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CatalogueError> {
        let text = self.text(column);
        parse(text).ok_or_else(|| CatalogueError::Cell {
            file: self.file,
            line: self.line(),
            column,
            text: text.to_owned(),
            expected,
        })
    }

    /// The parsed text of a column that may be empty.
    pub(crate) fn optional<T>(
        &self,
        column: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, CatalogueError> {
        if self.text(column).is_empty() {
            return Ok(None);
        }
        self.required(column, expected, parse).map(Some)
    }

    /// The error that says this key was there before.
    pub(crate) fn duplicate(&self, column: &'static str) -> CatalogueError {
        CatalogueError::Duplicate {
            file: self.file,
            line: self.line(),
            column,
            text: self.text(column).to_owned(),
        }
    }
}

/// Calls `each` with every row of a table that has exactly these columns.
pub(crate) fn read(
    file: &'static str,
    text: &str,
    columns: &'static [&'static str],
    mut each: impl FnMut(&Row<'_>) -> Result<(), CatalogueError>,
) -> Result<(), CatalogueError> {
    let unreadable = |error: &csv::Error| CatalogueError::Unreadable {
        file,
        line: error.position().map_or(1, csv::Position::line),
        reason: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    if header.iter().ne(columns.iter().copied()) {
        return Err(CatalogueError::Columns {
            file,
            found: header.iter().collect::<Vec<_>>().join(","),
            expected: columns.join(","),
        });
    }
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        each(&Row {
            file,
            columns,
            record: &record,
        })?;
    }
    Ok(())
}
