//! Which partitions this process judges: all on one machine, a share of them in a consumer group on Kafka (D14).
//!
//! A partition that is taken away is let go only when its judge has finished its transaction and written its
//! checkpoint; the next process begins there. One that dies instead is refused from then on: whoever takes its
//! partition over claims the line first.

use std::collections::BTreeMap;
use std::time::Duration;

use plume_bus::{Change, RELEASE_LIMIT, Topic};
use plume_detect::Settings;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::stop::{Stop, Stopper, pair};
use super::{Context, DETECT, consumer, detect, is_refused};

/// At the end of the process nobody waits for its partitions, so its judges may finish what they are at: longer than
/// the longest of what the bus bounds, a transaction and a checkpoint.
const END_LIMIT: Duration = Duration::from_mins(5);

/// Judges this process's share until told to stop.
pub(crate) async fn run(
    context: Context,
    settings: Settings,
    checkpoint_interval: Duration,
    stop: Stop,
) -> anyhow::Result<()> {
    let mut membership = context.bus.join(consumer(DETECT)?, Topic::Reports).await?;
    let mut judges = Judges {
        context,
        settings,
        checkpoint_interval,
        running: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    loop {
        tokio::select! {
            change = membership.next() => match change {
                Some(Change::Assigned(partitions)) => judges.take(&partitions),
                Some(Change::Revoked(partitions, released)) => {
                    judges.let_go(&partitions, RELEASE_LIMIT).await?;
                    drop(released);
                }
                None => break,
            },
            Some(ended) = judges.tasks.join_next_with_id() => {
                if let Some(partition) = judges.ended(ended)? {
                    anyhow::bail!("the judge of partition {partition} ended without being told to");
                }
            }
            () = stop.clone().wait() => break,
        }
    }
    let all: Vec<u32> = judges.running.keys().copied().collect();
    judges.let_go(&all, END_LIMIT).await
}

/// A judge at work.
struct Working {
    stopper: Stopper,
    task: AbortHandle,
}

struct Judges {
    context: Context,
    settings: Settings,
    checkpoint_interval: Duration,
    running: BTreeMap<u32, Working>,
    tasks: JoinSet<(u32, anyhow::Result<()>)>,
}

type Ended = Result<(Id, (u32, anyhow::Result<()>)), JoinError>;

impl Judges {
    fn take(&mut self, partitions: &[u32]) {
        for &partition in partitions {
            let (stopper, stop) = pair();
            let (context, settings) = (self.context.clone(), self.settings.clone());
            let judge = detect::run(context, partition, settings, self.checkpoint_interval, stop);
            let task = self.tasks.spawn(async move { (partition, judge.await) });
            if self.running.insert(partition, Working { stopper, task }).is_some() {
                // The one at work has been told to stop by the loss of its stopper, and what it writes is refused.
                tracing::warn!(partition, "a partition was assigned twice");
            } else {
                self.context.signals.judging(partition);
            }
        }
    }

    /// Hears of a judge's end; gives its partition where the judge was at work on it still.
    fn ended(&self, ended: Ended) -> anyhow::Result<Option<u32>> {
        let (id, (partition, result)) = match ended {
            Ok(ended) => ended,
            // It was not waited for any more.
            Err(error) if error.is_cancelled() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_at_work = self
            .running
            .get(&partition)
            .is_some_and(|working| working.task.id() == id);
        match result {
            // Taken over already: what it was at is refused, and nothing of it is left behind.
            Err(error) if !is_at_work && is_refused(&error) => self.context.signals.refused(partition, &error),
            result => result?,
        }
        Ok(is_at_work.then_some(partition))
    }

    /// Stops judges and waits until each has finished what it was at. One that has not after `limit` is left to itself:
    /// whoever has its partition next is not to wait for it, and the brokers refuse what still comes of it.
    async fn let_go(&mut self, partitions: &[u32], limit: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        let mut left = BTreeMap::new();
        for partition in partitions {
            if let Some(Working { stopper, task }) = self.running.remove(partition) {
                stopper.stop();
                left.insert(*partition, task);
            }
        }
        while !left.is_empty() {
            let Ok(ended) = timeout_at(until, self.tasks.join_next_with_id()).await else {
                break;
            };
            let Some(ended) = ended else { break };
            let of = ended.as_ref().map(|(id, (partition, _))| (*id, *partition)).ok();
            if let Some(partition) = self.ended(ended)? {
                anyhow::bail!("the judge of partition {partition} ended without being told to");
            }
            if let Some((id, partition)) = of
                && left.get(&partition).is_some_and(|task| task.id() == id)
            {
                left.remove(&partition);
                self.context.signals.let_go(partition);
            }
        }
        for (partition, task) in left {
            task.abort();
            self.context.signals.given_up(partition, limit);
        }
        Ok(())
    }
}
