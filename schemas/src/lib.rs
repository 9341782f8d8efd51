//! The ground every room stands on: what flows from the stack to the warning desk, as types.
//!
//! ```text
//! bytes ─▶ Frame ─▶ Packet ─▶ Report ══bus: reports══▶ Window ─▶ Judgement ─▶ Event ══bus: events══▶ Alert ─▶ Notice
//! ```
//!
//! This crate does no IO, reads no clock and holds no state of its own. Read it in this order:
//!
//! | to learn | read |
//! |---|---|
//! | how things are named, timed and counted | [`ids`], [`time`], [`decimal`] |
//! | what a device said | [`reading`], [`report`] |
//! | what the log of reports holds | [`entry`] |
//! | what the judge says | [`rule`], [`judgement`], [`event`] |
//! | who has which outlets and limits | [`registry`] (with its check and its import from sheets) |
//! | what the standards say | [`factors`], [`units`], [`formulas`], [`limits`], [`codes`]; their tables in `data/` |
//! | where a record goes, and how | [`partition`], [`wire`] (`proto/plume/v0/plume.proto`, `proto/NUMBERS.md`) |
//! | what happens to repeats | [`dedupe`] |
//! | how other systems get an alert | [`event_json`] (`json/alert.schema.json`) |
//!
//! Adding a factor is one row in `data/factors.csv`; adding a member to a closed set is one line, with a number never
//! used before, and the build then names every place that must know it.

pub mod ids;
pub mod time;

pub mod decimal;
pub mod reading;
pub mod report;

pub mod check;
pub mod entry;
pub mod event;
pub mod judgement;
pub mod recompute;
pub mod rule;

pub mod registry;

pub mod codes;
pub mod factors;
pub mod formulas;
pub mod limits;
pub mod rate_limits;
pub mod units;

pub mod dedupe;
pub mod event_json;
pub mod mask;
pub mod partition;
pub mod wire;

mod table;

pub use table::CatalogueError;
