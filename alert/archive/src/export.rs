//! `plume export`: rows as CSV that spreadsheets open: UTF-8 with a byte order mark, RFC 4180, CRLF.

use std::io::Write;

use crate::ArchiveError;
use crate::query::{Field, Query};

/// What a spreadsheet needs to see that a file is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes a header line and all rows; returns how many rows. Values stand as the device typed them, passwords are
/// masked.
pub fn write_csv(query: Query<'_>, out: &mut impl Write) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Export { source };
    out.write_all(BYTE_ORDER_MARK).map_err(failed)?;
    let header: Vec<String> = query.columns().iter().map(|column| quoted(column)).collect();
    line(out, &header).map_err(failed)?;
    let mut rows = 0;
    for row in query {
        let cells: Vec<String> = row?.iter().map(cell).collect();
        line(out, &cells).map_err(failed)?;
        rows += 1;
    }
    out.flush().map_err(failed)?;
    Ok(rows)
}

fn line(out: &mut impl Write, cells: &[String]) -> std::io::Result<()> {
    out.write_all(cells.join(",").as_bytes())?;
    out.write_all(b"\r\n")
}

fn cell(field: &Field) -> String {
    match field {
        Field::Text(text) | Field::Bytes(text) | Field::Typed { number: None, text } => quoted(&harmless(text)),
        other => other.to_string(),
    }
}

/// A device's text must not become a formula in the spreadsheet of whoever opens the file.
fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_a_spreadsheet() {
        let cases = [
            (Field::Text("甲,乙".into()), "\"甲,乙\""),
            (Field::Text("say \"a\"".into()), "\"say \"\"a\"\"\""),
            (Field::Text("=1+1".into()), "'=1+1"),
            (
                Field::Typed {
                    number: Some(-0.5),
                    text: "-0.50".into(),
                },
                "-0.50",
            ),
            (
                Field::Typed {
                    number: None,
                    text: "--".into(),
                },
                "'--",
            ),
            (Field::Null, ""),
            (Field::Bool(true), "true"),
        ];
        for (field, expected) in cases {
            assert_eq!(cell(&field), expected);
        }
    }
}
