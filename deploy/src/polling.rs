//! The site file and its models: found beside the configuration, read, and checked against the registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plume_bus::Bus;
use plume_ingest::modbus::map::{MapFile, MapProblem, Site, load_site, models_of};
use plume_ingest::poll::Pace;
use plume_ingest::{IngestHandle, Poller};
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::Registry;
use tokio::task::JoinHandle;

use crate::config::{Config, Problem, offset_of};
use crate::roles::Context;
use crate::roles::stop::Stop;

/// What is polled, and how plume's time passes.
#[derive(Debug)]
pub(crate) struct Polling {
    /// The devices.
    pub(crate) site: Site,
    /// How long the real clock takes.
    pub(crate) pace: Pace,
}

/// Starts polling, where there is something to poll.
pub(crate) fn start_poller(
    context: &Context,
    config: &Config,
    polling: Polling,
    (ingest, bus): (&IngestHandle, Bus),
    stop: Stop,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    if polling.site.buses.is_empty() {
        return Ok(None);
    }
    let poller = Poller::start(
        config.modbus.clone(),
        polling.site,
        bus,
        ingest.common.clone(),
        polling.pace,
        &context.metrics,
        stop.wait(),
    );
    Ok(Some(poller?))
}

/// The site file of a configuration, if it names one: relative to the configuration's own directory.
pub(crate) fn site_path(config: &Path, loaded: &Config) -> Option<PathBuf> {
    let site = &loaded.modbus.site;
    let beside = config.parent().unwrap_or(Path::new(""));
    (!site.is_empty()).then(|| beside.join(site))
}

/// Reads the site of a configuration; one without buses where it names none. Errors: everything wrong with it or its
/// models; else the warnings beside it.
pub(crate) fn load(
    config: &Path,
    loaded: &Config,
    catalogue: &Catalogue,
    registry: &Registry,
) -> Result<(Site, Vec<Problem>), Vec<Problem>> {
    let Some(path) = site_path(config, loaded) else {
        return Ok((Site::default(), Vec::new()));
    };
    let text = read(&path, "set [modbus] site; deploy/examples/modbus.toml is a start")?;
    let mut files = Files {
        site: (path.display().to_string(), text.clone()),
        models: BTreeMap::new(),
    };
    let names = models_of(&text).map_err(|found| files.problems(&found))?;
    let directory = path.parent().unwrap_or(Path::new("")).join("modbus");
    let mut models = BTreeMap::new();
    for name in names {
        // A name that is no file is told at the place that uses it.
        let file = directory.join(format!("{name}.toml"));
        if let Ok(text) = std::fs::read_to_string(&file) {
            files
                .models
                .insert(name.clone(), (file.display().to_string(), text.clone()));
            models.insert(name, text);
        }
    }
    let site = load_site(&text, &models, catalogue).map_err(|found| files.problems(&found))?;
    let warnings = files.strangers(&site, registry);
    Ok((site, warnings))
}

fn read(path: &Path, hint: &str) -> Result<String, Vec<Problem>> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        vec![Problem::of_file(&path.display().to_string(), message, hint.to_owned())]
    })
}

/// Names and texts, for placing problems.
#[derive(Debug)]
pub(crate) struct Files {
    site: (String, String),
    models: BTreeMap<String, (String, String)>,
}

impl Files {
    /// One model file by itself.
    pub(crate) fn of_model(name: &str, path: &Path, text: &str) -> Self {
        let file = (path.display().to_string(), text.to_owned());
        Self {
            site: file.clone(),
            models: BTreeMap::from([(name.to_owned(), file)]),
        }
    }

    /// Problems with their lines.
    pub(crate) fn problems(&self, found: &[MapProblem]) -> Vec<Problem> {
        found.iter().map(|problem| self.problem(problem)).collect()
    }

    fn problem(&self, found: &MapProblem) -> Problem {
        let (file, text) = match &found.file {
            MapFile::Site => &self.site,
            MapFile::Model(name) => self.models.get(name).unwrap_or(&self.site),
        };
        let message = if found.path.is_empty() {
            found.message.clone()
        } else {
            format!("`{}`: {}", found.path, found.message)
        };
        match found.offset.or_else(|| offset_of(text, &found.path)) {
            Some(offset) => Problem::at(file, text, offset, message, found.hint()),
            None => Problem::of_file(file, message, found.hint()),
        }
    }

    /// Units whose MN the registry does not have: their minutes would go to quarantine.
    fn strangers(&self, site: &Site, registry: &Registry) -> Vec<Problem> {
        let mut warnings = Vec::new();
        for (i, bus) in site.buses.iter().enumerate() {
            for (k, unit) in bus.units.iter().enumerate() {
                if registry.sources.iter().any(|source| source.mn == unit.mn) {
                    continue;
                }
                let problem = MapProblem {
                    file: MapFile::Site,
                    path: format!("bus[{i}].unit[{k}].mn"),
                    offset: None,
                    message: format!("MN {} is not in the registry", unit.mn),
                    hint: "add a [[source]] with this mn: it says which outlet the device is about".to_owned(),
                };
                warnings.push(Problem {
                    warning: true,
                    ..self.problem(&problem)
                });
            }
        }
        warnings
    }
}
