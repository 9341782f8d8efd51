//! The ground every room stands on: what flows from the stack to the warning desk, as types.
//!
//! ```text
//! bytes ─▶ Frame ─▶ Packet ─▶ Report ══bus: reports══▶ Window ─▶ Judgement ─▶ Event ══bus: events══▶ Alert ─▶ Notice
//! ```
//!
//! This crate does no IO, reads no clock and holds no state of its own. Read it in the order of the modules below.

pub mod ids;
pub mod time;

pub mod decimal;
pub mod reading;
pub mod report;

pub mod entry;
pub mod event;
pub mod judgement;
pub mod rule;

pub mod registry;

pub mod codes;
pub mod factors;
pub mod formulas;
pub mod limits;
pub mod units;

pub mod dedupe;
pub mod event_json;
pub mod partition;
pub mod wire;

mod table;

pub use table::CatalogueError;
