//! The house's own rules, held by a test: who may import whom, what is absent where, how long things may get.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// Longest source file. Two jobs live in a longer one.
const MAX_LINES: usize = 500;
/// Longest line of code.
const MAX_COLUMNS: usize = 120;

/// What may stand at the top level, and nothing else.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "README.zh-CN.md",
    "alert",
    "benches",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "detect",
    "docs",
    "ingest",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "plume-data",
    "target",
];

/// Which rooms a room may depend on (normal dependencies).
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("schemas", &[]),
    ("schemas/bus", &["plume-schemas"]),
    ("detect", &["plume-schemas"]),
    ("ingest", &["plume-schemas", "plume-bus"]),
    ("ingest/simulator", &["plume-schemas", "plume-ingest"]),
    ("alert", &["plume-schemas", "plume-bus"]),
    ("alert/archive", &["plume-schemas", "plume-bus"]),
];

/// Dependencies that only one room may know.
const OWNERS: &[(&str, &[&str])] = &[
    ("rdkafka", &["schemas/bus"]),
    ("sqlx", &["alert"]),
    ("arrow", &["alert/archive"]),
    ("parquet", &["alert/archive"]),
    ("tokio-modbus", &["ingest"]),
    ("lettre", &["alert"]),
    ("anyhow", &["deploy"]),
];

/// Words that must not stand in the sources of a room: invariants as absences.
const ABSENCES: &[(&str, &[&str])] = &[
    (
        "detect/src",
        &[
            "tokio",
            "std::fs",
            "std::net",
            "std::time::",
            "plume_bus",
            "hj212",
            "modbus",
        ],
    ),
    ("schemas/src", &["tokio", "std::fs", "std::net", "plume_bus"]),
    (
        "alert/src",
        &["plume_ingest", "plume_detect", "plume_archive", "parquet::", "arrow::"],
    ),
    (
        "alert/archive/src",
        &["plume_ingest", "plume_detect", "plume_alert", "sqlx"],
    ),
    (
        "ingest/src",
        &["plume_detect", "plume_alert", "plume_archive", "sqlx", "parquet::"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "plume-data" | "node_modules") {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(below, &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

fn manifest(room: &str) -> Table {
    fs::read_to_string(root().join(room).join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

fn dependencies(room: &str) -> Vec<String> {
    manifest(room)["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn nothing_else_stands_at_the_top() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(
            TOP_LEVEL.contains(&name.as_str()),
            "{name} has no place at the top level"
        );
    }
}

#[test]
fn rooms_import_only_what_lies_below_them() {
    for (room, allowed) in DIRECTIONS {
        for dependency in dependencies(room) {
            let fine = !dependency.starts_with("plume") || allowed.contains(&dependency.as_str());
            assert!(fine, "{room} must not depend on {dependency}");
        }
    }
}

#[test]
fn special_dependencies_have_one_owner() {
    for (dependency, owners) in OWNERS {
        for (room, _) in DIRECTIONS.iter().chain([&("deploy", &[][..]), &("benches", &[][..])]) {
            let fine = owners.contains(room) || !dependencies(room).iter().any(|name| name == dependency);
            assert!(fine, "{room} must not know {dependency}");
        }
    }
}

#[test]
fn what_must_be_absent_is_absent() {
    for (place, words) in ABSENCES {
        for path in sources(&root().join(place)) {
            let text = fs::read_to_string(&path).unwrap();
            for (number, line) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                for word in *words {
                    assert!(
                        !line.contains(word),
                        "{}:{}: `{word}` must be absent in {place}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn files_and_lines_stay_short() {
    let mut problems = Vec::new();
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        if text.lines().count() > MAX_LINES {
            problems.push(format!(
                "{}: {} lines, {MAX_LINES} is the limit",
                path.display(),
                text.lines().count()
            ));
        }
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.chars().count() > MAX_COLUMNS)
        {
            problems.push(format!(
                "{}:{}: {} columns",
                path.display(),
                number + 1,
                line.chars().count()
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_dependency_has_a_reason() {
    for (room, _) in DIRECTIONS.iter().chain([&("deploy", &[][..]), &("benches", &[][..])]) {
        let text = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        for line in text
            .lines()
            .filter(|line| line.contains(".workspace = true") && !line.starts_with("plume-"))
        {
            let is_dependency = !["version", "edition", "rust-version", "license", "publish"]
                .iter()
                .any(|k| line.starts_with(k));
            assert!(
                !is_dependency || line.contains('#'),
                "{room}/Cargo.toml: `{line}` has no reason"
            );
        }
    }
}

#[test]
fn no_test_sleeps_or_takes_a_fixed_port() {
    for path in sources(&root())
        .iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "tests"))
    {
        if path.ends_with("deploy/tests/it/tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for word in ["thread::sleep(", "time::sleep(", "park_timeout("] {
            assert!(
                !text.contains(word),
                "{}: waits by {word}…), synchronise on a signal instead",
                path.display()
            );
        }
    }
}
