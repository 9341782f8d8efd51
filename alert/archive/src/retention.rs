//! What is kept, and for how long; and until when an hour can still be marked.
//!
//! Removing goes the other way round than writing: first the line of the manifest, then the files. A file that is not
//! gone after a crash is removed at the next opening.

use std::collections::BTreeMap;

use plume_schemas::reading::ReportKind;
use plume_schemas::registry::Registry;
use plume_schemas::time::{DAY_MS, HOUR_MS, Time};

use crate::archive::Archive;
use crate::layout::Folder;
use crate::memory::Memory;
use crate::operation::{Expire, FileEntry, Operation};
use crate::tables::Table;
use crate::{ArchiveError, Signals};

/// Days that are never removed, whatever the limits say: today's and yesterday's are still being written and marked.
const LEAST_DAYS: i64 = 2;

impl Archive {
    /// From when on hours and days can no longer be marked: at this hour of the next day they become `confirmed`.
    #[must_use]
    pub fn confirming_at(mut self, mark_deadline_hour: u8) -> Self {
        self.mark_deadline_hour = Some(mark_deadline_hour);
        self
    }

    /// Says whose outlets are, for a line that another archive has read until now: what the log said of it before is
    /// not known here. What is known stays.
    pub fn introduce(&mut self, partition: u32, registry: &Registry) {
        let base = self.base;
        let memory = self.memories.entry(partition);
        memory.or_insert_with(|| Memory::behind(base)).introduce(registry);
    }

    /// Numbers packets behind this offset, at which the log's lines begin since partitions last became more (D7): an
    /// outlet may come from another one, whose numbers, each of an offset of its own, are not known here.
    #[must_use]
    pub fn numbering_from(mut self, base: u64) -> Self {
        self.base = base;
        self.memories.values_mut().for_each(|memory| memory.number_from(base));
        self
    }

    /// Offsets of the log may hold no record without anything being lost: on Kafka they hold the markers of
    /// transactions. They are counted, and are no gaps.
    #[must_use]
    pub fn passing_markers(mut self, expected: bool) -> Self {
        self.passing_markers = expected;
        self
    }

    /// Whether the time for marks of a part's rows is over by the log's clock.
    pub(crate) fn is_confirmed(&self, part: &str) -> bool {
        match (self.mark_deadline(part), self.now()) {
            (Some(deadline), Some(clock)) => deadline <= clock,
            _ => false,
        }
    }

    /// The newest time the log showed, in this life or before.
    pub(crate) fn now(&self) -> Option<Time> {
        self.clock.max(self.manifest.published_at.map(Time))
    }

    fn mark_deadline(&self, part: &str) -> Option<Time> {
        let folder = Folder::of_file(part).filter(|folder| folder.table.is_confirmed())?;
        let hour = i64::from(self.mark_deadline_hour?);
        Some(folder.start()?.plus(DAY_MS + hour * HOUR_MS))
    }

    /// Published files that are rebuilt without anything new: their deadline passed since the last publication, or
    /// their day is over and they are still of several runs.
    pub(crate) fn to_rebuild(&self) -> BTreeMap<String, Vec<String>> {
        let (before, now) = (self.manifest.published_at.map(Time), self.now());
        let due = |(part, file): &(&String, &FileEntry)| {
            let passed = self
                .mark_deadline(part)
                .is_some_and(|at| before.is_none_or(|before| at > before));
            let scattered = file.runs > 1 && Folder::of_file(part).is_some_and(|folder| folder.is_over(now));
            scattered || (passed && self.is_confirmed(part))
        };
        let parts = self.manifest.parts.iter().filter(due);
        parts.map(|(part, _)| (part.clone(), Vec::new())).collect()
    }

    /// Removes what is older than is kept, then the oldest days until the archive fits its budget. Hours, days,
    /// judgements, events, outlets and factors are small and stay within the budget; only `keep_days` removes them.
    pub(crate) fn expire(&mut self) -> Result<(), ArchiveError> {
        let Some(today) = self.now().map(Time::beijing_day) else {
            return Ok(());
        };
        let age = |name: &str| Some(today - Folder::of_file(name)?.day?);
        for (limit, days) in [
            ("keep_days", self.config.keep_days),
            ("keep_samples_days", self.config.keep_samples_days),
        ] {
            if days == 0 {
                continue;
            }
            let days = i64::try_from(days).unwrap_or(i64::MAX).max(LEAST_DAYS);
            let files = self.manifest.parts.values();
            let old = files.filter(|file| age(&file.name).is_some_and(|age| age >= days));
            let meant = old.filter(|file| limit == "keep_days" || weight(&file.name) == Some(Weight::Samples));
            let files: Vec<FileEntry> = meant.cloned().collect();
            self.remove(limit, files)?;
        }
        self.keep_budget(today)
    }

    fn keep_budget(&mut self, today: i64) -> Result<(), ArchiveError> {
        let max_bytes = self.config.max_bytes;
        let mut bytes: u64 = self.manifest.parts.values().map(|file| file.bytes).sum();
        if max_bytes == 0 || bytes <= max_bytes {
            return Ok(());
        }
        let may_go = |file: &&FileEntry| {
            let day = Folder::of_file(&file.name).and_then(|folder| folder.day)?;
            let weight = weight(&file.name).filter(|_| today - day >= LEAST_DAYS)?;
            Some((weight, day))
        };
        let parts = self.manifest.parts.values();
        let mut candidates: Vec<_> = parts.filter_map(|file| Some((may_go(&file)?, file.clone()))).collect();
        candidates.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.name.cmp(&y.name)));
        let mut files = Vec::new();
        for (_, file) in candidates {
            if bytes <= max_bytes {
                break;
            }
            bytes -= file.bytes;
            files.push(file);
        }
        self.remove("max_bytes", files)?;
        if bytes > max_bytes {
            Signals::over_budget(bytes, max_bytes);
        }
        Ok(())
    }

    fn remove(&mut self, limit: &str, files: Vec<FileEntry>) -> Result<(), ArchiveError> {
        if files.is_empty() {
            return Ok(());
        }
        let expire = Expire {
            limit: limit.to_owned(),
            files,
        };
        self.append(&Operation::Expire(expire.clone()))?;
        self.signals.expired(&expire);
        self.sweep();
        Ok(())
    }
}

/// In which order tables give way to the disk budget: samples first, of the rest the oldest day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Samples,
    Evidence,
}

fn weight(name: &str) -> Option<Weight> {
    let folder = Folder::of_file(name)?;
    match folder.table {
        Table::Readings if folder.kind == Some(ReportKind::RealTime) => Some(Weight::Samples),
        Table::Readings | Table::Packets | Table::Entries | Table::Checkpoints | Table::Quarantine => {
            Some(Weight::Evidence)
        }
        Table::Hours | Table::Days | Table::Judgements | Table::Events | Table::Outlets | Table::Factors => None,
    }
}
