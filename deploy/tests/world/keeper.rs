//! The archive in the world: plume's own, on the same faulty disk as the log. The loop around it is the world's, since
//! deploy's is bound to threads and the real disk: records into batches, files first, offset after.

use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, ArchiveConfig, ArchiveError, Pushed, Reader, Signals};
use plume_bus::{BusError, Topic, TopicPartition};
use plume_schemas::time::MINUTE_MS;

use crate::broken::{Held, Promise, hold};
use crate::canary::Canary;
use crate::chance::Chance;
use crate::machine::Machine;
use crate::process::Process;
use crate::roles::{ARCHIVE, ARCHIVED, READ_LIMIT, at, consumer};
use crate::world::World;

/// Where the archive lies.
pub(crate) const ARCHIVE_DIR: &str = "/plume/archive";

/// A canary passes over one record of so many.
const SKIPPED_EACH: u64 = 97;

/// Small batches and short periods, so that much of it happens within hours.
pub(crate) fn config(defaults: &toml::Table, chance: &mut Chance) -> ArchiveConfig {
    let mut config: ArchiveConfig = defaults["archive"].clone().try_into().unwrap();
    config.batch_records = [300, 50_000][chance.place(2)];
    config.batch_every_s = [600, 1_800][chance.place(2)];
    config.publish_every_s = [1_800, 3_600][chance.place(2)];
    config
}

/// Why a round of the archive did not come to its end.
#[derive(Debug)]
enum Failure {
    /// The disk refuses; it is tried again in the next round, as deploy's loop does.
    Waits(String),
    /// The role ends, and the process with it.
    Ends(String),
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let text = format!(
            "{error}: {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        );
        match error {
            ArchiveError::Stopped { .. } => Self::Ends(text),
            _ => Self::Waits(text),
        }
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        let text = error.to_string();
        match error {
            BusError::DiskFull { .. } => Self::Waits(text),
            _ => Self::Ends(text),
        }
    }
}

/// One turn of the archive: takes what every line has, writes the batches that end, publishes and commits. With
/// `all`, writes and publishes everything.
fn turn(machine: &Machine, process: &mut Process, canary: Option<Canary>, all: bool) -> Result<(), Failure> {
    if process.archive.is_none() {
        process.archive = Some(open(machine).map_err(|error| Failure::Ends(error.to_string()))?);
    }
    let (bus, runtime) = (&process.bus, &machine.runtime);
    let Some(archive) = process.archive.as_mut() else {
        return Ok(());
    };
    let lines = || {
        let partitions = 0..bus.partitions();
        partitions.flat_map(|partition| ARCHIVED.map(|topic| at(topic, partition)))
    };
    for line in lines() {
        // What is passed over is not read again: a line may end with it.
        let mut read_to = 0;
        loop {
            let retained = runtime.block_on(bus.range(line))?;
            let next = archive.next_offset(line).unwrap_or(retained.start).max(retained.start);
            let next = next.max(read_to);
            let records = runtime.block_on(bus.read(line, next, READ_LIMIT))?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                read_to = record.offset + 1;
                if canary == Some(Canary::ArchiveSkips) && record.offset % SKIPPED_EACH == 1 {
                    continue;
                }
                while archive.push(record)? == Pushed::Full {
                    archive.write(line)?;
                }
            }
        }
    }
    let ended: Vec<TopicPartition> = match (all, bus.stats().full) {
        (true, _) | (_, true) => lines().collect(),
        _ => archive.due(),
    };
    for line in ended {
        archive.write(line)?;
    }
    if all || archive.publish_due() {
        archive.publish()?;
    }
    let positions = archive.positions();
    runtime.block_on(async {
        let mut commits = Vec::new();
        for done in positions {
            if bus.committed(consumer(ARCHIVE).unwrap(), done.at).await? != Some(done.next) {
                commits.push((done.at, done.next));
            }
        }
        bus.commit(consumer(ARCHIVE).unwrap(), commits).await
    })?;
    Ok(())
}

fn open(machine: &Machine) -> Result<Archive, ArchiveError> {
    let signals = Signals::new(&prometheus::Registry::new()).unwrap();
    let fs = Arc::new(machine.disk.clone());
    let archive = Archive::open(Path::new(ARCHIVE_DIR), machine.archive.clone(), fs, signals)?;
    Ok(archive.describing(Arc::clone(&machine.catalogue)))
}

impl World {
    pub(crate) fn serve_archive(&mut self) -> Held {
        let Some(process) = self.process.as_mut().filter(|process| process.archive_at <= self.now) else {
            return Ok(());
        };
        let next = self.now.plus(self.chance.within(MINUTE_MS..6 * MINUTE_MS));
        process.archive_at = next.max(self.archive_not_before);
        if self.archive_not_before > self.now {
            return Ok(());
        }
        // Its commit lets the log forget, so everything is looked at before.
        self.look(false)?;
        self.counts.archive_rounds += 1;
        let Some(process) = self.process.as_mut() else {
            return Ok(());
        };
        match turn(&self.machine, process, self.canary, false) {
            Ok(()) => Ok(()),
            Err(failure) => self.archive_failed(failure),
        }
    }

    fn archive_failed(&mut self, failure: Failure) -> Held {
        self.counts.archive_failures += 1;
        let (Failure::Waits(why) | Failure::Ends(why)) = &failure;
        // A log at its own limit refuses a commit, whatever the disk does.
        let full = self.process.as_ref().is_some_and(|process| process.bus.stats().full);
        hold(self.disk_troubled || full, Promise::OpensAgain, self.now, || {
            why.clone()
        })?;
        if matches!(failure, Failure::Ends(_)) || self.machine.disk.is_down() {
            let loss = self.draw_loss();
            self.kill(Some(loss))?;
        }
        Ok(())
    }

    /// Writes and publishes everything, and gives what readers see then.
    pub(crate) fn published(&mut self) -> Result<Option<Reader>, crate::broken::Broken> {
        let Some(process) = self.process.as_mut() else {
            return Ok(None);
        };
        let done = turn(&self.machine, process, self.canary, true);
        hold(done.is_ok(), Promise::Heals, self.now, || {
            format!("the archive does not finish: {done:?}")
        })?;
        let fs = Arc::new(self.machine.disk.clone());
        let reader = Reader::open(Path::new(ARCHIVE_DIR), fs);
        hold(reader.is_ok(), Promise::OpensAgain, self.now, || {
            format!("{:?}", reader.as_ref().err())
        })?;
        Ok(reader.ok())
    }

    /// Events of the log, of all partitions.
    pub(crate) fn event_records(&self) -> impl Iterator<Item = &plume_bus::Record> {
        let lines = (0..self.machine.options.partitions).map(|partition| at(Topic::Events, partition));
        lines.filter_map(|line| self.witness.lines.get(&line)).flatten()
    }
}
