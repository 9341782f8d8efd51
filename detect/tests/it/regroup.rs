//! Judges over another number of partitions go on as if there had always been so many.

use std::collections::BTreeMap;

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, RegroupError};
use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::ids::OutletId;
use plume_schemas::partition::partition_of;
use proptest::prelude::*;

use crate::cases::settings;
use crate::script;

const OUTLETS: u32 = 24;
/// Into the fourth hour.
const MINUTES: usize = 200;

/// A stream with repeats: every seventh packet comes twice, the second time up to an hour later.
fn entries() -> Vec<Vec<Entry>> {
    let mut stream = Stream::new(OUTLETS, 2, script::time("00:00"), 7);
    let mut minutes = vec![vec![stream.first()]];
    for minute in 1..MINUTES {
        let mut entries = Vec::new();
        stream.next_minute(&mut entries);
        let earlier = minutes.get(minute.saturating_sub(1 + minute % 60)).unwrap();
        let repeats = earlier.iter().skip(1).step_by(7).cloned();
        entries.extend(repeats.collect::<Vec<Entry>>());
        minutes.push(entries);
    }
    minutes
}

fn judges(count: u32) -> Vec<Engine> {
    let judge = |index| Engine::new(settings(), Partition { index, count });
    (0..count).map(judge).collect()
}

/// Gives each judge what its partition holds: reports of its outlets, everything else.
fn step(judges: &mut [Engine], entries: &[Entry], out: &mut Out) {
    let count = u32::try_from(judges.len()).unwrap();
    for entry in entries {
        let own = |index: u32| match &entry.body {
            EntryBody::Report(report) => partition_of(report.outlet, count) == index,
            _ => true,
        };
        for (judge, _) in judges.iter_mut().zip(0..).filter(|(_, index)| own(*index)) {
            judge.step(entry, out);
        }
    }
}

/// What was said of each outlet, in order. The ordinal counts within a partition, so it says nothing here.
fn by_outlet(out: &Out) -> BTreeMap<OutletId, Vec<String>> {
    let mut said: BTreeMap<OutletId, Vec<String>> = BTreeMap::new();
    for judgement in &out.judgements {
        let mut judgement = judgement.clone();
        judgement.ordinal = 0;
        said.entry(judgement.outlet).or_default().push(format!("{judgement:?}"));
    }
    for event in &out.events {
        let mut event = event.clone();
        event.judgement.ordinal = 0;
        let outlet = event.judgement.outlet;
        said.entry(outlet).or_default().push(format!("{event:?}"));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn what_is_said_of_an_outlet_does_not_depend_on_when_partitions_became_more(
        before in 1_u32..5,
        after in 1_u32..9,
        moved_at in 1..MINUTES,
    ) {
        let minutes = entries();
        let (first, rest) = minutes.split_at(moved_at);
        let (mut steady, mut wanted) = (judges(after), Out::default());
        let (mut moving, mut found) = (judges(before), Out::default());
        for entries in first {
            step(&mut steady, entries, &mut wanted);
            step(&mut moving, entries, &mut found);
        }
        let kept = moving.iter().map(|judge| Engine::restore(&judge.checkpoint(), &settings()).unwrap());
        let mut moved = Engine::regroup(kept.collect(), after).unwrap();
        for entries in rest {
            step(&mut steady, entries, &mut wanted);
            step(&mut moved, entries, &mut found);
        }
        prop_assert!(wanted.judgements.len() > 100);
        prop_assert_eq!(by_outlet(&found), by_outlet(&wanted));
        let repeats = |judges: &[Engine]| judges.iter().map(|judge| judge.counts().repeats).sum::<u64>();
        prop_assert_eq!(repeats(&moved), repeats(&steady));
        for (moved, steady) in moved.iter().zip(&steady) {
            prop_assert_eq!(moved.now(), steady.now());
            prop_assert_eq!(moved.memory(), steady.memory());
            let again = Engine::restore(&moved.checkpoint(), &settings()).unwrap();
            prop_assert!(again.checkpoint() == moved.checkpoint());
        }
    }
}

#[test]
fn judges_that_have_not_read_the_same_are_refused() {
    let minutes = entries();
    let (mut judges, mut out) = (judges(2), Out::default());
    judges[0].step(&minutes[0][0], &mut out);
    let refused = Engine::regroup(judges, 3).err();
    assert_eq!(refused, Some(RegroupError::Registry { partition: 1 }));
    let none = Engine::regroup(Vec::new(), 3).err();
    assert_eq!(none, Some(RegroupError::None { judges: 0, count: 3 }));
}
