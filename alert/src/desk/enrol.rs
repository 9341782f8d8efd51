//! 一键建档: devices that nobody has registered have packets waiting. Whoever holds the log lists them and registers
//! one, with its packets taken; the desk asks through a queue.

use std::sync::Arc;
use std::time::Duration;

use plume_schemas::ids::{EnterpriseId, FactorCode, Mn};
use plume_schemas::registry::{FactorSetup, RegistryIndex};
use plume_schemas::time::Time;
use tokio::sync::{mpsc, oneshot};

use super::ask::{Unanswered, ask};
use super::state::DeskState;
use crate::accounts::Viewer;
use crate::store::{AuditKind, StoreError};

/// The quarantine of a month is read within seconds, and a registration goes through it twice.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the waiting packets of a device say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDevice {
    /// Its MN.
    pub mn: Mn,
    /// 系统编码.
    pub st: String,
    /// The edition of the protocol that it speaks.
    pub edition: String,
    /// Packets that wait.
    pub packets: u64,
    /// When the first of them came.
    pub first: Time,
    /// When the last came.
    pub last: Time,
    /// 命令编码 with the packets of each.
    pub cns: Vec<(u16, u64)>,
    /// What it measures.
    pub factors: Vec<FactorCode>,
    /// Minutes between its minute packets, as far as two tell.
    pub minute_interval_min: Option<u8>,
    /// Seconds between its real-time packets, as far as two tell.
    pub realtime_interval_s: Option<u32>,
    /// All its packets show one password.
    pub has_password: bool,
}

/// Whose a waiting device is, and what its outlet may emit.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolment {
    /// The device.
    pub mn: Mn,
    /// 统一社会信用代码.
    pub enterprise: EnterpriseId,
    /// Name, district and industry of an enterprise that is not in the registry yet.
    pub enterprise_name: String,
    /// The same.
    pub district: String,
    /// The same, as in the catalogue of limits.
    pub industry: String,
    /// 排放口编号 of the permit.
    pub outlet: String,
    /// The name of an outlet that is not in the registry yet.
    pub outlet_name: String,
    /// The password that its packets show is from now on the registry's.
    pub keep_password: bool,
    /// Factors with their limits; those that the outlet has already stay as they are.
    pub factors: Vec<FactorSetup>,
    /// Who registers it.
    pub by: String,
}

/// A device that is registered.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// What is in force from now on.
    pub registry: Arc<RegistryIndex>,
    /// Packets that judge and archive have now.
    pub taken: u64,
    /// Packets that stay set aside, for another reason.
    pub still: u64,
}

/// Why a device is not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolRefusal {
    /// Another desk holds the lease: the registry is edited there.
    Standby,
    /// What is wrong, and what to try.
    Refused(String),
}

/// What the desk asks.
#[derive(Debug)]
pub enum EnrolQuestion {
    /// Who waits, the newest first.
    Waiting {
        /// Told them, or why they cannot be listed.
        answer: oneshot::Sender<Result<Vec<WaitingDevice>, String>>,
    },
    /// Register one and take its packets.
    Enrol {
        /// As what.
        enrolment: Box<Enrolment>,
        /// Told once it may no longer be lost.
        answer: oneshot::Sender<Result<Enrolled, EnrolRefusal>>,
    },
}

/// The way to whoever lists and registers.
#[derive(Clone, Debug)]
pub struct EnrolQueue(mpsc::Sender<EnrolQuestion>);

impl EnrolQueue {
    /// A way whose other end answers.
    pub fn new(queue: mpsc::Sender<EnrolQuestion>) -> Self {
        Self(queue)
    }
}

/// Why there is no list, or no registration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolError {
    /// Nobody here registers devices, or they have stopped.
    #[error("nobody here registers devices")]
    Nobody,
    /// No answer within the patience of a page.
    #[error("no answer in {seconds} s")]
    Late {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It was refused.
    #[error("not registered: {0:?}")]
    Refused(EnrolRefusal),
    /// It could not be noted who asked: then nothing is registered.
    #[error("the log of operations cannot be written")]
    Store(#[from] StoreError),
}

impl EnrolError {
    /// What to try.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Nobody => "run the desk beside the log, or use `plume quarantine register`",
            Self::Late { .. } => "look whether the log's disk or the brokers are busy",
            Self::Refused(_) => "correct what is said and send it again",
            Self::Store(error) => return error.hint(),
        };
        hint.to_owned()
    }
}

impl DeskState {
    /// Says who lists and registers waiting devices. Only the first counts.
    pub fn set_enrol_queue(&self, queue: EnrolQueue) {
        self.enrol_queue().get_or_init(|| queue);
    }

    /// True where devices can be registered here.
    pub(crate) fn enrols(&self) -> bool {
        self.enrol_queue().get().is_some()
    }

    async fn ask_enrol<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> EnrolQuestion) -> Result<T, EnrolError> {
        let queue = self.enrol_queue().get().map(|queue| &queue.0);
        let told = ask(queue, PATIENCE, question).await;
        told.map_err(|unanswered| match unanswered {
            Unanswered::Nobody => EnrolError::Nobody,
            Unanswered::Late { seconds } => EnrolError::Late { seconds },
        })
    }

    /// Devices that wait for their registration.
    pub(crate) async fn waiting_devices(&self) -> Result<Vec<WaitingDevice>, EnrolError> {
        let told = self.ask_enrol(|answer| EnrolQuestion::Waiting { answer }).await?;
        told.map_err(|detail| EnrolError::Refused(EnrolRefusal::Refused(detail)))
    }

    /// Registers one, with who did it in the log of operations; gives how many packets were taken, and how many stay.
    pub(crate) async fn enrol(&self, viewer: &Viewer, enrolment: Enrolment) -> Result<(u64, u64), EnrolError> {
        let (desk, object) = (self.desk(), enrolment.mn.to_string());
        let codes: Vec<&str> = enrolment.factors.iter().map(|factor| factor.code.as_str()).collect();
        let detail = format!(
            "一键建档 → {}:{} {}",
            enrolment.enterprise,
            enrolment.outlet,
            codes.join(" ")
        );
        // Noted first: a change that cannot be noted is not made.
        desk.note_registry(viewer, AuditKind::RegistryChanged, &object, &detail)
            .await?;
        let asked = self.ask_enrol(|answer| EnrolQuestion::Enrol {
            enrolment: Box::new(enrolment),
            answer,
        });
        let refused = match asked.await {
            Ok(Ok(enrolled)) => {
                desk.set_registry(enrolled.registry);
                return Ok((enrolled.taken, enrolled.still));
            }
            Ok(Err(refusal)) => EnrolError::Refused(refusal),
            Err(error) => error,
        };
        desk.note_registry(viewer, AuditKind::RegistryRefused, &object, &refused.to_string())
            .await?;
        Err(refused)
    }
}
