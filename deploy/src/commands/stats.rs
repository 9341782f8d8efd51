//! `plume stats`: asks the running plume, or reads the data directory of one that is stopped.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use plume_bus::Bus;
use serde_json::Value;

use super::place::{Reached, reach};
use super::view;
use crate::cli::StatsArgs;
use crate::config::Config;
use crate::{balance, out, roles};

/// Prints the balance; fails where the books do not fit.
pub(crate) async fn run(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    let config = view::config(args.config.as_deref())?;
    let data_dir = args.data.clone().unwrap_or_else(|| config.plume.data_dir.clone());
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} is no data directory of plume; name one with --data DIR or --config FILE",
            data_dir.display()
        );
    }
    if args.now
        && let Reached::Log(bus) = reach((&config, &data_dir), ("POST", "/archive", "")).await?
    {
        bus?.close().await?;
    }
    let query = if args.json { "" } else { "?text" };
    let (balanced, text) = match reach((&config, &data_dir), ("GET", &format!("/stats{query}"), "")).await? {
        Reached::Answer(answer) => (is_balanced(&answer), answer.trim_end().to_owned()),
        Reached::Log(bus) => {
            let balance = stopped(&config, &data_dir, bus?).await?;
            let text = if args.json {
                serde_json::to_string(&balance)?
            } else {
                balance.to_string()
            };
            (balance.balanced, text)
        }
    };
    out::line(text);
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a running plume says of its own books, as JSON or as text.
fn is_balanced(answer: &str) -> bool {
    match serde_json::from_str::<Value>(answer) {
        Ok(value) => value.get("balanced").and_then(Value::as_bool).unwrap_or(false),
        Err(_) => !answer.contains("NOT balanced"),
    }
}

/// Reads log and archive of a plume that is not running.
async fn stopped(config: &Config, data_dir: &Path, bus: Bus) -> anyhow::Result<balance::Balance> {
    let balance = balance::of(&bus, &roles::archive::location(data_dir, &config.archive)?).await;
    bus.close().await?;
    balance
}
