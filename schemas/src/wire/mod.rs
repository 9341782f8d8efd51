//! The wire form of the log: protobuf, format 0, defined in `schemas/proto/plume/v0/plume.proto`.
//!
//! Encoding cannot fail. Decoding is strict where a mistake would change a judgement (numbers of closed sets, ids,
//! ranges) and lenient where a newer writer may have added a field. Any bytes give a value or a [`WireError`], never
//! a panic.

mod entry;
mod error;
mod judgement;
mod put;
mod report;

/// Made from the .proto by the test `wire_fresh`, which also says so when it has gone stale.
#[allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated code"
)]
mod generated {
    include!("generated.rs");
}

pub use entry::{decode_entry, encode_entry};
pub use error::WireError;
pub use judgement::{decode_event, decode_judgement, encode_event, encode_judgement};
pub use report::{decode_quarantined, encode_quarantined};

/// The format this build writes and reads. Free to change until the log format is frozen.
pub const FORMAT: u32 = 0;
