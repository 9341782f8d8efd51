//! The judge: reports in, judgements and events out, as a pure function of the log (design D1, D2, D7 to D12).
//!
//! ```text
//! Entry ─▶ clock ─▶ time passes (hours close, deadlines, silence) ─▶ report ─▶ minutes, hours ─▶ rules ─▶ hold ─▶ Out
//! ```
//!
//! No clock, no IO, no async: whoever drives an [`Engine`] reads entries in recorded order, calls [`Engine::step`],
//! and stores what comes out together with the offset. A restart begins from a [checkpoint](Engine::checkpoint), or
//! from the log's beginning.
//!
//! Read in this order: `engine` (the partition), `outlet`, `closing` and `apply` (one outlet, its windows, one
//! report), `minutes`, `hours` and `samples` (what is remembered), `value` (which value of an hour is judged),
//! `rules/` (one file each, its manual page in front), `quality/` (what the rules of data quality and the leads
//! remember), `hold` (levels to edges), `state` (bytes); `chart/` apart.

pub mod chart;
pub mod config;
pub mod rate;
pub mod synthetic;
pub mod twin;

mod apply;
mod clock;
mod closing;
mod cycle;
mod engine;
mod explain;
mod factors;
mod hold;
mod marks;
mod minutes;
mod noise;
mod number;
mod out;
mod outlet;
mod plan;
mod quality;
mod recomputed;
mod retroactive;
mod ring;
pub mod rules;
mod samples;
mod series;
mod state;
mod value;
mod warm;

pub use config::Settings;
pub use engine::{Counts, Engine, HourOutlook, Memory, Partition, RegroupError};
pub use explain::{Lang, explain, explain_event};
pub use out::Out;
pub use recomputed::remembered_from;
pub use retroactive::affected;
pub use series::HOT_CORE_LIMIT;
pub use state::{FORMAT, RestoreError};
pub use warm::WarmUp;
