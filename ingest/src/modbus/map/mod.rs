//! Register maps: what a device model holds, in a file of its own; and the site file that says where devices are.
//!
//! A unit of the site names a model (`use = "example-cems"`) and may change any key of it; registers are changed by
//! their name. Both are checked as one, and each problem names the file and key that has to be changed.

mod check;
mod file;
mod load;
mod model;
mod problem;
mod site;

pub use check::MAX_REGISTERS;
pub use load::load_model;
pub use model::{Check, ClockForm, DeviceClock, GasState, Model, Register, Standard, Status, When};
pub use problem::{MapFile, MapProblem};
pub use site::{Bus, Connect, MAX_BUSES, Parity, Site, Unit, load_site, models_of};
