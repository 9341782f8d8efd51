//! The server's hardware and what outlives its processes: the disk, the wall clock, the configuration. And the two
//! things
//! that only a runtime can do: ask the bus, and run deploy's judge.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use plume_archive::ArchiveConfig;
use plume_bus::fs::Fs;
use plume_bus::{Bus, BusConfig, BusError, BusOptions, ClockKind, NewRecord, Topic};
use plume_detect::Settings;
use plume_ingest::config::IngestConfig;
use plume_schemas::factors::Catalogue;
use plume_schemas::time::{Clock, SECOND_MS, Time};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::canary::Canary;
use crate::chance::Chance;
use crate::disk::{Disk, LOG_DIR};
use crate::keeper;
use crate::roles::checkpoint::DataDir;
use crate::roles::{Context, DETECT, at, consumer, detect, pinning, signals, stop};

/// How a round of the judge ends when nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is told to stop, and writes a checkpoint.
    Orderly,
    /// It writes a checkpoint after each transaction, and is told to stop.
    Eager,
    /// It is killed when its last transaction is done: no checkpoint.
    Killed,
}

/// How a round of the judge ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Done,
    /// The log had no room for its outputs; it would have waited.
    Starved,
    /// It failed, which ends the process.
    Failed(String),
}

/// Looks at a judge that does not move, before it is said to stand still; and turns of the loop before each.
const STILL_LOOKS: u32 = 50;
const TURNS_A_LOOK: u32 = 500;

/// The server.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) runtime: Runtime,
    pub(crate) disk: Disk,
    pub(crate) options: BusOptions,
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) settings: Settings,
    pub(crate) archive: ArchiveConfig,
    data_dir: DataDir,
    wall: Arc<AtomicI64>,
    /// How far the wall clock is from the true time.
    wall_ahead_ms: i64,
    /// Somebody has set it wrong by so much.
    pub(crate) wrong_by_ms: i64,
    /// How much it drifts, milliseconds in an hour.
    drift_ms_h: i64,
}

impl Machine {
    pub(crate) fn new(seed: u64, canary: Option<Canary>) -> Self {
        let mut chance = Chance::new(seed, "machine");
        let defaults: toml::Table = include_str!("../../default.toml").parse().unwrap();
        let section = |name: &str| defaults[name].clone();
        let mut config: IngestConfig = section("ingest").try_into().unwrap();
        config.tick_interval_ms = 10 * SECOND_MS;
        config.max_in_flight_packets = [2, 8, 64][chance.place(3)];
        let mut bus: BusConfig = section("bus").try_into().unwrap();
        bus.partitions = [1, 2, 3][chance.place(3)];
        // Small, so that segments roll, expire, and fill their limit within hours.
        bus.segment_bytes = [16 << 10, 64 << 10, 256 << 10][chance.place(3)];
        bus.keep_bytes = [0, 128 << 10, 1 << 20][chance.place(3)];
        bus.max_bytes = 2 << 20;
        let (_, options) = bus.resolve(ClockKind::Virtual, pinning()).unwrap();
        let disk = Disk::new(canary == Some(Canary::DiskLies));
        let ahead = u64::from(canary == Some(Canary::CheckpointAhead));
        Self {
            runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            data_dir: DataDir::new(&disk, ahead),
            disk,
            options,
            config: Arc::new(config),
            catalogue: Arc::new(Catalogue::embedded().unwrap()),
            settings: section("detect").try_into().unwrap(),
            archive: keeper::config(&defaults, &mut chance),
            wall: Arc::default(),
            wall_ahead_ms: chance.within(-2 * SECOND_MS..2 * SECOND_MS),
            wrong_by_ms: 0,
            drift_ms_h: chance.within(-400..400),
        }
    }

    /// Time has passed, by the true clock.
    pub(crate) fn pass(&mut self, now: Time, since_start_ms: i64) {
        let drift_ms = since_start_ms * self.drift_ms_h / 3_600_000;
        self.wall.store(
            now.0 + self.wall_ahead_ms + self.wrong_by_ms + drift_ms,
            Ordering::Relaxed,
        );
    }

    /// The wall clock, for a process to read.
    pub(crate) fn clock(&self) -> Clock {
        let wall = Arc::clone(&self.wall);
        Clock::new(move || Time(wall.load(Ordering::Relaxed)))
    }

    /// Opens the log, as a process that starts.
    pub(crate) fn open(&self) -> Result<Bus, BusError> {
        let fs: Arc<dyn Fs> = Arc::new(self.disk.clone());
        let opening = Bus::open_with_fs(fs, PathBuf::from(LOG_DIR), self.options.clone());
        self.runtime.block_on(opening)
    }

    pub(crate) fn append(&self, bus: &Bus, records: Vec<NewRecord>) -> Result<(), BusError> {
        self.runtime.block_on(bus.append(records)).map(drop)
    }

    /// Lets deploy's judge work off a partition.
    pub(crate) fn judge(&self, bus: &Bus, partition: u32, manner: Manner) -> Round {
        let context = Context {
            bus: bus.clone(),
            signals: signals::Signals::new(&prometheus::Registry::new()).unwrap(),
            health: crate::admin::Health,
            catalogue: Arc::clone(&self.catalogue),
            data_dir: self.data_dir.0.clone(),
        };
        let interval = match manner {
            Manner::Eager => Duration::ZERO,
            Manner::Orderly | Manner::Killed => Duration::MAX,
        };
        self.runtime.block_on(async {
            let (stopper, stopped) = stop::pair();
            let refused = bus.stats().refused_full;
            let run = detect::run(context, partition, self.settings.clone(), interval, stopped);
            let mut run = std::pin::pin!(run);
            let first = tokio::select! {
                biased;
                ended = &mut run => Some(ended),
                () = starved(bus, refused) => None,
                why = stands_still(bus, partition) => return Round::Failed(why),
                () = worked_off(bus, partition) => {
                    if manner == Manner::Killed {
                        return Round::Done;
                    }
                    stopper.stop();
                    tokio::select! {
                        biased;
                        ended = &mut run => Some(ended),
                        () = starved(bus, refused) => None,
                    }
                }
            };
            let ended = match first {
                Some(ended) => ended,
                None => {
                    hear_out(bus, partition).await;
                    tokio::select! {
                        biased;
                        ended = &mut run => ended,
                        () = std::future::ready(()) => return Round::Starved,
                    }
                }
            };
            ended.map_or_else(|error| Round::Failed(format!("{error:#}")), |()| Round::Done)
        })
    }
}

/// Resolves once everything of a partition is judged and committed.
async fn worked_off(bus: &Bus, partition: u32) {
    let line = at(Topic::Reports, partition);
    loop {
        let end = bus.range(line).await.map(|range| range.end);
        let committed = bus.committed(consumer(DETECT).unwrap(), line).await;
        if let (Ok(end), Ok(committed)) = (end, committed)
            && committed.unwrap_or(0) == end
        {
            return;
        }
        yield_now().await;
    }
}

/// Resolves when the judge waits for records while some are not judged: the log has answered all it was asked, again
/// and again, and nothing moves.
async fn stands_still(bus: &Bus, partition: u32) -> String {
    let line = at(Topic::Reports, partition);
    let mut last = (0, None);
    let mut looks = 0;
    while looks < STILL_LOOKS {
        let end = bus.range(line).await.map_or(0, |range| range.end);
        let committed = bus.committed(consumer(DETECT).unwrap(), line).await.ok().flatten();
        looks = if last == (end, committed) && committed < Some(end) {
            looks + 1
        } else {
            0
        };
        last = (end, committed);
        for _ in 0..TURNS_A_LOOK {
            yield_now().await;
        }
        hear_out(bus, partition).await;
    }
    format!("the judge waits, with {last:?} the end and what it has judged")
}

/// Resolves once the log has refused a write for want of room.
async fn starved(bus: &Bus, refused_before: u64) {
    while bus.stats().refused_full == refused_before {
        yield_now().await;
    }
}

/// Resolves when the log has answered everything it was asked before: it answers in order, and this question last. The
/// question is refused, so it leaves nothing behind.
async fn hear_out(bus: &Bus, partition: u32) {
    let nonsense = vec![(at(Topic::Reports, partition), u64::MAX)];
    drop(bus.commit(consumer(DETECT).unwrap(), nonsense).await);
}
