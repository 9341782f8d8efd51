//! Consumer groups: whose offsets they are, and who of several processes works on which partition.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::client::{ASK_LIMIT, bounded, consumer as options, failed, from_brokers, group_name, patiently};
use super::client::{to_brokers, topic_name};
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::membership::{Change, Released};
use crate::record::{ConsumerId, Topic, TopicPartition};

/// How often a member is served: heartbeats have their own thread, rebalances wait for this.
const SERVE: Duration = Duration::from_millis(50);

type Changes = mpsc::UnboundedSender<Change>;

/// What happens in a group, told to whoever joined.
pub(super) struct Told {
    changes: Mutex<Option<Changes>>,
    closed: Arc<AtomicBool>,
}

impl Told {
    fn tell(&self, change: Change) -> bool {
        let told = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        told.as_ref().is_some_and(|changes| changes.send(change).is_ok())
    }
}

impl ClientContext for Told {}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let (released, heard) = Released::pair();
            // Who closes the bus has let go of everything before.
            let told = list.count() > 0 && self.tell(Change::Revoked(partitions(list), released));
            if told && !self.closed.load(Ordering::Acquire) {
                heard.wait();
            }
        }
    }

    fn post_rebalance(&self, member: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            // Records are read through the handle's own reader, from the offset the role names.
            if let Err(error) = member.pause(list) {
                tracing::warn!(%error, "a new partition could not be paused");
            }
            if list.count() > 0 {
                self.tell(Change::Assigned(partitions(list)));
            }
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    let elements = list.elements();
    elements
        .iter()
        .filter_map(|place| u32::try_from(place.partition()).ok())
        .collect()
}

/// One consumer's client.
pub(super) struct Member(BaseConsumer<Told>);

impl Member {
    pub(super) fn client(&self) -> &BaseConsumer<Told> {
        &self.0
    }
}

/// The consumers of this process.
pub(super) struct Groups {
    url: KafkaUrl,
    closed: Arc<AtomicBool>,
    members: Mutex<BTreeMap<ConsumerId, Arc<Member>>>,
    serving: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Groups")
    }
}

impl Groups {
    pub(super) fn new(url: KafkaUrl, closed: Arc<AtomicBool>) -> Self {
        Self {
            url,
            closed,
            members: Mutex::default(),
            serving: Mutex::default(),
        }
    }

    /// The client of a consumer, made when it is first needed.
    #[expect(clippy::unused_async, reason = "making a client may come to ask the brokers")]
    pub(super) async fn member(&self, consumer: &ConsumerId) -> Result<Arc<Member>, BusError> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(member) = members.get(consumer) {
            return Ok(Arc::clone(member));
        }
        let group = group_name(&self.url, consumer);
        let made = options(&self.url, &group).create_with_context(Told {
            changes: Mutex::default(),
            closed: Arc::clone(&self.closed),
        });
        let member = Arc::new(Member(made.map_err(failed("make a member of", group))?));
        members.insert(consumer.clone(), Arc::clone(&member));
        Ok(member)
    }

    /// Joins the group of a consumer: changes of what is this process's to work on arrive at `changes`.
    pub(super) async fn join(&self, consumer: &ConsumerId, topic: Topic, changes: Changes) -> Result<(), BusError> {
        let member = self.member(consumer).await?;
        let told = member.client().context();
        *told.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some(changes);
        let group = group_name(&self.url, consumer);
        let subscribed = member.client().subscribe(&[&topic_name(&self.url, topic)]);
        subscribed.map_err(failed("join", group))?;
        let closed = Arc::clone(&self.closed);
        let serving = std::thread::spawn(move || {
            while !closed.load(Ordering::Acquire) {
                if let Some(Err(error)) = member.client().poll(SERVE) {
                    tracing::debug!(%error, "a member of a consumer group");
                }
            }
            // Dropping the last handle leaves the group.
        });
        self.serving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(serving);
        Ok(())
    }

    /// Offsets as the library takes them.
    pub(super) fn list(&self, commits: &[(TopicPartition, u64)]) -> Result<TopicPartitionList, BusError> {
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for &(at, offset) in commits {
            let offset = Offset::Offset(to_brokers(&self.url, at.topic, offset));
            let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
            let placed = list.add_partition_offset(&topic_name(&self.url, at.topic), partition, offset);
            placed.map_err(failed("commit", at.to_string()))?;
        }
        Ok(list)
    }

    pub(super) async fn commit(
        &self,
        consumer: &ConsumerId,
        commits: &[(TopicPartition, u64)],
    ) -> Result<(), BusError> {
        let (member, list) = (self.member(consumer).await?, self.list(commits)?);
        let group = group_name(&self.url, consumer);
        // The library waits for the answer without a limit of its own.
        bounded("commit the offsets of", group.clone(), move || {
            let done = patiently(|| member.client().commit(&list, CommitMode::Sync));
            done.map_err(failed("commit the offsets of", group))
        })
        .await
    }

    pub(super) async fn committed(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        let (member, name) = (self.member(consumer).await?, topic_name(&self.url, at.topic));
        let (group, url) = (group_name(&self.url, consumer), self.url.clone());
        bounded("ask for the offsets of", group.clone(), move || {
            let mut list = TopicPartitionList::new();
            list.add_partition(&name, i32::try_from(at.partition).unwrap_or(i32::MAX));
            let found = patiently(|| member.client().committed_offsets(list.clone(), ASK_LIMIT));
            let found = found.map_err(failed("ask for the offsets of", group))?;
            let offset = found.elements().first().and_then(|place| place.offset().to_raw());
            let offset = offset.filter(|offset| *offset >= 0);
            Ok(offset.map(|offset| from_brokers(&url, at.topic, offset)))
        })
        .await
    }

    /// Leaves every group; blocks until the brokers know.
    pub(super) fn clear(&self) {
        let serving = std::mem::take(&mut *self.serving.lock().unwrap_or_else(PoisonError::into_inner));
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for thread in serving {
            // It ends by itself once the bus is closed; a defect in it has been printed.
            drop(thread.join());
        }
    }
}
