//! The registry (基础档案): who has which outlets, which devices serve them, what they may emit, from when to when (D8).
//!
//! Its truth is the log: an import or an edit appends a whole [`Registry`] as a new revision to every partition.

mod index;
mod types;
mod validity;

pub use index::{RegistryIndex, Route};
pub use types::{
    Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source, StopWork,
};
pub use validity::Validity;
