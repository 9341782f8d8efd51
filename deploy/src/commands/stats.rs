//! stub
use std::process::ExitCode;
use crate::cli::StatsArgs;
pub(crate) async fn run(_args: &StatsArgs) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
