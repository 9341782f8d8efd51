//! The carrier over Apache Kafka: librdkafka does the protocol, the brokers keep the records, this maps the contract.
//!
//! | the contract | here |
//! |---|---|
//! | `append` | an idempotent producer, `acks=all`: offsets come back when all in-sync replicas have the records |
//! | `transact` | a transaction of the line's own producer: outputs and the group's offsets, or neither |
//! | `read` | committed records only; offsets that hold a transaction's marker or an aborted record are passed over |
//! | `commit`, `committed` | offsets of the consumer group `PREFIX.CONSUMER` |
//!
//! Two things are the brokers' and not plume's: room (topics expire by age, `plume bus init` sets it), and whether an
//! `append` that failed left nothing. What is refused beforehand leaves nothing; what the brokers did not confirm may
//! be in, and comes again as a repeat (D5).

mod client;
mod generation;
mod group;
mod grow;
mod known;
mod read;
mod state;
mod topics;
mod write;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;

pub use generation::Generation;
pub use grow::HEARD_WITHIN;
pub use topics::{AGE_STEPS, Ends, KafkaTopics, TopicAdmin};

use self::client::{ASK_LIMIT, blocking, failed};
use self::group::Groups;
use self::known::Known;
use self::read::Reader;
use self::write::Writer;
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::ledger::Batch;
use crate::membership::Membership;
use crate::options::{BusOptions, ClockKind};
use crate::record::{ConsumerId, ReadLimit, Record, Topic, TopicPartition};
use crate::stats::BusStats;

/// What every handle of a process shares.
#[derive(Debug)]
struct Shared {
    url: KafkaUrl,
    partitions: u32,
    writer: Writer,
    groups: Groups,
    known: Arc<Known>,
    closed: Arc<AtomicBool>,
    /// Where the last state of each consumer and line was kept.
    slots: Mutex<BTreeMap<(ConsumerId, TopicPartition), u8>>,
}

/// A handle with its own place in every line.
#[derive(Debug)]
pub(crate) struct Kafka {
    shared: Arc<Shared>,
    reader: Reader,
}

impl Kafka {
    /// Connects and checks that the topics are there as they should be.
    pub(crate) async fn open(url: &KafkaUrl, options: &BusOptions) -> Result<Self, BusError> {
        if options.clock == ClockKind::Virtual {
            return Err(BusError::Option {
                option: "url",
                value: url.to_string(),
                expected: "`file:` or `memory:` for a demo or simulation; devices on Kafka are real".into(),
            });
        }
        let (asked, configured) = (url.clone(), options.partitions);
        let (url, partitions) = blocking(move || {
            let (url, standing) = generation::settle(&asked)?;
            let partitions = standing.generation.partitions.unwrap_or(configured);
            if partitions != configured {
                tracing::warn!(
                    partitions,
                    configured,
                    "the topics have grown; set `partitions` to what they have now"
                );
            }
            check(&url, partitions).map(|()| (url, partitions))
        })
        .await?;
        let (known, closed) = (Arc::new(Known::default()), Arc::new(AtomicBool::new(false)));
        let shared = Arc::new(Shared {
            partitions,
            writer: Writer::new(url.clone())?,
            groups: Groups::new(url.clone(), Arc::clone(&closed)),
            known,
            closed,
            slots: Mutex::default(),
            url,
        });
        Ok(Self::handle(shared))
    }

    fn handle(shared: Arc<Shared>) -> Self {
        let reader = Reader::new(
            shared.url.clone(),
            Arc::clone(&shared.known),
            Arc::clone(&shared.closed),
        );
        Self { shared, reader }
    }

    /// Another handle, which reads at its own places.
    pub(crate) fn reader(&self) -> Self {
        Self::handle(Arc::clone(&self.shared))
    }

    pub(crate) fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    /// The generation whose topics these are.
    pub(crate) fn generation(&self) -> Generation {
        client::generation(&self.shared.url)
    }

    /// Resolves once another generation is in use.
    pub(crate) async fn moved(&self) -> BusError {
        let (own, mut seen) = (self.generation(), 0);
        loop {
            tokio::time::sleep(generation::LOOK_EVERY).await;
            let found = self.reader.generation_since(&mut seen).await;
            match found {
                Ok(Some(standing)) if standing.generation.number != own.number => {
                    let now = standing.generation.number;
                    return BusError::Moved { own: own.number, now };
                }
                Ok(Some(standing)) => self.shared.known.moving(standing.moving),
                Ok(None) => {}
                // Brokers that are away are told of by those who wait for them.
                Err(error) => tracing::debug!(%error, "which generation is in use is not known"),
            }
        }
    }

    fn check(&self, at: TopicPartition) -> Result<(), BusError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(BusError::Closed);
        }
        if at.partition >= self.shared.partitions {
            return Err(BusError::UnknownPartition {
                topic: at.topic,
                partition: at.partition,
                partitions: self.shared.partitions,
            });
        }
        Ok(())
    }

    pub(crate) async fn write(&self, batch: Batch) -> Result<Vec<u64>, BusError> {
        batch.check_sizes()?;
        for record in batch.records.iter() {
            self.check(record.to)?;
        }
        let bytes = batch.data_bytes() as u64;
        let Shared {
            writer, groups, known, ..
        } = &*self.shared;
        let offsets = match &batch.commits {
            // Refused whole: of what the brokers refuse, other lines may have taken a part, which would come again.
            None if known.is_moving() && is_reported(&batch) => {
                let at = batch.records.first().map(|record| record.to);
                return Err(at.map_or(BusError::Closed, |at| BusError::Sealed { at }));
            }
            None => writer.append(&batch.records).await?,
            Some((consumer, commits)) => {
                for &(at, offset) in commits {
                    self.check(at)?;
                    self.check_commit(at, offset, &batch).await?;
                }
                let offsets = if batch.records.is_empty() {
                    groups.commit(consumer, commits).await?;
                    Vec::new()
                } else {
                    writer.transact(groups, consumer, &batch.records, commits).await?
                };
                known.committed(consumer, commits);
                offsets
            }
        };
        let written: Vec<_> = batch
            .records
            .iter()
            .map(|record| record.to)
            .zip(offsets.iter().copied())
            .collect();
        known.written(&written, bytes);
        Ok(offsets)
    }

    /// A commit beyond the end means that another log's offset got here.
    async fn check_commit(&self, at: TopicPartition, offset: u64, batch: &Batch) -> Result<(), BusError> {
        if offset <= self.shared.known.end(at) {
            return Ok(());
        }
        let outputs = batch.records.iter().filter(|record| record.to == at).count() as u64;
        let next = self.reader.range(at).await?.end + outputs;
        if offset > next {
            return Err(BusError::BeyondEnd { at, offset, next });
        }
        Ok(())
    }

    pub(crate) async fn claim(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<(), BusError> {
        self.check(at)?;
        self.shared.writer.claim(consumer, at).await
    }

    pub(crate) async fn keep(
        &self,
        consumer: &ConsumerId,
        at: TopicPartition,
        offset: u64,
        state: &[u8],
    ) -> Result<(), BusError> {
        self.check(at)?;
        let Shared { writer, url, slots, .. } = &*self.shared;
        let place = (consumer.clone(), at);
        let last = slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&place)
            .copied();
        let slot = state::keep(writer.producer(), url, (consumer, at), last, (offset, state)).await?;
        slots.lock().unwrap_or_else(PoisonError::into_inner).insert(place, slot);
        Ok(())
    }

    pub(crate) async fn kept(
        &self,
        consumer: &ConsumerId,
        at: TopicPartition,
    ) -> Result<Option<(u64, Bytes)>, BusError> {
        self.check(at)?;
        let (url, asker) = (self.shared.url.clone(), consumer.clone());
        let Some(kept) = blocking(move || state::kept(&url, &asker, at)).await? else {
            return Ok(None);
        };
        let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.insert((consumer.clone(), at), kept.slot);
        Ok(Some((kept.offset, kept.value)))
    }

    pub(crate) async fn join(&self, consumer: &ConsumerId, topic: Topic) -> Result<Membership, BusError> {
        let (sender, changes) = mpsc::unbounded_channel();
        self.shared.groups.join(consumer, topic, sender).await?;
        Ok(Membership::of(changes))
    }

    pub(crate) async fn committed(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        self.check(at)?;
        self.shared.groups.committed(consumer, at).await
    }

    pub(crate) async fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        self.check(at)?;
        self.reader.range(at).await
    }

    pub(crate) async fn read(
        &self,
        at: TopicPartition,
        offset: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, BusError> {
        self.check(at)?;
        self.reader.read(at, offset, limit).await
    }

    pub(crate) async fn wait(&self, at: TopicPartition, offset: u64) {
        if self.check(at).is_ok() {
            self.reader.wait(at, offset).await;
        }
    }

    pub(crate) fn stats(&self) -> BusStats {
        self.shared.known.stats()
    }

    pub(crate) async fn close(&self) -> Result<(), BusError> {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.reader.wake_all();
        let flushed = self.shared.writer.flush().await;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            shared.writer.clear();
            shared.groups.clear();
            Ok(())
        })
        .await?;
        flushed
    }
}

/// True of what devices say.
fn is_reported(batch: &Batch) -> bool {
    batch.records.iter().any(|record| record.to.topic == Topic::Reports)
}

/// Refuses topics that are missing or have another number of partitions.
fn check(url: &KafkaUrl, partitions: u32) -> Result<(), BusError> {
    let asked: BaseConsumer = client::admin(url)
        .create()
        .map_err(failed("make a client for", url.brokers.clone()))?;
    let mut problems = Vec::new();
    for (name, wanted) in topics::names(url, partitions) {
        let found = asked
            .fetch_metadata(Some(&name), ASK_LIMIT)
            .map_err(failed("ask", url.brokers.clone()))?;
        let count = found.topics().first().map_or(0, |topic| topic.partitions().len());
        if count == 0 {
            problems.push(format!("`{name}` is missing"));
        } else if !wanted.contains(&count) {
            let configured = wanted.start();
            problems.push(format!("`{name}` has {count} partitions, configured are {configured}"));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(BusError::Topics { problems })
    }
}
