//! The loops that read a topic, take a step and store the effect: one file a role. Rooms give the steps; only here
//! do they meet.

pub(crate) mod archive;
pub(crate) mod away;
pub(crate) mod checkpoint;
pub(crate) mod checks;
pub(crate) mod desk;
pub(crate) mod detect;
pub(crate) mod edits;
pub(crate) mod enrol;
pub(crate) mod exchange;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod judges;
pub(crate) mod lag;
pub(crate) mod lost;
pub(crate) mod marks;
pub(crate) mod orders;
pub(crate) mod readmit;
pub(crate) mod recompute;
pub(crate) mod register;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod respool;
pub(crate) mod signals;
pub(crate) mod spool;
pub(crate) mod stop;
pub(crate) mod troubles;
pub(crate) mod twins;
#[cfg(test)]
mod twins_tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use plume_archive::Location;
use plume_bus::{Bus, BusError, BusUrl, ConsumerId, Pinning, ReadLimit, Record, Topic, TopicPartition};
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Clock;
use tokio::sync::watch;

pub(crate) use self::away::{is_away, is_refused};
use self::stop::Stop;
use crate::cli::Role;

/// What every role is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) registry: watch::Receiver<Arc<RegistryIndex>>,
    /// Records what comes after it.
    pub(crate) recorder: Arc<registry::Recorder>,
    pub(crate) metrics: prometheus::Registry,
    pub(crate) signals: signals::Signals,
    pub(crate) health: crate::admin::Health,
    pub(crate) status: crate::status::Status,
    pub(crate) data_dir: PathBuf,
    pub(crate) archive: Location,
    /// How packets are taken.
    pub(crate) ingest: Arc<plume_ingest::config::IngestConfig>,
    /// The exchange with devices.
    pub(crate) orders: exchange::Orders,
    /// Secrets between plume and devices.
    pub(crate) keys: crate::keystore::KeyStore,
    /// How it goes with the platforms that packets are passed on to.
    pub(crate) relays: relay::Relays,
    /// Who may order what touches an instrument or a secret.
    pub(crate) permits: crate::permits::Permits,
    /// Asks the archive's loop to write what waits.
    pub(crate) archive_now: archive::Requests,
    /// Leads to the one task that judges again what the judge no longer remembers.
    pub(crate) recompute: recompute::Door,
}

impl Context {
    /// The same, with a place of its own in every line of the log: for a role that reads along.
    pub(crate) fn reading(&self) -> Self {
        Self {
            bus: self.bus.reader(),
            ..self.clone()
        }
    }

    /// Reads on; while the brokers are away it tries again. Empty when told to stop.
    pub(crate) async fn read_on(
        &self,
        role: &'static str,
        place: TopicPartition,
        next: u64,
        stop: &Stop,
    ) -> Result<Vec<Record>, BusError> {
        let mut away = false;
        while !stop.told() {
            match self.bus.read(place, next, READ_LIMIT).await {
                Err(error @ BusError::Broker { .. }) => {
                    away = true;
                    self.brokers_away(role, &error, stop).await;
                }
                read => {
                    if away {
                        self.health.well(role);
                    }
                    return read;
                }
            }
        }
        Ok(Vec::new())
    }
}

/// Checks that roles apart have a bus to share, and that this data directory has no other process of it. The embedded
/// log has a lock of its own.
pub(crate) fn alone(bus: &Bus, roles: &[Role], data_dir: &Path) -> anyhow::Result<Option<File>> {
    if !bus.is_shared() {
        let apart = Role::ALL.iter().any(|role| !roles.contains(role));
        anyhow::ensure!(
            !apart,
            "roles apart need a bus that processes can share (hint: --bus kafka://host:port/prefix, or run all roles)"
        );
        return Ok(None);
    }
    let path = data_dir.join("state").join("lock");
    let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    lock.try_lock().with_context(|| {
        format!(
            "{} is in use by another plume process (hint: give each process its own data_dir)",
            data_dir.display()
        )
    })?;
    Ok(Some(lock))
}

/// How much one read brings: bounds memory of a loop and the size of its transaction.
pub(crate) const READ_LIMIT: ReadLimit = ReadLimit {
    records: 2_000,
    bytes: 8 << 20,
};

/// The judge's consumer: its offset moves in the transaction of its outputs.
pub(crate) const DETECT: &str = "detect";
/// What a judge begins with where its partition was made of others: kept as they left it, for good (D7).
pub(crate) const DETECT_BEGIN: &str = "detect-begin";
/// Pins what the judge would need after a restart: the offset of its last checkpoint.
pub(crate) const DETECT_CHECKPOINT: &str = "detect-checkpoint";
/// A role that has left records unread for so much of the retention, in percent, is complained of.
pub(crate) const WARN_PERCENT: u8 = 50;
/// From here on this process is not ready: the load balancer sends devices elsewhere, where there is an elsewhere.
pub(crate) const NOT_READY_PERCENT: u8 = 80;
/// The archive's consumer.
pub(crate) const ARCHIVE: &str = "archive";
/// The desk's consumer, where processes share the bus: for others to see how far it is. What counts is its database.
pub(crate) const DESK: &str = "desk";

/// The consumers that hold segments back, and on which topics (D6).
pub(crate) fn pinning() -> anyhow::Result<Vec<Pinning>> {
    Ok(vec![
        Pinning {
            consumer: consumer(DETECT_CHECKPOINT)?,
            topics: vec![Topic::Reports],
        },
        Pinning {
            consumer: consumer(ARCHIVE)?,
            topics: ARCHIVED.to_vec(),
        },
    ])
}

/// The topics that become Parquet.
pub(crate) const ARCHIVED: [Topic; 4] = [Topic::Reports, Topic::Quarantine, Topic::Judgements, Topic::Events];

/// A consumer by name.
pub(crate) fn consumer(name: &str) -> anyhow::Result<ConsumerId> {
    Ok(ConsumerId::new(name)?)
}

/// A partition of a topic.
pub(crate) fn at(topic: Topic, partition: u32) -> TopicPartition {
    TopicPartition { topic, partition }
}

/// The directory of the log; `None` where it is no directory of this machine.
pub(crate) fn log_dir(data_dir: &Path, url: &str) -> Option<PathBuf> {
    match BusUrl::parse(url) {
        Ok(BusUrl::File(dir)) => Some(data_dir.join(dir)),
        _ => None,
    }
}

/// Sets the gauge of how far each consumer of the log is behind; returns the most any one is, in records.
pub(crate) async fn measure_lag(context: &Context) -> anyhow::Result<u64> {
    let mut most = 0;
    for partition in 0..context.bus.partitions() {
        for (name, topics) in [(DETECT, &[Topic::Reports][..]), (ARCHIVE, &ARCHIVED[..])] {
            for topic in topics {
                let place = at(*topic, partition);
                let range = context.bus.range(place).await?;
                let done = context.bus.committed(consumer(name)?, place).await?;
                let behind = range.end.saturating_sub(done.unwrap_or(range.start));
                context.signals.lag(name, *topic, partition, behind);
                most = most.max(behind);
            }
        }
    }
    Ok(most)
}
