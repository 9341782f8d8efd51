//! The errands of the command line that are not a running plume.

pub(crate) mod cases;
pub(crate) mod check;
mod client;
pub(crate) mod decode;
pub(crate) mod enter;
pub(crate) mod notify;
pub(crate) mod score_desk;
pub(crate) mod simulate;
pub(crate) mod stats;
