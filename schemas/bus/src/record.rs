//! What travels on the bus: topics, records, consumers, and the limits of each.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::BusError;

/// Largest payload of one record. Apache Kafka takes 1,048,588 bytes a message by default; this leaves room for its own
/// framing, so that a record that fits here fits there.
pub const MAX_PAYLOAD_BYTES: usize = 1_000_000;
/// Longest key. Keys are outlet ids and MNs, tens of bytes; one byte on disk holds the length.
pub const MAX_KEY_BYTES: usize = 255;
/// Most records in one `append` or `transact`: a bound on how long one caller can hold up the others.
pub const MAX_BATCH_RECORDS: usize = 65_536;
/// Most bytes (keys and payloads) in one `append` or `transact`; also a bound on memory while recovering.
pub const MAX_BATCH_BYTES: usize = 16 << 20;
/// Longest consumer name; one byte on disk holds the length, and names are typed by people.
pub(crate) const MAX_CONSUMER_BYTES: usize = 64;

/// What a record is about. The list is closed: a new topic breaks the build wherever it has to be thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What devices and ingest say: reports, ticks, presence; and the registry revisions copied to every partition.
    Reports,
    /// What could not be read, with its reason.
    Quarantine,
    /// What the judge said of each window.
    Judgements,
    /// The edges: opened, worsened, cleared, retracted.
    Events,
    /// The truth about outlets, limits and devices.
    Registry,
    /// Orders to devices.
    Commands,
    /// What became of the orders.
    CommandResults,
    /// Events as CloudEvents in JSON, for readers that are not plume's. Written only where others can read: on Kafka.
    Alerts,
}

impl Topic {
    /// Every topic, in the order of their codes on disk.
    pub const ALL: [Self; 8] = [
        Self::Reports,
        Self::Quarantine,
        Self::Judgements,
        Self::Events,
        Self::Registry,
        Self::Commands,
        Self::CommandResults,
        Self::Alerts,
    ];

    /// The name people and Kafka see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Quarantine => "quarantine",
            Self::Judgements => "judgements",
            Self::Events => "events",
            Self::Registry => "registry",
            Self::Commands => "commands",
            Self::CommandResults => "command_results",
            Self::Alerts => "alerts",
        }
    }

    /// The code on disk, 0 to 7; never reused for another topic.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// The topic of a code on disk.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One ordered line of records: a topic and one of its partitions (0 to `Bus::partitions() - 1`, the same for each
/// topic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// What it is about.
    pub topic: Topic,
    /// Which line of it.
    pub partition: u32,
}

impl TopicPartition {
    /// A line of a topic.
    pub const fn new(topic: Topic, partition: u32) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    /// `reports/3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A record to be appended. The caller has chosen the partition (`plume_schemas::partition`), so all carriers agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it goes.
    pub to: TopicPartition,
    /// What it is about (the outlet, or the MN of a command): Kafka's message key. At most [`MAX_KEY_BYTES`].
    pub key: String,
    /// The encoded message. At most [`MAX_PAYLOAD_BYTES`].
    pub payload: Bytes,
}

impl NewRecord {
    /// A record for `to`.
    pub fn new(to: TopicPartition, key: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            to,
            key: key.into(),
            payload: payload.into(),
        }
    }
}

/// A durable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub from: TopicPartition,
    /// Its place there: 0, 1, 2, … without holes, except where damage was set aside.
    pub offset: u64,
    /// The key it was appended with.
    pub key: Bytes,
    /// The encoded message.
    pub payload: Bytes,
}

/// How much one `read` may return. The first record is returned even if it alone is larger than `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most records.
    pub records: usize,
    /// Most bytes of keys and payloads together.
    pub bytes: usize,
}

impl ReadLimit {
    /// At most `records` records and 1 MiB.
    pub const fn records(records: usize) -> Self {
        Self {
            records,
            bytes: 1 << 20,
        }
    }
}

/// Who reads: a name with its own committed offsets. 1 to 64 characters of `a-z A-Z 0-9 . _ - :`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(Arc<str>);

impl ConsumerId {
    /// A consumer of this name, or [`BusError::ConsumerName`].
    pub fn new(name: impl AsRef<str>) -> Result<Self, BusError> {
        let name = name.as_ref();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
        if name.is_empty() || name.len() > MAX_CONSUMER_BYTES || !name.bytes().all(allowed) {
            return Err(BusError::ConsumerName { name: name.to_owned() });
        }
        Ok(Self(Arc::from(name)))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsumerId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_codes_round_trip_and_are_dense() {
        for (code, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(topic.code()), code);
            assert_eq!(Topic::from_code(topic.code()), Some(topic));
        }
        assert_eq!(Topic::from_code(8), None);
    }

    #[test]
    fn consumer_names_have_a_shape() {
        assert_eq!(ConsumerId::new("detect").unwrap().as_str(), "detect");
        assert!(ConsumerId::new("x".repeat(MAX_CONSUMER_BYTES)).is_ok());
        for bad in ["", "a b", "甲", "a/b", &"x".repeat(MAX_CONSUMER_BYTES + 1)] {
            assert!(
                matches!(ConsumerId::new(bad), Err(BusError::ConsumerName { .. })),
                "{bad}"
            );
        }
    }
}
