//! Judging some days of an outlet again: the judge itself, over the readings that stand, with the registry and the
//! marks of now. Blocking.

use std::collections::BTreeMap;
use std::sync::Arc;

use plume_archive::Reader;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::{EntryBody, Mark};
use plume_schemas::ids::OutletId;
use plume_schemas::judgement::Judgement;
use plume_schemas::recompute::{RecomputeCause, Revision};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::Time;
use plume_schemas::wire;

use super::triggers::{Days, runs};
use super::words::{Window, Words, is_rejudged, window_of};
use crate::commands::view::hinted;
use crate::finals::Finals;

/// Days judged in one go: what is found of them is held in memory, and the judge needs two more days each time.
const TOGETHER_DAYS: i64 = 31;

/// What stands now.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) registry: Registry,
    marks: Vec<Mark>,
}

impl Standing {
    /// The registry and the marks that a partition's archived entries end with.
    pub(super) fn read(reader: &Reader, partition: u32) -> anyhow::Result<Self> {
        let mut standing = Self::default();
        let mut assembly = Assembly::default();
        let kinds = ["registry", "mark"];
        for (_, bytes) in reader.log_entries(partition, &kinds, u64::MAX).map_err(hinted)? {
            match wire::decode_entry(&bytes)? {
                EntryBody::Registry(part) => {
                    if let Some(whole) = assembly.take(&part) {
                        standing.registry = whole;
                    }
                }
                EntryBody::Mark(mark) => standing.marks.push(mark),
                _ => {}
            }
        }
        Ok(standing)
    }

    /// The registry of one outlet.
    fn of(&self, outlet: OutletId) -> Registry {
        let all = &self.registry;
        let outlets: Vec<_> = all.outlets.iter().filter(|row| row.id == outlet).cloned().collect();
        let is_its = |enterprise| outlets.iter().any(|row| row.enterprise == enterprise);
        Registry {
            revision: all.revision,
            recorded_at: all.recorded_at,
            enterprises: all.enterprises.iter().filter(|row| is_its(row.id)).cloned().collect(),
            sources: all.sources.iter().filter(|row| row.outlet == outlet).cloned().collect(),
            outlets,
            ..Registry::default()
        }
    }
}

/// Judges an outlet's days again; what is to be said otherwise, by its reason. Windows from `kept` on are the judge's
/// own.
pub(super) fn revisions(
    (reader, standing, settings): (&Arc<Reader>, &Standing, &Settings),
    outlet: OutletId,
    days: &Days,
    kept: Time,
) -> anyhow::Result<Vec<(RecomputeCause, Vec<Revision>)>> {
    let Some(&first) = days.keys().next() else {
        return Ok(Vec::new());
    };
    let mut words = Words::read(reader, outlet, first)?;
    let mut found = Vec::new();
    for (first, last, why) in runs(days, TOGETHER_DAYS) {
        let registry = standing.of(outlet);
        let finals = Finals::of_outlet(Arc::clone(reader), (registry, &standing.marks), outlet, (first, last));
        let last_words = last_words(finals, settings)?;
        let revisions = words.revise(outlet, &last_words, (first, last, why), kept);
        if !revisions.is_empty() {
            found.push((why, revisions));
        }
    }
    Ok(found)
}

/// The last word on each window.
fn last_words(mut finals: Finals, settings: &Settings) -> anyhow::Result<BTreeMap<Window, Judgement>> {
    let mut engine = Engine::new(settings.clone(), Partition { index: 0, count: 1 });
    let (mut out, mut words) = (Out::default(), BTreeMap::new());
    while let Some(entries) = finals.next()? {
        engine.steps(&entries, &mut out);
        let said = out.judgements.drain(..).filter(|said| is_rejudged(said.rule));
        words.extend(said.map(|said| (window_of(&said), said)));
        out.clear();
    }
    Ok(words)
}
