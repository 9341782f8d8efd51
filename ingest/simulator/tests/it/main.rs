//! Tests of the simulator as its users see it: plants through loggers to packets, and the link on both sides.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as loudly as tests"
)]

mod conformance;
mod faults;
mod links;
mod misbehaviours;
mod orders;
mod packets;
mod platform;
mod story;
mod table;
mod tcp;
mod world;
