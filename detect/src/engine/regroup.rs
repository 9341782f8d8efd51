//! Judges over another number of partitions (D7): each outlet's memory goes where its key leads now.

use std::cmp::Reverse;
use std::collections::HashMap;

use plume_schemas::dedupe::Dedupe;
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::OutletId;
use plume_schemas::partition::partition_of;
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::Time;
use plume_schemas::wire::decode_entry;

use super::{Counts, Engine, Partition, horizons};
use crate::outlet::Outlet;
use crate::plan::Plan;
use crate::rules::common_cause::CommonCause;

/// Judges that cannot be regrouped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegroupError {
    /// There is nobody to regroup, or nothing to regroup to.
    #[error("{judges} judges cannot become {count}")]
    None {
        /// How many there are.
        judges: usize,
        /// How many were wanted.
        count: u32,
    },
    /// They have not all read the same.
    #[error("partition {partition} has another registry than partition 0")]
    Registry {
        /// The first that differs.
        partition: usize,
    },
}

impl RegroupError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::None { .. } => "ask for at least one partition".to_owned(),
            Self::Registry { .. } => "let every judge read its partition to the end first".to_owned(),
        }
    }
}

impl Engine {
    /// The judges of `count` partitions that go on where these stand, in the order of their partitions; these are given
    /// in that order too, each at the end of its partition. What an outlet's judge remembers moves with it. The clock
    /// is that of the judge that has seen most of it; counts go on in the first.
    ///
    /// Cases of a group of devices belong to a partition. They go on there; for outlets that move away they end, and
    /// silences count from then on.
    ///
    /// Errors: [`RegroupError`].
    pub fn regroup(judges: Vec<Self>, count: u32) -> Result<Vec<Self>, RegroupError> {
        let none = RegroupError::None {
            judges: judges.len(),
            count,
        };
        let ahead = judges.iter().enumerate();
        let ahead = ahead.max_by_key(|(place, judge)| (judge.clock.now(), Reverse(*place)));
        let (Some((_, ahead)), Some(first), 1..) = (ahead, judges.first(), count) else {
            return Err(none);
        };
        if let Some(partition) = judges.iter().position(|judge| judge.registry != first.registry) {
            return Err(RegroupError::Registry { partition });
        }
        // Of an import that is just being read, where all have read as much of it.
        let same = judges
            .iter()
            .all(|judge| judge.assembly.parts() == first.assembly.parts());
        let assembly = if same {
            first.assembly.clone()
        } else {
            Assembly::default()
        };
        let (settings, clock, record) = (first.settings.clone(), ahead.clock.clone(), first.registry.clone());
        let registry = match decode_entry(&record) {
            Ok(EntryBody::Registry(registry)) => *registry,
            // Nobody has read one yet.
            _ => Registry::default(),
        };
        let mut outlets: HashMap<OutletId, (Outlet, Time)> = HashMap::new();
        let (mut memories, mut common, mut counts) = (Vec::new(), Vec::new(), Counts::default());
        for judge in judges {
            let states = judge.outlets.into_iter().zip(judge.scheduled);
            outlets.extend(judge.plan.outlets.iter().map(|plan| plan.id).zip(states));
            memories.push(judge.dedupe);
            common.push(judge.common);
            counts.add(judge.counts);
        }
        let place = |outlet| usize::try_from(partition_of(outlet, count)).unwrap_or(usize::MAX);
        let partitions = usize::try_from(count).unwrap_or(usize::MAX);
        let memories = Dedupe::regroup(memories, horizons(&settings), partitions, place);
        let regrouped = (0..count).zip(memories).map(|(index, dedupe)| {
            let mut judge = Self::new(settings.clone(), Partition { index, count });
            judge.dedupe = dedupe;
            judge.common = CommonCause::regrouped(&common, index as usize, &clock);
            judge.clock = clock.clone();
            judge.registry.clone_from(&record);
            judge.assembly = assembly.clone();
            judge.plan = Plan::new(&registry, index, count);
            judge.take_over(&mut outlets);
            judge
        });
        let mut regrouped: Vec<Self> = regrouped.collect();
        if let Some(first) = regrouped.first_mut() {
            first.counts = counts;
        }
        Ok(regrouped)
    }

    /// Takes the states of its plan's outlets, and when each wants time to pass.
    fn take_over(&mut self, from: &mut HashMap<OutletId, (Outlet, Time)>) {
        let mut scheduled = Vec::with_capacity(self.plan.outlets.len());
        for plan in &self.plan.outlets {
            let (outlet, at) = from.remove(&plan.id).unwrap_or_else(|| {
                let mut outlet = Outlet::new();
                outlet.fit(plan);
                (outlet, Time(i64::MAX))
            });
            self.outlets.push(outlet);
            scheduled.push(at);
        }
        self.resume(&scheduled);
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.future += other.future;
        self.too_old += other.too_old;
        self.repeats += other.repeats;
        self.revisions += other.revisions;
        self.outranked += other.outranked;
        self.unregistered += other.unregistered;
    }
}
