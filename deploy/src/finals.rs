//! A log made of what stands in `readings`, for days whose packets have expired: every reading in its last revision,
//! each report right after the period it tells of, ticks every minute, registry and marks as far as they are there.
//!
//! Window rules end with the same word whatever the order of arrival, so what they say of this log is their last word.
//! What depends on arrival (silence, charts, warnings while the hour runs) is not reproducible from it. Nor is why an
//! hour was not judged where that was plume's own silence, or the device's word that a value cannot be corrected.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, bail};
use plume_archive::{Reader, StandingDay, StandingReport};
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Mark, Tick};
use plume_schemas::ids::{ContentId, IngestId, Inline, OutletId};
use plume_schemas::reading::ReportKind;
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use plume_schemas::wire;

use crate::commands::view::hinted;

/// Kinds that windows are judged by, with their period and command number.
const KINDS: [(ReportKind, i64, u16); 5] = [
    (ReportKind::RealTime, 0, 2011),
    (ReportKind::Minute, MINUTE_MS, 2051),
    (ReportKind::FiveMinute, 5 * MINUTE_MS, 2111),
    (ReportKind::Hour, HOUR_MS, 2061),
    (ReportKind::Day, DAY_MS, 2031),
];
/// How long after its period a report comes: well within every grace time.
const COMES_MS: i64 = 2 * SECOND_MS;
/// Days without data at the end, so that the last windows close and the time for marks passes.
const AFTER_DAYS: i64 = 2;
/// Beijing's midnight against that of UTC.
const BEIJING_MS: i64 = 8 * HOUR_MS;

/// Entries given out together, while those before are judged.
const STRETCH: usize = 5_000;

/// Entries by the time at which they come; of one moment the registry first, then ticks, marks and reports.
type Due = BTreeMap<(Time, u8), VecDeque<EntryBody>>;
/// The readings of a day, of each of [`KINDS`].
type Day = Vec<StandingDay>;

/// The place of ticks and of reports among what comes at one moment.
const TICK: u8 = 1;
const REPORT: u8 = 3;

/// Goes through the days of an archive. The next day is read while one is given out.
pub(crate) struct Finals {
    /// Days with readings, one after the other; the thread that reads them ends with this.
    days: Receiver<anyhow::Result<Day>>,
    first: i64,
    next: i64,
    /// Last day with readings.
    full: i64,
    last: i64,
    /// Registry and marks.
    due: Due,
    /// Reports, those of earlier days first, with their place in [`KINDS`].
    reports: Vec<(usize, StandingDay)>,
    tick: Time,
    offset: u64,
    ingest: IngestId,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    Due,
    Tick,
    Report(usize),
}

impl Finals {
    /// All days there are readings of. Errors: no registry is archived, by which they could be judged.
    pub(crate) fn open(reader: Arc<Reader>, partitions: u32) -> anyhow::Result<Option<Self>> {
        let Some((first, last)) = reader.reading_days() else {
            return Ok(None);
        };
        let mut due = Due::new();
        let mut earliest = None;
        for partition in 0..partitions {
            // Every partition has a copy of the registry.
            let kinds: &[&str] = if partition == 0 {
                &["registry", "mark"]
            } else {
                &["mark"]
            };
            for (_, bytes) in reader.log_entries(partition, kinds, u64::MAX).map_err(hinted)? {
                let body = wire::decode_entry(&bytes)?;
                let at = match &body {
                    EntryBody::Mark(mark) => (mark.span.start.max(midnight(first)), 2),
                    // The first one, in all its parts, is in force from the beginning.
                    EntryBody::Registry(part) => {
                        let of = (part.revision, part.recorded_at);
                        let is_first = *earliest.get_or_insert(of) == of;
                        let from = if is_first { midnight(first) } else { part.recorded_at };
                        (from.max(midnight(first)), 0)
                    }
                    other => (other.received_at(), 0),
                };
                due.entry(at).or_default().push_back(body);
            }
        }
        if !due
            .values()
            .flatten()
            .any(|body| matches!(body, EntryBody::Registry(_)))
        {
            bail!("归档中没有档案版本 / the archive holds no registry to judge its readings by");
        }
        Ok(Some(Self::new(reader, None, (first, last), due)))
    }

    /// Some days of one outlet, by the registry and the marks that stand now.
    pub(crate) fn of_outlet(
        reader: Arc<Reader>,
        (registry, marks): (Registry, &[Mark]),
        outlet: OutletId,
        (first, last): (i64, i64),
    ) -> Self {
        let mut due = Due::new();
        let from = midnight(first);
        due.insert((from, 0), VecDeque::from([EntryBody::Registry(Box::new(registry))]));
        let days = Span {
            start: from,
            end: midnight(last + 1),
        };
        let touches = |mark: &&Mark| mark.outlet == outlet && mark.span.start < days.end && days.start < mark.span.end;
        for mark in marks.iter().filter(touches) {
            let at = (mark.span.start.max(from), 2);
            due.entry(at).or_default().push_back(EntryBody::Mark(mark.clone()));
        }
        Self::new(reader, Some(outlet), (first, last), due)
    }

    fn new(reader: Arc<Reader>, only: Option<OutletId>, (first, full): (i64, i64), due: Due) -> Self {
        // One day is given out, one is read, and none waits: their memory is what a replay takes.
        let (sender, days) = sync_channel(0);
        std::thread::spawn(move || read_days(&reader, only, first..=full, &sender));
        Self {
            days,
            first,
            next: first,
            full,
            last: full + AFTER_DAYS,
            due,
            reports: Vec::new(),
            tick: midnight(first),
            offset: 0,
            ingest: IngestId::new("readings").unwrap_or_default(),
        }
    }

    /// Days taken, and all there are.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let days = |until: i64| u64::try_from(until - self.first).unwrap_or(0);
        (days(self.next), days(self.last + 1))
    }

    /// The next entries; `None` at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        let mut entries = Vec::with_capacity(STRETCH);
        while entries.len() < STRETCH {
            let Some(body) = self.take()? else { break };
            let at = LogPosition {
                partition: 0,
                offset: self.offset,
            };
            self.offset += 1;
            entries.push(Entry { at, body });
        }
        Ok(Some(entries).filter(|entries| !entries.is_empty()))
    }

    fn take(&mut self) -> anyhow::Result<Option<EntryBody>> {
        // Nothing of a day comes before its midnight.
        if self.next <= self.last && self.tick >= midnight(self.next) {
            if self.next <= self.full {
                let day = self.days.recv().context("the thread that reads the archive ended")??;
                self.reports.retain(|(_, reports)| reports.measured_at().is_some());
                self.reports.extend(day.into_iter().enumerate());
            }
            self.next += 1;
        }
        let end = midnight(self.last + 1);
        let Some((_, next)) = self.first_due().filter(|((at, _), _)| *at < end) else {
            return Ok(None);
        };
        Ok(match next {
            Next::Due => self.due.first_entry().and_then(|mut due| {
                let body = due.get_mut().pop_front();
                if due.get().is_empty() {
                    due.remove();
                }
                body
            }),
            Next::Tick => {
                let (ingest, received_at) = (self.ingest, self.tick);
                self.tick = self.tick.plus(MINUTE_MS);
                Some(EntryBody::Tick(Tick { ingest, received_at }))
            }
            Next::Report(place) => self.reports.get_mut(place).and_then(|(kind, reports)| {
                let kind = *KINDS.get(*kind)?;
                let report = report(kind, reports.next()?, self.ingest);
                Some(EntryBody::Report(Box::new(report)))
            }),
        })
    }

    /// When what comes next comes, and what it is.
    fn first_due(&self) -> Option<((Time, u8), Next)> {
        let due = self.due.first_key_value().map(|(&key, _)| (key, Next::Due));
        let tick = ((self.tick, TICK), Next::Tick);
        let reports = self.reports.iter().enumerate().filter_map(|(place, (kind, reports))| {
            let &(_, period_ms, _) = KINDS.get(*kind)?;
            let comes = reports.measured_at()?.plus(period_ms + COMES_MS);
            Some(((comes, REPORT), Next::Report(place)))
        });
        // Of equal ones the first.
        due.into_iter().chain([tick]).chain(reports).min_by_key(|(key, _)| *key)
    }
}

/// Reads one day after the other, for as long as somebody takes them.
fn read_days(
    reader: &Reader,
    only: Option<OutletId>,
    days: std::ops::RangeInclusive<i64>,
    to: &SyncSender<anyhow::Result<Day>>,
) {
    for day in days {
        let kinds = KINDS.iter().map(|(kind, ..)| reader.standing_day(*kind, day, only));
        let day = kinds.collect::<Result<Day, _>>().map_err(hinted);
        let failed = day.is_err();
        if to.send(day).is_err() || failed {
            return;
        }
    }
}

fn report((kind, period_ms, cn): (ReportKind, i64, u16), standing: StandingReport, ingest: IngestId) -> Report {
    let StandingReport {
        outlet,
        mn,
        measured_at,
        readings,
    } = standing;
    let packet = [kind.code(), outlet.as_str(), mn.as_str(), &measured_at.stamp17()];
    Report {
        outlet,
        kind,
        times: Times {
            measured_at,
            sent_at: None,
            received_at: measured_at.plus(period_ms + COMES_MS),
        },
        origin: Origin {
            mn,
            st: Inline::default(),
            dialect: Dialect::Hj2017,
            ingest,
            peer: Inline::default(),
            registry_revision: 0,
        },
        backfill: false,
        readings,
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::of(&packet.map(str::as_bytes)),
            raw: Vec::new(),
            share: (0, 1),
            cn,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    }
}

/// The first moment of a Beijing day.
pub(crate) fn midnight(day: i64) -> Time {
    Time(day * DAY_MS - BEIJING_MS)
}
