//! `plume query` and `plume export`: rows of the archive on the screen, in a pipe or in a file.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use plume_archive::{
    ArchiveError, Field, FieldType, Period, QuerySpec, Reader, Rowset, write_csv, write_json, write_parquet, write_xlsx,
};
use plume_schemas::time::{DAY_MS, Time};
use unicode_width::UnicodeWidthStr as _;

use super::view::{self, Ticker, hinted};
use crate::cli::archive::{By, ExportArgs, Format, QueryArgs, Selection};
use crate::out;

/// Rows of a table on the screen, unless another number is asked for: more is for files.
const SCREEN_ROWS: usize = 1_000;
/// Rows between two looks at the clock.
const LOOK_ROWS: u64 = 1_024;
/// Cells a column of a table takes at most.
const MAX_WIDTH: usize = 60;

/// Prints or writes what is asked for.
pub(crate) fn query(args: &QueryArgs) -> anyhow::Result<ExitCode> {
    if matches!(args.format, Format::Xlsx | Format::Parquet) && args.out.is_none() {
        bail!("这种格式要写入文件 / this format goes to a file: give --out FILE");
    }
    let reader = view::open(&args.place)?;
    let mut spec = spec(&args.selection);
    if args.format == Format::Table {
        if spec.columns.is_empty() && args.selection.by.is_none() {
            spec.columns = spec.table.brief().iter().map(|&name| name.to_owned()).collect();
        }
        let rows = args.selection.limit.unwrap_or(SCREEN_ROWS);
        // One more tells whether there is more.
        spec.limit = rows.saturating_add(1);
        return show(
            rows_of(&reader, &spec, &args.selection, args.progress)?,
            rows,
            args.out.as_deref(),
        );
    }
    let rows = rows_of(&reader, &spec, &args.selection, args.progress)?;
    let Some(path) = &args.out else {
        let mut stdout = BufWriter::new(out::stream());
        return match write(rows, args.format, &mut stdout) {
            // A reader that went away (`plume query … | head`) is no error.
            Err(ArchiveError::Export { source }) if source.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            other => other.map(|_| ExitCode::SUCCESS).map_err(hinted),
        };
    };
    to_file(rows, args.format, path)
}

/// Writes a file named after what is in it.
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    if args.format == Format::Table {
        bail!("导出用 csv、json、parquet 或 xlsx / export as csv, json, parquet or xlsx; `plume query` shows tables");
    }
    let reader = view::open(&args.place)?;
    let selection = &args.selection;
    let path = args.out.clone().unwrap_or_else(|| named(selection, args.format));
    let rows = rows_of(&reader, &spec(selection), selection, args.progress)?;
    let rows = if args.float64 { rows.as_float64() } else { rows };
    to_file(rows, args.format, &path)
}

fn spec(selection: &Selection) -> QuerySpec {
    QuerySpec {
        outlet: selection.outlet,
        factor: selection.factor,
        kind: selection.kind,
        statistic: selection.statistic,
        basis: selection.basis,
        from: selection.day.or(selection.from),
        to: selection.day.map(|day| day.plus(DAY_MS)).or(selection.to),
        columns: selection.columns.clone(),
        limit: selection.limit.unwrap_or(usize::MAX),
        ..QuerySpec::all(selection.table)
    }
}

/// `readings-91330100MA27X0AB1C_DA001-2026-11-21.csv`.
fn named(selection: &Selection, format: Format) -> PathBuf {
    let outlet = selection.outlet.map(|outlet| outlet.as_str().replace(':', "_"));
    let day = selection.day.or(selection.from).map(Time::date);
    let parts = [Some(selection.table.name().to_owned()), outlet, day];
    let name: Vec<String> = parts.into_iter().flatten().collect();
    let ending = match format {
        Format::Csv | Format::Table => "csv",
        Format::Json => "jsonl",
        Format::Parquet => "parquet",
        Format::Xlsx => "xlsx",
    };
    PathBuf::from(format!("{}.{ending}", name.join("-")))
}

fn rows_of<'a>(
    reader: &'a Reader,
    spec: &QuerySpec,
    selection: &Selection,
    progress: bool,
) -> anyhow::Result<Rowset<'a>> {
    let rows = match selection.by {
        Some(by) => reader.grouped(
            spec,
            if matches!(by, By::Hour) {
                Period::Hour
            } else {
                Period::Day
            },
        ),
        None => reader.query(spec).map(Rowset::from),
    };
    let (mut ticker, mut seen) = (Ticker::new(progress), 0_u64);
    Ok(rows.map_err(hinted)?.watched(move |progress| {
        seen += 1;
        if seen.is_multiple_of(LOOK_ROWS) {
            ticker.tick(|| {
                let (done, total) = (progress.done(), progress.total());
                format!("… {done}/{total} 个文件，{seen} 行 / {done} of {total} files, {seen} rows")
            });
        }
    }))
}

fn write(rows: Rowset<'_>, format: Format, to: &mut (impl Write + Send)) -> Result<u64, ArchiveError> {
    match format {
        Format::Json => write_json(rows, to),
        Format::Parquet => write_parquet(rows, to),
        Format::Csv | Format::Table | Format::Xlsx => write_csv(rows, to),
    }
}

/// Where a file lies.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Written beside its name first: what has the name is whole.
fn to_file(rows: Rowset<'_>, format: Format, path: &Path) -> anyhow::Result<ExitCode> {
    let progress = rows.progress();
    let unfinished = path.with_added_extension("unfinished");
    let mut file = BufWriter::new(view::create(&unfinished)?);
    let written = match format {
        Format::Xlsx => write_xlsx(rows, &mut file, folder_of(path)),
        other => write(rows, other, &mut file),
    };
    let done = written.map_err(hinted).and_then(|written| {
        file.flush()?;
        std::fs::rename(&unfinished, path)?;
        Ok(written)
    });
    let written = match done {
        Ok(written) => written,
        Err(error) => {
            // Half a file is of no use to anybody.
            drop(std::fs::remove_file(&unfinished));
            return Err(error.context(format!("write {}", path.display())));
        }
    };
    let files = progress.done();
    out::complain(format_args!(
        "{}：{written} 行，读取 {files} 个文件 / {written} rows from {files} files",
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn show(rows: Rowset<'_>, limit: usize, out_file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let columns = rows.columns().to_vec();
    let mut lines = Vec::new();
    for row in rows {
        lines.push(row.map_err(hinted)?.iter().map(cell).collect::<Vec<String>>());
    }
    let more = lines.len() > limit;
    lines.truncate(limit);
    let text = table(&columns, &lines);
    match out_file {
        Some(path) => view::create(path)?.write_all(text.as_bytes())?,
        None => out::line(text.trim_end()),
    }
    let count = lines.len();
    let rest = if more {
        "，还有更多：用 --limit 或 --format csv / and more: give --limit or --format csv"
    } else {
        ""
    };
    out::complain(format_args!("{count} 行 / rows{rest}"));
    Ok(ExitCode::SUCCESS)
}

fn cell(field: &Field) -> String {
    let text = match field {
        Field::Null => "-".to_owned(),
        Field::Number(number) => format!("{}", (number * 1e6).round() / 1e6),
        other => other.to_string(),
    };
    if text.width() <= MAX_WIDTH {
        return text;
    }
    let mut short = String::new();
    for letter in text.chars() {
        if short.width() + 3 > MAX_WIDTH {
            break;
        }
        short.push(letter);
    }
    short + "…"
}

fn table(columns: &[(String, FieldType)], lines: &[Vec<String>]) -> String {
    let header: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let width = |place: usize| {
        let cells = lines.iter().chain([&header]).filter_map(|line| line.get(place));
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in [&header].into_iter().chain(lines) {
        let cells = line
            .iter()
            .zip(columns)
            .zip(&widths)
            .map(|((cell, (_, holds)), width)| {
                let room = " ".repeat(width.saturating_sub(cell.width()));
                match holds {
                    FieldType::Int | FieldType::Number => room + cell,
                    FieldType::Text | FieldType::Bool | FieldType::Time => cell.clone() + &room,
                }
            });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_line_up() {
        let columns = [("名称".to_owned(), FieldType::Text), ("n".to_owned(), FieldType::Int)];
        let lines = [
            vec!["甲".to_owned(), "5".to_owned()],
            vec!["abc".to_owned(), "12".to_owned()],
        ];
        assert_eq!(table(&columns, &lines), "名称   n\n甲     5\nabc   12\n");
        assert_eq!(cell(&Field::Text("一".repeat(50))).width(), MAX_WIDTH - 1);
    }
}
