//! Records of what was asked of a device and what came of it, as they stand in the log: who, when, what, result.

use plume_schemas::ids::{ContentId, Mn};
use plume_schemas::time::Time;
use serde::{Deserialize, Serialize};

/// An order to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Of its content: the same order of the same moment is one.
    pub id: ContentId,
    /// To whom.
    pub mn: Mn,
    /// 命令编码.
    pub cn: u16,
    /// Fields of CP in their order. A time to be set is filled in when the order leaves.
    pub fields: Vec<(String, String)>,
    /// Who asked: a person's name, or what of plume did.
    pub by: String,
    /// When it was asked.
    pub at: Time,
    /// It is not begun after this moment.
    pub expires_at: Time,
    /// Under which permit, where the order needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<ContentId>,
}

impl Command {
    /// An order of this moment that waits at most `patience_ms` for its device.
    pub fn new(
        mn: Mn,
        (cn, fields): (u16, Vec<(String, String)>),
        by: impl Into<String>,
        at: Time,
        patience_ms: i64,
    ) -> Self {
        let by = by.into();
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let moment = at.0.to_le_bytes();
        let id = ContentId::of(&[
            mn.as_str().as_bytes(),
            &cn.to_le_bytes(),
            text.join(";").as_bytes(),
            by.as_bytes(),
            &moment,
        ]);
        Self {
            id,
            mn,
            cn,
            fields,
            by,
            at,
            expires_at: at.plus(patience_ms),
            permit: None,
        }
    }
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// 9012 with ExeRtn, or 9013 to a notice (`code` 1).
    Done {
        /// ExeRtn.
        code: u16,
    },
    /// 9011 with a QnRtn other than 1.
    Refused {
        /// QnRtn.
        code: u16,
    },
    /// Sent as often as the standard allows, and not answered.
    NoAnswer {
        /// How often.
        sent: u32,
    },
    /// Taken (9011), but the end (9012) did not come in time.
    NoResult,
    /// No link of the device until the order expired.
    Unreachable,
    /// Too many orders wait for this device already.
    TooMany,
    /// It needs a permit, and there is none.
    NotPermitted,
    /// It cannot be written in the device's edition.
    Unwritable {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// True where the device did what was asked.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done { code: 1 })
    }

    /// For counting.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Refused { .. } => "refused",
            Self::NoAnswer { .. } => "no_answer",
            Self::NoResult => "no_result",
            Self::Unreachable => "unreachable",
            Self::TooMany => "too_many",
            Self::NotPermitted => "not_permitted",
            Self::Unwritable { .. } => "unwritable",
        }
    }
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandResult {
    /// Of which order.
    pub id: ContentId,
    /// To whom it went.
    pub mn: Mn,
    /// 命令编码.
    pub cn: u16,
    /// When it ended.
    pub at: Time,
    /// How.
    pub outcome: Outcome,
    /// Packets of data the device sent for it.
    pub packets: u32,
    /// What it told beside data: SystemTime, RtdInterval, a serial number.
    pub told: Vec<(String, String)>,
}

/// A record that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("a record of {what} with {bytes} bytes cannot be read")]
pub struct RecordError {
    /// Orders, or results.
    pub what: &'static str,
    /// How long it is.
    pub bytes: usize,
    /// Why.
    pub source: serde_json::Error,
}

macro_rules! record {
    ($($name:ident = $what:literal),+) => {
        $(impl $name {
            /// As it stands in the log.
            pub fn to_record(&self) -> Result<Vec<u8>, RecordError> {
                serde_json::to_vec(self).map_err(|source| RecordError { what: $what, bytes: 0, source })
            }

            /// From the log.
            pub fn from_record(bytes: &[u8]) -> Result<Self, RecordError> {
                serde_json::from_slice(bytes)
                    .map_err(|source| RecordError { what: $what, bytes: bytes.len(), source })
            }
        })+
    };
}
record!(Command = "orders", CommandResult = "results of orders");
