//! From the engine's records to the bus: partition, key and payload, and trying until they are durable.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plume_bus::{Bus, BusError, NewRecord, Topic, TopicPartition};
use plume_schemas::entry::{ClockStep, EntryBody, Tick};
use plume_schemas::ids::{IngestId, Mn, OutletId};
use plume_schemas::partition::partition_of;
use plume_schemas::time::Time;
use plume_schemas::wire::{encode_entry, encode_quarantined};
use tokio::sync::watch;

use crate::config::IngestConfig;
use crate::hj212::intake::LogRecord;
use crate::signals::Signals;

/// Groups on their way to brokers at once: more than they have lines that may stall; each holds at most 4 MiB.
const MAX_GROUPS: usize = 64;

/// Where records go. The bus, or in tests a gate before it.
pub trait Store: Clone + Send + Sync + 'static {
    /// Partitions of the topic of reports.
    fn partitions(&self) -> u32;
    /// Groups of links that may be on their way at once.
    fn groups_at_once(&self) -> usize {
        1
    }
    /// Appends all or nothing; returns when durable.
    fn append(&self, records: Arc<Vec<NewRecord>>) -> impl Future<Output = Result<(), BusError>> + Send;
}

impl Store for Bus {
    fn partitions(&self) -> u32 {
        Bus::partitions(self)
    }

    /// A log on disk has one sync at a time: a second group would only be a smaller one. Brokers take many, and a line
    /// that one of them does not take must not hold up the links of the others.
    fn groups_at_once(&self) -> usize {
        if self.is_shared() { MAX_GROUPS } else { 1 }
    }

    async fn append(&self, records: Arc<Vec<NewRecord>>) -> Result<(), BusError> {
        self.append_shared(records).await.map(|_| ())
    }
}

/// A record with its place.
pub(crate) fn place(record: &LogRecord, partitions: u32) -> NewRecord {
    match record {
        LogRecord::Entry(entry) => {
            let outlet = outlet_of(entry);
            let partition = outlet.map_or(0, |outlet| partition_of(outlet, partitions));
            let key = outlet.as_ref().map(OutletId::as_str).unwrap_or_default();
            NewRecord::new(TopicPartition::new(Topic::Reports, partition), key, encode_entry(entry))
        }
        LogRecord::Quarantined(record) => {
            let key = record.mn.as_ref().map(Mn::as_str).unwrap_or_default();
            NewRecord::new(
                TopicPartition::new(Topic::Quarantine, 0),
                key,
                encode_quarantined(record),
            )
        }
    }
}

fn outlet_of(entry: &EntryBody) -> Option<OutletId> {
    match entry {
        EntryBody::Report(report) => Some(report.outlet),
        EntryBody::Presence(presence) => Some(presence.outlet),
        EntryBody::Mark(mark) => Some(mark.outlet),
        EntryBody::Check(check) => Some(check.outlet),
        EntryBody::Recomputed(recomputed) => Some(recomputed.outlet),
        EntryBody::Tick(_) | EntryBody::ClockStep(_) | EntryBody::Registry(_) => None,
    }
}

/// The same entry for every partition.
fn everywhere(entry: &EntryBody, key: &str, partitions: u32) -> impl Iterator<Item = NewRecord> {
    let payload = encode_entry(entry);
    (0..partitions).map(move |at| NewRecord::new(TopicPartition::new(Topic::Reports, at), key, payload.clone()))
}

/// What one beat of the clock appends: a Tick to every partition, before it a step of the clock if there was one.
pub(crate) fn beat(ingest: IngestId, last: Option<Time>, now: Time, step_ms: i64, partitions: u32) -> Vec<NewRecord> {
    let step = last.filter(|&last| step_ms > 0 && now.since(last) > step_ms);
    let step = step.map(|from| EntryBody::ClockStep(ClockStep { ingest, from, to: now }));
    let tick = EntryBody::Tick(Tick {
        ingest,
        received_at: now,
    });
    step.iter()
        .chain([&tick])
        .flat_map(|entry| everywhere(entry, ingest.as_str(), partitions))
        .collect()
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The records are safe.
    Durable,
    /// plume is stopping and the bus still refuses: the devices will send again.
    GivenUp,
    /// The bus will never take these records.
    Unstorable,
}

/// Appends until the bus takes it. Nothing is dropped while the bus refuses: the link is not read and its devices get
/// no answer, and it goes on by itself.
pub(crate) async fn append<S: Store>(
    store: &S,
    records: &Arc<Vec<NewRecord>>,
    config: &IngestConfig,
    signals: &Signals,
    mut stop: watch::Receiver<bool>,
) -> Appended {
    let began = Instant::now();
    let mut pause = Duration::from_millis(config.retry_min_ms);
    loop {
        match store.append(Arc::clone(records)).await {
            Ok(()) => {
                signals.append_took(began.elapsed().as_secs_f64());
                return Appended::Durable;
            }
            Err(error) => {
                signals.append_refused(&error);
                if matches!(error, BusError::TooLarge { .. } | BusError::UnknownPartition { .. }) {
                    return Appended::Unstorable;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stopping| *stopping) => return Appended::GivenUp,
        }
        pause = (pause * 2).min(Duration::from_millis(config.retry_max_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_clock_is_told_before_the_tick() {
        let ingest = IngestId::new("i").unwrap();
        let beat = |last: Option<i64>, now| beat(ingest, last.map(Time), Time(now), 60_000, 2).len();
        assert_eq!(beat(None, 1_000_000), 2);
        assert_eq!(beat(Some(1_000_000), 1_060_000), 2);
        assert_eq!(beat(Some(1_000_000), 1_060_001), 4);
    }
}
