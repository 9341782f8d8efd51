//! A log made of what stands in `readings`, for days whose packets have expired: every reading in its last revision,
//! each report right after the period it tells of, ticks every minute, registry and marks as far as they are there.
//!
//! Window rules end with the same word whatever the order of arrival, so what they say of this log is their last word.
//! What depends on arrival (silence, charts, warnings while the hour runs) is not reproducible from it. Nor is why an
//! hour was not judged where that was plume's own silence, or the device's word that a value cannot be corrected.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use plume_archive::Reader;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Mark, Tick};
use plume_schemas::ids::{ContentId, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Reading, ReportKind};
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

/// Entries by the time at which they come; of one moment the registry first, then ticks, marks and reports.
type Due = BTreeMap<(Time, u8), Vec<EntryBody>>;

/// Goes through the days of an archive.
pub(crate) struct Finals {
    reader: Arc<Reader>,
    /// Readings of this outlet alone.
    only: Option<OutletId>,
    first: i64,
    next: i64,
    /// Last day with readings.
    full: i64,
    last: i64,
    due: Due,
    offset: u64,
    ingest: IngestId,
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
                due.entry(at).or_default().push(body);
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
        due.insert((from, 0), vec![EntryBody::Registry(Box::new(registry))]);
        let days = Span {
            start: from,
            end: midnight(last + 1),
        };
        let touches = |mark: &&Mark| mark.outlet == outlet && mark.span.start < days.end && days.start < mark.span.end;
        for mark in marks.iter().filter(touches) {
            let at = (mark.span.start.max(from), 2);
            due.entry(at).or_default().push(EntryBody::Mark(mark.clone()));
        }
        Self::new(reader, Some(outlet), (first, last), due)
    }

    fn new(reader: Arc<Reader>, only: Option<OutletId>, (first, full): (i64, i64), due: Due) -> Self {
        Self {
            reader,
            only,
            first,
            next: first,
            full,
            last: full + AFTER_DAYS,
            due,
            offset: 0,
            ingest: IngestId::new("readings").unwrap_or_default(),
        }
    }

    /// Days taken, and all there are.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let days = |until: i64| u64::try_from(until - self.first).unwrap_or(0);
        (days(self.next), days(self.last + 1))
    }

    /// The entries of the next day; `None` at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        if self.next > self.last {
            return Ok(None);
        }
        let (day, end) = (self.next, midnight(self.next + 1));
        self.next += 1;
        if day <= self.full {
            for kind in KINDS {
                self.read(kind, day)?;
            }
        }
        for minute in 0..DAY_MS / MINUTE_MS {
            let received_at = midnight(day).plus(minute * MINUTE_MS);
            let tick = Tick {
                ingest: self.ingest,
                received_at,
            };
            self.due
                .entry((received_at, 1))
                .or_default()
                .push(EntryBody::Tick(tick));
        }
        let later = self.due.split_off(&(end, 0));
        let bodies = std::mem::replace(&mut self.due, later).into_values().flatten();
        let first = self.offset;
        let entries: Vec<Entry> = (first..)
            .zip(bodies)
            .map(|(offset, body)| Entry {
                at: LogPosition { partition: 0, offset },
                body,
            })
            .collect();
        self.offset += entries.len() as u64;
        Ok(Some(entries))
    }

    /// Makes the reports of a kind and day.
    fn read(&mut self, (kind, period_ms, cn): (ReportKind, i64, u16), day: i64) -> anyhow::Result<()> {
        let standing = self.reader.standing_readings(kind, day, self.only).map_err(hinted)?;
        let mut reports: BTreeMap<(Time, OutletId, Mn), Vec<Reading>> = BTreeMap::new();
        for one in standing {
            let of = (one.measured_at, one.outlet, one.mn);
            reports.entry(of).or_default().push(one.reading);
        }
        for ((measured_at, outlet, mn), readings) in reports {
            let received_at = measured_at.plus(period_ms + COMES_MS);
            let packet = [kind.code(), outlet.as_str(), mn.as_str(), &measured_at.stamp17()];
            let report = Report {
                outlet,
                kind,
                times: Times {
                    measured_at,
                    sent_at: None,
                    received_at,
                },
                origin: Origin {
                    mn,
                    st: Inline::default(),
                    dialect: Dialect::Hj2017,
                    ingest: self.ingest,
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
            };
            let due = self.due.entry((received_at, 3)).or_default();
            due.push(EntryBody::Report(Box::new(report)));
        }
        Ok(())
    }
}

/// The first moment of a Beijing day.
pub(crate) fn midnight(day: i64) -> Time {
    Time(day * DAY_MS - BEIJING_MS)
}
