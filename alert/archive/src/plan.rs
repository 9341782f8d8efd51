//! What is being written: durable before the first file of it, so that whoever comes after a crash does the same again.

use plume_bus::TopicPartition;
use serde::{Deserialize, Serialize};

use crate::ArchiveError;
use crate::files::Files;
use crate::manifest::{self, Manifest};

/// The file. It holds the last plan; one whose number the manifest has passed is done.
const PLAN: &str = "plan.json";
/// Version of the file.
const VERSION: u32 = 0;

/// An operation begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    v: u32,
    /// The line it will be in the manifest.
    pub(crate) seq: u64,
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Work {
    /// Write the records `first..next` of a line of the log.
    Batch {
        topic: String,
        partition: u32,
        first: u64,
        next: u64,
        /// SHA-256 of what was remembered before the first record.
        memory: Option<String>,
    },
    /// Merge batches into what readers see.
    Publish {
        parts: Vec<PartPlan>,
        /// The log's clock.
        clock: Option<i64>,
    },
}

/// One file to be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartPlan {
    pub(crate) name: String,
    /// Batch files to merge into it, in this order.
    pub(crate) inputs: Vec<String>,
    /// The time for marks of its rows is over.
    #[serde(default)]
    pub(crate) confirmed: bool,
}

/// A batch begun before a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BegunBatch {
    pub(crate) at: TopicPartition,
    pub(crate) next: u64,
}

impl Plan {
    pub(crate) fn new(manifest: &Manifest, work: Work) -> Self {
        Self {
            v: VERSION,
            seq: manifest.seq,
            work,
        }
    }

    /// Makes the plan durable.
    pub(crate) fn store(&self, files: &Files) -> Result<(), ArchiveError> {
        files.put(PLAN, manifest::to_json(files, PLAN, self)?.as_bytes())
    }

    /// The plan that was begun and not finished, if there is one.
    pub(crate) fn unfinished(files: &Files, manifest: &Manifest) -> Result<Option<Self>, ArchiveError> {
        let Some(content) = files.read_if_there(PLAN)? else {
            return Ok(None);
        };
        let plan: Self = serde_json::from_slice(&content).map_err(|error| ArchiveError::Damaged {
            file: files.path(PLAN),
            found: error.to_string(),
            expected: "a plan".to_owned(),
        })?;
        if plan.v != VERSION {
            return Err(ArchiveError::Damaged {
                file: files.path(PLAN),
                found: format!("version {}", plan.v),
                expected: format!("version {VERSION}"),
            });
        }
        Ok((plan.seq == manifest.seq).then_some(plan))
    }

    /// The batch it is about.
    pub(crate) fn batch(&self) -> Option<BegunBatch> {
        match &self.work {
            Work::Batch {
                topic, partition, next, ..
            } => Some(BegunBatch {
                at: TopicPartition::new(manifest::topic(topic)?, *partition),
                next: *next,
            }),
            Work::Publish { .. } => None,
        }
    }
}
