//! The handle every room holds.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::BusError;
use crate::embedded::Embedded;
use crate::findings::Finding;
use crate::fs::{Fs, RealFs};
#[cfg(feature = "kafka")]
use crate::kafka::Kafka;
use crate::ledger::Batch;
use crate::membership::Membership;
use crate::memory::Memory;
use crate::options::{BusOptions, BusUrl, ClockKind, Recovery};
use crate::record::{ConsumerId, NewRecord, ReadLimit, Record, Topic, TopicPartition};
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
    #[cfg(feature = "kafka")]
    Kafka(Arc<Kafka>),
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
            #[cfg(feature = "kafka")]
            BusUrl::Kafka(url) => Ok(Self {
                carrier: Carrier::Kafka(Arc::new(Kafka::open(url, &options).await?)),
            }),
            #[cfg(not(feature = "kafka"))]
            BusUrl::Kafka(url) => Err(BusError::NotBuilt { url: url.to_string() }),
        }
    }

    /// [`Self::open`] of a log that was lost with others still knowing its offsets: where the embedded log is new,
    /// every line begins at `first`, so that no offset is handed out twice. A log that is there stays as it is, and so
    /// does one of another kind. Errors as for [`Self::open`].
    pub async fn open_from(url: &BusUrl, options: BusOptions, first: u64) -> Result<Self, BusError> {
        let BusUrl::File(dir) = url else {
            return Self::open(url, options).await;
        };
        options.check()?;
        let log = Embedded::open(Arc::new(RealFs), dir.clone(), options, first).await?;
        Ok(Self {
            carrier: Carrier::Embedded(Arc::new(log)),
        })
    }

    /// Opens the embedded log in `dir` of another file system: a failing one, a slow one. Errors as for `file:`.
    pub async fn open_with_fs(fs: Arc<dyn Fs>, dir: PathBuf, options: BusOptions) -> Result<Self, BusError> {
        options.check()?;
        Ok(Self {
            carrier: Carrier::Embedded(Arc::new(Embedded::open(fs, dir, options, 0).await?)),
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
            ahead_bytes: 0,
            recovery: Recovery::Refuse,
        };
        Self {
            carrier: Carrier::Memory(Arc::new(Memory::new(options))),
        }
    }

    /// A handle with its own place in every line. Over a network each handle fetches ahead from where its last read
    /// ended, so a role that reads along takes one of its own; elsewhere it is a clone.
    #[must_use]
    pub fn reader(&self) -> Self {
        match &self.carrier {
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => Self {
                carrier: Carrier::Kafka(Arc::new(kafka.reader())),
            },
            _ => self.clone(),
        }
    }

    /// True where several processes share the bus, and nothing may be concluded from what this one does not know.
    pub fn is_shared(&self) -> bool {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => false,
            #[cfg(feature = "kafka")]
            Carrier::Kafka(_) => true,
        }
    }

    /// Lines per topic.
    pub fn partitions(&self) -> u32 {
        match &self.carrier {
            Carrier::Memory(memory) => memory.partitions(),
            Carrier::Embedded(log) => log.partitions(),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.partitions(),
        }
    }

    /// Counts re-partitionings of the log (D7); part of archive names (D15).
    pub fn generation(&self) -> u32 {
        match &self.carrier {
            Carrier::Memory(_) => 1,
            Carrier::Embedded(log) => log.generation(),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.generation().number,
        }
    }

    /// The first offset of reports and of what is judged of them, in this generation; 0 in the first.
    pub fn base(&self) -> u64 {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => 0,
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.generation().base,
        }
    }

    /// What opening found and did; already logged.
    pub fn findings(&self) -> &[Finding] {
        match &self.carrier {
            Carrier::Memory(_) => &[],
            Carrier::Embedded(log) => log.findings(),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(_) => &[],
        }
    }

    /// Resolves with [`BusError::Stopped`] once the bus takes no more writes, and with [`BusError::Moved`] once its
    /// topics are no longer those in use, so that the process can end and be started again. Never, while all is well.
    pub async fn stopped(&self) -> BusError {
        match &self.carrier {
            Carrier::Memory(_) => std::future::pending().await,
            Carrier::Embedded(log) => log.stopped().await,
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.moved().await,
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
    #[cfg_attr(
        not(feature = "kafka"),
        expect(clippy::unused_async, reason = "a carrier over the network has to ask")
    )]
    pub async fn committed(&self, consumer: ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => memory.committed(&consumer, at),
            Carrier::Embedded(log) => log.committed(&consumer, at),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.committed(&consumer, at).await,
        }
    }

    /// First retained offset to next offset.
    ///
    /// Errors: [`BusError::UnknownPartition`], [`BusError::Closed`].
    #[cfg_attr(
        not(feature = "kafka"),
        expect(clippy::unused_async, reason = "a carrier over the network has to ask")
    )]
    pub async fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        match &self.carrier {
            Carrier::Memory(memory) => memory.range(at),
            Carrier::Embedded(log) => log.range(at),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.range(at).await,
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
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.read(at, offset, limit).await,
        }
    }

    /// Resolves once `offset` can be read; also when the bus closes or the line does not exist, so that the `read` that
    /// follows says so.
    pub async fn wait(&self, at: TopicPartition, offset: u64) {
        match &self.carrier {
            Carrier::Memory(memory) => memory.wait(at, offset).await,
            Carrier::Embedded(log) => log.wait(at, offset).await,
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.wait(at, offset).await,
        }
    }

    /// Counts and positions of the moment. Never blocks on the disk.
    pub fn stats(&self) -> BusStats {
        match &self.carrier {
            Carrier::Memory(memory) => memory.stats(),
            Carrier::Embedded(log) => log.stats(),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.stats(),
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
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.close().await,
        }
    }

    async fn write(&self, batch: Batch) -> Result<Vec<u64>, BusError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match &self.carrier {
            Carrier::Memory(memory) => memory.write(batch),
            Carrier::Embedded(log) => log.write(batch).await,
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.write(batch).await,
        }
    }
}

/// Work that several processes share, and what is kept beside a log that none of them has on its own disk.
#[cfg_attr(
    not(feature = "kafka"),
    expect(
        clippy::unused_async,
        unused_variables,
        reason = "a carrier over the network has to ask"
    )
)]
impl Bus {
    /// Takes a share of `consumer`'s work on `topic`: which partitions, and when they are taken away.
    ///
    /// Errors: [`BusError::Broker`].
    pub async fn join(&self, consumer: ConsumerId, topic: Topic) -> Result<Membership, BusError> {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => Ok(Membership::alone(self.partitions())),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.join(&consumer, topic).await,
        }
    }

    /// Makes this process the one that transacts for `consumer` on a line: what a predecessor had begun ends, and it is
    /// refused from now on. What [`Self::committed`] says afterwards is final. Nothing to do where one process has the
    /// bus for itself.
    ///
    /// Errors: [`BusError::UnknownPartition`], [`BusError::Broker`], [`BusError::Closed`].
    pub async fn claim(&self, consumer: ConsumerId, at: TopicPartition) -> Result<(), BusError> {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => Ok(()),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.claim(&consumer, at).await,
        }
    }

    /// Keeps what `consumer` remembers of a line, with the offset it stands at, beside the log; replaces what was kept
    /// before. False where the carrier keeps nothing: then the process has a directory of its own for that.
    ///
    /// Errors: [`BusError::UnknownPartition`], [`BusError::Broker`], [`BusError::Closed`].
    pub async fn keep(
        &self,
        consumer: ConsumerId,
        at: TopicPartition,
        offset: u64,
        state: &[u8],
    ) -> Result<bool, BusError> {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => Ok(false),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.keep(&consumer, at, offset, state).await.map(|()| true),
        }
    }

    /// What [`Self::keep`] kept last, with its offset; `None` where nothing whole is there.
    ///
    /// Errors: as [`Self::keep`].
    pub async fn kept(&self, consumer: ConsumerId, at: TopicPartition) -> Result<Option<(u64, Bytes)>, BusError> {
        match &self.carrier {
            Carrier::Memory(_) | Carrier::Embedded(_) => Ok(None),
            #[cfg(feature = "kafka")]
            Carrier::Kafka(kafka) => kafka.kept(&consumer, at).await,
        }
    }
}
