//! All rooms in one process: opened from the bottom up, stopped from the top down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plume_alert::Desk;
use plume_alert::accounts::Chance;
use plume_alert::desk::{DeskOptions, DeskState};
use plume_alert::sinks::console::ConsoleSink;
use plume_bus::{Bus, BusUrl, ClockKind, Topic};
use plume_ingest::{Ingest, IngestHandle};
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::Registry;
use plume_schemas::time::Clock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::admin::{self, Health};
use crate::chance::chance;
use crate::cli::Role;
use crate::config::Config;
use crate::decoder;
use crate::keystore::KeyStore;
use crate::permits::Permits;
use crate::permits::routes::Accounts;
use crate::polling::{Polling, start_poller};
use crate::roles::register::Registrar;
use crate::roles::signals::Signals;
use crate::roles::stop::{Stop, Stopper, pair};
use crate::roles::{self, Context};
use crate::status::{Status, Watcher};

/// How long links may take to hear their last answers before they are left: devices send again.
const DRAIN_LIMIT: Duration = Duration::from_millis(1_500);
/// How long judge, archive and desk may take to finish before they are left: the log makes that harmless. With the
/// drain and the log's last sync a stop stays under five seconds.
const STOP_LIMIT: Duration = Duration::from_millis(2_500);
/// How long the log may take to be closed: without its last mark the next start reads its end anew.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// What a system is made of.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) polling: Polling,
    pub(crate) clock: Clock,
    pub(crate) clock_kind: ClockKind,
    /// How many times faster than the system's the clock runs.
    pub(crate) pace: u32,
    pub(crate) registry: Registry,
    pub(crate) data_dir: PathBuf,
    pub(crate) console: Option<ConsoleSink>,
    /// What this process does.
    pub(crate) roles: Vec<Role>,
}

/// Where a running plume listens: also written to `state/run.json`, so that other commands find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Process id.
    pub(crate) pid: u32,
    /// Devices, where this process takes them.
    pub(crate) ingest: Option<SocketAddr>,
    /// Pages, where this process has them.
    pub(crate) desk: Option<SocketAddr>,
    /// Metrics, health, statistics.
    pub(crate) admin: SocketAddr,
}

/// A running plume.
pub(crate) struct System {
    pub(crate) context: Context,
    pub(crate) desk: Option<Desk>,
    pub(crate) addresses: Addresses,
    intake: Stopper,
    rest: Stopper,
    ingest: Option<IngestHandle>,
    poller: Option<JoinHandle<()>>,
    tasks: JoinSet<anyhow::Result<()>>,
    /// One running plume per directory.
    _lock: Option<std::fs::File>,
}

impl System {
    /// Opens the log, the desk and the archive, then lets devices in.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let Plan {
            config,
            polling,
            clock,
            clock_kind,
            pace,
            registry,
            data_dir,
            console,
            roles,
        } = plan;
        let has = |role| roles.contains(&role);
        let place = (data_dir.as_path(), clock_kind, clock);
        let (context, lock, archive_requests) = open_context(&config, place, registry, &roles).await?;
        let (rest, stop) = pair();
        let mut tasks = JoinSet::new();
        roles::registry::keep_up(&context, &stop, &mut tasks).await?;
        let (desk, desk_address) = if has(Role::Desk) {
            let desk = open_desk(&context, &config, pace, console).await?;
            let address = start_desk(&context, &config, (clock_kind, pace), &desk, &stop, &mut tasks).await?;
            (Some(desk), Some(address))
        } else {
            (None, None)
        };
        start_workers(&context, &config, &roles, archive_requests, &stop, &mut tasks);
        let admin_listener = bind(config.admin.listen, "admin.listen").await?;
        let admin_address = admin_listener.local_addr()?;
        let registrar = Registrar {
            records: has(Role::Desk),
        };
        let hosts = (Accounts(desk.clone()), registrar);
        tasks.spawn(admin::serve(admin_listener, context.reading(), hosts, stop.clone()));
        roles::lag::start(&context, &config, stop.clone(), &mut tasks)?;

        let (intake, stop_intake) = pair();
        let (ingest, poller) = if has(Role::Ingest) {
            let ends = roles::exchange::Ends::ask(&context).await?;
            let bus = roles::spool::intake(&context, &config, &stop, &mut tasks).await?;
            let ingest = start_ingest(&context, &config, bus.clone(), stop_intake.clone()).await?;
            roles::exchange::start(&context, &ingest.links, ends, !has(Role::Desk), &stop, &mut tasks);
            let poller = start_poller(&context, &config, polling, (&ingest, bus), stop_intake)?;
            (Some(ingest), poller)
        } else {
            (None, None)
        };
        let addresses = Addresses {
            pid: std::process::id(),
            ingest: ingest.as_ref().map(|ingest| ingest.local_addr),
            desk: desk_address,
            admin: admin_address,
        };
        announce(&context.data_dir, addresses)?;
        Ok(Self {
            context,
            desk,
            addresses,
            intake,
            rest,
            ingest,
            poller,
            tasks,
            _lock: lock,
        })
    }

    /// Resolves when a part of plume has ended by itself, which none should.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            ended = self.tasks.join_next() => ended,
            error = self.context.bus.stopped() => {
                return anyhow::Error::new(error).context("the log takes no more writes");
            }
        };
        match ended {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(()))) => anyhow::anyhow!("a part of plume ended without being told to"),
            Some(Err(error)) => anyhow::Error::new(error).context("a part of plume stopped with a defect"),
            None => std::future::pending().await,
        }
    }

    /// The desk of this process.
    pub(crate) fn desk(&self) -> anyhow::Result<&Desk> {
        self.desk.as_ref().context("this process runs without the role `desk`")
    }

    /// Where devices connect.
    pub(crate) fn devices(&self) -> anyhow::Result<SocketAddr> {
        self.addresses
            .ingest
            .context("this process runs without the role `ingest`")
    }

    /// Where pages are.
    pub(crate) fn pages(&self) -> anyhow::Result<SocketAddr> {
        self.addresses.desk.context("this process runs without the role `desk`")
    }

    /// Records a changed registry.
    pub(crate) async fn import(&self, registry: Registry) -> anyhow::Result<u64> {
        let Context {
            bus,
            clock,
            data_dir,
            recorder,
            ..
        } = &self.context;
        anyhow::ensure!(
            self.desk.is_some() || !bus.is_shared(),
            "this process follows the registry on the bus; the role `desk` records it"
        );
        recorder.import((bus, data_dir), registry, clock.now()).await
    }

    /// Resolves when judge and desk have worked off what is in the log now, and the archive's files hold what it held
    /// at `mark` (from [`Self::mark`]; batches end when the log's clock passes their end).
    pub(crate) async fn caught_up(&self, mark: &[u64]) -> anyhow::Result<()> {
        self.wait_for(&[roles::DETECT, roles::ARCHIVE], mark).await
    }

    /// [`Self::caught_up`] without the archive.
    pub(crate) async fn judged(&self, mark: &[u64]) -> anyhow::Result<()> {
        self.wait_for(&[roles::DETECT], mark).await
    }

    /// Resolves when the archive's files hold what the log holds now, whether its batches had ended or not.
    pub(crate) async fn archived(&self) -> anyhow::Result<()> {
        let (asker, answered) = oneshot::channel();
        let asked = self.context.archive_now.send(asker).await;
        asked.context("ask the archive to write")?;
        answered.await.context("the archive ended before it wrote")
    }

    async fn wait_for(&self, consumers: &[&str], mark: &[u64]) -> anyhow::Result<()> {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        while !self.is_caught_up(consumers, mark).await? {
            pause.tick().await;
        }
        Ok(())
    }

    /// The end of each partition of reports now.
    pub(crate) async fn mark(&self) -> anyhow::Result<Vec<u64>> {
        let mut ends = Vec::new();
        for partition in 0..self.context.bus.partitions() {
            ends.push(self.context.bus.range(roles::at(Topic::Reports, partition)).await?.end);
        }
        Ok(ends)
    }

    async fn is_caught_up(&self, consumers: &[&str], mark: &[u64]) -> anyhow::Result<bool> {
        let bus = &self.context.bus;
        for (partition, end) in (0..bus.partitions()).zip(mark) {
            let reports = roles::at(Topic::Reports, partition);
            for name in consumers {
                if bus.committed(roles::consumer(name)?, reports).await?.unwrap_or(0) < *end {
                    return Ok(false);
                }
            }
            let events = bus.range(roles::at(Topic::Events, partition)).await?.end;
            if self.desk()?.resume_offset(partition).await? < events {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops intake, lets answers under way go out, then stops the rest and closes the log.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.intake.stop();
        let (links, poller) = (self.ingest.take(), self.poller.take());
        let intake = async {
            if let Some(poller) = poller {
                poller.await?;
            }
            match links {
                Some(links) => links.join.await,
                None => Ok(()),
            }
        };
        if tokio::time::timeout(DRAIN_LIMIT, intake).await.is_err() {
            tracing::warn!(
                limit_ms = DRAIN_LIMIT.as_millis(),
                "links did not finish in time; devices send again what was not answered"
            );
        }
        self.rest.stop();
        let finish = async {
            let mut first_error = None;
            while let Some(ended) = self.tasks.join_next().await {
                let error = match ended {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error,
                    Err(error) => error.into(),
                };
                first_error.get_or_insert(error);
            }
            first_error
        };
        let finished = tokio::time::timeout(STOP_LIMIT, finish).await;
        if finished.is_err() {
            tracing::warn!(
                limit_ms = STOP_LIMIT.as_millis(),
                "not everything finished in time; the next start goes on from the log"
            );
        }
        if let Ok(closed) = tokio::time::timeout(CLOSE_LIMIT, self.context.bus.close()).await {
            closed.context("close the log")?;
        } else {
            tracing::warn!("the log was not closed in time; the next start reads its end anew");
        }
        finished.ok().flatten().map_or(Ok(()), Err)
    }
}

/// Opens the log of a data directory.
pub(crate) async fn open_bus(config: &Config, clock_kind: ClockKind, data_dir: &Path) -> anyhow::Result<Bus> {
    let (url, options) = config.bus.resolve(clock_kind, roles::pinning()?)?;
    let url = match url {
        BusUrl::File(dir) => BusUrl::File(data_dir.join(dir)),
        other => other,
    };
    let first = roles::lost::first_offset(config, &url, data_dir)?;
    Bus::open_from(&url, options, first).await.map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("open the log {url} (hint: {hint})"))
    })
}

type Opened = (Context, Option<std::fs::File>, mpsc::Receiver<oneshot::Sender<()>>);

/// The log, the registry in it, and what every role is given.
async fn open_context(
    config: &Config,
    (data_dir, clock_kind, clock): (&Path, ClockKind, Clock),
    registry: Registry,
    roles: &[Role],
) -> anyhow::Result<Opened> {
    std::fs::create_dir_all(data_dir.join("state")).with_context(|| format!("create {}", data_dir.display()))?;
    let bus = open_bus(config, clock_kind, data_dir).await?;
    let lock = roles::alone(&bus, roles, data_dir)?;
    let metrics = prometheus::Registry::new();
    let (recorder, registry_watch) = roles::registry::Recorder::new();
    if roles.contains(&Role::Desk) || !bus.is_shared() {
        recorder.import((&bus, data_dir), registry, clock.now()).await?;
    }
    let (archive_now, archive_requests) = roles::archive::requests();
    let keys = KeyStore::open(
        &config.keys,
        data_dir,
        &config.ingest.keys,
        bus.is_shared(),
        clock.now(),
    )?;
    let context = Context {
        archive_now,
        recompute: roles::recompute::Door::default(),
        ingest: Arc::new(config.ingest.clone()),
        orders: roles::exchange::Orders::new(
            config.exchange,
            clock.now(),
            Arc::clone(&config.ingest.keys),
            bus.is_shared().then_some(config.ingest.id),
        ),
        keys,
        permits: Permits::open(data_dir)?,
        relays: roles::relay::Relays::default(),
        bus,
        clock,
        catalogue: Arc::new(Catalogue::embedded()?),
        registry: registry_watch,
        recorder,
        signals: Signals::new(&metrics)?,
        health: Health::default(),
        status: Status::default(),
        metrics,
        archive: roles::archive::location(data_dir, &config.archive)?,
        data_dir: data_dir.to_owned(),
    };
    Ok((context, lock, archive_requests))
}

/// Judge and archive, where this process has those roles.
fn start_workers(
    context: &Context,
    config: &Config,
    roles: &[Role],
    archive_requests: mpsc::Receiver<oneshot::Sender<()>>,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    if roles.contains(&Role::Detect) {
        let interval = Duration::from_secs(config.plume.checkpoint_interval_s);
        let judges = roles::judges::run(context.reading(), config.detect.clone(), interval, stop.clone());
        tasks.spawn(judges);
    }
    if roles.contains(&Role::Archive) {
        let archive = roles::archive::run(context.reading(), config.clone(), archive_requests, stop.clone());
        tasks.spawn(archive);
        roles::relay::start(context, &config.relay.platform, stop, tasks);
    }
}

async fn start_ingest(context: &Context, config: &Config, bus: Bus, stop: Stop) -> anyhow::Result<IngestHandle> {
    let ingest = Ingest::start(
        config.ingest.clone(),
        bus,
        context.clock.clone(),
        context.registry.clone(),
        Arc::clone(&context.catalogue),
        &context.metrics,
        stop.wait(),
    );
    Ok(ingest.await?)
}

/// Opens the desk: its database, its channels, its one-time links.
async fn open_desk(
    context: &Context,
    config: &Config,
    pace: u32,
    console: Option<ConsoleSink>,
) -> anyhow::Result<Desk> {
    let store_url = roles::desk::store_url(&config.alert.store, &context.data_dir);
    let place = roles::desk::without_password(&store_url);
    let metrics = &context.metrics;
    let desk = Desk::open(&store_url, &config.alert, context.clock.clone(), metrics, console)
        .await
        .map_err(|error| {
            let hint = error.hint();
            anyhow::Error::new(error).context(format!("open the desk's database {place} (hint: {hint})"))
        })?;
    desk.set_pace(pace);
    desk.set_chance(Chance::new(|| chance().ok()));
    desk.set_holder(&roles::desk::holder(&context.data_dir)?);
    desk.set_up_links(chance()?).await?;
    desk.set_registry(Arc::clone(&context.registry.borrow()));
    Ok(desk)
}

/// Starts the desk's loops and serves its pages.
async fn start_desk(
    context: &Context,
    config: &Config,
    (clock_kind, pace): (ClockKind, u32),
    desk: &Desk,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<SocketAddr> {
    let options = DeskOptions::new(config.desk.secure_cookies, clock_kind == ClockKind::Virtual);
    desk.set_rates(crate::rates::source(&context.data_dir, &config.archive)?);
    let pages = DeskState::with_decoder(desk.clone(), options, Some(decoder::decode));
    pages.set_answerer(decoder::answer);
    let shared = roles::desk::is_shared(&config.alert.store);
    roles::desk::open_queues(context, (desk, shared), &pages, stop, tasks);
    roles::recompute::start(context, config, (desk, shared), stop, tasks);
    for partition in 0..context.bus.partitions() {
        let feed = roles::desk::Feed {
            desk: desk.clone(),
            partition,
            shared,
        };
        tasks.spawn(roles::desk::events(context.reading(), feed, stop.clone()));
        tasks.spawn(roles::desk::reports(
            context.reading(),
            partition,
            pages.clone(),
            stop.clone(),
        ));
    }
    let twins = roles::twins::Plan::new(config, shared);
    tasks.spawn(roles::twins::run(context.reading(), desk.clone(), twins, stop.clone()));
    let (outbox, outbox_stop) = (desk.clone(), stop.clone());
    tasks.spawn(async move {
        outbox.run_outbox(outbox_stop.wait()).await;
        Ok(())
    });
    let listener = bind(config.desk.listen, "desk.listen").await?;
    let address = listener.local_addr()?;
    tasks.spawn(roles::troubles::run(context.clone(), pages.clone(), stop.clone()));
    let watcher = Watcher::new(context.clone(), config.clone(), desk.clone(), pace);
    tasks.spawn(roles::troubles::watch(watcher, pages.clone(), stop.clone()));
    let serve_stop = stop.clone();
    tasks.spawn(async move { Ok(plume_alert::desk::serve(listener, pages, serve_stop.wait()).await?) });
    Ok(address)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address} (`{key}`); is another plume running? port 0 takes any free one"))
}

/// Where `state/run.json` lies.
pub(crate) fn run_file(data_dir: &Path) -> PathBuf {
    data_dir.join("state").join("run.json")
}

fn announce(data_dir: &Path, addresses: Addresses) -> anyhow::Result<()> {
    let path = run_file(data_dir);
    let fresh = path.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec(&addresses)?).with_context(|| format!("write {}", fresh.display()))?;
    std::fs::rename(&fresh, &path).with_context(|| format!("rename to {}", path.display()))
}
