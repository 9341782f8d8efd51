//! Outlets of the registry from which nothing has come yet: what they cost, and that they are missed all the same.

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out};
use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::event::Edge;
use plume_schemas::rule::RuleCode;

use crate::cases::{engine, settings};
use crate::script;

const OUTLETS: u32 = 200;
const MINUTES: usize = 26 * 60;

/// The minutes of a stream in which only the first `speaking` outlets speak.
fn minutes(stream: &mut Stream, registry: &Entry, speaking: usize) -> impl Iterator<Item = Vec<Entry>> {
    let EntryBody::Registry(registry) = &registry.body else {
        panic!("a stream begins with its registry");
    };
    let heard: Vec<_> = registry.outlets.iter().take(speaking).map(|outlet| outlet.id).collect();
    std::iter::repeat_with(move || {
        let mut entries = Vec::new();
        stream.next_minute(&mut entries);
        entries.retain(|entry| match &entry.body {
            EntryBody::Report(report) => heard.contains(&report.outlet),
            _ => true,
        });
        entries
    })
}

#[test]
fn outlets_never_heard_of_share_what_is_remembered_and_are_missed() {
    let mut stream = Stream::new(OUTLETS, 3, script::time("00:00"), 7);
    let first = stream.first();
    let (mut engine, mut out) = (engine(), Out::default());
    engine.step(&first, &mut out);
    let (mut missed, mut most) = (0, 0);
    for entries in minutes(&mut stream, &first, 0).take(MINUTES) {
        engine.steps(&entries, &mut out);
        let opened = |rule| move |event: &&_| is(event, rule, Edge::Opened);
        missed += out.events.iter().filter(opened(RuleCode::Miss)).count();
        out.clear();
        most = most.max(engine.memory().hot_core_bytes);
    }
    assert_eq!(engine.memory().series, 800);
    assert_eq!(missed, 200, "each is missed once");
    assert_eq!(
        most, 0,
        "hours and days that pass leave nothing of its own with any of them"
    );

    for entries in minutes(&mut stream, &first, 2).take(90) {
        engine.steps(&entries, &mut out);
    }
    let of_two = engine.memory();
    assert!(of_two.hot_core_bytes > 0 && of_two.hot_core_bytes <= 8 * plume_detect::HOT_CORE_LIMIT);
    assert!(of_two.minute_store_bytes > 0);

    let saved = engine.checkpoint();
    let restored = Engine::restore(&saved, &settings()).unwrap();
    assert_eq!(restored.memory(), of_two, "as much after a restart");
    assert!(restored.checkpoint() == saved);
}

fn is(event: &plume_schemas::event::Event, rule: RuleCode, edge: Edge) -> bool {
    event.judgement.rule == rule && event.edge == edge
}
