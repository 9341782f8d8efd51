//! The judge's loop: read entries, step, and store outputs and offset in one atomic write (D14).
//!
//! After a restart the state comes from the last checkpoint, which may be older than the committed offset. The
//! entries between the two are stepped again with their outputs thrown away: they were said already.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signals::Signals;
use super::stop::Stop;
use super::{
    Context, DETECT, DETECT_BEGIN, DETECT_CHECKPOINT, READ_LIMIT, at, checkpoint, consumer, is_away, is_refused,
};
use crate::admin::Health;
use anyhow::Context as _;
use bytes::Bytes;
use plume_bus::{Bus, BusError, NewRecord, Record, Topic};
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::{Entry, LogPosition};
use plume_schemas::event::Event;
use plume_schemas::event_json::cloud_event;
use plume_schemas::factors::Catalogue;
use plume_schemas::rule::Stream;
use plume_schemas::time::Time;
use plume_schemas::wire;

/// Records decoded together: enough for the judge to see what comes next, few enough to stay in the cache.
const TOGETHER: usize = 256;

/// Pause before a judge that was refused begins anew: longer than two heartbeats of its group, by which it hears
/// whether the partition is still its own.
const REFUSED_PAUSE: Duration = Duration::from_secs(7);

/// One partition's judge with its place in the log.
pub(crate) struct Judge {
    bus: Bus,
    partition: u32,
    engine: Engine,
    next: u64,
    out: Out,
    data_dir: PathBuf,
    told: Told,
}

/// Whom a judge tells, and in which words.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) signals: Signals,
    pub(crate) health: Health,
    pub(crate) catalogue: Arc<Catalogue>,
}

/// `source` of the judge's CloudEvents: their ids are unique in it.
const ALERT_SOURCE: &str = "/plume/detect";

/// Judges a partition until told to stop. Errors end the role: its state is what the log says, so a restart mends it.
pub(crate) async fn run(
    context: Context,
    partition: u32,
    settings: Settings,
    checkpoint_interval: Duration,
    stop: Stop,
) -> anyhow::Result<()> {
    while !stop.told() {
        match judge(&context, partition, &settings, checkpoint_interval, &stop).await {
            // What is not known to be stored is judged again from the last checkpoint.
            Err(error) if is_away(&error) => match error.downcast_ref() {
                Some(error) => context.brokers_away(DETECT, error, &stop).await,
                None => return Err(error),
            },
            // The group may know nothing of it: then nobody else judges the partition, and this one begins anew.
            Err(error) if is_refused(&error) && !stop.told() => {
                context.signals.refused(partition, &error);
                context
                    .health
                    .complain(DETECT, format!("is refused by the brokers: {error:#}"));
                tokio::select! {
                    () = tokio::time::sleep(REFUSED_PAUSE) => {}
                    () = stop.clone().wait() => {}
                }
            }
            ended => return ended,
        }
    }
    Ok(())
}

/// From the last checkpoint until told to stop, or until the brokers do not answer.
async fn judge(
    context: &Context,
    partition: u32,
    settings: &Settings,
    checkpoint_interval: Duration,
    stop: &Stop,
) -> anyhow::Result<()> {
    let place = at(Topic::Reports, partition);
    let told = Told {
        signals: context.signals.clone(),
        health: context.health.clone(),
        catalogue: Arc::clone(&context.catalogue),
    };
    let mut judge = tokio::select! {
        opened = Judge::open(&context.bus, &context.data_dir, partition, settings, told) => opened?,
        // Nothing was judged yet, so there is nothing to finish.
        () = stop.clone().wait() => return Ok(()),
    };
    let mut last_checkpoint = Instant::now();
    while !stop.told() {
        tokio::select! {
            () = context.bus.wait(place, judge.next) => {}
            () = stop.clone().wait() => break,
        }
        let records = context.bus.read(place, judge.next, READ_LIMIT).await?;
        judge.work(&records).await?;
        if last_checkpoint.elapsed() >= checkpoint_interval {
            judge.save().await?;
            last_checkpoint = Instant::now();
        }
    }
    judge.save().await
}

/// The judge of a partition as its line begins: it knows nothing, or what those knew whose outlets it was given (D7).
pub(crate) async fn beginning(bus: &Bus, partition: u32, settings: &Settings) -> anyhow::Result<Engine> {
    let line = at(Topic::Reports, partition);
    if bus.base() > 0
        && let Some((_, state)) = bus.kept(consumer(DETECT_BEGIN)?, line).await?
    {
        match Engine::restore(&state, settings) {
            Ok(engine) => return Ok(engine),
            Err(error) => tracing::warn!(partition, %error, "what was moved here does not fit, beginning with nothing"),
        }
    }
    let count = bus.partitions();
    let index = partition;
    Ok(Engine::new(settings.clone(), Partition { index, count }))
}

impl Judge {
    /// The judge as its last checkpoint and the log after it left it.
    pub(crate) async fn open(
        bus: &Bus,
        data_dir: &Path,
        partition: u32,
        settings: &Settings,
        told: Told,
    ) -> anyhow::Result<Self> {
        // Whoever had the line before is refused from here on, so what is committed now stays.
        bus.claim(consumer(DETECT)?, at(Topic::Reports, partition)).await?;
        Self::load(bus, data_dir, partition, settings, told).await
    }

    /// [`Self::open`] of a line that somebody else may be at work on: to look at, not to work.
    pub(crate) async fn load(
        bus: &Bus,
        data_dir: &Path,
        partition: u32,
        settings: &Settings,
        told: Told,
    ) -> anyhow::Result<Self> {
        let place = at(Topic::Reports, partition);
        let path = checkpoint::path(data_dir, partition);
        let retained = bus.range(place).await?;
        let committed = bus.committed(consumer(DETECT)?, place).await?.unwrap_or(retained.start);
        let kept = if bus.is_shared() {
            let kept = bus.kept(consumer(DETECT)?, place).await?;
            kept.map(|(offset, state)| (offset, state.to_vec()))
        } else {
            checkpoint::load(&path)?
        };
        // Before all that this machine's log has: the log was lost, and the judge goes on from what it remembers.
        let before = |offset: u64| offset < retained.start && !bus.is_shared();
        let kept = kept.filter(|(at, _)| retained.contains(at) || *at == retained.end || before(*at));
        let restored = kept.and_then(|(offset, state)| {
            let restored = Engine::restore(&state, settings).inspect_err(|error| {
                tracing::warn!(partition, %error, "checkpoint does not fit, rebuilding the judge from the log");
            });
            restored.ok().map(|engine| (engine, offset.max(retained.start)))
        });
        let (engine, from) = match restored {
            Some(restored) => restored,
            None => (beginning(bus, partition, settings).await?, retained.start),
        };
        let mut judge = Self {
            bus: bus.clone(),
            partition,
            engine,
            next: from,
            out: Out::default(),
            data_dir: data_dir.to_owned(),
            told,
        };
        judge.catch_up(committed).await?;
        Ok(judge)
    }

    /// What it remembers, and the entry it would read next.
    pub(crate) fn into_parts(self) -> (Engine, u64) {
        (self.engine, self.next)
    }

    /// Steps what was judged before, without saying it again.
    async fn catch_up(&mut self, committed: u64) -> anyhow::Result<()> {
        let from = self.next;
        while self.next < committed {
            let records = self
                .bus
                .read(at(Topic::Reports, self.partition), self.next, READ_LIMIT)
                .await?;
            if records.is_empty() {
                break;
            }
            let known = records.partition_point(|record| record.offset < committed);
            for together in records.get(..known).unwrap_or_default().chunks(TOGETHER) {
                self.step(together);
                self.out.clear();
            }
        }
        if self.next > from {
            tracing::info!(
                partition = self.partition,
                from,
                to = self.next,
                "judge caught up with what it had said"
            );
        }
        Ok(())
    }

    /// Judges records and stores what came out with the offset, in one write.
    pub(crate) async fn work(&mut self, records: &[Record]) -> anyhow::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.out.clear();
        for together in records.chunks(TOGETHER) {
            self.step(together);
        }
        let outputs = self.outputs();
        let commits = vec![(at(Topic::Reports, self.partition), self.next)];
        loop {
            match self
                .bus
                .transact(consumer(DETECT)?, outputs.clone(), commits.clone())
                .await
            {
                Ok(_) => {
                    self.told.health.well(DETECT);
                    return Ok(());
                }
                // Space comes back when the archive advances; until then the judge waits and nothing is lost.
                Err(error @ BusError::DiskFull { .. }) => {
                    tracing::error!(%error, hint = error.hint(), "judge waits for space in the log");
                    self.told.health.complain(
                        DETECT,
                        format!("waits for space in the log: {error} ({})", error.hint()),
                    );
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error).context("store judgements"),
            }
        }
    }

    fn step(&mut self, records: &[Record]) {
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            self.next = record.offset + 1;
            let at = LogPosition {
                partition: self.partition,
                offset: record.offset,
            };
            match wire::decode_entry(&record.payload) {
                Ok(body) => entries.push(Entry { at, body }),
                Err(error) => self.told.signals.unreadable(record, &error),
            }
        }
        self.engine.steps(&entries, &mut self.out);
    }

    fn outputs(&self) -> Vec<NewRecord> {
        let judgements = self.out.judgements.iter().map(|judgement| NewRecord {
            to: at(Topic::Judgements, self.partition),
            key: judgement.outlet.to_string(),
            payload: Bytes::from(wire::encode_judgement(judgement)),
        });
        let events = self.out.events.iter().map(|event| NewRecord {
            to: at(Topic::Events, self.partition),
            key: event.judgement.outlet.to_string(),
            payload: Bytes::from(wire::encode_event(event)),
        });
        let mut outputs: Vec<NewRecord> = judgements.chain(events).collect();
        // On one machine nobody else reads the log. Leads are for named officers, not for whoever may read a topic.
        if self.bus.is_shared() {
            let events = self.out.events.iter();
            let alerts = events.filter(|event| event.judgement.rule.stream() == Stream::Service);
            outputs.extend(alerts.map(|event| self.alert(event)));
        }
        outputs
    }

    /// The event for readers that are not plume's.
    fn alert(&self, event: &Event) -> NewRecord {
        let alert = cloud_event(event, &self.told.catalogue, ALERT_SOURCE);
        NewRecord::new(
            at(Topic::Alerts, self.partition),
            event.judgement.outlet.to_string(),
            alert.to_string().into_bytes(),
        )
    }

    /// Writes the checkpoint, then lets the log forget what lies before it.
    pub(crate) async fn save(&mut self) -> anyhow::Result<()> {
        let (data_dir, partition) = (self.data_dir.clone(), self.partition);
        let (offset, state) = (self.next, self.engine.checkpoint());
        let day = self.engine.now().map(Time::date);
        let line = at(Topic::Reports, self.partition);
        let saved = if self.bus.is_shared() {
            let kept = self.bus.keep(consumer(DETECT)?, line, offset, &state).await;
            kept.map(drop).map_err(anyhow::Error::new)
        } else {
            let saved = tokio::task::spawn_blocking(move || {
                checkpoint::save(&checkpoint::path(&data_dir, partition), offset, &state)?;
                day.map_or(Ok(()), |day| checkpoint::keep(&data_dir, partition, &day))
            });
            saved.await?
        };
        if let Err(error) = saved {
            self.miss_checkpoint(&format!("{error:#}"));
            return Ok(());
        }
        match self
            .bus
            .commit(consumer(DETECT_CHECKPOINT)?, vec![(line, offset)])
            .await
        {
            Ok(()) => Ok(()),
            Err(error @ BusError::DiskFull { .. }) => {
                self.miss_checkpoint(&format!("{error} ({})", error.hint()));
                Ok(())
            }
            Err(error) => Err(error).context("commit the checkpoint's offset"),
        }
    }

    /// A checkpoint that is missed costs time at the next start and room in the log, nothing else: a full disk must not
    /// end the judge.
    fn miss_checkpoint(&self, why: &str) {
        tracing::error!(
            partition = self.partition,
            why,
            "no checkpoint, the log keeps what the judge would read again"
        );
        self.told
            .health
            .complain(DETECT, format!("cannot write its checkpoint: {why}"));
    }
}
