//! A registry from the texts of its files, a TOML file or the CSV sheets: every problem with its file and line.

use std::ops::Range;
use std::path::Path;

use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{CsvFile, CsvFiles, CsvProblem, Places, ProblemSeverity, Registry, RowKind};
use plume_schemas::time::Time;

use crate::config::{Document, Lines, Problem};

/// A file and its text.
#[derive(Clone, Debug)]
pub(crate) struct RegistryFile {
    /// Its name, with or without directories.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
}

/// Rows of a registry that are parsed together: the tree of all of a bureau's would take ten times the room of the
/// registry, and the process would keep that room.
const ROWS_TOGETHER: usize = 500;
/// How a row of a registry begins.
const ROW_HEADERS: [&str; 3] = ["[[enterprise]]", "[[outlet]]", "[[source]]"];

type Read = Result<(Registry, Vec<Problem>), Vec<Problem>>;

/// The names of all sheets.
pub(crate) fn sheet_names() -> String {
    let names: Vec<&str> = RowKind::ALL.iter().map(|kind| kind.file()).collect();
    names.join(", ")
}

/// Reads and checks what somebody brought: one TOML file, or sheets by their names.
pub(crate) fn read(files: &[RegistryFile], catalogue: &Catalogue, now: Time) -> Read {
    match files {
        [file] if Path::new(&file.name).extension().is_some_and(|kind| kind == "toml") => {
            read_toml(file, catalogue, now)
        }
        _ => read_sheets(files, catalogue, now),
    }
}

/// Reads and checks a TOML file.
pub(crate) fn read_toml(file: &RegistryFile, catalogue: &Catalogue, now: Time) -> Read {
    let RegistryFile { name, text } = file;
    let registry = parse(text).map_err(|(offset, message)| {
        let hint = "see deploy/examples/registry.toml".to_owned();
        vec![Problem::at(name, text, offset, message, hint)]
    })?;
    let found = registry.check(catalogue, now);
    if found.is_empty() {
        return Ok((registry, Vec::new()));
    }
    // Only now, where there is something to say: the tree of a bureau's registry is ten times as large as the registry.
    let (document, lines) = (Document::parse(text), Lines::new(text));
    let offset_of = |path: &str| document.as_ref()?.offset_of(path);
    let found = found.into_iter().map(|found| Problem {
        file: name.clone(),
        place: Some(lines.place(offset_of(&found.path).unwrap_or(0))),
        warning: found.severity == ProblemSeverity::Warning,
        message: format!("`{}`: {}", found.path, found.message),
        hint: found.hint,
    });
    let problems = found.collect();
    judged(registry, problems)
}

/// Reads the rows of a registry, some at a time. Errors: the offset in the text, and what is wrong there.
fn parse(text: &str) -> Result<Registry, (usize, String)> {
    let mut whole: Option<Registry> = None;
    for piece in pieces(text) {
        let rows = text.get(piece.clone()).unwrap_or_default();
        let part: Registry = toml::from_str(rows).map_err(|error: toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            (piece.start + offset, error.message().to_owned())
        })?;
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                whole.enterprises.extend(part.enterprises);
                whole.outlets.extend(part.outlets);
                whole.sources.extend(part.sources);
            }
        }
    }
    Ok(whole.unwrap_or_default())
}

/// Cuts a registry before the header of a row, every [`ROWS_TOGETHER`] rows. A text of several lines may hold what
/// looks like a header: with one in it the registry is read in one piece.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut cuts = vec![0];
    if !text.contains("\"\"\"") && !text.contains("'''") {
        let (mut offset, mut rows) = (0, 0);
        for line in text.split_inclusive('\n') {
            if ROW_HEADERS.iter().any(|header| line.starts_with(header)) {
                if rows == ROWS_TOGETHER {
                    cuts.push(offset);
                    rows = 0;
                }
                rows += 1;
            }
            offset += line.len();
        }
    }
    cuts.push(text.len());
    cuts.windows(2).map(|cut| cut[0]..cut[1]).collect()
}

/// Reads and checks sheets; what is missing adds no rows.
pub(crate) fn read_sheets(given: &[RegistryFile], catalogue: &Catalogue, now: Time) -> Read {
    let mut files = CsvFiles::default();
    let mut problems = Vec::new();
    for RegistryFile { name, text } in given {
        let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let hint = format!("bring one .toml file, or sheets named {}", sheet_names());
        match RowKind::ALL.iter().find(|kind| kind.file() == base) {
            Some(kind) => {
                if files.of_mut(*kind).replace(CsvFile { name, text }).is_some() {
                    problems.push(Problem::of_file(name, "the sheet is there twice".to_owned(), hint));
                }
            }
            None => problems.push(Problem::of_file(name, "is no file of a registry".to_owned(), hint)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (registry, places) =
        Registry::from_csv_placed(&files).map_err(|found| found.iter().map(of_row).collect::<Vec<_>>())?;
    let found = registry.check(catalogue, now).into_iter();
    let problems = found.map(|found| of_check(&places, given, found)).collect();
    judged(registry, problems)
}

fn of_row(found: &CsvProblem) -> Problem {
    Problem {
        place: Some((usize::try_from(found.line).unwrap_or(1), 1)),
        ..Problem::of_file(
            &found.file,
            format!("{}: {}", found.column, found.message),
            found.hint(),
        )
    }
}

fn of_check(places: &Places, given: &[RegistryFile], found: plume_schemas::registry::Problem) -> Problem {
    let (file, line) = match places.of(&found.path) {
        Some((file, line)) => (file, usize::try_from(line).ok()),
        None => (given.first().map_or("", |file| file.name.as_str()), None),
    };
    Problem {
        place: line.map(|line| (line, 1)),
        warning: found.severity == ProblemSeverity::Warning,
        ..Problem::of_file(file, format!("`{}`: {}", found.path, found.message), found.hint)
    }
}

fn judged(registry: Registry, problems: Vec<Problem>) -> Read {
    if problems.iter().all(|problem| problem.warning) {
        Ok((registry, problems))
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const EXAMPLE: &str = include_str!("../examples/registry.toml");

    /// Registries of many rows, with and without what may stand between them.
    fn large(rows: usize) -> String {
        let mut text = EXAMPLE.to_owned();
        for row in 0..rows {
            write!(
                text,
                "  \n# [[outlet]]\n[[outlet]]\nid = \"E:DA{row}\"\nenterprise = \"E\"\nnumber = \"DA{row}\"\n\
                 [[outlet.factor]]\ncode = \"a21026\"\n[[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"35\"\n\
                 source = \"permit\"\n[[source]]\nmn = \"M{row}\"\noutlet = \"E:DA{row}\"\n"
            )
            .unwrap();
        }
        text
    }

    #[test]
    fn a_registry_in_pieces_is_the_registry() {
        for rows in [0, 1, ROWS_TOGETHER / 2 - 2, ROWS_TOGETHER, 3 * ROWS_TOGETHER + 1] {
            let text = large(rows);
            let pieces = pieces(&text);
            assert_eq!(pieces.len(), (2 * rows + 3).div_ceil(ROWS_TOGETHER), "{rows} rows");
            assert_eq!(parse(&text), Ok(toml::from_str(&text).unwrap()), "{rows} rows");
        }
        let named = format!("revision = 7\n{}", large(ROWS_TOGETHER));
        assert_eq!(parse(&named), Ok(toml::from_str(&named).unwrap()));
        assert_eq!(parse(""), Ok(Registry::default()));
    }

    #[test]
    fn a_mistake_in_a_later_piece_has_its_place() {
        let good = large(2 * ROWS_TOGETHER);
        let text = format!("{good}[[source]]\nmn = 7\n");
        let (offset, message) = parse(&text).unwrap_err();
        let whole = toml::from_str::<Registry>(&text).unwrap_err();
        assert_eq!(
            (offset, message.as_str()),
            (whole.span().unwrap().start, whole.message())
        );
        assert_eq!(text.get(offset..offset + 1), Some("7"));
    }

    #[test]
    fn a_text_of_several_lines_is_not_cut() {
        let name = "name = \"\"\"\n[[source]]\n\"\"\"\n";
        let text = format!("{}[[enterprise]]\nid = \"E\"\n{name}", large(ROWS_TOGETHER));
        assert_eq!(pieces(&text).len(), 1);
        assert!(
            parse(&text)
                .unwrap()
                .enterprises
                .iter()
                .any(|known| known.name == "[[source]]\n")
        );
    }
}
