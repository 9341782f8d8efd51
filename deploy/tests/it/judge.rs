//! The judge in the whole plume: a live run over TCP replayed to the byte, its events explained from log and archive,
//! marks from a file, and the score of its warnings.

use std::sync::Arc;

use plume_archive::{QuerySpec, Reader, Table};
use plume_bus::fs::RealFs;
use plume_schemas::decimal::Decimal;
use plume_schemas::registry::Registry;

use crate::support::Site;

/// Id and rule of every event in the archive.
fn events(site: &Site) -> Vec<(String, String)> {
    let reader = Reader::open(&site.data().join("archive"), Arc::new(RealFs)).unwrap();
    let spec = QuerySpec {
        columns: vec!["event_id".to_owned(), "rule".to_owned()],
        ..QuerySpec::all(Table::Events)
    };
    let rows = reader.query(&spec).unwrap().map(Result::unwrap);
    rows.map(|row| (row[0].to_string(), row[1].to_string())).collect()
}

/// The demo's three plants speak over real TCP links on a virtual clock; what the judge said then, it says again.
#[test]
fn a_live_run_is_replayed_to_the_byte_and_its_events_are_explained() {
    let site = Site::new("");
    let data = site.data();
    let data = data.to_str().unwrap();
    // Whether the story came out as told is the demo's own test; here its log counts.
    let (_, told) = site.plume(&[
        "demo",
        "--headless",
        "--speed",
        "300",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data,
    ]);
    let (same, text) = site.plume(&["replay", "--data", data]);
    assert!(same && text.contains("identical to the byte"), "{text}\n{told}");
    // The same out of the archive: packets over TCP and polled minutes make the log again.
    let (same, archived) = site.plume(&["replay", "--data", data, "--source", "archive"]);
    assert!(same && archived.contains("identical to the byte"), "{archived}");
    assert_eq!(archived.lines().last(), text.lines().last(), "all of it");
    what_if(&site);
    let events = events(&site);
    assert!(!events.is_empty(), "nothing happened in the demo: {told}");
    assert!(!text.contains(" 0 条判定") && !text.contains(" 0 个事件"), "{text}");

    let (id, rule) = events
        .iter()
        .find(|(_, rule)| rule == "NEAR_HOUR")
        .unwrap_or(&events[0]);
    let (fine, both) = site.plume(&["explain", id, "--data", data]);
    assert!(fine && both.contains(rule) && both.contains(id), "{both}");
    for part in ["限值", "limit", "结论", "verdict", "日志位置", "log position"] {
        assert!(both.contains(part), "{part} in {both}");
    }
    let (_, english) = site.plume(&["explain", id, "--lang", "en", "--data", data]);

    // A mark is a record behind what was judged: it makes the replay no different.
    let marks = site.dir.path().join("marks.csv");
    let row = "91330100MADEMO001X:DA009,,2026-11-21T10:00,2026-11-21T11:00,calibration,李主管,";
    std::fs::write(&marks, format!("outlet,factor,start,end,kind,by,note\n{row}\n")).unwrap();
    let (fine, text) = site.plume(&["marks", "import", "marks.csv", "--data", data]);
    assert!(
        !fine && text.contains("marks:2: outlet"),
        "an outlet nobody knows is named: {text}"
    );
    let registry = std::fs::read_to_string(site.data().join("state/registry.json")).unwrap();
    let registry: serde_json::Value = serde_json::from_str(&registry).unwrap();
    let outlet = registry["outlet"][0]["id"].as_str().unwrap();
    let row = format!("{outlet},,2026-11-21T10:00,2026-11-21T11:00,calibration,李主管,季度校准");
    std::fs::write(&marks, format!("outlet,factor,start,end,kind,by,note\n{row}\n")).unwrap();
    let (fine, text) = site.plume(&["marks", "import", "marks.csv", "--data", data]);
    assert!(fine && text.contains("1 mark(s) recorded"), "{text}");
    let (same, text) = site.plume(&["replay", "--data", data]);
    assert!(same, "{text}");

    // The log expires one day; the archive still knows why.
    std::fs::remove_dir_all(site.data().join("log")).unwrap();
    let (fine, archived) = site.plume(&["explain", id, "--lang", "en", "--data", data]);
    assert!(fine, "{archived}");
    for step in ["1. subject", "limit", "verdict"] {
        assert!(
            archived.contains(step) && english.contains(step),
            "{archived}\n{english}"
        );
    }
    let (fine, text) = site.plume(&["explain", "00000000000000000000000000000000", "--data", data]);
    assert!(
        !fine && text.contains("neither in its log nor in its archive"),
        "{text}"
    );
    let (fine, text) = site.plume(&["explain", "nonsense", "--data", data]);
    assert!(!fine && text.contains("32 hexadecimal digits"), "{text}");
}

/// The demo under half of its limits: from the log, from the archive, and from the readings that stand.
fn what_if(site: &Site) {
    let kept = std::fs::read_to_string(site.data().join("state/registry.json")).unwrap();
    let registry: Registry = serde_json::from_str(&kept).unwrap();
    let file = |name: &str, registry: &Registry| {
        std::fs::write(site.dir.path().join(name), toml::to_string(registry).unwrap()).unwrap();
    };
    file("same.toml", &registry);
    let mut lower = registry;
    let factors = lower.outlets.iter_mut().flat_map(|outlet| &mut outlet.factors);
    for limit in factors.flat_map(|factor| &mut factor.limits) {
        limit.value = Decimal::parse(b"5").unwrap();
    }
    file("lower.toml", &lower);
    let ask = |registry: &str, more: &[&str]| {
        let args = [
            "replay",
            "--diff",
            "--data",
            "data",
            "--from",
            "2000-01-01",
            "--registry",
            registry,
        ];
        site.plume(&[&args[..], more].concat())
    };
    let (same, text) = ask("same.toml", &[]);
    assert!(same && text.contains("verdicts changed: 0"), "{text}");
    let counts = |source: &str| {
        let (same, text) = ask("lower.toml", &["--source", source, "--csv", "effect.csv", "--json"]);
        assert!(!same, "a lower limit differs, and the exit code says so: {text}");
        let found: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let sheet = std::fs::read_to_string(site.dir.path().join("effect.csv")).unwrap();
        assert!(sheet.starts_with('\u{feff}') && sheet.lines().count() > 1, "{sheet}");
        found
    };
    let (log, archive, readings) = (counts("log"), counts("archive"), counts("readings"));
    assert_eq!(log, archive, "the archive is the log");
    assert!(!log["verdicts"].as_array().unwrap().is_empty(), "{log}");
    let exceeded = |found: &serde_json::Value, column: &str| -> Vec<(String, u64)> {
        let rows = found["table"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row[column].as_u64() > Some(0));
        rows.map(|row| {
            (
                format!("{} {}", row["outlet"], row["factor"]),
                row[column].as_u64().unwrap(),
            )
        })
        .collect()
    };
    for column in ["exceeded_then", "exceeded_now"] {
        assert_eq!(exceeded(&readings, column), exceeded(&log, column), "{column}");
    }
    let missing = readings["not_reproducible"].as_array().unwrap();
    assert!(missing.iter().any(|rule| rule == "NEAR_HOUR"), "{readings}");
}

/// The same seeds give the same score, and the table names its targets.
#[test]
fn the_score_is_a_function_of_its_seeds() {
    let site = Site::new("");
    let score = |args: &[&str]| site.plume(&[&["score", "--plants", "2", "--days", "1"], args].concat());
    let (fine, json) = score(&["--json"]);
    assert!(fine, "{json}");
    assert_eq!(score(&["--json"]).1, json);
    assert_ne!(score(&["--json", "--training"]).1, json);
    let score_of: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(score_of["hours"], 2 * 3 * 23, "{json}");
    assert_eq!(score_of["held_out"], true, "{json}");
    let (_, table) = score(&[]);
    for part in ["held out", "Brier", "calibration", "target", "lead time"] {
        assert!(table.contains(part), "{part} in {table}");
    }
}

/// A registry kept as CSV sheets in a directory is checked and taken like the TOML file.
#[test]
fn sheets_are_a_registry_too() {
    let site = Site::new("");
    let (from, to) = (
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/tests/data"),
        site.dir.path().join("sheets"),
    );
    let copy = |kind: &str| {
        std::fs::create_dir_all(&to).unwrap();
        for sheet in std::fs::read_dir(from.join(kind)).unwrap().map(Result::unwrap) {
            std::fs::copy(sheet.path(), to.join(sheet.file_name())).unwrap();
        }
    };
    let config = std::fs::read_to_string(site.dir.path().join("plume.toml")).unwrap();
    let config = config.replacen("[plume]", "[plume]\nregistry = \"sheets\"", 1);
    std::fs::write(site.dir.path().join("plume.toml"), config).unwrap();
    copy("registry_good");
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    copy("registry_bad");
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine && text.contains("limits.csv:"), "{text}");
}
