//! The manifest: what was done to the archive, one line of JSON an operation, each line carrying the hash of the one
//! before.
//!
//! Whoever has the last hash can tell whether anything was added, taken away or changed since. The archive *is* what
//! the manifest
//! says: a file that no line names is not part of it.

use std::collections::{BTreeMap, BTreeSet};

use plume_bus::{Topic, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::ArchiveError;
use crate::files::{Files, sha256_hex};
use crate::operation::{Counts, FileEntry, Operation};

/// The file.
pub(crate) const MANIFEST: &str = "manifest.jsonl";
/// Newest version of the lines. One is version 1 where it names a file of several runs: who takes such a file for one
/// sorted run would merge and group its rows wrongly, and refuses a version it does not know. All others are version 0.
pub(crate) const VERSION: u32 = 1;
/// What the first line carries as the hash of the one before.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// `,"sha256":"` and 64 digits and `"}`.
const SEAL_BYTES: usize = 11 + 64 + 2;

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    v: u32,
    seq: u64,
    prev: String,
    #[serde(flatten)]
    operation: Operation,
}

/// The version of a line.
fn version(operation: &Operation) -> u32 {
    match operation {
        Operation::Replace(replace) => u32::from(replace.files.iter().any(|file| file.runs > 1)),
        Operation::Add(_) | Operation::Expire(_) => 0,
    }
}

/// The topic of that name.
pub(crate) fn topic(name: &str) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| topic.as_str() == name)
}

/// Everything the manifest says, and where to write on.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Number of the next line, from 0.
    pub(crate) seq: u64,
    /// Hash of the last line.
    pub(crate) head: String,
    /// Length of the file up to the last whole line.
    bytes: u64,
    /// The last whole line, with its end.
    last_line: Vec<u8>,
    /// Files readers see, by name.
    pub(crate) parts: BTreeMap<String, FileEntry>,
    /// Batch files not yet merged, by name.
    pub(crate) batches: BTreeMap<String, FileEntry>,
    /// How far each line of the log is archived, and its memory.
    pub(crate) lines: BTreeMap<TopicPartition, Line>,
    /// Sum over all batches.
    pub(crate) counts: Counts,
    /// Rows found to be there already when merging.
    pub(crate) dropped: u64,
    /// Rows in whose place later ones stand.
    pub(crate) superseded: u64,
    /// Rows removed with their files, by table.
    pub(crate) expired_rows: BTreeMap<String, u64>,
    /// Files removed for good: the removal itself may have been cut short.
    pub(crate) expired: BTreeSet<String>,
    /// The log's clock at the last publication.
    pub(crate) published_at: Option<i64>,
    /// Batch files that the last line removed: the removal itself may have been cut short.
    pub(crate) removed_last: Vec<String>,
    /// Folders that ever held a file.
    pub(crate) folders: BTreeSet<String>,
}

/// How far a line of the log is archived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// First offset of all.
    pub(crate) first: u64,
    /// First offset not archived.
    pub(crate) next: u64,
    /// Offsets the log no longer had.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// Offsets that never held a record.
    pub(crate) markers: u64,
    /// What must be remembered.
    pub(crate) state: Option<FileEntry>,
}

/// A manifest read, and the bytes of an unfinished last line behind it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) torn_bytes: u64,
}

impl Manifest {
    fn empty() -> Self {
        Self {
            seq: 0,
            head: BEGINNING.to_owned(),
            bytes: 0,
            last_line: Vec::new(),
            parts: BTreeMap::new(),
            batches: BTreeMap::new(),
            lines: BTreeMap::new(),
            counts: Counts::default(),
            dropped: 0,
            superseded: 0,
            expired_rows: BTreeMap::new(),
            expired: BTreeSet::new(),
            published_at: None,
            removed_last: Vec::new(),
            folders: BTreeSet::new(),
        }
    }

    /// Reads and checks the whole chain. An unfinished last line is left out. Errors: a line that is not what was
    /// written.
    pub(crate) fn load(files: &Files) -> Result<Loaded, ArchiveError> {
        let content = files.read_if_there(MANIFEST)?.unwrap_or_default();
        let mut manifest = Self::empty();
        let mut lines = content.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            match manifest.check(text) {
                Ok((operation, hash)) => {
                    manifest.apply(&operation);
                    manifest.head = hash;
                    manifest.bytes += line.len() as u64;
                    manifest.last_line = line.to_vec();
                }
                // The sector with the end of the line reached the disk, one before it did not. A line whose seal is
                // right is whole: what is not understood of it was written by a later version.
                Err(_) if lines.peek().is_none() && !is_sealed(text) => break,
                Err((found, expected)) => {
                    return Err(ArchiveError::Manifest {
                        file: files.path(MANIFEST),
                        line: number + 1,
                        found,
                        expected,
                    });
                }
            }
        }
        let torn_bytes = content.len() as u64 - manifest.bytes;
        Ok(Loaded { manifest, torn_bytes })
    }

    /// The operation of a line and the line's hash, or what was found and what was expected.
    fn check(&self, line: &[u8]) -> Result<(Operation, String), (String, String)> {
        let (body, seal) = opened(line).ok_or_else(|| (format!("{} bytes", line.len()), "a sealed line".to_owned()))?;
        let hash = sha256_hex(&body);
        if seal != seal_of(&hash).as_bytes() {
            return Err((
                format!("content with hash {hash}"),
                String::from_utf8_lossy(seal).into_owned(),
            ));
        }
        let body: Body =
            serde_json::from_slice(&body).map_err(|error| (error.to_string(), "an operation".to_owned()))?;
        if body.v > VERSION || body.seq != self.seq || body.prev != self.head {
            return Err((
                format!("version {} line {} after {}", body.v, body.seq, body.prev),
                format!("version 0 to {VERSION} line {} after {}", self.seq, self.head),
            ));
        }
        Ok((body.operation, hash))
    }

    fn apply(&mut self, operation: &Operation) {
        self.seq += 1;
        self.removed_last.clear();
        match operation {
            Operation::Add(batch) => {
                self.counts.add(&batch.counts);
                for file in &batch.files {
                    self.folders.extend(folder(&file.name));
                    self.batches.insert(file.name.clone(), file.clone());
                }
                let Some(at) = batch.at() else { return };
                let line = self.lines.entry(at).or_insert_with(|| Line {
                    first: batch.first,
                    ..Line::default()
                });
                line.next = batch.next;
                line.gaps.extend_from_slice(&batch.gaps);
                line.markers += batch.markers;
                if let Some(old) = std::mem::replace(&mut line.state, batch.state.clone()) {
                    self.removed_last.push(old.name);
                }
            }
            Operation::Replace(replace) => {
                self.dropped += replace.dropped;
                self.superseded += replace.superseded;
                self.published_at = self.published_at.max(replace.clock);
                for file in &replace.files {
                    self.folders.extend(folder(&file.name));
                    self.expired.remove(&file.name);
                    self.parts.insert(file.name.clone(), file.clone());
                }
                for name in &replace.removed {
                    self.batches.remove(name);
                }
                self.removed_last.clone_from(&replace.removed);
            }
            Operation::Expire(expire) => {
                for file in &expire.files {
                    self.parts.remove(&file.name);
                    self.expired.insert(file.name.clone());
                    *self.expired_rows.entry(file.table().to_owned()).or_default() += file.rows;
                    self.removed_last.push(file.name.clone());
                }
            }
        }
    }

    /// Writes a line, durably. An error leaves the end of the file unknown: the manifest must be read again.
    pub(crate) fn append(&mut self, files: &Files, operation: &Operation) -> Result<(), ArchiveError> {
        let body = Body {
            v: version(operation),
            seq: self.seq,
            prev: self.head.clone(),
            operation: operation.clone(),
        };
        let mut line = to_json(files, MANIFEST, &body)?;
        let hash = sha256_hex(line.as_bytes());
        line.truncate(line.len() - 1);
        line += &seal_of(&hash);
        line.push('\n');
        files.append(MANIFEST, line.as_bytes(), self.bytes)?;
        self.bytes += line.len() as u64;
        self.last_line = line.into_bytes();
        self.apply(operation);
        self.head = hash;
        Ok(())
    }

    /// Every file that is part of the archive now: what readers see, what waits, and what must be remembered.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let states = self.lines.values().filter_map(|line| line.state.as_ref());
        self.parts.values().chain(self.batches.values()).chain(states)
    }

    /// Length of the file up to the last whole line.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a file is part of the archive now.
    pub(crate) fn names(&self, file: &str) -> bool {
        let state = |line: &Line| line.state.as_ref().is_some_and(|state| state.name == file);
        self.parts.contains_key(file) || self.batches.contains_key(file) || self.lines.values().any(state)
    }

    /// Makes durable what was read. An earlier process may have been told that the last line could not be synced:
    /// then it is seen
    /// here, and gone after the next loss of power. Syncing again proves nothing; writing it again and syncing does.
    pub(crate) fn reassure(&self, files: &Files, torn_bytes: u64) -> Result<(), ArchiveError> {
        if torn_bytes > 0 {
            files.cut(MANIFEST, self.bytes)?;
        }
        if self.last_line.is_empty() {
            return Ok(());
        }
        files.append(MANIFEST, &self.last_line, self.bytes - self.last_line.len() as u64)
    }
}

/// JSON of a value; the error is one of the book-keeping file it was meant for.
pub(crate) fn to_json(files: &Files, name: &str, value: &impl Serialize) -> Result<String, ArchiveError> {
    serde_json::to_string(value).map_err(|error| ArchiveError::Damaged {
        file: files.path(name),
        found: error.to_string(),
        expected: "a value that can be written as JSON".to_owned(),
    })
}

/// Whether a line of the manifest has this hash.
pub(crate) fn has_head(files: &Files, hash: &str) -> Result<bool, ArchiveError> {
    let content = files.read_if_there(MANIFEST)?.unwrap_or_default();
    let seal = seal_of(hash);
    Ok(content
        .split(|&byte| byte == b'\n')
        .any(|line| line.ends_with(seal.as_bytes())))
}

/// What a line says, and its seal.
fn opened(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (body, seal) = line.split_at_checked(line.len().checked_sub(SEAL_BYTES)?)?;
    Some(([body, b"}"].concat(), seal))
}

fn is_sealed(line: &[u8]) -> bool {
    opened(line).is_some_and(|(body, seal)| seal == seal_of(&sha256_hex(&body)).as_bytes())
}

fn seal_of(hash: &str) -> String {
    format!(",\"sha256\":\"{hash}\"}}")
}

fn folder(name: &str) -> Option<String> {
    name.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Add, Replace};
    use plume_bus::fs::SimFs;
    use std::path::Path;
    use std::sync::Arc;

    fn files(disk: &SimFs) -> Files {
        Files::new(Arc::new(disk.clone()), Path::new("/a"))
    }

    fn add(first: u64) -> Operation {
        Operation::Add(Add {
            topic: "reports".into(),
            partition: 0,
            first,
            next: first + 5,
            gaps: vec![],
            markers: 0,
            counts: Counts {
                records: 5,
                ..Counts::default()
            },
            files: vec![],
            state: None,
        })
    }

    fn written(lines: u64) -> (SimFs, Vec<u8>) {
        let disk = SimFs::new();
        let files = files(&disk);
        let mut manifest = Manifest::load(&files).unwrap().manifest;
        for line in 0..lines {
            manifest.append(&files, &add(line * 5)).unwrap();
        }
        let content = disk.content(Path::new("/a/manifest.jsonl")).unwrap();
        (disk, content)
    }

    #[test]
    fn says_again_what_was_written() {
        let (disk, _) = written(3);
        let Loaded { manifest, torn_bytes } = Manifest::load(&files(&disk)).unwrap();
        assert_eq!((manifest.seq, torn_bytes, manifest.counts.records), (3, 0, 15));
        assert_eq!(manifest.lines.values().next().unwrap().next, 15);
    }

    #[test]
    fn a_line_that_names_a_file_of_runs_is_of_a_version_of_its_own() {
        let (disk, _) = written(1);
        let files = files(&disk);
        let mut manifest = Manifest::load(&files).unwrap().manifest;
        let file = |runs| FileEntry {
            name: "readings/kind=minute/date=2026-11-21/part-0.parquet".to_owned(),
            rows: 1,
            bytes: 1,
            sha256: String::new(),
            unchecked: 0,
            runs,
        };
        for runs in [1, 2] {
            let replace = Replace {
                files: vec![file(runs)],
                removed: vec![],
                dropped: 0,
                superseded: 0,
                clock: None,
            };
            manifest.append(&files, &Operation::Replace(replace)).unwrap();
        }
        let content = disk.content(Path::new("/a/manifest.jsonl")).unwrap();
        let lines = content.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let versions = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap()["v"].as_u64());
        assert_eq!(versions.collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
        assert_eq!(
            Manifest::load(&files)
                .unwrap()
                .manifest
                .parts
                .values()
                .next()
                .unwrap()
                .runs,
            2
        );
        // A line of a version to come is refused, not read as far as it is understood.
        let last = content.split(|&byte| byte == b'\n').nth(2).unwrap();
        let body = String::from_utf8(opened(last).unwrap().0)
            .unwrap()
            .replace("\"v\":1", "\"v\":2");
        let line = format!(
            "{}{}\n",
            body.strip_suffix('}').unwrap(),
            seal_of(&sha256_hex(body.as_bytes()))
        );
        let start = content.len() - last.len() - 1;
        let changed = [&content[..start], line.as_bytes()].concat();
        disk.replace(Path::new("/a/manifest.jsonl"), changed);
        let error = Manifest::load(&files).unwrap_err();
        assert!(error.to_string().contains("version 2 line 2"), "{error}");
    }

    #[test]
    fn a_cut_last_line_is_left_out_at_every_length() {
        let (disk, content) = written(2);
        let first = content.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for len in first..content.len() {
            disk.replace(Path::new("/a/manifest.jsonl"), content[..len].to_vec());
            let Loaded { manifest, torn_bytes } = Manifest::load(&files(&disk)).unwrap();
            assert_eq!((manifest.seq, torn_bytes), (1, (len - first) as u64));
        }
    }

    #[test]
    fn a_changed_byte_is_found_in_any_line_but_the_last() {
        let (disk, content) = written(3);
        let last = content[..content.len() - 1]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap();
        for at in (0..last).step_by(7) {
            let mut changed = content.clone();
            changed[at] ^= 1;
            disk.replace(Path::new("/a/manifest.jsonl"), changed);
            assert!(Manifest::load(&files(&disk)).is_err(), "byte {at}");
        }
    }
}
