//! Two judges over the same log: one as it was, one by another registry or other rules. No IO.

use std::collections::BTreeMap;

use plume_detect::{Engine, Out, Partition, Settings, WarmUp};
use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::ids::{IngestId, Mn, OutletId};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::Time;

use super::difference::{Comparison, Found, SETTLED_MS, Scope};

/// Fewer entries are judged one after the other: a thread costs as much as judging them.
const ALONE: usize = 64;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) scope: Scope,
    /// Rules as they were, and the others.
    pub(super) rules: [Settings; 2],
    /// In the place of every recorded registry.
    pub(super) registry: Option<Registry>,
}

impl Question {
    /// From when on both must read: the longer memory of the two.
    pub(super) fn warm_up(&self) -> WarmUp {
        let [then, now] = &self.rules;
        let [then, now] = [then, now].map(|rules| rules.warm_up(self.scope.span.start));
        let longer = if now.begin < then.begin { now } else { then };
        WarmUp {
            marks_from: then.marks_from.min(now.marks_from),
            ..longer
        }
    }
}

/// What stood when the warm-up began: the registry, the marks that still count, which devices were there.
#[derive(Debug, Default)]
struct Standing {
    registry: Vec<Entry>,
    marks: Vec<Entry>,
    presence: BTreeMap<(OutletId, Mn, IngestId), Entry>,
}

impl Standing {
    fn keep(&mut self, entry: Entry, marks_from: Time) {
        match &entry.body {
            EntryBody::Registry(part) => {
                let is_of = |other: &Entry| {
                    matches!(&other.body, EntryBody::Registry(kept)
                        if (kept.revision, kept.recorded_at) == (part.revision, part.recorded_at))
                };
                if !self.registry.iter().all(is_of) {
                    self.registry.clear();
                }
                self.registry.push(entry);
            }
            EntryBody::Mark(mark) if mark.span.end >= marks_from => self.marks.push(entry),
            EntryBody::Presence(presence) => {
                let of = (presence.outlet, presence.mn, presence.ingest);
                self.presence.insert(of, entry);
            }
            _ => {}
        }
    }
}

/// The two, and what they said differently so far.
#[derive(Debug)]
pub(super) struct Two {
    engines: [Engine; 2],
    outs: [Out; 2],
    question: Question,
    warm_up: WarmUp,
    /// Until the warm-up begins; then it is handed to both.
    standing: Option<Standing>,
    /// Waits for the clock to run: before that an outlet takes no mark.
    waiting: Vec<Entry>,
    comparison: Comparison,
    /// The other registry was given.
    replaced: bool,
    assembly: Assembly,
    recorded: Registry,
    first: Option<Time>,
}

impl Two {
    pub(super) fn new(question: Question, partition: Partition) -> Self {
        let engine = |rules: &Settings| Engine::new(rules.clone(), partition);
        let [then, now] = &question.rules;
        Self {
            engines: [engine(then), engine(now)],
            outs: [Out::default(), Out::default()],
            warm_up: question.warm_up(),
            comparison: Comparison::new(question.scope.clone()),
            question,
            standing: Some(Standing::default()),
            waiting: Vec::new(),
            replaced: false,
            assembly: Assembly::default(),
            recorded: Registry::default(),
            first: None,
        }
    }

    /// When the first entry was recorded.
    pub(super) fn first(&self) -> Option<Time> {
        self.first
    }

    /// The registry that was recorded last.
    pub(super) fn recorded(&self) -> &Registry {
        &self.recorded
    }

    /// Takes entries in their order; false once nothing that is asked about can change any more.
    /// What was recomputed is left out: it was found by the registry and the rules of then.
    pub(super) fn take(&mut self, mut entries: Vec<Entry>) -> bool {
        entries.retain(|entry| !matches!(entry.body, EntryBody::Recomputed(_)));
        self.first = self
            .first
            .or_else(|| entries.first().map(|entry| entry.body.received_at()));
        for entry in &entries {
            if let EntryBody::Registry(part) = &entry.body
                && let Some(whole) = self.assembly.take(part)
            {
                self.recorded = whole;
            }
        }
        let entries = self.begin(entries);
        if entries.is_empty() {
            return true;
        }
        let other = self.for_other(&entries);
        let other = other.as_deref().unwrap_or(&entries);
        let ([then, now], [said_then, said_now]) = (&mut self.engines, &mut self.outs);
        said_then.clear();
        said_now.clear();
        if entries.len() < ALONE {
            then.steps(&entries, said_then);
            now.steps(other, said_now);
        } else {
            std::thread::scope(|scope| {
                scope.spawn(|| now.steps(other, said_now));
                then.steps(&entries, said_then);
            });
        }
        let clock = then.now();
        self.comparison.take(said_then, said_now, clock);
        clock.is_none_or(|now| now.since(self.question.scope.span.end) < SETTLED_MS)
    }

    /// What was found.
    pub(super) fn finish(self) -> Found {
        self.comparison.finish()
    }

    /// Leaves out what lies before the warm-up, but for what still stood when it began.
    fn begin(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut ready = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(mut standing) = self.standing.take() {
                if entry.body.received_at() < self.warm_up.begin {
                    standing.keep(entry, self.warm_up.marks_from);
                    self.standing = Some(standing);
                    continue;
                }
                ready.append(&mut standing.registry);
                self.waiting = standing.marks;
                self.waiting.extend(standing.presence.into_values());
            }
            let ticks = matches!(entry.body, EntryBody::Tick(_));
            ready.push(entry);
            if ticks {
                ready.append(&mut self.waiting);
            }
        }
        ready
    }

    /// The entries for the other judge, where they are not the same: the other registry once, and no recorded one.
    fn for_other(&mut self, entries: &[Entry]) -> Option<Vec<Entry>> {
        let registry = self.question.registry.as_ref()?;
        let is_registry = |entry: &&Entry| matches!(entry.body, EntryBody::Registry(_));
        let first = entries.iter().find(is_registry)?;
        let mut others: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryBody::Registry(part) = &entry.body else {
                others.push(entry.clone());
                continue;
            };
            if !self.replaced && entry.at == first.at {
                self.replaced = true;
                let whole = Registry {
                    revision: part.revision,
                    recorded_at: part.recorded_at,
                    ..registry.clone()
                };
                others.push(Entry {
                    at: entry.at,
                    body: EntryBody::Registry(Box::new(whole)),
                });
            }
        }
        Some(others)
    }
}
