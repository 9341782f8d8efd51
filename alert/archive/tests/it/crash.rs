//! A disk that fails at every single step: nothing lost, nothing doubled, nothing half visible.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, ArchiveConfig, ArchiveError, Field, Pushed, QuerySpec, Reader, Table};
use plume_bus::Record;
use plume_bus::fs::{Fault, Loss, SimFs};
use plume_schemas::judgement::{Pane, Verdict};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span};

use crate::make::*;

const ROOT: &str = "/archive";

/// An hour and a half of two outlets, with repeats and a correction, and what was said of them: batches end by
/// themselves.
pub(crate) fn records() -> Vec<Record> {
    let start = at("20261121121000");
    let mut records = vec![entry(0, &registry(2, start))];
    let mut offset = 0;
    for step in 0..7 {
        let measured = start.plus(step * 10 * MINUTE_MS);
        for number in 1..=2 {
            offset += 1;
            records.push(of_report(
                offset,
                minute(number, measured, u32::try_from(step).unwrap()),
            ));
        }
        if step % 4 == 1 {
            offset += 1;
            records.push(of_report(offset, minute(1, measured, u32::try_from(step).unwrap())));
            offset += 1;
            records.push(of_report(offset, minute(2, measured.plus(-40 * MINUTE_MS), 90)));
        }
        offset += 1;
        records.push(entry(offset, &tick(measured.plus(2 * MINUTE_MS))));
    }
    records.insert(6, of_judgement(0, &judgement(1, Span::hour_of(start), 3)));
    // The hour is judged again: its row in `hours` is replaced, not doubled.
    let mut revised = judgement(1, Span::hour_of(start), 9);
    (revised.pane, revised.verdict) = (Pane::Late, Verdict::Fine);
    records.push(of_judgement(1, &revised));
    records
}

/// Four days of one outlet, a packet and a judged hour each: what is older than two days goes, what can no longer be
/// marked is confirmed.
fn days() -> Vec<Record> {
    let start = at("20261121121000");
    let mut records = vec![entry(0, &registry(1, start))];
    for day in 0..4_u64 {
        let measured = start.plus(i64::try_from(day).unwrap() * DAY_MS);
        records.push(of_report(day * 2 + 1, minute(1, measured, 7)));
        records.push(of_judgement(day, &judgement(1, Span::hour_of(measured), day)));
        records.push(entry(day * 2 + 2, &tick(measured.plus(HOUR_MS))));
    }
    records
}

fn run_days(disk: &SimFs, records: &[Record]) -> Result<(), ArchiveError> {
    let config = ArchiveConfig {
        keep_days: 2,
        ..config()
    };
    let mut archive = open(Path::new(ROOT), Arc::new(disk.clone()), &config)?.confirming_at(12);
    drive(&mut archive, records)?;
    archive.flush()?;
    Ok(())
}

#[test]
fn a_crash_while_old_days_are_removed_leaves_no_file_behind() {
    let records = days();
    let disk = SimFs::new();
    run_days(&disk, &records).unwrap();
    let reader = Reader::open(Path::new(ROOT), Arc::new(disk.clone())).unwrap();
    let expected = everything(&reader);
    let status = QuerySpec {
        columns: ["measured_at", "status"].map(str::to_owned).to_vec(),
        ..QuerySpec::all(Table::Hours)
    };
    let hours: Vec<Vec<Field>> = reader.query(&status).unwrap().map(Result::unwrap).collect();
    let shown: Vec<String> = hours.iter().map(|row| format!("{} {}", row[0], row[1])).collect();
    assert_eq!(
        shown,
        ["2026-11-23 12:00:00 confirmed", "2026-11-24 12:00:00 preliminary"]
    );
    assert!(reader.stats().tables.iter().any(|table| table.expired_rows > 0));
    assert!(reader.stats().balanced);
    for step in (0..disk.operations()).step_by(2) {
        let disk = SimFs::new();
        disk.inject(step, Fault::Crash);
        drop(run_days(&disk, &records));
        disk.restart(Loss::PowerPartly(step));
        run_days(&disk, &records).unwrap();
        check_whole(&disk, &expected, &format!("step {step}"));
    }
}

pub(crate) fn everything(reader: &Reader) -> Vec<Vec<String>> {
    let all = |table| {
        let query = reader.query(&QuerySpec::all(table)).unwrap();
        query
            .map(|row| row.unwrap().iter().map(Field::to_string).collect::<Vec<_>>().join("|"))
            .collect()
    };
    Table::ALL.into_iter().map(all).collect()
}

/// From opening to closing.
fn run(disk: &SimFs, records: &[Record]) -> Result<(), ArchiveError> {
    let mut archive = open(Path::new(ROOT), Arc::new(disk.clone()), &config())?;
    drive(&mut archive, records)?;
    archive.flush()?;
    Ok(())
}

fn undisturbed(records: &[Record]) -> (SimFs, Vec<Vec<String>>) {
    let disk = SimFs::new();
    run(&disk, records).unwrap();
    let reader = Reader::open(Path::new(ROOT), Arc::new(disk.clone())).unwrap();
    assert!(reader.stats().balanced);
    let rows = everything(&reader);
    assert_eq!(rows.iter().filter(|table| !table.is_empty()).count(), 6);
    (disk, rows)
}

/// What a reader sees at any moment is part of what there will be, and no row twice.
fn check_partial(disk: &SimFs, expected: &[Vec<String>]) {
    let reader = Reader::open(Path::new(ROOT), Arc::new(disk.clone())).unwrap();
    for ((table, seen), expected) in Table::ALL.into_iter().zip(everything(&reader)).zip(expected) {
        // What an hour is may change; that it is one row may not.
        let columns = if matches!(table, Table::Hours) { 3 } else { usize::MAX };
        let name = |row: &String| row.split('|').take(columns).map(str::to_owned).collect::<Vec<_>>();
        let unique: BTreeSet<_> = seen.iter().map(name).collect();
        assert_eq!(unique.len(), seen.len(), "a row is seen twice");
        let expected: BTreeSet<_> = expected.iter().map(name).collect();
        assert!(unique.is_subset(&expected), "a row is seen that never was");
    }
}

fn check_whole(disk: &SimFs, expected: &[Vec<String>], what: &str) {
    let reader = Reader::open(Path::new(ROOT), Arc::new(disk.clone())).unwrap();
    assert_eq!(everything(&reader), expected, "{what}");
    assert!(reader.stats().balanced, "{what}");
    assert_eq!(reader.verify().unwrap().problems, [], "{what}");
}

#[test]
fn a_crash_before_every_step_of_the_disk_changes_nothing() {
    let records = records();
    let (disk, expected) = undisturbed(&records);
    let steps = disk.operations();
    assert!(steps > 60, "{steps}");
    println!("{steps} steps");
    for step in 0..steps {
        let loss = match step % 3 {
            0 => Loss::Process,
            1 => Loss::Power,
            _ => Loss::PowerPartly(step),
        };
        let disk = SimFs::new();
        disk.inject(step, Fault::Crash);
        // The last steps are removals: what they fail to remove is removed the next time.
        let died = run(&disk, &records).is_err();
        assert!(died || step + 20 > steps, "step {step}");
        disk.restart(loss);
        check_partial(&disk, &expected);
        run(&disk, &records).unwrap();
        check_whole(&disk, &expected, &format!("step {step}, {loss:?}"));
    }
}

#[test]
fn two_crashes_in_a_row_change_nothing() {
    let records = records();
    let (disk, expected) = undisturbed(&records);
    let steps = disk.operations();
    for step in (0..steps).step_by(5) {
        for again in [1, 9, 17] {
            let disk = SimFs::new();
            disk.inject(step, Fault::Crash);
            let died = run(&disk, &records).is_err();
            assert!(died || step + 20 > steps, "step {step}");
            disk.restart(Loss::PowerPartly(step + again));
            disk.inject(again, Fault::Crash);
            drop(run(&disk, &records));
            disk.restart(Loss::PowerPartly(step * again));
            check_partial(&disk, &expected);
            run(&disk, &records).unwrap();
            check_whole(&disk, &expected, &format!("steps {step} and {again}"));
        }
    }
}

/// Goes on after errors as deploy does: tries again, and opens again where the archive stopped.
fn run_on(disk: &SimFs, records: &[Record]) -> u32 {
    let mut errors = 0;
    let mut opened: Option<Archive> = None;
    loop {
        assert!(errors < 10, "it never recovers");
        if opened.is_none() {
            opened = open(Path::new(ROOT), Arc::new(disk.clone()), &config()).ok();
        }
        let Some(archive) = &mut opened else {
            errors += 1;
            continue;
        };
        let Err(error) = drive(archive, records).and_then(|_| archive.flush()) else {
            return errors;
        };
        errors += 1;
        let stopped = drive(archive, &[]).and_then(|_| archive.flush());
        if matches!(stopped, Err(ArchiveError::Stopped { .. })) {
            opened = None;
        }
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn an_error_at_every_step_is_survived_in_the_same_process() {
    let records = records();
    let (disk, expected) = undisturbed(&records);
    for step in 0..disk.operations() {
        let fault = [Fault::Error, Fault::NoSpace, Fault::ShortWrite][usize::try_from(step % 3).unwrap()];
        let disk = SimFs::new();
        disk.inject(step, fault);
        let errors = run_on(&disk, &records);
        assert!(errors <= 1, "{errors} errors from one {fault:?} at step {step}");
        check_whole(&disk, &expected, &format!("step {step}, {fault:?}"));
    }
}

#[test]
fn a_full_disk_is_named_and_work_goes_on_when_there_is_room() {
    let records = records();
    let (disk, expected) = undisturbed(&records);
    for part in [1, 3, 5, 7] {
        let disk_now = SimFs::new();
        disk_now.set_capacity(Some(disk.used_bytes() * part / 8));
        let mut archive = match open(Path::new(ROOT), Arc::new(disk_now.clone()), &config()) {
            Ok(archive) => archive,
            Err(error) => panic!("{error}"),
        };
        let error = drive(&mut archive, &records).and_then(|_| archive.flush()).unwrap_err();
        assert!(
            error.is_full() || matches!(error, ArchiveError::Stopped { .. }),
            "{error}"
        );
        disk_now.set_capacity(None);
        drop(archive);
        run_on(&disk_now, &records);
        check_whole(&disk_now, &expected, &format!("{part} eighths of the room"));
    }
}

#[test]
fn the_same_records_make_the_same_bytes() {
    let records = records();
    let (one, _) = undisturbed(&records);
    let (two, _) = undisturbed(&records);
    for name in [
        "manifest.jsonl",
        "readings/kind=minute/date=2026-11-21/part-0.parquet",
        "entries/date=2026-11-21/part-0.parquet",
    ] {
        let file = Path::new(ROOT).join(name);
        assert!(one.content(&file).is_some(), "{name}");
        assert_eq!(one.content(&file), two.content(&file), "{name}");
    }
}

#[test]
fn a_changed_missing_or_foreign_file_is_named() {
    let records = records();
    let (disk, _) = undisturbed(&records);
    let file = |name: &str| Path::new(ROOT).join(name);
    let readings = file("readings/kind=minute/date=2026-11-21/part-0.parquet");
    let mut content = disk.content(&readings).unwrap();
    content[100] ^= 1;
    disk.replace(&readings, content);
    let whole = disk.content(&file("packets/date=2026-11-21/part-0.parquet")).unwrap();
    disk.replace(&file("entries/date=2026-11-21/part-0.parquet"), whole.clone());
    disk.replace(&file("judgements/date=2026-11-21/copy of part-0.parquet"), whole);
    let reader = Reader::open(Path::new(ROOT), Arc::new(disk)).unwrap();
    let problems: Vec<String> = reader
        .verify()
        .unwrap()
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    let shown: Vec<&str> = problems
        .iter()
        .map(|problem| problem.split(':').next().unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            "entries/date=2026-11-21/part-0.parquet was changed",
            "readings/kind=minute/date=2026-11-21/part-0.parquet was changed",
            "judgements/date=2026-11-21/copy of part-0.parquet is not in the manifest",
        ]
    );
}

#[test]
fn a_batch_whose_records_the_log_lost_meanwhile_is_finished_without_them() {
    let start = at("20261121120000");
    let of = |offset: u64| {
        let measured = start.plus(i64::try_from(offset).unwrap() * MINUTE_MS);
        of_report(offset, minute(1, measured, 1))
    };
    // Of the planned batch 0..4 the log has kept all, the beginning, or nothing.
    for (kept, gaps) in [(4, vec![]), (2, vec![(2, 4)]), (0, vec![])] {
        let disk = SimFs::new();
        let mut archive = open(Path::new(ROOT), Arc::new(disk.clone()), &config()).unwrap();
        for offset in 0..4 {
            assert_eq!(archive.push(&of(offset)).unwrap(), Pushed::Taken);
        }
        disk.inject(8, Fault::Crash);
        assert!(archive.write(REPORTS).is_err());
        drop(archive);
        disk.restart(Loss::Power);
        let mut archive = open(Path::new(ROOT), Arc::new(disk), &config()).unwrap();
        let records: Vec<Record> = (0..kept).chain(4..6).map(of).collect();
        drive(&mut archive, &records).unwrap();
        archive.flush().unwrap();
        let stats = archive.reader().unwrap().stats();
        assert!(stats.balanced, "{stats:?}");
        assert_eq!(
            (stats.lines[0].gaps.clone(), stats.lines[0].next),
            (gaps, 6),
            "{kept} kept"
        );
        assert_eq!(stats.counts.records, kept + 2);
    }
}
