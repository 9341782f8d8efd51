//! `plume quarantine readmit`: packets that came before their device was registered are read again.

use std::process::ExitCode;

use plume_schemas::registry::RegistryIndex;

use super::place::{Reached, place, reach};
use crate::cli::orders::ReadmitArgs;
use crate::{out, roles};

/// Takes what waits, device by device.
pub(crate) async fn run(args: &ReadmitArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    for &mn in &args.mn {
        let request = ("POST", "/quarantine/readmit", mn.as_str());
        let said = match reach((&config, &data_dir), request).await? {
            Reached::Answer(answer) => answer,
            Reached::Log(bus) => {
                let bus = bus?;
                let registry = RegistryIndex::new(roles::registry::kept(&data_dir)?);
                let readmitted = roles::readmit::readmit(&bus, &data_dir, &config.ingest, &registry, mn).await;
                bus.close().await?;
                readmitted?.to_string()
            }
        };
        out::line(said.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
