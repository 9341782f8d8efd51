//! The files of the configuration: itself, and what it names beside it.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{CONF, Entry, files};
use crate::commands::check;
use crate::config::Config;

/// The directory of register maps, beside the poll site.
const MAPS: &str = "modbus";

/// Copies them below `conf/`. What is named by an absolute path stands there under its file name.
pub(super) fn copy(config_path: &Path, config: &Config, backup: &Path) -> anyhow::Result<Vec<Entry>> {
    let folder = config_path.parent().unwrap_or(Path::new(""));
    let mut named: Vec<PathBuf> = vec![
        PathBuf::from(config_path.file_name().context("the configuration has no file name")?),
        config.plume.registry.clone(),
    ];
    for name in [
        &config.ingest.keys_file,
        &config.modbus.site,
        &config.alert.mail.ca_file,
    ] {
        if !name.is_empty() {
            named.push(PathBuf::from(name));
        }
    }
    if !config.modbus.site.is_empty() {
        let site = folder.join(&config.modbus.site);
        let maps = site.parent().unwrap_or(Path::new("")).join(MAPS);
        if maps.is_dir() {
            named.push(maps.strip_prefix(folder).map_or_else(|_| maps.clone(), Path::to_owned));
        }
    }
    let mut entries = Vec::new();
    for name in named {
        let path = if name == config.plume.registry {
            check::registry_path(config_path, config)
        } else {
            folder.join(&name)
        };
        let kept = if name.is_absolute() {
            PathBuf::from(name.file_name().unwrap_or_default())
        } else {
            name
        };
        if path.is_dir() {
            for below in files::below(&path)? {
                entries.push(one(&path.join(&below), &kept.join(&below), backup)?);
            }
        } else {
            entries.push(one(&path, &kept, backup)?);
        }
    }
    Ok(entries)
}

fn one(path: &Path, kept: &Path, backup: &Path) -> anyhow::Result<Entry> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    // A path that goes up would leave the backup's directory.
    let plain = kept
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)));
    let kept: PathBuf = plain.collect();
    files::copy(file, backup, &format!("{CONF}/{}", kept.display()))
}
