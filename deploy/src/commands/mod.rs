//! The errands of the command line that are not a running plume.

pub(crate) mod check;
pub(crate) mod decode;
pub(crate) mod enter;
pub(crate) mod simulate;
pub(crate) mod stats;
