//! Cases of weeks (`tests/long`): what rules with a long memory say, compared with a snapshot of that rule alone, and
//! the same again with a restart from a checkpoint now and then.

use std::path::Path;

use plume_detect::{Engine, Out};
use plume_schemas::entry::Entry;
use plume_schemas::rule::RuleCode;

use crate::cases::{engine, settings};
use crate::{print, script};

/// A restart comes before every so many entries: at another hour, minute and second each time.
const RESTART: usize = 997;

fn run(entries: &[Entry], rule: RuleCode, restarts: bool) -> Vec<String> {
    let mut engine = engine();
    let mut lines = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if restarts && at % RESTART == RESTART - 1 {
            engine = Engine::restore(&engine.checkpoint(), &settings()).unwrap();
        }
        let mut out = Out::default();
        engine.step(entry, &mut out);
        out.judgements.retain(|judgement| judgement.rule == rule);
        out.events.retain(|event| event.judgement.rule == rule);
        lines.extend(print::step(&out));
    }
    lines
}

fn case(name: &str, rule: RuleCode) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/long").join(name);
    let entries = script::read(&folder);
    let said = run(&entries, rule, false);
    assert_eq!(said, run(&entries, rule, true), "a restart changes nothing");
    let mut beside = insta::Settings::clone_current();
    beside.set_snapshot_path(&folder);
    beside.set_prepend_module_to_snapshot(false);
    beside.set_omit_expression(true);
    beside.bind(|| insta::assert_snapshot!("expected", said.join("\n"), name));
}

#[test]
fn a_level_that_moves_is_said_and_one_that_returns() {
    case("shift_moves", RuleCode::Shift);
}

#[test]
fn what_is_no_shift_is_not_said() {
    case("shift_not", RuleCode::Shift);
}
