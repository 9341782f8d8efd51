//! Integration tests of the binary and of the house as a whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says what it skips and what it counted")]

#[path = "../../../alert/archive/tests/it/make.rs"]
#[allow(dead_code, reason = "records of the archive's own tests; each binary uses its part")]
mod make;
#[path = "../support/mod.rs"]
mod support;

mod amounts;
mod archive;
mod backup;
mod backup_killed;
mod chart;
mod checks;
mod commands;
mod conformance;
mod desk_edit;
mod docs;
mod doctor;
mod drain;
mod editions;
mod examples;
mod judge;
mod keys;
mod lost_log;
mod modbus;
mod orders;
mod overload;
mod readme;
mod readmit;
mod relay;
mod reports;
mod run;
mod score;
mod secrets;
mod simulate;
mod tidy;
mod turbine;
mod upgrade;
