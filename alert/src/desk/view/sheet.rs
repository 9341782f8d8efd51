//! A sheet: figures and tables to read on a screen, to print, and to take along as CSV or XLSX.

use axum::response::Response;
use plume_schemas::decimal::Decimal;

use super::case::Link;
use super::export;
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
    /// Pictures below them.
    pub(crate) drawn: Vec<Drawn>,
    /// A day to choose instead.
    pub(crate) pick: Option<Pick>,
    /// What a file of it is called, in ASCII and without its ending; `plume` where empty.
    pub(crate) file: String,
}

/// A picture that somebody else has drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawn {
    /// Its heading.
    pub(crate) title: String,
    /// SVG, complete in itself, its words escaped.
    pub(crate) svg: String,
}

/// A day to choose, sent by a form to the page itself.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    /// The day chosen, as `2026-11-21`.
    pub(crate) date: String,
    /// What else the address says: name, value.
    pub(crate) kept: (&'static str, String),
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
    /// Where further rows come from while one looks; empty where none do.
    pub(crate) live: String,
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
    exports: Vec<Link>,
}

impl Sheet {
    /// The page, or the file where the address asks for one by `format=csv` or `format=xlsx`.
    pub(crate) fn respond(self, visitor: &Visitor) -> Result<Response, Problem> {
        let (path, query) = visitor.address.split_once('?').unwrap_or((&visitor.address, ""));
        let wanted = query.split('&').find_map(|part| part.strip_prefix("format="));
        match wanted {
            Some("csv") => return Ok(export::csv(&self)),
            Some("xlsx") => return export::xlsx(&self, visitor),
            _ => {}
        }
        let t = visitor.lang.texts();
        let exports = [("csv", t.csv), ("xlsx", t.xlsx)].map(|(format, word)| {
            let format = format!("format={format}");
            let kept: Vec<&str> = query
                .split('&')
                .filter(|part| !part.is_empty())
                .chain([format.as_str()])
                .collect();
            Link {
                href: format!("{path}?{}", kept.join("&")),
                word: word.to_owned(),
            }
        });
        html(&SheetPage {
            exports: exports.into(),
            shell: Shell::new(visitor, self.title.clone()),
            sheet: self,
        })
    }
}
