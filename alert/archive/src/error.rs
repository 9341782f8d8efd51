//! What can go wrong in the archive, and what to do about it.

use std::io;
use std::path::PathBuf;

use plume_bus::TopicPartition;

/// An error of the archive. Nothing that was archived is ever lost by one: what was not finished is done again after
/// reopening.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("cannot {what} {file}")]
    Io {
        /// What was tried: `write`, `read`, `rename`…
        what: &'static str,
        /// On which file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A Parquet file could not be written or read.
    #[error("cannot {what} Parquet file {file}")]
    Parquet {
        /// What was tried.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the library said.
        source: parquet::errors::ParquetError,
    },
    /// Columns could not be built, sorted or merged.
    #[error("cannot arrange rows of table `{table}`")]
    Rows {
        /// Which table.
        table: &'static str,
        /// What the library said.
        source: arrow::error::ArrowError,
    },
    /// Another process writes this archive.
    #[error("archive {dir} is being written by another process")]
    Locked {
        /// The archive.
        dir: PathBuf,
    },
    /// A line of the manifest is not what was written.
    #[error("manifest {file} line {line}: {found}, expected {expected}")]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// A file of the archive's own book-keeping is not what was written.
    #[error("{file} is damaged: {found}, expected {expected}")]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// A topic that has no table.
    #[error("topic {at} has no table in the archive")]
    NoTable {
        /// Of which line of the log.
        at: TopicPartition,
    },
    /// A query asked for a column that the table does not have.
    #[error("table `{table}` has no column `{column}`")]
    Column {
        /// Which table.
        table: &'static str,
        /// What was asked for.
        column: String,
        /// What there is.
        expected: String,
    },
    /// A table whose rows cannot be grouped.
    #[error("rows of table `{table}` cannot be grouped by time")]
    Ungroupable {
        /// Which table.
        table: &'static str,
    },
    /// More rows than a format holds.
    #[error("there are more than {limit} rows, more than {format} holds")]
    TooManyRows {
        /// Most rows.
        limit: u64,
        /// Of which format.
        format: &'static str,
    },
    /// A memory of the judge that is larger than is archived.
    #[error("a checkpoint of partition {partition} has {bytes} bytes, at most {limit} are archived")]
    CheckpointTooLarge {
        /// Of which partition.
        partition: u32,
        /// Its size.
        bytes: usize,
        /// What is possible.
        limit: usize,
    },
    /// An earlier write failed in a way that leaves the state of the disk unknown.
    #[error("archive stopped after an earlier error: {reason}")]
    Stopped {
        /// The earlier error.
        reason: String,
    },
    /// A value of the configuration makes no sense.
    #[error("archive.{key} is {found}, expected {expected}")]
    Config {
        /// Which key.
        key: &'static str,
        /// Its value.
        found: u64,
        /// What is possible.
        expected: &'static str,
    },
    /// The object store that `archive.dir` names cannot be used.
    #[error("cannot use {dir} as the archive: {reason}")]
    Store {
        /// What `archive.dir` says.
        dir: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A metric could not be registered.
    #[error("cannot register metric `{name}`")]
    Metric {
        /// Its name.
        name: &'static str,
        /// What prometheus said.
        source: prometheus::Error,
    },
    /// An export could not be written to where it should go.
    #[error("cannot write the export")]
    Export {
        /// What the receiver said.
        source: io::Error,
    },
}

impl ArchiveError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { source, .. } if is_full(source) => {
                "make room on the disk of the archive; it goes on by itself, and the log keeps what is not archived"
                    .into()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StaleNetworkFileHandle => {
                "another process has written it since: ask again; of two writers of one archive stop this one".into()
            }
            Self::Io { file, .. } => format!("check that {} can be written by plume", file.display()),
            Self::Parquet { file, .. } => {
                format!(
                    "compare {} with a backup; `plume verify` names every damaged file",
                    file.display()
                )
            }
            Self::Rows { .. } => "this is a fault of plume: keep the log and report it".into(),
            Self::Locked { dir } => format!("stop the other plume that uses {}", dir.display()),
            Self::Manifest { .. } => {
                "restore the manifest from a backup; the chain of hashes says up to where it is right".into()
            }
            Self::Damaged { file, .. } => format!("restore {} from a backup", file.display()),
            Self::NoTable { .. } => "push only the topics in `TOPICS`".into(),
            Self::Column { expected, .. } => format!("ask for one of {expected}"),
            Self::Ungroupable { .. } => "group `readings`".into(),
            Self::TooManyRows { .. } => "ask for less time or fewer outlets, or for csv or parquet".into(),
            Self::CheckpointTooLarge { .. } => "spread the outlets over more partitions (`plume bus grow`)".into(),
            Self::Stopped { .. } => "open the archive again: it finishes what was begun".into(),
            Self::Config { key, expected, .. } => format!("set archive.{key} to {expected}"),
            Self::Store { .. } => {
                "check archive.dir (s3://BUCKET/PREFIX) and archive.s3, and that plume has the feature `s3`".into()
            }
            Self::Metric { .. } => "give every room a registry of its own, or open the archive once".into(),
            Self::Export { .. } => "check the disk or the program that takes the export".into(),
        }
    }

    /// True where there is no room on the disk: nothing was changed, and the same call may succeed later.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }

    /// True where a file is not there: it was replaced while it was being read.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// A word for the metric's label.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Parquet { .. } | Self::Rows { .. } => "parquet",
            Self::Manifest { .. } | Self::Damaged { .. } => "damaged",
            Self::Locked { .. }
            | Self::NoTable { .. }
            | Self::Column { .. }
            | Self::Ungroupable { .. }
            | Self::TooManyRows { .. }
            | Self::CheckpointTooLarge { .. }
            | Self::Stopped { .. }
            | Self::Config { .. }
            | Self::Store { .. }
            | Self::Metric { .. }
            | Self::Export { .. } => "other",
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
