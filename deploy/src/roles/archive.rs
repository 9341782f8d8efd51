//! The archive's loop: records of all topics into batches, files first, offset after (D15).
//!
//! It runs on a thread of its own, because Parquet is computed and written there; a disk that refuses is tried
//! again, and
//! meanwhile the log keeps what is not archived yet (D6).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use plume_archive::{Archive, ArchiveConfig, ArchiveError, Committable, Pushed, Signals};
use plume_bus::fs::RealFs;
use plume_bus::{Record, Topic, TopicPartition};
use tokio::runtime::Handle;

use super::stop::Stop;
use super::{ARCHIVE, ARCHIVED, Context, READ_LIMIT, at, consumer};

/// Pause before a refused write is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Archives until told to stop, then writes what waits.
pub(crate) async fn run(context: Context, config: ArchiveConfig, stop: Stop) -> anyhow::Result<()> {
    let signals = Signals::new(&context.metrics)?;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let root = context.archive_root.clone();
        let archive = Archive::open(&root, config, Arc::new(RealFs), signals)
            .with_context(|| format!("open the archive {}", root.display()))?;
        runtime.block_on(
            Archiver {
                context,
                archive,
                next: BTreeMap::new(),
            }
            .work(stop),
        )
    })
    .await?
}

/// Where the archive lies.
pub(crate) fn root(data_dir: &std::path::Path, config: &ArchiveConfig) -> PathBuf {
    data_dir.join(&config.dir)
}

struct Archiver {
    context: Context,
    archive: Archive,
    next: BTreeMap<TopicPartition, u64>,
}

impl Archiver {
    async fn work(mut self, stop: Stop) -> anyhow::Result<()> {
        // What the files say counts: a crash may have come between files and commit.
        self.commit(self.archive.positions()).await?;
        for line in self.lines() {
            let retained = self.context.bus.range(line).await?;
            let next = self.archive.next_offset(line).unwrap_or(retained.start);
            self.next.insert(line, next.max(retained.start));
        }
        let clock_line = at(Topic::Reports, 0);
        while !stop.told() {
            // Ticks come into every partition every few seconds: whatever else waits is found when one arrives.
            let next = self.next.get(&clock_line).copied().unwrap_or(0);
            tokio::select! {
                () = self.context.bus.wait(clock_line, next) => {}
                () = stop.clone().wait() => break,
            }
            self.turn(&stop).await?;
        }
        self.turn(&stop).await?;
        let committable = self.archive.flush()?;
        self.commit(committable).await
    }

    fn lines(&self) -> Vec<TopicPartition> {
        let partitions = 0..self.context.bus.partitions();
        partitions
            .flat_map(|partition| ARCHIVED.map(|topic| at(topic, partition)))
            .collect()
    }

    /// Takes what every line has, and writes the batches that end.
    async fn turn(&mut self, stop: &Stop) -> anyhow::Result<()> {
        for line in self.lines() {
            loop {
                let next = self.next.get(&line).copied().unwrap_or(0);
                let records = self.context.bus.read(line, next, READ_LIMIT).await?;
                if records.is_empty() {
                    break;
                }
                for record in &records {
                    self.take(record, stop).await?;
                    self.next.insert(line, record.offset + 1);
                }
            }
        }
        for line in self.archive.due() {
            self.write(line, stop).await?;
        }
        if self.archive.publish_due() {
            match self.archive.publish() {
                Ok(_) => self.context.health.well(ARCHIVE),
                Err(error) => self.complain(&error),
            }
        }
        Ok(())
    }

    async fn take(&mut self, record: &Record, stop: &Stop) -> anyhow::Result<()> {
        while self.archive.push(record)? == Pushed::Full {
            if !self.write(record.from, stop).await? {
                break;
            }
        }
        Ok(())
    }

    /// Writes a batch and commits it; false when told to stop before the disk let it.
    async fn write(&mut self, line: TopicPartition, stop: &Stop) -> anyhow::Result<bool> {
        loop {
            match self.archive.write(line) {
                Ok(written) => {
                    self.context.health.well(ARCHIVE);
                    self.commit(written.into_iter().collect()).await?;
                    return Ok(true);
                }
                Err(error) => self.complain(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = stop.clone().wait() => return Ok(false),
            }
        }
    }

    async fn commit(&self, done: Vec<Committable>) -> anyhow::Result<()> {
        if done.is_empty() {
            return Ok(());
        }
        let commits = done.into_iter().map(|done| (done.at, done.next)).collect();
        self.context
            .bus
            .commit(consumer(ARCHIVE)?, commits)
            .await
            .context("commit what is archived")
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
