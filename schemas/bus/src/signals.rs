//! What the bus tells the operator: one function per happening. Counts are in [`crate::BusStats`].

use std::path::Path;

use crate::BusError;
use crate::findings::{Finding, FindingKind};

/// Opening found something.
pub(crate) fn found(finding: &Finding) {
    let Finding {
        file,
        offset,
        bytes,
        kind,
        kept_in,
        lost,
    } = finding;
    let (file, kept_in) = (file.display(), kept_in.as_deref().map(Path::display));
    let lost = lost
        .iter()
        .map(|(at, range)| format!("{at} {}..{}", range.start, range.end))
        .collect::<Vec<_>>()
        .join(", ");
    if *kind == FindingKind::TornTail {
        tracing::info!(%file, offset, bytes, "{kind}");
    } else {
        tracing::warn!(%file, offset, bytes, kept_in = kept_in.map(tracing::field::display), lost, "{kind}");
    }
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
