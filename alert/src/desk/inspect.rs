//! 设备符合性报告: what a device's packets of the last day say of it. Whoever reads the packets and the standard makes
//! the report; the desk only asks for it, through a queue.

use std::time::Duration;

use plume_schemas::ids::Mn;
use tokio::sync::{mpsc, oneshot};

use super::ask::{Unanswered, ask};
use super::state::DeskState;
use crate::words::Lang;

/// Somebody waits for the page. A day of one device is read within seconds, after what waits for the archive has been
/// written.
const PATIENCE: Duration = Duration::from_secs(40);

/// A device that somebody wants to have examined.
#[derive(Debug)]
pub struct InspectQuestion {
    /// Which.
    pub mn: Mn,
    /// The packets of so many hours.
    pub hours: i64,
    /// The language of every word in the answer.
    pub lang: Lang,
    /// Told the report, or why there is none.
    pub answer: oneshot::Sender<Result<Inspection, String>>,
}

/// The report, in words of one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// Nothing has to be changed before the device may be trusted.
    pub is_fine: bool,
    /// Names and values: the verdict first, the standard, the packets.
    pub facts: Vec<[String; 2]>,
    /// Where it departs from the standard, the worst first.
    pub departures: Vec<Departure>,
    /// Its clock less ours, seconds.
    pub clock: Option<ClockOffset>,
    /// How each kind of data came.
    pub intervals: Vec<Interval>,
}

/// One kind of departure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// How bad it is.
    pub level: String,
    /// It makes packets unreadable or numbers wrong.
    pub is_error: bool,
    /// What it is.
    pub what: String,
    /// Where the standard says otherwise.
    pub clause: String,
    /// How often it was seen.
    pub count: u64,
    /// What was at fault.
    pub detail: String,
    /// The first packet that shows it, its password masked.
    pub example: String,
    /// What to change.
    pub change: String,
}

/// A device's clock less ours, seconds; positive is ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockOffset {
    /// The middle one.
    pub median_s: f64,
    /// The least.
    pub least_s: f64,
    /// The most.
    pub most_s: f64,
}

/// How one kind of data came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Its name.
    pub name: String,
    /// Seconds between two.
    pub interval_s: i64,
    /// Moments due.
    pub due: u64,
    /// Of them came.
    pub came: u64,
    /// Of those, sent again after a gap.
    pub late: u64,
    /// Middle delay from the end of a period to its packet, seconds.
    pub delay_s: f64,
}

/// The way of questions to whoever examines devices.
#[derive(Clone, Debug)]
pub struct InspectQueue(mpsc::Sender<InspectQuestion>);

impl InspectQueue {
    /// A way whose other end answers.
    pub fn new(queue: mpsc::Sender<InspectQuestion>) -> Self {
        Self(queue)
    }
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InspectError {
    /// Nobody here examines devices, or they have stopped.
    #[error("nobody here examines devices")]
    Nobody,
    /// No answer within the patience of a page.
    #[error("the report was not made in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It cannot be made.
    #[error("the report cannot be made: {detail}")]
    Impossible {
        /// What was said.
        detail: String,
    },
}

impl InspectError {
    /// What to try.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Nobody => "run the desk where the archive is, or give it the archive's place",
            Self::Late { .. } => "try again; if it stays so, look whether the archive's disk is busy",
            Self::Impossible { .. } => "`plume conformance --mn MN` says more",
        }
    }
}

impl DeskState {
    /// Says who examines devices. Only the first counts.
    pub fn set_inspector(&self, queue: InspectQueue) {
        self.inspect_queue().get_or_init(|| queue);
    }

    /// The report on the last hours of a device.
    pub(crate) async fn inspect(&self, mn: Mn, hours: i64, lang: Lang) -> Result<Inspection, InspectError> {
        let queue = self.inspect_queue().get().map(|queue| &queue.0);
        let asked = ask(queue, PATIENCE, |answer| InspectQuestion {
            mn,
            hours,
            lang,
            answer,
        });
        let told = asked.await.map_err(|unanswered| match unanswered {
            Unanswered::Nobody => InspectError::Nobody,
            Unanswered::Late { seconds } => InspectError::Late { seconds },
        });
        told.and_then(|told| told.map_err(|detail| InspectError::Impossible { detail }))
            .inspect_err(|error| tracing::warn!(%mn, %error, hint = error.hint(), "a device cannot be reported on"))
    }
}
