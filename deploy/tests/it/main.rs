//! Integration tests of the binary and of the house as a whole.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod examples;
mod run;
mod tidy;
