//! The bus: what one room has said durably, every other room reads at its own pace.
//!
//! ```text
//! ingest ── append ──▶ ┌───────────────────────────────────────┐ ── read ──▶ detect, archive, desk
//!                      │ topic/partition: 0 1 2 3 4 5 … next   │ ◀─ commit ─ (per consumer: next offset to read)
//! detect ─ transact ─▶ └───────────────────────────────────────┘ ── wait ──▶ (wakes when an offset is durable)
//! ```
//!
//! Three promises, the same on every carrier and held by one contract suite (`tests/it/contract.rs`):
//! 1. `append` returns only when every record of the vec is durable; the vec is all or nothing.
//! 2. `transact` makes outputs and committed offsets durable in one atomic write: that is exactly-once.
//! 3. `read` shows durable records only, in offset order, each offset once, for as long as retention keeps them.
//!
//! Carriers, chosen by URL: `memory:` (tests, nothing survives), `file:DIR` (one machine) and `kafka://host:port/…`
//! (many machines; feature `kafka`, without which the URL is refused with a clear message).

mod bus;
mod config;
mod embedded;
mod error;
mod findings;
pub mod fs;
#[cfg(feature = "kafka")]
mod kafka;
mod kafka_url;
mod ledger;
mod marks;
mod membership;
mod memory;
mod options;
mod record;
mod retention;
mod signals;
mod stats;

pub use bus::Bus;
pub use config::{Ack, BusConfig, KafkaConfig};
/// Version of the embedded log's segments that this plume writes and reads.
pub use embedded::{FORMAT_VERSION as LOG_FORMAT, LOCK_FILE as LOG_LOCK, whole_bytes};
pub use error::BusError;
pub use findings::{Finding, FindingKind};
#[cfg(feature = "kafka")]
pub use kafka::{AGE_STEPS, Ends, Generation, HEARD_WITHIN, KafkaTopics, TopicAdmin};
pub use kafka_url::KafkaUrl;
pub use membership::{Change, Membership, RELEASE_LIMIT, Released};
pub use options::{AHEAD_BYTES, BusOptions, BusUrl, ClockKind, Pinning, Recovery};
pub use record::{
    ConsumerId, MAX_BATCH_BYTES, MAX_BATCH_RECORDS, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, NewRecord, ReadLimit, Record,
    Topic, TopicPartition,
};
pub use stats::{BusStats, ConsumerPosition, Extent};
