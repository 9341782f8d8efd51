//! Size of the state, number of judgements, and what a checkpoint of another kind is answered with.

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, HOT_CORE_LIMIT, Out, Partition, RestoreError};
use plume_schemas::entry::{Entry, EntryBody};

use crate::cases::{engine, settings};
use crate::script;

/// A state with something in every part of it.
pub(crate) fn some_state() -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/near_warns");
    let mut engine = engine();
    for entry in script::read(&folder).iter().take(300) {
        engine.step(entry, &mut Out::default());
    }
    engine.checkpoint()
}

#[test]
fn state_stays_within_its_budget_and_judgements_are_few() {
    let mut stream = Stream::new(20, 3, script::time("00:00"), 7);
    let mut engine = engine();
    let (mut out, mut entries, mut judgements, mut events) = (Out::default(), vec![stream.first()], 0, 0);
    let minutes = 50 * 60;
    for _ in 0..minutes {
        stream.next_minute(&mut entries);
        for entry in entries.drain(..) {
            engine.step(&entry, &mut out);
            judgements += out.judgements.len();
            events += out.events.len();
            out.clear();
        }
    }
    let memory = engine.memory();
    let per = |bytes: usize| bytes / memory.series;
    let readings = stream.readings_per_minute() * minutes;
    let judged = 20 * 4 * minutes;
    println!(
        "state: {} series, hot core {} B each, minute store {} B each, repeats {} B each",
        memory.series,
        per(memory.hot_core_bytes),
        per(memory.minute_store_bytes),
        per(engine.repeat_bytes()),
    );
    println!(
        "judgements: {judgements} ({events} events) of {readings} readings: {:.4} per reading, \
         {:.4} per judged reading",
        judgements as f64 / readings as f64,
        judgements as f64 / judged as f64,
    );
    assert_eq!(memory.series, 80);
    assert!(per(memory.hot_core_bytes) <= HOT_CORE_LIMIT);
    assert!(per(memory.minute_store_bytes) <= 6 * 1024);
    assert!(judgements as f64 <= 0.2 * judged as f64);
}

#[test]
fn a_checkpoint_of_another_kind_is_refused_by_name() {
    let bytes = some_state();
    let mut other = settings();
    other.window.grace_s += 1;
    assert!(matches!(
        Engine::restore(&bytes, &other),
        Err(RestoreError::OtherRules { .. })
    ));
    let mut newer = bytes.clone();
    newer[8] = 99;
    assert_eq!(
        Engine::restore(&newer, &settings()).err(),
        Some(RestoreError::OtherFormat {
            found: 99,
            expected: plume_detect::FORMAT
        })
    );
    assert_eq!(
        Engine::restore(b"something else", &settings()).err(),
        Some(RestoreError::NotACheckpoint)
    );
    let cut = bytes.get(..bytes.len() / 2).unwrap();
    let error = Engine::restore(cut, &settings()).err().unwrap();
    assert!(matches!(error, RestoreError::Damaged { .. }) && !error.hint().is_empty());
}

/// Checkpoints of each format so far, kept as they were written in 2026. A later build reads it or names why it does
/// not; it never takes it for damaged, and where it reads it, it goes on as if it had never stopped.
#[test]
fn an_old_checkpoint_is_read_or_refused_by_name() {
    for format in 1..=plume_detect::FORMAT {
        check_old(format);
    }
}

fn check_old(format: u32) {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let path = data.join(format!("checkpoint-{format}.bin"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/near_warns");
    let old = std::fs::read(path).unwrap();
    let restored = Engine::restore(&old, &settings());
    let outcome = restored.as_ref().map(|_| ()).map_err(RestoreError::clone);
    assert_eq!(Engine::fits(&old, &settings()), outcome);
    match restored {
        Ok(mut restored) => {
            let mut straight = Engine::restore(&some_state(), &settings()).unwrap();
            let (mut expected, mut out) = (Out::default(), Out::default());
            for entry in script::read(&folder).iter().skip(300) {
                straight.step(entry, &mut expected);
                restored.step(entry, &mut out);
            }
            assert!(!expected.events.is_empty());
            assert_eq!(out, expected);
        }
        Err(error) => {
            let named = matches!(
                error,
                RestoreError::OtherRules { .. } | RestoreError::OtherFormat { .. }
            );
            assert!(named, "{error}");
        }
    }
}

#[test]
fn an_engine_judges_only_the_outlets_of_its_partition() {
    let mut stream = Stream::new(40, 1, script::time("00:00"), 7);
    let first = stream.first();
    let count = |index| {
        let mut engine = Engine::new(settings(), Partition { index, count: 4 });
        engine.step(&first, &mut Out::default());
        engine.outlet_count()
    };
    let counts: Vec<usize> = (0..4).map(count).collect();
    assert_eq!(counts.iter().sum::<usize>(), 40);
    assert!(counts.iter().all(|&n| n > 0), "{counts:?}");
}

/// A registry too large for one record comes in parts; until the last one the old registry stands, whatever restarts.
#[test]
fn a_registry_in_parts_counts_once_it_is_whole() {
    let mut stream = Stream::new(40, 2, script::time("00:00"), 7);
    let first = stream.first();
    let EntryBody::Registry(registry) = &first.body else {
        panic!("a stream begins with its registry");
    };
    let parts = registry.as_ref().clone().into_parts(4_000);
    assert!(parts.len() > 3);
    let (mut whole, mut in_parts) = (engine(), engine());
    whole.step(&first, &mut Out::default());
    for (part, n) in parts.into_iter().zip(1..) {
        assert_eq!(in_parts.outlet_count(), 0, "before part {n}");
        let body = EntryBody::Registry(Box::new(part));
        in_parts.step(&Entry { body, ..first }, &mut Out::default());
        in_parts = Engine::restore(&in_parts.checkpoint(), &settings()).unwrap();
    }
    assert_eq!(in_parts.outlet_count(), 40);
    assert_eq!(in_parts.checkpoint(), whole.checkpoint());
}
