//! The `[bus]` section of the configuration.

use crate::BusError;
use crate::options::{AHEAD_BYTES, BusOptions, BusUrl, ClockKind, Pinning, Recovery};

/// Section `[bus]`; every default is in deploy's `default.toml`.
#[derive(Debug, Clone, serde::Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// `memory:`, `file:DIR` or `kafka://…`.
    pub url: String,
    /// Lines per topic, 1 to 256; fixed when the log is made.
    pub partitions: u32,
    /// Size at which a segment is closed, in bytes.
    pub segment_bytes: u64,
    /// Consumed segments are kept up to this many bytes.
    pub keep_bytes: u64,
    /// The log never occupies more bytes than this.
    pub max_bytes: u64,
    /// `"refuse"` or `"set_aside"`.
    pub recovery: Recovery,
    /// What there is only on Kafka.
    pub kafka: KafkaConfig,
}

/// When a device is answered that talks to a process with the role `ingest` over Kafka (D13).
#[derive(Debug, Clone, Copy, serde::Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// When all in-sync replicas have its packet.
    Isr,
    /// When the disk of this machine has it; the spool carries it to the brokers.
    Local,
}

/// Section `[bus.kafka]`.
#[derive(Debug, Clone, Copy, serde::Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Copies of each partition.
    pub replication: u16,
    /// How long records are kept, days; at least 7.
    pub retention_days: u32,
    /// When devices are answered.
    pub ack: Ack,
    /// The spool never occupies more bytes than this.
    pub spool_max_bytes: u64,
}

impl BusConfig {
    /// The checked URL and options. Clock and pinning consumers are what the process is made of, not configuration.
    pub fn resolve(&self, clock: ClockKind, pinning: Vec<Pinning>) -> Result<(BusUrl, BusOptions), BusError> {
        let options = BusOptions {
            partitions: self.partitions,
            clock,
            segment_bytes: self.segment_bytes,
            keep_bytes: self.keep_bytes,
            max_bytes: self.max_bytes,
            pinning,
            ahead_bytes: AHEAD_BYTES,
            recovery: self.recovery,
        };
        options.check()?;
        Ok((BusUrl::parse(&self.url)?, options))
    }
}
