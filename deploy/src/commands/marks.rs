//! `plume marks import`: manual marks (人工标记) from a CSV file become records of the log, where they revise the windows
//! they cover. plume never marks by itself.

use std::process::ExitCode;

use anyhow::Context as _;

use super::place::{Reached, place, reach};
use crate::cli::judge::MarksArgs;
use crate::{clock, out, roles};

/// Imports all marks of a file or none.
pub(crate) async fn run(args: &MarksArgs) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("read the marks of {}", args.file.display()))?;
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let said = match reach((&config, &data_dir), ("POST", "/marks", &text)).await? {
        Reached::Answer(answer) => answer,
        Reached::Log(bus) => {
            let bus = bus?;
            let registry = roles::registry::kept(&data_dir)?;
            let imported = roles::marks::import(&bus, &registry, &text, clock::system().now()).await;
            bus.close().await?;
            imported?
        }
    };
    out::line(said.trim_end());
    Ok(ExitCode::SUCCESS)
}
