//! Tests that need several rooms at once and no socket: devices, exchange engine and judge in one thread, on one
//! virtual clock.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as loudly as tests"
)]

mod line;
mod load;
mod story;
mod turbine;
