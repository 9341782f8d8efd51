//! The desk's database: cases, trace, notices, outbox, sessions. The only module that knows SQL.
//!
//! One writer at a time; an event's effects and the offset it came from are one transaction; every change to a case
//! counts its version up, so that two people at once cannot overwrite each other.

mod clause;
pub(crate) mod db;
mod duty;
mod json;
pub(crate) mod log;
pub(crate) mod outbox;
pub(crate) mod problems;
mod query;
pub(crate) mod reminders;
mod sessions;
pub(crate) mod silences;
mod views;
pub(crate) mod write;

use std::path::{Path, PathBuf};

use plume_schemas::ids::ContentId;

use db::Db;
pub use problems::ProblemFilter;
pub use query::{CaseFilter, CasePage, Change, Counts, MAX_PAGE_ROWS, Order, Page};
pub use reminders::ReminderRow;
pub use views::{CaseRow, NoticeRow, TraceRow, mask};

/// The desk's database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    db: std::sync::Arc<Db>,
}

/// The database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that plume knows.
    #[error("`{url}` is not a database address; expected `sqlite:PATH`")]
    Url {
        /// As configured, without its password.
        url: String,
    },
    /// The file could not be opened or made.
    #[error("cannot open the desk's database `{}`", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file's schema could not be brought up to this version.
    #[error("cannot migrate the desk's database `{}`", path.display())]
    Migrate {
        /// Where.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("the desk's database refused `{statement}`")]
    Statement {
        /// Its beginning.
        statement: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A column was not what the schema says.
    #[error("cannot read column `{column}`")]
    Column {
        /// Which.
        column: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// A stored value cannot be read back.
    #[error("column `{column}` holds `{value}`, which this version cannot read")]
    Damaged {
        /// Which column.
        column: &'static str,
        /// What it holds, cut short.
        value: String,
    },
    /// The connection went away in the middle.
    #[error("lost the desk's database before `{statement}`")]
    Lost {
        /// The beginning of the statement that was not run.
        statement: String,
    },
}

impl StoreError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Url { .. } => "write `sqlite:plume-data/desk.db` or another path".into(),
            Self::Open { path, .. } => format!(
                "check that the folder of `{}` exists, can be written and has space",
                path.display()
            ),
            Self::Migrate { path, .. } => format!(
                "`{}` may come from a newer plume; use that version, or restore a backup",
                path.display()
            ),
            Self::Statement { .. } | Self::Lost { .. } => {
                "check disk space and that no other program holds the file; nothing was changed".into()
            }
            Self::Column { .. } | Self::Damaged { .. } => {
                "the database was written by another version or by hand; restore a backup or upgrade".into()
            }
        }
    }
}

impl Store {
    /// Opens `sqlite:PATH`, making the file and bringing its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = url
            .strip_prefix("sqlite:")
            .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Err(StoreError::Url {
                url: url.split('@').next_back().unwrap_or_default().to_owned(),
            });
        };
        Ok(Self {
            db: std::sync::Arc::new(Db::open_sqlite(Path::new(path)).await?),
        })
    }

    /// Plans that the `n`-th write statement from now fails, as a kill at that point would make it: for tests of what
    /// a crash leaves. 0 plans none.
    pub fn plan_failure(&self, n: u32) {
        self.db.plan_failure(n);
    }

    /// True while the planned failure has not struck.
    pub fn failure_ahead(&self) -> bool {
        self.db.failure_ahead()
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<db::Tx<'_>, StoreError> {
        self.db.begin().await
    }

    /// Closes all connections. What was committed is on disk already.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// A content id from its text in a row.
fn id(text: &str) -> Option<ContentId> {
    ContentId::parse(text).ok()
}
