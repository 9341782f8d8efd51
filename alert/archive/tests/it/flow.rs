//! From records to files, and what is remembered between.

use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, ArchiveError, Field, MAX_CHECKPOINT_BYTES, Pushed, QuerySpec, Table};
use plume_bus::fs::{Fs, RealFs, SimFs};
use plume_bus::{Record, Topic, TopicPartition};
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::reading::{ReportKind, Statistic};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span};

use crate::make::*;

const ROOT: &str = "/archive";

fn rows(archive: &Archive, table: Table, columns: &str) -> Vec<String> {
    let spec = QuerySpec {
        columns: columns.split(' ').map(str::to_owned).collect(),
        ..QuerySpec::all(table)
    };
    let reader = archive.reader().unwrap();
    let shown = |row: Result<Vec<Field>, ArchiveError>| {
        let cells: Vec<String> = row.unwrap().iter().map(Field::to_string).collect();
        cells.join(" ")
    };
    reader.query(&spec).unwrap().map(shown).collect()
}

/// A bit of everything, on every topic.
fn bit_of_everything() -> Vec<Record> {
    let noon = at("20261121120000");
    let window = Span::hour_of(noon);
    let mut repeated = minute(1, noon, 5);
    repeated.times.received_at = repeated.times.received_at.plus(30_000);
    let mut corrected = minute(1, noon, 5);
    corrected.readings[1] = reading("a21002", Statistic::Mean, "40.00");
    corrected.evidence.packet = plume_schemas::ids::ContentId::of(&[b"corrected"]);
    vec![
        entry(0, &registry(2, noon)),
        entry(1, &presence(1, noon)),
        of_report(2, minute(1, noon, 5)),
        of_report(3, minute(2, noon, 7)),
        of_report(4, repeated),
        of_report(5, corrected),
        entry(6, &tick(noon.plus(2 * MINUTE_MS))),
        entry(7, &mark(1, noon)),
        record(REPORTS, 8, b"\xff\xff no protobuf".to_vec()),
        of_judgement(0, &judgement(1, window, 3)),
        of_event(0, judgement(1, window, 3)),
        of_quarantine(0, noon),
    ]
}

#[test]
fn every_table_gets_its_rows_and_the_books_balance() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let archive = open(dir.path(), Arc::new(RealFs), &config()).unwrap();
    let mut archive = archive.describing(catalogue);
    let records = bit_of_everything();
    drive(&mut archive, &records).unwrap();
    let committed = archive.flush().unwrap();
    assert_eq!(committed.len(), 4);
    let ends: Vec<String> = archive
        .positions()
        .iter()
        .map(|c| format!("{} {}", c.at, c.next))
        .collect();
    assert_eq!(ends, ["reports/0 9", "quarantine/0 1", "judgements/0 1", "events/0 1"]);

    let mut seen = Vec::new();
    for (table, columns) in [
        (
            Table::Readings,
            "kind factor outlet enterprise statistic measured_at value revision packet",
        ),
        (
            Table::Packets,
            "outlet packet verdict repeat_of readings fresh log_offset received_at",
        ),
        (Table::Entries, "entry mn state epoch revision log_offset"),
        (
            Table::Judgements,
            "rule verdict mean limit_value exceed_ratio words evidence",
        ),
        (
            Table::Hours,
            "measured_at outlet factor value valid_minutes limit_value verdict exceed_ratio status pane revision",
        ),
        (
            Table::Outlets,
            "outlet number enterprise_name district industry revision",
        ),
        (Table::Events, "edge preliminary window_start words cause_offset"),
        (Table::Quarantine, "reason mn raw log_topic log_offset"),
    ] {
        seen.push(format!("## {}", table.name()));
        seen.extend(rows(&archive, table, columns));
    }
    insta::assert_snapshot!(seen.join("\n"));
    let factors = rows(&archive, Table::Factors, "factor symbol name_zh unit");
    assert!(factors.iter().any(|row| row == "a21002 NOx 氮氧化物 mg/m3"));

    let stats = archive.reader().unwrap().stats();
    assert!(stats.balanced, "{stats:?}");
    assert_eq!(
        (stats.packets_in, stats.archived, stats.repeats, stats.quarantined),
        (5, 3, 1, 1)
    );
    let verified = archive.reader().unwrap().verify().unwrap();
    assert_eq!(verified.problems, []);
    assert!(
        dir.path()
            .join("readings/kind=minute/date=2026-11-21/part-0.parquet")
            .is_file()
    );
}

#[test]
fn an_hour_of_the_log_ends_the_batch_and_is_published_without_being_asked() {
    let disk = SimFs::new();
    let mut archive = open(Path::new(ROOT), Arc::new(disk.clone()), &config()).unwrap();
    let start = at("20261121121000");
    let mut records = vec![of_judgement(0, &judgement(1, Span::hour_of(start), 3))];
    records.extend((0..130).map(|n| of_report(n, minute(1, start.plus(i64::try_from(n).unwrap() * MINUTE_MS), 1))));
    let committed = drive(&mut archive, &records).unwrap();
    // 12:10 to 13:08 arrive before 13:10, then 60 minutes more; the judgement goes with the first hour.
    let ends: Vec<String> = committed.iter().map(|c| format!("{} {}", c.at, c.next)).collect();
    assert_eq!(ends, ["reports/0 59", "judgements/0 1", "reports/0 119"]);
    assert!(
        disk.content(Path::new("/archive/judgements/date=2026-11-21/part-0.parquet"))
            .is_some()
    );
    let visible = disk.content(Path::new(
        "/archive/readings/kind=minute/date=2026-11-21/part-0.parquet",
    ));
    assert!(visible.is_some());
    assert!(archive.reader().unwrap().stats().balanced);
}

#[test]
fn a_batch_ends_at_its_limits() {
    for (config, expected) in [
        (
            plume_archive::ArchiveConfig {
                batch_records: 10,
                ..config()
            },
            10,
        ),
        (
            plume_archive::ArchiveConfig {
                batch_bytes: 2_000,
                ..config()
            },
            4,
        ),
    ] {
        let mut archive = open(Path::new(ROOT), Arc::new(SimFs::new()), &config).unwrap();
        let start = at("20261121121000");
        let records = (0..25).map(|n| of_report(n, minute(1, start.plus(i64::try_from(n).unwrap() * MINUTE_MS), 1)));
        let committed = drive(&mut archive, &records.collect::<Vec<_>>()).unwrap();
        assert_eq!(committed[0].next, expected, "{config:?}");
    }
    // A device that sends back a year.
    let mut archive = open(Path::new(ROOT), Arc::new(SimFs::new()), &config()).unwrap();
    let now = at("20261121120000");
    for day in 0..400 {
        let mut old = minute(1, now.plus(-24 * HOUR_MS * day), 1);
        old.times.received_at = now;
        let record = of_report(u64::try_from(day).unwrap(), old);
        if archive.push(&record).unwrap() == Pushed::Full {
            // One folder of packets and 255 days of readings.
            assert_eq!(day, 255);
            return;
        }
    }
    panic!("the batch never ended");
}

#[test]
fn of_a_day_the_last_checkpoint_of_a_partition_stands() {
    let mut archive = open(Path::new(ROOT), Arc::new(SimFs::new()), &config()).unwrap();
    let noon = at("20261121120000");
    assert!(!archive.checkpoint(0, 0, b"early").unwrap(), "no batch takes it yet");
    for (offset, start) in (0..).zip([noon, noon.plus(2 * HOUR_MS), noon.plus(DAY_MS)]) {
        drive(&mut archive, &[of_report(offset, minute(1, start, 7))]).unwrap();
        let state = format!("state {offset}");
        assert!(archive.checkpoint(0, offset, state.as_bytes()).unwrap(), "{state}");
    }
    archive.flush().unwrap();
    let shown = rows(&archive, Table::Checkpoints, "log_partition log_offset state");
    assert_eq!(shown, ["0 1 state 1", "0 2 state 2"]);
    let reader = archive.reader().unwrap();
    assert!(reader.stats().balanced, "{:?}", reader.stats());
    assert_eq!(reader.verify().unwrap().problems, []);
    let large = vec![0; MAX_CHECKPOINT_BYTES + 1];
    let refused = archive.checkpoint(0, 9, &large).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a checkpoint of partition 0 has 268435457 bytes, at most 268435456 are archived"
    );
}

#[test]
fn what_was_archived_before_is_passed_over_and_holes_are_noted() {
    let disk = SimFs::new();
    let start = at("20261121120000");
    let of = |offset: u64| {
        of_report(
            offset,
            minute(1, start.plus(i64::try_from(offset).unwrap() * MINUTE_MS), 1),
        )
    };
    {
        let mut archive = open(Path::new(ROOT), Arc::new(disk.clone()), &config()).unwrap();
        drive(&mut archive, &[of(3), of(4)]).unwrap();
        archive.flush().unwrap();
    }
    disk.restart(plume_bus::fs::Loss::Process);
    let mut archive = open(Path::new(ROOT), Arc::new(disk), &config()).unwrap();
    assert_eq!(archive.next_offset(REPORTS), Some(5));
    drive(&mut archive, &[of(3), of(4), of(5), of(9)]).unwrap();
    archive.flush().unwrap();
    let reader = archive.reader().unwrap();
    let stats = reader.stats();
    assert_eq!(stats.lines[0].gaps, [(6, 9)]);
    assert_eq!(
        (stats.lines[0].first, stats.lines[0].next, stats.counts.records),
        (3, 10, 4)
    );
    assert!(stats.balanced);
    let problems: Vec<String> = reader
        .verify()
        .unwrap()
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems, ["reports/0: offsets 6 to 9 were never archived"]);
    assert_eq!(
        rows(&archive, Table::Packets, "packet log_offset"),
        ["1 3", "2 4", "3 5", "4 9"]
    );
}

#[test]
fn what_is_older_than_memory_is_compared_with_what_is_stored() {
    let mut archive = open(Path::new(ROOT), Arc::new(SimFs::new()), &config()).unwrap();
    let old = at("20261101120000");
    let now = at("20261121120000");
    let sent_back = |salt: u32, received: i64| {
        let mut report = minute(1, old, salt);
        report.times.received_at = now.plus(received);
        report
    };
    let mut offset = 0..;
    let mut next = |report| of_report(offset.next().unwrap(), report);
    drive(&mut archive, &[next(minute(1, old, 5)), next(minute(1, now, 1))]).unwrap();
    archive.flush().unwrap();
    // The same again three weeks later, in two batches; then with a correction of one value; then the correction again.
    for salts in [&[5, 5][..], &[5], &[6], &[6, 6]] {
        let records: Vec<_> = salts
            .iter()
            .map(|&salt| next(sent_back(salt, i64::from(salt))))
            .collect();
        drive(&mut archive, &records).unwrap();
        archive.flush().unwrap();
    }
    let mut spec = QuerySpec::all(Table::Readings);
    spec.to = Some(now);
    spec.columns = ["factor", "statistic", "value", "revision", "packet"]
        .map(str::to_owned)
        .to_vec();
    let reader = archive.reader().unwrap();
    let shown = |row: Result<Vec<Field>, _>| row.unwrap().iter().map(Field::to_string).collect::<Vec<_>>().join(" ");
    let seen: Vec<String> = reader.query(&spec).unwrap().map(shown).collect();
    assert_eq!(
        seen,
        [
            "a19001 avg 8.1 0 1",
            "a21002 avg 31.05 0 1",
            "a21002 avg 31.06 1 6",
            "a21002 cou 0.005 0 1",
            "a21002 cou 0.006 1 6",
            "a21002 max 32.05 0 1",
            "a21002 max 32.06 1 6",
            "a21002 min 30.05 0 1",
            "a21002 min 30.06 1 6",
        ]
    );
    let stats = reader.stats();
    assert!(stats.balanced, "{stats:?}");
    assert_eq!(stats.dropped, 3 * 5 + 1 + 2 * 5);
}

#[test]
fn the_order_of_rows_in_a_file_is_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), Arc::new(RealFs), &config()).unwrap();
    let start = at("20261121120000");
    for n in 0..20_u64 {
        let number = u32::try_from(n * 7 % 5 + 1).unwrap();
        let minutes = i64::try_from(n * 11 % 20).unwrap();
        let mut report = minute(number, start.plus(minutes * MINUTE_MS), u32::try_from(n).unwrap());
        report.kind = if n % 3 == 0 {
            ReportKind::Hour
        } else {
            ReportKind::Minute
        };
        drive(&mut archive, &[of_report(n, report)]).unwrap();
        if n % 4 == 0 {
            archive.flush().unwrap();
        }
    }
    archive.flush().unwrap();
    let columns = "kind factor outlet statistic basis measured_at";
    let seen = rows(&archive, Table::Readings, columns);
    assert_eq!(seen.len(), 100);
    for kind in ["minute", "hour"] {
        let of_kind: Vec<&String> = seen.iter().filter(|row| row.starts_with(kind)).collect();
        assert!(of_kind.len() > 30 && of_kind.is_sorted(), "{of_kind:#?}");
    }
}

#[test]
fn mistakes_are_named() {
    let disk = SimFs::new();
    let fs = || Arc::new(disk.clone());
    let mut archive = open(Path::new(ROOT), fs(), &config()).unwrap();
    let second = open(Path::new(ROOT), fs(), &config()).unwrap_err();
    let commands = TopicPartition::new(Topic::Commands, 0);
    let topic = archive.push(&record(commands, 0, vec![])).unwrap_err();
    let column = archive.reader().unwrap();
    let column = column.query(&QuerySpec {
        columns: vec!["price".into()],
        ..QuerySpec::all(Table::Events)
    });
    let noon = at("20261121120000");
    drive(&mut archive, &[of_report(0, minute(1, noon, 1))]).unwrap();
    archive.flush().unwrap();
    drop(archive);
    let manifest = Path::new("/archive/manifest.jsonl");
    let mut content = disk.content(manifest).unwrap();
    content[50] ^= 1;
    disk.replace(manifest, content);
    let damaged = open(Path::new(ROOT), fs(), &config()).unwrap_err();
    let errors = [second, topic, column.unwrap_err(), damaged];
    let text: Vec<String> = errors
        .iter()
        .map(|error| format!("{error}\n  {}", error.hint()))
        .collect();
    // Hashes say what the files of this version are; the sentences are what is held here.
    let words: Vec<String> = text
        .join("\n")
        .split_inclusive(|letter: char| !letter.is_ascii_hexdigit())
        .map(|word| match word.split_at_checked(64) {
            Some((hash, rest)) if hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => format!("<sha256>{rest}"),
            _ => word.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(words.concat());
}

/// An outlet that comes from another partition, where its packets had numbers that are not known here, and one that
/// stays: both are numbered behind the base of the log.
#[test]
fn packets_are_numbered_behind_the_base_of_the_log() {
    const BASE: u64 = 1_000_000;
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new());
    let noon = at("20261121120000");
    let minute = |number, after: i64| minute(number, noon.plus(after * MINUTE_MS), 5);
    let mut archive = open(Path::new(ROOT), Arc::clone(&fs), &config()).unwrap();
    let before = [of_report(0, minute(1, 0)), of_report(1, minute(1, 1))];
    drive(&mut archive, &before).unwrap();
    archive.flush().unwrap();
    drop(archive);
    let archive = open(Path::new(ROOT), fs, &config()).unwrap();
    let mut archive = archive.numbering_from(BASE).passing_markers(true);
    let after = [
        of_report(BASE, minute(1, 2)),
        of_report(BASE + 1, minute(2, 2)),
        of_report(BASE + 2, minute(1, 3)),
    ];
    drive(&mut archive, &after).unwrap();
    archive.flush().unwrap();
    let numbers = rows(&archive, Table::Packets, "packet log_offset");
    assert_eq!(
        numbers,
        ["1 0", "2 1", "1000001 1000000", "1000002 1000002", "1000001 1000001"]
    );
}

/// A line that another archive has read until now: the registry was said before.
#[test]
fn an_archive_that_takes_a_line_over_knows_whose_outlets_are() {
    let noon = at("20261121120000");
    let EntryBody::Registry(known) = registry(2, noon) else {
        panic!("a registry is one");
    };
    let mut archive = open(Path::new(ROOT), Arc::new(SimFs::new()), &config()).unwrap();
    archive.introduce(0, &known);
    drive(&mut archive, &[of_report(7, minute(1, noon, 5))]).unwrap();
    archive.flush().unwrap();
    let owners = rows(&archive, Table::Readings, "enterprise");
    let owner = known.outlets.iter().find(|row| row.id == outlet(1)).unwrap().enterprise;
    assert!(
        !owners.is_empty() && owners.iter().all(|found| *found == owner.to_string()),
        "{owners:?}"
    );
}
