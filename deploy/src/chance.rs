//! The only place that draws chance, as [`crate::clock`] is the only one that reads a clock.

use std::io::Read as _;

use anyhow::Context as _;
use plume_alert::accounts::TOKEN_BYTES;

/// Random bytes from the operating system, enough for a session or a key.
pub(crate) fn chance() -> anyhow::Result<[u8; TOKEN_BYTES]> {
    let mut bytes = [0; TOKEN_BYTES];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.context("read /dev/urandom")?;
    Ok(bytes)
}
