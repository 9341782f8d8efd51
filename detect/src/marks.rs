//! Marks (标记): what people said of spans of data. They take minutes out of judgement; plume never marks by itself.

use plume_schemas::entry::{Mark, MarkKind};
use plume_schemas::ids::{ContentId, FactorCode};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use crate::rules::budget;
use crate::state::{persist, persist_closed};

/// Marks kept per outlet; the one that ended first makes room. A day of marks is a handful.
const MAX_MARKS: usize = 512;
/// A mark that ended so long ago decides no window that is still kept.
const KEEP_MS: i64 = 72 * HOUR_MS;

persist_closed!(MarkKind);

#[derive(Clone, Debug, PartialEq)]
struct Noted {
    id: ContentId,
    factor: Option<FactorCode>,
    span: Span,
    kind: MarkKind,
}
persist!(Noted { id, factor, span, kind });

/// The marks of one outlet.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Marks {
    noted: Vec<Noted>,
}
persist!(Marks { noted });

/// Marked minutes of an hour, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Marked {
    /// Marked as stopped.
    pub(crate) stopped: u64,
    /// Filed as stop-work.
    pub(crate) stop_work: u64,
    /// Marked otherwise.
    pub(crate) other: u64,
}

impl Marked {
    /// All marked minutes.
    pub(crate) fn any(self) -> u64 {
        self.stopped | self.stop_work | self.other
    }
}

impl Marks {
    /// Enters or withdraws a mark. True when something changed.
    pub(crate) fn apply(&mut self, mark: &Mark, now: Time) -> bool {
        let known = self.noted.iter().position(|noted| noted.id == mark.id);
        if mark.withdrawn {
            return known.map(|place| self.noted.remove(place)).is_some();
        }
        if known.is_some() || mark.span.end <= mark.span.start {
            return false;
        }
        self.noted.retain(|noted| now.since(noted.span.end) < KEEP_MS);
        if self.noted.len() >= MAX_MARKS {
            let first = (0..self.noted.len())
                .min_by_key(|&i| self.noted[i].span.end)
                .unwrap_or(0);
            self.noted.remove(first);
        }
        self.noted.push(Noted {
            id: mark.id,
            factor: mark.factor,
            span: mark.span,
            kind: mark.kind,
        });
        true
    }

    /// The marked minutes of an hour of a factor; a minute is marked when any part of it is.
    pub(crate) fn of_hour(&self, factor: FactorCode, hour: i64) -> Marked {
        let mut marked = Marked::default();
        let start = Time(hour.saturating_mul(HOUR_MS));
        let window = Span {
            start,
            end: start.plus(HOUR_MS),
        };
        for noted in &self.noted {
            let span = Span {
                start: noted.span.start.max(window.start),
                end: noted.span.end.min(window.end),
            };
            if span.start >= span.end || noted.factor.is_some_and(|only| only != factor) {
                continue;
            }
            let first = span.start.since(start).div_euclid(MINUTE_MS);
            let last = (span.end.since(start) - 1).div_euclid(MINUTE_MS);
            let bits = (first..=last.min(59)).fold(0_u64, |bits, minute| bits | 1 << minute);
            match noted.kind {
                MarkKind::Stopped => marked.stopped |= bits,
                MarkKind::StopWork => marked.stop_work |= bits,
                _ => marked.other |= bits,
            }
        }
        marked
    }

    /// How much of a span is marked by kinds that use the budget of exempt hours, milliseconds, for the whole outlet.
    pub(crate) fn exempt_ms(&self, span: Span) -> i64 {
        let own = self
            .noted
            .iter()
            .filter(|noted| budget::uses(noted.kind) && noted.factor.is_none());
        let clipped = own.map(|noted| (noted.span.start.max(span.start), noted.span.end.min(span.end)));
        let mut spans: Vec<(Time, Time)> = clipped.filter(|(start, end)| start < end).collect();
        spans.sort();
        let (mut sum, mut reached) = (0, span.start);
        for (start, end) in spans {
            sum += end.since(start.max(reached)).max(0);
            reached = reached.max(end);
        }
        sum
    }

    /// Spans marked or filed as stopped, for the whole outlet.
    pub(crate) fn stops(&self) -> impl Iterator<Item = Span> {
        let stops = self
            .noted
            .iter()
            .filter(|noted| matches!(noted.kind, MarkKind::Stopped | MarkKind::StopWork));
        stops.filter(|noted| noted.factor.is_none()).map(|noted| noted.span)
    }

    /// The kind of the first mark on an hour, for the evidence.
    pub(crate) fn kind_of_hour(&self, factor: FactorCode, hour: i64) -> Option<MarkKind> {
        let start = Time(hour.saturating_mul(HOUR_MS));
        let touches = |noted: &&Noted| noted.span.start < start.plus(HOUR_MS) && noted.span.end > start;
        let concerns = |noted: &&Noted| noted.factor.is_none_or(|only| only == factor);
        self.noted
            .iter()
            .filter(touches)
            .filter(concerns)
            .min_by_key(|noted| (noted.span.start, noted.id))
            .map(|n| n.kind)
    }
}
