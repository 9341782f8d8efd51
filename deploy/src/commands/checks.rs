//! `plume checks import`: zero and span checks from a CSV file become records of the log, where the judge charts them.

use std::process::ExitCode;

use anyhow::Context as _;
use plume_schemas::registry::RegistryIndex;

use super::place::{Reached, place, reach};
use crate::cli::judge::ChecksArgs;
use crate::{clock, out, roles};

/// Imports all checks of a file or none.
pub(crate) async fn run(args: &ChecksArgs) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("read the checks of {}", args.file.display()))?;
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let said = match reach((&config, &data_dir), ("POST", "/checks", &text)).await? {
        Reached::Answer(answer) => answer,
        Reached::Log(bus) => {
            let bus = bus?;
            let registry = RegistryIndex::new(roles::registry::kept(&data_dir)?);
            let name = args.file.display().to_string();
            let imported = roles::checks::import(&bus, &registry, (&name, &text), clock::system().now()).await;
            bus.close().await?;
            imported?
        }
    };
    out::line(said.trim_end());
    Ok(ExitCode::SUCCESS)
}
