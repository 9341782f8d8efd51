//! Integration tests of the binary and of the house as a whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod examples;
mod run;
mod tidy;
