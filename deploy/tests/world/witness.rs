//! Somebody who reads everything the log ever shows and forgets nothing: what was readable once must stay so until
//! retention takes it, and offsets only grow.

use std::collections::{BTreeMap, HashSet};

use plume_bus::{Bus, BusError, ReadLimit, Record, Topic, TopicPartition};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::ids::{ContentId, IngestId};
use plume_schemas::report::Quarantined;
use plume_schemas::time::Time;
use plume_schemas::wire::{decode_entry, decode_quarantined};
use tokio::runtime::Runtime;

use crate::broken::{Broken, Held, Promise, hold};
use crate::roles::{ARCHIVE, ARCHIVED, DETECT, DETECT_CHECKPOINT, at, consumer};

const LIMIT: ReadLimit = ReadLimit {
    records: 5_000,
    bytes: 8 << 20,
};

/// The log as seen so far, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) lines: BTreeMap<TopicPartition, Vec<Record>>,
    committed: BTreeMap<(&'static str, TopicPartition), u64>,
    /// The topic of reports, read.
    pub(crate) entries: BTreeMap<u32, Vec<Entry>>,
    pub(crate) quarantined: Vec<Quarantined>,
    /// Every packet in the log, by the hash of its bytes.
    pub(crate) packets: HashSet<ContentId>,
    ticks: BTreeMap<(u32, IngestId), Time>,
}

/// What went wrong while looking.
enum Blind {
    Broken(Broken),
    Bus(BusError),
}

impl From<Broken> for Blind {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<BusError> for Blind {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

impl Witness {
    /// Another process runs from now on.
    pub(crate) fn process_started(&mut self) {
        self.ticks.clear();
    }

    /// Reads what is new; with `again`, also all that was read before and is still retained. False where it could not,
    /// because the machine is down.
    pub(crate) fn look(&mut self, runtime: &Runtime, bus: &Bus, again: bool, now: Time) -> Result<bool, Broken> {
        match runtime.block_on(self.read_all(bus, again, now)) {
            Ok(()) => Ok(true),
            Err(Blind::Broken(broken)) => Err(broken),
            Err(Blind::Bus(BusError::Io { .. })) if !again => Ok(false),
            Err(Blind::Bus(error)) => Err(Broken {
                promise: Promise::LogNeverChanges,
                at: now,
                what: format!("reading: {error}"),
            }),
        }
    }

    async fn read_all(&mut self, bus: &Bus, again: bool, now: Time) -> Result<(), Blind> {
        for topic in Topic::ALL {
            for partition in 0..bus.partitions() {
                let line = at(topic, partition);
                self.read_line(bus, line, again, now).await?;
                if ARCHIVED.contains(&topic) {
                    for name in [DETECT, DETECT_CHECKPOINT, ARCHIVE] {
                        self.see_commit(bus, name, line, now).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn read_line(&mut self, bus: &Bus, line: TopicPartition, again: bool, now: Time) -> Result<(), Blind> {
        let retained = bus.range(line).await?;
        let known = self.lines.get(&line).map_or(0, Vec::len) as u64;
        hold(retained.end >= known, Promise::LogNeverChanges, now, || {
            format!("{line} ends at {}, and had {known} records", retained.end)
        })?;
        hold(retained.start <= known, Promise::LogNeverChanges, now, || {
            format!("{line} begins at {}, only {known} were ever seen", retained.start)
        })?;
        let mut next = if again { retained.start } else { known };
        while next < retained.end {
            let records = bus.read(line, next, LIMIT).await?;
            hold(!records.is_empty(), Promise::LogNeverChanges, now, || {
                format!("{line} gives nothing at {next}, its range is {retained:?}")
            })?;
            for record in records {
                self.see(record, next, now)?;
                next += 1;
            }
        }
        Ok(())
    }

    fn see(&mut self, record: Record, expected: u64, now: Time) -> Held {
        let line = record.from;
        hold(record.offset == expected, Promise::LogNeverChanges, now, || {
            format!("{line} jumps from {expected} to {}", record.offset)
        })?;
        let records = self.lines.entry(line).or_default();
        if let Some(before) = records.get(usize::try_from(expected).unwrap_or(usize::MAX)) {
            return hold(*before == record, Promise::LogNeverChanges, now, || {
                format!("{line}/{expected} was {before:?} and is {record:?}")
            });
        }
        records.push(record.clone());
        match line.topic {
            Topic::Reports => self.see_entry(&record, now),
            Topic::Quarantine => {
                let read = decode_quarantined(&record.payload);
                let quarantined = read.map_err(|error| unreadable(line, expected, &error, now))?;
                self.packets.insert(identity(&quarantined.raw));
                self.quarantined.push(quarantined);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn see_entry(&mut self, record: &Record, now: Time) -> Held {
        let body = decode_entry(&record.payload);
        let body = body.map_err(|error| unreadable(record.from, record.offset, &error, now))?;
        let partition = record.from.partition;
        match &body {
            EntryBody::Report(report) if report.evidence.share.0 == 0 => {
                self.packets.insert(identity(&report.evidence.raw));
            }
            EntryBody::Tick(tick) => {
                let last = self.ticks.insert((partition, tick.ingest), tick.received_at);
                hold(
                    last.is_none_or(|last| last <= tick.received_at),
                    Promise::TimeIsMonotone,
                    now,
                    || {
                        format!(
                            "{}/{}: {last:?}, then {:?}",
                            record.from, record.offset, tick.received_at
                        )
                    },
                )?;
            }
            _ => {}
        }
        let position = LogPosition {
            partition,
            offset: record.offset,
        };
        self.entries
            .entry(partition)
            .or_default()
            .push(Entry { at: position, body });
        Ok(())
    }

    async fn see_commit(
        &mut self,
        bus: &Bus,
        name: &'static str,
        line: TopicPartition,
        now: Time,
    ) -> Result<(), Blind> {
        let id = consumer(name).unwrap();
        let Some(committed) = bus.committed(id, line).await? else {
            let before = self.committed.get(&(name, line));
            hold(before.is_none(), Promise::OffsetsNeverGoBack, now, || {
                format!("{name} had committed {before:?} of {line}, and now nothing")
            })?;
            return Ok(());
        };
        let before = self.committed.insert((name, line), committed).unwrap_or(0);
        hold(committed >= before, Promise::OffsetsNeverGoBack, now, || {
            format!("{name} had committed {before} of {line}, and now {committed}")
        })?;
        let end = self.lines.get(&line).map_or(0, Vec::len) as u64;
        hold(committed <= end, Promise::OffsetsNeverGoBack, now, || {
            format!("{name} has committed {committed} of {line}, which ends at {end}")
        })?;
        Ok(())
    }
}

/// What a packet is: its bytes. Whether its tail had come when it was taken is the network's doing.
pub(crate) fn identity(packet: &[u8]) -> ContentId {
    ContentId::of(&[packet.trim_ascii_end()])
}

fn unreadable(line: TopicPartition, offset: u64, error: &dyn std::error::Error, at: Time) -> Broken {
    Broken {
        promise: Promise::LogNeverChanges,
        at,
        what: format!("{line}/{offset} cannot be decoded: {error}"),
    }
}
