//! The ground, tried from outside.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers shared by the modules of one test binary: they are `pub` to each other and fail by panicking"
)]

mod checks;
mod dedupe;
mod event_json;
mod fresh;
mod messages;
mod numbers;
mod oxygen;
mod registry;
mod registry_edit;
mod strategies;
mod wire;
mod wire_fresh;
