//! An archive for readers that plume did not write: `tests/readers.py` opens it with DuckDB, Polars, pyarrow and
//! pandas.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use plume_bus::fs::RealFs;
use plume_schemas::decimal::Decimal;
use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::Pane;
use plume_schemas::reading::{ReportKind, Statistic};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span};

use crate::make::*;

/// Where the script looks.
const DIRECTORY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/plume-archive-readers");

/// Values as makers type them: one, two and three digits, floats with their tail, and one that no double holds.
fn value(series: u32, step: i64) -> String {
    let wave = (step * 37 + i64::from(series) * 11) % 1_000;
    match series % 5 {
        0 => format!("{}.{}", wave / 10, wave % 10),
        1 => format!("{}.{:02}", wave / 100, wave % 100),
        2 => format!("-0.{wave:03}"),
        3 => "2.90000009536743".to_owned(),
        _ => format!("9007199254740993.{:02}", wave % 100),
    }
}

#[test]
fn writes_what_other_readers_check() {
    let directory = Path::new(DIRECTORY);
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let archive = open(&directory.join("archive"), Arc::new(RealFs), &config()).unwrap();
    let mut archive = archive.describing(catalogue).confirming_at(12);
    let start = at("20261121200000");
    drive(&mut archive, &[entry(0, &registry(3, start))]).unwrap();
    // Sums as integers of 10^-14: exact, whatever adds them.
    let mut rows = String::from("kind,date,outlet,factor,statistic,rows,sum_e14\n");
    let mut offset = 1;
    for (kind, step_ms) in [(ReportKind::Minute, MINUTE_MS), (ReportKind::Hour, HOUR_MS)] {
        let mut sums: std::collections::BTreeMap<(String, u32, u32), (u64, i128)> = std::collections::BTreeMap::new();
        for step in 0..8 * HOUR_MS / step_ms {
            for number in 1..=3 {
                let measured = start.plus(step * step_ms);
                let code = |series: u32| format!("a2100{series}");
                let readings: Vec<_> = (0..5)
                    .map(|series| reading(&code(series), Statistic::Mean, &value(series, step)))
                    .collect();
                for (series, reading) in (0..).zip(&readings) {
                    let decimal: Decimal = reading.value.decimal().unwrap();
                    let sum = sums.entry((measured.date(), number, series)).or_default();
                    sum.0 += 1;
                    sum.1 += i128::from(decimal.mantissa) * 10_i128.pow(14 - u32::from(decimal.scale));
                }
                let report = report(number, kind, measured, measured.plus(step_ms + 2_000), readings);
                drive(&mut archive, &[of_report(offset, report)]).unwrap();
                offset += 1;
            }
        }
        for ((date, number, series), (count, sum)) in sums {
            writeln!(
                rows,
                "{},{date},{},a2100{series},avg,{count},{sum}",
                kind.code(),
                outlet(number)
            )
            .unwrap();
        }
    }
    assert!(archive.checkpoint(0, offset - 1, b"what the judge knows").unwrap());
    let window = Span::hour_of(start);
    let mut revised = judgement(1, window, 9);
    revised.pane = Pane::Late;
    let mut of_day = judgement(1, window, 9);
    of_day.rule = RuleCode::ExceedDay;
    drive(
        &mut archive,
        &[
            of_judgement(0, &judgement(1, window, 3)),
            of_judgement(1, &revised),
            of_judgement(2, &of_day),
            of_event(0, judgement(1, window, 3)),
            of_quarantine(0, start),
        ],
    )
    .unwrap();
    archive.flush().unwrap();
    std::fs::write(directory.join("readings.csv"), rows).unwrap();
    let mut counts = String::from("table,rows\n");
    for table in archive.reader().unwrap().stats().tables {
        writeln!(counts, "{},{}", table.table, table.published_rows).unwrap();
    }
    std::fs::write(directory.join("tables.csv"), counts).unwrap();
    println!("archive for readers.py in {DIRECTORY}");
}
