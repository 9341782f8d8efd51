//! `plume quarantine readmit`: packets that came before their device was registered are read again.

use std::process::ExitCode;

use plume_schemas::registry::RegistryIndex;

use super::place::{ask, place};
use super::view::open_stopped;
use crate::cli::orders::ReadmitArgs;
use crate::{out, roles};

/// Takes what waits, device by device.
pub(crate) async fn run(args: &ReadmitArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    for &mn in &args.mn {
        let said = if let Some(answer) = ask(&data_dir, "POST", "/quarantine/readmit", mn.as_str()).await {
            answer?
        } else {
            let bus = open_stopped(&config, &data_dir).await?;
            let registry = RegistryIndex::new(roles::registry::kept(&data_dir)?);
            let readmitted = roles::readmit::readmit(&bus, &data_dir, &config.ingest, &registry, mn).await;
            bus.close().await?;
            readmitted?.to_string()
        };
        out::line(said.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
