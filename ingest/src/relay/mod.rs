//! Passing accepted packets on to other platforms (转发), byte for byte: each platform with a position of its own,
//! which moves only when it has answered.
//!
//! ```text
//! log: reports ─┐
//!   (archive) ──┴▶ Parcel ─▶ Upstream ─▶ bytes ─▶ platform
//!                            ▲    └─▶ Done(position) ─▶ disk
//!                            └── 9014, 9013 ──────────────┘
//! ```
//!
//! [`upstream`] is without IO and clock; the socket is the host's.

pub mod config;
pub mod upstream;
