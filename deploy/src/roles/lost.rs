//! A log that is gone while others still know its offsets: archive and judge stand at places that a log begun anew at
//! zero would reach a second time, and take for what they have. So it begins above all that anybody knows.
//!
//! What nobody had read yet is lost with the log. The archive notes the offsets in between as a gap, the relay goes on
//! from the archive's packets, and the judge from its last checkpoint.

use std::path::Path;

use anyhow::Context as _;
use plume_bus::{Bus, BusUrl, Topic};

use super::{archive, at, checkpoint};
use crate::config::Config;

/// Above the last offset that is known: more records than the largest log holds may have come after it.
const ABOVE: u64 = 1 << 32;

/// Where the lines of a new log begin: 0 where nobody knows of an older one, or where the log is there.
pub(crate) fn first_offset(config: &Config, url: &BusUrl, data_dir: &Path) -> anyhow::Result<u64> {
    let BusUrl::File(dir) = url else { return Ok(0) };
    if has_segments(dir) {
        return Ok(0);
    }
    let location = archive::location(data_dir, &config.archive)?;
    let archived = archive::reader(&location)?.stats().lines;
    let judged = checkpoint::all(data_dir)
        .into_iter()
        .map(|path| checkpoint::load(&path));
    let judged: Vec<_> = judged
        .collect::<Result<_, _>>()
        .context("read the judge's checkpoints")?;
    let known = archived.iter().map(|line| line.next);
    let known = known
        .chain(judged.into_iter().flatten().map(|(offset, _)| offset))
        .max();
    let Some(known) = known.filter(|known| *known > 0) else {
        return Ok(0);
    };
    let first = known + ABOVE;
    tracing::warn!(
        known,
        first,
        "the log is gone: it begins anew above what archive and judge know, and what they had not read is lost"
    );
    Ok(first)
}

fn has_segments(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| path.extension().is_some_and(|ending| ending == "log"))
}

/// True where no report was ever appended to this log.
pub(crate) async fn is_new(bus: &Bus) -> anyhow::Result<bool> {
    for partition in 0..bus.partitions() {
        if !bus.range(at(Topic::Reports, partition)).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
