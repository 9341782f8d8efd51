//! The configuration: `default.toml` holds every option once, a user's file says what differs.

mod keys;
mod merge;
mod problem;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plume_ingest::exchange::vault::MAX_KEY_DAYS;
use serde::Deserialize;
use toml::Table;

pub(crate) use merge::{Document, offset_of};
pub(crate) use problem::{Lines, Problem};

/// Every option with its default and its explanation; the schema of the configuration.
pub(crate) const DEFAULTS: &str = include_str!("../../default.toml");

/// The whole configuration. No `Default`: the defaults are in `default.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) plume: PlumeConfig,
    pub(crate) log: LogConfig,
    pub(crate) admin: AdminConfig,
    pub(crate) bus: plume_bus::BusConfig,
    pub(crate) ingest: plume_ingest::config::IngestConfig,
    pub(crate) exchange: plume_ingest::exchange::config::ExchangeConfig,
    pub(crate) keys: crate::keystore::KeysConfig,
    pub(crate) relay: plume_ingest::relay::config::RelaySection,
    pub(crate) modbus: plume_ingest::config::PollConfig,
    pub(crate) detect: plume_detect::Settings,
    pub(crate) recompute: crate::roles::recompute::RecomputeConfig,
    pub(crate) archive: plume_archive::ArchiveConfig,
    pub(crate) alert: plume_alert::config::AlertConfig,
    pub(crate) desk: DeskConfig,
}

/// `[plume]`: where things lie.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlumeConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) registry: PathBuf,
    pub(crate) checkpoint_interval_s: u64,
}

/// `[log]`: lines for the operator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[admin]`: metrics, health and statistics over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminConfig {
    pub(crate) listen: SocketAddr,
}

/// `[desk]`: the pages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeskConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) secure_cookies: bool,
}

impl Config {
    /// The defaults alone.
    pub(crate) fn defaults() -> Result<Self, Vec<Problem>> {
        Self::from_text("default.toml", "")
    }

    /// Reads a user's file. Every problem of the file at once, each with its line.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "give the path with --config FILE, or write one with `plume help config`".to_owned();
            vec![Problem::of_file(&file, format!("cannot be read: {error}"), hint)]
        })?;
        let mut config = Self::from_text(&file, &text)?;
        if !config.ingest.keys_file.is_empty() {
            let folder = path.parent().unwrap_or(Path::new(""));
            let ring = keys::read(&folder.join(&config.ingest.keys_file))?;
            config.ingest.keys = Arc::new(ring);
        }
        if !config.ingest.tls_listen.is_empty() {
            let folder = path.parent().unwrap_or(Path::new(""));
            for file in [&mut config.ingest.tls_certificate, &mut config.ingest.tls_key] {
                *file = folder.join(&*file).display().to_string();
            }
        }
        if !config.keys.seal_file.as_os_str().is_empty() {
            let folder = path.parent().unwrap_or(Path::new(""));
            config.keys.seal_file = folder.join(&config.keys.seal_file);
        }
        Ok(config)
    }

    /// Parses a user's text over the defaults.
    pub(crate) fn from_text(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let defaults: Table = DEFAULTS.parse().map_err(|error: toml::de::Error| {
            vec![Problem::of_file("default.toml", error.to_string(), String::new())]
        })?;
        let (merged, problems) = merge::merge(&defaults, file, text);
        if !problems.is_empty() {
            return Err(problems);
        }
        let config: Self = serde_path_to_error::deserialize(merged).map_err(|error| {
            let path = error.path().to_string();
            vec![place(
                file,
                text,
                &path,
                error.into_inner().to_string().trim(),
                String::new(),
            )]
        })?;
        let problems: Vec<_> = config
            .relations()
            .into_iter()
            .map(|(path, message, hint)| place(file, text, path, &message, hint))
            .collect();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Values that fit their type but not each other: (key, what is wrong, what to try).
    fn relations(&self) -> Vec<(&'static str, String, String)> {
        let mut found = Vec::new();
        let mut need = |holds: bool, path, message: &str, hint: &str| {
            if !holds {
                found.push((path, message.to_owned(), hint.to_owned()));
            }
        };
        need(
            self.plume.checkpoint_interval_s >= 1,
            "plume.checkpoint_interval_s",
            "must be at least 1",
            "60 is usual; it bounds how much of the log is read again after a restart",
        );
        need(
            self.recompute.every_s >= 1,
            "recompute.every_s",
            "must be at least 1",
            "600 is usual; what came late by days does not mind ten minutes",
        );
        need(
            self.admin.listen != self.desk.listen || self.admin.listen.port() == 0,
            "admin.listen",
            "is the address of desk.listen",
            "give each its own port",
        );
        need(
            (1..=MAX_KEY_DAYS).contains(&i64::from(self.keys.warn_days)),
            "keys.warn_days",
            "must be 1 to 90",
            "80 leaves ten days: a key may be in force for 90 (HJ 212-2025 6.4.3)",
        );
        found.extend(self.alert.problems());
        if let Err(error) = self.exchange.check() {
            found.push(("exchange", error.to_string(), error.hint()));
        }
        if let Err(error) = plume_ingest::relay::config::RelayConfig::check_all(&self.relay.platform) {
            found.push(("relay", error.to_string(), error.hint()));
        }
        if let Err(error) = self.modbus.check() {
            found.push(("modbus", error.to_string(), error.hint()));
        }
        if let Err(error) = self.bus.resolve(plume_bus::ClockKind::System, Vec::new()) {
            found.push(("bus", error.to_string(), error.hint()));
        }
        found
    }
}

/// A problem at the place of a key, or of the file where the user did not write the key.
fn place(file: &str, text: &str, path: &str, message: &str, hint: String) -> Problem {
    let message = format!("`{path}`: {message}");
    match offset_of(text, path) {
        Some(offset) => Problem::at(file, text, offset, message, hint),
        None => Problem::of_file(file, message, hint),
    }
}
