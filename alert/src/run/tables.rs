//! The tables in force, and how the bureau changes them.

use std::sync::{Arc, PoisonError};

use super::Desk;
use crate::accounts::Viewer;
use crate::duty::Roster;
use crate::publicity::{self, Publicity};
use crate::store::{StoreError, duty, reminders, tables as rows};
use crate::tables::{MAX_TABLE_BYTES, TableError, TableKind, Tables};

/// A text that was read: as it stands, or taken apart.
enum Rows {
    Text,
    Duty(Roster),
    Publicity(Vec<Publicity>),
}

impl Desk {
    /// The tables in force.
    pub fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.0.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a table, if nobody changed it since `expected_version`. Read whole before anything is changed.
    pub async fn change_table(
        &self,
        viewer: &Viewer,
        kind: TableKind,
        text: &str,
        expected_version: i64,
    ) -> Result<(), TableError> {
        if !kind.may_change(viewer.role) {
            return Err(TableError::NotAllowed { role: viewer.role });
        }
        if text.len() > MAX_TABLE_BYTES {
            return Err(TableError::TooLarge);
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rows = self.rows_of(kind, text)?;
        let mut tx = self.0.store.begin().await?;
        let found = rows::version(&mut tx, kind).await?;
        if found != expected_version {
            return Err(TableError::Changed {
                expected: expected_version,
                found,
            });
        }
        let body = match rows {
            Rows::Text => text,
            Rows::Duty(roster) => {
                duty::import(&mut tx, &roster).await?;
                ""
            }
            Rows::Publicity(penalties) => {
                reminders::replace_publicity(&mut tx, &penalties).await?;
                ""
            }
        };
        rows::put(&mut tx, kind, body, viewer, self.now()).await?;
        tx.commit().await?;
        self.reload_tables().await?;
        Ok(())
    }

    /// Reads a text whole, before anything is changed.
    fn rows_of(&self, kind: TableKind, text: &str) -> Result<Rows, TableError> {
        Ok(match kind {
            TableKind::Duty => Rows::Duty(Roster::from_csv(text)?),
            TableKind::Publicity => {
                let registry = self.registry();
                let district_of = |id| Some(registry.enterprise(id)?.district.clone());
                Rows::Publicity(publicity::from_csv(text, district_of)?)
            }
            _ => {
                Tables::clone(&self.tables()).replace(kind, text)?;
                Rows::Text
            }
        })
    }

    /// Reads the tables and the duty calendar again where somebody changed them, here or at another desk on the same
    /// database. A text that this version cannot read (written by a newer one) leaves the table that comes with plume.
    pub(super) async fn reload_tables(&self) -> Result<(), StoreError> {
        let newest = self.0.store.tables_version().await?;
        if newest == self.tables().version {
            return Ok(());
        }
        let mut tables = self.0.shipped.clone();
        for edited in self.0.store.edited_tables().await? {
            if edited.kind.is_kept_by_row() {
                continue;
            }
            if let Err(error) = tables.replace(edited.kind, &edited.body) {
                self.0.signals.table_unreadable(edited.kind, &error);
            }
        }
        tables.version = newest;
        *self.0.tables.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
        self.reload_roster().await
    }
}
