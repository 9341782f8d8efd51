//! Integration tests of the binary and of the house as a whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../alert/archive/tests/it/make.rs"]
#[allow(dead_code, reason = "records of the archive's own tests; each binary uses its part")]
mod make;
#[path = "../support/mod.rs"]
mod support;

mod archive;
mod commands;
mod docs;
mod examples;
mod modbus;
mod run;
mod tidy;
mod turbine;
