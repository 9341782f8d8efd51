//! An open room over real TCP, on a bus whose durability the test controls, and a device to talk to it.

use std::sync::Arc;
use std::time::Duration;

use plume_bus::{Bus, BusError, NewRecord, ReadLimit, Topic, TopicPartition};
use plume_ingest::config::IngestConfig;
use plume_ingest::store::Store;
use plume_ingest::{Ingest, IngestHandle};
use plume_schemas::entry::EntryBody;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::QuarantineReason;
use plume_schemas::time::Clock;
use plume_schemas::wire::{decode_entry, decode_quarantined};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::bench::{catalogue, example_registry, time};
use crate::vectors;

/// A bus that makes nothing durable without a permit, and refuses while it is told to.
#[derive(Clone)]
pub(crate) struct Gate {
    bus: Bus,
    permits: Arc<Semaphore>,
    refuse: watch::Receiver<bool>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Store for Gate {
    fn partitions(&self) -> u32 {
        self.bus.partitions()
    }

    async fn append(&self, records: Arc<Vec<NewRecord>>) -> Result<(), BusError> {
        // Ticks pass: the tests are about packets.
        let is_tick = |record: &NewRecord| matches!(decode_entry(&record.payload), Ok(EntryBody::Tick(_)));
        if !records.iter().all(is_tick) {
            self.waiting.send_modify(|n| *n += 1);
            if *self.refuse.borrow() {
                return Err(BusError::DiskFull {
                    place: "test".into(),
                    used_bytes: 1,
                    limit_bytes: Some(1),
                    held_by: None,
                });
            }
            self.permits.acquire().await.unwrap().forget();
        }
        self.bus.append_shared(records).await.map(|_| ())
    }
}

pub(crate) struct House {
    pub(crate) handle: IngestHandle,
    pub(crate) bus: Bus,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) refuse: watch::Sender<bool>,
    pub(crate) waiting: watch::Receiver<usize>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) metrics: prometheus::Registry,
    pub(crate) registry: watch::Sender<Arc<RegistryIndex>>,
}

pub(crate) const OPEN: usize = 1_000_000;

impl House {
    pub(crate) async fn open(config: IngestConfig, permits: usize) -> Self {
        Self::open_with(config, permits, example_registry()).await
    }

    pub(crate) async fn open_with(config: IngestConfig, permits: usize, registry: RegistryIndex) -> Self {
        let bus = Bus::memory(1);
        let permits = Arc::new(Semaphore::new(permits));
        let (refuse, refusing) = watch::channel(false);
        let (count, waiting) = watch::channel(0);
        let gate = Gate {
            bus: bus.clone(),
            permits: Arc::clone(&permits),
            refuse: refusing,
            waiting: Arc::new(count),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics = prometheus::Registry::new();
        let (registry, seen) = watch::channel(Arc::new(registry));
        let clock = Clock::new(|| time("20160802001000"));
        let shutdown = async move { stopped.await.unwrap_or_default() };
        let handle = Ingest::start_with(config, gate, clock, seen, catalogue(), &metrics, shutdown)
            .await
            .unwrap();
        Self {
            handle,
            bus,
            permits,
            refuse,
            waiting,
            stop,
            metrics,
            registry,
        }
    }

    pub(crate) async fn device(&self) -> Device {
        Device(TcpStream::connect(self.handle.local_addr).await.unwrap())
    }

    /// Waits until so many appends have reached the gate.
    pub(crate) async fn appends(&mut self, count: usize) {
        let waiting = self.waiting.wait_for(|n| *n >= count);
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .expect("no append came")
            .unwrap();
    }

    pub(crate) async fn entries(&self) -> Vec<EntryBody> {
        let at = TopicPartition::new(Topic::Reports, 0);
        let records = self.bus.read(at, 0, ReadLimit::records(10_000)).await.unwrap();
        let entries = records.iter().map(|record| decode_entry(&record.payload).unwrap());
        entries.filter(|entry| !matches!(entry, EntryBody::Tick(_))).collect()
    }

    pub(crate) async fn quarantined(&self) -> Vec<QuarantineReason> {
        let at = TopicPartition::new(Topic::Quarantine, 0);
        let records = self.bus.read(at, 0, ReadLimit::records(10_000)).await.unwrap();
        records
            .iter()
            .map(|record| decode_quarantined(&record.payload).unwrap().reason)
            .collect()
    }

    pub(crate) fn metric(&self, name: &str, reason: &str) -> usize {
        let families = self.metrics.gather();
        let family = families
            .iter()
            .find(|f| f.name() == name)
            .unwrap_or_else(|| panic!("no metric {name}"));
        let fits = |m: &&prometheus::proto::Metric| {
            reason.is_empty() || m.get_label().iter().any(|label| label.value() == reason)
        };
        let values = family
            .get_metric()
            .iter()
            .filter(fits)
            .map(|m| m.get_counter().get_value());
        format!("{:.0}", values.sum::<f64>()).parse().unwrap()
    }

    pub(crate) async fn close(self) {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(5), self.handle.join)
            .await
            .expect("did not stop")
            .unwrap();
    }
}

pub(crate) struct Device(pub(crate) TcpStream);

impl Device {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let reading = async {
            while !answer.ends_with(b"\r\n") {
                answer.push(self.0.read_u8().await.unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .expect("no answer came");
        String::from_utf8(answer).unwrap()
    }

    /// True when the other side has closed the link without a further byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_secs(10), self.0.read(&mut byte)).await;
        matches!(read.expect("still open"), Ok(0) | Err(_))
    }

    /// No byte lies ready.
    pub(crate) fn is_silent(&self) -> bool {
        let mut byte = [0];
        self.0
            .try_read(&mut byte)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

pub(crate) fn vector(row: usize) -> Vec<u8> {
    vectors::with_tail(&vectors::all().into_iter().nth(row).unwrap().packet.unwrap())
}

pub(crate) fn qn(answer: &str) -> &str {
    answer.split("QN=").nth(1).unwrap().split(';').next().unwrap()
}
