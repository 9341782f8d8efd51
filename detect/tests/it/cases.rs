//! Every folder of `tests/cases` is judged and compared with its snapshot, then judged again with a restart from a
//! checkpoint before every single entry (of long scripts: every few): what comes out must not differ. A folder's
//! `settings.toml`, where it has one, is laid over the usual settings. `tests/README.md` says which folder shows what.

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
    engine_by(settings())
}

fn engine_by(settings: Settings) -> Engine {
    Engine::new(settings, Partition { index: 0, count: 1 })
}

/// The usual settings with those of a folder laid over them.
fn settings_of(folder: &Path) -> Settings {
    let Ok(text) = std::fs::read_to_string(folder.join("settings.toml")) else {
        return settings();
    };
    let mut all: toml::Table = toml::from_str(include_str!("../settings.toml")).unwrap();
    let own: toml::Table = toml::from_str(&text).unwrap();
    for (section, keys) in own {
        let of_section = all.get_mut(&section).and_then(toml::Value::as_table_mut).unwrap();
        for (key, value) in keys.as_table().unwrap().clone() {
            let known = of_section.insert(key.clone(), value);
            assert!(known.is_some(), "{}: no key {section}.{key}", folder.display());
        }
    }
    all.try_into().unwrap()
}

/// What each entry of a folder made the judge say. `between` stands between any two of them.
fn run(folder: &Path, entries: &[Entry], between: impl Fn(Engine) -> Engine) -> Vec<Out> {
    let mut said = Vec::with_capacity(entries.len());
    let mut engine = engine_by(settings_of(folder));
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
        let said = run(&folder, &entries, |engine| engine);
        let said: Vec<String> = said.iter().flat_map(print::step).collect();
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
    for folder in folders() {
        let (entries, settings) = (script::read(&folder), settings_of(&folder));
        let straight = run(&folder, &entries, |engine| engine);
        // A script of a day and a half would be restarted thousands of times for nothing new.
        let (every, count) = (1 + entries.len() / OFTEN, Cell::new(0));
        let restarted = run(&folder, &entries, |engine| {
            count.set(count.get() + 1);
            if count.get() % every == 0 {
                let restored = Engine::restore(&engine.checkpoint(), &settings).unwrap();
                // Nor does it where partitions are made anew, and are as many as before.
                Engine::regroup(vec![restored], 1).unwrap().remove(0)
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
        let first = bytes(run(&folder, &entries, |engine| engine));
        assert_eq!(
            bytes(run(&folder, &entries, |engine| engine)),
            first,
            "{}",
            folder.display()
        );
    }
}

/// Entries taken many at once, with what they need fetched ahead, are judged as one by one, however they are cut.
#[test]
fn many_entries_at_once_are_judged_as_one_by_one() {
    for folder in folders() {
        let entries = script::read(&folder);
        let mut one_by_one = Out::default();
        for out in run(&folder, &entries, |engine| engine) {
            one_by_one.judgements.extend(out.judgements);
            one_by_one.events.extend(out.events);
        }
        for at_once in [1, 7, entries.len()] {
            let (mut engine, mut out) = (engine_by(settings_of(&folder)), Out::default());
            for chunk in entries.chunks(at_once) {
                engine.steps(chunk, &mut out);
            }
            assert_eq!(out, one_by_one, "{} by {at_once}", folder.display());
        }
    }
}
