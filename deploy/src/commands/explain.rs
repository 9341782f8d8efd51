//! `plume explain`: why an event was said, step by step. Asks the running plume, or reads the data directory of one
//! that is stopped.

use std::process::ExitCode;

use anyhow::bail;
use plume_schemas::ids::ContentId;

use super::place::{ask, place};
use super::view::open_stopped;
use crate::cli::judge::ExplainArgs;
use crate::config::Config;
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
    let text = match ask(&data_dir, "GET", &path, "").await {
        Some(answer) => Some(answer?),
        None => of_stopped(&config, &data_dir, args).await?,
    };
    let Some(text) = text else {
        bail!(
            "no event {} in {}: neither in its log nor in its archive; name another directory with --data",
            args.event,
            data_dir.display()
        );
    };
    out::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn of_stopped(config: &Config, data_dir: &std::path::Path, args: &ExplainArgs) -> anyhow::Result<Option<String>> {
    let bus = open_stopped(config, data_dir).await?;
    let archive = roles::archive::location(data_dir, &config.archive)?;
    let text = explain::explain(&bus, &archive, &args.event, &args.lang).await;
    bus.close().await?;
    text
}
