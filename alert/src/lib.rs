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
pub mod case;
pub mod store;

pub mod desk;
