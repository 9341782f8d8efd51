//! The desk's database: cases, trace, notices, outbox, sessions. The only module that knows SQL.
//!
//! One writer at a time; an event's effects and the offset it came from are one transaction; every change to a case
//! counts its version up, so that two people at once cannot overwrite each other.

pub(crate) mod audit;
mod clause;
mod copy;
pub(crate) mod db;
pub(crate) mod duty;
pub(crate) mod faults;
mod files;
mod json;
pub(crate) mod log;
pub(crate) mod outbox;
pub(crate) mod problems;
mod query;
pub(crate) mod reminders;
pub(crate) mod sessions;
pub(crate) mod silences;
pub(crate) mod tables;
pub(crate) mod users;
mod views;
pub(crate) mod write;

use std::path::Path;

use plume_schemas::ids::ContentId;

pub use audit::{AuditKind, AuditLine, MAX_AUDIT_ROWS};
pub use copy::{KNOWN_SCHEMA, check_sqlite, copy_sqlite, fold_sqlite, schema_version};
use db::Db;
pub use files::{FileRow, Item, ItemKind, MAX_FILES, NewFile};
pub(crate) use json::judgement_json;
pub use problems::ProblemFilter;
pub use query::{CaseFilter, CasePage, Change, Counts, MAX_PAGE_ROWS, Order, Page};
pub use reminders::ReminderRow;
pub use tables::EditedTable;
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
    #[error("`{url}` is not a database address; expected `sqlite:PATH` or `postgres://USER@HOST/DATABASE`")]
    Url {
        /// As configured, without its password.
        url: String,
    },
    /// It could not be opened or made.
    #[error("cannot open the desk's database `{place}`")]
    Open {
        /// Where, without a password.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Its schema could not be brought up to this version.
    #[error("cannot migrate the desk's database `{place}`")]
    Migrate {
        /// Where, without a password.
        place: String,
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
            Self::Open { place, .. } if place.contains("://") => {
                format!("check that the server of `{place}` runs, knows the database and lets this user in")
            }
            Self::Open { place, .. } => {
                format!("check that the folder of `{place}` exists, can be written and has space")
            }
            Self::Migrate { place, .. } => {
                format!("`{place}` may come from a newer plume; use that version, or restore a backup")
            }
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
    /// Opens `sqlite:PATH` (making the file) or `postgres://USER@HOST/DATABASE`, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let db = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Db::open_postgres(url).await?
        } else {
            let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| StoreError::Url {
                url: without_password(url),
            })?;
            Db::open_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await?
        };
        Ok(Self {
            db: std::sync::Arc::new(db),
        })
    }

    /// Takes or keeps the lease `name` for `holder` until `ttl_ms` from now; false while another holds it. All
    /// holders read
    /// clocks that agree to well within `ttl_ms`.
    pub async fn hold_lease(
        &self,
        name: &'static str,
        holder: &str,
        now: plume_schemas::time::Time,
        ttl_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let taken = tx
            .exec(
                "INSERT INTO leases (name, holder, until_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
                 SET holder = $2, until_at = $3 WHERE leases.holder = $2 OR leases.until_at <= $4",
                db::args![name, holder, now.plus(ttl_ms), now],
            )
            .await?;
        tx.commit().await?;
        Ok(taken == 1)
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

/// A database address without the password in it.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((before, host))) => {
            let user = before
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        _ => url.to_owned(),
    }
}

/// A content id from its text in a row.
fn id(text: &str) -> Option<ContentId> {
    ContentId::parse(text).ok()
}
