//! What two judges say of the same log, compared: verdicts of hours and days by their last revision, events by the
//! case they belong to. No IO.
//!
//! Both are given entry by entry (or some entries together). What both say alike is forgotten at once; what remains
//! is small where little changed, and bounded by the windows that can still be revised and by [`MAX_LISTED`].

use std::collections::{BTreeMap, BTreeSet};

use plume_detect::Out;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, FactorCode, OutletId};
use plume_schemas::judgement::{FactKey, Judgement, Verdict};
use plume_schemas::rule::{Order, RuleCode};
use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};

/// How long after its end a window can still be revised: the judge keeps 48 hours of minutes and re-judges eight days
/// of hours; two more are for a clock that stands still.
pub(super) const SETTLED_MS: i64 = 10 * DAY_MS;
/// Two events of one outlet, factor, rule and edge are one that moved if their windows begin at most so far apart.
const MOVED_MS: i64 = DAY_MS;
/// Differences kept of a kind; what is beyond is counted. A hundred thousand lines are nobody's reading, and 20 MB.
pub(super) const MAX_LISTED: usize = 100_000;

/// What is compared.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Windows that begin in it.
    pub(super) span: Span,
    /// Of these outlets; empty: all.
    pub(super) outlets: BTreeSet<OutletId>,
    /// Window rules alone: what the others say depends on an arrival that is not known any more.
    pub(super) windows_alone: bool,
}

impl Scope {
    fn covers(&self, judgement: &Judgement) -> bool {
        self.span.contains(judgement.window.start)
            && (!self.windows_alone || judgement.rule.order() == Order::Window)
            && (self.outlets.is_empty() || self.outlets.contains(&judgement.outlet))
    }
}

/// One event, as far as it matters whether it is the same one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Happened {
    pub(super) outlet: OutletId,
    pub(super) factor: Option<FactorCode>,
    pub(super) rule: RuleCode,
    pub(super) edge: Edge,
    pub(super) case: ContentId,
    pub(super) window: Span,
    pub(super) at: Time,
    pub(super) verdict: Verdict,
}

impl Happened {
    fn of(event: &Event) -> Self {
        let judgement = &event.judgement;
        Self {
            outlet: judgement.outlet,
            factor: judgement.factor,
            rule: judgement.rule,
            edge: event.edge,
            case: event.case,
            window: judgement.window,
            at: event.at,
            verdict: judgement.verdict,
        }
    }

    /// What it is about: outlet, factor, rule and edge.
    fn subject(&self) -> (OutletId, Option<FactorCode>, u8, u8) {
        (self.outlet, self.factor, self.rule.number(), self.edge.number())
    }
}

/// The last word about a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Last {
    pub(super) verdict: Verdict,
    pub(super) mean: Option<f64>,
    pub(super) limit: Option<f64>,
}

impl Last {
    fn of(judgement: &Judgement) -> Self {
        Self {
            verdict: judgement.verdict,
            mean: judgement.number(FactKey::Mean),
            limit: judgement.number(FactKey::Limit),
        }
    }
}

/// An hour or day of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Window {
    pub(super) start: Time,
    pub(super) outlet: OutletId,
    pub(super) factor: FactorCode,
    pub(super) is_day: bool,
}

impl Window {
    /// The window of a judgement whose verdict is compared: hours and days of a limit.
    fn of(judgement: &Judgement) -> Option<Self> {
        let is_day = match judgement.rule {
            RuleCode::ExceedHour => false,
            RuleCode::ExceedDay => true,
            _ => return None,
        };
        Some(Self {
            start: judgement.window.start,
            outlet: judgement.outlet,
            factor: judgement.factor?,
            is_day,
        })
    }

    fn end(&self) -> Time {
        self.start.plus(if self.is_day { DAY_MS } else { HOUR_MS })
    }
}

/// An hour or day of which the two say something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Changed {
    pub(super) window: Window,
    pub(super) then: Option<Last>,
    pub(super) now: Option<Last>,
}

/// Hours or days of one factor of one outlet, then and now.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct Count {
    pub(super) judged: [u64; 2],
    pub(super) exceeded: [u64; 2],
    /// The limit that was in force last.
    pub(super) limit: [Option<f64>; 2],
    pub(super) changed: u64,
}

/// Outlet, factor, and whether days are counted.
pub(super) type Row = (OutletId, FactorCode, bool);

/// What was found.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Found {
    pub(super) added: Vec<Happened>,
    pub(super) removed: Vec<Happened>,
    /// The same event elsewhere: another window, time or severity.
    pub(super) moved: Vec<(Happened, Happened)>,
    pub(super) changed: Vec<Changed>,
    pub(super) rows: BTreeMap<Row, Count>,
    /// Windows compared.
    pub(super) windows: u64,
    /// Differences beyond [`MAX_LISTED`], counted and not listed.
    pub(super) unlisted: u64,
}

impl Found {
    /// Whether the two say the same.
    pub(super) fn is_empty(&self) -> bool {
        let listed = self.added.len() + self.removed.len() + self.moved.len() + self.changed.len();
        listed == 0 && self.unlisted == 0
    }

    /// Adds what was found in another partition, whose outlets are others.
    pub(super) fn add(&mut self, other: Self) {
        self.added.extend(other.added);
        self.removed.extend(other.removed);
        self.moved.extend(other.moved);
        self.changed.extend(other.changed);
        self.rows.extend(other.rows);
        self.windows += other.windows;
        self.unlisted += other.unlisted;
    }
}

/// Two judges, compared while they go.
#[derive(Debug)]
pub(super) struct Comparison {
    scope: Scope,
    /// Windows that may still be revised, with the last word of each.
    open: BTreeMap<Window, [Option<Last>; 2]>,
    /// Events that only one of them has said so far.
    single: [Vec<Happened>; 2],
    found: Found,
}

impl Comparison {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            open: BTreeMap::new(),
            single: [Vec::new(), Vec::new()],
            found: Found::default(),
        }
    }

    /// Takes what both said of the same entries, then forgets what can no longer change by the clock `now`.
    pub(super) fn take(&mut self, then: &Out, now_said: &Out, now: Option<Time>) {
        for (side, out) in [then, now_said].into_iter().enumerate() {
            for judgement in out.judgements.iter().filter(|judgement| self.scope.covers(judgement)) {
                if let Some(window) = Window::of(judgement) {
                    let lasts = self.open.entry(window).or_default();
                    if let Some(last) = lasts.get_mut(side) {
                        *last = Some(Last::of(judgement));
                    }
                }
            }
        }
        let events = |out: &Out| -> Vec<Happened> {
            let inside = out.events.iter().filter(|event| self.scope.covers(&event.judgement));
            inside.map(Happened::of).collect()
        };
        let (mut only_then, mut only_now) = (events(then), events(now_said));
        only_then.retain(|event| match only_now.iter().position(|other| other == event) {
            Some(same) => {
                only_now.swap_remove(same);
                false
            }
            None => true,
        });
        let [singles_then, singles_now] = &mut self.single;
        for (singles, more) in [(singles_then, only_then), (singles_now, only_now)] {
            let room = MAX_LISTED.saturating_sub(singles.len());
            self.found.unlisted += more.len().saturating_sub(room) as u64;
            singles.extend(more.into_iter().take(room));
        }
        if let Some(now) = now {
            self.settle(now.plus(-SETTLED_MS));
        }
    }

    /// Counts windows that ended before `until`: nothing revises them any more.
    fn settle(&mut self, until: Time) {
        while let Some(entry) = self.open.first_entry() {
            if entry.key().end() > until {
                return;
            }
            let (window, lasts) = entry.remove_entry();
            self.found.count(window, lasts);
        }
    }

    /// What was found in all.
    pub(super) fn finish(mut self) -> Found {
        for (window, lasts) in std::mem::take(&mut self.open) {
            self.found.count(window, lasts);
        }
        let [then, now] = self.single;
        let mut found = self.found;
        let mut subjects: BTreeMap<_, [Vec<Happened>; 2]> = BTreeMap::new();
        for (side, event) in then
            .into_iter()
            .map(|one| (0, one))
            .chain(now.into_iter().map(|one| (1, one)))
        {
            let [then, now] = subjects.entry(event.subject()).or_default();
            if side == 0 { then.push(event) } else { now.push(event) }
        }
        for [then, now] in subjects.into_values() {
            found.pair(then, now);
        }
        found
    }
}

impl Found {
    /// Events of one outlet, factor, rule and edge that only one of the two said. An edge of the same case is the same
    /// event, however far it moved; only then are the nearest taken for one.
    fn pair(&mut self, mut then: Vec<Happened>, now: Vec<Happened>) {
        let mut unmatched = Vec::new();
        for event in now {
            match then.iter().position(|other| other.case == event.case) {
                Some(place) => self.moved.push((then.remove(place), event)),
                None => unmatched.push(event),
            }
        }
        for event in unmatched {
            let distance = |other: &Happened| other.window.start.since(event.window.start).abs();
            let near = then.iter().enumerate().filter(|(_, other)| distance(other) <= MOVED_MS);
            match near.min_by_key(|(_, other)| distance(other)).map(|(place, _)| place) {
                Some(place) => self.moved.push((then.remove(place), event)),
                None => self.added.push(event),
            }
        }
        self.removed.extend(then);
    }

    fn count(&mut self, window: Window, lasts: [Option<Last>; 2]) {
        self.windows += 1;
        let [then, now] = lasts;
        let changed = then.map(|last| last.verdict) != now.map(|last| last.verdict);
        let row = self
            .rows
            .entry((window.outlet, window.factor, window.is_day))
            .or_default();
        row.changed += u64::from(changed);
        let sides = row.judged.iter_mut().zip(&mut row.exceeded).zip(&mut row.limit);
        for (((judged, exceeded), limit), last) in sides.zip(lasts) {
            let Some(last) = last else { continue };
            *judged += u64::from(!matches!(last.verdict, Verdict::NotJudged(_)));
            *exceeded += u64::from(matches!(last.verdict, Verdict::Breach(_)));
            *limit = last.limit.or(*limit);
        }
        if changed && self.changed.len() < MAX_LISTED {
            self.changed.push(Changed { window, then, now });
        } else if changed {
            self.unlisted += 1;
        }
    }
}
