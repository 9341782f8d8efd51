//! What must not fire, by the names that people give it: each has a folder in which every rule looks on, and none of
//! data quality or of the leads says a word. Where flags, marks or the registry are what makes it honest, the same
//! without them must be found, else the folder would show nothing.

use std::path::Path;

use plume_detect::Out;
use plume_schemas::entry::EntryBody;
use plume_schemas::event::{Edge, Event};
use plume_schemas::reading::Flag;
use plume_schemas::rule::{RuleCode, Stream};

use crate::cases::engine;
use crate::script;

/// Folder, and whether it is dishonest without its flags, marks and filed stop-work. Of a shared chimney it is the
/// registry's word alone that excuses.
const HONEST: [(&str, bool); 6] = [
    ("honest_start_up", true),
    ("honest_stop_work", true),
    ("honest_calibration", true),
    ("honest_low_load", false),
    ("honest_shared_stack", false),
    ("honest_night", false),
];

fn events(folder: &str, change: impl Fn(&mut EntryBody) -> bool) -> Vec<Event> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let (mut engine, mut said) = (engine(), Out::default());
    for mut entry in script::read(&folder) {
        if change(&mut entry.body) {
            engine.step(&entry, &mut said);
        }
    }
    said.events
}

/// Rules of data quality, and leads: all but those that judge means, and BUDGET, which counts what is marked.
fn is_quality(event: &Event) -> bool {
    let judges = matches!(
        event.judgement.rule,
        RuleCode::ExceedHour | RuleCode::ExceedDay | RuleCode::NearHour | RuleCode::NearDay | RuleCode::Freq
    );
    let opened = event.edge == Edge::Opened;
    opened && !judges && event.judgement.rule != RuleCode::Budget
}

#[test]
fn honest_plants_are_left_alone() {
    for (folder, _) in HONEST {
        let said: Vec<RuleCode> = events(folder, |_| true)
            .iter()
            .filter(|event| is_quality(event))
            .map(|event| event.judgement.rule)
            .collect();
        assert_eq!(said, [], "{folder}");
    }
}

#[test]
fn without_flags_marks_and_registry_they_would_not_be() {
    for (folder, _) in HONEST.iter().filter(|(_, dishonest)| *dishonest) {
        let said = events(folder, strip);
        assert!(said.iter().any(is_quality), "{folder} shows nothing");
    }
    // Where a chimney is not registered as shared, it is leads that are said.
    let leads = events("honest_shared_stack", |body| {
        if let EntryBody::Registry(registry) = body {
            registry
                .outlets
                .iter_mut()
                .for_each(|outlet| outlet.shared_stack.clear());
        }
        true
    });
    let mut rules: Vec<RuleCode> = leads
        .iter()
        .filter(|event| is_quality(event))
        .map(|event| event.judgement.rule)
        .collect();
    rules.retain(|rule| rule.stream() == Stream::Lead);
    rules.sort();
    assert_eq!(rules, [RuleCode::MarkAbuse, RuleCode::Power, RuleCode::Power]);
}

/// Takes away what excuses; false where the record itself goes.
fn strip(body: &mut EntryBody) -> bool {
    match body {
        EntryBody::Mark(_) => return false,
        EntryBody::Registry(registry) => {
            for outlet in &mut registry.outlets {
                outlet.shared_stack.clear();
                outlet.stop_work.clear();
            }
        }
        EntryBody::Report(report) => report
            .readings
            .iter_mut()
            .for_each(|reading| reading.flag = Flag::Normal),
        _ => {}
    }
    true
}
