//! The scores of the charts: drifts on simulated plants against the committed numbers, and three real years of a
//! turbine against the table in docs/drift.md.

use std::path::{Path, PathBuf};

use crate::support::Site;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A small size of `plume score --drift`; `.ci/run` has the whole one. What changes here changed in the charts.
#[test]
fn drifts_are_found_as_soon_and_as_quietly_as_before() {
    let (fine, text) = Site::new("").plume(&["score", "--drift", "--plants", "2"]);
    assert!(fine, "{text}");
    insta::assert_snapshot!("drift_score", text);
}

/// The part of docs/drift.md between its marks is what `plume score --turbine` prints of the table in the repository.
#[test]
fn the_turbine_in_the_manual_is_what_the_judge_says() {
    let table = root().join("deploy/tests/data/gas_turbine_2011_2013.csv");
    let (fine, text) = Site::new("").plume(&["score", "--turbine", &table.display().to_string()]);
    assert!(fine, "{text}");
    let path = root().join("docs/drift.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- turbine: begin -->\n", "<!-- turbine: end -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let fresh = format!("{before}{begin}{}\n{end}{after}", text.trim_end());
    if page != fresh {
        std::fs::write(&path, fresh).unwrap();
        panic!("docs/drift.md was stale and has been written anew: look at it and commit it");
    }
    let (fine, text) = Site::new("").plume(&["score", "--turbine", "plume.toml"]);
    assert!(!fine && text.contains("Ambient temperature"), "{text}");
}
