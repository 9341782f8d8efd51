//! A poller over real sockets, on a log in memory and a clock that runs fast: minutes pass in a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plume_bus::{Bus, BusError, NewRecord, ReadLimit, Topic, TopicPartition};
use plume_ingest::config::PollConfig;
use plume_ingest::poll::Pace;
use plume_ingest::store::Store;
use plume_ingest::{Ingest, IngestHandle, Poller};
use plume_schemas::entry::{EntryBody, Presence};
use plume_schemas::reading::{Basis, Flag, Reading, Statistic};
use plume_schemas::report::Report;
use plume_schemas::time::{Clock, Time};
use plume_schemas::wire::decode_entry;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::script::{poll_config, site};
use crate::bench::{catalogue, config, registry, time};

/// How much faster than real the clock runs: a minute in two seconds, a sample each 133 ms.
pub(super) const SPEED: i64 = 30;
/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A log that refuses while it is told to.
#[derive(Clone)]
struct Gate {
    bus: Bus,
    refuse: watch::Receiver<bool>,
}

impl Store for Gate {
    fn partitions(&self) -> u32 {
        self.bus.partitions()
    }

    async fn append(&self, records: Arc<Vec<NewRecord>>) -> Result<(), BusError> {
        if *self.refuse.borrow() {
            return Err(BusError::DiskFull {
                place: "test".into(),
                used_bytes: 1,
                limit_bytes: Some(1),
                held_by: None,
            });
        }
        self.bus.append_shared(records).await.map(|_| ())
    }
}

pub(super) struct Room {
    _ingest: IngestHandle,
    poller: JoinHandle<()>,
    bus: Bus,
    stop: Vec<oneshot::Sender<()>>,
    _registry: watch::Sender<Arc<plume_schemas::registry::RegistryIndex>>,
    pub(super) metrics: prometheus::Registry,
    pub(super) refuse: watch::Sender<bool>,
}

/// The settings for sockets on loopback. Timeouts are real milliseconds, pauses run on the fast clock.
pub(super) fn fast_config() -> PollConfig {
    PollConfig {
        timeout_ms: 60,
        connect_timeout_ms: 500,
        ..poll_config()
    }
}

impl Room {
    /// Polls a site of one model; each MN has an outlet `E1:<MN>`.
    pub(super) async fn open(text: &str, map: &str, mns: &[&str]) -> Self {
        Self::open_with(text, map, mns, fast_config()).await
    }

    pub(super) async fn open_with(text: &str, map: &str, mns: &[&str], poll: PollConfig) -> Self {
        let outlets: Vec<String> = mns.iter().map(|mn| format!("E1:{mn}")).collect();
        let rows: Vec<(&str, &str, &str)> = mns
            .iter()
            .zip(&outlets)
            .map(|(mn, outlet)| (*mn, outlet.as_str(), ""))
            .collect();
        let bus = Bus::memory(1);
        let (tell, seen) = watch::channel(Arc::new(registry(&rows)));
        let metrics = prometheus::Registry::new();
        let (start, began) = (time("20260117140000"), Instant::now());
        let now = move || {
            let real = i64::try_from(began.elapsed().as_millis()).unwrap();
            Time(start.0 + real * SPEED)
        };
        let clock = Clock::new(now);
        let pace = Pace::new(move |at: Time| {
            let ms = at.since(now()).max(0);
            Duration::from_millis(u64::try_from(ms / SPEED + i64::from(ms % SPEED > 0)).unwrap())
        });
        let (stops, waits): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel::<()>()).unzip();
        let mut waits = waits
            .into_iter()
            .map(|wait| async move { wait.await.unwrap_or_default() });
        let (first, second) = (waits.next().unwrap(), waits.next().unwrap());
        let ingest = Ingest::start(config(), bus.clone(), clock, seen, catalogue(), &metrics, first)
            .await
            .unwrap();
        let common = ingest.common.clone();
        let (refuse, refusing) = watch::channel(false);
        let gate = Gate {
            bus: bus.clone(),
            refuse: refusing,
        };
        let poller = Poller::start(poll, site(text, map), gate, common, pace, &metrics, second).unwrap();
        Self {
            _ingest: ingest,
            poller,
            bus,
            stop: stops,
            _registry: tell,
            metrics,
            refuse,
        }
    }

    async fn entries(&self) -> Vec<EntryBody> {
        let at = TopicPartition::new(Topic::Reports, 0);
        let records = self.bus.read(at, 0, ReadLimit::records(100_000)).await.unwrap();
        records
            .iter()
            .map(|record| decode_entry(&record.payload).unwrap())
            .collect()
    }

    /// Reports of a device, in order.
    pub(super) async fn reports(&self, mn: &str) -> Vec<Report> {
        let reports = self.entries().await.into_iter().filter_map(|entry| match entry {
            EntryBody::Report(report) if report.origin.mn.as_str() == mn => Some(*report),
            _ => None,
        });
        reports.collect()
    }

    pub(super) async fn presences(&self, mn: &str) -> Vec<Presence> {
        let all = self.entries().await.into_iter().filter_map(|entry| match entry {
            EntryBody::Presence(presence) if presence.mn.as_str() == mn => Some(presence),
            _ => None,
        });
        all.collect()
    }

    /// Waits until a device has reports that satisfy `enough`, and gives them.
    pub(super) async fn wait(&self, mn: &str, enough: impl Fn(&[Report]) -> bool) -> Vec<Report> {
        let began = Instant::now();
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            let reports = self.reports(mn).await;
            if enough(&reports) {
                return reports;
            }
            assert!(began.elapsed() < PATIENCE, "it never came; there is {reports:#?}");
            pause.tick().await;
        }
    }

    /// Stops everything; the poller ends by itself.
    pub(super) async fn close(self) {
        for stop in self.stop {
            stop.send(()).ok();
        }
        tokio::time::timeout(Duration::from_secs(10), self.poller)
            .await
            .expect("the poller does not stop")
            .unwrap();
    }

    pub(super) fn count(&self, name: &str, reason: &str) -> usize {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let of = |metric: &prometheus::proto::Metric| metric.get_label().iter().any(|label| label.value() == reason);
        let metric = family.get_metric().iter().find(|metric| of(metric)).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = metric.get_counter().get_value() as usize;
        count
    }
}

/// A counter without labels.
pub(super) fn counter(room: &Room, name: &str) -> f64 {
    let families = room.metrics.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    family.get_metric()[0].get_counter().get_value()
}

/// The mean of a factor on a basis.
pub(super) fn mean<'a>(report: &'a Report, factor: &str, basis: Basis) -> Option<&'a Reading> {
    report
        .readings
        .iter()
        .find(|one| one.factor.as_str() == factor && one.basis == basis && one.statistic == Statistic::Mean)
}

/// True when every reading of a report is normal.
pub(super) fn is_normal(report: &Report) -> bool {
    !report.readings.is_empty() && report.readings.iter().all(|reading| reading.flag == Flag::Normal)
}
