//! Simulated plants and devices: seeded, with labelled faults, speaking HJ 212 as loggers in the field do.
//!
//! ```text
//! PlantSpec ─▶ Plant ─▶ Sample ─▶ Logger ─▶ Message ─▶ frames ─▶ Sender ─▶ TCP
//!              (truth)  (shown)   (annex D)             (misbehaviours)   (answers, resends, backfill)
//! ```
//!
//! The demo, tests, `plume simulate` and the benches use it. Everything but [`tcp`] and [`modbus`] is sans-IO and takes
//! time and seed as arguments.

pub mod plant;

pub mod logger;
pub mod message;

pub mod device;
pub mod misbehave;
pub mod sender;

pub mod from;
pub mod modbus;
pub mod story;
pub mod tcp;

mod answers;
mod chance;
mod codes;
mod obey;
mod secret;
