//! The judge's tests: scripts in, judgements and events out.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod allocations;
mod cases;
mod charts;
mod checks;
mod draw;
mod drift;
mod explain;
mod honest;
mod levels;
mod long;
mod manual;
mod print;
mod property;
mod rate;
mod recomputed;
mod regroup;
mod score;
mod script;
mod state;
mod twin;
mod unheard;
mod validity;
mod warm;
