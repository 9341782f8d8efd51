//! SIGHUP: configuration and registry are read again. What has errors changes nothing: the system runs on with what it
//! has, says so, and says so in `plume status` until a reload is taken.

use std::path::Path;

use plume_schemas::factors::Catalogue;

use crate::commands::check;
use crate::config::{Config, Problem};
use crate::system::System;

/// Reads both again. The registry is in force at once; what changed in the configuration, at the next start.
pub(crate) async fn reload(system: &System, path: &Path, running: &Config, catalogue: &Catalogue) {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(problems) => return refuse(system, path, &problems),
    };
    let changed = changed_sections(running, &config);
    if !changed.is_empty() {
        tracing::warn!(
            sections = changed.join(", "),
            "the configuration has changed: plume must be started again for these"
        );
    }
    let registry_path = check::registry_path(path, &config);
    let registry = match check::load_registry(&registry_path, catalogue) {
        Ok((registry, _)) => registry,
        Err(problems) => return refuse(system, &registry_path, &problems),
    };
    match system.import(registry).await {
        Ok(revision) => {
            system.context.status.reloaded();
            tracing::info!(revision, "registry read again");
        }
        Err(error) => {
            let why = format!("{error:#}");
            tracing::error!(error = why, "registry not recorded, the old one stays");
            system.context.status.reload_refused(system.context.clock.now(), why);
        }
    }
}

fn refuse(system: &System, file: &Path, problems: &[Problem]) {
    for problem in problems {
        tracing::error!("{problem}");
    }
    tracing::error!(file = %file.display(), "the file has errors: what was in force stays in force");
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let first = first.lines().next().unwrap_or_default().to_owned();
    system.context.status.reload_refused(system.context.clock.now(), first);
}

/// Which sections differ.
fn changed_sections(old: &Config, new: &Config) -> Vec<&'static str> {
    let same = [
        ("plume", old.plume == new.plume),
        ("log", old.log == new.log),
        ("admin", old.admin == new.admin),
        ("bus", old.bus == new.bus),
        ("ingest", old.ingest == new.ingest),
        ("keys", old.keys == new.keys),
        ("relay", old.relay == new.relay),
        ("modbus", old.modbus == new.modbus),
        ("detect", old.detect == new.detect),
        ("archive", old.archive == new.archive),
        ("alert", old.alert == new.alert),
        ("desk", old.desk == new.desk),
    ];
    same.into_iter()
        .filter(|(_, same)| !same)
        .map(|(name, _)| name)
        .collect()
}
