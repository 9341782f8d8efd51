//! Rebuilding what readers see: old file and batches merged into a new file of the same name.

use std::sync::Arc;

use arrow::array::DictionaryArray;
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::archive::put;
use crate::files::Files;
use crate::latest::Latest;
use crate::layout::Folder;
use crate::manifest::Manifest;
use crate::merge::{BATCH_ROWS, Input, Merge, failed};
use crate::operation::{FileEntry, Replace};
use crate::parquet_file::{Effort, Opened, Writer};
use crate::plan::PartPlan;
use crate::revise::Revisions;
use crate::tables::{Spec, Table, Words, windows};

/// Below this a day's file is read faster than found: what a higher level saves is not worth its memory and time.
const WORTH_MOST_BYTES: u64 = 1 << 20;

/// Carries out a publication, or what is left of it: a file whose footer names this operation is done.
pub(crate) fn replace(
    files: &Files,
    manifest: &Manifest,
    operation: u64,
    parts: &[PartPlan],
    clock: Option<i64>,
) -> Result<Replace, ArchiveError> {
    let mut replaced = Replace {
        files: Vec::new(),
        removed: Vec::new(),
        dropped: 0,
        superseded: 0,
        clock,
    };
    for part in parts {
        let (entry, dropped) = match done(files, operation, &part.name)? {
            Some(done) => done,
            None => rebuild(files, manifest, operation, part, clock)?,
        };
        if entry.table() == Table::Readings.name() {
            replaced.dropped += dropped;
        } else {
            replaced.superseded += dropped;
        }
        replaced.files.push(entry);
        replaced.removed.extend_from_slice(&part.inputs);
    }
    Ok(replaced)
}

/// The file as this operation left it, if it came so far.
fn done(files: &Files, operation: u64, name: &str) -> Result<Option<(FileEntry, u64)>, ArchiveError> {
    let opened = match Opened::open(files, name, false) {
        Ok(opened) => opened,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    if opened.operation() != Some(operation) {
        return Ok(None);
    }
    // Put again: its name may have been shown to us and not be on the disk, where syncing the folder had failed.
    let content = files.read(name)?;
    let entry = put(files, name.to_owned(), &content, opened.rows(), 0)?;
    Ok(Some((entry, opened.dropped())))
}

fn rebuild(
    files: &Files,
    manifest: &Manifest,
    operation: u64,
    part: &PartPlan,
    clock: Option<i64>,
) -> Result<(FileEntry, u64), ArchiveError> {
    let folder = Folder::of_file(&part.name);
    let table = folder.map_or(Table::Readings, |folder| folder.table);
    let names: Vec<&str> = manifest
        .parts
        .contains_key(&part.name)
        .then_some(part.name.as_str())
        .into_iter()
        .chain(part.inputs.iter().map(String::as_str))
        .collect();
    let unchecked = |name: &&String| manifest.batches.get(*name).is_some_and(|file| file.unchecked > 0);
    let mut revisions = if part.inputs.iter().any(|name| unchecked(&name)) {
        Revisions::of(merged(files, table, &names)?)?
    } else {
        Revisions::none()
    };
    let spec = table.spec();
    let effort = effort(folder, clock, manifest, &names);
    let mut writer = Writer::new(spec, operation, effort)?;
    let dropped = if spec.latest > 0 {
        let mut latest = Latest::new(spec, Words::Numbered, merged(files, table, &names)?)?;
        for batch in latest.by_ref() {
            let batch = batch?;
            writer.write(&if part.confirmed {
                confirmed(spec, &batch)?
            } else {
                batch
            })?;
        }
        latest.superseded
    } else {
        for batch in merged(files, table, &names)? {
            writer.write(&revisions.apply(batch?)?)?;
        }
        revisions.dropped()
    };
    let (content, rows) = writer.finish(dropped)?;
    Ok((put(files, part.name.clone(), &content, rows, 0)?, dropped))
}

/// A day that is over on the log's clock is written for good, if it is large enough to be worth it.
fn effort(folder: Option<Folder>, clock: Option<i64>, manifest: &Manifest, inputs: &[&str]) -> Effort {
    let today = clock.map(|clock| Time(clock).beijing_day());
    let over = matches!((folder.and_then(|folder| folder.day), today), (Some(day), Some(today)) if day < today);
    let file = |name: &&str| manifest.parts.get(*name).or_else(|| manifest.batches.get(*name));
    let bytes: u64 = inputs.iter().filter_map(file).map(|file| file.bytes).sum();
    if over && bytes >= WORTH_MOST_BYTES {
        Effort::Most
    } else {
        Effort::Usual
    }
}

/// The rows with the time for marks over.
fn confirmed(spec: &'static Spec, batch: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
    let mut columns = batch.columns().to_vec();
    let status = spec.place(windows::STATUS).and_then(|place| columns.get_mut(place));
    if let Some(status) = status {
        let confirmed = vec![windows::CONFIRMED; batch.num_rows()];
        *status = Arc::new(confirmed.into_iter().collect::<DictionaryArray<Int32Type>>());
    }
    RecordBatch::try_new(batch.schema(), columns).map_err(|source| failed(spec, source))
}

/// The rows of the files in the table's order.
fn merged(files: &Files, table: Table, names: &[&str]) -> Result<Merge, ArchiveError> {
    let mut inputs: Vec<Input> = Vec::new();
    for name in names {
        let opened = Opened::open(files, name, false)?.with_numbered_words(table.spec())?;
        inputs.push(Box::new(opened.batches(BATCH_ROWS)?));
    }
    Merge::new(table.spec(), Words::Numbered, inputs)
}
