//! The archive's loop: records of all topics into batches, files first, offset after (D15).
//!
//! It runs on a thread of its own, because Parquet is computed and written there; a disk that refuses is tried
//! again, and
//! meanwhile the log keeps what is not archived yet (D6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plume_archive::{Archive, ArchiveConfig, ArchiveError, Location, Pushed, Reader, Signals};
use plume_bus::{BusError, Change, Record, Topic, TopicPartition};
use plume_schemas::time::Time;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::stop::Stop;
use super::{ARCHIVE, ARCHIVED, Context, READ_LIMIT, at, checkpoint, consumer, is_away};
use crate::config::Config;

/// Pause before a refused write is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// A turn is taken after so long although no Tick came: a full log takes none. A sealed one takes none either, and
/// devices wait until everything of it is written: then it is [`RETRY_PAUSE`].
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Asks the loop to write what waits; answered when it is on disk.
pub(crate) type Requests = mpsc::Sender<oneshot::Sender<()>>;
/// Questions that wait at a time: each is answered by one turn, so the next can wait for its caller.
const WAITING_REQUESTS: usize = 4;
/// Whoever asks for the archive to be written gives up after so long.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// A way to ask, and to hear it.
pub(crate) fn requests() -> (Requests, mpsc::Receiver<oneshot::Sender<()>>) {
    mpsc::channel(WAITING_REQUESTS)
}

/// Has what waits for the archive written; false where no loop of this process does that, or no longer.
pub(crate) async fn write_now(context: &Context) -> anyhow::Result<bool> {
    let (asker, answered) = oneshot::channel();
    let asked = tokio::time::timeout(WRITE_LIMIT, async {
        context.archive_now.send(asker).await.ok()?;
        answered.await.ok()
    });
    let written = asked.await;
    Ok(written
        .context("the archive is busy or cannot write; see /readyz")?
        .is_some())
}

/// Archives until told to stop, then writes what waits.
pub(crate) async fn run(
    context: Context,
    config: Config,
    requests: mpsc::Receiver<oneshot::Sender<()>>,
    stop: Stop,
) -> anyhow::Result<()> {
    let signals = Signals::new(&context.metrics)?;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let Location { root, fs } = context.archive.clone();
        let archive = Archive::open(&root, config.archive, fs, signals)
            .with_context(|| format!("open the archive {}", root.display()))?
            .describing(Arc::clone(&context.catalogue))
            .confirming_at(config.detect.window.mark_deadline_hour)
            .numbering_from(context.bus.base())
            .passing_markers(context.bus.is_shared());
        runtime.block_on(
            Archiver {
                context,
                archive,
                next: BTreeMap::new(),
                checkpointed: BTreeMap::new(),
                partitions: BTreeSet::new(),
            }
            .work(requests, stop),
        )
    })
    .await?
}

/// Where the archive lies.
pub(crate) fn location(data_dir: &std::path::Path, config: &ArchiveConfig) -> anyhow::Result<Location> {
    Location::of(config, data_dir).map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(hint)
    })
}

/// Opens the archive to read it.
pub(crate) fn reader(at: &Location) -> anyhow::Result<Reader> {
    Reader::open(&at.root, Arc::clone(&at.fs)).map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(format!("read the archive {} (hint: {hint})", at.root.display()))
    })
}

struct Archiver {
    context: Context,
    archive: Archive,
    next: BTreeMap<TopicPartition, u64>,
    /// Beijing days of which each partition's checkpoint is archived.
    checkpointed: BTreeMap<u32, i64>,
    /// What is this process's to archive: everything on one machine, a share of it on Kafka.
    partitions: BTreeSet<u32>,
}

impl Archiver {
    async fn work(mut self, mut requests: mpsc::Receiver<oneshot::Sender<()>>, stop: Stop) -> anyhow::Result<()> {
        let mut membership = self.context.bus.join(consumer(ARCHIVE)?, Topic::Reports).await?;
        while !stop.told() {
            // Ticks come into every partition every few seconds: whatever else waits is found when one arrives. None
            // comes while the log is full.
            let clock_line = self.partitions.first().map(|&partition| at(Topic::Reports, partition));
            let next = clock_line.and_then(|line| self.next.get(&line).copied()).unwrap_or(0);
            let tick = async {
                match clock_line {
                    Some(line) => self.context.bus.wait(line, next).await,
                    None => std::future::pending().await,
                }
            };
            let longest = if self.context.bus.stats().sealed {
                RETRY_PAUSE
            } else {
                LONGEST_WAIT
            };
            let mut asked = None;
            tokio::select! {
                biased;
                change = membership.next() => {
                    if !self.change(change, &stop).await? {
                        break;
                    }
                    continue;
                }
                () = stop.clone().wait() => break,
                Some(asker) = requests.recv() => asked = Some(asker),
                () = tick => {}
                () = tokio::time::sleep(longest) => {}
            }
            match self.turn_for(asked, &stop).await {
                Err(error) if is_away(&error) => match error.downcast_ref() {
                    Some(error) => self.context.brokers_away(ARCHIVE, error, &stop).await,
                    None => return Err(error),
                },
                turned => turned?,
            }
        }
        let taken = self.turn(&stop).await;
        self.archive.flush()?;
        let committed = self.commit().await;
        // What brokers that are away do not hear now they hear after the next start: the files say where they end.
        for ended in [taken, committed] {
            if let Err(error) = ended {
                anyhow::ensure!(is_away(&error), error);
                tracing::warn!(error = %format_args!("{error:#}"), "the archive ends without the brokers");
            }
        }
        Ok(())
    }

    /// A turn, and for whoever asked all that waits, however little.
    async fn turn_for(&mut self, asked: Option<oneshot::Sender<()>>, stop: &Stop) -> anyhow::Result<()> {
        self.turn(stop).await?;
        if let Some(asker) = asked {
            self.write_all(stop).await?;
            if asker.send(()).is_err() {
                tracing::debug!("whoever asked for the archive to be written has gone");
            }
        }
        Ok(())
    }

    /// Takes partitions, or lets them go with everything of them written; false once there is no bus.
    async fn change(&mut self, change: Option<Change>, stop: &Stop) -> anyhow::Result<bool> {
        match change {
            Some(Change::Assigned(partitions)) => {
                for partition in partitions {
                    self.begin(partition, stop).await?;
                }
                Ok(true)
            }
            Some(Change::Revoked(partitions, released)) => {
                match self.write_all(stop).await {
                    // Out of the group for too long: it is no longer this process's to commit.
                    Err(error) if is_away(&error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(%error, ?partitions, "not committed before they were lost");
                    }
                    written => written?,
                }
                self.partitions.retain(|partition| !partitions.contains(partition));
                self.next.retain(|line, _| !partitions.contains(&line.partition));
                drop(released);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Takes a partition, as soon as the brokers say where it goes on; not at all when told to stop before.
    async fn begin(&mut self, partition: u32, stop: &Stop) -> anyhow::Result<()> {
        for line in ARCHIVED.map(|topic| at(topic, partition)) {
            let next = loop {
                match self.begin_at(line).await {
                    Err(error) if is_away(&error) => match error.downcast_ref() {
                        Some(error) if !stop.told() => self.context.brokers_away(ARCHIVE, error, stop).await,
                        _ => return Ok(()),
                    },
                    next => break next?,
                }
            };
            self.next.insert(line, next);
        }
        if self.context.bus.is_shared() {
            let known = Arc::clone(&self.context.registry.borrow());
            self.archive.introduce(partition, known.registry());
        }
        self.context.health.well(ARCHIVE);
        self.partitions.insert(partition);
        Ok(())
    }

    /// Where a line goes on: behind its files here, and behind what another process has archived meanwhile.
    async fn begin_at(&self, line: TopicPartition) -> anyhow::Result<u64> {
        let retained = self.context.bus.range(line).await?;
        let mut next = self.archive.next_offset(line).unwrap_or(retained.start);
        if self.context.bus.is_shared() {
            let elsewhere = self.context.bus.committed(consumer(ARCHIVE)?, line).await?;
            next = next.max(elsewhere.unwrap_or(next));
        }
        Ok(next.max(retained.start))
    }

    fn lines(&self) -> Vec<TopicPartition> {
        let partitions = self.partitions.iter();
        partitions
            .flat_map(|&partition| ARCHIVED.map(|topic| at(topic, partition)))
            .collect()
    }

    /// Takes what every line has, writes the batches that end, and commits what the log does not know to be archived.
    async fn turn(&mut self, stop: &Stop) -> anyhow::Result<()> {
        for line in self.lines() {
            loop {
                let next = self.next.get(&line).copied().unwrap_or(0);
                let records = self.context.bus.read(line, next, READ_LIMIT).await?;
                if records.is_empty() {
                    break;
                }
                for record in &records {
                    if !self.take(record, stop).await? {
                        return Ok(());
                    }
                    self.next.insert(line, record.offset + 1);
                }
            }
        }
        self.keep_checkpoints(stop).await?;
        // A log that is full or sealed takes no Tick either: its time stands still, and no batch would end by it. What
        // waits is written as it is, so that there is room again, or others can go on from here.
        let stats = self.context.bus.stats();
        let ended = if stats.full || stats.sealed {
            self.lines()
        } else {
            self.archive.due()
        };
        for line in ended {
            self.write(line, stop).await?;
        }
        if self.archive.publish_due() {
            match self.archive.publish() {
                Ok(_) => self.context.health.well(ARCHIVE),
                Err(error) => self.complain(&error),
            }
        }
        self.commit().await
    }

    /// Puts the judge's memory beside the records once a day of the log, so that an exact replay can begin there (D11).
    /// There is none where the judge runs on another machine. Its batch is written at once: the memory of ten thousand
    /// outlets is tens of megabytes, not to be held until the batch would end by itself.
    async fn keep_checkpoints(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let Some(today) = self.archive.clock().map(Time::beijing_day) else {
            return Ok(());
        };
        for partition in 0..self.context.bus.partitions() {
            if self.checkpointed.get(&partition) == Some(&today) {
                continue;
            }
            let path = checkpoint::path(&self.context.data_dir, partition);
            let Some((offset, state)) = tokio::task::spawn_blocking(move || checkpoint::load(&path)).await?? else {
                continue;
            };
            match self.archive.checkpoint(partition, offset, &state) {
                Ok(false) => continue,
                Ok(true) => {
                    self.write(at(Topic::Reports, partition), stop).await?;
                }
                Err(error) => tracing::warn!(partition, %error, "the judge's memory is not archived: {}", error.hint()),
            }
            self.checkpointed.insert(partition, today);
        }
        Ok(())
    }

    /// Writes what waits, ended or not.
    async fn write_all(&mut self, stop: &Stop) -> anyhow::Result<()> {
        for line in self.lines() {
            self.write(line, stop).await?;
        }
        self.commit().await
    }

    /// Takes a record; false when told to stop before the disk let it.
    async fn take(&mut self, record: &Record, stop: &Stop) -> anyhow::Result<bool> {
        while self.archive.push(record)? == Pushed::Full {
            if !self.write(record.from, stop).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a batch and commits it; false when told to stop before the disk let it.
    async fn write(&mut self, line: TopicPartition, stop: &Stop) -> anyhow::Result<bool> {
        loop {
            match self.archive.write(line) {
                Ok(written) => {
                    self.context.health.well(ARCHIVE);
                    if written.is_some() {
                        self.commit().await?;
                    }
                    return Ok(true);
                }
                // Only opening it again mends that.
                Err(error @ ArchiveError::Stopped { .. }) => return Err(error.into()),
                Err(error) => self.complain(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = stop.clone().wait() => return Ok(false),
            }
        }
    }

    /// Commits what the files say, where the log does not say so yet: a crash may have come between files and commit. A
    /// log without room for that is told at a later turn.
    async fn commit(&self) -> anyhow::Result<()> {
        let bus = &self.context.bus;
        let mut commits = Vec::new();
        for done in self.archive.positions() {
            if !self.next.contains_key(&done.at) {
                // Another process's now.
                continue;
            }
            let committed = bus.committed(consumer(ARCHIVE)?, done.at).await?;
            let ahead = bus.is_shared() && committed > Some(done.next);
            if committed != Some(done.next) && !ahead {
                commits.push((done.at, done.next));
            }
        }
        match bus.commit(consumer(ARCHIVE)?, commits).await {
            Ok(()) => Ok(()),
            Err(error @ BusError::DiskFull { .. }) => {
                let sentence = format!("cannot tell the log what is archived: {error} ({})", error.hint());
                tracing::error!("archive {sentence}");
                self.context.health.complain(ARCHIVE, sentence);
                Ok(())
            }
            Err(error) => Err(error).context("commit what is archived"),
        }
    }

    fn complain(&self, error: &ArchiveError) {
        let sentence = format!(
            "cannot write and tries again, the log keeps everything meanwhile: {error} ({})",
            error.hint()
        );
        tracing::error!("archive {sentence}");
        self.context.health.complain(ARCHIVE, sentence);
    }
}
