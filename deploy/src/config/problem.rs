//! One thing wrong in a file a person wrote: where, what, and what to try.

use std::fmt;

/// A problem with its place. Prints as `file:line:column: message` and a hint line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file as named on the command line or in the configuration.
    pub(crate) file: String,
    /// Line and column, from 1, where known.
    pub(crate) place: Option<(usize, usize)>,
    /// Only a warning: plume would start.
    pub(crate) warning: bool,
    /// What is wrong.
    pub(crate) message: String,
    /// What to try.
    pub(crate) hint: String,
}

impl Problem {
    /// An error at a byte offset of a text.
    pub(crate) fn at(file: &str, text: &str, offset: usize, message: String, hint: String) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(line_column(text, offset)),
            warning: false,
            message,
            hint,
        }
    }

    /// An error about a file as a whole.
    pub(crate) fn of_file(file: &str, message: String, hint: String) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            warning: false,
            message,
            hint,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}{}", if self.warning { "warning: " } else { "" }, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Line and column (in characters), both from 1, of a byte offset.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    Lines::new(text).place(offset)
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text once, for many places in it.
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(starts).collect(),
        }
    }

    /// Line and column (in characters), both from 1, of a byte offset.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied();
        let before = self.text.get(start.unwrap_or(0)..offset);
        (line, before.map_or(0, |before| before.chars().count()) + 1)
    }
}
