//! What a line of the manifest says.

use plume_bus::TopicPartition;
use serde::{Deserialize, Serialize};

use crate::ArchiveError;
use crate::files::{Files, sha256_hex};

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name below the archive.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Rows of readings that could not be compared with what came before; merging does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unchecked: u64,
    /// Sorted runs it consists of: more than one while its day lasts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub runs: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_one(number: &u64) -> bool {
    *number == 1
}

const fn one() -> u64 {
    1
}

/// Writes a file and says what it is.
pub(crate) fn put(
    files: &Files,
    name: String,
    content: &[u8],
    rows: u64,
    unchecked: u64,
) -> Result<FileEntry, ArchiveError> {
    files.put(&name, content)?;
    Ok(FileEntry {
        name,
        rows,
        bytes: content.len() as u64,
        sha256: sha256_hex(content),
        unchecked,
        runs: 1,
    })
}

impl FileEntry {
    /// The table it belongs to.
    pub(crate) fn table(&self) -> &str {
        let name = self.name.strip_prefix("log/").unwrap_or(&self.name);
        name.split('/').next().unwrap_or_default()
    }
}

/// What the records of a batch were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records of the log.
    pub records: u64,
    /// Reports, one an outlet and packet.
    pub reports: u64,
    /// Packets behind the reports, each once however many outlets it is about.
    pub packets: u64,
    /// Packets of these that repeat an earlier one, byte by byte.
    pub repeats: u64,
    /// Readings in the reports.
    pub readings: u64,
    /// Readings of these that became rows; the others stood already.
    pub fresh: u64,
    /// Ticks, presence, clock steps, registry revisions and marks.
    pub entries: u64,
    /// Quarantined packets and bytes.
    pub quarantined: u64,
    /// Records that no decoder reads.
    pub undecodable: u64,
    /// Judgements.
    pub judgements: u64,
    /// Events.
    pub events: u64,
    /// Rows made of some of these for tables that keep only the last: hours, days, outlets, factors.
    #[serde(default)]
    pub standing: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.reports += other.reports;
        self.packets += other.packets;
        self.repeats += other.repeats;
        self.readings += other.readings;
        self.fresh += other.fresh;
        self.entries += other.entries;
        self.quarantined += other.quarantined;
        self.undecodable += other.undecodable;
        self.judgements += other.judgements;
        self.events += other.events;
        self.standing += other.standing;
    }
}

/// A batch: the records `first..next` of one line of the log, as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// Topic of the log.
    pub topic: String,
    /// Partition of the log.
    pub partition: u32,
    /// First offset.
    pub first: u64,
    /// First offset behind it.
    pub next: u64,
    /// Offsets in between that the log no longer had, as half-open ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<(u64, u64)>,
    /// Offsets in between that never held a record: the markers of transactions on Kafka.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub markers: u64,
    /// What the records were.
    pub counts: Counts,
    /// One file a table, kind and day.
    pub files: Vec<FileEntry>,
    /// What must be remembered for the next batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FileEntry>,
}

impl Add {
    pub(crate) fn at(&self) -> Option<TopicPartition> {
        crate::manifest::topic(&self.topic).map(|topic| TopicPartition::new(topic, self.partition))
    }
}

/// Files that readers see, removed because they are older than is kept, or to stay within the disk budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// Which key of the configuration asked for it.
    pub limit: String,
    /// The files as they were.
    pub files: Vec<FileEntry>,
}

/// Files that readers see, replaced by new ones into which batches were merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// The new files.
    pub files: Vec<FileEntry>,
    /// The batch files in them.
    pub removed: Vec<String>,
    /// Rows that turned out to be there already.
    pub dropped: u64,
    /// Rows in whose place later ones stand, in tables that keep only the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub superseded: u64,
    /// The log's clock: what could be marked until then is confirmed.
    pub clock: Option<i64>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// A batch was added.
    Add(Add),
    /// What readers see was rebuilt.
    Replace(Replace),
    /// What is too old was removed.
    Expire(Expire),
}
