//! What in the log asks for judging again: data, marks and registry changes about days that the judge no longer
//! remembers. No IO.
//!
//! The unit is an outlet's Beijing day, because a day is judged by all of its hours. A day is asked for where it began
//! before what the judge remembered when the record came; of its hours those that the judge still remembers stay its
//! own (`Outlet::recomputed`).

use std::collections::BTreeMap;

use plume_detect::remembered_from;
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::OutletId;
use plume_schemas::reading::ReportKind;
use plume_schemas::recompute::RecomputeCause;
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::{Span, Time};

use crate::finals::midnight;

/// Days to judge again, with the first reason there was.
pub(super) type Days = BTreeMap<i64, RecomputeCause>;

/// Goes through the records of a partition.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// Days before are not judged again.
    pub(super) since: i64,
    /// As recorded last; none before the first.
    pub(super) registry: Option<Registry>,
    pub(super) assembly: Assembly,
    pub(super) due: BTreeMap<OutletId, Days>,
    /// Spans that began before `since`, cut there.
    pub(super) cut: u64,
}

impl Triggers {
    /// Takes the next record.
    pub(super) fn take(&mut self, body: &EntryBody) {
        match body {
            EntryBody::Report(report) => {
                let times = &report.times;
                self.packet(report.outlet, report.kind, times.measured_at, times.received_at);
            }
            EntryBody::Mark(mark) => self.ask(mark.outlet, mark.span, mark.received_at, RecomputeCause::Mark),
            EntryBody::Registry(part) => {
                let Some(whole) = self.assembly.take(part) else { return };
                if let Some(before) = &self.registry {
                    let until = remembered_from(whole.recorded_at);
                    for (outlet, span) in plume_detect::affected(before, &whole, until) {
                        self.ask(outlet, span, whole.recorded_at, RecomputeCause::Registry);
                    }
                }
                self.registry = Some(whole);
            }
            EntryBody::Tick(_)
            | EntryBody::Presence(_)
            | EntryBody::ClockStep(_)
            | EntryBody::Check(_)
            | EntryBody::Recomputed(_) => {}
        }
    }

    /// Takes what came of an outlet, measured and received when.
    pub(super) fn packet(&mut self, outlet: OutletId, kind: ReportKind, measured_at: Time, received_at: Time) {
        // Of nearly all the day has just begun.
        if is_judged(kind) && midnight(measured_at.beijing_day()) < remembered_from(received_at) {
            let span = Span {
                start: measured_at,
                end: measured_at.plus(1),
            };
            self.ask(outlet, span, received_at, RecomputeCause::LateData);
        }
    }

    /// Asks for the days that a span touches and that the judge did not remember at `now`.
    pub(super) fn ask(&mut self, outlet: OutletId, span: Span, now: Time, why: RecomputeCause) {
        let border = remembered_from(now);
        let first = span.start.beijing_day();
        self.cut += u64::from(first < self.since && span.start > Time(i64::MIN / 2));
        let last = span.end.min(border).plus(-1).beijing_day();
        for day in first.max(self.since)..=last {
            if midnight(day) < border {
                self.due.entry(outlet).or_default().entry(day).or_insert(why);
            }
        }
    }
}

/// Whether windows are judged by reports of this kind.
fn is_judged(kind: ReportKind) -> bool {
    matches!(
        kind,
        ReportKind::RealTime | ReportKind::Minute | ReportKind::FiveMinute | ReportKind::Hour | ReportKind::Day
    )
}

/// Days that follow each other for one reason, at most so many together: `(first, last, why)`.
pub(super) fn runs(days: &Days, most: i64) -> Vec<(i64, i64, RecomputeCause)> {
    let mut runs: Vec<(i64, i64, RecomputeCause)> = Vec::new();
    for (&day, &why) in days {
        match runs.last_mut() {
            Some((first, last, of)) if *last + 1 == day && *of == why && day - *first < most => *last = day,
            _ => runs.push((day, day, why)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_detect::synthetic::Stream;
    use plume_schemas::entry::{Mark, MarkKind};
    use plume_schemas::ids::ContentId;
    use plume_schemas::time::{DAY_MS, HOUR_MS};

    fn mark(start: Time, hours: i64, received_at: Time) -> EntryBody {
        EntryBody::Mark(Mark {
            id: ContentId::of(&[b"mark"]),
            outlet: outlet(),
            factor: None,
            span: Span {
                start,
                end: start.plus(hours * HOUR_MS),
            },
            kind: MarkKind::Calibration,
            withdrawn: false,
            by: String::new(),
            note: String::new(),
            received_at,
        })
    }

    fn outlet() -> OutletId {
        OutletId::new("S00000:DA001").unwrap()
    }

    fn days(triggers: &Triggers) -> Vec<i64> {
        triggers.due.values().flat_map(|days| days.keys().copied()).collect()
    }

    #[test]
    fn a_day_is_asked_for_where_it_began_before_what_is_remembered() {
        let noon = Time::parse_stamp(b"20260117120000").unwrap();
        let today = noon.beijing_day();
        let taken = |start: Time, hours: i64, now: Time| {
            let mut triggers = Triggers::default();
            triggers.take(&mark(start, hours, now));
            days(&triggers)
        };
        // The judge has 45 hours before the one that runs: at noon yesterday began 36 hours ago, the day before 60.
        assert!(taken(noon.plus(-DAY_MS), 2, noon).is_empty());
        assert_eq!(taken(noon.plus(-2 * DAY_MS), 48, noon), [today - 2]);
        // Yesterday began 45 hours before 21:00, and 46 before 22:00.
        let at = |hour: i64| midnight(today).plus(hour * HOUR_MS);
        assert!(taken(noon.plus(-DAY_MS), 2, at(21)).is_empty());
        assert_eq!(taken(noon.plus(-DAY_MS), 2, at(22)), [today - 1]);
        assert_eq!(taken(noon.plus(-4 * DAY_MS), 30, noon), [today - 4, today - 3]);
        let mut bounded = Triggers {
            since: today - 3,
            ..Triggers::default()
        };
        bounded.take(&mark(noon.plus(-5 * DAY_MS), 80, noon));
        assert_eq!((days(&bounded), bounded.cut), (vec![today - 3, today - 2], 1));
    }

    #[test]
    fn packets_that_come_in_time_ask_for_nothing() {
        let mut stream = Stream::new(1, 1, Time::parse_stamp(b"20260117000000").unwrap(), 1);
        let mut triggers = Triggers::default();
        triggers.take(&stream.first().body);
        let mut entries = Vec::new();
        (0..120).for_each(|_| stream.next_minute(&mut entries));
        for entry in &entries {
            triggers.take(&entry.body);
        }
        assert!(triggers.due.is_empty());
        let late = entries.iter().rev().find_map(|entry| match &entry.body {
            EntryBody::Report(report) => Some(report.clone()),
            _ => None,
        });
        let mut late = late.unwrap();
        late.times.received_at = late.times.measured_at.plus(60 * HOUR_MS);
        let day = late.times.measured_at.beijing_day();
        triggers.take(&EntryBody::Report(late));
        assert_eq!(triggers.due[&outlet()], Days::from([(day, RecomputeCause::LateData)]));
    }

    #[test]
    fn runs_are_of_one_reason_and_bounded() {
        use RecomputeCause::{LateData, Mark};
        let days: Days = [
            (1, Mark),
            (2, Mark),
            (3, LateData),
            (4, LateData),
            (5, LateData),
            (8, LateData),
        ]
        .into();
        let found = runs(&days, 2);
        let expected = [(1, 2, Mark), (3, 4, LateData), (5, 5, LateData), (8, 8, LateData)];
        assert_eq!(found, expected);
    }
}
