//! From the device: HJ 212 codec and sessions without IO, normalisation, quarantine, TCP.

pub mod hj212;
