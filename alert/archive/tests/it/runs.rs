//! Files of a day that lasts: what comes is put behind what is there, and all is in one order once the day is over.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use plume_archive::{Archive, ArchiveConfig, ArchiveError, Field, QuerySpec, Reader, Table};
use plume_bus::Record;
use plume_bus::fs::{Fault, Loss, SimFs};
use plume_schemas::entry::EntryBody;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use crate::crash::everything;
use crate::make::*;

const ROOT: &str = "/archive";
const READINGS: &str = "/archive/readings/kind=minute/date=2026-11-21/part-0.parquet";

/// Three minutes an hour of two outlets; a correction of the hour before comes with each.
fn hours(hours: Range<i64>) -> Vec<Record> {
    let start = at("20261121121500");
    let mut records = Vec::new();
    let mut told = |body: EntryBody| records.push(entry(records.len() as u64, &body));
    told(registry(2, start));
    for hour in hours {
        for step in 0..3 {
            let measured = start.plus(hour * HOUR_MS + step * 10 * MINUTE_MS);
            for number in 1..=2 {
                let salt = u32::try_from(hour * 10 + step).unwrap();
                let report = minute(number, measured, salt);
                told(EntryBody::Report(Box::new(report)));
            }
            told(tick(measured.plus(2 * MINUTE_MS)));
        }
        let mut corrected = minute(1, start.plus((hour - 1) * HOUR_MS), 90);
        corrected.times.received_at = start.plus(hour * HOUR_MS + 40 * MINUTE_MS);
        told(EntryBody::Report(Box::new(corrected)));
    }
    records
}

/// The same, and then only the clock, well into the next day.
fn a_day_and_its_end(count: i64) -> Vec<Record> {
    let mut records = hours(0..count);
    for at in ["20261121235900", "20261122003000", "20261122010100"].map(at) {
        records.push(entry(records.len() as u64, &tick(at)));
    }
    records
}

fn opened(disk: &SimFs, run_rows: u64) -> Result<Archive, ArchiveError> {
    let config = ArchiveConfig { run_rows, ..config() };
    open(Path::new(ROOT), Arc::new(disk.clone()), &config)
}

fn run(disk: &SimFs, records: &[Record], run_rows: u64) -> Result<(), ArchiveError> {
    let mut archive = opened(disk, run_rows)?;
    drive(&mut archive, records)?;
    archive.flush()?;
    Ok(())
}

fn reader(disk: &SimFs) -> Reader {
    Reader::open(Path::new(ROOT), Arc::new(disk.clone())).unwrap()
}

/// How many runs the last line of the manifest about the file says it has.
fn runs_of_readings(disk: &SimFs) -> u64 {
    let manifest = String::from_utf8(disk.content(Path::new("/archive/manifest.jsonl")).unwrap()).unwrap();
    let lines = manifest
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let files = lines
        .filter(|line| line["op"] == "replace")
        .flat_map(|line| line["files"].as_array().unwrap().clone());
    let mut readings = files.filter(|file| READINGS.ends_with(file["name"].as_str().unwrap()));
    let last = readings.next_back().unwrap();
    last.get("runs").map_or(1, |runs| runs.as_u64().unwrap())
}

#[test]
fn what_comes_is_put_behind_what_is_there_as_it_lies() {
    let disk = SimFs::new();
    let mut archive = opened(&disk, 3).unwrap();
    let records = hours(0..5);
    drive(&mut archive, &records).unwrap();
    let before = disk.content(Path::new(READINGS)).unwrap();
    archive.flush().unwrap();
    let after = disk.content(Path::new(READINGS)).unwrap();
    let groups = |content: &Vec<u8>| {
        let reader = SerializedFileReader::new(Bytes::from(content.clone())).unwrap();
        reader
            .metadata()
            .row_groups()
            .iter()
            .map(RowGroupMetaData::compressed_size)
            .collect::<Vec<_>>()
    };
    let old = groups(&before);
    assert_eq!((old.len(), runs_of_readings(&disk)), (4, 5));
    assert_eq!(groups(&after)[..4], old);
    let copied = 4 + usize::try_from(old.iter().sum::<i64>()).unwrap();
    assert!(after[..copied] == before[..copied], "row groups were written anew");
}

#[test]
fn readers_see_the_same_in_the_same_order_whether_in_runs_or_not() {
    for records in [hours(0..5), a_day_and_its_end(5)] {
        let (in_runs, merged) = (SimFs::new(), SimFs::new());
        run(&in_runs, &records, 3).unwrap();
        run(&merged, &records, 1_000_000).unwrap();
        assert_eq!(runs_of_readings(&merged), 1);
        assert_eq!(everything(&reader(&in_runs)), everything(&reader(&merged)));
        let one = QuerySpec {
            outlet: Some(outlet(2)),
            factor: Some(factor("a21002")),
            from: Some(at("20261121130000")),
            to: Some(at("20261121150000")),
            ..QuerySpec::all(Table::Readings)
        };
        let times = |disk: &SimFs| {
            let reader = reader(disk);
            let rows = reader
                .query(&one)
                .unwrap()
                .map(|row| row.unwrap().iter().map(Field::to_string).collect());
            rows.collect::<Vec<Vec<String>>>()
        };
        assert_eq!(times(&in_runs).len(), 2 * 3 * 4);
        assert_eq!(times(&in_runs), times(&merged));
        assert_eq!(reader(&in_runs).verify().unwrap().problems, []);
    }
}

#[test]
fn a_day_that_is_over_lies_in_one_order_though_nothing_came() {
    let disk = SimFs::new();
    let records = a_day_and_its_end(5);
    let (day, end) = records.split_at(records.len() - 3);
    run(&disk, day, 3).unwrap();
    assert_eq!(runs_of_readings(&disk), 5);
    let mut archive = opened(&disk, 3).unwrap();
    drive(&mut archive, end).unwrap();
    archive.flush().unwrap();
    assert_eq!(runs_of_readings(&disk), 1);
    let (rebuilt, whole) = (disk.content(Path::new(READINGS)).unwrap(), SimFs::new());
    assert!(!archive.publish_due(), "and that is done once");
    run(&whole, &records, 1_000_000).unwrap();
    assert_eq!(everything(&reader(&disk)), everything(&reader(&whole)));
    let groups = SerializedFileReader::new(Bytes::from(rebuilt))
        .unwrap()
        .metadata()
        .num_row_groups();
    assert_eq!(groups, 1);
}

#[test]
fn a_correction_of_a_week_ago_is_compared_with_all_runs() {
    let mut records = hours(0..5);
    let week = 7 * 24 * HOUR_MS;
    let later = |stamp: &str| at(stamp).plus(week);
    let mut say = |body: EntryBody| records.push(entry(records.len() as u64, &body));
    say(tick(later("20261121000500")));
    // The same as what stands already, and another value of the same minute.
    for (minute_at, salt) in [("20261121131500", 90), ("20261121141500", 77)] {
        let mut report = minute(1, at(minute_at), salt);
        report.times.received_at = later("20261121001000");
        say(EntryBody::Report(Box::new(report)));
    }
    say(tick(later("20261121010100")));
    let (in_runs, merged) = (SimFs::new(), SimFs::new());
    run(&in_runs, &records, 3).unwrap();
    run(&merged, &records, 1_000_000).unwrap();
    assert_eq!(everything(&reader(&in_runs)), everything(&reader(&merged)));
    assert!(reader(&in_runs).stats().balanced);
}

#[test]
fn a_crash_while_rows_are_put_behind_or_brought_into_one_order_changes_nothing() {
    let records = a_day_and_its_end(3);
    let disk = SimFs::new();
    run(&disk, &records, 3).unwrap();
    let expected = everything(&reader(&disk));
    let steps = disk.operations();
    // Every step of putting behind is crash.rs's; here it is a fifth of them, for the sake of time.
    for step in (0..steps).step_by(5) {
        let disk = SimFs::new();
        disk.inject(step, Fault::Crash);
        drop(run(&disk, &records, 3));
        disk.restart(if step % 2 == 0 {
            Loss::PowerPartly(step)
        } else {
            Loss::Process
        });
        if let Ok(reader) = Reader::open(Path::new(ROOT), Arc::new(disk.clone())) {
            let rows = &everything(&reader);
            let seen = rows.iter().zip(&expected);
            for (seen, expected) in seen {
                let unique: std::collections::BTreeSet<_> = seen.iter().collect();
                assert_eq!(unique.len(), seen.len(), "step {step}: a row is seen twice");
                assert!(
                    seen.iter().all(|row| expected.contains(row)),
                    "step {step}: a row that never was"
                );
            }
        }
        run(&disk, &records, 3).unwrap();
        let reader = reader(&disk);
        assert_eq!(everything(&reader), expected, "step {step}");
        assert_eq!(reader.verify().unwrap().problems, [], "step {step}");
        assert_eq!(runs_of_readings(&disk), 1, "step {step}");
    }
    assert!(steps > 60, "{steps}");
}

#[test]
fn a_day_is_over_by_the_clock_of_the_log_alone() {
    let disk = SimFs::new();
    let mut records = hours(0..2);
    let midnight: Time = at("20261122000000");
    records.push(entry(records.len() as u64, &tick(midnight.plus(-1))));
    run(&disk, &records, 3).unwrap();
    assert_eq!(runs_of_readings(&disk), 2);
    records.push(entry(records.len() as u64, &tick(midnight)));
    run(&disk, &records, 3).unwrap();
    assert_eq!(runs_of_readings(&disk), 1);
}

/// The first batch of readings that waits, by the manifest.
fn waiting_batch(disk: &SimFs) -> String {
    let manifest = String::from_utf8(disk.content(Path::new("/archive/manifest.jsonl")).unwrap()).unwrap();
    let last: serde_json::Value = serde_json::from_str(manifest.lines().last().unwrap()).unwrap();
    let files = last["files"].as_array().unwrap().iter();
    let mut names = files.map(|file| file["name"].as_str().unwrap());
    let name = names.find(|name| name.starts_with("log/readings/")).unwrap();
    format!("/archive/{name}")
}

#[test]
fn what_is_copied_unread_is_what_was_written() {
    for of_batch in [true, false] {
        let disk = SimFs::new();
        run(&disk, &hours(0..1), 3).unwrap();
        let mut archive = opened(&disk, 3).unwrap();
        drive(&mut archive, &hours(0..2)).unwrap();
        archive.write(REPORTS).unwrap();
        let batch = waiting_batch(&disk);
        let changed = Path::new(if of_batch { batch.as_str() } else { READINGS });
        let whole = disk.content(changed).unwrap();
        // A byte of a page: no footer says what it must be.
        let mut content = whole.clone();
        content[60] ^= 1;
        disk.replace(changed, content);
        let error = archive.publish().unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
        disk.replace(changed, whole);
        archive.publish().unwrap();
        assert_eq!(runs_of_readings(&disk), 2);
        assert_eq!(reader(&disk).verify().unwrap().problems, []);
        // The batch lies in the file as it was.
        let merged = SimFs::new();
        run(&merged, &hours(0..2), 1_000_000).unwrap();
        assert_eq!(everything(&reader(&disk)), everything(&reader(&merged)));
    }
}
