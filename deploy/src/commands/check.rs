//! `plume check`: every problem of the configuration and the registry at once, each with its line and what to try.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use plume_ingest::modbus::map::Site;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{CsvFile, CsvFiles, CsvProblem, ProblemSeverity, Registry};

use crate::config::{Config, Document, Lines, Problem};
use crate::{out, polling};

/// Rows of a registry that are parsed together: the tree of all of a bureau's would take ten times the room of the
/// registry, and the process would keep that room.
const ROWS_TOGETHER: usize = 500;
/// How a row of a registry begins.
const ROW_HEADERS: [&str; 3] = ["[[enterprise]]", "[[outlet]]", "[[source]]"];

/// Checks and prints; fails when plume would not start.
pub(crate) fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::embedded()?;
    let problems = match Config::load(config) {
        Err(problems) => problems,
        Ok(loaded) => {
            let path = registry_path(config, &loaded);
            match load_registry(&path, &catalogue) {
                Ok((registry, warnings)) => {
                    out::line(format_args!("{}: 配置正确 / configuration is fine", config.display()));
                    out::line(format_args!(
                        "{}: {} 家企业，{} 个排放口，{} 台设备 / {} enterprises, {} outlets, {} devices",
                        path.display(),
                        registry.enterprises.len(),
                        registry.outlets.len(),
                        registry.sources.len(),
                        registry.enterprises.len(),
                        registry.outlets.len(),
                        registry.sources.len(),
                    ));
                    let polled = polling::load(config, &loaded, &catalogue, &registry);
                    warnings.into_iter().chain(polled_problems(polled)).collect()
                }
                Err(problems) => problems,
            }
        }
    };
    for problem in &problems {
        out::line(problem);
    }
    let errors = problems.iter().filter(|problem| !problem.warning).count();
    if errors == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format_args!(
        "{errors} 个错误，未启动 / {errors} error(s), plume would not start"
    ));
    Ok(ExitCode::FAILURE)
}

/// What there is to say of the devices that are polled.
fn polled_problems(loaded: Result<(Site, Vec<Problem>), Vec<Problem>>) -> Vec<Problem> {
    let (site, warnings) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return problems,
    };
    if !site.buses.is_empty() {
        let units: usize = site.buses.iter().map(|bus| bus.units.len()).sum();
        let buses = site.buses.len();
        out::line(format_args!(
            "modbus: {buses} 条总线，{units} 台设备 / {buses} buses, {units} devices"
        ));
    }
    warnings
}

/// The registry file of a configuration: relative to the configuration's own directory.
pub(crate) fn registry_path(config: &Path, loaded: &Config) -> std::path::PathBuf {
    config.parent().unwrap_or(Path::new("")).join(&loaded.plume.registry)
}

/// Reads and checks a registry file. Errors: everything that makes it unusable; else the warnings beside it.
pub(crate) fn load_registry(path: &Path, catalogue: &Catalogue) -> Result<(Registry, Vec<Problem>), Vec<Problem>> {
    if path.is_dir() {
        return load_sheets(path, catalogue);
    }
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = "set `plume.registry` in the configuration; deploy/examples/registry.toml is a start".to_owned();
        vec![Problem::of_file(
            &file,
            format!("registry cannot be read: {error}"),
            hint,
        )]
    })?;
    let registry = parse(&text).map_err(|(offset, message)| {
        let hint = "see deploy/examples/registry.toml".to_owned();
        vec![Problem::at(&file, &text, offset, message, hint)]
    })?;
    let found = registry.check(catalogue, crate::clock::system().now());
    if found.is_empty() {
        return Ok((registry, Vec::new()));
    }
    // Only now, where there is something to say: the tree of a bureau's registry is ten times as large as the registry.
    let (document, lines) = (Document::parse(&text), Lines::new(&text));
    let offset_of = |path: &str| document.as_ref()?.offset_of(path);
    let problems: Vec<Problem> = found
        .into_iter()
        .map(|found| Problem {
            file: file.clone(),
            place: Some(lines.place(offset_of(&found.path).unwrap_or(0))),
            warning: found.severity == ProblemSeverity::Warning,
            message: format!("`{}`: {}", found.path, found.message),
            hint: found.hint,
        })
        .collect();
    if problems.iter().all(|problem| problem.warning) {
        Ok((registry, problems))
    } else {
        Err(problems)
    }
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

/// The sheets of a directory, by the part of the registry each holds.
const SHEETS: [&str; 7] = [
    "enterprises.csv",
    "contacts.csv",
    "outlets.csv",
    "stop_work.csv",
    "factors.csv",
    "limits.csv",
    "sources.csv",
];

/// Reads and checks a registry kept as CSV sheets in one directory; what is missing adds no rows.
fn load_sheets(dir: &Path, catalogue: &Catalogue) -> Result<(Registry, Vec<Problem>), Vec<Problem>> {
    let sheet = |name: &str| {
        let path = dir.join(name);
        let text = std::fs::read_to_string(&path).ok()?;
        Some((path.display().to_string(), text))
    };
    let texts = SHEETS.map(sheet);
    if texts.iter().all(Option::is_none) {
        let hint = format!("put at least outlets.csv there; sheets are {}", SHEETS.join(", "));
        let message = "no sheet of a registry in this directory".to_owned();
        return Err(vec![Problem::of_file(&dir.display().to_string(), message, hint)]);
    }
    let file = |place: usize| {
        let (name, text) = texts.get(place)?.as_ref()?;
        Some(CsvFile { name, text })
    };
    let files = CsvFiles {
        enterprises: file(0),
        contacts: file(1),
        outlets: file(2),
        stop_work: file(3),
        factors: file(4),
        limits: file(5),
        sources: file(6),
    };
    let registry = Registry::from_csv(&files).map_err(|problems| {
        let of_row = |found: &CsvProblem| Problem {
            place: Some((usize::try_from(found.line).unwrap_or(1), 1)),
            ..Problem::of_file(
                &found.file,
                format!("{}: {}", found.column, found.message),
                found.hint(),
            )
        };
        problems.iter().map(of_row).collect::<Vec<_>>()
    })?;
    let found = registry.check(catalogue, crate::clock::system().now());
    let problems = found.into_iter().map(|found| Problem {
        warning: found.severity == ProblemSeverity::Warning,
        ..Problem::of_file(
            &dir.display().to_string(),
            format!("`{}`: {}", found.path, found.message),
            found.hint,
        )
    });
    let problems: Vec<Problem> = problems.collect();
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

    const EXAMPLE: &str = include_str!("../../examples/registry.toml");

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
