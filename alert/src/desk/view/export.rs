//! A sheet as a file: CSV for programs, XLSX for people who print and file reports.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatBorder, Workbook, Worksheet, XlsxError};

use super::sheet::{Cell, Sheet, Table};
use crate::desk::auth::Visitor;
use crate::desk::problem::Problem;

/// A4, as the format counts paper sizes.
const PAPER_A4: u8 = 9;
/// Letters of a sheet's name: a limit of the format.
const SHEET_NAME_CHARS: usize = 31;
/// Widths of columns, in letters: what a number needs, and what still leaves room for the others on A4.
const WIDTHS: (f64, f64) = (9.0, 42.0);
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// All tables below each other, with the byte-order mark that makes spreadsheets read UTF-8.
pub(super) fn csv(sheet: &Sheet) -> Response {
    let mut csv = String::from("\u{feff}");
    for table in &sheet.tables {
        line(&mut csv, std::iter::once(table.title.as_str()));
        line(&mut csv, table.heads.iter().map(|head| head.word.as_str()));
        for row in &table.rows {
            line(&mut csv, row.iter().map(|cell| cell.text.as_str()));
        }
        csv.push_str("\r\n");
    }
    file(sheet, "text/csv; charset=utf-8", "csv", csv.into_bytes())
}

fn file(sheet: &Sheet, media_type: &'static str, ending: &str, content: Vec<u8>) -> Response {
    let name = if sheet.file.is_empty() { "plume" } else { &sheet.file };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{ending}\""),
        ),
    ];
    (headers, content).into_response()
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

/// One worksheet a table: title, head row that stays in view and is printed on every page, numbers as numbers.
pub(super) fn xlsx(sheet: &Sheet, visitor: &Visitor) -> Result<Response, Problem> {
    let book = workbook(sheet, visitor).map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a sheet could not be written as XLSX"
        );
        Problem::Failed
    })?;
    Ok(file(sheet, XLSX, "xlsx", book))
}

fn workbook(sheet: &Sheet, visitor: &Visitor) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let made = visitor.now.civil();
    let year = u16::try_from(made.year).unwrap_or_default();
    let made = ExcelDateTime::from_ymd(year, made.month, made.day)?.and_hms(
        u16::from(made.hour),
        made.minute,
        f64::from(made.second),
    )?;
    book.set_properties(
        &DocProperties::new()
            .set_title(&sheet.title)
            .set_author(&visitor.viewer.name)
            .set_creation_datetime(&made),
    );
    let mut taken = Vec::new();
    for table in &sheet.tables {
        let page = book.add_worksheet();
        page.set_name(sheet_name(&table.title, &mut taken))?;
        fill(page, sheet, table)?;
    }
    book.save_to_buffer()
}

/// What a worksheet may be called: without the letters the format forbids, cut, and each name once.
fn sheet_name(title: &str, taken: &mut Vec<String>) -> String {
    let allowed = |letter: &char| !"[]:*?/\\'".contains(*letter) && !letter.is_control();
    let name: String = title.chars().filter(allowed).take(SHEET_NAME_CHARS - 3).collect();
    let mut name = if name.is_empty() { "plume".to_owned() } else { name };
    if taken.contains(&name.to_lowercase()) {
        name = format!("{name} {}", taken.len() + 1);
    }
    taken.push(name.to_lowercase());
    name
}

fn fill(page: &mut Worksheet, sheet: &Sheet, table: &Table) -> Result<(), XlsxError> {
    let (title, small) = (
        Format::new().set_bold().set_font_size(14),
        Format::new().set_font_size(9),
    );
    let head = Format::new().set_bold().set_border(FormatBorder::Thin).set_text_wrap();
    let text = Format::new().set_border(FormatBorder::Thin);
    page.write_string_with_format(0, 0, format!("{} · {}", sheet.title, table.title), &title)?;
    let about: Vec<&str> = [sheet.about.as_str(), table.note.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    page.write_string_with_format(1, 0, about.join(" · "), &small)?;
    for (column, word) in (0_u16..).zip(&table.heads) {
        page.write_string_with_format(2, column, &word.word, &head)?;
        let cells = table.rows.iter().filter_map(|row| row.get(usize::from(column)));
        let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
        let letters = widest.max(width(&word.word).div_ceil(2)) as f64 + 2.0;
        page.set_column_width(column, letters.clamp(WIDTHS.0, WIDTHS.1))?;
    }
    for (line, row) in (3_u32..).zip(&table.rows) {
        for (column, cell) in (0_u16..).zip(row) {
            if let Some((number, digits)) = value(cell) {
                let format = text.clone().set_num_format(number_format(digits));
                page.write_number_with_format(line, column, number, &format)?;
            } else {
                // A string cell is never run, whatever it begins with.
                page.write_string_with_format(line, column, &cell.text, &text)?;
            }
        }
    }
    page.set_landscape()
        .set_paper_size(PAPER_A4)
        .set_print_fit_to_pages(1, 0)
        .set_header("&R&D")
        .set_footer("&C&P / &N");
    page.set_repeat_rows(2, 2)?;
    page.set_freeze_panes(3, 1)?;
    Ok(())
}

/// The number a cell of numbers holds, with its digits behind the point; `None` where it says something else.
fn value(cell: &Cell) -> Option<(f64, usize)> {
    let is_number = cell.class.split(' ').any(|class| class == "num");
    let plain = cell.text.replace('−', "-");
    let number: f64 = plain
        .parse()
        .ok()
        .filter(|number: &f64| is_number && number.is_finite())?;
    Some((number, plain.split_once('.').map_or(0, |(_, digits)| digits.len())))
}

fn number_format(digits: usize) -> String {
    if digits == 0 {
        return "0".to_owned();
    }
    format!("0.{}", "0".repeat(digits))
}

/// Letters wide: a Chinese one takes two places.
fn width(text: &str) -> usize {
    text.chars().map(|letter| 1 + usize::from(letter >= '\u{2e80}')).sum()
}

#[cfg(test)]
mod tests {
    use super::super::sheet::{number, text};
    use super::*;

    #[test]
    fn a_csv_holds_no_formula_and_no_loose_quote() {
        let mut csv = String::new();
        line(&mut csv, ["=1+1", "-cmd", "−0.5", "a \"b\", c", "@x"].into_iter());
        assert_eq!(csv, "\"'=1+1\",\"'-cmd\",\"-0.5\",\"a \"\"b\"\", c\",\"'@x\"\r\n");
    }

    #[test]
    fn numbers_are_numbers_and_nothing_else_is() {
        assert_eq!(value(&number("−0.50")), Some((-0.5, 2)));
        assert_eq!(value(&number("36").class("num over")), Some((36.0, 0)));
        assert_eq!(value(&number("—")), None);
        assert_eq!(value(&text("15")), None, "words that look like a number stay words");
        assert_eq!(number_format(2), "0.00");
    }

    #[test]
    fn worksheets_have_names_of_their_own() {
        let mut taken = Vec::new();
        assert_eq!(sheet_name("a/b: c?", &mut taken), "ab c");
        assert_eq!(sheet_name("AB C", &mut taken), "AB C 2");
        assert_eq!(sheet_name("", &mut taken), "plume");
        assert_eq!(sheet_name(&"长".repeat(40), &mut taken).chars().count(), 28);
    }
}
