//! The second step of TWIN (D18): fingerprints of all judges in, leads out. Pure, as the judge is: what it says is a
//! function of what each judge said, in the order of each judge; how the judges' lines are mixed does not matter.
//!
//! ```text
//! judge 0 ─▶ fingerprint of (outlet, factor, six hours) ─┐
//! judge 1 ─▶ …                                           ├▶ Pairing ─▶ opened, cleared: one case a pair
//! ```
//!
//! Who copied from whom nobody can see: the case is the pair's, and stands at the outlet whose id comes first.

mod compare;
mod shelf;

use std::collections::BTreeMap;

use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, FactorCode, Inline, OutletId};
use plume_schemas::judgement::{FactKey, FactValue, Judgement, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::config::TwinSettings;
use crate::out::Facts;
use crate::rules::twin::{NOTHING, SAMPLES, WINDOW_H};
use compare::Likeness;
use shelf::Shelf;

/// Windows whose fingerprints are kept: a judge may be so far behind the others, six hours each. A fingerprint takes
/// some 600 bytes with what finds it.
const WINDOWS_KEPT: i64 = 2;
/// Pairs that are open at one time. A thousand leads are more than officers can follow; a data source that gives
/// everybody the same values is one fault, not half a million.
pub const MAX_OPEN: usize = 1_000;

/// What was left out, since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Fingerprints of windows that are no longer kept.
    pub too_old: u64,
    /// Pairs beyond [`MAX_OPEN`].
    pub too_many: u64,
}

/// A fingerprint as a judge said it.
#[derive(Debug, Clone, PartialEq)]
struct Print {
    outlet: OutletId,
    /// Whose readings they are: the chimney or the device.
    origin: Inline<63>,
    letters: [u8; SAMPLES],
    levels: [u8; SAMPLES],
    window: Span,
    said: Said,
}

/// When and where a judge said it; of two the greater one came later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    at: Time,
    cause: LogPosition,
}

/// A pair: its factor, and its outlets in the order of their ids.
type Pair = (FactorCode, OutletId, OutletId);

/// An open case.
#[derive(Debug, Clone, Copy)]
struct Open {
    first: Time,
    /// Start of the last window in which they were equal.
    last: Time,
    /// The first fingerprint of each that came so long after that it is over.
    quiet: [Option<Said>; 2],
}

/// What is known of the fingerprints so far.
#[derive(Debug)]
pub struct Pairing {
    settings: TwinSettings,
    shelves: BTreeMap<(i64, FactorCode), Shelf>,
    newest: i64,
    open: BTreeMap<Pair, Open>,
    left: Left,
}

impl Pairing {
    /// One that knows nothing yet.
    pub fn new(settings: TwinSettings) -> Self {
        Self {
            settings,
            shelves: BTreeMap::new(),
            newest: i64::MIN,
            open: BTreeMap::new(),
            left: Left::default(),
        }
    }

    /// What was left out.
    pub fn left(&self) -> Left {
        self.left
    }

    /// Takes a judgement; all but fingerprints are passed over. What it leads to is appended to `events`.
    pub fn take(&mut self, judgement: &Judgement, events: &mut Vec<Event>) {
        let (Some(print), Some(factor)) = (Print::of(judgement), judgement.factor) else {
            return;
        };
        let window = print.window.start.0.div_euclid(WINDOW_H * HOUR_MS);
        if window <= self.newest.saturating_sub(WINDOWS_KEPT) {
            self.left.too_old += 1;
            return;
        }
        if window > self.newest {
            self.newest = window;
            self.shelves.retain(|(kept, _), _| *kept > window - WINDOWS_KEPT);
        }
        let shelf = self.shelves.entry((window, factor)).or_default();
        // The log may hold repeats; the first counts.
        if shelf.of(print.outlet).is_some() {
            return;
        }
        let mut found = Vec::new();
        shelf.near(&print, |other| {
            if other.origin != print.origin || print.origin.is_empty() {
                let likeness = Likeness::of(&print, other, &self.settings);
                found.extend(likeness.map(|likeness| (likeness, other.clone())));
            }
        });
        shelf.put(print.clone());
        found.sort_by_key(|(_, other)| other.outlet);
        for (likeness, other) in &found {
            self.equal(factor, &print, other, likeness, events);
        }
        self.pass(factor, &print, events);
    }

    /// Two outlets were equal in a window.
    fn equal(&mut self, factor: FactorCode, one: &Print, two: &Print, like: &Likeness, events: &mut Vec<Event>) {
        let (first, second) = if one.outlet < two.outlet {
            (one, two)
        } else {
            (two, one)
        };
        let pair = (factor, first.outlet, second.outlet);
        let start = one.window.start;
        let quiet = [first.outlet, second.outlet].map(|outlet| self.quiet(factor, outlet, start));
        if let Some(open) = self.open.get_mut(&pair) {
            (open.last, open.quiet) = (start, quiet);
            return;
        }
        if self.open.len() >= MAX_OPEN {
            self.left.too_many += 1;
            return;
        }
        let open = Open {
            first: start,
            last: start,
            quiet,
        };
        self.open.insert(pair, open);
        let mut facts = Facts::with_capacity(8);
        facts.text(FactKey::Name, second.outlet.as_str());
        like.tell(start, &mut facts);
        let verdict = Verdict::Breach(Severity::Notice);
        events.push(event(
            pair,
            &open,
            (Edge::Opened, verdict),
            one.said.max(two.said),
            (one.window.end, facts),
        ));
    }

    /// The first fingerprint of an outlet so long after `last` that it is over: it may have come already, where the
    /// other outlet's judge is behind.
    fn quiet(&self, factor: FactorCode, outlet: OutletId, last: Time) -> Option<Said> {
        let after = last.plus(self.clear_ms());
        let shelves = self.shelves.iter().filter(|((_, of), _)| *of == factor);
        let mut prints = shelves.filter_map(|(_, shelf)| shelf.of(outlet));
        prints.find(|print| print.window.start >= after).map(|print| print.said)
    }

    fn clear_ms(&self) -> i64 {
        i64::from(self.settings.clear_hours) * HOUR_MS
    }

    /// Ends the cases of an outlet whose values have been its own for long, on both sides.
    fn pass(&mut self, factor: FactorCode, print: &Print, events: &mut Vec<Event>) {
        let clear_ms = self.clear_ms();
        let mut over = Vec::new();
        for (pair, open) in &mut self.open {
            let side = usize::from(pair.1 != print.outlet);
            let concerns = pair.0 == factor && (pair.1 == print.outlet || pair.2 == print.outlet);
            if !concerns || print.window.start.since(open.last) < clear_ms {
                continue;
            }
            open.quiet[side] = open.quiet[side].or(Some(print.said));
            if let [Some(one), Some(two)] = open.quiet {
                over.push((*pair, one.max(two)));
            }
        }
        for (pair, said) in over {
            let Some(open) = self.open.remove(&pair) else { continue };
            let mut facts = Facts::with_capacity(2);
            facts
                .text(FactKey::Name, pair.2.as_str())
                .time(FactKey::Since, open.first);
            let end = open.last.plus(WINDOW_H * HOUR_MS);
            events.push(event(pair, &open, (Edge::Cleared, Verdict::Fine), said, (end, facts)));
        }
    }
}

impl Print {
    /// The fingerprint in a judgement.
    fn of(judgement: &Judgement) -> Option<Self> {
        if judgement.rule != RuleCode::Twin {
            return None;
        }
        let text = |key| match judgement.fact(key)? {
            FactValue::Text(text) => Some(text),
            _ => None,
        };
        let letters = |key| -> Option<[u8; SAMPLES]> { text(key)?.as_str().as_bytes().try_into().ok() };
        Some(Self {
            outlet: judgement.outlet,
            origin: text(FactKey::Name).unwrap_or_default(),
            letters: letters(FactKey::Print)?,
            levels: letters(FactKey::Shape)?,
            window: judgement.window,
            said: Said {
                at: judgement.judged_at,
                cause: judgement.cause,
            },
        })
    }

    /// The samples that have a value.
    fn known(&self) -> impl Iterator<Item = u8> {
        self.letters.into_iter().filter(|&letter| letter != NOTHING)
    }
}

/// An edge of a pair's case. Its id is of both outlets: each may have several twins.
fn event(
    (factor, one, two): Pair,
    open: &Open,
    (edge, verdict): (Edge, Verdict),
    said: Said,
    (end, facts): (Time, Facts),
) -> Event {
    let case = ContentId::of(&[
        RuleCode::Twin.code().as_bytes(),
        factor.as_str().as_bytes(),
        one.as_str().as_bytes(),
        b"\0",
        two.as_str().as_bytes(),
        &open.first.0.to_le_bytes(),
    ]);
    let judgement = Judgement {
        rule: RuleCode::Twin,
        outlet: one,
        factor: Some(factor),
        window: Span { start: open.first, end },
        pane: Pane::OnTime,
        verdict,
        previous: (edge == Edge::Cleared).then_some(Verdict::Breach(Severity::Notice)),
        cause: said.cause,
        ordinal: 0,
        judged_at: said.at,
        late: false,
        evidence: facts.0,
    };
    Event {
        id: Event::event_id(case, edge, said.cause),
        case,
        edge,
        at: said.at,
        preliminary: false,
        judgement,
    }
}
