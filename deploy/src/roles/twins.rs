//! The second step of TWIN (D18): what the judges of all partitions say of each outlet's values is laid side by side by
//! the one desk that holds the lease, and pairs become cases.
//!
//! Nothing is stored of how far it has come: it begins with the oldest judgement that is kept, and finds what it found
//! before. Events have ids from content, so that the desk takes each once. A pair whose beginning has expired from the
//! log since is found anew, as another case.

use std::time::Duration;

use plume_alert::Desk;
use plume_bus::Topic;
use plume_detect::config::TwinSettings;
use plume_detect::twin::{Left, Pairing};
use plume_schemas::event::Event;
use plume_schemas::judgement::Judgement;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{DAY_MS, Time};
use plume_schemas::wire;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, DESK, at};
use crate::config::Config;

/// Fingerprints read ahead of the pairing: a few reads of each partition.
const PRINTS_WAITING: usize = 4_096;
/// Pause where another desk is at work, or the database refused.
const PAUSE: Duration = Duration::from_secs(1);

/// How the pairing is done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: TwinSettings,
    /// Events are known for repeats so long: what was said before is not looked at again.
    pub(crate) known_days: u32,
    /// Several desks may stand on the database: only the active one pairs.
    pub(crate) shared: bool,
}

impl Plan {
    pub(crate) fn new(config: &Config, shared: bool) -> Self {
        Self {
            settings: config.detect.twin.clone(),
            known_days: config.alert.book.keep_applied_days,
            shared,
        }
    }
}

/// Pairs until told to stop.
pub(crate) async fn run(context: Context, desk: Desk, plan: Plan, stop: Stop) -> anyhow::Result<()> {
    while !stop.told() {
        if !plan.shared || desk.is_active() {
            pair(&context, &desk, &plan, &stop).await?;
        } else {
            pause(&stop).await;
        }
    }
    Ok(())
}

async fn pause(stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = stop.clone().wait() => {}
    }
}

/// From the oldest judgement until told to stop, or until another desk is the active one.
async fn pair(context: &Context, desk: &Desk, plan: &Plan, stop: &Stop) -> anyhow::Result<()> {
    let (sender, mut prints) = mpsc::channel(PRINTS_WAITING);
    let mut readers = JoinSet::new();
    let after = context.clock.now().plus(-i64::from(plan.known_days) * DAY_MS);
    for partition in 0..context.bus.partitions() {
        let reader = read(context.reading(), (partition, after), sender.clone(), stop.clone());
        readers.spawn(reader);
    }
    drop(sender);
    let (mut pairing, mut events) = (Pairing::new(plan.settings.clone()), Vec::new());
    let mut left = Left::default();
    // Without readers nothing more comes: they were told to stop, or one of them has failed.
    while let Some(print) = prints.recv().await {
        pairing.take(&print, &mut events);
        if left != pairing.left() {
            left = pairing.left();
            context.signals.twins_left_out(left);
        }
        for event in events.drain(..) {
            // Whoever is active now finds it too.
            if (plan.shared && !desk.is_active()) || !take(desk, &event, stop).await {
                return Ok(());
            }
            context.signals.twin(&event);
        }
    }
    while let Some(ended) = readers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Gives the desk an event until it is stored. False when told to stop before.
async fn take(desk: &Desk, event: &Event, stop: &Stop) -> bool {
    while let Err(error) = desk.apply_found(event).await {
        tracing::error!(%error, hint = error.hint(), "the desk could not store a lead and tries again");
        pause(stop).await;
        if stop.told() {
            return false;
        }
    }
    true
}

/// Sends the fingerprints of a partition that were said after a moment, as they come.
async fn read(
    context: Context,
    (partition, after): (u32, Time),
    prints: mpsc::Sender<Judgement>,
    stop: Stop,
) -> anyhow::Result<()> {
    let place = at(Topic::Judgements, partition);
    let mut next = context.bus.range(place).await?.start;
    while !stop.told() {
        tokio::select! {
            () = context.bus.wait(place, next) => {}
            () = stop.clone().wait() => break,
        }
        for record in context.read_on(DESK, place, next, &stop).await? {
            next = record.offset + 1;
            let judgement = match wire::decode_judgement(&record.payload) {
                Ok(judgement) => judgement,
                Err(error) => {
                    context.signals.unreadable(&record, &error);
                    continue;
                }
            };
            let is_print = judgement.rule == RuleCode::Twin && judgement.judged_at > after;
            if is_print && prints.send(judgement).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
