//! `ack = "local"`: devices are answered when this machine's disk has their packets, and the spool carries them to the
//! brokers, each line in its order (D13).
//!
//! Everything the ingest writes goes through the spool, its Ticks too, so that nothing overtakes anything. Once records
//! have waited for longer than they should, the devices they are of are said to be spooling first: their silence is
//! ours. When the last of them is on the brokers they are said to be drained. A record may reach the brokers twice
//! where this process ends in between; it is known as a repeat there (D5).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plume_bus::{
    AHEAD_BYTES, Ack, Bus, BusConfig, BusError, BusOptions, BusUrl, ClockKind, NewRecord, Pinning, ReadLimit, Record,
};
use plume_bus::{Topic, TopicPartition};
use plume_schemas::entry::{EntryBody, Presence, PresenceState};
use plume_schemas::ids::{IngestId, Inline, Mn, OutletId};
use plume_schemas::time::Time;
use plume_schemas::wire;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, at, consumer, respool};
use crate::config::Config;

/// Whoever carries records away pins them.
pub(super) const FORWARD: &str = "forward";
/// The spool, as the one who complains.
pub(super) const SPOOL: &str = "spool";
/// A record that has waited for so long waits because of us, milliseconds: well below the quiet in which a device is
/// missed.
const LATE_MS: i64 = 10_000;
/// How often it is told how much waits: oftener than metrics are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much is carried at once.
pub(super) const CARRIED: ReadLimit = ReadLimit {
    records: 1_000,
    bytes: 4 << 20,
};
/// What an ingest writes.
pub(super) const SPOOLED: [Topic; 2] = [Topic::Reports, Topic::Quarantine];

type Devices = BTreeSet<(Mn, OutletId)>;

/// Where the ingest writes: the bus, or with `ack = "local"` a spool before it that is emptied until told to stop.
pub(crate) async fn intake(
    context: &Context,
    config: &Config,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Bus> {
    if !context.bus.is_shared() || config.bus.kafka.ack == Ack::Isr {
        return Ok(context.bus.clone());
    }
    respool::carry_earlier(context, &config.bus, stop).await?;
    let (generation, partitions) = (context.bus.generation(), context.bus.partitions());
    let spool = open(&config.bus, &context.data_dir, generation, partitions).await?;
    let ingest = config.ingest.id;
    tasks.spawn(carry_all(context.clone(), spool.clone(), ingest, stop.clone()));
    Ok(spool)
}

/// Where the spool of a generation of topics lies: its lines are those topics'.
pub(super) fn dir(data_dir: &Path, generation: u32) -> PathBuf {
    match generation {
        1 => data_dir.join("spool"),
        later => data_dir.join(format!("spool-g{later}")),
    }
}

pub(super) async fn open(config: &BusConfig, data_dir: &Path, generation: u32, partitions: u32) -> anyhow::Result<Bus> {
    let dir = dir(data_dir, generation);
    let options = BusOptions {
        partitions,
        clock: ClockKind::System,
        segment_bytes: config.segment_bytes,
        keep_bytes: 0,
        max_bytes: config.kafka.spool_max_bytes,
        pinning: vec![Pinning {
            consumer: consumer(FORWARD)?,
            topics: SPOOLED.to_vec(),
        }],
        ahead_bytes: AHEAD_BYTES,
        recovery: config.recovery,
    };
    Bus::open(&BusUrl::File(dir.clone()), options).await.map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("open the spool {} (hint: {hint})", dir.display()))
    })
}

async fn carry_all(context: Context, spool: Bus, ingest: IngestId, stop: Stop) -> anyhow::Result<()> {
    let mut lines = JoinSet::new();
    for topic in SPOOLED {
        for partition in 0..spool.partitions() {
            let carrier = Carrier {
                context: context.clone(),
                spool: spool.clone(),
                line: at(topic, partition),
                ingest,
                late: Devices::new(),
            };
            lines.spawn(carrier.run(stop.clone()));
        }
    }
    lines.spawn(watch(context, spool.clone(), stop));
    while let Some(ended) = lines.join_next().await {
        ended??;
    }
    spool.close().await.context("close the spool")
}

/// Says how much waits, above all while nothing can be carried, until told to stop.
async fn watch(context: Context, spool: Bus, stop: Stop) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.clone().wait() => return Ok(()),
        }
        for topic in SPOOLED {
            for line in (0..spool.partitions()).map(|partition| at(topic, partition)) {
                let range = spool.range(line).await?;
                let carried = spool.committed(consumer(FORWARD)?, line).await?.unwrap_or(range.start);
                context.signals.spooled(line, range.end.saturating_sub(carried));
            }
        }
    }
}

/// Empties one line of the spool.
struct Carrier {
    context: Context,
    spool: Bus,
    line: TopicPartition,
    ingest: IngestId,
    /// Devices that were said to be spooling.
    late: Devices,
}

impl Carrier {
    async fn run(mut self, stop: Stop) -> anyhow::Result<()> {
        let begin = self.spool.range(self.line).await?.start;
        let done = self.spool.committed(consumer(FORWARD)?, self.line).await?;
        let mut next = done.unwrap_or(begin).max(begin);
        loop {
            let end = self.spool.range(self.line).await?.end;
            self.context.signals.spooled(self.line, end.saturating_sub(next));
            if next >= end {
                tokio::select! {
                    () = self.spool.wait(self.line, next) => continue,
                    () = stop.clone().wait() => return Ok(()),
                }
            }
            let records = self.spool.read(self.line, next, CARRIED).await?;
            let Some(last) = records.last() else { continue };
            let after = last.offset + 1;
            let outgoing = Arc::new(self.outgoing(&records, after >= end).await?);
            if !self.carry(&outgoing, &stop).await? {
                return Ok(());
            }
            next = after;
            self.spool
                .commit(consumer(FORWARD)?, vec![(self.line, next)])
                .await
                .context("commit what the spool has carried")?;
        }
    }

    /// Records as they go out, with what is to be said of their devices before and after them.
    async fn outgoing(&mut self, records: &[Record], is_all: bool) -> anyhow::Result<Vec<NewRecord>> {
        let times = || records.iter().filter_map(received_at);
        let mut outgoing = Vec::with_capacity(records.len());
        if let Some(first) = times().next()
            && self.late.is_empty()
            && self.context.clock.now().since(first) > LATE_MS
        {
            let from = records.first().map_or(0, |record| record.offset);
            self.late = self.devices(from).await?;
            outgoing.extend(self.said(PresenceState::Spooling, first));
        }
        for record in records {
            outgoing.push(NewRecord {
                to: self.line,
                key: String::from_utf8_lossy(&record.key).into_owned(),
                payload: record.payload.clone(),
            });
            // A life before this one may have said that it is spooling and ended: a new link says that it is over.
            if let Some(EntryBody::Presence(came)) = entry(record).filter(is_coming)
                && !self.late.contains(&(came.mn, came.outlet))
            {
                outgoing.push(self.presence((came.mn, came.outlet), PresenceState::Drained, came.received_at));
            }
        }
        if let Some(last) = times().next_back()
            && is_all
        {
            outgoing.extend(self.said(PresenceState::Drained, last));
            self.late.clear();
        }
        Ok(outgoing)
    }

    /// The devices of everything that waits.
    async fn devices(&self, from: u64) -> anyhow::Result<Devices> {
        let mut devices = Devices::new();
        let mut next = from;
        loop {
            let records = self.spool.read(self.line, next, CARRIED).await?;
            let Some(last) = records.last() else { return Ok(devices) };
            next = last.offset + 1;
            devices.extend(records.iter().filter_map(device));
        }
    }

    fn said(&self, state: PresenceState, received_at: Time) -> Vec<NewRecord> {
        let devices = self.late.iter();
        devices
            .map(|&device| self.presence(device, state, received_at))
            .collect()
    }

    fn presence(&self, (mn, outlet): (Mn, OutletId), state: PresenceState, received_at: Time) -> NewRecord {
        let presence = Presence {
            mn,
            outlet,
            ingest: self.ingest,
            state,
            epoch: 0,
            peer: Inline::default(),
            received_at,
        };
        let payload = wire::encode_entry(&EntryBody::Presence(presence));
        NewRecord::new(self.line, outlet.as_str(), payload)
    }

    /// Tries until the brokers have the records; false when told to stop before.
    async fn carry(&self, records: &Arc<Vec<NewRecord>>, stop: &Stop) -> anyhow::Result<bool> {
        loop {
            match self.context.bus.append_shared(Arc::clone(records)).await {
                Ok(_) => {
                    self.context.health.well(SPOOL);
                    return Ok(true);
                }
                Err(error @ (BusError::Broker { .. } | BusError::Sealed { .. })) if !stop.told() => {
                    self.context.brokers_away(SPOOL, &error, stop).await;
                }
                Err(BusError::Broker { .. } | BusError::Sealed { .. } | BusError::Closed) => return Ok(false),
                Err(error) => return Err(error).context("carry the spool to the brokers"),
            }
        }
    }
}

fn entry(record: &Record) -> Option<EntryBody> {
    (record.from.topic == Topic::Reports)
        .then(|| wire::decode_entry(&record.payload).ok())
        .flatten()
}

fn is_coming(entry: &EntryBody) -> bool {
    matches!(entry, EntryBody::Presence(presence) if presence.state == PresenceState::Came)
}

fn received_at(record: &Record) -> Option<Time> {
    match entry(record)? {
        EntryBody::Report(report) => Some(report.times.received_at),
        EntryBody::Tick(tick) => Some(tick.received_at),
        EntryBody::Presence(presence) => Some(presence.received_at),
        EntryBody::ClockStep(_)
        | EntryBody::Registry(_)
        | EntryBody::Mark(_)
        | EntryBody::Check(_)
        | EntryBody::Recomputed(_) => None,
    }
}

fn device(record: &Record) -> Option<(Mn, OutletId)> {
    match entry(record)? {
        EntryBody::Report(report) => Some((report.origin.mn, report.outlet)),
        EntryBody::Presence(presence) => Some((presence.mn, presence.outlet)),
        _ => None,
    }
}
