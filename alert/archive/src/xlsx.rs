//! `plume export --format xlsx`: one sheet of a workbook, numbers as numbers with the digits typed, times as times.

use std::io::{self, Write};
use std::path::Path;

use plume_schemas::time::DAY_MS;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::ArchiveError;
use crate::query::Field;
use crate::rowset::Rowset;
use crate::tables::wall_clock_ms;

/// Rows of a sheet, the header included: a limit of the format.
const MAX_ROWS: u32 = 1_048_576;
/// UTF-16 units of a cell: a limit of the format; what is longer is cut.
const MAX_CELL: usize = 32_767;
/// 1970-01-01 in the days a spreadsheet counts.
const EPOCH_DAYS: f64 = 25_569.0;
/// A time of day with its date fits into so many letters.
const COLUMN_WIDTH: f64 = 18.0;
/// Spreadsheets show at most so many digits behind the point.
const MAX_DECIMALS: usize = 30;

/// Writes all rows below a header that stays in view; returns how many. Values are numbers shown with the digits typed,
/// passwords are masked. Rows wait in a file in `scratch` until the last is there, so memory does not grow with them.
/// Errors: more rows than a sheet holds, a disk that refuses.
pub fn write_xlsx(rows: Rowset<'_>, out: &mut (impl Write + Send), scratch: &Path) -> Result<u64, ArchiveError> {
    let mut workbook = Workbook::new();
    // Equal rows make equal files: no date of today, no name of a person.
    let epoch = ExcelDateTime::from_timestamp(0).map_err(failed)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
    workbook.set_tempdir(scratch).map_err(failed)?;
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(failed)?;
    sheet.set_name("plume").map_err(failed)?;
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let columns: Vec<String> = rows.columns().iter().map(|(name, _)| name.clone()).collect();
    for (place, name) in (0_u16..).zip(&columns) {
        sheet.set_column_width(place, COLUMN_WIDTH).map_err(failed)?;
        sheet.write_string(0, place, name).map_err(failed)?;
    }
    let formats = Formats::new();
    let mut next = 1;
    for row in rows {
        if next >= MAX_ROWS {
            return Err(ArchiveError::TooManyRows {
                limit: u64::from(MAX_ROWS) - 1,
                format: "xlsx",
            });
        }
        for (place, field) in (0_u16..).zip(row?) {
            cell(sheet, (next, place), &field, &formats).map_err(failed)?;
        }
        next += 1;
    }
    workbook.save_to_writer(out).map_err(failed)?;
    Ok(u64::from(next) - 1)
}

fn failed(error: XlsxError) -> ArchiveError {
    let source = match error {
        XlsxError::IoError(source) => source,
        other => io::Error::other(other),
    };
    ArchiveError::Export { source }
}

/// How numbers and times are shown.
struct Formats {
    time: Format,
    /// With so many digits behind the point.
    digits: Vec<Format>,
}

impl Formats {
    fn new() -> Self {
        let digits = |count: usize| {
            let point = if count == 0 { "" } else { "." };
            Format::new().set_num_format(format!("0{point}{:0<count$}", ""))
        };
        Self {
            time: Format::new().set_num_format("yyyy\\-mm\\-dd\\ hh:mm:ss"),
            digits: (0..=MAX_DECIMALS).map(digits).collect(),
        }
    }

    /// As a device typed it; `None` where the text is no plain decimal.
    fn typed(&self, text: &str) -> Option<&Format> {
        let decimals = text.split_once('.').map_or(0, |(_, digits)| digits.len());
        self.digits
            .get(decimals)
            .filter(|_| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.')))
    }
}

fn cell(sheet: &mut Worksheet, (row, place): (u32, u16), field: &Field, formats: &Formats) -> Result<(), XlsxError> {
    match field {
        Field::Null => sheet,
        // A spreadsheet computes with doubles; so does it with numbers of a log beyond 2^53, which no log reaches.
        Field::Int(number) => sheet.write_number(row, place, *number as f64)?,
        Field::Number(number) if number.is_finite() => sheet.write_number(row, place, *number)?,
        Field::Typed {
            number: Some(number),
            text,
        } => match formats.typed(text) {
            Some(format) => sheet.write_number_with_format(row, place, *number, format)?,
            None => sheet.write_number(row, place, *number)?,
        },
        Field::Bool(yes) => sheet.write_boolean(row, place, *yes)?,
        Field::Time(at) => {
            let days = wall_clock_ms(*at) as f64 / DAY_MS as f64 + EPOCH_DAYS;
            sheet.write_number_with_format(row, place, days, &formats.time)?
        }
        Field::Typed { .. } | Field::Number(_) | Field::Text(_) | Field::Bytes(_) => {
            sheet.write_string(row, place, cut(&field.to_string()))?
        }
    };
    Ok(())
}

/// Text as far as a cell holds it; the few characters that XML has no form for become U+FFFD.
fn cut(text: &str) -> String {
    let mut units = 0;
    let fits = text.chars().take_while(|letter| {
        units += letter.len_utf16();
        units <= MAX_CELL
    });
    fits.map(|letter| match letter {
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter => letter,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rowset::FieldType;
    use crate::scan::Progress;
    use plume_schemas::time::Time;
    use std::io::{Cursor, Read};

    fn written(rows: Vec<Vec<Field>>) -> Result<Vec<u8>, ArchiveError> {
        let columns = (0..rows[0].len()).map(|n| (format!("c{n}"), FieldType::Text)).collect();
        let rows = Rowset::new(columns, Progress::of(1), rows.into_iter().map(Ok));
        let mut out = Vec::new();
        write_xlsx(rows, &mut out, &std::env::temp_dir())?;
        Ok(out)
    }

    fn sheet_of(workbook: &[u8]) -> String {
        let mut zip = zip::ZipArchive::new(Cursor::new(workbook)).unwrap();
        let mut text = String::new();
        let mut sheet = zip.by_name("xl/worksheets/sheet1.xml").unwrap();
        sheet.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn cells_are_what_they_hold() {
        let noon = Time::parse_stamp(b"20261121120000").unwrap();
        let typed = |number, text: &str| Field::Typed {
            number,
            text: text.into(),
        };
        let row = vec![
            typed(Some(31.1), "31.10"),
            Field::Time(noon),
            Field::Text("<甲>\u{1}&=1+1".into()),
            Field::Bool(true),
            Field::Null,
            typed(None, "--"),
            Field::Number(f64::NAN),
            Field::Int(7),
        ];
        let sheet = sheet_of(&written(vec![row.clone()]).unwrap());
        for cell in [
            "<c r=\"A1\" t=\"inlineStr\"><is><t>c0</t></is></c>",
            "<v>31.1</v>",
            "<v>46347.5</v>",
            "<t>&lt;甲&gt;_x0001_&amp;=1+1</t>",
            "<c r=\"D2\" t=\"b\"><v>1</v></c>",
            "<t>--</t>",
            "<t>NaN</t>",
            "<c r=\"H2\"><v>7</v></c>",
            "state=\"frozen\"",
        ] {
            assert!(sheet.contains(cell), "{cell} in {sheet}");
        }
        assert!(!sheet.contains("<f>"), "a device's text is no formula");
        assert_eq!(written(vec![row.clone()]).unwrap(), written(vec![row]).unwrap());
    }

    #[test]
    fn a_long_text_is_cut_and_too_many_rows_are_refused() {
        let long = Field::Text("甲😀".repeat(MAX_CELL));
        let sheet = sheet_of(&written(vec![vec![long]]).unwrap());
        assert_eq!(sheet.matches('甲').count(), MAX_CELL / 3 + 1);
        let columns = vec![("c".to_owned(), FieldType::Int)];
        let endless = std::iter::repeat_with(|| Ok(vec![Field::Null]));
        let rows = Rowset::new(columns, Progress::of(1), endless);
        let refused = write_xlsx(rows, &mut Vec::new(), &std::env::temp_dir());
        assert!(
            matches!(refused, Err(ArchiveError::TooManyRows { limit: 1_048_575, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn digits_typed_are_digits_shown() {
        let formats = Formats::new();
        for (text, shown) in [
            ("31", Some(0)),
            ("-0.120", Some(3)),
            ("1e5", None),
            ("0.0000000000000000000000000000000", None),
        ] {
            let format = formats.typed(text);
            assert_eq!(
                format,
                shown.and_then(|count: usize| formats.digits.get(count)),
                "{text}"
            );
        }
    }
}
