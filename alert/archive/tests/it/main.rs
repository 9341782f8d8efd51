//! The archive from outside: what goes in, what lies in files, and a disk that fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod flow;
mod groups;
mod make;
mod model;
mod read;
mod readers;
mod runs;
#[cfg(feature = "s3")]
mod s3_stub;
#[cfg(feature = "s3")]
mod store;
