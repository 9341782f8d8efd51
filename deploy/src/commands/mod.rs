//! The errands of the command line that are not a running plume.

pub(crate) mod backup;
pub(crate) mod bus;
pub(crate) mod cases;
pub(crate) mod chart;
mod chart_checks;
pub(crate) mod check;
mod client;
pub(crate) mod command;
pub(crate) mod conformance;
pub(crate) mod decode;
pub(crate) mod doctor;
pub(crate) mod enter;
pub(crate) mod evidence;
pub(crate) mod explain;
#[cfg(feature = "kafka")]
mod grow;
pub(crate) mod init;
pub(crate) mod marks;
pub(crate) mod modbus;
pub(crate) mod notify;
mod place;
pub(crate) mod query;
pub(crate) mod rate;
pub(crate) mod readmit;
pub(crate) mod replay;
pub(crate) mod running;
pub(crate) mod score;
pub(crate) mod score_desk;
pub(crate) mod score_quality;
pub(crate) mod seeded;
pub(crate) mod simulate;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod support;
pub(crate) mod upgrade;
pub(crate) mod verify;
pub(crate) mod view;
