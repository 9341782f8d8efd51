//! Rebuilding what readers see: old file and batches merged into a new file of the same name.

use std::sync::Arc;

use arrow::array::DictionaryArray;
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::files::Files;
use crate::latest::Latest;
use crate::layout::Folder;
use crate::manifest::Manifest;
use crate::merge::{Input, Merge, batch_rows, failed};
use crate::operation::{FileEntry, Replace, put};
use crate::parquet_file::{Effort, Opened, Writer, unreadable};
use crate::plan::PartPlan;
use crate::revise::Revisions;
use crate::runs;
use crate::tables::{Spec, Table, Words, windows};

/// Below this a day's file is read faster than found: what a higher level saves is not worth its memory and time.
const WORTH_MOST_BYTES: u64 = 1 << 20;

/// A publication, under its number in the manifest.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) files: &'a Files,
    /// What there was before.
    pub(crate) manifest: &'a Manifest,
    pub(crate) operation: u64,
    /// The log's clock.
    pub(crate) clock: Option<i64>,
    /// Rows from which a run is left as it lies.
    pub(crate) run_rows: u64,
}

impl Publication<'_> {
    /// Carries it out, or what is left of it: a file whose footer names this operation is done.
    pub(crate) fn carry_out(&self, parts: &[PartPlan]) -> Result<Replace, ArchiveError> {
        let mut replaced = Replace {
            files: Vec::new(),
            removed: Vec::new(),
            dropped: 0,
            superseded: 0,
            clock: self.clock,
        };
        for part in parts {
            let (entry, dropped) = match self.done(&part.name)? {
                Some(done) => done,
                None => self.rebuild(part)?,
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
    fn done(&self, name: &str) -> Result<Option<(FileEntry, u64)>, ArchiveError> {
        let opened = match Opened::open(self.files, name, false) {
            Ok(opened) => opened,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        if opened.operation() != Some(self.operation) {
            return Ok(None);
        }
        // Put again: its name may have been shown to us and not be on the disk, where syncing the folder had failed.
        let content = self.files.read(name)?;
        let mut entry = put(self.files, name.to_owned(), &content, opened.rows(), 0)?;
        entry.runs = opened.runs().len() as u64;
        Ok(Some((entry, opened.dropped())))
    }

    fn rebuild(&self, part: &PartPlan) -> Result<(FileEntry, u64), ArchiveError> {
        let folder = Folder::of_file(&part.name);
        let table = folder.map_or(Table::Readings, |folder| folder.table);
        let spec = table.spec();
        let inputs = part.inputs.iter();
        let unchecked = |name: &String| self.manifest.batches.get(name).is_some_and(|file| file.unchecked > 0);
        let unchecked = inputs.clone().any(unchecked);
        let over = folder.is_some_and(|folder| folder.is_over(self.clock.map(Time)));
        let known = self.manifest.parts.get(&part.name);
        let old = match known {
            Some(_) => Some(Opened::open(self.files, &part.name, true)?),
            None => None,
        };
        // Rows compared with all that is there need all of it in one order, and so do rows of which one stands.
        let may_append = !over && !unchecked && spec.latest == 0 && spec.bloom.is_empty();
        let kept = match old.as_ref().filter(|old| may_append && old.is_current(spec)) {
            Some(old) => runs::kept(&runs::sizes(old.metadata.metadata()), self.run_rows),
            None => 0,
        };
        let all_kept = old.as_ref().map_or(0, |old| old.runs().len()) == kept;
        let alone = part
            .inputs
            .first()
            .filter(|_| may_append && all_kept && part.inputs.len() == 1);
        let as_it_lies = match alone {
            Some(batch) => self.batch_as_it_lies(spec, batch)?,
            None => None,
        };
        let is_copied = as_it_lies.is_some();
        let (new, mut rows, dropped) = match as_it_lies {
            Some((content, rows)) => (content, rows, 0),
            None => self.in_order(table, part, (old.as_ref(), kept), (over, unchecked))?,
        };
        let mut content = new;
        if kept > 0 || is_copied {
            let unreadable = |source| unreadable(self.files, &part.name, source);
            let whole = |content| runs::Whole::of(content).map_err(unreadable);
            let old = match known.filter(|_| kept > 0) {
                Some(known) => Some(whole(self.files.read_known(known)?.into())?),
                None => None,
            };
            rows += old.as_ref().map_or(0, |old| old.rows(kept));
            let appended = runs::appended(old.as_ref(), kept, &whole(content.into())?, self.operation);
            content = appended.map_err(unreadable)?;
        }
        let mut entry = put(self.files, part.name.clone(), &content, rows, 0)?;
        entry.runs = kept as u64 + 1;
        Ok((entry, dropped))
    }

    /// A batch that need not be merged with anything: its bytes, if they have the columns of this version, and how many
    /// rows they hold. Since nobody decodes them, they must be those that were written.
    fn batch_as_it_lies(&self, spec: &Spec, name: &str) -> Result<Option<(Vec<u8>, u64)>, ArchiveError> {
        let Some(known) = self.manifest.batches.get(name) else {
            return Ok(None);
        };
        if !Opened::open(self.files, name, false)?.is_current(spec) {
            return Ok(None);
        }
        Ok(Some((self.files.read_known(known)?, known.rows)))
    }

    /// A file of the old one's rows behind its first `kept` runs and those of the batches, in the table's order: its
    /// bytes, how many rows it has, and how many were left out because they, or later ones, are there already.
    fn in_order(
        &self,
        table: Table,
        part: &PartPlan,
        (old, kept): (Option<&Opened>, usize),
        (over, unchecked): (bool, bool),
    ) -> Result<(Vec<u8>, u64, u64), ArchiveError> {
        let spec = table.spec();
        let merged = || self.merged(table, old.map(|old| (old, kept)), &part.inputs);
        let mut revisions = if unchecked {
            Revisions::of(merged()?)?
        } else {
            Revisions::none()
        };
        let mut writer = Writer::new(spec, self.operation, self.effort(over, part))?;
        let dropped = if spec.latest > 0 {
            let mut latest = Latest::new(spec, Words::Numbered, merged()?)?;
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
            for batch in merged()? {
                writer.write(&revisions.apply(batch?)?)?;
            }
            revisions.dropped()
        };
        let (content, rows) = writer.finish(dropped)?;
        Ok((content, rows, dropped))
    }

    /// A day that is over is written for good, if it is large enough to be worth it.
    fn effort(&self, over: bool, part: &PartPlan) -> Effort {
        let manifest = self.manifest;
        let batches = part.inputs.iter().filter_map(|name| manifest.batches.get(name));
        let files = manifest.parts.get(&part.name).into_iter().chain(batches);
        let bytes: u64 = files.map(|file| file.bytes).sum();
        if over && bytes >= WORTH_MOST_BYTES {
            Effort::Most
        } else {
            Effort::Usual
        }
    }

    /// The rows of the old file behind its first runs, and of the batches, in the table's order.
    fn merged(&self, table: Table, old: Option<(&Opened, usize)>, batches: &[String]) -> Result<Merge, ArchiveError> {
        let mut sources = Vec::new();
        if let Some((old, kept)) = old {
            let old = old.clone().with_numbered_words(table.spec())?;
            sources.extend(old.runs().into_iter().skip(kept).map(|run| (old.clone(), run)));
        }
        for name in batches {
            let opened = Opened::open(self.files, name, false)?.with_numbered_words(table.spec())?;
            sources.extend(opened.runs().into_iter().map(|run| (opened.clone(), run)));
        }
        let batch_rows = batch_rows(sources.len());
        let mut inputs: Vec<Input> = Vec::with_capacity(sources.len());
        for (opened, run) in sources {
            inputs.push(Box::new(opened.batches(run, batch_rows)?));
        }
        Merge::new(table.spec(), Words::Numbered, inputs)
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
