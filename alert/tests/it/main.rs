//! The desk's engine from outside: events and acts in, cases, notices and messages out.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod accounts;
mod acts;
mod api;
mod book;
mod crash;
mod daily;
mod desk;
mod escalation;
mod followed;
mod gateways;
mod inhibition;
mod leases;
mod mail;
mod notices;
mod postgres;
mod problems;
mod recomputed;
mod retraction;
mod series;
mod words;
mod world;
