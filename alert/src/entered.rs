//! What people enter by form or table and what then stands in the log: marks, checks. Why it was refused.

use crate::accounts::Role;
use crate::rows::{RowError, Said};

/// Entries of a kind were refused; nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The role may not.
    #[error("a {role} may not enter {}", may.0.en, role = role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
        /// What, and who may.
        may: &'static (Said, Said),
    },
    /// A field or a table that cannot be read.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// The log did not take it.
    #[error("it could not be recorded: {detail}")]
    Log {
        /// Why.
        detail: String,
    },
}

impl EntryError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NotAllowed { may, .. } => may.1.en.into(),
            Self::Rows(error) => error.hint(),
            Self::Log { .. } => "try again; what is sent twice counts once".into(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::NotAllowed { may, .. } => format!("当前角色无权填报{}；{}。", may.0.zh, may.1.zh),
            Self::Rows(error) => error.zh(),
            Self::Log { .. } => "未能记录，请稍后重试；重复提交只计一次。".into(),
        }
    }
}
