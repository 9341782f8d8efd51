//! Writing: an idempotent producer for appends, and one transactional producer for each line a consumer works on.
//!
//! The transactional id is `PREFIX.CONSUMER.TOPIC-PARTITION`: whoever takes a line over makes the brokers end what its
//! predecessor had begun, and refuse it from then on, whatever the group thinks of the two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::client::transactional;
use super::client::{ASK_LIMIT, blocking, bounded, failed, from_brokers, generation, group_name, producer, topic_name};
use super::group::Groups;
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ConsumerId, NewRecord, TopicPartition};

/// Pause before a record is offered again to a client whose queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);
/// A commit whose answer did not come is asked again so often; asking again is harmless.
const COMMIT_TRIES: u32 = 3;

type TxKey = (ConsumerId, TopicPartition);
type Slot = Arc<tokio::sync::Mutex<Line>>;

/// The producer of a line.
#[derive(Default)]
struct Line {
    producer: Option<FutureProducer>,
    /// Once claimed, a producer that is lost is not made again behind the claimant's back: that would take the line
    /// from whoever has taken it over meanwhile.
    claimed: bool,
}

/// What this process writes with.
pub(super) struct Writer {
    url: KafkaUrl,
    producer: FutureProducer,
    /// Held while a batch is offered, so that its records lie together.
    offering: tokio::sync::Mutex<()>,
    transactional: Mutex<BTreeMap<TxKey, Slot>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub(super) fn new(url: KafkaUrl) -> Result<Self, BusError> {
        let made = producer(&url).create();
        Ok(Self {
            producer: made.map_err(failed("make a producer for", url.brokers.clone()))?,
            url,
            offering: tokio::sync::Mutex::default(),
            transactional: Mutex::default(),
        })
    }

    /// Writes records and returns their offsets once all in-sync replicas have them.
    pub(super) async fn append(&self, records: &[NewRecord]) -> Result<Vec<u64>, BusError> {
        let mut deliveries = Vec::with_capacity(records.len());
        {
            let _offering = self.offering.lock().await;
            for record in records {
                deliveries.push(self.offer(&self.producer, record).await?);
            }
        }
        let mut offsets = Vec::with_capacity(records.len());
        for (record, delivery) in records.iter().zip(deliveries) {
            offsets.push(delivered(&self.url, record, delivery).await?);
        }
        Ok(offsets)
    }

    async fn offer(&self, producer: &FutureProducer, record: &NewRecord) -> Result<DeliveryFuture, BusError> {
        let name = topic_name(&self.url, record.to.topic);
        let mut offered = FutureRecord::to(&name)
            .partition(i32::try_from(record.to.partition).unwrap_or(i32::MAX))
            .key(record.key.as_bytes())
            .payload(&record.payload[..]);
        loop {
            match producer.send_result(offered) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    offered = again;
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
                Err((error, _)) => return Err(failed("write to", record.to.to_string())(error)),
            }
        }
    }

    /// Makes this process the one that transacts for `consumer` on a line: ends what a predecessor had begun and has it
    /// refused from now on. Offsets that are read afterwards are final.
    pub(super) async fn claim(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<(), BusError> {
        let slot = self.slot(consumer, at);
        let mut slot = slot.lock().await;
        *slot = Line {
            producer: None,
            claimed: true,
        };
        slot.producer = Some(self.begin(consumer, at).await?);
        Ok(())
    }

    fn slot(&self, consumer: &ConsumerId, at: TopicPartition) -> Slot {
        let mut all = self.transactional.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((consumer.clone(), at)).or_default())
    }

    async fn begin(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<FutureProducer, BusError> {
        // Of a generation: its predecessor's processes, while they end, do not put it out of work.
        let line = generation(&self.url).name(at.topic);
        let id = format!("{}.{line}-{}", group_name(&self.url, consumer), at.partition);
        let url = self.url.clone();
        bounded("begin to transact as", id.clone(), move || {
            let made: FutureProducer = transactional(&url, &id)
                .create()
                .map_err(failed("make a producer for", url.brokers.clone()))?;
            made.init_transactions(ASK_LIMIT)
                .map_err(failed("begin to transact as", id))?;
            Ok(made)
        })
        .await
    }

    /// Writes outputs and offsets in one transaction.
    pub(super) async fn transact(
        &self,
        groups: &Groups,
        consumer: &ConsumerId,
        outputs: &[NewRecord],
        commits: &[(TopicPartition, u64)],
    ) -> Result<Vec<u64>, BusError> {
        let first = commits
            .first()
            .map(|(at, _)| *at)
            .or(outputs.first().map(|record| record.to));
        let Some(line) = first else { return Ok(Vec::new()) };
        let slot = self.slot(consumer, line);
        let mut slot = slot.lock().await;
        let producer = match slot.producer.take() {
            Some(producer) => producer,
            None if slot.claimed => {
                return Err(BusError::Broker {
                    action: "transact on",
                    place: line.to_string(),
                    reason: "an earlier transaction failed; claim the line again".into(),
                });
            }
            None => self.begin(consumer, line).await?,
        };
        let member = groups.member(consumer).await?;
        let list = groups.list(commits)?;
        producer
            .begin_transaction()
            .map_err(failed("begin a transaction on", line.to_string()))?;
        let written = async {
            let mut deliveries = Vec::with_capacity(outputs.len());
            for record in outputs {
                deliveries.push(self.offer(&producer, record).await?);
            }
            Ok::<_, BusError>(deliveries)
        };
        let deliveries = match written.await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                slot.producer = end(producer).await;
                return Err(error);
            }
        };
        let commit = commit(producer, list, member, consumer.clone(), line);
        let (producer, committed) = bounded("commit a transaction on", line.to_string(), move || Ok(commit())).await?;
        slot.producer = producer;
        committed?;
        let mut offsets = Vec::with_capacity(outputs.len());
        for (record, delivery) in outputs.iter().zip(deliveries) {
            offsets.push(delivered(&self.url, record, delivery).await?);
        }
        Ok(offsets)
    }

    /// The idempotent producer.
    pub(super) fn producer(&self) -> &FutureProducer {
        &self.producer
    }

    /// Sends what is queued; for closing.
    pub(super) async fn flush(&self) -> Result<(), BusError> {
        let producer = self.producer.clone();
        blocking(move || producer.flush(ASK_LIMIT).map_err(failed("flush to", "the brokers"))).await
    }

    /// Lets go of the transactional producers.
    pub(super) fn clear(&self) {
        self.transactional
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

async fn delivered(url: &KafkaUrl, record: &NewRecord, delivery: DeliveryFuture) -> Result<u64, BusError> {
    match delivery.await {
        Ok(Ok(delivery)) => Ok(from_brokers(url, record.to.topic, delivery.offset)),
        // No record that gets here is too large for a topic but one that was sealed.
        Ok(Err((error, _))) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            Err(BusError::Sealed { at: record.to })
        }
        Ok(Err((error, _))) => Err(failed("write to", record.to.to_string())(error)),
        Err(_) => Err(BusError::Closed),
    }
}

/// Offsets into the transaction, and its end. Gives back the producer where it may be used again.
fn commit(
    producer: FutureProducer,
    list: TopicPartitionList,
    member: Arc<super::group::Member>,
    consumer: ConsumerId,
    at: TopicPartition,
) -> impl FnOnce() -> (Option<FutureProducer>, Result<(), BusError>) + Send + 'static {
    move || {
        let done = (|| {
            if list.count() > 0 {
                let group = member.client().group_metadata().ok_or(KafkaError::Canceled)?;
                producer.send_offsets_to_transaction(&list, &group, ASK_LIMIT)?;
            }
            let mut tries = 1;
            loop {
                match producer.commit_transaction(ASK_LIMIT) {
                    Err(KafkaError::Transaction(error)) if error.is_retriable() && tries < COMMIT_TRIES => tries += 1,
                    done => return done,
                }
            }
        })();
        match done {
            Ok(()) => (Some(producer), Ok(())),
            Err(KafkaError::Transaction(error)) if error.is_fatal() => {
                let name = consumer.to_string();
                (
                    None,
                    Err(BusError::Fenced {
                        name,
                        at,
                        reason: error.to_string(),
                    }),
                )
            }
            Err(error) => {
                let kept = producer.abort_transaction(ASK_LIMIT).is_ok().then_some(producer);
                (kept, Err(failed("commit a transaction on", at.to_string())(error)))
            }
        }
    }
}

async fn end(producer: FutureProducer) -> Option<FutureProducer> {
    let aborted = bounded("abort on", "the brokers", move || {
        let done = producer
            .abort_transaction(ASK_LIMIT)
            .map_err(failed("abort on", "the brokers"));
        done.map(|()| producer)
    });
    aborted.await.ok()
}
