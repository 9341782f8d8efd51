//! The errands of the command line that are not a running plume.

pub(crate) mod cases;
pub(crate) mod check;
mod client;
pub(crate) mod decode;
pub(crate) mod enter;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod marks;
pub(crate) mod modbus;
pub(crate) mod notify;
mod place;
pub(crate) mod query;
pub(crate) mod rate;
pub(crate) mod replay;
pub(crate) mod running;
pub(crate) mod score;
pub(crate) mod score_desk;
pub(crate) mod score_quality;
pub(crate) mod simulate;
pub(crate) mod stats;
pub(crate) mod verify;
pub(crate) mod view;
