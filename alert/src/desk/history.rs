//! Hours that lie further back than the desk's own memory. They are in the archive, which the desk does not know:
//! whoever does is asked through a queue.

use std::time::Duration;

use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::reading::Basis;
use plume_schemas::time::{Span, Time};
use tokio::sync::{mpsc, oneshot};

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

/// Why there is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HistoryError {
    /// This desk has no archive to ask.
    #[error("this desk has no archive")]
    None,
    /// No answer within the patience of a page.
    #[error("the archive gave no answer in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The archive cannot be read.
    #[error("the archive cannot be read: {detail}")]
    Unreadable {
        /// What it said.
        detail: String,
    },
}

impl HistoryError {
    /// What to try.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::None => "run the desk where the archive is, or give it the archive's place",
            Self::Late { .. } => "ask for a shorter time, or look whether the archive's disk is busy",
            Self::Unreadable { .. } => "`plume verify` says what is wrong with the archive",
        }
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
    ) -> Result<Vec<HourValue>, HistoryError> {
        let queue = self.history_queue().get().ok_or(HistoryError::None)?;
        let (answer, told) = oneshot::channel();
        let question = HistoryQuestion {
            outlet,
            factor,
            span,
            answer,
        };
        let asked = async {
            queue.0.send(question).await.ok()?;
            told.await.ok()
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some(Ok(hours))) => Ok(hours),
            Ok(Some(Err(detail))) => Err(HistoryError::Unreadable { detail }),
            Ok(None) => Err(HistoryError::None),
            Err(_) => Err(HistoryError::Late {
                seconds: PATIENCE.as_secs(),
            }),
        }
        .inspect_err(|error| tracing::warn!(%error, hint = error.hint(), "the hours of the past cannot be shown"))
    }
}
