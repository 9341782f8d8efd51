//! Where a replay takes the entries of a partition from: the log, or the archive where the log has expired or is in
//! use.

use std::sync::Arc;

use plume_archive::Reader;
use plume_bus::{Bus, Topic};
use plume_schemas::entry::{Entry, LogPosition};
use plume_schemas::wire;

use super::archived::Archived;
use crate::cli::archive::Place;
use crate::cli::judge::ReplayArgs;
use crate::commands::view;
use crate::finals::Finals;
use crate::roles::{READ_LIMIT, at};

/// What entries are taken from.
pub(super) enum Store {
    /// The log of a plume that is stopped.
    Log(Bus),
    /// What is archived: packets and entries.
    Archive { reader: Arc<Reader>, partitions: u32 },
    /// The readings that stand, of all partitions together.
    Readings { reader: Arc<Reader>, partitions: u32 },
}

impl Store {
    /// Partitions of the log.
    pub(super) fn partitions(&self) -> u32 {
        match self {
            Self::Log(bus) => bus.partitions(),
            Self::Archive { partitions, .. } => *partitions,
            Self::Readings { .. } => 1,
        }
    }

    /// The entries of a partition.
    pub(super) async fn entries(&self, partition: u32) -> anyhow::Result<Entries<'_>> {
        match self {
            Self::Log(bus) => Log::open(bus, partition).await.map(Entries::Log),
            Self::Archive { reader, .. } => {
                let reader = Arc::clone(reader);
                let archived = tokio::task::spawn_blocking(move || Archived::open(reader, partition));
                Ok(Entries::Archive(archived.await??.map(Box::new)))
            }
            Self::Readings { reader, partitions } => {
                let (reader, partitions) = (Arc::clone(reader), *partitions);
                let finals = tokio::task::spawn_blocking(move || Finals::open(reader, partitions));
                Ok(Entries::Readings(finals.await??.map(Box::new)))
            }
        }
    }

    /// Leaves it.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Log(bus) => Ok(bus.close().await?),
            Self::Archive { .. } | Self::Readings { .. } => Ok(()),
        }
    }
}

/// Entries in recorded order.
pub(super) enum Entries<'a> {
    Log(Log<'a>),
    /// None where nothing of the partition was archived.
    Archive(Option<Box<Archived>>),
    /// The same of readings.
    Readings(Option<Box<Finals>>),
}

/// The archive, with what waits in the log written into it first.
pub(super) async fn reader(args: &ReplayArgs) -> anyhow::Result<Arc<Reader>> {
    let place = Place {
        config: args.config.clone(),
        data: args.data.clone(),
        archive: None,
        archived_only: false,
    };
    let reader = tokio::task::spawn_blocking(move || view::open(&place)).await??;
    Ok(Arc::new(reader))
}

impl<'a> Entries<'a> {
    /// Those of the log from `offset` on.
    pub(super) async fn of_log(bus: &'a Bus, partition: u32, offset: u64) -> anyhow::Result<Self> {
        let mut log = Log::open(bus, partition).await?;
        log.next = offset;
        Ok(Self::Log(log))
    }
}

impl Entries<'_> {
    /// Whether entries before the first one have expired.
    pub(super) fn has_expired(&self) -> bool {
        match self {
            Self::Log(log) => log.first > 0,
            Self::Archive(archived) => archived.as_ref().is_some_and(|archived| archived.first() > 0),
            // How much there once was is not known.
            Self::Readings(finals) => finals.is_some(),
        }
    }

    /// Entries taken, and all there are.
    pub(super) fn progress(&self) -> (u64, u64) {
        match self {
            Self::Log(log) => log.progress(),
            Self::Archive(archived) => archived.as_ref().map_or((0, 0), |archived| archived.progress()),
            Self::Readings(finals) => finals.as_ref().map_or((0, 0), |finals| finals.progress()),
        }
    }

    /// The next entries; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        match self {
            Self::Log(log) => log.next().await,
            Self::Archive(place) => blocking(place, Archived::next).await,
            Self::Readings(place) => blocking(place, Finals::next).await,
        }
    }
}

/// Entries that are read and taken apart for seconds, where blocking is fine.
async fn blocking<T: Send + 'static>(
    place: &mut Option<Box<T>>,
    next: fn(&mut T) -> anyhow::Result<Option<Vec<Entry>>>,
) -> anyhow::Result<Option<Vec<Entry>>> {
    let Some(mut source) = place.take() else {
        return Ok(None);
    };
    let (source, entries) = tokio::task::spawn_blocking(move || {
        let entries = next(&mut source);
        (source, entries)
    })
    .await?;
    *place = Some(source);
    entries
}

/// Entries of the log, in recorded order.
pub(super) struct Log<'a> {
    bus: &'a Bus,
    partition: u32,
    first: u64,
    next: u64,
    end: u64,
}

impl<'a> Log<'a> {
    /// All that is there.
    async fn open(bus: &'a Bus, partition: u32) -> anyhow::Result<Self> {
        let range = bus.range(at(Topic::Reports, partition)).await?;
        Ok(Self {
            bus,
            partition,
            first: range.start,
            next: range.start,
            end: range.end,
        })
    }

    /// Entries taken, and all there are.
    fn progress(&self) -> (u64, u64) {
        (self.next - self.first, self.end - self.first)
    }

    /// The next entries; `None` at the end. What cannot be read was not judged then either.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let line = at(Topic::Reports, self.partition);
        let records = self.bus.read(line, self.next, READ_LIMIT).await?;
        let Some(last) = records.last() else {
            return Ok(None);
        };
        self.next = last.offset + 1;
        let partition = self.partition;
        let entry = |record: plume_bus::Record| {
            let body = wire::decode_entry(&record.payload).ok()?;
            let offset = record.offset;
            Some(Entry {
                at: LogPosition { partition, offset },
                body,
            })
        };
        Ok(Some(records.into_iter().filter_map(entry).collect()))
    }
}
