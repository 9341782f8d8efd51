//! From the device: HJ 212 and Modbus cores without IO, normalisation, quarantine, sockets.
//!
//! ```text
//! bytes ─▶ Frame ─▶ Packet ─▶ Fields ─▶ Report ══▶ bus        (hj212::frame, packet, fields, normalize)
//!                                └── answer, once durable ──▶ (hj212::session, link)
//! registers ─▶ Snapshot ─▶ Minute ─▶ Report ══▶ bus    (modbus, poll)
//! ```
//!
//! Everything up to [`hj212::session`] and all of [`modbus`] is without IO and clock; only `tcp`, `link` and `poll` own
//! sockets.

pub mod again;
mod clock;
mod commit;
pub mod config;
pub mod exchange;
pub mod hj212;
mod link;
mod links;
pub mod modbus;
pub mod normalize;
pub mod poll;
pub mod quarantine;
pub mod readmit;
pub mod relay;
pub mod signals;
pub mod store;
pub mod tcp;
mod wire;

pub use clock::MonotoneClock;
pub use links::Links;
pub use poll::Poller;
pub use tcp::{Common, Ingest, IngestError, IngestHandle};
pub use wire::TlsError;
