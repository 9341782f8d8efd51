//! What opening a log found and did: for the operator's log line, and for tests.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::record::TopicPartition;

/// One thing recovery did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The segment.
    pub file: PathBuf,
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How many bytes are concerned.
    pub bytes: u64,
    /// What it is.
    pub kind: FindingKind,
    /// The copy of the bytes, where one was made.
    pub kept_in: Option<PathBuf>,
    /// Offsets that were there and no longer are.
    pub lost: Vec<(TopicPartition, Range<u64>)>,
    /// Offsets that are left out because nothing tells whether they were there.
    pub skipped: Vec<(TopicPartition, Range<u64>)>,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// An unfinished write at the end, cut off. Never acknowledged. The normal trace of a kill or a power cut.
    TornTail,
    /// A complete but wrong batch at the end after an unclean end, cut off and kept aside. Most likely never
    /// acknowledged.
    UnsureTail,
    /// Damage to what had been durable, set aside.
    SetAside(&'static str),
    /// A segment that is gone; an empty one stands in.
    Missing,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail => f.write_str("an unfinished write at the end was cut off"),
            Self::UnsureTail => f.write_str("a wrong batch at the end, probably never acknowledged, was cut off"),
            Self::SetAside(what) => write!(f, "damage was set aside: {what}"),
            Self::Missing => f.write_str("the segment is missing"),
        }
    }
}
