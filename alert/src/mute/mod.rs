//! Reasons to stay quiet: the hours of the night, and other cases that explain this one.

pub mod inhibit;
pub mod quiet;
