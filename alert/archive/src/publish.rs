//! Rebuilding what readers see: old file and batches merged into a new file of the same name.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::record_batch::RecordBatch;

use crate::ArchiveError;
use crate::archive::put;
use crate::files::Files;
use crate::latest::Latest;
use crate::layout::Folder;
use crate::manifest::Manifest;
use crate::merge::{BATCH_ROWS, Input, Merge, failed};
use crate::operation::{FileEntry, Replace};
use crate::parquet_file::{Opened, Writer};
use crate::plan::PartPlan;
use crate::revise::Revisions;
use crate::tables::{Spec, Table, windows};

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
            None => rebuild(files, manifest, operation, part)?,
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
) -> Result<(FileEntry, u64), ArchiveError> {
    let table = Folder::of_file(&part.name).map_or(Table::Readings, |folder| folder.table);
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
    let mut writer = Writer::new(spec, operation)?;
    let dropped = if spec.latest > 0 {
        let mut latest = Latest::new(spec, merged(files, table, &names)?)?;
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

/// The rows with the time for marks over.
fn confirmed(spec: &'static Spec, batch: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
    let mut columns = batch.columns().to_vec();
    let status = spec.place(windows::STATUS).and_then(|place| columns.get_mut(place));
    if let Some(status) = status {
        *status = Arc::new(StringArray::from(vec![windows::CONFIRMED; batch.num_rows()]));
    }
    RecordBatch::try_new(batch.schema(), columns).map_err(|source| failed(spec, source))
}

/// The rows of the files in the table's order.
fn merged(files: &Files, table: Table, names: &[&str]) -> Result<Merge, ArchiveError> {
    let mut inputs: Vec<Input> = Vec::new();
    for name in names {
        inputs.push(Box::new(Opened::open(files, name, false)?.batches(BATCH_ROWS)?));
    }
    Merge::new(table.spec(), inputs)
}
