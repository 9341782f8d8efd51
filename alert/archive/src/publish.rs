//! Rebuilding what readers see: old file and batches merged into a new file of the same name.

use crate::ArchiveError;
use crate::archive::put;
use crate::files::Files;
use crate::layout::Folder;
use crate::manifest::{FileEntry, Manifest, Replace};
use crate::merge::{BATCH_ROWS, Input, Merge};
use crate::parquet_file::{Opened, Writer};
use crate::plan::PartPlan;
use crate::revise::Revisions;
use crate::tables::Table;

/// Carries out a publication, or what is left of it: a file whose footer names this operation is done.
pub(crate) fn replace(
    files: &Files,
    manifest: &Manifest,
    operation: u64,
    parts: &[PartPlan],
) -> Result<Replace, ArchiveError> {
    let mut replaced = Replace {
        files: Vec::new(),
        removed: Vec::new(),
        dropped: 0,
    };
    for part in parts {
        let (entry, dropped) = match done(files, operation, &part.name)? {
            Some(done) => done,
            None => rebuild(files, manifest, operation, part)?,
        };
        replaced.files.push(entry);
        replaced.dropped += dropped;
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
    let mut writer = Writer::new(table.spec(), operation)?;
    for batch in merged(files, table, &names)? {
        writer.write(&revisions.apply(batch?)?)?;
    }
    let dropped = revisions.dropped();
    let (content, rows) = writer.finish(dropped)?;
    Ok((put(files, part.name.clone(), &content, rows, 0)?, dropped))
}

/// The rows of the files in the table's order.
fn merged(files: &Files, table: Table, names: &[&str]) -> Result<Merge, ArchiveError> {
    let mut inputs: Vec<Input> = Vec::new();
    for name in names {
        inputs.push(Box::new(Opened::open(files, name, false)?.batches(BATCH_ROWS)?));
    }
    Merge::new(table.spec(), inputs)
}
