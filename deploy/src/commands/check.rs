//! `plume check`: every problem of the configuration and the registry at once, each with its line and what to try.

use std::path::Path;
use std::process::ExitCode;

use plume_ingest::modbus::map::Site;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{Registry, RowKind};

use crate::config::{Config, Problem};
use crate::registry_files::{RegistryFile, read_sheets, read_toml, sheet_names};
use crate::{keystore, out, polling};

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
                    let sealed = sealed_problem(config, &loaded);
                    warnings
                        .into_iter()
                        .chain(polled_problems(polled))
                        .chain(sealed)
                        .collect()
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

/// What is wrong with the key that seals the devices' keys: plume would not start.
fn sealed_problem(path: &Path, config: &Config) -> Option<Problem> {
    let fault = keystore::seal_fault(&config.keys, &config.plume.data_dir)?;
    let hint = "plume doctor says more; plume keys new-seal FILE makes a key where there are no sealed keys yet";
    let (file, message) = (path.display().to_string(), format!("{fault:#}"));
    Some(Problem::of_file(&file, message, hint.to_owned()))
}

/// The registry file of a configuration: relative to the configuration's own directory.
pub(crate) fn registry_path(config: &Path, loaded: &Config) -> std::path::PathBuf {
    config.parent().unwrap_or(Path::new("")).join(&loaded.plume.registry)
}

/// Reads and checks a registry file, or the sheets of a directory. Errors: everything that makes it unusable; else the
/// warnings beside it.
pub(crate) fn load_registry(path: &Path, catalogue: &Catalogue) -> Result<(Registry, Vec<Problem>), Vec<Problem>> {
    let now = crate::clock::system().now();
    if path.is_dir() {
        return read_sheets(&sheets_of(path)?, catalogue, now);
    }
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => read_toml(&RegistryFile { name, text }, catalogue, now),
        Err(error) => {
            let hint = "set `plume.registry` in the configuration; deploy/examples/registry.toml is a start".to_owned();
            let message = format!("registry cannot be read: {error}");
            Err(vec![Problem::of_file(&name, message, hint)])
        }
    }
}

/// The sheets in a directory; what is missing adds no rows.
fn sheets_of(dir: &Path) -> Result<Vec<RegistryFile>, Vec<Problem>> {
    let sheet = |kind: &RowKind| {
        let path = dir.join(kind.file());
        let text = std::fs::read_to_string(&path).ok()?;
        let name = path.display().to_string();
        Some(RegistryFile { name, text })
    };
    let found: Vec<RegistryFile> = RowKind::ALL.iter().filter_map(sheet).collect();
    if found.is_empty() {
        let hint = format!("put at least outlets.csv there; sheets are {}", sheet_names());
        let message = "no sheet of a registry in this directory".to_owned();
        return Err(vec![Problem::of_file(&dir.display().to_string(), message, hint)]);
    }
    Ok(found)
}
