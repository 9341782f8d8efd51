//! Tables as people send them: CSV, read whole or refused by line, with what was expected and a row that reads.

use csv::StringRecord;

use crate::words::Lang;

/// Something said in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

impl Said {
    /// The same thing in both languages.
    pub(crate) const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }
}

/// What a kind of table looks like.
#[derive(Debug)]
pub struct Layout {
    /// What it is called in messages.
    pub name: Said,
    /// Its header.
    pub columns: &'static [&'static str],
    /// Most rows.
    pub max_rows: usize,
    /// A row that reads.
    pub example: &'static str,
}

/// A table was refused, whole.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// It is no CSV.
    #[error("the {} table cannot be read", layout.name.en)]
    Csv {
        /// Which kind of table.
        layout: &'static Layout,
        /// Why.
        source: csv::Error,
    },
    /// Other columns than expected.
    #[error("the {} table has columns `{found}`, expected `{}`", layout.name.en, layout.columns.join(","))]
    Columns {
        /// Which kind of table.
        layout: &'static Layout,
        /// The header found.
        found: String,
    },
    /// A row with more or fewer cells than the header.
    #[error("{} line {line}: {found} cells, expected {}", layout.name.en, layout.columns.len())]
    Width {
        /// Which kind of table.
        layout: &'static Layout,
        /// Which line.
        line: u64,
        /// How many cells it has.
        found: usize,
    },
    /// A cell that makes no sense.
    #[error("{}`{text}` is no {}", place(layout, *line), expected.en)]
    Cell {
        /// Which kind of table.
        layout: &'static Layout,
        /// Which line; 0 in a form.
        line: u64,
        /// What stands there, its first 80 characters.
        text: String,
        /// What was expected.
        expected: Said,
    },
    /// More rows than such a table has.
    #[error("the {} table has more than {} rows", layout.name.en, layout.max_rows)]
    TooLong {
        /// Which kind of table.
        layout: &'static Layout,
    },
}

fn place(layout: &Layout, line: u64) -> String {
    if line == 0 {
        String::new()
    } else {
        format!("{} line {line}: ", layout.name.en)
    }
}

impl RowError {
    const fn layout(&self) -> &'static Layout {
        match self {
            Self::Csv { layout, .. }
            | Self::Columns { layout, .. }
            | Self::Width { layout, .. }
            | Self::Cell { layout, .. }
            | Self::TooLong { layout } => layout,
        }
    }

    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLong { .. } => "import it in parts".into(),
            _ => format!(
                "write `{}`; put a cell with a comma in double quotes",
                self.layout().example
            ),
        }
    }

    /// What is wrong and what to try, for a page in Chinese.
    pub fn zh(&self) -> String {
        let Layout {
            name,
            columns,
            max_rows,
            example,
        } = self.layout();
        let what = match self {
            Self::Csv { .. } => format!("{}无法读取。", name.zh),
            Self::Columns { found, .. } => format!("表头应为 {}，实为 {found}。", columns.join(",")),
            Self::Width { line, found, .. } => format!("第 {line} 行有 {found} 列，应为 {} 列。", columns.len()),
            Self::Cell {
                line, text, expected, ..
            } => {
                let place = if *line == 0 {
                    String::new()
                } else {
                    format!("第 {line} 行：")
                };
                format!("{place}“{text}”不符合要求（{}）。", expected.zh)
            }
            Self::TooLong { .. } => return format!("一次最多 {max_rows} 行，请分批导入。"),
        };
        format!("{what}示例：{example}")
    }

    /// For a page in this language.
    pub fn said(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => format!("{self}; {}", self.hint()),
        }
    }
}

/// Longest text of a cell that a message repeats, characters.
const SHOWN_CHARS: usize = 80;

impl Layout {
    /// The complaint about a cell; line 0 in a form.
    pub(crate) fn bad(&'static self, line: u64, text: &str, expected: Said) -> RowError {
        RowError::Cell {
            layout: self,
            line,
            text: text.chars().take(SHOWN_CHARS).collect(),
            expected,
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    layout: &'static Layout,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// Its line in the text.
    pub(crate) fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// A cell without the blanks around it.
    pub(crate) fn cell(&self, at: usize) -> &'a str {
        self.raw(at).trim()
    }

    /// A cell as it stands.
    pub(crate) fn raw(&self, at: usize) -> &'a str {
        self.record.get(at).unwrap_or_default()
    }

    /// The complaint about a cell.
    pub(crate) fn bad(&self, at: usize, expected: Said) -> RowError {
        self.layout.bad(self.line(), self.cell(at), expected)
    }
}

/// Reads a table; all rows or none. A byte-order mark, as spreadsheets write it, is no part of it.
pub(crate) fn read<T, E: From<RowError>>(
    layout: &'static Layout,
    text: &str,
    mut row: impl FnMut(Row<'_>) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let torn = |source| RowError::Csv { layout, source };
    let header: Vec<&str> = reader.headers().map_err(torn)?.iter().map(str::trim).collect();
    if header != layout.columns {
        let found = header.join(",").chars().take(SHOWN_CHARS).collect();
        return Err(RowError::Columns { layout, found }.into());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(torn)?;
        if rows.len() >= layout.max_rows {
            return Err(RowError::TooLong { layout }.into());
        }
        let this = Row {
            layout,
            record: &record,
        };
        if record.len() != layout.columns.len() {
            let (line, found) = (this.line(), record.len());
            return Err(RowError::Width { layout, line, found }.into());
        }
        rows.push(row(this)?);
    }
    Ok(rows)
}

/// True where a spreadsheet would run the cell instead of showing it (CSV injection): no name and no advice.
pub(crate) fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '@', '+', '-', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    static LAYOUT: Layout = Layout {
        name: Said::new("样表", "sample"),
        columns: &["a", "b"],
        max_rows: 2,
        example: "1,2",
    };
    const NUMBER: Said = Said::new("数字", "number");

    fn sums(text: &str) -> Result<Vec<i64>, RowError> {
        read(&LAYOUT, text, |row| {
            let number = |at| row.cell(at).parse::<i64>().map_err(|_| row.bad(at, NUMBER));
            Ok(number(0)? + number(1)?)
        })
    }

    #[test]
    fn a_table_is_read_whole_or_refused_with_its_line() {
        assert_eq!(sums("\u{feff}a,b\n1, 2\n\"3\",4\n").unwrap(), [3, 7]);
        assert!(sums("a,b\n").unwrap().is_empty());
        for (text, en, zh) in [
            ("", "has columns ``, expected `a,b`", "表头应为 a,b，实为 。示例：1,2"),
            ("a;b\n1;2\n", "has columns `a;b`", "表头应为 a,b，实为 a;b。"),
            (
                "a,b\n1,2\n1\n",
                "sample line 3: 1 cells, expected 2",
                "第 3 行有 1 列，应为 2 列。",
            ),
            ("a,b\n1,2,3\n", "sample line 2: 3 cells", "第 2 行有 3 列"),
            (
                "a,b\n1,x\n",
                "sample line 2: `x` is no number",
                "第 2 行：“x”不符合要求（数字）。",
            ),
            ("a,b\n1,2\n1,2\n1,2\n", "more than 2 rows", "一次最多 2 行"),
        ] {
            let error = sums(text).unwrap_err();
            assert!(error.to_string().contains(en), "{error}");
            assert!(error.zh().contains(zh), "{}", error.zh());
            assert!(!error.hint().is_empty() && error.said(Lang::En).contains(en));
        }
        let long = sums(&format!("a,b\n{},1\n", "长".repeat(1_000))).unwrap_err();
        assert!(long.to_string().chars().count() < 2 * SHOWN_CHARS, "{long}");
        assert_eq!(LAYOUT.bad(0, "x", NUMBER).to_string(), "`x` is no number");
    }
}
