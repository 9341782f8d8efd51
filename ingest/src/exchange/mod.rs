//! Talking back to devices, without IO: orders of people and of plume itself, their timeouts and retries by the
//! standard, and the hours that are asked for after an outage (D16).
//!
//! ```text
//! order ─▶ Command ══ log: commands ══▶ Exchange ─▶ bytes to the newest link of the device
//!                       log: reports ──▶    │
//!                 (answers, presence)       └─▶ Outcome ══ log: command_results ══▶
//! ```
//!
//! The exchange hears devices from the log, not from their links: what is not durable was not said. So every ingest can
//! run one, and carries out what is for the links it holds.

pub mod command;
pub mod config;
pub mod engine;
pub mod gaps;
pub mod heard;
mod leaving;
pub mod order;
pub mod vault;
