//! Brokers that do not answer end no role: it says so, waits a little, and goes on from what is stored.

use std::time::Duration;

use plume_bus::BusError;

use super::Context;
use super::stop::Stop;

/// Pause before brokers that did not answer are asked again.
const BROKERS_PAUSE: Duration = Duration::from_secs(1);

impl Context {
    /// Says that the brokers do not answer, and waits a little before it is tried again; returns at once when told to
    /// stop. Nothing is lost meanwhile: what was not stored was not committed.
    pub(crate) async fn brokers_away(&self, role: &'static str, error: &BusError, stop: &Stop) {
        let sentence = format!("{error} ({})", error.hint());
        tracing::warn!(role, "{sentence}");
        self.health.complain(role, sentence);
        tokio::select! {
            () = tokio::time::sleep(BROKERS_PAUSE) => {}
            () = stop.clone().wait() => {}
        }
    }
}

/// True where the brokers did not answer, so that trying again mends it.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(BusError::Broker { .. } | BusError::Sealed { .. })
    )
}

/// True where the brokers refuse what this process writes to a line, because another one has claimed it since, or
/// because they ended a transaction that took too long. Claiming the line anew mends it, where it is still one's own.
pub(crate) fn is_refused(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(BusError::Fenced { .. }))
}
