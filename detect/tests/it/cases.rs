//! Every folder of `tests/cases` is judged and compared with its snapshot, then judged again with a restart from a
//! checkpoint before every single entry (of long scripts: every few): what comes out must not differ.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::Entry;
use plume_schemas::wire::{encode_event, encode_judgement};

use crate::{print, script};

pub(crate) fn settings() -> Settings {
    toml::from_str(include_str!("../settings.toml")).unwrap()
}

pub(crate) fn engine() -> Engine {
    Engine::new(settings(), Partition { index: 0, count: 1 })
}

/// What each entry made the judge say. `between` stands between any two of them.
fn run(entries: &[Entry], between: impl Fn(Engine) -> Engine) -> Vec<Out> {
    let mut said = Vec::with_capacity(entries.len());
    let mut engine = engine();
    for entry in entries {
        let mut out = Out::default();
        engine = between(engine);
        engine.step(entry, &mut out);
        said.push(out);
    }
    said
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(folders.len() > 10, "case folders are missing");
    folders
}

/// Restarts of one script, about.
const OFTEN: usize = 500;

#[test]
fn every_case_says_what_its_snapshot_says() {
    for folder in folders() {
        let entries = script::read(&folder);
        let said: Vec<String> = run(&entries, |engine| engine).iter().flat_map(print::step).collect();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut beside = insta::Settings::clone_current();
        beside.set_snapshot_path(&folder);
        beside.set_prepend_module_to_snapshot(false);
        beside.set_omit_expression(true);
        beside.bind(|| insta::assert_snapshot!("expected", said.join("\n"), &name));
    }
}

#[test]
fn a_restart_before_any_entry_changes_nothing() {
    let settings = settings();
    for folder in folders() {
        let entries = script::read(&folder);
        let straight = run(&entries, |engine| engine);
        // A script of a day and a half would be restarted thousands of times for nothing new.
        let (every, count) = (1 + entries.len() / OFTEN, Cell::new(0));
        let restarted = run(&entries, |engine| {
            count.set(count.get() + 1);
            if count.get() % every == 0 {
                Engine::restore(&engine.checkpoint(), &settings).unwrap()
            } else {
                engine
            }
        });
        assert_eq!(straight, restarted, "{}", folder.display());
    }
}

#[test]
fn a_replay_is_the_same_to_the_byte() {
    let bytes = |outs: Vec<Out>| -> Vec<u8> {
        let judgements = |out: &Out| out.judgements.iter().flat_map(encode_judgement).collect::<Vec<u8>>();
        let events = |out: &Out| out.events.iter().flat_map(encode_event).collect::<Vec<u8>>();
        outs.iter()
            .flat_map(|out| [judgements(out), events(out)].concat())
            .collect()
    };
    for folder in folders() {
        let entries = script::read(&folder);
        let first = bytes(run(&entries, |engine| engine));
        assert_eq!(bytes(run(&entries, |engine| engine)), first, "{}", folder.display());
    }
}
