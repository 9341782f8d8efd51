//! Which partitions this process judges: all on one machine, a share of them in a consumer group on Kafka (D14).
//!
//! A partition that is taken away is let go only when its judge has finished its transaction and written its
//! checkpoint; the next process begins there. One that dies instead is refused from then on: whoever takes its
//! partition over claims the line first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plume_bus::{BusError, Change, Topic};
use plume_detect::Settings;
use tokio::task::JoinSet;

use super::stop::{Stop, Stopper, pair};
use super::{Context, DETECT, consumer, detect};

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
                    judges.let_go(partitions).await?;
                    drop(released);
                }
                None => break,
            },
            Some(ended) = judges.tasks.join_next() => match ended? {
                (partition, Ok(())) => anyhow::bail!("the judge of partition {partition} ended without being told to"),
                // Another process has it: this one was out of the group's reach for too long, and goes on with the rest.
                (partition, Err(error)) if is_fenced(&error) => {
                    judges.running.remove(&partition);
                    judges.context.signals.let_go(partition, Some(&error));
                }
                (_, Err(error)) => return Err(error),
            },
            () = stop.clone().wait() => break,
        }
    }
    let all = judges.running.keys().copied().collect();
    judges.let_go(all).await
}

fn is_fenced(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(BusError::Fenced { .. }))
}

struct Judges {
    context: Context,
    settings: Settings,
    checkpoint_interval: Duration,
    running: BTreeMap<u32, Stopper>,
    tasks: JoinSet<(u32, anyhow::Result<()>)>,
}

impl Judges {
    fn take(&mut self, partitions: &[u32]) {
        for &partition in partitions {
            let (stopper, stop) = pair();
            if self.running.insert(partition, stopper).is_some() {
                // It is at work already, and has just been told to stop by the loss of its stopper.
                tracing::warn!(partition, "a partition was assigned twice");
            }
            let (context, settings) = (self.context.clone(), self.settings.clone());
            let judge = detect::run(context, partition, settings, self.checkpoint_interval, stop);
            self.tasks.spawn(async move { (partition, judge.await) });
            self.context.signals.judging(partition);
        }
    }

    /// Stops judges and waits until each has finished what it was at.
    async fn let_go(&mut self, partitions: Vec<u32>) -> anyhow::Result<()> {
        let mut left: BTreeSet<u32> = partitions.into_iter().collect();
        left.retain(|partition| self.running.remove(partition).inspect(Stopper::stop).is_some());
        while !left.is_empty() {
            let Some(ended) = self.tasks.join_next().await else {
                break;
            };
            match ended? {
                (partition, Ok(())) => {
                    left.remove(&partition);
                    self.context.signals.let_go(partition, None);
                }
                // Taken over already: what it was at is refused, and nothing of it is left behind.
                (partition, Err(error)) if is_fenced(&error) => {
                    left.remove(&partition);
                    self.context.signals.let_go(partition, Some(&error));
                }
                (_, Err(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
