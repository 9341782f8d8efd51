//! Hours that lie further back than the desk's own memory. They are in the archive, which the desk does not know:
//! whoever does is asked through a queue.

use std::time::Duration;

use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::reading::Basis;
use plume_schemas::time::{Span, Time};
use tokio::sync::{mpsc, oneshot};

use super::ask::{ArchiveError, ask};
use super::state::DeskState;

/// Somebody waits for the page: an answer that takes longer is none. A year of one outlet takes about a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an hour's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The mean, on this basis, in the factor's unit.
    Mean(Basis),
    /// What came out in the hour: kg, of flows m³.
    Total,
}

/// One number of one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourValue {
    /// Of which factor.
    pub factor: FactorCode,
    /// Start of the hour.
    pub at: Time,
    /// Mean or total.
    pub quantity: Quantity,
    /// The number.
    pub value: f64,
    /// It counts in means and totals.
    pub counts: bool,
}

/// The hours of an outlet that somebody wants to see.
#[derive(Debug)]
pub struct HistoryQuestion {
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of one factor only.
    pub factor: Option<FactorCode>,
    /// From when to when.
    pub span: Span,
    /// Told the hours in any order, each once, or why there are none.
    pub answer: oneshot::Sender<Result<Vec<HourValue>, String>>,
}

/// The way of questions to whoever has the archive.
#[derive(Clone, Debug)]
pub struct HistoryQueue(mpsc::Sender<HistoryQuestion>);

impl HistoryQueue {
    /// A way whose other end answers.
    pub fn new(queue: mpsc::Sender<HistoryQuestion>) -> Self {
        Self(queue)
    }
}

impl DeskState {
    /// Says who knows the hours of the past. Only the first counts.
    pub fn set_history(&self, queue: HistoryQueue) {
        self.history_queue().get_or_init(|| queue);
    }

    /// The hours of an outlet within a span.
    pub(crate) async fn hours(
        &self,
        outlet: OutletId,
        factor: Option<FactorCode>,
        span: Span,
    ) -> Result<Vec<HourValue>, ArchiveError> {
        let queue = self.history_queue().get().map(|queue| &queue.0);
        let asked = ask(queue, PATIENCE, |answer| HistoryQuestion {
            outlet,
            factor,
            span,
            answer,
        });
        let told = asked.await.map_err(ArchiveError::from);
        told.and_then(|told| told.map_err(|detail| ArchiveError::Unreadable { detail }))
            .inspect_err(|error| tracing::warn!(%error, hint = error.hint(), "the hours of the past cannot be shown"))
    }
}
