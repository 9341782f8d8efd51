//! `plume run`: real devices, the system's clock, until told to stop.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use plume_bus::ClockKind;
use plume_ingest::poll::Pace;
use plume_schemas::factors::Catalogue;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Role, StartArgs};
use crate::commands::check;
use crate::config::{Config, Problem};
use crate::polling::{self, Polling};
use crate::reload;
use crate::system::{Plan, System};
use crate::{clock, logging, out};

/// Warnings of the registry that are logged at a start: a bureau of ten thousand outlets may have as many, and nobody
/// reads them at two in the morning.
const WARNINGS_LOGGED: usize = 20;

/// Runs until SIGINT or SIGTERM; SIGHUP reads configuration and registry again.
pub(crate) async fn run(started: &StartArgs) -> anyhow::Result<ExitCode> {
    let args = &started.run;
    let config = match configure(started) {
        Ok(config) => config,
        Err(problems) => return Ok(refuse(&problems)),
    };
    logging::start(&config.log);
    let catalogue = Catalogue::embedded()?;
    let registry_path = check::registry_path(&args.config, &config);
    let (registry, warnings) = match check::load_registry(&registry_path, &catalogue) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    warn(&warnings);
    let (site, warnings) = match polling::load(&args.config, &config, &catalogue, &registry) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    warn(&warnings);
    let data_dir = config.plume.data_dir.clone();
    let plan = Plan {
        config: config.clone(),
        polling: Polling {
            site,
            pace: Pace::real(clock::system()),
        },
        clock: clock::system(),
        clock_kind: ClockKind::System,
        pace: 1,
        registry,
        data_dir,
        console: None,
        roles: if started.role.is_empty() {
            Role::ALL.to_vec()
        } else {
            started.role.clone()
        },
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut system = tokio::select! {
        started = System::start(plan) => started?,
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
    };
    announce(&system).await?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => {
                reload::reload(&system, &args.config, &config, &catalogue).await;
            }
            error = system.failed() => {
                tracing::error!(error = %format_args!("{error:#}"), "stopping: a part of plume has failed");
                // The failure is the reason to report, whatever stopping says.
                drop(system.stop().await);
                return Err(error);
            }
        }
    }
    tracing::info!("stopping: no new packets, answers under way are sent");
    let began = Instant::now();
    system.stop().await.context("stop")?;
    let took_ms = began.elapsed().as_millis();
    tracing::info!(took_ms, "stopped; nothing acknowledged is lost");
    Ok(ExitCode::SUCCESS)
}

/// Logs the first of what is not quite right, and how much more there is.
fn warn(warnings: &[Problem]) {
    for warning in warnings.iter().take(WARNINGS_LOGGED) {
        tracing::warn!("{warning}");
    }
    let more = warnings.len().saturating_sub(WARNINGS_LOGGED);
    if more > 0 {
        tracing::warn!(more, "there are more warnings; `plume check` lists them");
    }
}

/// The configuration file, with what the command line says instead of it.
fn configure(started: &StartArgs) -> Result<Config, Vec<Problem>> {
    let mut config = Config::load(&started.run.config)?;
    if let Some(url) = &started.bus {
        config.bus.url.clone_from(url);
    }
    if let Some(id) = &started.ingest_id {
        config.ingest.id = *id;
    }
    Ok(config)
}

/// Says where plume is to be found.
async fn announce(system: &System) -> anyhow::Result<()> {
    let at = system.addresses;
    let desk = at.desk.map(|desk| format!("http://{desk}")).unwrap_or_default();
    let (devices, admin) = (at.ingest.map(tracing::field::display), format!("http://{}", at.admin));
    tracing::info!(devices, desk, admin, "plume is running");
    if let Some(first) = &system.desk
        && let Some((login, password)) = first.first_admin().await?
    {
        // Not a log line: logs are kept, this is said once.
        out::line(format_args!(
            "首个管理员 / first administrator: {desk}/login  {login}  {password}"
        ));
    }
    Ok(())
}

/// Prints why plume does not start.
fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        out::complain(problem);
    }
    out::complain("未启动：请先运行 plume check / not started; `plume check` lists every problem");
    ExitCode::FAILURE
}
