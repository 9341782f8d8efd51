//! `plume marks import`: manual marks (人工标记) from a CSV file become records of the log, where they revise the windows
//! they cover. plume never marks by itself.

use std::process::ExitCode;

use anyhow::Context as _;

use super::place::{ask, place};
use super::view::open_stopped;
use crate::cli::judge::MarksArgs;
use crate::{clock, out, roles};

/// Imports all marks of a file or none.
pub(crate) async fn run(args: &MarksArgs) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("read the marks of {}", args.file.display()))?;
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let said = if let Some(answer) = ask(&data_dir, "POST", "/marks", &text).await {
        answer?
    } else {
        let bus = open_stopped(&config, &data_dir).await?;
        let registry = roles::registry::kept(&data_dir)?;
        let imported = roles::marks::import(&bus, &registry, &text, clock::system().now()).await;
        bus.close().await?;
        imported?
    };
    out::line(said.trim_end());
    Ok(ExitCode::SUCCESS)
}
