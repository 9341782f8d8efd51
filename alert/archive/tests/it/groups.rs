//! Readings by hours and days, and what gives way when the archive is older or larger than it may be.

use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, ArchiveConfig, ArchiveError, Field, Period, QuerySpec, Table, write_json, write_parquet};
use plume_bus::fs::SimFs;
use plume_schemas::ids::ContentId;
use plume_schemas::reading::{Flag, ReportKind, Statistic};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use crate::make::*;

fn archive(config: &ArchiveConfig) -> Archive {
    open(Path::new("/archive"), Arc::new(SimFs::new()), config).unwrap()
}

fn one(measured: Time, value: &str, flag: Flag, packet: u64) -> plume_schemas::report::Report {
    let mut reading = reading("a21002", Statistic::Mean, value);
    reading.flag = flag;
    let mut report = report(1, ReportKind::Minute, measured, measured.plus(MINUTE_MS), vec![reading]);
    report.evidence.packet = ContentId::of(&[&packet.to_le_bytes()]);
    report
}

/// Three minutes of one hour, one of them corrected later and one not valid, and a minute of the next.
fn filled() -> Archive {
    let mut archive = archive(&config());
    let start = at("20261121230000");
    let reports = [
        one(start, "0.1", Flag::Normal, 0),
        one(start.plus(MINUTE_MS), "9.9", Flag::Normal, 1),
        one(start.plus(2 * MINUTE_MS), "77", Flag::Maintenance, 2),
        one(start.plus(MINUTE_MS), "0.2", Flag::Normal, 3),
        one(start.plus(HOUR_MS), "9007199254740993", Flag::Normal, 4),
        one(start.plus(HOUR_MS + MINUTE_MS), "9007199254740993", Flag::Normal, 5),
    ];
    for (offset, report) in (0..).zip(reports) {
        drive(&mut archive, &[of_report(offset, report)]).unwrap();
    }
    archive
}

fn groups(archive: &Archive, period: Period) -> Vec<String> {
    let reader = archive.reader().unwrap();
    let rows = reader.grouped(&QuerySpec::all(Table::Readings), period).unwrap();
    assert_eq!(rows.columns()[6].0, "mean");
    rows.map(|row| {
        row.unwrap()[5..]
            .iter()
            .map(Field::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}

#[test]
fn a_group_counts_what_stands_and_is_valid() {
    let mut archive = filled();
    archive.flush().unwrap();
    let hours = groups(&archive, Period::Hour);
    // (0.1 + 0.2) / 2 is 0.15 exactly, and 2^53 + 1 is no double: sums are not of doubles.
    assert_eq!(hours[0], "2026-11-21 23:00:00 0.15 0.1 0.2 2 0.6666666666666666");
    assert!(
        hours[1].starts_with("2026-11-22 00:00:00 9007199254740992 "),
        "{hours:?}"
    );
    assert_eq!(hours.len(), 2);
    let days = groups(&archive, Period::Day);
    assert!(days[0].starts_with("2026-11-21 00:00:00 0.15 "), "{days:?}");
    let wrong = archive
        .reader()
        .unwrap()
        .grouped(&QuerySpec::all(Table::Packets), Period::Hour)
        .unwrap_err();
    assert!(
        matches!(wrong, ArchiveError::Ungroupable { table: "packets" }),
        "{wrong}"
    );
}

#[test]
fn results_leave_as_json_and_parquet() {
    let mut archive = filled();
    archive.flush().unwrap();
    let reader = archive.reader().unwrap();
    let spec = QuerySpec {
        columns: ["measured_at", "value", "flag"].map(str::to_owned).to_vec(),
        limit: 1,
        ..QuerySpec::all(Table::Readings)
    };
    let mut json = Vec::new();
    assert_eq!(write_json(reader.query(&spec).unwrap().into(), &mut json).unwrap(), 1);
    assert_eq!(
        String::from_utf8(json).unwrap(),
        "{\"measured_at\":\"2026-11-21 23:00:00\",\"value\":0.1,\"flag\":\"N\"}\n"
    );
    let mut parquet = Vec::new();
    let all = QuerySpec::all(Table::Packets);
    let rows = write_parquet(reader.query(&all).unwrap().into(), &mut parquet).unwrap();
    assert_eq!(rows, 6);
    let shown = String::from_utf8_lossy(&parquet);
    assert!(
        shown.starts_with("PAR1") && !shown.contains("123456"),
        "a password left in clear"
    );
}

/// Five days of samples and minutes, the last one running.
fn days(config: &ArchiveConfig) -> Archive {
    let mut archive = archive(config);
    let start = at("20261121120000");
    let mut offset = 0;
    for day in 0..5 {
        for kind in [ReportKind::RealTime, ReportKind::Minute] {
            let mut report = minute(1, start.plus(day * DAY_MS), 5);
            (report.kind, report.evidence.packet) = (kind, ContentId::of(&[&u64::to_le_bytes(offset)]));
            drive(&mut archive, &[of_report(offset, report)]).unwrap();
            offset += 1;
        }
    }
    archive.flush().unwrap();
    archive
}

fn dates(archive: &Archive, kind: ReportKind) -> Vec<String> {
    let spec = QuerySpec {
        kind: Some(kind),
        statistic: Some(Statistic::Max),
        columns: vec!["measured_at".to_owned()],
        ..QuerySpec::all(Table::Readings)
    };
    let reader = archive.reader().unwrap();
    assert!(reader.stats().balanced, "{:?}", reader.stats());
    assert_eq!(reader.verify().unwrap().problems, []);
    let rows = reader.query(&spec).unwrap();
    let day = |row: Vec<Field>| row[0].to_string().split([' ', '-']).nth(2).map(str::to_owned);
    rows.map(|row| day(row.unwrap()).unwrap()).collect()
}

#[test]
fn samples_may_go_before_the_rest() {
    let archive = days(&ArchiveConfig {
        keep_days: 4,
        keep_samples_days: 1,
        ..config()
    });
    assert_eq!(dates(&archive, ReportKind::Minute), ["22", "23", "24", "25"]);
    assert_eq!(
        dates(&archive, ReportKind::RealTime),
        ["24", "25"],
        "two days are always kept"
    );
}

#[test]
fn the_budget_takes_samples_first_and_never_the_last_two_days() {
    let whole = days(&config());
    let bytes: u64 = whole
        .reader()
        .unwrap()
        .stats()
        .tables
        .iter()
        .map(|table| table.bytes)
        .sum();
    let tight = days(&ArchiveConfig {
        max_bytes: bytes - 1,
        ..config()
    });
    assert_eq!(dates(&tight, ReportKind::Minute).len(), 5);
    assert!(dates(&tight, ReportKind::RealTime).len() < 5);
    let hopeless = days(&ArchiveConfig {
        max_bytes: 1,
        ..config()
    });
    assert_eq!(dates(&hopeless, ReportKind::Minute), ["24", "25"]);
}
