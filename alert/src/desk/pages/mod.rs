//! The pages, one file each.

pub(crate) mod act;
pub(crate) mod case;
pub(crate) mod duty;
pub(crate) mod enter;
mod filter;
mod list;
pub(crate) mod phone;
