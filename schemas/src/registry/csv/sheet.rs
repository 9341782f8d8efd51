//! One sheet, row by row; each cell that cannot be read becomes a problem and the reading goes on.

use super::{CsvFile, CsvProblem, RowKind};
use crate::ids::IdError;
use crate::registry::validity::parse_moment;
use crate::time::Time;

/// A column by its name in the registry and its Chinese head.
type Column = (&'static str, &'static str);

pub(super) struct Sheet;

impl Sheet {
    /// [`Self::read`] of a sheet with rows of this kind.
    pub(super) fn of(
        file: Option<CsvFile<'_>>,
        kind: RowKind,
        problems: &mut Vec<CsvProblem>,
        each: impl FnMut(&mut Row<'_>),
    ) {
        Self::read(file, kind.columns(), kind.required(), problems, each);
    }

    /// Calls `each` with every row; problems of the sheet and of its rows are added to `problems`.
    pub(super) fn read(
        file: Option<CsvFile<'_>>,
        columns: &[Column],
        required: &[&str],
        problems: &mut Vec<CsvProblem>,
        mut each: impl FnMut(&mut Row<'_>),
    ) {
        let Some(file) = file else { return };
        let text = file.text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return problems.push(unreadable(file.name, &error)),
        };
        let Some(heads) = heads(file.name, &header, columns, required, problems) else {
            return;
        };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    problems.push(unreadable(file.name, &error));
                    continue;
                }
            };
            let mut row = Row {
                file: file.name,
                heads: &heads,
                required,
                record: &record,
                problems: Vec::new(),
            };
            if record.iter().all(str::is_empty) {
                continue;
            }
            if record.len() == header.len() {
                row.formulas();
                if row.good() {
                    each(&mut row);
                }
            } else {
                let message = format!("the row has {} cells, the head has {}", record.len(), header.len());
                row.problem("", message);
            }
            problems.append(&mut row.problems);
        }
    }
}

fn unreadable(file: &str, error: &csv::Error) -> CsvProblem {
    CsvProblem {
        file: file.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        column: String::new(),
        message: format!("not readable as CSV: {error}"),
    }
}

/// The registry's name of each column; `None` where a column is unknown, twice or missing, which is reported.
fn heads(
    file: &str,
    header: &csv::StringRecord,
    columns: &[Column],
    required: &[&str],
    problems: &mut Vec<CsvProblem>,
) -> Option<Vec<&'static str>> {
    let before = problems.len();
    let mut problem = |column: &str, message: String| {
        problems.push(CsvProblem {
            file: file.to_owned(),
            line: 1,
            column: column.to_owned(),
            message,
        });
    };
    let mut heads: Vec<&'static str> = Vec::new();
    for head in header {
        let known = columns.iter().find(|(name, zh)| head == *name || head == *zh);
        match known {
            Some((name, _)) if heads.contains(name) => problem(head, "the column stands twice".to_owned()),
            Some((name, _)) => heads.push(name),
            None => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                problem(head, format!("unknown column, expected one of {}", names.join(", ")));
            }
        }
    }
    for name in required {
        if !heads.contains(name) {
            problem(name, "the column is missing".to_owned());
        }
    }
    (problems.len() == before).then_some(heads)
}

/// True for a cell that a spreadsheet takes for a formula (`=…`, `@…`, a sign before anything but a number), and for
/// what it leaves where one failed (`#REF!`).
pub fn is_formula(cell: &str) -> bool {
    let mut letters = cell.chars();
    match letters.next() {
        Some('=' | '@') => true,
        Some('+' | '-') => letters.next().is_some_and(|next| !next.is_ascii_digit() && next != '.'),
        Some('#') => cell.ends_with(['!', '?']) || cell == "#N/A",
        _ => false,
    }
}

/// One row. A cell that cannot be read gives a stand-in and a problem; [`Row::good`] says whether there was none.
pub(super) struct Row<'a> {
    file: &'a str,
    heads: &'a [&'static str],
    required: &'a [&'a str],
    record: &'a csv::StringRecord,
    problems: Vec<CsvProblem>,
}

impl Row<'_> {
    /// File and line.
    pub(super) fn place(&self) -> (String, u64) {
        let line = self.record.position().map_or(0, csv::Position::line);
        (self.file.to_owned(), line)
    }

    /// Cells that a spreadsheet would compute, or could not: what they would say depends on who opens them.
    fn formulas(&mut self) {
        let cells: Vec<_> = self.heads.iter().copied().zip(self.record.iter()).collect();
        for (head, cell) in cells {
            if is_formula(cell) {
                let message = format!("`{cell}` is a formula or the error of one; write its value");
                self.problem(head, message);
            }
        }
    }

    pub(super) fn good(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn problem(&mut self, column: &str, message: String) {
        self.problems.push(CsvProblem {
            file: self.file.to_owned(),
            line: self.record.position().map_or(0, csv::Position::line),
            column: column.to_owned(),
            message,
        });
    }

    /// The text of a cell; a problem where it is empty and must not be.
    pub(super) fn text(&mut self, column: &str) -> String {
        let place = self.heads.iter().position(|&head| head == column);
        let text = place.and_then(|place| self.record.get(place)).unwrap_or_default();
        if text.is_empty() && self.required.contains(&column) {
            self.problem(column, "is empty and must not be".to_owned());
        }
        text.to_owned()
    }

    fn parsed<T>(&mut self, column: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(column, format!("`{text}` is not {expected}"));
        }
        parsed
    }

    pub(super) fn id<T: Default>(&mut self, column: &str, parse: impl FnOnce(&str) -> Result<T, IdError>) -> T {
        let text = self.text(column);
        if text.is_empty() {
            return T::default();
        }
        parse(&text).unwrap_or_else(|error| {
            self.problem(column, error.to_string());
            T::default()
        })
    }

    pub(super) fn decimal(&mut self, column: &str) -> Option<crate::decimal::Decimal> {
        self.parsed(column, "a decimal number", super::decimal)
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, column: &str) -> Option<T> {
        self.parsed(column, "a whole number in range", |text| text.parse().ok())
    }

    pub(super) fn moment(&mut self, column: &str) -> Option<Time> {
        self.parsed(column, "a moment such as 2026-01-01 or 2026-01-01T12:30", parse_moment)
    }

    pub(super) fn yes(&mut self, column: &str) -> bool {
        let yes = self.parsed(column, "yes or no", |text| match text {
            "yes" | "true" | "1" | "是" => Some(true),
            "no" | "false" | "0" | "否" => Some(false),
            _ => None,
        });
        yes.unwrap_or(false)
    }

    /// A member of a closed set, by code or Chinese name.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        column: &str,
        all: &[T],
        code: impl Fn(T) -> &'static str,
        zh: impl Fn(T) -> &'static str,
    ) -> T {
        let codes: Vec<&str> = all.iter().map(|&one| code(one)).collect();
        let named = |text: &str| all.iter().copied().find(|&one| code(one) == text || zh(one) == text);
        let found = self.parsed(column, &format!("one of {}", codes.join(", ")), named);
        // Never empty: closed sets have members.
        found.unwrap_or(all[0])
    }

    pub(super) fn list<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>, expected: &str) -> Vec<T> {
        let all = |text: &str| {
            text.split([' ', ';', '、'])
                .filter(|part| !part.is_empty())
                .map(&parse)
                .collect()
        };
        self.parsed(column, expected, all).unwrap_or_default()
    }

    /// A reference that must lead somewhere.
    pub(super) fn known<T>(&mut self, column: &str, found: Option<T>, among: &str) -> Option<T> {
        if found.is_none() && self.good() {
            let text = self.text(column);
            self.problem(column, format!("`{text}` is not among {among}"));
        }
        found
    }
}
