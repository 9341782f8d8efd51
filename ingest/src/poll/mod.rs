//! The poller: one task for each bus does what its [`BusCore`] asks for; what comes of it goes to the bus of reports
//! by one queue, so that a log that refuses for a while never holds up the sampling.

mod link;
mod probe;
mod signals;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use plume_bus::NewRecord;
use plume_schemas::entry::PresenceState;
use plume_schemas::ids::OutletId;
use plume_schemas::time::{Clock, Time};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use link::{Link as Line, OpenError};
pub use probe::{Probe, ProbeError};

use crate::config::PollConfig;
use crate::hj212::intake::LogRecord;
use crate::hj212::session::{Link as Epoch, presence};
use crate::modbus::bus::{BusCore, Output, Step};
use crate::modbus::map::{Bus, Site};
use crate::modbus::read::Miss;
use crate::modbus::report::{Polled, Scene, of_check, of_minute};
use crate::store::{Appended, Store, append, place};
use crate::tcp::{Common, IngestError};
use signals::Signals;

/// Longest sleep at a stretch, so that a clock that steps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Records in one append: a minute of five hundred devices is one append or two.
const MAX_BATCH: usize = 512;

/// How long the real clock takes until plume's clock shows a moment.
#[derive(Clone)]
pub struct Pace(Arc<dyn Fn(Time) -> Duration + Send + Sync>);

impl Pace {
    /// From a function: a virtual clock's.
    pub fn new(until: impl Fn(Time) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(until))
    }

    /// For a clock that is the real one.
    pub fn real(clock: Clock) -> Self {
        Self::new(move |at| Duration::from_millis(u64::try_from(at.since(clock.now())).unwrap_or(0)))
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace(..)")
    }
}

/// The poller.
#[derive(Debug)]
pub struct Poller;

/// What every bus needs.
#[derive(Debug)]
struct Shared {
    config: Arc<PollConfig>,
    common: Common,
    pace: Pace,
    signals: Signals,
    partitions: u32,
    queue: mpsc::Sender<Vec<NewRecord>>,
}

impl Poller {
    /// Starts polling a site. When `shutdown` completes nothing further is asked, what is queued is made durable, and
    /// the handle ends. Errors: a setting out of range, a metric's name taken.
    pub fn start<S: Store>(
        config: PollConfig,
        site: Site,
        store: S,
        common: Common,
        pace: Pace,
        metrics: &prometheus::Registry,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<JoinHandle<()>, IngestError> {
        config.check()?;
        let (queue, queued) = mpsc::channel(config.queue_records);
        let (stopping, stop) = watch::channel(false);
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            partitions: store.partitions(),
            signals: Signals::new(metrics)?,
            common,
            pace,
            queue,
        });
        let units: usize = site.buses.iter().map(|bus| bus.units.len()).sum();
        tracing::info!(buses = site.buses.len(), units, "polling");
        let mut tasks = JoinSet::new();
        for (number, bus) in (0_u64..).zip(site.buses) {
            tasks.spawn(poll(Arc::clone(&shared), bus, number, stop.clone()));
        }
        let appending = tokio::spawn(carry(
            store,
            queued,
            shared.common.clone(),
            shared.signals.clone(),
            stop,
        ));
        drop(shared);
        Ok(tokio::spawn(async move {
            shutdown.await;
            stopping.send_replace(true);
            while tasks.join_next().await.is_some() {}
            if appending.await.is_err() {
                tracing::error!("the queue of polled reports stopped with a defect");
            }
        }))
    }
}

/// Makes queued records durable until every bus has ended.
async fn carry<S: Store>(
    store: S,
    mut queued: mpsc::Receiver<Vec<NewRecord>>,
    common: Common,
    signals: Signals,
    stop: watch::Receiver<bool>,
) {
    let mut batch = Vec::new();
    while queued.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let records: Arc<Vec<NewRecord>> = Arc::new(batch.drain(..).flatten().collect());
        let count = records.len();
        let appended = append(&store, &records, &common.config, &common.signals, stop.clone()).await;
        if appended != Appended::Durable {
            signals.dropped(count, "the log did not take them");
        }
    }
}

/// One bus, until told to stop.
async fn poll(shared: Arc<Shared>, bus: Bus, number: u64, mut stop: watch::Receiver<bool>) {
    let now = shared.common.clock.now();
    let catalogue = &shared.common.catalogue;
    let devices: Vec<Polled> = bus.units.iter().map(|unit| Polled::new(unit, catalogue)).collect();
    let guests = devices.iter().map(|_| Guest::default()).collect();
    let mut runner = Runner {
        core: BusCore::new(&bus, devices, Arc::clone(&shared.config), now, number),
        shared,
        bus,
        guests,
    };
    tokio::select! {
        () = runner.run() => {}
        _ = stop.wait_for(|stopping| *stopping) => {}
    }
    runner.core.stop();
    runner.carry_out();
}

/// What the log was told of a unit's being there.
#[derive(Debug, Default)]
struct Guest {
    epoch: u64,
    revision: u64,
    outlets: Vec<OutletId>,
    present: bool,
}

struct Runner {
    shared: Arc<Shared>,
    bus: Bus,
    core: BusCore,
    guests: Vec<Guest>,
}

impl Runner {
    async fn run(&mut self) {
        let mut line: Option<Line> = None;
        let timeout = Duration::from_millis(self.bus.timeout_ms.unwrap_or(self.shared.config.timeout_ms));
        let to_open = Duration::from_millis(self.shared.config.connect_timeout_ms);
        loop {
            match self.core.step(self.now()) {
                Step::Wait(until) => {
                    self.carry_out();
                    tokio::time::sleep((self.shared.pace.0)(until).min(LONGEST_SLEEP)).await;
                }
                Step::Connect => {
                    line = None;
                    match Line::open(&self.bus.connect, to_open).await {
                        Ok(open) => {
                            self.shared.signals.connected();
                            line = Some(open);
                            self.core.connected();
                        }
                        Err(error) => {
                            self.shared.signals.refused(&self.bus.name, &error);
                            self.core.refused(self.now());
                        }
                    }
                }
                Step::Ask { unit, read } => {
                    let answer = match &mut line {
                        Some(line) => line.ask(unit, read, timeout).await,
                        None => Err(Miss::Broken),
                    };
                    if answer.as_ref().is_err_and(|miss| miss.spoils_link()) {
                        // A late answer would be taken for the next one: nothing of this connection is used again.
                        line = None;
                    }
                    self.shared.signals.asked(answer.as_ref().err().copied());
                    self.core.answered(answer, self.now());
                }
            }
            self.carry_out();
        }
    }

    fn now(&self) -> Time {
        self.shared.common.clock.now()
    }

    /// Queues what the core has come to.
    fn carry_out(&mut self) {
        while let Some(output) = self.core.poll_output() {
            let records = self.records(output);
            if records.is_empty() {
                continue;
            }
            let partitions = self.shared.partitions;
            let records: Vec<NewRecord> = records.iter().map(|record| place(record, partitions)).collect();
            let count = records.len();
            if self.shared.queue.try_send(records).is_err() {
                self.shared.signals.dropped(count, "the queue is full");
            }
        }
    }

    fn records(&mut self, output: Output) -> Vec<LogRecord> {
        let shared = Arc::clone(&self.shared);
        let registry = Arc::clone(&shared.common.registry.borrow());
        let scene = Scene {
            registry: &registry,
            catalogue: &shared.common.catalogue,
            ingest: shared.common.config.id,
            peer: self.bus.connect.peer(),
            now: shared.common.clock.now(),
            clock_limit_ms: shared.config.clock_limit_ms,
        };
        let (turn, state) = match output {
            Output::Round { outcome, late_ms, .. } => {
                self.shared.signals.round(outcome.err(), late_ms);
                return Vec::new();
            }
            Output::Check(turn, check) => {
                let device = self.core.device(turn);
                return device.map(|device| of_check(device, &check, scene)).unwrap_or_default();
            }
            Output::Minute(turn, minute) => {
                let mut records = self.meet(turn, scene);
                if let Some(device) = self.core.device(turn) {
                    records.extend(of_minute(device, &minute, scene));
                    self.shared.signals.minute(&minute);
                }
                return records;
            }
            Output::Came(turn) => (turn, None),
            Output::Gone(turn, why) => (turn, Some(why)),
        };
        self.change(turn, state, scene)
    }

    /// A unit came (`None`) or went (and why).
    fn change(&mut self, turn: usize, gone: Option<Miss>, scene: Scene<'_>) -> Vec<LogRecord> {
        let (Some(device), Some(guest)) = (self.core.device(turn), self.guests.get_mut(turn)) else {
            return Vec::new();
        };
        let mn = device.mn;
        let Some(why) = gone else {
            guest.present = true;
            guest.epoch = self.shared.common.clock.next_epoch();
            guest.revision = u64::MAX;
            self.shared.signals.came(&self.bus.name, mn);
            return self.meet(turn, scene);
        };
        guest.present = false;
        self.shared.signals.gone(&self.bus.name, mn, why);
        let link = Epoch {
            peer: scene.peer,
            epoch: guest.epoch,
        };
        let config = &self.shared.common.config;
        let outlets = std::mem::take(&mut guest.outlets).into_iter();
        outlets
            .map(|outlet| presence(config, link, PresenceState::Gone, (mn, outlet), scene.now))
            .collect()
    }

    /// Tells the outlets of a unit that it is there: all when it came, those that are new when the registry changed.
    fn meet(&mut self, turn: usize, scene: Scene<'_>) -> Vec<LogRecord> {
        let (Some(device), Some(guest)) = (self.core.device(turn), self.guests.get_mut(turn)) else {
            return Vec::new();
        };
        let revision = scene.registry.registry().revision;
        if !guest.present || guest.revision == revision {
            return Vec::new();
        }
        guest.revision = revision;
        let link = Epoch {
            peer: scene.peer,
            epoch: guest.epoch,
        };
        let mut records = Vec::new();
        for route in scene.registry.routes(device.mn, "", scene.now) {
            if !guest.outlets.contains(&route.outlet) {
                guest.outlets.push(route.outlet);
                let about = (device.mn, route.outlet);
                let config = &self.shared.common.config;
                records.push(presence(config, link, PresenceState::Came, about, scene.now));
            }
        }
        records
    }
}
