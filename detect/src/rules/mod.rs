//! The rules, one file each. Every file begins with its manual page; `docs/rules.md` is made from them.

pub(crate) mod amount;
pub(crate) mod budget;
pub(crate) mod calgap;
pub(crate) mod cap;
pub(crate) mod clock_skew;
pub(crate) mod common_cause;
pub(crate) mod constant;
pub(crate) mod drift;
pub(crate) mod exceed;
pub(crate) mod exceed_day;
pub(crate) mod exceed_hour;
pub(crate) mod flow0;
pub(crate) mod freq;
pub(crate) mod furnace;
pub(crate) mod hourmin;
pub(crate) mod jump;
mod manual;
pub(crate) mod mark_abuse;
pub(crate) mod miss;
pub(crate) mod near_day;
pub(crate) mod near_hour;
pub(crate) mod near_mark;
pub(crate) mod neg;
pub(crate) mod o2hi;
pub(crate) mod power;
pub(crate) mod range;
pub(crate) mod ratio;
pub(crate) mod shift;
pub(crate) mod smooth;
pub(crate) mod twin;
pub(crate) mod zero;
pub(crate) mod zsdev;

pub use manual::{Page, Parameter, manual, pages};
