//! Zero and span checks of an outlet: what was entered goes to the log, and what was judged comes from the archive.
//! Whoever knows both is asked through a queue; the charts come drawn.

use std::time::Duration;

use plume_schemas::check::Check;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Time;
use tokio::sync::{mpsc, oneshot};

use super::ask::{ArchiveError, ask, record};
use super::state::DeskState;
use crate::accounts::Viewer;
use crate::entered::EntryError;
use crate::words::Lang;

/// Somebody waits for the page: an answer that takes longer is none. Half a year of an outlet takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the pages want of checks.
#[derive(Debug)]
pub enum ChecksQuestion {
    /// Those of an outlet, as they were judged.
    Show {
        /// Which.
        outlet: OutletId,
        /// With what waits for the archive written first.
        fresh: bool,
        /// The language of every word in the answer.
        lang: Lang,
        /// Told the analysers in the order of their factors, or why there are none.
        answer: oneshot::Sender<Result<Vec<CheckedFactor>, String>>,
    },
    /// Checks that somebody entered.
    Record {
        /// They.
        checks: Vec<Check>,
        /// Told once they are durable, or why they are not.
        answer: oneshot::Sender<Result<(), String>>,
    },
}

/// The checks of one analyser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedFactor {
    /// Of what.
    pub factor: FactorCode,
    /// Drift and control charts with limits, estimates and signals: a picture complete in itself.
    pub svg: String,
    /// How it stands by its last checks: names and values.
    pub standing: Vec<[String; 2]>,
    /// Newest first.
    pub rows: Vec<CheckedRow>,
}

/// One check as it was judged, in words of one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRow {
    /// When.
    pub at: Time,
    /// Zero or span.
    pub point: String,
    /// What the gas holds.
    pub gas: Option<f64>,
    /// What was shown, as found.
    pub before: Option<f64>,
    /// What was shown afterwards.
    pub after: Option<f64>,
    /// Whether it was adjusted.
    pub adjusted: String,
    /// Percent of full scale.
    pub drift_pct: Option<f64>,
    /// It wants something done.
    pub is_over: bool,
    /// How the analyser stood by HJ 75, or why nothing was judged.
    pub standing: String,
    /// What QAL3 found.
    pub finding: String,
    /// Days until the drift that is required, or that this is not decided.
    pub left: String,
    /// How it is known.
    pub source: String,
}

/// The way of checks into the log, and of questions to the archive.
#[derive(Clone, Debug)]
pub struct ChecksQueue(mpsc::Sender<ChecksQuestion>);

impl ChecksQueue {
    /// A way whose other end answers.
    pub fn new(queue: mpsc::Sender<ChecksQuestion>) -> Self {
        Self(queue)
    }
}

impl DeskState {
    /// Says who keeps and knows checks. Only the first counts.
    pub fn set_checks(&self, queue: ChecksQueue) {
        self.checks_queue().get_or_init(|| queue);
    }

    /// The checks of an outlet.
    pub(crate) async fn checks(
        &self,
        outlet: OutletId,
        fresh: bool,
        lang: Lang,
    ) -> Result<Vec<CheckedFactor>, ArchiveError> {
        let queue = self.checks_queue().get().map(|queue| &queue.0);
        let asked = ask(queue, PATIENCE, |answer| ChecksQuestion::Show {
            outlet,
            fresh,
            lang,
            answer,
        });
        let told = asked.await.map_err(ArchiveError::from);
        told.and_then(|told| told.map_err(|detail| ArchiveError::Unreadable { detail }))
            .inspect_err(|error| tracing::warn!(%outlet, %error, hint = error.hint(), "checks cannot be shown"))
    }

    /// Records checks; gives how many once they are durable.
    pub(crate) async fn record_checks(&self, viewer: &Viewer, checks: Vec<Check>) -> Result<usize, EntryError> {
        let count = checks.len();
        let mut objects: Vec<String> = checks.iter().map(|check| check.outlet.to_string()).collect();
        objects.dedup();
        let queue = self.checks_queue().get().map(|queue| &queue.0);
        let recorded = record(queue, |answer| ChecksQuestion::Record { checks, answer }).await;
        recorded.map_err(|detail| EntryError::Log { detail })?;
        // The checks are in the log, with who made them: a line that is not noted here is not lost.
        if let Err(error) = self.desk().note_checks(viewer, &objects).await {
            tracing::error!(%error, hint = error.hint(), "checks are recorded, but not noted in the log of operations");
        }
        Ok(count)
    }
}
