//! What deploy's signals name findings by; nobody asks the world how it is.

#[path = "../../src/status/words.rs"]
pub(crate) mod words;
