//! Emissions of a real turbine through all of plume on a virtual clock: `plume simulate --from`, then what the archive
//! holds against what the table holds.
//!
//! The table in the repository is a slice of 200 hours. The whole data set, 22,191 hours of three years:
//!
//! ```text
//! TURBINE_CSV=gt_2011_2013.csv cargo test --release -p plume --test it turbine -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_bus::fs::RealFs;

use crate::support::Site;

/// Of deploy/examples/turbine-registry.toml.
const LIMIT_MG_M3: f64 = 80.0;
/// Minute packets an hour, of deploy/examples/turbine-map.toml.
const MINUTES_AN_HOUR: usize = 6;

fn table() -> PathBuf {
    let slice = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/simulator/tests/data/gas_turbine_200_hours.csv");
    let Some(whole) = std::env::var_os("TURBINE_CSV").map(PathBuf::from) else {
        println!("TURBINE_CSV is not set: 200 hours are played, the whole data set is not");
        return slice;
    };
    assert!(whole.exists(), "TURBINE_CSV={} is not there", whole.display());
    whole
}

/// Places of the rows, from 0, and whether each is above the limit: read here, by nothing of plume.
fn rows_of(path: &Path) -> Vec<bool> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let column = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "Nitrogen oxides")
        .unwrap();
    let value = |row: csv::Result<csv::StringRecord>| row.unwrap()[column].parse::<f64>().unwrap();
    reader.records().map(|row| value(row) > LIMIT_MG_M3).collect()
}

fn column_names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The last verdict on each hour, in order: true where it is exceeded.
fn judged(reader: &Reader) -> Vec<bool> {
    let mut spec = QuerySpec::all(Table::Judgements);
    spec.columns = column_names(&["rule", "pane", "window_start", "log_offset", "verdict"]);
    let mut hours: BTreeMap<i64, (i64, Option<bool>)> = BTreeMap::new();
    for row in reader.query(&spec).unwrap() {
        let row = row.unwrap();
        let [rule, pane, Field::Time(start), Field::Int(offset), verdict] = row.as_slice() else {
            panic!("{row:?}");
        };
        if rule.to_string() != "EXCEED_HOUR" || pane.to_string() == "early" {
            continue;
        }
        let exceeded = match verdict.to_string().as_str() {
            "breach" => Some(true),
            "fine" => Some(false),
            // Hours before the first and after the last; one in between would be missed below.
            _ => None,
        };
        let last = hours.entry(start.0).or_insert((*offset, exceeded));
        if last.0 <= *offset {
            *last = (*offset, exceeded);
        }
    }
    hours.into_values().filter_map(|(_, exceeded)| exceeded).collect()
}

fn count(which: &[bool]) -> usize {
    which.iter().filter(|&&exceeded| exceeded).count()
}

#[test]
fn the_turbine_is_judged_archived_and_balanced() {
    let table = table();
    let site = Site::new("");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let path = |name: &str| examples.join(name).display().to_string();
    let (fine, text) = site.plume(&[
        "simulate",
        "--from",
        &table.display().to_string(),
        "--map",
        &path("turbine-map.toml"),
        "--registry",
        &path("turbine-registry.toml"),
        "--data",
        "turbine",
    ]);
    assert!(fine, "{text}");
    let (fine, stats) = site.plume(&["stats", "--data", "turbine", "--json"]);
    assert!(fine, "{stats}");
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();

    let in_table = rows_of(&table);
    let reader = Reader::open(&site.dir.path().join("turbine/archive"), Arc::new(RealFs)).unwrap();
    let judged = judged(&reader);
    println!("{}", text.trim());
    println!("{}", site.plume(&["stats", "--data", "turbine"]).1.trim());
    println!(
        "hours {}, above {LIMIT_MG_M3} mg/m3 in the table {}, exceeded by the judge {}",
        in_table.len(),
        count(&in_table),
        count(&judged)
    );
    assert!(count(&in_table) > 20 && count(&in_table) < in_table.len());
    assert!(judged == in_table, "the judge's hours are not the table's");
    let packets = in_table.len() * (MINUTES_AN_HOUR + 1);
    for (key, expected) in [
        ("packets_in", packets),
        ("archived", packets),
        ("quarantined", 0),
        ("waiting", 0),
    ] {
        assert_eq!(stats[key], expected, "{key} of {stats}");
    }
    assert_eq!(stats["balanced"], true, "{stats}");
    // Each hour keeps its mean, minimum and maximum of two gases, each minute packet its mean.
    let mut spec = QuerySpec::all(Table::Readings);
    spec.columns = column_names(&["factor"]);
    let readings = reader.query(&spec).unwrap().count();
    assert_eq!(readings, in_table.len() * 2 * (MINUTES_AN_HOUR + 3));
}
