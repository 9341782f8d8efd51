//! The handle every room holds.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::BusError;
use crate::embedded::Embedded;
use crate::findings::Finding;
use crate::fs::{Fs, RealFs};
use crate::ledger::Batch;
use crate::memory::Memory;
use crate::options::{BusOptions, BusUrl, ClockKind, Recovery};
use crate::record::{ConsumerId, NewRecord, ReadLimit, Record, TopicPartition};
use crate::stats::BusStats;

/// A handle on the bus; clones share one carrier.
#[derive(Clone, Debug)]
pub struct Bus {
    carrier: Carrier,
}

#[derive(Clone, Debug)]
enum Carrier {
    Memory(Arc<Memory>),
    Embedded(Arc<Embedded>),
}

impl Bus {
    /// Opens the carrier of `url`. Within a tokio runtime.
    ///
    /// Errors: [`BusError::Option`], and for `file:` [`BusError::Locked`], [`BusError::ClockMismatch`],
    /// [`BusError::PartitionsMismatch`], [`BusError::Version`], [`BusError::Damaged`], [`BusError::Unrepairable`],
    /// [`BusError::Io`].
    pub async fn open(url: &BusUrl, options: BusOptions) -> Result<Self, BusError> {
        options.check()?;
        match url {
            BusUrl::Memory => Ok(Self {
                carrier: Carrier::Memory(Arc::new(Memory::new(options))),
            }),
            BusUrl::File(dir) => Self::open_with_fs(Arc::new(RealFs), dir.clone(), options).await,
            BusUrl::Kafka(url) => Err(BusError::NotBuilt { url: url.clone() }),
        }
    }

    /// Opens the embedded log in `dir` of another file system: a failing one, a slow one. Errors as for `file:`.
    pub async fn open_with_fs(fs: Arc<dyn Fs>, dir: PathBuf, options: BusOptions) -> Result<Self, BusError> {
        options.check()?;
        Ok(Self {
            carrier: Carrier::Embedded(Arc::new(Embedded::open(fs, dir, options).await?)),
        })
    }

    /// A bus in memory that keeps everything: up to 1 GiB, nobody pins, virtual clock. `partitions` 1 to 256, clamped.
    pub fn memory(partitions: u32) -> Self {
        let options = BusOptions {
            partitions: partitions.clamp(1, crate::options::MAX_PARTITIONS),
            clock: ClockKind::Virtual,
            segment_bytes: 64 << 20,
            keep_bytes: 7 << 27,
            max_bytes: 1 << 30,
            pinning: Vec::new(),
            recovery: Recovery::Refuse,
        };
        Self {
            carrier: Carrier::Memory(Arc::new(Memory::new(options))),
        }
    }

    /// Lines per topic.
    pub fn partitions(&self) -> u32 {
        match &self.carrier {
            Carrier::Memory(memory) => memory.partitions(),
            Carrier::Embedded(log) => log.partitions(),
        }
    }

    /// Counts re-partitionings of the log (D7); part of archive names (D15).
    pub fn generation(&self) -> u32 {
        match &self.carrier {
            Carrier::Memory(_) => 1,
            Carrier::Embedded(log) => log.generation(),
        }
    }

    /// What opening found and did; already logged.
    pub fn findings(&self) -> &[Finding] {
        match &self.carrier {
            Carrier::Memory(_) => &[],
            Carrier::Embedded(log) => log.findings(),
        }
    }

    /// Resolves with [`BusError::Stopped`] once the bus takes no more writes, so that the process can end and be
    /// started again. Never, while all is well.
    pub async fn stopped(&self) -> BusError {
        match &self.carrier {
            Carrier::Memory(_) => std::future::pending().await,
            Carrier::Embedded(log) => log.stopped().await,
        }
    }

    /// Appends all records or none; returns their offsets, in the order given, once all are durable. An empty vec is a
    /// no-op. A caller that stops waiting does not know whether the records are in.
    ///
    /// Errors: [`BusError::TooLarge`], [`BusError::UnknownPartition`], [`BusError::DiskFull`] (resumes by itself),
    /// [`BusError::WriteFailed`] and [`BusError::Stopped`] (not before it is opened again), [`BusError::Closed`].
    pub async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<u64>, BusError> {
        self.append_shared(Arc::new(records)).await
    }

    /// [`Self::append`] for a caller that keeps the records to try again.
    pub async fn append_shared(&self, records: Arc<Vec<NewRecord>>) -> Result<Vec<u64>, BusError> {
        self.write(Batch::append(records)).await
    }

    /// Appends `outputs` and commits `consumer`'s offsets in one atomic durable write; returns the outputs' offsets.
    ///
    /// Errors: as [`Self::append`], and [`BusError::BeyondEnd`] for a commit beyond the end,
    /// [`BusError::TooManyConsumers`].
    pub async fn transact(
        &self,
        consumer: ConsumerId,
        outputs: Vec<NewRecord>,
        commits: Vec<(TopicPartition, u64)>,
    ) -> Result<Vec<u64>, BusError> {
        self.write(Batch::transact(consumer, outputs, commits)).await
    }

    /// Makes `consumer`'s offsets durable: for each line, the next offset it will read. Going back is allowed.
    ///
    /// Errors: as [`Self::transact`].
    pub async fn commit(&self, consumer: ConsumerId, commits: Vec<(TopicPartition, u64)>) -> Result<(), BusError> {
        self.write(Batch::transact(consumer, Vec::new(), commits))
            .await
            .map(drop)
    }

    /// The next offset `consumer` will read, or `None` if it never committed there.
    ///
    /// Errors: [`BusError::UnknownPartition`], [`BusError::Closed`].
    #[expect(clippy::unused_async, reason = "a carrier over the network has to ask")]
    pub async fn committed(&self, consumer: ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => memory.committed(&consumer, at),
            Carrier::Embedded(log) => log.committed(&consumer, at),
        }
    }

    /// First retained offset to next offset.
    ///
    /// Errors: [`BusError::UnknownPartition`], [`BusError::Closed`].
    #[expect(clippy::unused_async, reason = "a carrier over the network has to ask")]
    pub async fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => memory.range(at),
            Carrier::Embedded(log) => log.range(at),
        }
    }

    /// Durable records from `offset` on, at least one if there is one; empty at the end.
    ///
    /// Offsets rise by one, except across a part that was set aside as damaged ([`Recovery::SetAside`]): reading from
    /// inside such a hole continues after it.
    ///
    /// Errors: [`BusError::Expired`] (names the retained range), [`BusError::BeyondEnd`], [`BusError::Damaged`],
    /// [`BusError::UnknownPartition`], [`BusError::Io`], [`BusError::Closed`].
    pub async fn read(&self, at: TopicPartition, offset: u64, limit: ReadLimit) -> Result<Vec<Record>, BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => memory.read(at, offset, limit),
            Carrier::Embedded(log) => log.read(at, offset, limit).await,
        }
    }

    /// Resolves once `offset` can be read; also when the bus closes or the line does not exist, so that the `read` that
    /// follows says so.
    pub async fn wait(&self, at: TopicPartition, offset: u64) {
        match &self.carrier {
            Carrier::Memory(memory) => memory.wait(at, offset).await,
            Carrier::Embedded(log) => log.wait(at, offset).await,
        }
    }

    /// Counts and positions of the moment. Never blocks on the disk.
    pub fn stats(&self) -> BusStats {
        match &self.carrier {
            Carrier::Memory(memory) => memory.stats(),
            Carrier::Embedded(log) => log.stats(),
        }
    }

    /// Finishes what is queued, marks the log as cleanly closed and frees its directory. Every handle answers
    /// [`BusError::Closed`] from then on; closing again is a no-op.
    ///
    /// Errors: [`BusError::WriteFailed`], [`BusError::Stopped`]: what was acknowledged is durable all the same.
    pub async fn close(&self) -> Result<(), BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => {
                memory.close();
                Ok(())
            }
            Carrier::Embedded(log) => log.close().await,
        }
    }

    async fn write(&self, batch: Batch) -> Result<Vec<u64>, BusError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match &self.carrier {
            Carrier::Memory(memory) => memory.write(batch),
            Carrier::Embedded(log) => log.write(batch).await,
        }
    }
}
