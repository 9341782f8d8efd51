//! 设备命令: what an officer may ask of a device from its page. Whoever knows the protocol says which orders there
//! are, gives them and records what came of them; the desk asks through a queue, and notes who asked and what it led to
//! in the log of operations.

use std::collections::BTreeMap;
use std::time::Duration;

use plume_schemas::ids::Mn;
use plume_schemas::time::Time;
use tokio::sync::{mpsc, oneshot};

use super::ask::{Unanswered, ask};
use super::state::DeskState;
use crate::accounts::Viewer;
use crate::store::{AuditKind, StoreError};
use crate::words::Lang;

/// Reading the log's last orders takes milliseconds.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// So long a page waits for what the device does; most answer within a second or two. What comes later stands in the
/// table of orders and in the log of operations all the same.
const RESULT_PATIENCE: Duration = Duration::from_secs(8);

/// What an order needs to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderNeeds {
    /// Nothing.
    Nothing,
    /// From when to when.
    Span,
    /// Of which factor's analyser.
    Factor,
}

/// An order that may be given from the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKind {
    /// Its name, as `plume command` has it.
    pub name: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// What it needs to be told.
    pub needs: OrderNeeds,
}

/// An order to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOrder {
    /// To which device.
    pub mn: Mn,
    /// Which.
    pub name: &'static str,
    /// `from`, `to`, `factor`.
    pub arguments: BTreeMap<String, String>,
    /// Who gives it.
    pub by: String,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderResult {
    /// The device did it.
    pub is_success: bool,
    /// In words.
    pub words: String,
    /// For the log of operations, the same in every language: `ExeRtn=1`, `no_answer`.
    pub code: String,
    /// What the device told: a time, a serial number.
    pub told: String,
}

/// An order that was given, whoever gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderGiven {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// What it is.
    pub what: String,
    /// What was said with it.
    pub fields: String,
    /// What came of it; `None` while it is waited for.
    pub result: Option<OrderResult>,
}

/// What the desk asks.
#[derive(Debug)]
pub enum OrderQuestion {
    /// Give this order.
    Give {
        /// It.
        order: DeviceOrder,
        /// The language of the words.
        lang: Lang,
        /// Told once the order is recorded and may no longer be lost, or why it is not given.
        recorded: oneshot::Sender<Result<(), String>>,
        /// Told what came of it; dropped where nothing came in time.
        ended: oneshot::Sender<OrderResult>,
    },
    /// Which were given to this device, the newest first.
    List {
        /// The device.
        mn: Mn,
        /// The language of the words.
        lang: Lang,
        /// Told them, or why they cannot be read.
        answer: oneshot::Sender<Result<Vec<OrderGiven>, String>>,
    },
}

/// The way of orders to whoever gives them, and which there are.
#[derive(Clone, Debug)]
pub struct OrderQueue {
    queue: mpsc::Sender<OrderQuestion>,
    kinds: Vec<OrderKind>,
}

impl OrderQueue {
    /// A way whose other end gives orders of these kinds.
    pub fn new(queue: mpsc::Sender<OrderQuestion>, kinds: Vec<OrderKind>) -> Self {
        Self { queue, kinds }
    }
}

/// Why an order is not given, or the orders cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// Nobody here gives orders, or they have stopped.
    #[error("nobody here gives orders")]
    Nobody,
    /// No answer within the patience of a page.
    #[error("no answer in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Refused by whoever gives orders.
    #[error("the order is not given: {detail}")]
    Refused {
        /// What was said.
        detail: String,
    },
    /// It could not be noted who asked: then nothing is asked.
    #[error("the log of operations cannot be written")]
    Store(#[from] StoreError),
}

impl OrderError {
    /// What to try.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Nobody => "run the desk beside the log of orders",
            Self::Late { .. } => "look whether the log's disk or the brokers are busy",
            Self::Refused { .. } => "`plume command` takes the same order and says more",
            Self::Store(error) => return error.hint(),
        };
        hint.to_owned()
    }
}

impl DeskState {
    /// Says who gives orders. Only the first counts.
    pub fn set_orders(&self, queue: OrderQueue) {
        self.order_queue().get_or_init(|| queue);
    }

    /// The orders that may be given; none where nobody gives them.
    pub(crate) fn order_kinds(&self) -> &[OrderKind] {
        self.order_queue().get().map_or(&[], |orders| &orders.kinds)
    }

    /// Gives an order. `None` where it is recorded, and what came of it is not known yet.
    pub(crate) async fn give(
        &self,
        viewer: &Viewer,
        order: DeviceOrder,
        lang: Lang,
    ) -> Result<Option<OrderResult>, OrderError> {
        let orders = self.order_queue().get().ok_or(OrderError::Nobody)?;
        let said: Vec<&str> = order.arguments.values().map(String::as_str).collect();
        let object = format!("{} {} {}", order.mn, order.name, said.join(" "));
        let object = object.trim_end().to_owned();
        // Noted first: an order that cannot be noted is not given.
        self.desk().note_order(viewer, AuditKind::Ordered, &object).await?;
        let (recorded, is_recorded) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let question = OrderQuestion::Give {
            order,
            lang,
            recorded,
            ended,
        };
        let taken = orders.queue.send_timeout(question, LIST_PATIENCE).await;
        taken.map_err(|_| OrderError::Nobody)?;
        match is_recorded.await {
            Ok(Ok(())) => {}
            Ok(Err(detail)) => return Err(OrderError::Refused { detail }),
            Err(_) => return Err(OrderError::Nobody),
        }
        // The result is noted whenever it comes, though the page waits no longer.
        let (state, viewer) = (self.clone(), viewer.clone());
        let noted = tokio::spawn(async move {
            let result: OrderResult = has_ended.await.ok()?;
            let object = format!("{object} → {}", result.code);
            let kind = AuditKind::OrderEnded;
            if let Err(error) = state.desk().note_order(&viewer, kind, &object).await {
                tracing::error!(%error, hint = error.hint(), "the end of an order is not noted; it stands in the log");
            }
            Some(result)
        });
        let result = tokio::time::timeout(RESULT_PATIENCE, noted).await;
        Ok(result.ok().and_then(Result::ok).flatten())
    }

    /// The last orders to a device, the newest first.
    pub(crate) async fn orders(&self, mn: Mn, lang: Lang) -> Result<Vec<OrderGiven>, OrderError> {
        let queue = self.order_queue().get().map(|orders| &orders.queue);
        let told = ask(queue, LIST_PATIENCE, |answer| OrderQuestion::List { mn, lang, answer }).await;
        match told {
            Ok(given) => given.map_err(|detail| OrderError::Refused { detail }),
            Err(Unanswered::Nobody) => Err(OrderError::Nobody),
            Err(Unanswered::Late { seconds }) => Err(OrderError::Late { seconds }),
        }
    }
}
