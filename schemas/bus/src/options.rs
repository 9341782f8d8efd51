//! How a bus is opened: its URL, and the options every carrier checks the same way.

use std::fmt;
use std::path::PathBuf;

use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ConsumerId, Topic};

/// Most partitions. One machine needs no more, and every segment header lists the offsets of each.
pub(crate) const MAX_PARTITIONS: u32 = 256;
/// Smallest segment. Tests roll at this size; below it headers would outweigh records.
pub(crate) const MIN_SEGMENT_BYTES: u64 = 1 << 10;
/// Largest segment: a reader indexes a whole segment at once, and retention frees no less than one.
pub(crate) const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// Zeros written ahead of the log's end, for [`BusOptions::ahead_bytes`]: seven groups of a busy log. A sync that
/// finds the file as long as it was takes half the time (115 against 265 µs on ext4); more zeros gain nothing, and make
/// the sync that carries them longer.
pub const AHEAD_BYTES: u64 = 256 << 10;
/// `max_bytes` holds at least this many segments, so that the oldest can go while the newest grows.
pub(crate) const MIN_SEGMENTS: u64 = 4;
/// One part in this many of `max_bytes` is kept for `commit` and `transact`: consumers that advance are what frees
/// space, so they must still be able to write when `append` is refused.
pub(crate) const RESERVE_PARTS: u64 = 8;

/// Which carrier, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusUrl {
    /// `memory:`, gone with the process.
    Memory,
    /// `file:DIR`, one segmented log in a directory.
    File(PathBuf),
    /// `kafka://host:port,…/prefix?…`, the brokers of a cluster.
    Kafka(KafkaUrl),
}

impl BusUrl {
    /// Reads `memory:`, `file:DIR` or `kafka://…`; anything else is [`BusError::Url`].
    pub fn parse(url: &str) -> Result<Self, BusError> {
        let refused = || BusError::Url { url: url.to_owned() };
        match url.split_once(':').ok_or_else(refused)? {
            ("memory", "") => Ok(Self::Memory),
            ("file", dir) if !dir.is_empty() => Ok(Self::File(PathBuf::from(dir))),
            ("kafka", rest) if rest.len() > 2 && rest.starts_with("//") => Ok(Self::Kafka(KafkaUrl::parse(url)?)),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(dir) => write!(f, "file:{}", dir.display()),
            Self::Kafka(url) => url.fmt(f),
        }
    }
}

/// Whose time the records carry (D3). Named in every segment header, never mixed in one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The machine's: real devices.
    System,
    /// One that is driven: demo, simulation.
    Virtual,
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Virtual => "virtual",
        })
    }
}

/// What opening does about damage to bytes that had been durable. (An unfinished write at the very end is no damage: it
/// was never acknowledged, and is cut off either way.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Refuse to open, naming file, offset and remedy.
    Refuse,
    /// Verify every segment, copy what is damaged to `.damaged` files, report the lost offsets, go on with the rest.
    SetAside,
}

/// A consumer that segments wait for, on the topics it reads.
///
/// Detect pins `reports` only: it never reads what it writes. Archive pins every topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinning {
    /// Who.
    pub consumer: ConsumerId,
    /// What it reads, all partitions of each.
    pub topics: Vec<Topic>,
}

/// How the bus keeps what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusOptions {
    /// Lines per topic, 1 to 256; fixed when a directory is first opened (D7).
    pub partitions: u32,
    /// Whose time the records carry (D3).
    pub clock: ClockKind,
    /// A segment is closed when the next batch would make it longer; 1 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Consumed segments are kept as long as this many bytes remain; less only when room is short.
    pub keep_bytes: u64,
    /// The bus never occupies more. `append` is refused from 7/8 of it, `transact` and `commit` at all of it.
    pub max_bytes: u64,
    /// A segment is released only when each of these has committed past it.
    pub pinning: Vec<Pinning>,
    /// Zeros that are written ahead of the log's end at a time; 0 for none.
    pub ahead_bytes: u64,
    /// What to do about damage.
    pub recovery: Recovery,
}

impl BusOptions {
    /// Checks each range and the relations between options.
    pub fn check(&self) -> Result<(), BusError> {
        let refuse = |option, value: u64, expected| {
            Err(BusError::Option {
                option,
                value: value.to_string(),
                expected,
            })
        };
        if !(1..=MAX_PARTITIONS).contains(&self.partitions) {
            return refuse("partitions", self.partitions.into(), format!("1 to {MAX_PARTITIONS}"));
        }
        if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes) {
            let expected = format!("{MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES}");
            return refuse("segment_bytes", self.segment_bytes, expected);
        }
        let least = self.segment_bytes.saturating_mul(MIN_SEGMENTS);
        if self.max_bytes < least {
            let expected = format!("at least {MIN_SEGMENTS} × segment_bytes = {least}");
            return refuse("max_bytes", self.max_bytes, expected);
        }
        if self.keep_bytes > self.append_limit() {
            let expected = format!("at most 7/8 of max_bytes = {}", self.append_limit());
            return refuse("keep_bytes", self.keep_bytes, expected);
        }
        Ok(())
    }

    /// Where `append` stops: `max_bytes` without the reserve for those that free space.
    pub(crate) fn append_limit(&self) -> u64 {
        self.max_bytes - self.max_bytes / RESERVE_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(BusUrl::parse("memory:").unwrap(), BusUrl::Memory);
        assert_eq!(
            BusUrl::parse("file:./data/log").unwrap(),
            BusUrl::File("./data/log".into())
        );
        assert_eq!(
            BusUrl::parse("file:/var/lib/plume").unwrap().to_string(),
            "file:/var/lib/plume"
        );
        assert!(matches!(
            BusUrl::parse("kafka://a:9092,b:9092").unwrap(),
            BusUrl::Kafka(_)
        ));
        for bad in [
            "", "memory", "memory:x", "file:", "kafka:", "kafka://", "http://x", "/var/lib",
        ] {
            assert!(matches!(BusUrl::parse(bad), Err(BusError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn options_are_checked_one_by_one() {
        let good = BusOptions {
            partitions: 1,
            clock: ClockKind::System,
            segment_bytes: MIN_SEGMENT_BYTES,
            keep_bytes: 0,
            max_bytes: MIN_SEGMENTS * MIN_SEGMENT_BYTES,
            pinning: Vec::new(),
            ahead_bytes: 0,
            recovery: Recovery::Refuse,
        };
        good.check().unwrap();
        let bad = [
            BusOptions {
                partitions: 0,
                ..good.clone()
            },
            BusOptions {
                partitions: MAX_PARTITIONS + 1,
                ..good.clone()
            },
            BusOptions {
                segment_bytes: MIN_SEGMENT_BYTES - 1,
                ..good.clone()
            },
            BusOptions {
                segment_bytes: MAX_SEGMENT_BYTES + 1,
                ..good.clone()
            },
            BusOptions {
                max_bytes: good.max_bytes - 1,
                ..good.clone()
            },
            BusOptions {
                keep_bytes: good.append_limit() + 1,
                ..good.clone()
            },
        ];
        for options in bad {
            assert!(matches!(options.check(), Err(BusError::Option { .. })), "{options:?}");
        }
    }
}
