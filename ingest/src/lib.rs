//! From the device: HJ 212 codec and sessions without IO, normalisation, quarantine, TCP.
//!
//! ```text
//! bytes ─▶ Frame ─▶ Packet ─▶ Fields ─▶ Report ══▶ bus        (hj212::frame, packet, fields, normalize)
//!                                └── answer, once durable ──▶ (hj212::session, link)
//! ```
//!
//! Everything up to [`hj212::session`] is without IO and clock; only `tcp` and `link` own sockets.

mod clock;
pub mod config;
pub mod hj212;
mod link;
pub mod normalize;
pub mod quarantine;
pub mod signals;
pub mod store;
pub mod tcp;

pub use clock::MonotoneClock;
pub use tcp::{Ingest, IngestError, IngestHandle};
