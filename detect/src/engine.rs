//! The engine: one partition of the log in, judgements and events out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use plume_schemas::dedupe::{Dedupe, Horizons, Packet};
use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::ids::{IdMap, OutletId};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};

mod ahead;
mod outlook;
mod regroup;
mod saved;

pub use outlook::HourOutlook;
pub use regroup::RegroupError;

use crate::apply;
use crate::clock::JudgeClock;
use crate::config::Settings;
use crate::factors::Unheard;
use crate::minutes::Change;
use crate::out::{Emitter, Out};
use crate::outlet::{self, Gone, Outlet};
use crate::plan::{OutletPlan, Plan};
use crate::rules::common_cause::CommonCause;
use crate::rules::drift;
use crate::state::persist;
use saved::registry_record;

/// Real-time packets are known for repeats so long at most: a device sends them again within seconds.
const REALTIME_REPEAT_MS: i64 = 10 * MINUTE_MS;

/// Which partition an engine judges. Only outlets whose key leads there are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// 0 to `count - 1`.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// What an engine left out or took notice of, since it began; for metrics. Part of the state, so a restart counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Values stamped too far ahead, not judged.
    pub future: u64,
    /// Values older than the minute store reaches: matter for recomputation.
    pub too_old: u64,
    /// Values that were there already, digit by digit.
    pub repeats: u64,
    /// Values that replaced a different one.
    pub revisions: u64,
    /// Values that something of higher standing had said already.
    pub outranked: u64,
    /// Records about outlets that the registry does not have.
    pub unregistered: u64,
}
persist!(Counts {
    future,
    too_old,
    repeats,
    revisions,
    outranked,
    unregistered
});

/// What rules may see and write while one entry is worked on.
#[derive(Debug)]
pub(crate) struct Ctx<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a JudgeClock,
    pub(crate) now: Time,
    pub(crate) emit: Emitter<'a>,
    pub(crate) counts: &'a mut Counts,
}

impl Ctx<'_> {
    /// True for a window that ended too long ago to alert anybody now.
    pub(crate) fn is_late(&self, end: Time) -> bool {
        self.now.since(end) > self.settings.window.late_after_s * 1_000
    }

    pub(crate) fn count(&mut self, change: Change) {
        match change {
            Change::New => {}
            Change::Same => self.counts.repeats += 1,
            Change::Revised => self.counts.revisions += 1,
            Change::Outranked => self.counts.outranked += 1,
            Change::TooOld => self.counts.too_old += 1,
        }
    }
}

/// The judge of one partition: a pure function of the entries it was given, in their order.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    partition: Partition,
    clock: JudgeClock,
    counts: Counts,
    /// Which packets were seen (D5).
    dedupe: Dedupe,
    common: CommonCause,
    /// As last recorded, in the log's bytes; the plan is made from it and has what rules ask about.
    registry: Vec<u8>,
    /// Parts of the next one, while some are still to come.
    assembly: Assembly,
    plan: Plan,
    /// Parallel to the plan's outlets, which are sorted by id.
    outlets: Vec<Outlet>,
    /// Factors of outlets that nothing was heard of yet.
    unheard: Unheard,
    places: IdMap<OutletId, usize>,
    /// When each outlet wants time to pass, soonest first; later moments are found out when the entry comes up.
    due: BinaryHeap<Reverse<(Time, usize)>>,
    /// Earliest entry of each outlet in `due`.
    scheduled: Vec<Time>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(settings: Settings, partition: Partition) -> Self {
        let dedupe = Dedupe::new(horizons(&settings));
        Self {
            settings,
            partition,
            clock: JudgeClock::default(),
            counts: Counts::default(),
            dedupe,
            common: CommonCause::default(),
            registry: registry_record(&Registry::default()),
            assembly: Assembly::default(),
            plan: Plan::default(),
            outlets: Vec::new(),
            unheard: Unheard::default(),
            places: IdMap::default(),
            due: BinaryHeap::new(),
            scheduled: Vec::new(),
        }
    }

    /// The judge's clock (D2); none before an ingest has spoken.
    pub fn now(&self) -> Option<Time> {
        self.clock.now()
    }

    /// What was left out or noticed so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Outlets of this partition in the registry.
    pub fn outlet_count(&self) -> usize {
        self.outlets.len()
    }

    /// Bytes that knowing repeats takes, for all outlets.
    pub fn repeat_bytes(&self) -> usize {
        self.dedupe.remembered().bytes
    }

    /// Memory of all series: how many there are, bytes of hot cores, bytes of minute stores. What outlets that nothing
    /// was heard of share is not counted.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory {
            series: self.outlets.iter().map(|outlet| outlet.factors.len()).sum(),
            ..Memory::default()
        };
        for factor in self.outlets.iter().filter_map(|outlet| outlet.factors.own()).flatten() {
            memory.hot_core_bytes += size_of_val(&factor.series) + size_of_val(&factor.quality);
            memory.chart_bytes += factor
                .series
                .charted
                .as_ref()
                .map_or(0, |charted| size_of_val(&**charted));
            memory.minute_store_bytes += factor.minutes.as_ref().map_or(0, crate::minutes::MinuteStore::bytes);
        }
        memory
    }

    /// Takes one entry: first time passes up to it, then it counts. What follows is appended to `out`.
    pub fn step(&mut self, entry: &Entry, out: &mut Out) {
        let began = self.clock.now().is_some();
        self.clock.observe(&entry.body, &self.settings.clock);
        if let (false, Some(now)) = (began, self.clock.now()) {
            // The clock's first time: every outlet's hours begin to count.
            (0..self.outlets.len()).for_each(|place| self.schedule(place, now));
        }
        let mut ordinal = 0;
        if let Some(now) = self.clock.now() {
            self.look_around(entry, now, out, &mut ordinal);
            self.pass_time(entry, now, out, &mut ordinal);
        }
        match &entry.body {
            EntryBody::Report(report) => {
                let repeat = self.dedupe.see_packet(report) == Packet::Repeat;
                self.at_outlet(report.outlet, entry, out, &mut ordinal, |ctx, outlet, plan, common| {
                    apply::report(ctx, outlet, plan, common, (report, repeat));
                });
            }
            EntryBody::Presence(presence) => {
                self.at_outlet(presence.outlet, entry, out, &mut ordinal, |_, outlet, _, _| {
                    outlet.presence(presence);
                });
            }
            EntryBody::Mark(mark) => {
                self.at_outlet(mark.outlet, entry, out, &mut ordinal, |ctx, outlet, plan, _| {
                    outlet.mark(ctx, plan, mark);
                });
            }
            EntryBody::Check(check) => {
                self.at_outlet(check.outlet, entry, out, &mut ordinal, |ctx, outlet, plan, _| {
                    drift::take(ctx, outlet, plan, check);
                });
            }
            EntryBody::Registry(registry) => self.registry(registry, entry, out, &mut ordinal),
            EntryBody::Recomputed(recomputed) => {
                self.at_outlet(recomputed.outlet, entry, out, &mut ordinal, |ctx, outlet, plan, _| {
                    outlet.recomputed(ctx, plan, recomputed);
                });
            }
            EntryBody::Tick(_) | EntryBody::ClockStep(_) => {}
        }
    }

    /// Looks at what many devices have in common, before any of them is blamed alone.
    fn look_around(&mut self, entry: &Entry, now: Time, out: &mut Out, ordinal: &mut u32) {
        let emit = Emitter {
            out,
            cause: entry.at,
            now,
            ordinal: *ordinal,
            inhibited: None,
        };
        let mut ctx = Ctx {
            settings: &self.settings,
            clock: &self.clock,
            now,
            emit,
            counts: &mut self.counts,
        };
        let changed = self
            .common
            .look(&mut ctx, self.partition.index, &self.outlets, &self.plan.outlets);
        *ordinal = ctx.emit.ordinal;
        if changed {
            // What a case explained, or no longer explains, is looked at again.
            (0..self.outlets.len()).for_each(|place| self.schedule(place, now));
        }
    }

    fn pass_time(&mut self, entry: &Entry, now: Time, out: &mut Out, ordinal: &mut u32) {
        while let Some(&Reverse((at, place))) = self.due.peek() {
            if at > now {
                return;
            }
            self.due.pop();
            if self.scheduled.get(place) == Some(&at) {
                self.scheduled[place] = Time(i64::MAX);
                self.with(place, entry, out, ordinal, |ctx, outlet, plan, common| {
                    outlet.pass_time(ctx, plan, common);
                });
            }
        }
    }

    fn at_outlet(
        &mut self,
        id: OutletId,
        entry: &Entry,
        out: &mut Out,
        ordinal: &mut u32,
        act: impl FnOnce(&mut Ctx<'_>, &mut Outlet, &OutletPlan, &CommonCause),
    ) {
        match self.places.get(&id) {
            Some(&place) => self.with(place, entry, out, ordinal, act),
            None => self.counts.unregistered += 1,
        }
    }

    /// Lets `act` work on one outlet, then notes when the outlet wants time to pass.
    fn with(
        &mut self,
        place: usize,
        entry: &Entry,
        out: &mut Out,
        ordinal: &mut u32,
        act: impl FnOnce(&mut Ctx<'_>, &mut Outlet, &OutletPlan, &CommonCause),
    ) {
        let (Some(outlet), Some(plan), Some(now)) = (
            self.outlets.get_mut(place),
            self.plan.outlets.get(place),
            self.clock.now(),
        ) else {
            return;
        };
        outlet.wake(now);
        let mut ctx = Ctx {
            settings: &self.settings,
            clock: &self.clock,
            now,
            emit: Emitter {
                out,
                cause: entry.at,
                now,
                ordinal: *ordinal,
                inhibited: plan.inhibited(now),
            },
            counts: &mut self.counts,
        };
        act(&mut ctx, outlet, plan, &self.common);
        // Data move most moments of waking later, which is found out when the entry that stands comes up. Sooner
        // comes only what
        // they touched, and a silence that begins after them.
        let due = if self.scheduled[place] == Time(i64::MAX) {
            outlet.due(&ctx, plan, &self.common)
        } else {
            outlet.soonest(&ctx)
        };
        *ordinal = ctx.emit.ordinal;
        self.unheard.share(outlet);
        self.schedule(place, due);
    }

    fn schedule(&mut self, place: usize, due: Time) {
        if due < self.scheduled[place] {
            self.scheduled[place] = due;
            self.due.push(Reverse((due, place)));
        }
    }

    /// A new revision of the registry: state follows its outlets, and hours judged before are judged by it.
    fn registry(&mut self, part: &Registry, entry: &Entry, out: &mut Out, ordinal: &mut u32) {
        let Some(registry) = self.assembly.take(part) else {
            return;
        };
        let record = registry_record(&registry);
        if record == self.registry && !self.plan.outlets.is_empty() {
            return;
        }
        self.registry = record;
        let plan = Plan::new(&registry, self.partition.index, self.partition.count);
        let old_plan = std::mem::replace(&mut self.plan, plan);
        let mut old: HashMap<OutletId, (Outlet, OutletPlan)> = old_plan
            .outlets
            .into_iter()
            .zip(std::mem::take(&mut self.outlets))
            .map(|(plan, outlet)| (plan.id, (outlet, plan)))
            .collect();
        let mut changed = Vec::with_capacity(self.plan.outlets.len());
        let mut gone: Vec<(OutletPlan, Gone)> = Vec::new();
        self.outlets.reserve_exact(self.plan.outlets.len());
        for plan in &self.plan.outlets {
            let (mut outlet, before) = match old.remove(&plan.id) {
                Some((outlet, before)) => (outlet, Some(before)),
                None => (Outlet::new(), None),
            };
            let left = outlet.fit(plan);
            // A copy of every plan would be as much as the plan, for a moment, and stay with the allocator.
            if !left.is_empty() {
                gone.push((plan.clone(), left));
            }
            changed.push(before.is_some_and(|before| before != *plan));
            self.unheard.share(&mut outlet);
            self.outlets.push(outlet);
        }
        gone.extend(old.into_values().map(|(outlet, plan)| (plan, outlet.gone())));
        gone.sort_by_key(|(plan, ..)| plan.id);
        self.retire(gone, entry, out, ordinal);
        self.index();
        for (place, revise) in changed.into_iter().enumerate() {
            self.with(place, entry, out, ordinal, |ctx, outlet, plan, _| {
                if revise {
                    outlet.revise_all(ctx, plan);
                }
            });
        }
    }

    /// Ends the open cases of what is no longer in the registry.
    fn retire(&mut self, gone: Vec<(OutletPlan, Gone)>, entry: &Entry, out: &mut Out, ordinal: &mut u32) {
        let Some(now) = self.clock.now() else { return };
        let mut ctx = Ctx {
            settings: &self.settings,
            clock: &self.clock,
            now,
            emit: Emitter {
                out,
                cause: entry.at,
                now,
                ordinal: *ordinal,
                inhibited: None,
            },
            counts: &mut self.counts,
        };
        for (plan, gone) in gone {
            outlet::retire(&mut ctx, &plan, gone);
        }
        *ordinal = ctx.emit.ordinal;
    }

    /// Rebuilds what is derived from the plan.
    fn index(&mut self) {
        self.places = self
            .plan
            .outlets
            .iter()
            .enumerate()
            .map(|(place, plan)| (plan.id, place))
            .collect();
        self.due.clear();
        self.scheduled = vec![Time(i64::MAX); self.outlets.len()];
        if let Some(now) = self.clock.now() {
            for place in 0..self.outlets.len() {
                self.schedule(place, now);
            }
        }
    }
}

/// How far back repeats are known. Samples repeat within minutes or not at all. Readings are not remembered, because
/// what a value changed is found out by the minutes and hours themselves.
fn horizons(settings: &Settings) -> Horizons {
    let repeat_ms = settings.window.repeat_s * 1_000;
    Horizons {
        realtime_ms: repeat_ms.min(REALTIME_REPEAT_MS),
        day_ms: 2 * DAY_MS,
        other_ms: repeat_ms,
        sharp_reports: 0,
    }
}

/// Memory of an engine's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// (outlet, factor) pairs.
    pub series: usize,
    /// Bytes of their hot cores.
    pub hot_core_bytes: usize,
    /// Bytes of their charts, which are touched once an hour.
    pub chart_bytes: usize,
    /// Bytes of their minute stores.
    pub minute_store_bytes: usize,
}
