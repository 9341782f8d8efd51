//! What can be wrong with a file to be played.

/// A file that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FromError {
    /// No packet in the whole file.
    #[error("no packet found in {bytes} bytes: none begins with ## and a length")]
    NoPackets {
        /// Size of the file.
        bytes: usize,
    },
    /// The table's header lacks a column the mapping names.
    #[error("column `{column}` is not in the table; it has: {present}")]
    NoColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        present: String,
    },
    /// The table cannot be read as CSV.
    #[error("line {line}: not readable as CSV: {detail}")]
    Csv {
        /// Line of the file, counted from 1.
        line: u64,
        /// What the reader said.
        detail: String,
    },
    /// A cell that is no number.
    #[error("line {line}, column `{column}`: `{text}` is not a number")]
    NotANumber {
        /// Line of the file, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// The cell.
        text: String,
    },
    /// A cell that is no time.
    #[error("line {line}, column `{column}`: `{text}` is not a time")]
    NotATime {
        /// Line of the file, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// The cell.
        text: String,
    },
    /// The mapping's own start is no time.
    #[error("mapping: time.start: `{text}` is not a time")]
    Start {
        /// As it was given.
        text: String,
    },
    /// The mapping contradicts itself.
    #[error("mapping: {detail}")]
    Mapping {
        /// What is wrong.
        detail: String,
    },
    /// No row in the table.
    #[error("the table has a header and no rows")]
    NoRows,
}

impl FromError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NoPackets { .. } => {
                "give a file with packets such as ##0101QN=…&&1C80, or a CSV with --map".to_owned()
            }
            Self::NoColumn { .. } => "write the column as in the table's first line".to_owned(),
            Self::Csv { .. } => "the first line must name the columns, and every line must have as many".to_owned(),
            Self::NotANumber { .. } => "leave a cell empty where there is no value".to_owned(),
            Self::NotATime { .. } | Self::Start { .. } => {
                "write times as 2011-01-01T00:00 or 20110101000000, Beijing time".to_owned()
            }
            Self::Mapping { .. } => {
                "give either time.column or time.start, and at least one [[factor]] with column and code".to_owned()
            }
            Self::NoRows => "give a table with at least one row".to_owned(),
        }
    }
}
