//! Tables that the bureau edits, as texts.

use plume_schemas::time::Time;

use super::audit::{self, AuditKind, AuditLine};
use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::accounts::Viewer;
use crate::tables::TableKind;

/// A table as somebody left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedTable {
    /// Which.
    pub kind: TableKind,
    /// Number of the change.
    pub version: i64,
    /// The whole text; empty for the duty calendar, which is kept shift by shift.
    pub body: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Time,
}

/// The version of one table; 0 where nobody has changed it.
pub(crate) async fn version(tx: &mut Tx<'_>, kind: TableKind) -> Result<i64, StoreError> {
    let row = tx
        .rows("SELECT version FROM edited_tables WHERE name = $1", args![kind.code()])
        .await?;
    row.first().map_or(Ok(0), |row| row.int("version"))
}

/// Keeps a table, with the line in the log of operations.
pub(crate) async fn put(
    tx: &mut Tx<'_>,
    kind: TableKind,
    body: &str,
    viewer: &Viewer,
    at: Time,
) -> Result<(), StoreError> {
    let version = tx.take("tables", 1).await?;
    tx.exec(
        "INSERT INTO edited_tables (name, version, body, by_name, at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (name) DO UPDATE SET version = $2, body = $3, by_name = $4, at = $5",
        args![kind.code(), version, body, &viewer.name, at],
    )
    .await?;
    let line = AuditLine {
        at,
        kind: AuditKind::TableChanged,
        actor: viewer.name.clone(),
        role: Some(viewer.role),
        object: kind.code().to_owned(),
        detail: format!("v{version}"),
    };
    audit::note(tx, &line).await
}

impl Store {
    /// Number of the last change of any table.
    pub(crate) async fn tables_version(&self) -> Result<i64, StoreError> {
        let row = self
            .db
            .one("SELECT MAX(version) AS newest FROM edited_tables", Vec::new())
            .await?;
        row.map_or(Ok(0), |row| Ok(row.opt_int("newest")?.unwrap_or(0)))
    }

    /// All tables that somebody has changed.
    pub async fn edited_tables(&self) -> Result<Vec<EditedTable>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT name, version, body, by_name, at FROM edited_tables ORDER BY version",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(EditedTable {
                    kind: row.parsed("name", TableKind::from_code)?,
                    version: row.int("version")?,
                    body: row.text("body")?,
                    by: row.text("by_name")?,
                    at: row.time("at")?,
                })
            })
            .collect()
    }
}
