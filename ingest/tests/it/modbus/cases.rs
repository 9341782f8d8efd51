//! One folder for each thing a map can say: `tests/modbus/<name>/map.toml`, `image.txt` with what the device answers,
//! and `expected.snap` with the reports that come of one minute. `site.toml` and `registry.toml` where they differ.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::modbus::bus::Output;
use plume_ingest::modbus::read::{Miss, Table};
use plume_ingest::modbus::report::{Scene, of_check, of_minute};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::IngestId;
use plume_schemas::registry::{Registry, RegistryIndex};

use super::script::{Script, Unit, poll_config, site, units};
use crate::bench::{MN_2017, catalogue};
use crate::cases::show_report;

const START: &str = "20260117140000";

/// A registry for one stack: reference oxygen 6 % where it applies.
const REGISTRY: &str = r#"
revision = 3
[[source]]
mn = "010000A8900016F000169DC0"
outlet = "E1:DA001"
[[outlet]]
id = "E1:DA001"
enterprise = "E1"
number = "DA001"
factor = [
    { code = "a21026", reference_o2_pct = "6" },
    { code = "a21002", reference_o2_pct = "6" },
    { code = "a34013", reference_o2_pct = "6" },
]
"#;

/// `image.txt`: sections `samples N` of lines `table address: words`, words in hexadecimal (bits as 0 and 1), or one
/// line `! timeout`.
fn image(text: &str) -> Vec<(usize, Unit)> {
    let mut sections: Vec<(usize, Unit)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(count) = line.strip_prefix("samples ") {
            let last = sections.last().map(|(_, unit)| unit.clone()).unwrap_or_default();
            sections.push((count.parse().unwrap(), Unit { miss: None, ..last }));
            continue;
        }
        let unit = &mut sections.last_mut().expect("a section first").1;
        if let Some(miss) = line.strip_prefix("! ") {
            unit.miss = Some(match miss {
                "timeout" => Miss::Timeout,
                "busy" => Miss::Exception(6),
                other => panic!("unknown miss {other}"),
            });
            continue;
        }
        let (place, words) = line.split_once(": ").unwrap();
        let (table, address) = place.split_once(' ').unwrap();
        let table = Table::ALL.into_iter().find(|one| one.code() == table).unwrap();
        let words: Vec<u16> = words
            .split(' ')
            .map(|word| u16::from_str_radix(word, 16).unwrap())
            .collect();
        unit.put(table, address.parse().unwrap(), &words);
    }
    sections
}

fn optional(path: &Path, fallback: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|_| fallback.to_owned())
}

fn outcome(folder: &Path) -> String {
    let map = std::fs::read_to_string(folder.join("map.toml")).unwrap();
    let sections = image(&std::fs::read_to_string(folder.join("image.txt")).unwrap());
    let site = site(&optional(&folder.join("site.toml"), &units(&[MN_2017])), &map);
    let registry: Registry = toml::from_str(&optional(&folder.join("registry.toml"), REGISTRY)).unwrap();
    let registry = RegistryIndex::new(registry);
    let mut script = Script::new(&site, poll_config(), START);
    for (samples, unit) in sections {
        *script.unit(1) = unit;
        let before = script.now;
        script.run(before.plus(4_000 * i64::try_from(samples).unwrap()));
    }
    let end = script.now.plus(2_000);
    script.run(end);
    let mut out = String::new();
    let catalogue = catalogue();
    for (at, output) in &script.outputs {
        let scene = Scene {
            registry: &registry,
            catalogue: &catalogue,
            ingest: IngestId::new("ingest-1").unwrap(),
            peer: site.buses[0].connect.peer(),
            now: *at,
            clock_limit_ms: 60_000,
        };
        let records = match output {
            Output::Minute(turn, minute) => of_minute(script.core.device(*turn).unwrap(), minute, scene),
            Output::Check(turn, check) => of_check(script.core.device(*turn).unwrap(), check, scene),
            _ => continue,
        };
        for record in records {
            show(&mut out, &record);
        }
    }
    out
}

fn show(out: &mut String, record: &LogRecord) {
    match record {
        LogRecord::Entry(EntryBody::Report(report)) => {
            show_report(out, report);
            let raw = String::from_utf8(report.evidence.raw.clone()).unwrap();
            // The first two rounds show what a line looks like.
            for line in raw.lines().take(5) {
                writeln!(out, "  | {line}").unwrap();
            }
        }
        LogRecord::Quarantined(record) => {
            writeln!(out, "set aside: {}, {}", record.reason, record.detail).unwrap();
        }
        LogRecord::Entry(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_case() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/modbus");
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 12, "cases are missing");
    for path in names {
        let actual = outcome(&path);
        assert!(!actual.is_empty(), "nothing was reported in {}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        insta::with_settings!({ snapshot_path => &path, prepend_module_to_snapshot => false, description => name }, {
            insta::assert_snapshot!("expected", actual);
        });
    }
}
