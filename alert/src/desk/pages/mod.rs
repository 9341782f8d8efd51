//! The pages, one file each.

pub(crate) mod act;
pub(crate) mod bulletin;
pub(crate) mod case;
pub(crate) mod conformance;
pub(crate) mod device;
pub(crate) mod duty;
pub(crate) mod enrol;
pub(crate) mod enter;
pub(crate) mod faults;
mod filter;
pub(crate) mod link;
mod list;
pub(crate) mod login;
pub(crate) mod marks;
pub(crate) mod numbers;
pub(crate) mod orders;
pub(crate) mod outlet;
pub(crate) mod overview;
pub(crate) mod phone;
pub(crate) mod photos;
pub(crate) mod problems;
pub(crate) mod records;
pub(crate) mod registry;
pub(crate) mod reports;
pub(crate) mod silences;
pub(crate) mod tables;
pub(crate) mod users;
