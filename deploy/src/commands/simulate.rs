//! `plume simulate`: plays devices, against a listening plume on the real clock, or with all of plume on a virtual
//! one (D3).

use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use plume_bus::ClockKind;
use plume_ingest::hj212::sm4::{CipherForm, Key};
use plume_ingest::modbus::map::Site;
use plume_ingest::poll::Pace;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::Mn;
use plume_schemas::registry::Registry;
use plume_schemas::report::Dialect;
use plume_schemas::time::{Clock, MINUTE_MS, Time};
use plume_simulator::device::Device;
use plume_simulator::from::{Script, Table, TableMapping, parse_packets};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;
use plume_simulator::tcp::{Conditions, DeviceStats, Pacer, run_devices};
use tokio::sync::{mpsc, watch};

use super::check;
use crate::cli::{Role, SimulateArgs};
use crate::config::{Config, LogConfig, LogFormat};
use crate::polling::Polling;
use crate::system::{Plan, System};
use crate::{clock, logging, out};

/// Most devices of a registry that are played at once; more is a load test.
const MAX_DEVICES: usize = 1_000;

/// Longer than any file, milliseconds: a hundred years.
const NEVER_MS: i64 = 36_525 * 86_400_000;
/// A table passes through days of virtual time in a second: batches of minutes would be files of a few rows each.
const BATCH_S: u64 = 86_400;

/// Plays until the file's end, the time given, or Ctrl-C.
pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    logging::start(&LogConfig {
        format: LogFormat::Text,
        filter: "warn".to_owned(),
    });
    let registry = args.registry.as_deref().map(load).transpose()?;
    match (&args.data, registry) {
        (Some(data), Some(registry)) => whole(&args, data, registry).await,
        (_, registry) => devices_only(&args, registry).await,
    }
}

fn load(path: &Path) -> anyhow::Result<Registry> {
    match check::load_registry(path, &Catalogue::embedded()?) {
        Ok((registry, _)) => Ok(registry),
        Err(problems) => bail!(
            "{}",
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        ),
    }
}

/// The links to play: by `--mn`, else all of the registry.
fn links(args: &SimulateArgs, registry: Option<&Registry>) -> anyhow::Result<Vec<LinkSpec>> {
    let dialect = match args.edition.as_str() {
        "2005" => Dialect::Hj2005,
        "2025" => Dialect::Hj2025,
        _ => Dialect::Hj2017,
    };
    let mut wanted: Vec<Mn> = args.mn.clone();
    if wanted.is_empty() {
        wanted.extend(
            registry
                .iter()
                .flat_map(|registry| &registry.sources)
                .map(|source| source.mn),
        );
        wanted.sort();
        wanted.dedup();
    }
    if wanted.is_empty() {
        bail!("no device to play: give --mn MN (may be repeated) or --registry FILE");
    }
    wanted.truncate(MAX_DEVICES);
    let habits = args.misbehave.iter().filter_map(|name| Misbehaviour::from_code(name));
    // A packet shows one habit, the first whose turn it is: several take turns.
    let turns = (1..=u32::try_from(args.misbehave.len())?)
        .rev()
        .filter_map(NonZeroU32::new);
    let habits: Vec<Habit> = habits.zip(turns).map(|(kind, every)| Habit { kind, every }).collect();
    let key = args.key.as_deref().map(Key::parse).transpose();
    let key = key.map_err(|error| anyhow::anyhow!("--key: {error} (hint: {})", error.hint()))?;
    Ok(wanted
        .into_iter()
        .map(|mn| {
            let mut link = LinkSpec::usual(mn, dialect);
            link.habits.clone_from(&habits);
            link.cipher = key.clone().map(|key| (key, CipherForm::Raw));
            let source = registry.and_then(|registry| registry.sources.iter().find(|source| source.mn == mn));
            if let Some(source) = source {
                link.password = source.password.clone().unwrap_or(link.password);
                link.st = source.st.clone().unwrap_or(link.st);
            }
            link
        })
        .collect())
}

/// Devices of the file, or plants where there is none.
fn devices(args: &SimulateArgs, links: Vec<LinkSpec>, now: Time) -> anyhow::Result<Vec<Device>> {
    let Some(path) = &args.from else {
        let plants = links.into_iter().zip(args.seed..).map(|(link, seed)| {
            let plant = Plant::new(
                PlantSpec::coal_boiler(link.mn.as_str(), now.plus(-10 * MINUTE_MS)),
                seed,
            );
            let logger = Logger::new(LoggerSpec::usual(link.dialect), plant, now.plus(-10 * MINUTE_MS));
            // The last two minutes are sent at once, so that one need not wait to see something.
            Device::logger(link, logger, now.plus(-2 * MINUTE_MS))
        });
        return Ok(plants.collect());
    };
    let link = links.into_iter().next().context("no device to play the file as")?;
    Ok(vec![Device::script(link, script(path, args.map.as_deref())?)])
}

/// The file to be played: a table where there is a mapping, else raw packets.
fn script(path: &Path, map: Option<&Path>) -> anyhow::Result<Script> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let Some(map) = map else {
        return Ok(Script::packets(
            parse_packets(&bytes).with_context(|| format!("{}", path.display()))?,
        ));
    };
    let text = std::fs::read_to_string(map).with_context(|| format!("read {}", map.display()))?;
    let mapping: TableMapping = toml::from_str(&text).with_context(|| format!("{}", map.display()))?;
    Ok(Script::table(
        Table::read(&bytes, mapping).with_context(|| format!("{}", path.display()))?,
    ))
}

async fn devices_only(args: &SimulateArgs, registry: Option<Registry>) -> anyhow::Result<ExitCode> {
    let clock = clock::system();
    let devices = devices(args, links(args, registry.as_ref())?, clock.now())?;
    out::line(format_args!(
        "{} 台设备 → {}，Ctrl-C 结束 / {} device(s), Ctrl-C ends",
        devices.len(),
        args.to,
        devices.len()
    ));
    let (stop, stopped) = watch::channel(false);
    let conditions = Conditions {
        clock: clock.clone(),
        pacer: Pacer::real(clock),
        stop: stopped,
        on_answer: None,
    };
    let (_steer, steering) = mpsc::channel(1);
    let mut playing = tokio::spawn(run_devices(args.to, devices, conditions, steering));
    let stats = tokio::select! {
        done = &mut playing => done?,
        () = enough(args.seconds) => { stop.send_replace(true); playing.await? }
    };
    Ok(report(&stats))
}

/// All of plume in one directory, its clock moved by the file: as fast as packets are answered.
async fn whole(args: &SimulateArgs, data: &Path, registry: Registry) -> anyhow::Result<ExitCode> {
    let path = args.from.as_deref().context("--data needs --from FILE")?;
    let map = args.map.as_deref().context("--data plays a table: give --map FILE")?;
    let link = links(args, Some(&registry))?
        .into_iter()
        .next()
        .context("the registry has no device")?;
    let script = script(path, Some(map))?;
    let start = script.due().context("the file holds nothing to play")?;
    let now = Arc::new(AtomicI64::new(start.0));
    let (shown, moved) = (Arc::clone(&now), Arc::clone(&now));
    let clock = Clock::new(move || Time(shown.load(Ordering::Relaxed)));
    let pacer = Pacer::new(move |at| {
        moved.fetch_max(at.0, Ordering::Relaxed);
        Duration::ZERO
    });
    let mut config = Config::defaults().map_err(|problems| anyhow::anyhow!("default.toml: {problems:?}"))?;
    "127.0.0.1:0".clone_into(&mut config.ingest.listen);
    config.desk.listen = ([127, 0, 0, 1], 0).into();
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    config.archive.batch_every_s = BATCH_S;
    config.archive.publish_every_s = BATCH_S;
    // The file moves the clock by minutes or days at once. That is neither a clock that was set nor a platform that did
    // not listen: whatever is missing, the device did not send.
    config.exchange.gap_hours = 0;
    config.ingest.clock_step_ms = 0;
    config.detect.clock.platform_gap_ms = NEVER_MS;
    let plan = Plan {
        config,
        polling: Polling {
            site: Site::default(),
            pace: Pace::real(clock.clone()),
        },
        clock: clock.clone(),
        clock_kind: ClockKind::Virtual,
        pace: 1,
        registry,
        data_dir: data.to_path_buf(),
        console: None,
        roles: Role::ALL.to_vec(),
    };
    let system = System::start(plan).await?;
    let (stop, stopped) = watch::channel(false);
    let (_steer, steering) = mpsc::channel(1);
    let conditions = Conditions {
        clock: clock.clone(),
        pacer,
        stop: stopped,
        on_answer: None,
    };
    let mut playing = tokio::spawn(run_devices(
        system.devices()?,
        vec![Device::script(link, script)],
        conditions,
        steering,
    ));
    let stats = tokio::select! {
        done = &mut playing => done?,
        () = progress(&clock) => Vec::new(),
        () = enough(args.seconds) => { stop.send_replace(true); playing.await? }
    };
    // A stop has a limit, and a file of years leaves much for the archive: it is waited for before.
    system.judged(&system.mark().await?).await?;
    system.archived().await?;
    system.stop().await?;
    Ok(report(&stats))
}

/// Says every few seconds how far the file has been played; never ends.
async fn progress(clock: &Clock) {
    let mut pause = tokio::time::interval(Duration::from_secs(5));
    pause.tick().await;
    loop {
        pause.tick().await;
        out::complain(format_args!("… {}", clock.now()));
    }
}

async fn enough(seconds: u64) {
    let time = async {
        if seconds == 0 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    };
    tokio::select! {
        () = time => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn report(stats: &[DeviceStats]) -> ExitCode {
    for device in stats {
        let counts = &device.counts;
        out::line(format_args!(
            "{}: 发送 {} 包，应答 {}，重发 {}，未送达 {} / {} sent, {} answered, {} repeated, {} undelivered",
            device.mn,
            counts.packets,
            counts.answered,
            counts.resent,
            device.undelivered,
            counts.packets,
            counts.answered,
            counts.resent,
            device.undelivered,
        ));
    }
    ExitCode::SUCCESS
}
