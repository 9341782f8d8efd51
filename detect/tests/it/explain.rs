//! Judgements in words, both languages.

use std::path::Path;

use plume_detect::{Lang, Out, explain, explain_event};
use plume_schemas::factors::Catalogue;

use crate::cases::engine;
use crate::script;

/// The first event of each rule and edge of some cases, explained.
#[test]
fn events_are_explained_step_by_step() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut texts = Vec::new();
    for case in [
        "exceed_reported",
        "near_warns",
        "day_from_hours",
        "const_stuck",
        "miss_levels",
        "exceed_marked",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case);
        let (mut engine, mut out) = (engine(), Out::default());
        for entry in script::read(&folder) {
            engine.step(&entry, &mut out);
        }
        let mut seen = Vec::new();
        for event in &out.events {
            let kind = (event.judgement.rule, event.edge);
            if !seen.contains(&kind) {
                seen.push(kind);
                texts.push(explain_event(event, &catalogue, Lang::Zh));
                texts.push(explain(&event.judgement, &catalogue, Lang::En));
            }
        }
    }
    insta::assert_snapshot!(texts.join("\n"));
}
