//! Group commit of the room: what all links have to make durable goes to the bus in groups.
//!
//! Alone, each packet would wake the log's thread and be woken by it. Here a link leaves its records and sleeps. The
//! committer runs when the links that had something to read have run; it takes what they left, hands it over as one
//! append, and when that is durable wakes the links one after the other, so that their answers leave together. There is
//! no timer, and no group waits for the one before: the log has the next at hand when its disk is ready. A link has one
//! order at a time, so its packets keep their order.

use std::sync::{Arc, Mutex, PoisonError};

use plume_bus::NewRecord;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

use crate::config::IngestConfig;
use crate::signals::Signals;
use crate::store::{Appended, Store, append};

/// Payload bytes in one group: well under the bus's own limit of 16 MiB for a batch.
pub(crate) const MAX_GROUP_BYTES: usize = 4 << 20;
/// Records in one group: half of the bus's own limit, as an order of one link may go over the half.
const MAX_GROUP_RECORDS: usize = plume_bus::MAX_BATCH_RECORDS / 2;

/// Says how an order ended; an error where the room is gone.
pub(crate) type Done = oneshot::Receiver<Appended>;

/// Records of one link, to be made durable together.
#[derive(Debug)]
struct Order {
    records: Vec<NewRecord>,
    bytes: usize,
    done: oneshot::Sender<Appended>,
}

/// Where links leave their records.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    queue: Mutex<Vec<Order>>,
    work: Notify,
}

impl Commits {
    /// Leaves records, which stay together and in order.
    pub(crate) fn order(&self, records: Vec<NewRecord>) -> Done {
        let (done, ended) = oneshot::channel();
        let bytes = records.iter().map(|record| record.payload.len()).sum();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(Order { records, bytes, done });
        drop(queue);
        self.work.notify_one();
        ended
    }

    /// Takes what goes together, oldest first; empty where nothing lies there.
    fn take(&self) -> Vec<Order> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut bytes, mut records) = (0, 0);
        let mut fits = |order: &Order| {
            let first = records == 0;
            bytes += order.bytes;
            records += order.records.len();
            first || (bytes <= MAX_GROUP_BYTES && records <= MAX_GROUP_RECORDS)
        };
        let count = queue.iter().take_while(|order| fits(order)).count();
        if count == queue.len() {
            return std::mem::take(&mut *queue);
        }
        // Somebody has to come for the rest.
        self.work.notify_one();
        queue.drain(..count).collect()
    }
}

/// Brings what lies there to the bus.
#[derive(Clone, Debug)]
pub(crate) struct Committer<S> {
    pub(crate) commits: Arc<Commits>,
    pub(crate) store: S,
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) signals: Signals,
    pub(crate) stop: watch::Receiver<bool>,
}

impl<S: Store> Committer<S> {
    /// Runs until dropped. There are at most as many groups on their way as links.
    pub(crate) async fn run(self) {
        let committer = Arc::new(self);
        let mut groups = JoinSet::new();
        loop {
            let orders = committer.commits.take();
            if !orders.is_empty() {
                groups.spawn(Arc::clone(&committer).carry_out(orders));
            }
            tokio::select! {
                () = committer.commits.work.notified() => {}
                Some(_) = groups.join_next() => {}
            }
        }
    }

    async fn carry_out(self: Arc<Self>, orders: Vec<Order>) {
        let mut together = Vec::with_capacity(orders.iter().map(|order| order.records.len()).sum());
        let mut links = Vec::with_capacity(orders.len());
        for mut order in orders {
            links.push((order.records.len(), order.done));
            together.append(&mut order.records);
        }
        let together = Arc::new(together);
        let appended = self.append(&together).await;
        if appended != Appended::Unstorable || links.len() == 1 {
            for (_, done) in links {
                tell(done, appended);
            }
            return;
        }
        // One order that the bus will never take does not take the others with it.
        let mut rest = together.iter().cloned();
        for (count, done) in links {
            let records = Arc::new(rest.by_ref().take(count).collect());
            tell(done, self.append(&records).await);
        }
    }

    async fn append(&self, records: &Arc<Vec<NewRecord>>) -> Appended {
        append(&self.store, records, &self.config, &self.signals, self.stop.clone()).await
    }
}

/// A link that has gone away does not mind.
fn tell(done: oneshot::Sender<Appended>, appended: Appended) {
    let _gone = done.send(appended);
}

#[cfg(test)]
mod tests {
    use plume_bus::{BusError, Topic, TopicPartition};

    use super::*;
    use crate::config::tests::config;

    fn record(key: &str, bytes: usize) -> NewRecord {
        NewRecord::new(TopicPartition::new(Topic::Reports, 0), key, vec![0; bytes])
    }

    #[test]
    fn a_group_ends_at_its_limits_and_the_rest_comes_next() {
        let commits = Commits::default();
        let orders = [MAX_GROUP_BYTES / 2, MAX_GROUP_BYTES / 2, 1, 2 * MAX_GROUP_BYTES, 1];
        let _done = orders.map(|bytes| commits.order(vec![record("a", bytes)]));
        let groups = std::iter::from_fn(|| Some(commits.take().len()).filter(|&count| count > 0));
        assert_eq!(
            groups.collect::<Vec<_>>(),
            [2, 1, 1, 1],
            "one that is too large goes alone"
        );
        let _done = [MAX_GROUP_RECORDS, 1].map(|count| commits.order(vec![record("a", 1); count]));
        assert_eq!((commits.take().len(), commits.take().len()), (1, 1));
    }

    /// Takes everything but what is called bad.
    #[derive(Clone)]
    struct Picky;

    impl Store for Picky {
        fn partitions(&self) -> u32 {
            1
        }

        async fn append(&self, records: Arc<Vec<NewRecord>>) -> Result<(), BusError> {
            if records.iter().all(|record| record.key != "bad") {
                return Ok(());
            }
            Err(BusError::TooLarge {
                what: "payload in bytes",
                found: 2,
                limit: 1,
            })
        }
    }

    #[tokio::test]
    async fn one_order_that_cannot_be_stored_spares_the_others() {
        let commits = Arc::new(Commits::default());
        let (_stopping, stop) = watch::channel(false);
        let done = ["a", "bad", "b"].map(|key| commits.order(vec![record(key, 1), record("c", 1)]));
        let committer = Committer {
            commits,
            store: Picky,
            config: Arc::new(config()),
            signals: Signals::new(&prometheus::Registry::new()).unwrap(),
            stop,
        };
        let running = tokio::spawn(committer.run());
        let mut ends = Vec::new();
        for done in done {
            ends.push(done.await.unwrap());
        }
        assert_eq!(ends, [Appended::Durable, Appended::Unstorable, Appended::Durable]);
        running.abort();
    }
}
