//! `plume explain`: why an event was said, step by step. Asks the running plume, or reads the data directory of one
//! that is stopped.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use plume_alert::store::Store;
use plume_bus::Bus;
use plume_schemas::ids::ContentId;

use super::place::{Reached, place, reach};
use crate::cli::judge::ExplainArgs;
use crate::config::Config;
use crate::roles::desk::store_url;
use crate::{explain, out, roles};

/// Prints the explanation; fails where nothing knows the event.
pub(crate) async fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    if ContentId::parse(&args.event).is_err() {
        bail!(
            "`{}` is no event id: 32 hexadecimal digits, as the desk, the API and the archive's events show it",
            args.event
        );
    }
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let path = format!("/explain?event={}&lang={}", args.event, args.lang);
    let text = match reach((&config, &data_dir), ("GET", &path, "")).await? {
        Reached::Answer(answer) => Some(answer),
        Reached::Log(bus) => of_stopped((&config, &data_dir), bus?, args).await?,
    };
    let Some(text) = text else {
        bail!(
            "no event {} in {}: neither in its log nor in its archive, nor did its desk find it; name another \
             directory with --data",
            args.event,
            data_dir.display()
        );
    };
    out::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn of_stopped(
    (config, data_dir): (&Config, &Path),
    bus: Bus,
    args: &ExplainArgs,
) -> anyhow::Result<Option<String>> {
    let archive = roles::archive::location(data_dir, &config.archive)?;
    let text = explain::explain(&bus, &archive, &args.event, &args.lang).await;
    bus.close().await?;
    if let Some(text) = text? {
        return Ok(Some(text));
    }
    let store = Store::open(&store_url(&config.alert.store, data_dir)).await?;
    let found = explain::explain_found(&store, &args.event, &args.lang).await;
    store.close().await;
    found
}
