//! From the device: HJ 212 codec and sessions without IO, normalisation, quarantine, TCP.

pub mod config;
pub mod hj212;
pub mod normalize;
pub mod quarantine;
