//! Modbus without IO: what to ask, what the answers mean, and when to ask again.
//!
//! ```text
//! map (TOML) ─▶ Model ─▶ plan ─▶ Read ──▶ device ──▶ words ─▶ decode ─▶ Snapshot ─▶ series ─▶ minute ─▶ Report
//!                        └────────── bus: due, retries, back-off ──────────┘
//! ```
//!
//! Nothing here owns a socket or a clock; [`crate::poll`] does what [`bus::BusCore`] asks for. Nothing here can write
//! to a device: [`read::Read`] is the only request there is.

pub mod read;

pub mod map;
pub mod plan;

pub mod decode;
pub mod value;
pub mod words;

pub mod series;
pub mod stack;

pub mod bus;
pub mod minute;
pub mod report;

pub mod hints;
