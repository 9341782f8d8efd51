//! `plume export` and `plume query`: rows as CSV that spreadsheets open (UTF-8 with a byte order mark, RFC 4180, CRLF)
//! and as lines of JSON.

use std::io::Write;

use serde_json::Value as Json;

use crate::ArchiveError;
use crate::query::Field;
use crate::rowset::Rowset;

/// What a spreadsheet needs to see that a file is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes a header line and all rows; returns how many rows. Values stand as the device typed them, passwords are
/// masked.
pub fn write_csv(rows: Rowset<'_>, out: &mut impl Write) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Export { source };
    out.write_all(BYTE_ORDER_MARK).map_err(failed)?;
    let header: Vec<String> = rows.columns().iter().map(|(name, _)| quoted(name)).collect();
    line(out, &header).map_err(failed)?;
    let mut written = 0;
    for row in rows {
        let cells: Vec<String> = row?.iter().map(cell).collect();
        line(out, &cells).map_err(failed)?;
        written += 1;
    }
    out.flush().map_err(failed)?;
    Ok(written)
}

/// Writes an object a row and line; returns how many rows. Values are numbers with the digits the device typed,
/// passwords are masked.
pub fn write_json(rows: Rowset<'_>, out: &mut impl Write) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Export { source };
    let names: Vec<String> = rows
        .columns()
        .iter()
        .map(|(name, _)| Json::from(name.as_str()).to_string())
        .collect();
    let mut written = 0;
    for row in rows {
        let pairs: Vec<String> = names
            .iter()
            .zip(row?)
            .map(|(name, field)| format!("{name}:{}", json(&field)))
            .collect();
        writeln!(out, "{{{}}}", pairs.join(",")).map_err(failed)?;
        written += 1;
    }
    out.flush().map_err(failed)?;
    Ok(written)
}

pub(crate) fn json(field: &Field) -> String {
    match field {
        Field::Null => "null".to_owned(),
        Field::Int(_) | Field::Bool(_) => field.to_string(),
        Field::Number(number) => Json::from(*number).to_string(),
        // The digits of a decimal are a JSON number as they are; what is not keeps its text.
        Field::Typed { text, number } => match number {
            Some(_) if serde_json::from_str::<serde_json::Number>(text).is_ok() => text.clone(),
            _ => Json::from(text.as_str()).to_string(),
        },
        Field::Text(_) | Field::Time(_) | Field::Bytes(_) => Json::from(field.to_string()).to_string(),
    }
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

    #[test]
    fn json_keeps_the_digits_that_were_typed() {
        let typed = |number, text: &str| Field::Typed {
            number,
            text: text.into(),
        };
        let cases = [
            (typed(Some(31.1), "31.10"), "31.10"),
            (typed(None, "--"), "\"--\""),
            (Field::Number(0.25), "0.25"),
            (Field::Number(f64::NAN), "null"),
            (Field::Text("甲\"".into()), "\"甲\\\"\""),
            (Field::Int(-3), "-3"),
            (Field::Null, "null"),
        ];
        for (field, expected) in cases {
            assert_eq!(json(&field), expected);
        }
    }
}
