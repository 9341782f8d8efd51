//! Every way in which devices were seen to depart from the standards has its case folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LIST: &str = include_str!("../data/deviations.txt");
/// The notes the list follows, beside the repository where somebody keeps them.
const NOTES: &str = "../../shared/hj212/protocol.md";

/// Area, what, folders.
fn rows() -> impl Iterator<Item = [&'static str; 3]> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        <[&str; 3]>::try_from(parts).unwrap_or_else(|_| panic!("not `area | what | folders`: {line}"))
    })
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

#[test]
fn each_has_its_case() {
    let mut count = 0;
    for [area, what, folders] in rows() {
        assert!(!folders.is_empty(), "{area}, {what}: no case");
        for name in folders.split(' ') {
            for file in ["packet.txt", "expected.txt"] {
                let path = folder(name).join(file);
                let length = std::fs::metadata(&path).map_or(0, |file| file.len());
                assert!(length > 0, "{area}, {what}: {} is missing or empty", path.display());
            }
        }
        count += 1;
    }
    assert!(count >= 50, "{count} rows");
}

/// Items of each area in the notes' table §13: what stands between semicolons, quoted ones apart.
fn noted(notes: &str) -> BTreeMap<String, usize> {
    let section = notes.split("\n## ").find(|part| part.starts_with("13.")).unwrap();
    let table = section.lines().filter(|line| line.starts_with('|')).skip(2);
    table
        .map(|line| {
            let (area, what) = line.trim_matches('|').split_once('|').unwrap();
            let unquoted: String = what.split('`').step_by(2).collect();
            (area.trim().to_owned(), unquoted.split(';').count())
        })
        .collect()
}

#[test]
fn none_of_the_notes_is_missing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(NOTES);
    let Ok(notes) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not there to compare with", path.display());
        return;
    };
    let mut listed: BTreeMap<String, usize> = BTreeMap::new();
    for [area, ..] in rows() {
        *listed.entry(area.to_owned()).or_default() += 1;
    }
    assert_eq!(listed, noted(&notes));
}
