//! A sheet: figures and tables to read on a screen, to print, and to take along as CSV.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use plume_schemas::decimal::Decimal;

use super::case::Link;
use super::figures::Figure;
use crate::desk::auth::Visitor;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::text::Speaks;

/// A page of tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    /// Where it hangs, without itself.
    pub(crate) crumbs: Vec<Link>,
    /// Its heading.
    pub(crate) title: String,
    /// A sentence below it.
    pub(crate) about: String,
    /// Other spans or kinds of the same page.
    pub(crate) choices: Vec<Choice>,
    /// The numbers that matter most.
    pub(crate) figures: Vec<Figure>,
    /// The tables.
    pub(crate) tables: Vec<Table>,
}

/// Another form of the same page.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// It.
    pub(crate) link: Link,
    /// This one.
    pub(crate) here: bool,
}

/// One table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Its heading.
    pub(crate) title: String,
    /// A remark beside it.
    pub(crate) note: String,
    /// Its columns.
    pub(crate) heads: Vec<Head>,
    /// Its rows.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Its heading.
    pub(crate) word: String,
    /// It holds numbers.
    pub(crate) number: bool,
}

/// A column of words.
pub(crate) fn words(word: impl Into<String>) -> Head {
    Head {
        word: word.into(),
        number: false,
    }
}

/// A column of numbers.
pub(crate) fn numbers(word: impl Into<String>) -> Head {
    Head {
        word: word.into(),
        number: true,
    }
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    /// What it says.
    pub(crate) text: String,
    /// A remark behind it; not in the CSV.
    pub(crate) note: String,
    /// Where it leads.
    pub(crate) href: Option<String>,
    /// `num`, `over`, `near`, `good`, `quiet`, `mono`, several of them, or nothing.
    pub(crate) class: &'static str,
}

/// Words.
pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        ..Cell::default()
    }
}

/// What a number is shown as.
#[derive(Clone, Debug)]
pub(crate) struct Number(pub(crate) String);

macro_rules! shown_as {
    ($($from:ty),+) => {
        $(impl From<$from> for Number {
            fn from(number: $from) -> Self {
                Self(number.to_string())
            }
        })+
    };
}
shown_as!(u8, u64, usize, &str, String, Decimal);

/// A number.
pub(crate) fn number(number: impl Into<Number>) -> Cell {
    Cell {
        text: number.into().0,
        class: "num",
        ..Cell::default()
    }
}

/// Words that lead somewhere.
pub(crate) fn link(text: impl Into<String>, href: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        href: Some(href.into()),
        ..Cell::default()
    }
}

impl Cell {
    /// The same in another colour.
    pub(crate) fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// The same with a remark.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

#[derive(askama::Template)]
#[template(path = "sheet.html")]
struct SheetPage {
    shell: Shell,
    sheet: Sheet,
    csv_href: String,
}

impl Sheet {
    /// The page, or the CSV where the address asks for it by `format=csv`.
    pub(crate) fn respond(self, visitor: &Visitor) -> Result<Response, Problem> {
        let (path, query) = visitor.address.split_once('?').unwrap_or((&visitor.address, ""));
        if query.split('&').any(|part| part == "format=csv") {
            return Ok(self.csv());
        }
        let kept: Vec<&str> = query
            .split('&')
            .filter(|part| !part.is_empty())
            .chain(["format=csv"])
            .collect();
        html(&SheetPage {
            csv_href: format!("{path}?{}", kept.join("&")),
            shell: Shell::new(visitor, self.title.clone()),
            sheet: self,
        })
    }

    /// All tables below each other, with the byte-order mark that makes spreadsheets read UTF-8.
    fn csv(&self) -> Response {
        let mut csv = String::from("\u{feff}");
        for table in &self.tables {
            line(&mut csv, std::iter::once(table.title.as_str()));
            line(&mut csv, table.heads.iter().map(|head| head.word.as_str()));
            for row in &table.rows {
                line(&mut csv, row.iter().map(|cell| cell.text.as_str()));
            }
            csv.push_str("\r\n");
        }
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"plume.csv\""),
        ];
        (headers, csv).into_response()
    }
}

fn line<'a>(csv: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            csv.push(',');
        }
        // A cell that a spreadsheet would run as a formula is made text; the page's own minus sign is none.
        let formula = cell.starts_with(['=', '+', '@', '\t', '\r']) || (cell.starts_with('-') && cell.len() > 1);
        let cell = cell.replace('−', "-");
        csv.push('"');
        if formula {
            csv.push('\'');
        }
        csv.push_str(&cell.replace('"', "\"\""));
        csv.push('"');
    }
    csv.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_holds_no_formula_and_no_loose_quote() {
        let mut csv = String::new();
        line(&mut csv, ["=1+1", "-cmd", "−0.5", "a \"b\", c", "@x"].into_iter());
        assert_eq!(csv, "\"'=1+1\",\"'-cmd\",\"-0.5\",\"a \"\"b\"\", c\",\"'@x\"\r\n");
    }
}
