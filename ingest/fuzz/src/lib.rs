//! The bodies of the fuzz targets: the very ones the tests run over the committed corpus.

#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/it/bench.rs"]
mod bench;
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/it/bodies.rs"]
mod bodies;
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
#[path = "../../tests/it/vectors.rs"]
mod vectors;

/// The same frames however the stream is cut.
pub fn framer(bytes: &[u8]) {
    bodies::framer(bytes);
}

/// What is encoded is decoded.
pub fn round_trip(bytes: &[u8]) {
    bodies::round_trip(bytes);
}

/// What is sealed is opened, and any bytes make no panic.
pub fn sm4_region(bytes: &[u8]) {
    bodies::sm4_region(bytes);
}

/// A packet after others is read as if it were the first.
pub fn remembered(bytes: &[u8]) {
    bodies::remembered(bytes);
}

/// A link survives any bytes and answers no more than it keeps.
pub fn session(bytes: &[u8]) {
    bodies::session(bytes);
}
