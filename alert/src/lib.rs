//! To people: the case book, routes, notices and the desk's pages.
//!
//! ```text
//! Event ─▶ book ─▶ Case + trace ─▶ route ─▶ Notice ─▶ outbox ─▶ sinks
//!                     └─────────────── store (SQLite) ──────────────┘ ◀── desk (pages) ◀── people
//! ```
//!
//! Read it in the order of the modules below. [`Desk`] joins them; `deploy` feeds it events and runs its outbox.

mod named;

pub mod accounts;
pub mod config;
pub mod password;
pub mod users;

pub mod calendar;

pub mod act;
pub mod book;
pub mod case;
pub mod problem;
pub mod store;

pub mod checks;
pub mod digest;
pub mod duty;
pub mod entered;
pub mod fault;
pub mod group;
pub mod guidance;
pub mod links;
pub mod marks;
pub mod mute;
pub mod notify;
pub mod outbox;
pub mod publicity;
pub mod rates;
pub mod remind;
pub mod route;
pub mod rows;
pub mod sinks;
pub mod tables;
pub mod words;

pub mod series;
pub mod signals;

pub mod api;
pub mod desk;
mod run;

pub use run::{Desk, DeskError, EventOutcome, Finding, Heard, Invitation, TryError};
