//! Recomputation: what the judge no longer remembers is judged again out of the archive, where data of it came late, a
//! mark was set over it, or the registry changed for its time (D11).
//!
//! One task: it runs beside the desk, where the desk is the active one (D18). What it finds becomes records of the
//! log, which the judge says (`detect/src/recomputed.rs`); it never writes to archive or desk itself.

mod again;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
mod triggers;
mod words;
#[cfg(test)]
mod words_tests;
mod work;
#[cfg(test)]
mod world;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plume_alert::Desk;
use plume_schemas::ids::OutletId;
use plume_schemas::partition::partition_of;
use plume_schemas::time::Span;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

pub(crate) use work::{Said, days_of, said_otherwise};
use work::{Turned, Work};

use super::stop::Stop;
use super::{Context, archive};
use crate::config::Config;

/// The part of plume that complains where a turn fails.
const PART: &str = "recompute";
/// How often a turn looks whether judge and archive have come, and how long it waits in between. After a minute the
/// turn is left to the next one.
const LOOKS: u32 = 60;
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Questions that wait: each is a person at a terminal.
const WAITING: usize = 4;

/// `[recompute]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecomputeConfig {
    pub(crate) every_s: u64,
    pub(crate) reach_days: u32,
}

/// What somebody asks.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) outlet: OutletId,
    pub(crate) span: Span,
    /// Says what would be said, and leaves it at that.
    pub(crate) trial: bool,
    pub(crate) answer: oneshot::Sender<Result<Vec<Said>, String>>,
}

/// Leads questions to the task, where this process has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door(Arc<OnceLock<mpsc::Sender<Question>>>);

impl Door {
    /// Has an outlet's days judged again. Errors: what keeps it from being done.
    pub(crate) async fn ask(&self, outlet: OutletId, span: Span, trial: bool) -> anyhow::Result<Vec<Said>> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            outlet,
            span,
            trial,
            answer,
        };
        let Some(questions) = self.0.get() else {
            anyhow::bail!("nothing is recomputed by this process; ask the one with the role desk");
        };
        questions
            .send(question)
            .await
            .map_err(|_| anyhow::anyhow!("plume is stopping"))?;
        answered.await?.map_err(anyhow::Error::msg)
    }
}

/// Starts the task.
pub(crate) fn start(
    context: &Context,
    config: &Config,
    (desk, shared): (&Desk, bool),
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    let (sender, questions) = mpsc::channel(WAITING);
    if context.recompute.0.set(sender).is_err() {
        tracing::error!("recomputation was started twice; the first goes on");
        return;
    }
    let context = context.reading();
    let work = Work::new(
        context.bus.clone(),
        context.archive.clone(),
        config.detect.clone(),
        config.recompute.reach_days,
    );
    let every = Duration::from_secs(config.recompute.every_s);
    let task = Task {
        context,
        work,
        desk: desk.clone(),
        shared,
        stop: stop.clone(),
    };
    tasks.spawn(task.run(questions, every));
}

/// What a turn is made for.
#[derive(Clone, Copy, Debug)]
enum Job {
    /// What a partition's log has had since.
    Look(u32),
    /// Partition, outlet, days; said or only looked at.
    Asked(u32, OutletId, Span, bool),
}

struct Task {
    context: Context,
    work: Work,
    desk: Desk,
    shared: bool,
    stop: Stop,
}

impl Task {
    async fn run(mut self, mut questions: mpsc::Receiver<Question>, every: Duration) -> anyhow::Result<()> {
        while !self.stop.told() {
            let mut question = None;
            tokio::select! {
                asked = questions.recv() => question = asked,
                () = tokio::time::sleep(every) => {}
                () = self.stop.clone().wait() => break,
            }
            match question {
                Some(question) => self.answer(question).await,
                None => self.look().await,
            }
        }
        Ok(())
    }

    /// Only one desk's process recomputes.
    fn is_ours(&self) -> bool {
        !self.shared || self.desk.is_active()
    }

    async fn answer(
        &mut self,
        Question {
            outlet,
            span,
            trial,
            answer,
        }: Question,
    ) {
        let said = if self.is_ours() {
            let partition = partition_of(outlet, self.context.bus.partitions());
            self.patiently(Job::Asked(partition, outlet, span, trial)).await
        } else {
            Err(anyhow::anyhow!("another desk is the active one; ask that process"))
        };
        if let (Ok(said), false) = (&said, trial) {
            self.tell(said);
        }
        // Who asked may have left.
        drop(answer.send(said.map_err(|error| format!("{error:#}"))));
    }

    /// Looks through what the log has had since.
    async fn look(&mut self) {
        for partition in 0..self.context.bus.partitions() {
            if self.stop.told() || !self.is_ours() {
                return;
            }
            match self.patiently(Job::Look(partition)).await {
                Ok(said) => {
                    self.tell(&said);
                    self.context.health.well(PART);
                }
                // Nothing is lost: the position stands, and the next turn begins there.
                Err(error) => {
                    let sentence = format!("cannot judge again what came late and tries again: {error:#}");
                    tracing::error!(partition, "{sentence}");
                    self.context.health.complain(PART, sentence);
                }
            }
        }
    }

    fn tell(&self, said: &[Said]) {
        for Said { outlet, why, revisions } in said {
            self.context.signals.recomputed(*outlet, *why, revisions.len());
        }
    }

    /// A turn, as soon as judge and archive have come to the log's end.
    async fn patiently(&mut self, job: Job) -> anyhow::Result<Vec<Said>> {
        let mut waits = "";
        for _ in 0..LOOKS {
            let turned = match job {
                Job::Look(partition) => self.work.turn(partition).await?,
                Job::Asked(partition, outlet, span, trial) => self.work.asked(partition, outlet, span, trial).await?,
            };
            match turned {
                Turned::Done(said) => return Ok(said),
                Turned::Waits(whom) => waits = whom,
            }
            archive::write_now(&self.context).await?;
            tokio::select! {
                () = tokio::time::sleep(LOOK_PAUSE) => {}
                () = self.stop.clone().wait() => break,
            }
        }
        anyhow::bail!("the {waits} has not come to the end of the log; the turn is made again later")
    }
}
