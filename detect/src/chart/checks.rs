//! Zero and span checks from a sheet: what the analyser showed on a gas that is known, before anybody touched it and
//! after. Text in, checks out; a sheet with an error gives none.

pub use plume_schemas::check::CheckPoint as Point;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Time;

/// Most checks of one sheet: daily zero and span of an outlet's factor for over thirty years.
pub const MAX_CHECKS: usize = 25_000;
/// Columns: their names and Chinese heads, and whether a cell must be filled.
const COLUMNS: [(&str, &str, bool); 8] = [
    ("time", "时间", true),
    ("outlet", "排放口标识", true),
    ("factor", "因子编码", true),
    ("point", "零点或跨度", true),
    ("gas", "标气值", true),
    ("before", "校准前示值", true),
    ("after", "校准后示值", false),
    ("adjusted", "是否调整", false),
];

/// One check of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    /// Its line in the sheet, from 1.
    pub line: u64,
    /// When.
    pub at: Time,
    /// Whose analyser.
    pub outlet: OutletId,
    /// Of what.
    pub factor: FactorCode,
    /// Which end of the range.
    pub point: Point,
    /// What the gas holds, units of the factor.
    pub gas: f64,
    /// What the analyser showed, as found.
    pub before: f64,
    /// What it showed afterwards, where that was noted.
    pub after: Option<f64>,
    /// It was adjusted in between.
    pub adjusted: bool,
}

/// What of a sheet cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksError {
    /// A column is unknown, stands twice or is missing.
    #[error("{file}:1: column `{column}` {what}")]
    Column {
        /// Which file.
        file: String,
        /// Which column.
        column: String,
        /// What of it.
        what: &'static str,
    },
    /// A cell.
    #[error("{file}:{line}: {column}: `{text}` is not {expected}")]
    Cell {
        /// Which file.
        file: String,
        /// In which line, from 1.
        line: u64,
        /// In which column.
        column: &'static str,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// Not a CSV row.
    #[error("{file}:{line}: not readable as CSV: {what}")]
    Row {
        /// Which file.
        file: String,
        /// In which line, from 1.
        line: u64,
        /// What the reader says.
        what: String,
    },
    /// More than [`MAX_CHECKS`].
    #[error("{file}: more than {MAX_CHECKS} checks")]
    TooMany {
        /// Which file.
        file: String,
    },
}

impl ChecksError {
    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Column { .. } => {
                "the head is time,outlet,factor,point,gas,before,after,adjusted in any order; the last two are optional"
            }
            Self::Cell { .. } | Self::Row { .. } => "correct the line and try again; nothing was taken",
            Self::TooMany { .. } => "give the sheet in pieces, by outlet or by year",
        }
    }
}

/// Checks from `time,outlet,factor,point,gas,before,after,adjusted`, in order of time. Errors: every problem of the
/// sheet.
pub fn parse(file: &str, text: &str) -> Result<Vec<Checked>, Vec<ChecksError>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let unreadable = |error: &csv::Error| ChecksError::Row {
        file: file.to_owned(),
        line: line_of(error.position(), text),
        what: error.to_string(),
    };
    let header = reader.headers().cloned().map_err(|error| vec![unreadable(&error)])?;
    let places = places(file, &header)?;
    let (mut checks, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Err(error) => errors.push(unreadable(&error)),
            Ok(record) if record.iter().all(str::is_empty) => {}
            Ok(record) => {
                let line = line_of(record.position(), text);
                let mut row = Row {
                    file,
                    line,
                    places: &places,
                    record: &record,
                    errors: &mut errors,
                };
                checks.extend(row.check());
            }
        }
        if checks.len() > MAX_CHECKS {
            errors.push(ChecksError::TooMany { file: file.to_owned() });
            break;
        }
    }
    checks.sort_by_key(|check: &Checked| (check.at, check.line));
    if errors.is_empty() { Ok(checks) } else { Err(errors) }
}

/// The line a row stands in: the reader's position is in front of the empty lines before it.
fn line_of(position: Option<&csv::Position>, text: &str) -> u64 {
    let Some(position) = position else { return 1 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| b"\r\n".contains(byte));
    position.line() + empty.map(|&byte| u64::from(byte == b'\n')).sum::<u64>()
}

/// Where each of [`COLUMNS`] stands.
fn places(file: &str, header: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()], Vec<ChecksError>> {
    let mut errors = Vec::new();
    let mut places = [None; COLUMNS.len()];
    let mut wrong = |column: &str, what| {
        errors.push(ChecksError::Column {
            file: file.to_owned(),
            column: column.to_owned(),
            what,
        });
    };
    for (place, head) in header.iter().enumerate() {
        let known = COLUMNS.iter().position(|(name, zh, _)| head == *name || head == *zh);
        match known.and_then(|known| places.get_mut(known)) {
            Some(slot @ None) => *slot = Some(place),
            Some(Some(_)) => wrong(head, "stands twice"),
            None => wrong(head, "is not known"),
        }
    }
    for ((name, _, required), place) in COLUMNS.iter().zip(places) {
        if *required && place.is_none() {
            wrong(name, "is missing");
        }
    }
    if errors.is_empty() { Ok(places) } else { Err(errors) }
}

/// One row of the sheet.
struct Row<'a> {
    file: &'a str,
    line: u64,
    places: &'a [Option<usize>; COLUMNS.len()],
    record: &'a csv::StringRecord,
    errors: &'a mut Vec<ChecksError>,
}

impl Row<'_> {
    fn check(&mut self) -> Option<Checked> {
        let at = self.cell(0, "a moment such as 2026-11-21 08:30, Beijing time", moment);
        let outlet = self.cell(1, "an outlet such as 91330100MA27X0AB1C:DA001", |text| {
            OutletId::new(text).ok()
        });
        let factor = self.cell(2, "a factor code such as a21026", |text| FactorCode::new(text).ok());
        let named = |text: &str| {
            let named = |point: &Point| point.code() == text || point.zh() == text;
            Point::ALL.iter().copied().find(named)
        };
        let point = self.cell(3, "zero or span (零点、跨度)", named);
        let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
        let gas = self.cell(4, "a number", number);
        let before = self.cell(5, "a number", number);
        let after = self.cell(6, "a number", number);
        let adjusted = self.cell(7, "yes or no (是、否)", |text| match text {
            "yes" | "true" | "1" | "是" => Some(true),
            "no" | "false" | "0" | "否" => Some(false),
            _ => None,
        });
        Some(Checked {
            line: self.line,
            at: at?,
            outlet: outlet?,
            factor: factor?,
            point: point?,
            gas: gas?,
            before: before?,
            after,
            adjusted: adjusted.unwrap_or(false),
        })
    }

    /// A cell of one of [`COLUMNS`]; an error where it is not what it should be, or empty and must not be.
    fn cell<T>(&mut self, column: usize, expected: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let &(name, _, required) = COLUMNS.get(column)?;
        let place = self.places.get(column).copied().flatten();
        let text = place.and_then(|place| self.record.get(place)).unwrap_or_default();
        if text.is_empty() && !required {
            return None;
        }
        let parsed = parse(text);
        if parsed.is_none() {
            self.errors.push(ChecksError::Cell {
                file: self.file.to_owned(),
                line: self.line,
                column: name,
                text: text.to_owned(),
                expected,
            });
        }
        parsed
    }
}

/// `2026-11-21`, `2026-11-21 08:30`, with or without seconds; Beijing time.
fn moment(text: &str) -> Option<Time> {
    let mut digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let odd = text
        .bytes()
        .any(|byte| !byte.is_ascii_digit() && !b"-: T".contains(&byte));
    if odd || !matches!(digits.len(), 8 | 12 | 14) {
        return None;
    }
    digits.resize(14, b'0');
    Time::parse_stamp(&digits)
}
