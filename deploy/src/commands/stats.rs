//! `plume stats`: asks the running plume, or reads the data directory of one that is stopped.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_bus::{BusError, ClockKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::StatsArgs;
use crate::config::Config;
use crate::system::{Addresses, open_bus, run_file};
use crate::{balance, out, roles};

/// Prints the balance; fails where the books do not fit.
pub(crate) async fn run(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::load(path).map_err(|problems| {
            anyhow::anyhow!(
                "{}",
                problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            )
        })?,
        None => Config::defaults().map_err(|problems| anyhow::anyhow!("default.toml: {problems:?}"))?,
    };
    let data_dir = args.data.clone().unwrap_or_else(|| config.plume.data_dir.clone());
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} is no data directory of plume; name one with --data DIR or --config FILE",
            data_dir.display()
        );
    }
    let query = if args.json { "" } else { "?text" };
    let (balanced, text) = if let Some(answer) = ask(&data_dir, query).await {
        answer?
    } else {
        let balance = stopped(&config, &data_dir).await?;
        let text = if args.json {
            serde_json::to_string(&balance)?
        } else {
            balance.to_string()
        };
        (balance.balanced, text)
    };
    out::line(text);
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The answer of the plume that runs in this directory; `None` where none does.
async fn ask(data_dir: &Path, query: &str) -> Option<anyhow::Result<(bool, String)>> {
    let addresses: Addresses = serde_json::from_slice(&std::fs::read(run_file(data_dir)).ok()?).ok()?;
    let mut stream = TcpStream::connect(addresses.admin).await.ok()?;
    Some(
        async {
            stream
                .write_all(format!("GET /stats{query} HTTP/1.0\r\nHost: plume\r\n\r\n").as_bytes())
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            let (head, body) = answer
                .split_once("\r\n\r\n")
                .context("the running plume gave no answer")?;
            if !head.starts_with("HTTP/1.0 200") {
                bail!("the running plume says: {}", body.trim());
            }
            let balanced = match serde_json::from_str::<Value>(body) {
                Ok(value) => value.get("balanced").and_then(Value::as_bool).unwrap_or(false),
                Err(_) => !body.contains("NOT balanced"),
            };
            Ok((balanced, body.trim_end().to_owned()))
        }
        .await,
    )
}

/// Reads log and archive of a plume that is not running.
async fn stopped(config: &Config, data_dir: &Path) -> anyhow::Result<balance::Balance> {
    let opened = match open_bus(config, ClockKind::System, data_dir).await {
        Err(error) if matches!(error.downcast_ref(), Some(BusError::ClockMismatch { .. })) => {
            open_bus(config, ClockKind::Virtual, data_dir).await
        }
        other => other,
    };
    let bus = opened?;
    let balance = balance::of(&bus, &roles::archive::root(data_dir, &config.archive)).await;
    bus.close().await?;
    balance
}
