//! The rules, one file each. Every file begins with its manual page; `docs/rules.md` is made from them.

pub(crate) mod common_cause;
pub(crate) mod constant;
pub(crate) mod exceed;
pub(crate) mod exceed_day;
pub(crate) mod exceed_hour;
pub(crate) mod freq;
pub(crate) mod furnace;
mod manual;
pub(crate) mod miss;
pub(crate) mod near_day;
pub(crate) mod near_hour;
pub(crate) mod shift;

pub use manual::{Page, Parameter, manual, pages};
