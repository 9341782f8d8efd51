//! One turn of recomputation over a partition of the log.
//!
//! ```text
//! position ─▶ the log up to its end ─▶ days to judge again ─▶ judge and archive are there too? ─▶ judge them
//!    ▲                                                                                             │
//!    └───────── position moves ◀── what differs is appended as `Recomputed`, the judge says it ◀───┘
//! ```
//!
//! The queue is the log itself, and the position the offset of a consumer. What is found is compared with what the
//! archive holds of everything said up to the end, so a turn that is made twice finds nothing the second time: a crash
//! between an append and the position costs work, not truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use plume_archive::{Location, LogRow, Reader};
use plume_bus::{Bus, ConsumerId, NewRecord, ReadLimit, Topic, TopicPartition};
use plume_detect::{Settings, remembered_from};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::OutletId;
use plume_schemas::reading::ReportKind;
use plume_schemas::recompute::{RecomputeCause, Recomputed, Revision};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::{Span, Time};
use plume_schemas::wire;

use super::again::{self, Standing};
use super::triggers::{Days, Triggers};
use crate::commands::view::hinted;
use crate::roles::{ARCHIVE, DETECT, READ_LIMIT, archive, at, consumer};

/// Whose offset says up to where the log was looked through.
pub(crate) const RECOMPUTE: &str = "recompute";
/// Revisions of one record: 100 kB, far below what a record may be.
const MAX_REVISIONS: usize = 250;
/// Records gone through at the log's end to find its clock: Ticks come every few seconds.
const CLOCK_RECORDS: u64 = 5_000;
/// Records read from the archive at a time, where the log has expired.
const STRETCH: u64 = 50_000;
/// One record.
const ONE: ReadLimit = ReadLimit {
    records: 1,
    bytes: usize::MAX,
};

/// What a turn came to.
#[derive(Debug)]
pub(crate) enum Turned {
    /// Somebody else has to come to the log's end first.
    Waits(&'static str),
    /// Done; what was said otherwise.
    Done(Vec<Said>),
}

/// What is said otherwise of an outlet.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) outlet: OutletId,
    pub(crate) why: RecomputeCause,
    pub(crate) revisions: Vec<Revision>,
}

/// What was known of the registry where a partition was looked through up to.
#[derive(Clone, Debug, Default)]
struct Known {
    registry: Option<Registry>,
    assembly: Assembly,
}

/// What a turn needs.
pub(crate) struct Work {
    bus: Bus,
    archive: Location,
    settings: Settings,
    /// How far back it looks.
    reach_days: i64,
    known: HashMap<u32, Known>,
}

impl Work {
    pub(crate) fn new(bus: Bus, archive: Location, settings: Settings, reach_days: u32) -> Self {
        Self {
            bus,
            archive,
            settings,
            reach_days: i64::from(reach_days),
            known: HashMap::new(),
        }
    }

    /// Looks through what a partition's log has had since the last turn, and judges again what asks for it.
    pub(crate) async fn turn(&mut self, partition: u32) -> anyhow::Result<Turned> {
        let line = at(Topic::Reports, partition);
        let end = self.bus.range(line).await?.end;
        let Some(now) = self.log_clock(partition, end).await? else {
            return Ok(Turned::Done(Vec::new()));
        };
        let mut triggers = self.triggers(partition, end, now).await?;
        let due = std::mem::take(&mut triggers.due);
        let mut said = Vec::new();
        if !due.is_empty() {
            if let Some(waits) = self.behind(partition, end).await? {
                return Ok(Turned::Waits(waits));
            }
            if triggers.cut > 0 {
                let (cut, reach_days) = (triggers.cut, self.reach_days);
                tracing::warn!(
                    partition,
                    cut,
                    reach_days,
                    "what reaches further back is not judged again"
                );
            }
            said = self.judge_again(partition, due, now).await?;
            self.append(partition, now, &said).await?;
        }
        self.bus.commit(recompute()?, vec![(line, end)]).await?;
        let Triggers { registry, assembly, .. } = triggers;
        self.known.insert(partition, Known { registry, assembly });
        Ok(Turned::Done(said))
    }

    /// Judges days of an outlet again because somebody asks; appends what differs, but for a trial.
    pub(crate) async fn asked(
        &self,
        partition: u32,
        outlet: OutletId,
        span: Span,
        trial: bool,
    ) -> anyhow::Result<Turned> {
        let end = self.bus.range(at(Topic::Reports, partition)).await?.end;
        let Some(now) = self.log_clock(partition, end).await? else {
            return Ok(Turned::Done(Vec::new()));
        };
        if let Some(waits) = self.behind(partition, end).await? {
            return Ok(Turned::Waits(waits));
        }
        let mut triggers = self.nothing_yet(now);
        triggers.ask(outlet, span, now, RecomputeCause::Asked);
        let said = self.judge_again(partition, triggers.due, now).await?;
        if !trial {
            self.append(partition, now, &said).await?;
        }
        Ok(Turned::Done(said))
    }

    fn nothing_yet(&self, now: Time) -> Triggers {
        Triggers {
            since: now.beijing_day() - self.reach_days,
            ..Triggers::default()
        }
    }

    /// The clock of the last Tick; none in a log without one.
    async fn log_clock(&self, partition: u32, end: u64) -> anyhow::Result<Option<Time>> {
        let (mut next, mut clock) = (end.saturating_sub(CLOCK_RECORDS), None);
        self.each(partition, &mut next, end, |body| {
            if let EntryBody::Tick(tick) = body {
                clock = clock.max(Some(tick.received_at));
            }
        })
        .await?;
        Ok(clock)
    }

    /// Goes through the log from `next` to `end`.
    async fn each(
        &self,
        partition: u32,
        next: &mut u64,
        end: u64,
        mut take: impl FnMut(&EntryBody),
    ) -> anyhow::Result<()> {
        let line = at(Topic::Reports, partition);
        *next = (*next).max(self.bus.range(line).await?.start);
        while *next < end {
            let records = self.bus.read(line, *next, READ_LIMIT).await?;
            let Some(last) = records.last() else { break };
            for record in records.iter().filter(|record| record.offset < end) {
                // What cannot be read is told of by the judge.
                if let Ok(body) = wire::decode_entry(&record.payload) {
                    take(&body);
                }
            }
            *next = last.offset + 1;
        }
        Ok(())
    }

    /// What the log asks for since the position; where that has expired, what the archive has of it.
    async fn triggers(&self, partition: u32, end: u64, now: Time) -> anyhow::Result<Triggers> {
        let line = at(Topic::Reports, partition);
        let retained = self.bus.range(line).await?;
        let position = self.bus.committed(recompute()?, line).await?;
        let mut next = position.unwrap_or(retained.start);
        let mut triggers = self.nothing_yet(now);
        if let Some(known) = self.known.get(&partition) {
            (triggers.registry, triggers.assembly) = (known.registry.clone(), known.assembly.clone());
        }
        let is_known = triggers.registry.is_some() || next <= self.bus.base();
        if !is_known || next < retained.start {
            triggers = self
                .out_of_archive(partition, (next, retained.start.max(next)), triggers)
                .await?;
        }
        self.each(partition, &mut next, end, |body| triggers.take(body)).await?;
        Ok(triggers)
    }

    /// The registry before `from`, and what is archived of the records from there to `to`.
    async fn out_of_archive(
        &self,
        partition: u32,
        (from, to): (u64, u64),
        mut triggers: Triggers,
    ) -> anyhow::Result<Triggers> {
        let place = self.archive.clone();
        let read = move || {
            let reader = archive::reader(&place)?;
            for (_, bytes) in reader.log_entries(partition, &["registry"], from).map_err(hinted)? {
                if let Ok(EntryBody::Registry(part)) = wire::decode_entry(&bytes) {
                    triggers.registry = triggers.assembly.take(&part).or(triggers.registry.take());
                }
            }
            for start in (from..to).step_by(usize::try_from(STRETCH)?) {
                let rows = reader
                    .log_rows(partition, start..to.min(start + STRETCH), None)
                    .map_err(hinted)?;
                rows.rows.iter().for_each(|(_, row)| take_row(&mut triggers, row));
            }
            anyhow::Ok(triggers)
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// Who has not come to the end yet: the judge, or the archive with all that was said.
    async fn behind(&self, partition: u32, end: u64) -> anyhow::Result<Option<&'static str>> {
        if !self.has_come(DETECT, at(Topic::Reports, partition), end).await? {
            return Ok(Some("judge"));
        }
        for topic in [Topic::Reports, Topic::Judgements, Topic::Events] {
            let line = at(topic, partition);
            let end = if topic == Topic::Reports {
                end
            } else {
                self.bus.range(line).await?.end
            };
            if !self.has_come(ARCHIVE, line, end).await? {
                return Ok(Some("archive"));
            }
        }
        Ok(None)
    }

    /// Whether a consumer has read all records before `end`. On Kafka there may be none left before it though it has
    /// not reached it: markers of transactions.
    async fn has_come(&self, name: &str, line: TopicPartition, end: u64) -> anyhow::Result<bool> {
        let start = self.bus.range(line).await?.start;
        let committed = self
            .bus
            .committed(consumer(name)?, line)
            .await?
            .unwrap_or(start)
            .max(start);
        if committed >= end {
            return Ok(true);
        }
        let next = self.bus.read(line, committed, ONE).await?;
        Ok(next.first().is_none_or(|record| record.offset >= end))
    }

    async fn judge_again(&self, partition: u32, due: BTreeMap<OutletId, Days>, now: Time) -> anyhow::Result<Vec<Said>> {
        let (place, settings) = (self.archive.clone(), self.settings.clone());
        let judge = move || {
            let reader = Arc::new(archive::reader(&place)?);
            said_otherwise(&reader, &settings, (partition, due), now)
        };
        tokio::task::spawn_blocking(judge).await?
    }

    async fn append(&self, partition: u32, now: Time, said: &[Said]) -> anyhow::Result<()> {
        for Said { outlet, why, revisions } in said {
            let records = revisions.chunks(MAX_REVISIONS).map(|revisions| {
                let body = EntryBody::Recomputed(Box::new(Recomputed {
                    outlet: *outlet,
                    why: *why,
                    received_at: now,
                    revisions: revisions.to_vec(),
                }));
                NewRecord {
                    to: at(Topic::Reports, partition),
                    key: outlet.to_string(),
                    payload: Bytes::from(wire::encode_entry(&body)),
                }
            });
            self.bus
                .append(records.collect())
                .await
                .context("append what was recomputed")?;
        }
        Ok(())
    }
}

/// What is to be said otherwise of the days asked for, as far as there are readings of them.
pub(crate) fn said_otherwise(
    reader: &Arc<Reader>,
    settings: &Settings,
    (partition, due): (u32, BTreeMap<OutletId, Days>),
    now: Time,
) -> anyhow::Result<Vec<Said>> {
    let (mut all, standing) = (Vec::new(), Standing::read(reader, partition)?);
    let Some((first, last)) = reader.reading_days() else {
        return Ok(all);
    };
    for (outlet, mut days) in due {
        days.retain(|day, _| (first..=last).contains(day));
        let found = again::revisions((reader, &standing, settings), outlet, &days, remembered_from(now))?;
        all.extend(
            found
                .into_iter()
                .map(|(why, revisions)| Said { outlet, why, revisions }),
        );
    }
    Ok(all)
}

/// The days of an outlet that somebody asks for.
pub(crate) fn days_of(outlet: OutletId, span: Span, now: Time) -> BTreeMap<OutletId, Days> {
    let mut triggers = Triggers {
        since: i64::MIN,
        ..Triggers::default()
    };
    triggers.ask(outlet, span, now, RecomputeCause::Asked);
    triggers.due
}

fn take_row(triggers: &mut Triggers, row: &LogRow) {
    match row {
        LogRow::Packet(packet) => {
            let kind = ReportKind::from_code(&packet.kind);
            if let (Some(kind), Ok(outlet)) = (kind, OutletId::new(&packet.outlet)) {
                triggers.packet(outlet, kind, packet.measured_at, packet.received_at);
            }
        }
        LogRow::Wire(bytes) => {
            if let Ok(body) = wire::decode_entry(bytes) {
                triggers.take(&body);
            }
        }
        LogRow::Tick { .. } | LogRow::Undecodable => {}
    }
}

fn recompute() -> anyhow::Result<ConsumerId> {
    consumer(RECOMPUTE)
}
