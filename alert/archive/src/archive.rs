//! The writing half: records in, batches out, and from time to time what readers see rebuilt.
//!
//! Each operation goes the same way, and each step is durable before the next begins:
//! plan ─▶ files under their final names ─▶ one line of the manifest ─▶ only then is the offset handed out to be
//! committed.
//! After a crash the plan is carried out again from the same records; it makes the same files, so nothing is lost or
//! doubled.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use plume_bus::fs::{Fs, FsLock};
use plume_bus::{Record, Topic, TopicPartition};
use plume_schemas::factors::Catalogue;
use plume_schemas::time::Time;

use crate::batch::{Batch, Input, Known};
use crate::files::{Files, sha256_hex};
use crate::layout;
use crate::manifest::{Loaded, Manifest};
use crate::memory::{Memory, Place};
use crate::operation::{Add, Operation, Replace, put};
use crate::parquet_file::{Effort, Writer};
use crate::plan::{BegunBatch, PartPlan, Plan, Work};
use crate::publish::Publication;
use crate::{ArchiveConfig, ArchiveError, MAX_CHECKPOINT_BYTES, Reader, Signals};

/// Records of a line of the log are on disk up to here: the offset may be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committable {
    /// Which line.
    pub at: TopicPartition,
    /// First offset not archived.
    pub next: u64,
}

/// What became of a pushed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is in the batch (or was archived before).
    Taken,
    /// The batch ends before it: write the batch, then push the record again.
    Full,
}

/// What a publication did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Files rebuilt.
    pub files: usize,
    /// Batch files merged into them.
    pub merged: usize,
    /// Rows that were there already.
    pub dropped: u64,
}

/// An archive open for writing. One at a time has it; readers need none of this.
#[derive(Debug)]
pub struct Archive {
    pub(crate) files: Files,
    pub(crate) config: ArchiveConfig,
    pub(crate) signals: Signals,
    pub(crate) manifest: Manifest,
    batches: BTreeMap<TopicPartition, Batch>,
    pub(crate) memories: BTreeMap<u32, Memory>,
    /// A batch begun before a crash: it must end where it was going to.
    begun: Option<BegunBatch>,
    /// A publication begun: nothing else is written before it is finished.
    publishing: Option<Plan>,
    /// The newest time the log showed.
    pub(crate) clock: Option<Time>,
    /// The log's clock when last published.
    published_at: Option<Time>,
    stopped: Option<String>,
    /// What factor codes mean, for the table `factors`.
    pub(crate) catalogue: Option<Arc<Catalogue>>,
    /// Hour of the next day until which hours and days can be marked.
    pub(crate) mark_deadline_hour: Option<u8>,
    /// Where the log's offsets begin since its partitions last became more.
    pub(crate) base: u64,
    /// Offsets of the log may hold no record without anything being lost.
    pub(crate) passing_markers: bool,
    /// Files to be removed.
    pub(crate) superfluous: Vec<String>,
    _lock: Box<dyn FsLock>,
}

impl Archive {
    /// Opens the archive at `root`, making it if there is none, and finishes a publication that was begun. Errors:
    /// another writer,
    /// a manifest that is not what was written, a disk that refuses.
    pub fn open(root: &Path, config: ArchiveConfig, fs: Arc<dyn Fs>, signals: Signals) -> Result<Self, ArchiveError> {
        config.check()?;
        let files = Files::new(fs, root);
        let lock = files.lock()?;
        let Loaded { manifest, torn_bytes } = Manifest::load(&files)?;
        if torn_bytes > 0 {
            Signals::torn_manifest(torn_bytes);
        }
        manifest.reassure(&files, torn_bytes)?;
        let unfinished = Plan::unfinished(&files, &manifest)?;
        if let Some(plan) = &unfinished {
            // For the same reason as the manifest's last line.
            plan.store(&files)?;
        }
        let begun = unfinished.as_ref().and_then(Plan::batch);
        let mut archive = Self {
            files,
            config,
            signals,
            manifest,
            batches: BTreeMap::new(),
            memories: BTreeMap::new(),
            begun,
            publishing: unfinished.filter(|_| begun.is_none()),
            clock: None,
            published_at: None,
            stopped: None,
            catalogue: None,
            mark_deadline_hour: None,
            base: 0,
            passing_markers: false,
            superfluous: Vec::new(),
            _lock: lock,
        };
        archive.load_memories()?;
        archive.find_superfluous()?;
        archive.sweep();
        if let Some(begun) = archive.begun {
            Signals::resumes(&format!("batch of {} up to {}", begun.at, begun.next));
        }
        if archive.publishing.is_some() {
            Signals::resumes("publication");
            archive.finish_publication()?;
        }
        archive.signals.waiting(archive.manifest.batches.len());
        Ok(archive)
    }

    /// Writes the table `factors` from this catalogue with each registry revision.
    #[must_use]
    pub fn describing(mut self, catalogue: Arc<Catalogue>) -> Self {
        self.catalogue = Some(catalogue);
        self
    }

    fn load_memories(&mut self) -> Result<(), ArchiveError> {
        for (at, line) in &self.manifest.lines {
            let Some(state) = &line.state else { continue };
            let content = self.files.read(&state.name)?;
            let damaged = |found| ArchiveError::Damaged {
                file: self.files.path(&state.name),
                found,
                expected: format!("SHA-256 {}", state.sha256),
            };
            let found = sha256_hex(&content);
            if found != state.sha256 {
                return Err(damaged(found));
            }
            self.memories
                .insert(at.partition, Memory::from_bytes(&content).map_err(damaged)?);
        }
        Ok(())
    }

    /// Removes what the last line of the manifest made superfluous; a file that cannot be removed is tried again with
    /// the next.
    pub(crate) fn sweep(&mut self) {
        self.superfluous.extend_from_slice(&self.manifest.removed_last);
        // What a crash left half done may have been done again since, under the same name.
        let manifest = &self.manifest;
        self.superfluous.retain(|name| !manifest.names(name));
        match self.files.remove(self.superfluous.iter().map(String::as_str)) {
            Ok(()) => self.superfluous.clear(),
            Err(error) => self.signals.failed(&error),
        }
    }

    /// Finds batches and memories that a crash kept from being removed, or brought back.
    fn find_superfluous(&mut self) -> Result<(), ArchiveError> {
        let manifest = &self.manifest;
        self.superfluous.extend(manifest.expired.iter().cloned());
        let folders = manifest
            .folders
            .iter()
            .map(String::as_str)
            .filter(|folder| folder.starts_with("log/"));
        for folder in folders.chain(["state"]) {
            for file in self.files.list(folder)? {
                let name = format!("{folder}/{file}");
                if !manifest.names(&name) {
                    self.superfluous.push(name);
                }
            }
        }
        Ok(())
    }

    /// Where to read each known line of the log on, and what may be committed now: the manifest decides, not the
    /// log's own offsets.
    pub fn positions(&self) -> Vec<Committable> {
        let of = |(&at, line): (&TopicPartition, &crate::manifest::Line)| Committable { at, next: line.next };
        self.manifest.lines.iter().map(of).collect()
    }

    /// The offset to read next: behind what is archived and what waits in the batch. `None` where nothing of the line
    /// is known.
    pub fn next_offset(&self, at: TopicPartition) -> Option<u64> {
        let waiting = self.batches.get(&at).map(|batch| batch.next);
        waiting.or_else(|| self.manifest.lines.get(&at).map(|line| line.next))
    }

    /// Takes a record of one of [`crate::TOPICS`], in the order of offsets; one that is archived already is passed
    /// over. Errors: a
    /// topic without a table, or an archive that stopped.
    pub fn push(&mut self, record: &Record) -> Result<Pushed, ArchiveError> {
        self.running()?;
        let at = record.from;
        if self.next_offset(at).is_some_and(|next| record.offset < next) {
            return Ok(Pushed::Taken);
        }
        let input = Input::decode(at, &record.payload)?;
        let first = self.manifest.lines.get(&at).map_or(record.offset, |line| line.next);
        let batch = self.batches.entry(at).or_insert_with(|| Batch::new(at, first));
        let ends = match self.begun.filter(|begun| begun.at == at) {
            Some(begun) if record.offset >= begun.next => {
                // The log lost the rest of what the batch was to hold: damage that was set aside.
                batch.skip_to(begun.next);
                true
            }
            Some(_) => false,
            None => batch.ends_before(input.log_time(), &self.config),
        };
        if ends && !batch.is_empty() {
            return Ok(Pushed::Full);
        }
        if ends {
            // Nothing of the begun batch is left: there is nothing to finish.
            self.begun = None;
        }
        self.clock = self.clock.max(input.log_time());
        if self.passing_markers {
            batch.pass_markers(record.offset);
        }
        if record.offset > batch.next {
            Signals::gap(at, batch.next, record.offset);
        }
        if let Input::Undecodable(error) = &input {
            self.signals.undecodable(at, record.offset, error);
        }
        let known = Known {
            clock: self.clock,
            catalogue: self.catalogue.as_deref(),
        };
        match at.topic {
            Topic::Reports => {
                let memories = &mut self.memories;
                let memory = memories
                    .entry(at.partition)
                    .or_insert_with(|| Memory::behind(self.base));
                batch.push(&input, &record.payload, record.offset, &known, memory);
            }
            _ => batch.push(&input, &record.payload, record.offset, &known, &mut Memory::new()),
        }
        Ok(Pushed::Taken)
    }

    /// The newest time the log showed.
    pub fn clock(&self) -> Option<Time> {
        self.clock
    }

    /// Takes the judge's memory of a partition as it stood before `offset`: a row of `checkpoints`, of which each day's
    /// last one stands. False where no batch takes it now. Errors: it is larger than [`crate::MAX_CHECKPOINT_BYTES`].
    pub fn checkpoint(&mut self, partition: u32, offset: u64, state: &[u8]) -> Result<bool, ArchiveError> {
        if state.len() > MAX_CHECKPOINT_BYTES {
            return Err(ArchiveError::CheckpointTooLarge {
                partition,
                bytes: state.len(),
                limit: MAX_CHECKPOINT_BYTES,
            });
        }
        let at = TopicPartition::new(Topic::Reports, partition);
        // A batch begun before a crash holds what it held then.
        let begun = self.begun.is_some_and(|begun| begun.at == at);
        let place = Place { partition, offset };
        let taken = self.batches.get_mut(&at).filter(|_| !begun).zip(self.clock);
        Ok(taken.is_some_and(|(batch, clock)| batch.checkpoint(place, clock, state)))
    }

    /// The lines of the log whose batch is to be written now, because the log's clock has passed its end.
    pub fn due(&mut self) -> Vec<TopicPartition> {
        for batch in self.batches.values_mut().filter(|batch| !batch.is_empty()) {
            // Begun before the log showed any time.
            batch.begun = batch.begun.or(self.clock);
        }
        let due = |(at, batch): &(&TopicPartition, &Batch)| match self.begun.filter(|begun| begun.at == **at) {
            Some(begun) => batch.next >= begun.next,
            None => batch.ends_before(self.clock, &self.config),
        };
        self.batches.iter().filter(due).map(|(at, _)| *at).collect()
    }

    /// Writes the batch of a line of the log, however small, and says what may be committed; `None` where nothing
    /// waits (or a batch
    /// begun before a crash has not all its records back). Errors: the disk; the batch stays and can be written again.
    pub fn write(&mut self, at: TopicPartition) -> Result<Option<Committable>, ArchiveError> {
        self.running()?;
        self.finish_publication()?;
        let unfinished = |batch: &Batch| {
            self.begun
                .is_some_and(|begun| begun.at == at && batch.next < begun.next)
        };
        match self.batches.get(&at) {
            Some(batch) if !batch.is_empty() && !unfinished(batch) => {}
            _ => return Ok(None),
        }
        let added = self.write_files(at);
        let added = self.noted(added)?;
        self.append(&Operation::Add(added.clone()))?;
        self.batches.remove(&at);
        self.begun = self.begun.filter(|begun| begun.at != at);
        self.signals.batch_written(at, &added);
        self.signals.waiting(self.manifest.batches.len());
        self.sweep();
        Ok(Some(Committable { at, next: added.next }))
    }

    /// The plan of a batch, its files, and the memory behind it.
    fn write_files(&mut self, at: TopicPartition) -> Result<Add, ArchiveError> {
        let Some(batch) = self.batches.get_mut(&at) else {
            return Err(ArchiveError::NoTable { at });
        };
        let (first, next) = (batch.first, batch.next);
        let line = self.manifest.lines.get(&at);
        let plan = Plan::new(
            &self.manifest,
            Work::Batch {
                topic: at.topic.to_string(),
                partition: at.partition,
                first,
                next,
                memory: line.and_then(|line| Some(line.state.as_ref()?.sha256.clone())),
            },
        );
        plan.store(&self.files)?;
        let (gaps, markers, counts) = (batch.gaps.clone(), batch.markers, batch.counts);
        let mut entries = Vec::new();
        for sealed in batch.seal()? {
            let mut writer = Writer::new(sealed.folder.table.spec(), plan.seq, Effort::Usual)?;
            writer.write(&sealed.rows)?;
            let (content, rows) = writer.finish(0)?;
            let name = sealed.folder.batch(at, first, next);
            entries.push(put(&self.files, name, &content, rows, sealed.unchecked)?);
        }
        let state = match self.memories.get(&at.partition).filter(|_| at.topic == Topic::Reports) {
            Some(memory) => Some(put(&self.files, layout::state(at, next), &memory.to_bytes(), 0, 0)?),
            None => None,
        };
        Ok(Add {
            topic: at.topic.to_string(),
            partition: at.partition,
            first,
            next,
            gaps,
            markers,
            counts,
            files: entries,
            state,
        })
    }

    /// True where batches wait and the log's clock has entered another period since the last publication.
    pub fn publish_due(&self) -> bool {
        let period = |at: Time| self.config.publish_period(at);
        let passed = match (self.published_at, self.clock) {
            (Some(published), Some(now)) => period(now) > period(published),
            (None, now) => now.is_some(),
            (Some(_), None) => false,
        };
        self.publishing.is_some() || (passed && (!self.manifest.batches.is_empty() || !self.to_rebuild().is_empty()))
    }

    /// Merges all waiting batches into what readers see. Each file is replaced as a whole, so a reader sees each row
    /// once or not yet.
    /// Errors: the disk; what was begun is finished by the next call.
    pub fn publish(&mut self) -> Result<Published, ArchiveError> {
        self.running()?;
        let mut parts = self.to_rebuild();
        let work = !parts.is_empty() || !self.manifest.batches.is_empty();
        if self.publishing.is_none() && self.begun.is_none() && work {
            for name in self.manifest.batches.keys() {
                if let Some(part) = layout::part_of(name) {
                    parts.entry(part).or_default().push(name.clone());
                }
            }
            let planned = |(name, inputs): (String, Vec<String>)| PartPlan {
                confirmed: self.is_confirmed(&name),
                name,
                inputs,
            };
            let work = Work::Publish {
                parts: parts.into_iter().map(planned).collect(),
                clock: self.now().map(|now| now.0),
            };
            let plan = Plan::new(&self.manifest, work);
            let stored = plan.store(&self.files);
            self.noted(stored)?;
            self.publishing = Some(plan);
        }
        self.finish_publication()
    }

    fn finish_publication(&mut self) -> Result<Published, ArchiveError> {
        let Some(plan) = self.publishing.clone() else {
            return Ok(Published::default());
        };
        let Work::Publish { parts, clock } = &plan.work else {
            return Ok(Published::default());
        };
        let publication = Publication {
            files: &self.files,
            manifest: &self.manifest,
            operation: plan.seq,
            clock: *clock,
            run_rows: self.config.run_rows,
        };
        let replaced: Replace = self.noted(publication.carry_out(parts))?;
        self.append(&Operation::Replace(replaced.clone()))?;
        self.publishing = None;
        self.published_at = self.clock;
        self.sweep();
        self.signals.published(&replaced, self.manifest.batches.len());
        self.expire()?;
        Ok(Published {
            files: replaced.files.len(),
            merged: replaced.removed.len(),
            dropped: replaced.dropped,
        })
    }

    /// Writes all batches and publishes: before a stop, or when somebody wants to see everything now.
    pub fn flush(&mut self) -> Result<Vec<Committable>, ArchiveError> {
        let waiting: Vec<TopicPartition> = self.batches.keys().copied().collect();
        let mut committable = Vec::new();
        for at in waiting {
            committable.extend(self.write(at)?);
        }
        self.publish()?;
        Ok(committable)
    }

    /// Reads what is archived: published or not.
    pub fn reader(&self) -> Result<Reader, ArchiveError> {
        Reader::of(&self.files)
    }

    /// The manifest's last hash: whoever keeps it can tell later that nothing before was changed.
    pub fn head(&self) -> &str {
        &self.manifest.head
    }

    pub(crate) fn append(&mut self, operation: &Operation) -> Result<(), ArchiveError> {
        let appended = self.manifest.append(&self.files, operation);
        if let Err(error) = &appended {
            // The end of the manifest is unknown until it is read again.
            self.stopped = Some(error.to_string());
        }
        self.noted(appended)
    }

    fn running(&self) -> Result<(), ArchiveError> {
        match &self.stopped {
            Some(reason) => Err(ArchiveError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    fn noted<T>(&self, result: Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        result.inspect_err(|error| self.signals.failed(error))
    }
}
