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
