//! A batch: records of one line of the log on their way into files. Pure: no file, no clock.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use plume_bus::{Topic, TopicPartition};
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::Registry;
use plume_schemas::report::Report;
use plume_schemas::time::Time;
use plume_schemas::wire::{self, WireError};

use crate::layout::Folder;
use crate::memory::{Memory, Place};
use crate::operation::Counts;
use crate::tables::{Rows, Table, checkpoints, entries, judgements, packets, quarantine, readings, registry, windows};
use crate::{ArchiveConfig, ArchiveError};

/// Files a batch may become. A device that sends back a year would open a file a day and kind; the batch ends instead.
pub(crate) const MAX_FILES: usize = 256;

/// A record, decoded, with the time the log shows by it.
#[derive(Debug)]
pub(crate) enum Input {
    Entry(EntryBody),
    Quarantined(Box<plume_schemas::report::Quarantined>),
    Judgement(Box<plume_schemas::judgement::Judgement>),
    Event(Box<plume_schemas::event::Event>),
    Undecodable(WireError),
}

impl Input {
    /// Decodes a record of `topic`. Errors: a topic without a table.
    pub(crate) fn decode(at: TopicPartition, payload: &[u8]) -> Result<Self, ArchiveError> {
        let decoded = match at.topic {
            Topic::Reports => wire::decode_entry(payload).map(Self::Entry),
            Topic::Quarantine => wire::decode_quarantined(payload).map(|q| Self::Quarantined(Box::new(q))),
            Topic::Judgements => wire::decode_judgement(payload).map(|j| Self::Judgement(Box::new(j))),
            Topic::Events => wire::decode_event(payload).map(|e| Self::Event(Box::new(e))),
            Topic::Registry | Topic::Commands | Topic::CommandResults | Topic::Alerts => {
                return Err(ArchiveError::NoTable { at });
            }
        };
        Ok(decoded.unwrap_or_else(Self::Undecodable))
    }

    /// The clock of the log, as far as this record shows it. A registry may be much older than its place in the log.
    pub(crate) fn log_time(&self) -> Option<Time> {
        match self {
            Self::Entry(EntryBody::Report(report)) => Some(report.times.received_at),
            Self::Entry(EntryBody::Tick(tick)) => Some(tick.received_at),
            _ => None,
        }
    }
}

/// What is known beside the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The log's clock, for what shows no time of its own.
    pub(crate) clock: Option<Time>,
    /// What factor codes mean.
    pub(crate) catalogue: Option<&'a Catalogue>,
}

/// Records `first..next` of one line of the log.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) at: TopicPartition,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) gaps: Vec<(u64, u64)>,
    /// Offsets that never held a record.
    pub(crate) markers: u64,
    pub(crate) counts: Counts,
    /// The log's clock when the first record came.
    pub(crate) begun: Option<Time>,
    payload_bytes: u64,
    tables: BTreeMap<Folder, Rows>,
    unchecked: BTreeMap<Folder, u64>,
    sealed: Option<Vec<Sealed>>,
}

/// The rows of one folder in the table's order.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) folder: Folder,
    pub(crate) rows: RecordBatch,
    /// Rows that could not be compared with what came before.
    pub(crate) unchecked: u64,
}

impl Batch {
    pub(crate) fn new(at: TopicPartition, first: u64) -> Self {
        Self {
            at,
            first,
            next: first,
            gaps: Vec::new(),
            markers: 0,
            counts: Counts::default(),
            begun: None,
            payload_bytes: 0,
            tables: BTreeMap::new(),
            unchecked: BTreeMap::new(),
            sealed: None,
        }
    }

    /// True where no record is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.records == 0
    }

    /// Whether the batch ends before a record that shows `now` on the log's clock: a function of the records alone.
    pub(crate) fn ends_before(&self, now: Option<Time>, config: &ArchiveConfig) -> bool {
        if self.is_empty() {
            return false;
        }
        let slot = |at: Time| config.batch_period(at);
        if self.sealed.is_some() {
            return true;
        }
        let over = matches!((self.begun, now), (Some(begun), Some(now)) if slot(now) > slot(begun));
        over || self.counts.records >= config.batch_records
            || self.payload_bytes >= config.batch_bytes
            || self.tables.len() >= MAX_FILES
    }

    /// Notes that nothing more comes before `next`.
    pub(crate) fn skip_to(&mut self, next: u64) {
        if self.next < next && !self.is_empty() {
            self.gaps.push((self.next, next));
            self.next = next;
        }
    }

    /// Notes that the offsets before `next` never held a record.
    pub(crate) fn pass_markers(&mut self, next: u64) {
        self.markers += next.saturating_sub(self.next);
        self.next = self.next.max(next);
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, input: &Input, payload: &[u8], offset: u64, known: &Known<'_>, memory: &mut Memory) {
        let (at, clock) = (self.at, known.clock);
        if offset > self.next {
            self.gaps.push((self.next, offset));
        }
        self.next = offset + 1;
        self.counts.records += 1;
        self.payload_bytes += payload.len() as u64;
        self.begun = self.begun.or(input.log_time()).or(clock);
        let now = clock.unwrap_or_default();
        let place = Place {
            partition: at.partition,
            offset,
        };
        match input {
            Input::Entry(EntryBody::Report(report)) => self.report(report, place, memory),
            Input::Entry(body) => {
                if let EntryBody::Registry(registry) = body
                    && let Some(whole) = memory.learn(registry)
                {
                    self.registry(&whole, known.catalogue);
                }
                self.counts.entries += 1;
                let received_at = body.received_at();
                entries::push(self.rows(Table::Entries, received_at), body, received_at, place);
            }
            Input::Quarantined(quarantined) => {
                self.counts.quarantined += 1;
                let rows = self.rows(Table::Quarantine, quarantined.received_at);
                quarantine::push(rows, quarantined, at, offset);
            }
            Input::Judgement(judgement) => {
                self.counts.judgements += 1;
                let start = judgement.window.start;
                judgements::push_judgement(self.rows(Table::Judgements, start), judgement, place);
                if let Some(table) = windows::table_of(judgement) {
                    windows::push(self.rows(table, start), table, judgement, place);
                    self.counts.standing += 1;
                }
            }
            Input::Event(event) => {
                self.counts.events += 1;
                judgements::push_event(self.rows(Table::Events, event.judgement.window.start), event, place);
            }
            Input::Undecodable(error) => {
                self.counts.undecodable += 1;
                let rows = self.rows(Table::Quarantine, now);
                quarantine::push_undecodable(rows, payload, &error.to_string(), now, at, offset);
            }
        }
    }

    /// Every partition has a copy of the registry; the first one's is the one readers see.
    fn registry(&mut self, registry: &Registry, catalogue: Option<&Catalogue>) {
        if self.at.partition != 0 {
            return;
        }
        let at = registry.recorded_at;
        self.counts.standing += registry::push_outlets(self.rows(Table::Outlets, at), registry);
        if let Some(catalogue) = catalogue {
            let rows = self.rows(Table::Factors, at);
            self.counts.standing += registry::push_factors(rows, catalogue, registry.revision);
        }
    }

    /// Adds the judge's memory; false where the batch takes no more.
    pub(crate) fn checkpoint(&mut self, place: Place, stood_at: Time, state: &[u8]) -> bool {
        if self.is_empty() || self.sealed.is_some() {
            return false;
        }
        checkpoints::push(self.rows(Table::Checkpoints, stood_at), place, stood_at, state);
        self.counts.standing += 1;
        true
    }

    fn report(&mut self, report: &Report, place: Place, memory: &mut Memory) {
        let sighting = memory.see(report);
        let folder = Folder::new(Table::Readings, Some(report.kind), report.times.measured_at);
        let fresh = if report.readings.is_empty() {
            0
        } else {
            let rows = self
                .tables
                .entry(folder)
                .or_insert_with(|| Rows::new(folder.table.spec()));
            readings::push(rows, report, sighting.enterprise, sighting.packet, &sighting.seen)
        };
        let unchecked = sighting.seen.iter().filter(|seen| seen.is_none()).count() as u64;
        if unchecked > 0 {
            *self.unchecked.entry(folder).or_default() += unchecked;
        }
        let first_share = u64::from(report.evidence.share.0 == 0);
        self.counts.reports += 1;
        self.counts.packets += first_share;
        self.counts.repeats += if sighting.repeat { first_share } else { 0 };
        self.counts.readings += report.readings.len() as u64;
        self.counts.fresh += fresh;
        let found = packets::Found {
            packet: sighting.packet,
            repeat: sighting.repeat,
            repeat_of: sighting.repeat_of,
            fresh,
            place,
        };
        packets::push(self.rows(Table::Packets, report.times.received_at), report, found);
    }

    fn rows(&mut self, table: Table, dated: Time) -> &mut Rows {
        let folder = Folder::new(table, None, dated);
        self.tables.entry(folder).or_insert_with(|| Rows::new(table.spec()))
    }

    /// Ends the batch and gives its rows; the same again when asked again, so that a write that failed can be repeated.
    pub(crate) fn seal(&mut self) -> Result<&[Sealed], ArchiveError> {
        if self.sealed.is_none() {
            let mut sealed = Vec::new();
            for (folder, rows) in &mut self.tables {
                // A report of which nothing was new leaves no row.
                if rows.len() > 0 {
                    sealed.push(Sealed {
                        folder: *folder,
                        rows: rows.sorted()?,
                        unchecked: self.unchecked.get(folder).copied().unwrap_or(0),
                    });
                }
            }
            self.tables.clear();
            self.sealed = Some(sealed);
        }
        Ok(self.sealed.as_deref().unwrap_or_default())
    }
}
