//! The bus from outside: one contract for every carrier, and the embedded log on a disk that fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod ahead;
mod support;

mod contract;
mod contract_limits;

mod corruption_table;
mod crash;
mod damage;
mod disk;
mod files;
mod group;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_grow;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod messages;
mod model;
mod opening;
mod rolling;
mod throughput;
