//! From rows to what a page shows: words, numbers with unit and time, a colour and a shape. Nothing here asks a store.

pub(crate) mod badge;
pub(crate) mod case;
mod export;
pub(crate) mod figures;
pub(crate) mod number;
pub(crate) mod sheet;
pub(crate) mod steps;
