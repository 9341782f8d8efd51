//! HJ 212 without IO: bytes to frames, frames to packets, packets to fields, and back.
//!
//! Three dialects: HJ/T 212-2005, HJ 212-2017, HJ 212-2025. No device in the field conforms in full, so everything
//! here gives a value plus complaints: what was readable is kept, what was odd is named.

pub mod complaints;
pub mod conformance;
pub mod crc;
mod digits;
pub mod encode;
mod ending;
pub mod explain;
pub mod fields;
pub mod frame;
pub mod headers;
pub mod intake;
pub mod keys;
pub mod packet;
pub mod reply;
pub mod session;
mod shape;
pub mod sm4;
mod subfields;
pub mod tokens;
pub mod tolerance;
mod values;

pub use ending::{Check, CheckKind};
