//! Going through a table: what is published and what is not yet, merged, as far as it can hold what is looked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use plume_schemas::reading::ReportKind;
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::latest::Latest;
use crate::layout::{self, Folder};
use crate::merge::{Input, Merge, batch_rows, failed};
use crate::parquet_file::Opened;
use crate::prune::{self, Want};
use crate::reader::Reader;
use crate::tables::{Table, Words};

/// What to go through.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) table: Table,
    pub(crate) kind: Option<ReportKind>,
    /// Only folders of these Beijing days, first and last.
    pub(crate) days: Option<(i64, i64)>,
    pub(crate) wants: Vec<Want>,
}

/// The files of one part: what is published of it, and the batches waiting to be merged into it.
#[derive(Clone, Debug)]
struct Part {
    folder: Folder,
    files: Vec<String>,
}

/// How rows lie in memory, and which columns of them.
#[derive(Clone, Copy, Debug)]
struct RowForm {
    words: Words,
    /// All where none are named; those of the key are always among them.
    columns: &'static [&'static str],
}

/// How far a scan is: files of days opened, of all that can hold what is looked for.
#[derive(Clone, Debug)]
pub struct Progress {
    done: Arc<AtomicUsize>,
    total: usize,
}

impl Progress {
    pub(crate) fn of(total: usize) -> Self {
        Self {
            done: Arc::default(),
            total,
        }
    }

    /// Files opened so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Files to be opened.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Rows with the kind they are of, part by part, each in the table's order.
pub(crate) struct Rows<'a> {
    reader: &'a Reader,
    scan: Scan,
    form: RowForm,
    parts: std::vec::IntoIter<Part>,
    current: Option<(Option<ReportKind>, Input)>,
    pub(crate) progress: Progress,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows({:?}, {} parts left)", self.scan, self.parts.len())
    }
}

impl Reader {
    /// Goes through a table.
    pub(crate) fn scan(&self, scan: Scan) -> Rows<'_> {
        let form = RowForm {
            words: Words::Text,
            columns: &[],
        };
        self.rows(scan, form)
    }

    /// Goes through some columns of a table, with words as numbers of dictionaries.
    pub(crate) fn scan_numbered(&self, scan: Scan, columns: &'static [&'static str]) -> Rows<'_> {
        let words = Words::Numbered;
        self.rows(scan, RowForm { words, columns })
    }

    fn rows(&self, scan: Scan, form: RowForm) -> Rows<'_> {
        let mut parts: BTreeMap<(Option<ReportKind>, Option<i64>, String), Part> = BTreeMap::new();
        // Published files first: of equal rows theirs came earlier.
        for name in self.manifest.parts.keys().chain(self.manifest.batches.keys()) {
            let Some((folder, part)) = Folder::of_file(name).zip(layout::part_of(name)) else {
                continue;
            };
            let wrong_kind = scan.kind.is_some_and(|kind| folder.kind != Some(kind));
            let wrong_day = scan
                .days
                .zip(folder.day)
                .is_some_and(|((first, last), day)| !(first..=last).contains(&day));
            if folder.table != scan.table || wrong_kind || wrong_day {
                continue;
            }
            let part = parts.entry((folder.kind, folder.day, part));
            part.or_insert_with(|| Part {
                folder,
                files: Vec::new(),
            })
            .files
            .push(name.clone());
        }
        let parts: Vec<Part> = parts.into_values().collect();
        Rows {
            reader: self,
            scan,
            form,
            progress: Progress::of(parts.len()),
            parts: parts.into_iter(),
            current: None,
        }
    }
}

impl Rows<'_> {
    fn open(&self, part: &Part) -> Result<Input, ArchiveError> {
        let mut runs = Vec::new();
        for name in &part.files {
            let opened = match Opened::open(&self.reader.files, name, true) {
                Ok(opened) => opened,
                // Merged into its part since the manifest was read.
                Err(error) if error.is_missing() && name.starts_with("log/") => continue,
                // Removed since, because it was older than is kept.
                Err(error) if error.is_missing() && !Reader::of(&self.reader.files)?.manifest.names(name) => continue,
                Err(error) => return Err(error),
            };
            // A publication that the manifest read did not know yet has merged the batches already.
            let ahead = opened
                .operation()
                .is_some_and(|operation| operation >= self.reader.manifest.seq);
            let opened = match self.form.words {
                Words::Text => opened,
                Words::Numbered => opened.with_numbered_words(part.folder.table.spec())?,
            };
            let plan = |run| prune::plan(opened.metadata.metadata(), &run, &self.scan.wants);
            let plans = opened.runs().into_iter().map(plan);
            let found = plans.filter(|plan| !plan.row_groups.is_empty());
            runs.extend(found.map(|plan| (opened.clone(), plan)));
            if ahead {
                break;
            }
        }
        let batch_rows = batch_rows(runs.len());
        let inputs = runs
            .into_iter()
            .map(|(opened, plan)| self.rows_of(&opened, plan, batch_rows));
        let mut inputs: Vec<Input> = inputs.collect::<Result<_, _>>()?;
        let (spec, words) = (part.folder.table.spec(), self.form.words);
        let merged: Input = if inputs.len() == 1 {
            // One sorted run is in order as it lies.
            inputs.remove(0)
        } else {
            Box::new(Merge::new(spec, words, inputs)?)
        };
        if spec.latest > 0 {
            return Ok(Box::new(Latest::new(spec, words, merged)?));
        }
        Ok(merged)
    }

    /// The rows of a run that meet what is wanted.
    fn rows_of(&self, opened: &Opened, plan: prune::Plan, batch_rows: usize) -> Result<Input, ArchiveError> {
        let reader = opened
            .reader()
            .with_batch_size(batch_rows)
            .with_row_groups(plan.row_groups)
            .with_row_selection(plan.rows)
            .with_projection(self.projection(opened))
            .build()
            .map_err(|source| opened.unreadable(source))?;
        let (spec, wants) = (self.scan.table.spec(), self.scan.wants.clone());
        let rows = reader.map(move |batch| {
            let batch = batch.map_err(|source| failed(spec, source))?;
            if wants.is_empty() {
                return Ok(batch);
            }
            let kept = prune::meets(&batch, &wants);
            filter_record_batch(&batch, &kept).map_err(|source| failed(spec, source))
        });
        Ok(Box::new(rows))
    }

    fn projection(&self, opened: &Opened) -> ProjectionMask {
        let RowForm { columns, .. } = self.form;
        if columns.is_empty() {
            return ProjectionMask::all();
        }
        let schema = opened.metadata.metadata().file_metadata().schema_descr();
        let key = self.scan.table.spec().key;
        ProjectionMask::columns(schema, key.iter().chain(columns).copied())
    }

    fn step(&mut self) -> Result<Option<(Option<ReportKind>, RecordBatch)>, ArchiveError> {
        loop {
            if let Some((kind, merge)) = &mut self.current {
                if let Some(batch) = merge.next() {
                    return Ok(Some((*kind, batch?)));
                }
                self.current = None;
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            self.current = Some((part.folder.kind, self.open(&part)?));
            self.progress.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<(Option<ReportKind>, RecordBatch), ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            (self.current, self.parts) = (None, Vec::new().into_iter());
        }
        step.transpose()
    }
}

/// The days of `[from, to)`, open where not given.
pub(crate) fn days(from: Option<Time>, to: Option<Time>) -> (i64, i64) {
    let first = from.map_or(i64::MIN, Time::beijing_day);
    let last = to.map_or(i64::MAX, |to| to.plus(-1).beijing_day());
    (first, last)
}
