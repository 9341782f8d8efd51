//! The rules, one file each. Every file begins with its manual page; `docs/rules.md` is made from them.

pub(crate) mod constant;
pub(crate) mod exceed_hour;
pub(crate) mod miss;
pub(crate) mod near_hour;
