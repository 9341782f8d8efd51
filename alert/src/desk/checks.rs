//! Zero and span checks of an outlet: what was entered goes to the log, and what was judged comes from the archive.
//! Whoever knows both is asked through a queue; the charts come drawn.

use std::time::Duration;

use plume_schemas::check::Check;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Time;
use tokio::sync::{mpsc, oneshot};

use super::state::DeskState;
use crate::accounts::Viewer;
use crate::checks::CheckError;
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

/// Why there is nothing to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShowError {
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

impl ShowError {
    /// What to try.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::None => "run the desk where the archive is, or give it the archive's place",
            Self::Late { .. } => "look whether the archive's disk is busy",
            Self::Unreadable { .. } => "`plume verify` says what is wrong with the archive",
        }
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
    ) -> Result<Vec<CheckedFactor>, ShowError> {
        let queue = self.checks_queue().get().ok_or(ShowError::None)?;
        let (answer, told) = oneshot::channel();
        let question = ChecksQuestion::Show {
            outlet,
            fresh,
            lang,
            answer,
        };
        let asked = async {
            queue.0.send(question).await.ok()?;
            told.await.ok()
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some(Ok(checks))) => Ok(checks),
            Ok(Some(Err(detail))) => Err(ShowError::Unreadable { detail }),
            Ok(None) => Err(ShowError::None),
            Err(_) => Err(ShowError::Late {
                seconds: PATIENCE.as_secs(),
            }),
        }
        .inspect_err(|error| tracing::warn!(%outlet, %error, hint = error.hint(), "checks cannot be shown"))
    }

    /// Records checks; gives how many once they are durable.
    pub(crate) async fn record_checks(&self, viewer: &Viewer, checks: Vec<Check>) -> Result<usize, CheckError> {
        let lost = |detail: &str| CheckError::Log {
            detail: detail.to_owned(),
        };
        let queue = self.checks_queue().get().ok_or_else(|| lost("this desk has no log"))?;
        let count = checks.len();
        let mut objects: Vec<String> = checks.iter().map(|check| check.outlet.to_string()).collect();
        objects.dedup();
        let (answer, told) = oneshot::channel();
        let sent = queue.0.send(ChecksQuestion::Record { checks, answer }).await;
        sent.map_err(|_| lost("the log is closed"))?;
        match told.await {
            Ok(Ok(())) => {}
            Ok(Err(detail)) => return Err(CheckError::Log { detail }),
            Err(_) => return Err(lost("the log gave no answer")),
        }
        // The checks are in the log, with who made them: a line that is not noted here is not lost.
        if let Err(error) = self.desk().note_checks(viewer, &objects).await {
            tracing::error!(%error, hint = error.hint(), "checks are recorded, but not noted in the log of operations");
        }
        Ok(count)
    }
}
