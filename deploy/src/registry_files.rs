//! A registry from the texts of its files, a TOML file or the CSV sheets: every problem with its file and line.

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
    let registry: Registry = toml::from_str(text).map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        let hint = "see deploy/examples/registry.toml".to_owned();
        vec![Problem::at(name, text, offset, error.message().to_owned(), hint)]
    })?;
    let (document, lines) = (Document::parse(text), Lines::new(text));
    let offset_of = |path: &str| document.as_ref()?.offset_of(path);
    let found = registry.check(catalogue, now).into_iter().map(|found| Problem {
        file: name.clone(),
        place: Some(lines.place(offset_of(&found.path).unwrap_or(0))),
        warning: found.severity == ProblemSeverity::Warning,
        message: format!("`{}`: {}", found.path, found.message),
        hint: found.hint,
    });
    let problems = found.collect();
    judged(registry, problems)
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
