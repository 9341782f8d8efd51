//! `plume status`: how plume is, in sentences, asked of the one that runs or read from what a stopped one left.

use std::path::Path;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use plume_bus::Bus;
use plume_schemas::time::Time;

use super::place::{Reached, place, reach};
use crate::cli::ops::StatusArgs;
use crate::config::Config;
use crate::finding::{self, Finding, Grade};
use crate::status::words;
use crate::{balance, clock, out, roles, status};

/// Prints the sentences; fails where something does not work.
pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let findings = match reach((&config, &data_dir), ("GET", "/status", "")).await? {
        Reached::Answer(answer) => serde_json::from_str(&answer)?,
        Reached::Log(log) => stopped((&config, &data_dir), log, args.json).await,
    };
    finding::print(&findings, args.json)?;
    let ill = finding::gravest(&findings) == Some(Grade::Error);
    Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Of a plume that does not run: since when, what waits in its log, and what else is to be seen from its files.
async fn stopped((config, data_dir): (&Config, &Path), log: anyhow::Result<Bus>, json: bool) -> Vec<Finding> {
    let mut findings = vec![words::NOT_RUNNING.found("", "").since(last_written(config, data_dir))];
    status::disk(data_dir, &mut findings);
    findings.extend(status::backup_age(data_dir, clock::system().now()));
    match log {
        Ok(bus) => {
            let balance = match roles::archive::location(data_dir, &config.archive) {
                Ok(archive) => balance::of(&bus, &archive).await,
                Err(error) => Err(error),
            };
            if let Ok(balance) = &balance
                && !json
            {
                out::line(balance);
            }
            if let Err(error) = balance.map(drop).and(bus.close().await.map_err(anyhow::Error::new)) {
                findings.push(unreadable(&error));
            }
        }
        Err(error) => findings.push(unreadable(&error)),
    }
    findings
}

fn unreadable(error: &anyhow::Error) -> Finding {
    Finding::error(
        "data_unreadable",
        format!("数据目录读不出：{error:#}"),
        format!("the data cannot be read: {error:#}"),
    )
    .todo("运行 plume doctor", "run plume doctor")
}

/// When the log was last written to.
fn last_written(config: &Config, data_dir: &Path) -> Option<Time> {
    let log = roles::log_dir(data_dir, &config.bus.url)?;
    let entries = std::fs::read_dir(log).ok()?.flatten();
    let written = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let since = written.max()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Time)
}
