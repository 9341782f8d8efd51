//! Data of the previous formats, kept as a backup that the plume of commit 965dd4e made of a short life with one device
//! (`.ci/upgrade_smoke.py data`): the desk's schema was 5 and the judge's memory had format 2. It is upgraded, and
//! comes back. With the old binary itself: `.ci/soak.d/upgrade`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Link, Running, Site, minute_packet};

/// The device of the fixture.
const MN: &str = "010000A8900016F0000UP001";
/// Packets that were answered in it.
const PACKETS: u64 = 200;
/// The desk's schema in it.
const OLD_SCHEMA: &str = "schema 5";

fn previous() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/previous")
}

/// A host onto which the backup of the previous plume was restored.
fn restored() -> Site {
    let site = Site {
        dir: tempfile::tempdir().unwrap(),
    };
    restore(&site, &["--data", "data", "--conf", "."]);
    site
}

fn restore(site: &Site, how: &[&str]) -> String {
    let backup = previous();
    let (fine, text) = site.plume(&[&["restore", backup.to_str().unwrap()][..], how].concat());
    assert!(fine, "{text}");
    text
}

/// What `upgrade --check` finds: code and grade, and all it says.
fn check(site: &Site) -> (BTreeSet<(String, String)>, String) {
    let (fine, text) = site.plume(&["upgrade", "--check", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let found: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let kinds = found
        .iter()
        .map(|finding| (word(finding, "code"), word(finding, "grade")));
    (kinds.filter(|(code, _)| code != "backup_old").collect(), text)
}

fn kinds(expected: [(&str, &str); 5]) -> BTreeSet<(String, String)> {
    expected
        .iter()
        .map(|&(code, grade)| (code.to_owned(), grade.to_owned()))
        .collect()
}

fn stats(site: &Site, data: &str) -> (u64, u64, u64) {
    let (fine, text) = site.plume(&["stats", "--json", "--data", data]);
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert!(fine && stats["balanced"] == true, "{text}");
    let count = |key: &str| stats[key].as_u64().unwrap();
    (count("packets_in"), count("archived"), count("repeats"))
}

/// Exceedances on the desk, each once.
fn exceedances(site: &Site) -> BTreeSet<String> {
    let states = "open,resolved,retracting,retracted,closed";
    let (fine, text) = site.plume(&["cases", "--json", "--data", "data", "--state", states]);
    assert!(fine, "{text}");
    let list: Value = serde_json::from_str(&text).unwrap();
    let of_rule = |case: &&Value| case["rule"] == "EXCEED_HOUR";
    let cases: Vec<&Value> = list["cases"].as_array().unwrap().iter().filter(of_rule).collect();
    let ids: BTreeSet<String> = cases
        .iter()
        .map(|case| case["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), cases.len(), "a case is there twice: {text}");
    ids
}

/// Sends the minute `n` of the day before the fixture's.
fn send(running: &Running, n: u32) {
    let mut link = Link::open(running.devices).unwrap();
    let packet = minute_packet(MN, &format!("20261121{n:09}"), &format!("2026112100{n:02}00"), "12.5");
    link.send(packet.as_bytes()).unwrap();
    link.answer().unwrap();
}

/// Every file below a directory with what is in it.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push((path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

const BEFORE: [(&str, &str); 5] = [
    ("upgrade_archive", "note"),
    ("upgrade_back", "warning"),
    ("upgrade_checkpoint", "warning"),
    ("upgrade_desk", "warning"),
    ("upgrade_log", "note"),
];

#[test]
fn data_of_the_previous_formats_goes_on_and_comes_back() {
    let site = restored();
    let (found, text) = check(&site);
    assert_eq!(found, kinds(BEFORE), "{text}");
    assert!(text.contains(OLD_SCHEMA) && text.contains("has format 2"), "{text}");
    assert_eq!(stats(&site, "data"), (PACKETS, PACKETS, 0));

    let running = site.start();
    let cases = exceedances(&site);
    assert_eq!(cases.len(), 1, "the case that the previous plume opened: {cases:?}");
    send(&running, 0);
    assert!(running.stop());
    assert_eq!(stats(&site, "data"), (PACKETS + 1, PACKETS + 1, 0));
    let (fine, text) = site.plume(&["verify", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let (found, text) = check(&site);
    assert_eq!(found, kinds(BEFORE.map(|(code, _)| (code, "note"))), "{text}");

    // Back to before, all of it: the very bytes that the previous plume wrote.
    restore(&site, &["--data", "before"]);
    assert_eq!(
        content(&site.dir.path().join("before")),
        content(&previous().join("data"))
    );
    assert_eq!(stats(&site, "before"), (PACKETS, PACKETS, 0));

    // The desk alone: the previous plume would open it again, and read from the log what came since.
    let text = restore(&site, &["--data", "data", "--only", "desk"]);
    assert!(text.contains(".before-"), "the newer database is kept: {text}");
    let (found, text) = check(&site);
    assert!(
        text.contains(OLD_SCHEMA) && found.contains(&("upgrade_back".into(), "warning".into())),
        "{text}"
    );
    let running = site.start();
    assert_eq!(exceedances(&site), cases);
    send(&running, 1);
    assert!(running.stop());
    assert_eq!(stats(&site, "data"), (PACKETS + 2, PACKETS + 2, 0));
}
