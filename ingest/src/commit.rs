//! Group commit of the room: what all links have to make durable goes to the bus in groups.
//!
//! Alone, each packet would wake the log's thread and be woken by it. Here a link leaves its records and sleeps. The
//! committer runs when the links that had something to read have run; it takes what they left, hands it over as one
//! append, and when that is durable wakes the links one after the other, so that their answers leave together. While a
//! group is on its way to the disk, whatever comes waits for the next, so groups are as large as the disk is slow. A
//! link has one order at a time, so its packets keep their order.
//!
//! Devices that wait for each answer would so fall into two halves that take turns, and each would wait for two syncs.
//! So after a large group the next one waits for those who were just answered, for half a sync at most ([`Patience`];
//! PostgreSQL's `commit_delay`, which its manual sets to that half). Nobody waits where there are few, where a sync is
//! fast, or where waiting brought nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plume_bus::NewRecord;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::config::IngestConfig;
use crate::signals::Signals;
use crate::store::{Appended, Store, append};

/// Payload bytes in one group: well under the bus's own limit of 16 MiB for a batch.
pub(crate) const MAX_GROUP_BYTES: usize = 4 << 20;
/// Records in one group: half of the bus's own limit, as an order of one link may go over the half.
const MAX_GROUP_RECORDS: usize = plume_bus::MAX_BATCH_RECORDS / 2;

/// Links of the last group and of the queue from which on the next group waits for more: fewer are soon woken.
const LEAST_BUSY_LINKS: usize = 16;
/// A faster sync is not worth waiting for: the runtime's timer counts milliseconds, and waiting from 0.2 ms on made
/// nothing faster where a sync takes 0.35 ms.
const LEAST_SLOW: Duration = Duration::from_millis(2);
/// Longest wait of a group, however slow the disk is: no device notices it.
const MOST_PATIENCE: Duration = Duration::from_millis(5);
/// Groups that do not wait after one that waited for nobody: devices that send once a minute are not waited for.
const HURRIED_GROUPS: u32 = 64;

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
    queue: Mutex<Queue>,
    /// There is an order.
    work: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    orders: Vec<Order>,
    /// How many the committer waits for, if it does, and how it is told.
    awaited: Option<(usize, oneshot::Sender<()>)>,
}

impl Commits {
    /// Leaves records, which stay together and in order.
    pub(crate) fn order(&self, records: Vec<NewRecord>) -> Done {
        let (done, ended) = oneshot::channel();
        let bytes = records.iter().map(|record| record.payload.len()).sum();
        let mut queue = self.lock();
        queue.orders.push(Order { records, bytes, done });
        let count = queue.orders.len();
        let full = queue.awaited.take_if(|(awaited, _)| *awaited <= count);
        drop(queue);
        // Whoever left the first has called already.
        if count == 1 {
            self.work.notify_one();
        }
        if let Some((_, full)) = full {
            // A committer whose patience has ended does not mind.
            let _gone = full.send(());
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until as many as `answered` have come to those who are there, or `patience` ends. Gives how many came.
    async fn gather(&self, answered: usize, patience: Duration) -> usize {
        let (full, all_there) = oneshot::channel();
        let before = {
            let mut queue = self.lock();
            let before = queue.orders.len();
            queue.awaited = Some((before + answered, full));
            before
        };
        // How it ended is seen by who is there.
        let _ended = timeout(patience, all_there).await;
        let mut queue = self.lock();
        queue.awaited = None;
        queue.orders.len().saturating_sub(before)
    }

    /// Takes what goes together, oldest first; empty where nothing lies there.
    fn take(&self) -> Vec<Order> {
        let queue = &mut self.lock().orders;
        let (mut bytes, mut records) = (0, 0);
        let mut fits = |order: &Order| {
            let first = records == 0;
            bytes += order.bytes;
            records += order.records.len();
            first || (bytes <= MAX_GROUP_BYTES && records <= MAX_GROUP_RECORDS)
        };
        let count = queue.iter().take_while(|order| fits(order)).count();
        if count == queue.len() {
            return std::mem::take(queue);
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
    /// Runs until dropped.
    pub(crate) async fn run(self) {
        let most = self.store.groups_at_once();
        let committer = Arc::new(self);
        let mut groups = JoinSet::new();
        let mut patience = Patience::default();
        loop {
            tokio::select! {
                () = committer.commits.work.notified(), if groups.len() < most => {
                    // The links that have something to read go first, so that one group has it all.
                    tokio::task::yield_now().await;
                    groups.spawn(Arc::clone(&committer).carry_out(committer.commits.take()));
                }
                Some(group) = groups.join_next() => {
                    if most == 1 && let Ok(group) = group {
                        patience.spend(&committer.commits, group).await;
                    }
                }
            }
        }
    }

    /// Gives the number of orders, and how long they took.
    async fn carry_out(self: Arc<Self>, orders: Vec<Order>) -> (usize, Duration) {
        let (began, count) = (Instant::now(), orders.len());
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
            return (count, began.elapsed());
        }
        // One order that the bus will never take does not take the others with it.
        let mut rest = together.iter().cloned();
        for (count, done) in links {
            let records = Arc::new(rest.by_ref().take(count).collect());
            tell(done, self.append(&records).await);
        }
        (count, began.elapsed())
    }

    async fn append(&self, records: &Arc<Vec<NewRecord>>) -> Appended {
        append(&self.store, records, &self.config, &self.signals, self.stop.clone()).await
    }
}

/// Whether the next group waits for the links of the last.
#[derive(Debug, Default)]
struct Patience {
    /// Groups to come that do not wait.
    hurried: u32,
}

impl Patience {
    /// Waits, where it is worth it, for the links of a group of `count` orders that took so long.
    async fn spend(&mut self, commits: &Commits, (count, took): (usize, Duration)) {
        let busy = count + commits.lock().orders.len() >= LEAST_BUSY_LINKS;
        if !busy || took < LEAST_SLOW {
            return;
        }
        if self.hurried > 0 {
            self.hurried -= 1;
            return;
        }
        let came = commits.gather(count, (took / 2).min(MOST_PATIENCE)).await;
        if came * 2 < count {
            self.hurried = HURRIED_GROUPS;
        }
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

    #[tokio::test]
    async fn a_group_waits_for_as_many_as_were_answered() {
        let commits = Arc::new(Commits::default());
        let _before = commits.order(vec![record("a", 1)]);
        let gathering = tokio::spawn({
            let commits = Arc::clone(&commits);
            async move { commits.gather(2, Duration::from_hours(1)).await }
        });
        while commits.lock().awaited.is_none() {
            tokio::task::yield_now().await;
        }
        let _first = commits.order(vec![record("b", 1)]);
        tokio::task::yield_now().await;
        assert!(!gathering.is_finished(), "one of two is there");
        let _second = commits.order(vec![record("c", 1)]);
        assert_eq!(gathering.await.unwrap(), 2);
        assert_eq!(commits.take().len(), 3);
        assert_eq!(commits.gather(1, Duration::ZERO).await, 0, "patience ends");
        let _later = commits.order(vec![record("d", 1)]);
        assert_eq!(commits.take().len(), 1, "and nobody is told of what comes then");
    }

    #[tokio::test]
    async fn nobody_waits_for_few_for_a_fast_disk_or_in_vain() {
        let (commits, slow) = (Commits::default(), Duration::from_hours(1));
        let mut patience = Patience::default();
        patience.spend(&commits, (LEAST_BUSY_LINKS - 1, slow)).await;
        patience.spend(&commits, (LEAST_BUSY_LINKS, LEAST_SLOW / 2)).await;
        assert_eq!(patience.hurried, 0, "neither waited");
        // However slow the disk is, the wait is short; nobody comes, so the next groups do not wait.
        patience.spend(&commits, (LEAST_BUSY_LINKS, slow)).await;
        assert_eq!(patience.hurried, HURRIED_GROUPS);
        for left in (0..HURRIED_GROUPS).rev() {
            patience.spend(&commits, (LEAST_BUSY_LINKS, slow)).await;
            assert_eq!(patience.hurried, left);
        }
        let came: Vec<Done> = (0..LEAST_BUSY_LINKS)
            .map(|_| commits.order(vec![record("a", 1)]))
            .collect();
        patience.spend(&commits, (1, slow)).await;
        assert_eq!((patience.hurried, came.len()), (HURRIED_GROUPS, LEAST_BUSY_LINKS));
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
