//! What the bus tells the operator: one function per happening. Counts are in [`crate::BusStats`].

use std::ops::Range;
use std::path::Path;

use crate::BusError;
use crate::findings::{Finding, FindingKind};
use crate::record::TopicPartition;

/// Opening found something.
pub(crate) fn found(finding: &Finding) {
    let (file, kind) = (finding.file.display(), finding.kind);
    let Finding { offset, bytes, .. } = finding;
    if kind == FindingKind::TornTail {
        tracing::info!(%file, offset, bytes, "{kind}");
    } else {
        let kept_in = finding
            .kept_in
            .as_deref()
            .map(|kept| tracing::field::display(kept.display()));
        let (lost, skipped) = (ranges(&finding.lost), ranges(&finding.skipped));
        tracing::warn!(%file, offset, bytes, kept_in, lost, skipped, "{kind}");
    }
}

/// `reports/0 4..7, events/0 2..3`.
fn ranges(ranges: &[(TopicPartition, Range<u64>)]) -> String {
    let words: Vec<_> = ranges
        .iter()
        .map(|(at, range)| format!("{at} {}..{}", range.start, range.end))
        .collect();
    words.join(", ")
}

/// Writing is refused for want of room, from now on.
pub(crate) fn full(error: &BusError) {
    tracing::warn!(%error, hint = error.hint(), "writing is refused until there is room");
}

/// There is room again.
pub(crate) fn resumed() {
    tracing::info!("there is room again, writing goes on");
}

/// A write failed for good.
pub(crate) fn stopped(error: &BusError) {
    let cause = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    tracing::error!(%error, cause, hint = error.hint(), "the log stopped");
}

/// A consumed segment could not be removed; it is tried again at the next occasion.
pub(crate) fn not_released(file: &Path, error: &std::io::Error) {
    tracing::warn!(file = %file.display(), %error, "a consumed segment could not be removed");
}
