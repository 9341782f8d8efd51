//! `plume demo`: all of plume on one virtual clock (D3), four simulated plants (one of them polled),
//! and the people who answer.
//!
//! Nothing here knows how the story ends: plants, judge, desk and archive are the real ones, and the closing line
//! is counted from
//! the desk's database.

mod narrator;
mod outcome;
mod polled;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_bus::ClockKind;
use plume_schemas::time::{MINUTE_MS, Time};
use plume_simulator::story::{self, Part};
use plume_simulator::tcp::{Conditions, Pacer, run_devices};
use tokio::sync::{mpsc, watch};

use crate::chance::chance;
use crate::cli::{DemoArgs, Role as RunRole};
use crate::clock::VirtualClock;
use crate::config::{Config, LogConfig, LogFormat};
use crate::polling::Polling;
use crate::system::{Plan, System};
use crate::{logging, out};

/// Written into a demo's directory: only a directory that carries it is ever emptied.
const MARKER: &str = "this-is-a-demo";
/// After the story the desk has this long, in virtual minutes, to decide what came of the warnings.
const SETTLE_MIN: i64 = 30;

/// Runs the demo; until Ctrl-C, or with `--headless` until the story is over.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    logging::start(&LogConfig {
        format: LogFormat::Text,
        filter: "warn".to_owned(),
    });
    prepare(&args.data)?;
    let time = VirtualClock::start(story::start(), args.speed);
    let (stop_devices, devices_stop) = watch::channel(false);
    let polling = polled::station(&time, args.seed, devices_stop.clone()).await?;
    let mut system = System::start(plan(&args, &time, polling)?).await?;
    greet(&args, &system).await?;

    let (steer, steering) = mpsc::channel(4);
    let pace = time.clone();
    let conditions = Conditions {
        clock: time.clock(),
        pacer: Pacer::new(move |at| pace.real_time_until(at)),
        stop: devices_stop,
        on_answer: None,
    };
    let devices = tokio::spawn(run_devices(
        system.devices()?,
        story::devices(story::start(), args.seed),
        conditions,
        steering,
    ));
    let mut narrator = narrator::Narrator::new(system.desk()?.clone(), time.clone(), steer);

    let story = async {
        narrator.until(story_end()).await?;
        let told = system.mark().await?;
        narrator.until_settled(story_end().plus(SETTLE_MIN * MINUTE_MS)).await?;
        system.caught_up(&told).await
    };
    let interrupted = tokio::select! {
        told = story => { told?; false }
        _ = tokio::signal::ctrl_c() => true,
    };
    let mut code = ExitCode::SUCCESS;
    if !interrupted {
        let outcome = outcome::count(system.desk()?).await?;
        conclude(&args, &outcome);
        if args.headless && !outcome.as_told() {
            out::complain(format_args!(
                "故事未按预期结束 / the story did not come out as told: {outcome:?}"
            ));
            code = ExitCode::FAILURE;
        }
        if !args.headless {
            out::line("\n页面仍可查看，Ctrl-C 结束 / the pages stay up, Ctrl-C ends");
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                error = system.failed() => return Err(error),
            }
        }
    }
    stop_devices.send_replace(true);
    devices.await.context("simulated devices")?;
    system.stop().await?;
    out::line("已停止 / stopped");
    Ok(code)
}

/// When the story is over on the virtual clock.
fn story_end() -> Time {
    story::start().plus(story::LENGTH_MIN * MINUTE_MS)
}

fn plan(args: &DemoArgs, time: &VirtualClock, polling: Polling) -> anyhow::Result<Plan> {
    let mut config = Config::defaults().map_err(|problems| anyhow::anyhow!("default.toml: {problems:?}"))?;
    "127.0.0.1:0".clone_into(&mut config.ingest.listen);
    config.desk.listen = args.listen;
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    // The story is an hour long: its archive shows up while one watches.
    // Its outages are part of the story: what is missing stays so.
    config.exchange.gap_hours = 0;
    config.archive.batch_every_s = 300;
    config.archive.publish_every_s = 300;
    Ok(Plan {
        config,
        polling,
        clock: time.clock(),
        clock_kind: ClockKind::Virtual,
        pace: pace_of(args.speed),
        registry: story::registry_with_polled(),
        data_dir: args.data.clone(),
        console: None,
        roles: RunRole::ALL.to_vec(),
    })
}

/// The speed as whole times.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the command line allows 1 to 600"
)]
fn pace_of(speed: f64) -> u32 {
    speed.ceil() as u32
}

/// Empties the directory of an earlier demo; refuses any other directory that holds something.
fn prepare(data: &Path) -> anyhow::Result<()> {
    if data.join(MARKER).exists() {
        std::fs::remove_dir_all(data).with_context(|| format!("remove the earlier demo's {}", data.display()))?;
    } else if data.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "{} holds something that is not a demo's data; give another directory with --data",
            data.display()
        );
    }
    std::fs::create_dir_all(data).with_context(|| format!("create {}", data.display()))?;
    std::fs::write(data.join(MARKER), "plume demo may delete this directory\n")
        .with_context(|| format!("write to {}", data.display()))
}

/// Prints where to look: three links that sign in by themselves, on loopback only.
async fn greet(args: &DemoArgs, system: &System) -> anyhow::Result<()> {
    let base = format!("http://{}", system.pages()?);
    let viewers = [
        (
            "值班员 / duty officer",
            Viewer {
                name: "演示值班员".to_owned(),
                role: Role::CityDuty,
                scope: Scope::All,
            },
            "/",
        ),
        (
            "企业手机页 / enterprise phone",
            Viewer {
                name: "李主管".to_owned(),
                role: Role::Enterprise,
                scope: Scope::Enterprise(Part::Jia.enterprise()),
            },
            "/m",
        ),
        (
            "只读 / read-only",
            Viewer {
                name: "访客".to_owned(),
                role: Role::ReadOnly,
                scope: Scope::All,
            },
            "/",
        ),
    ];
    out::line(
        "plume demo · 四座模拟电厂（甲乙丙 HJ 212，丁 Modbus），虚拟时钟 / four simulated plants on a virtual clock",
    );
    out::line(format_args!(
        "时钟 {} 起，{} 倍速 / clock starts there, {} times as fast",
        story::start(),
        args.speed,
        args.speed
    ));
    for (label, viewer, _) in &viewers {
        let token = system.desk()?.create_demo_session(viewer, chance()?).await?;
        out::line(format_args!("  {label}: {base}/enter/{}", token.reveal()));
    }
    out::line("");
    Ok(())
}

fn conclude(args: &DemoArgs, outcome: &outcome::Outcome) {
    let archive = args.data.join("archive");
    out::line("");
    out::line(outcome);
    out::line(format_args!("\n归档 / archive: {}", archive.display()));
    out::line(format_args!("  duckdb -c \"{}\"", query(&archive)));
}

/// One line of DuckDB that returns rows.
fn query(archive: &Path) -> String {
    format!(
        "SELECT outlet, factor, count(*) AS n, round(avg(value), 2) AS mean, max(value) AS highest \
         FROM '{}/readings/**/*.parquet' WHERE kind = 'minute' AND statistic = 'avg' GROUP BY ALL ORDER BY ALL",
        archive.display()
    )
}

/// How long a poll of the desk waits at most for the next change.
const NARRATOR_POLL: Duration = Duration::from_millis(200);

/// A handle on the plants of the story.
type Steering = mpsc::Sender<plume_simulator::tcp::Steer>;
