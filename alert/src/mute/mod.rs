//! Reasons to stay quiet: the hours of the night, other cases that explain this one, and people's wishes.

pub mod inhibit;
pub mod quiet;
pub mod silence;
