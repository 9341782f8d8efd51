//! What loads and benches share: packets of a chosen size, reports of many stacks. The binary is `plume-load`; the
//! benches are in `benches/`.

pub mod error;
pub mod packets;
pub mod reports;
