//! Everything that can go wrong on the bus, with where it happened and what to try.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::options::ClockKind;
use crate::record::{Topic, TopicPartition};

/// What the bus refuses or fails at. Cheap to clone: one failed write answers every caller waiting on it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The URL names no carrier.
    #[error("bus url `{url}` is not understood")]
    Url {
        /// As it was given.
        url: String,
    },
    /// The carrier is known but not part of this build.
    #[error("bus url `{url}` needs the kafka carrier, which this build does not have")]
    NotBuilt {
        /// As it was given.
        url: String,
    },
    /// An option is out of its range.
    #[error("bus option `{option}` is {value}, expected {expected}")]
    Option {
        /// Its name in the configuration.
        option: &'static str,
        /// As it was given.
        value: String,
        /// The range, or the relation to another option.
        expected: String,
    },
    /// A consumer name is empty, too long, or has other characters than letters, digits and `. _ - :`.
    #[error("consumer name `{name}` is not 1 to 64 characters of a-z A-Z 0-9 . _ - :")]
    ConsumerName {
        /// As it was given.
        name: String,
    },
    /// The snapshot in every segment header lists all consumers, so their number is bounded.
    #[error("consumer `{name}` would be one more than the {limit} there may be")]
    TooManyConsumers {
        /// The one refused.
        name: String,
        /// How many there may be.
        limit: usize,
    },
    /// A record or batch is larger than a named limit.
    #[error("{what} is {found}, the limit is {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: &'static str,
        /// How large it is.
        found: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The partition does not exist on this bus.
    #[error("{topic} has {partitions} partitions, asked for number {partition}")]
    UnknownPartition {
        /// The topic.
        topic: Topic,
        /// The partition asked for, counted from 0.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The offset was there once; retention has released its segment.
    #[error("offset {offset} of {at} has expired, retained are {first} to {next} (exclusive)")]
    Expired {
        /// Where.
        at: TopicPartition,
        /// Asked for.
        offset: u64,
        /// First offset still there.
        first: u64,
        /// One past the last.
        next: u64,
    },
    /// The offset lies beyond the end: whoever holds it has seen more than this bus has.
    #[error("offset {offset} of {at} lies beyond the end, next is {next}")]
    BeyondEnd {
        /// Where.
        at: TopicPartition,
        /// Asked for.
        offset: u64,
        /// One past the last durable record.
        next: u64,
    },
    /// No room: the configured limit is reached or the disk is full. Nothing was written; it resumes by itself.
    #[error("{place} is full: {used_bytes} bytes used{}", full_detail(*.limit_bytes, .held_by.as_deref()))]
    DiskFull {
        /// The data directory, or `memory`.
        place: String,
        /// What the bus occupies.
        used_bytes: u64,
        /// The configured limit this request had to stay under; none when the disk itself is full.
        limit_bytes: Option<u64>,
        /// The pinning consumer that keeps the oldest segment, if one does.
        held_by: Option<String>,
    },
    /// Another process (or another handle in this one) has the directory open.
    #[error("{} is in use by another plume process", .dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// A log of the virtual clock is opened with the system clock, or the other way round (D3).
    #[error("{} was written on the {found} clock, and is opened with the {asked} clock", .dir.display())]
    ClockMismatch {
        /// The data directory.
        dir: PathBuf,
        /// In its headers.
        found: ClockKind,
        /// In the options.
        asked: ClockKind,
    },
    /// Partitions are fixed at init (D7).
    #[error("{} has {found} partitions, and is opened with {asked}", .dir.display())]
    PartitionsMismatch {
        /// The data directory.
        dir: PathBuf,
        /// In its headers.
        found: u32,
        /// In the options.
        asked: u32,
    },
    /// A segment of another format version.
    #[error("{} has format version {found}, this build reads version {known}", .file.display())]
    Version {
        /// The segment.
        file: PathBuf,
        /// In its header.
        found: u16,
        /// What this build reads and writes.
        known: u16,
    },
    /// Bytes that were durable are not what was written.
    #[error("{} is damaged at byte {offset}: {what}", .file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where the damage starts.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Damage that even [`crate::Recovery::SetAside`] cannot go around: nothing else tells which offsets were handed
    /// out.
    #[error("{} cannot be repaired: {what}", .file.display())]
    Unrepairable {
        /// The segment.
        file: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file operation failed outside the write path: opening, listing, reading.
    #[error("cannot {action} {}", .file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        file: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The write or sync carrying this request failed. Whether its bytes reached the disk is unknown, so nothing was
    /// acknowledged, and the bus takes no further writes until it is opened again.
    #[error("cannot {action} {} at byte {offset}, the bus has stopped taking writes", .file.display())]
    WriteFailed {
        /// What was tried.
        action: &'static str,
        /// The segment.
        file: PathBuf,
        /// Where the unacknowledged bytes begin.
        offset: u64,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// An earlier write failed; see [`BusError::WriteFailed`]. Reading goes on.
    #[error("the bus takes no writes since it could not {action} {} at byte {offset}", .file.display())]
    Stopped {
        /// What had been tried.
        action: &'static str,
        /// The segment.
        file: PathBuf,
        /// Where the unacknowledged bytes begin.
        offset: u64,
    },
    /// The topics are missing or other than plume needs them.
    #[error("the topics do not fit: {}", .problems.join("; "))]
    Topics {
        /// A sentence each.
        problems: Vec<String>,
    },
    /// The brokers did not answer, or refused. Nothing is known of what was under way; it may be tried again.
    #[error("cannot {action} {place}: {reason}")]
    Broker {
        /// What was tried.
        action: &'static str,
        /// On which line, topic, group or brokers.
        place: String,
        /// The client library's words.
        reason: String,
    },
    /// Another process has taken over what this one worked on.
    #[error("consumer `{name}` has been replaced at {at} by another process: {reason}")]
    Fenced {
        /// The consumer.
        name: String,
        /// The line it worked on.
        at: TopicPartition,
        /// The brokers' words.
        reason: String,
    },
    /// The reports' partitions are being made more: these take no records any more, others soon will.
    #[error("{at} takes no more records: `plume bus grow` is moving its topics")]
    Sealed {
        /// The line it was for.
        at: TopicPartition,
    },
    /// The topics this process works on are no longer those in use.
    #[error("the topics in use are those of generation {now}, this process works on generation {own}")]
    Moved {
        /// Its own.
        own: u32,
        /// The one in use.
        now: u32,
    },
    /// `close` was called.
    #[error("the bus is closed")]
    Closed,
}

impl BusError {
    /// What the reader of the message can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Url { .. } => "use `memory:`, `file:DIR` or `kafka://host:port,host:port/prefix`".into(),
            Self::NotBuilt { .. } => "use `file:DIR` on one machine, or a build with the feature `kafka`".into(),
            Self::Option { option, .. } => format!("correct `{option}` in section [bus]"),
            Self::ConsumerName { .. } => "name it after the role that reads, such as `archive`".into(),
            Self::TooManyConsumers { .. } => "reuse a consumer name; names are not forgotten".into(),
            Self::TooLarge { .. } => "send less at once".into(),
            Self::UnknownPartition { .. } => "compute the partition with the number the bus reports".into(),
            Self::Expired { first, .. } => {
                format!("continue at {first}; what came before is in the archive's packets and readings")
            }
            Self::BeyondEnd { .. } => {
                "the reader's position comes from another log: point it at the right directory or reset its position"
                    .into()
            }
            Self::DiskFull {
                limit_bytes: Some(_), ..
            } => {
                "bring the consumer that holds the log forward, or raise `max_bytes`; writing resumes by itself".into()
            }
            Self::DiskFull { .. } => "free space on that disk; writing resumes by itself".into(),
            Self::Locked { dir } => {
                format!(
                    "stop the other process, or give this one its own directory instead of {}",
                    dir.display()
                )
            }
            Self::ClockMismatch { .. } => "a demo or simulation needs its own data directory".into(),
            Self::PartitionsMismatch { found, .. } => {
                format!("set `partitions = {found}`; the number is fixed when the log is made")
            }
            Self::Version { .. } => "open it with the plume version that wrote it".into(),
            Self::Damaged { file, .. } => format!(
                "restore {} from a copy, or open once with `recovery = \"set_aside\"`: the damaged part is kept in a \
                 .damaged file and what was lost is reported",
                file.display()
            ),
            Self::Unrepairable { .. } => {
                "restore the directory from a copy, or move it away to start an empty log; consumers then begin at 0"
                    .into()
            }
            Self::Io { .. } => {
                "check that the directory exists, is on a healthy disk and belongs to plume's user".into()
            }
            Self::WriteFailed { .. } | Self::Stopped { .. } => {
                "check the disk (dmesg, smartctl), then restart plume: it verifies the log before it goes on".into()
            }
            Self::Topics { .. } => "run `plume bus init` with this configuration, or correct it".into(),
            Self::Broker { .. } => {
                "check that the brokers run and can be reached from here; plume tries again, nothing answered is lost"
                    .into()
            }
            Self::Fenced { .. } => "nothing to do: the other process goes on from the last commit".into(),
            Self::Sealed { .. } => "nothing to do: it goes on by itself, and nothing answered is lost".into(),
            Self::Moved { .. } => "start it again; a supervisor does".into(),
            Self::Closed => "open the bus again".into(),
        }
    }
}

fn full_detail(limit_bytes: Option<u64>, held_by: Option<&str>) -> String {
    let limit = limit_bytes.map_or_else(
        || ", no space left on the disk".to_owned(),
        |limit| format!(" of {limit} allowed to this request"),
    );
    held_by.map_or(limit.clone(), |name| {
        format!("{limit}, the oldest is held by consumer `{name}`")
    })
}
