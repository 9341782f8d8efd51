//! `plume export --format xlsx`: one sheet of a workbook (ECMA-376), numbers as numbers, times as times.

use std::io::{self, Seek, Write};

use plume_schemas::time::DAY_MS;

use crate::ArchiveError;
use crate::query::Field;
use crate::rowset::Rowset;
use crate::tables::wall_clock_ms;
use crate::zip::ZipWriter;

/// Rows of a sheet, the header included: a limit of the format.
const MAX_ROWS: u64 = 1_048_576;
/// Characters of a cell: a limit of the format.
const MAX_CELL: usize = 32_767;
/// 1970-01-01 in the days a spreadsheet counts.
const EPOCH_DAYS: f64 = 25_569.0;

const PARTS: [(&str, &str); 5] = [
    (
        "[Content_Types].xml",
        r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
  ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/styles.xml"
  ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
  ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
</Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
  Target="xl/workbook.xml"/>
</Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="plume" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
  Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"
  Target="styles.xml"/>
</Relationships>"#,
    ),
    (
        "xl/styles.xml",
        r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1">
<numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts><fonts count="1"><font/></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>
</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/>
<xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>"#,
    ),
];

/// Writes all rows below a header that stays in view; returns how many. Values are numbers with the digits typed,
/// passwords are masked. Errors: more rows than a sheet holds.
pub fn write_xlsx(rows: Rowset<'_>, out: &mut (impl Write + Seek)) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Export { source };
    let mut zip = ZipWriter::new(out);
    for (name, content) in PARTS {
        zip.begin(name)
            .and_then(|()| zip.write(HEADING.as_bytes()))
            .and_then(|()| zip.write(content.as_bytes()))
            .map_err(failed)?;
    }
    let written = sheet(rows, &mut zip)?;
    zip.finish().map_err(failed)?;
    Ok(written)
}

const HEADING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const SHEET: &str = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews>
<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>
</sheetViews><sheetFormatPr defaultRowHeight="15" baseColWidth="18"/><sheetData>"#;

fn sheet(rows: Rowset<'_>, zip: &mut ZipWriter<impl Write + Seek>) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Export { source };
    let mut begin = |text: &[&str]| -> io::Result<()> {
        zip.begin("xl/worksheets/sheet1.xml")?;
        text.iter().try_for_each(|piece| zip.write(piece.as_bytes()))
    };
    let header: Vec<Field> = rows
        .columns()
        .iter()
        .map(|(name, _)| Field::Text(name.clone()))
        .collect();
    begin(&[HEADING, SHEET, &line(&header)]).map_err(failed)?;
    let mut written = 0;
    for row in rows {
        if written + 1 >= MAX_ROWS {
            return Err(ArchiveError::TooManyRows {
                limit: MAX_ROWS - 1,
                format: "xlsx",
            });
        }
        zip.write(line(&row?).as_bytes()).map_err(failed)?;
        written += 1;
    }
    zip.write(b"</sheetData></worksheet>").map_err(failed)?;
    Ok(written)
}

fn line(fields: &[Field]) -> String {
    let cells: String = fields.iter().map(cell).collect();
    format!("<row>{cells}</row>")
}

fn cell(field: &Field) -> String {
    match field {
        Field::Null => "<c/>".to_owned(),
        Field::Int(number) => format!("<c><v>{number}</v></c>"),
        Field::Number(number) if number.is_finite() => format!("<c><v>{number}</v></c>"),
        Field::Typed { number: Some(_), text } => format!("<c><v>{text}</v></c>"),
        Field::Bool(yes) => format!("<c t=\"b\"><v>{}</v></c>", u8::from(*yes)),
        Field::Time(at) => {
            let days = wall_clock_ms(*at) as f64 / DAY_MS as f64 + EPOCH_DAYS;
            format!("<c s=\"1\"><v>{days}</v></c>")
        }
        Field::Typed { .. } | Field::Number(_) | Field::Text(_) | Field::Bytes(_) => {
            let text = escaped(&field.to_string());
            format!("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>")
        }
    }
}

/// Text as XML holds it: characters that XML has no form for become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().take(MAX_CELL) {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\t' | '\n' | '\r' => out.push(letter),
            letter if letter < ' ' || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_schemas::time::Time;

    #[test]
    fn cells_are_what_they_hold() {
        let noon = Time::parse_stamp(b"20261121120000").unwrap();
        let typed = Field::Typed {
            number: Some(31.1),
            text: "31.10".into(),
        };
        let line = line(&[
            typed,
            Field::Time(noon),
            Field::Text("<甲>\u{1}&".into()),
            Field::Bool(true),
        ]);
        assert_eq!(
            line,
            "<row><c><v>31.10</v></c><c s=\"1\"><v>46347.5</v></c>\
             <c t=\"inlineStr\"><is><t xml:space=\"preserve\">&lt;甲&gt;\u{fffd}&amp;</t></is></c>\
             <c t=\"b\"><v>1</v></c></row>"
        );
    }
}
