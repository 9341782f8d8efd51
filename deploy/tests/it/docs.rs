//! Generated documents are as fresh as what they are made from.

use std::fmt::Write as _;
use std::path::Path;

/// The configuration reference: one table a section, from the comments of `default.toml`.
fn reference(defaults: &str) -> String {
    let mut page = String::from(
        "# Configuration\n\nEvery option with its default, made from `deploy/default.toml`; a test keeps it fresh. \
         A configuration file holds only what differs; `plume check --config FILE` explains every mistake.\n",
    );
    let mut said: Vec<&str> = Vec::new();
    for line in defaults.lines() {
        if let Some(comment) = line.strip_prefix("## ") {
            said.push(comment);
        } else if let Some(section) = line.strip_prefix('[') {
            write!(page, "\n## `[{section}`\n\n| option | default | |\n|---|---|---|\n").unwrap();
            said.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            writeln!(page, "| `{key}` | `{value}` | {} |", said.join(" ")).unwrap();
            said.clear();
        } else {
            said.clear();
        }
    }
    page
}

#[test]
fn the_configuration_reference_is_fresh() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = reference(&std::fs::read_to_string(here.join("default.toml")).unwrap());
    let path = here.parent().unwrap().join("docs/config.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != fresh {
        std::fs::write(&path, fresh).unwrap();
        panic!("docs/config.md was stale and has been written anew: look at it and commit it");
    }
}
