//! `plume check`: every problem of the configuration and the registry at once, each with its line and what to try.

use std::path::Path;
use std::process::ExitCode;

use plume_ingest::modbus::map::Site;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{CsvFile, CsvFiles, CsvProblem, ProblemSeverity, Registry};

use crate::config::{Config, Document, Lines, Problem};
use crate::{out, polling};

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
    let registry: Registry = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        vec![Problem::at(
            &file,
            &text,
            offset,
            error.message().to_owned(),
            "see deploy/examples/registry.toml".to_owned(),
        )]
    })?;
    let (document, lines) = (Document::parse(&text), Lines::new(&text));
    let offset_of = |path: &str| document.as_ref()?.offset_of(path);
    let problems: Vec<Problem> = registry
        .check(catalogue, crate::clock::system().now())
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
