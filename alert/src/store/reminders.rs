//! Reminders by date, and the publicity they speak of.

use plume_schemas::ids::{ContentId, EnterpriseId};
use plume_schemas::time::Time;

use super::clause::Where;
use super::db::{Row, Tx, args};
use super::{Store, StoreError, id};
use crate::accounts::{Role, Viewer};
use crate::publicity::Publicity;
use crate::remind::{Kind, Reminder};

/// Most reminders of one answer.
const MAX_ROWS: u32 = 500;

/// A reminder as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderRow {
    /// What it says.
    pub reminder: Reminder,
    /// When its stage was reached.
    pub created_at: Time,
}

impl Store {
    /// Reminders a viewer may see, the newest first. Of penalties only the enterprise itself and its officers hear.
    pub async fn reminders(&self, viewer: &Viewer) -> Result<Vec<ReminderRow>, StoreError> {
        let concerned = matches!(viewer.role, Role::Enterprise | Role::Branch | Role::CityDuty);
        if viewer.role == Role::Contractor {
            return Ok(Vec::new());
        }
        let mut wanted = Where::of_enterprises(viewer);
        if !concerned {
            wanted.and("kind =", Kind::Permit.code());
        }
        let tail = format!(" ORDER BY created_at DESC, id LIMIT {MAX_ROWS}");
        let rows = self
            .db
            .rows(
                wanted.sql(
                    "SELECT id, kind, enterprise, district, subject, stage_days, due_on, text_zh, text_en, \
                     created_at FROM reminders",
                    &tail,
                ),
                wanted.values,
            )
            .await?;
        rows.iter().map(reminder).collect()
    }

    /// The table of penalties, in order; those taken down stand in it too.
    pub async fn publicity(&self) -> Result<Vec<Publicity>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT enterprise, district, document, published_at, minimum_until, maximum_until, ended_at \
                 FROM publicity ORDER BY enterprise, document",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Publicity {
                    enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
                    district: row.text("district")?,
                    document: row.text("document")?,
                    published_at: row.time("published_at")?,
                    minimum_until: row.time("minimum_until")?,
                    maximum_until: row.time("maximum_until")?,
                    ended_at: row.opt_time("ended_at")?,
                })
            })
            .collect()
    }
}

/// Replaces the table of penalties.
pub(crate) async fn replace_publicity(tx: &mut Tx<'_>, penalties: &[Publicity]) -> Result<(), StoreError> {
    tx.exec("DELETE FROM publicity", args![]).await?;
    for penalty in penalties {
        let id = ContentId::of(&[
            b"publicity",
            penalty.enterprise.as_str().as_bytes(),
            penalty.document.as_bytes(),
        ]);
        tx.exec(
            "INSERT INTO publicity (id, enterprise, district, document, published_at, minimum_until, maximum_until, \
             ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                id,
                penalty.enterprise,
                &penalty.district,
                &penalty.document,
                penalty.published_at,
                penalty.minimum_until,
                penalty.maximum_until,
                penalty.ended_at,
            ],
        )
        .await?;
    }
    Ok(())
}

/// Notes a reminder; false where its stage was reached before.
pub(crate) async fn add(tx: &mut Tx<'_>, reminder: &Reminder, now: Time) -> Result<bool, StoreError> {
    let added = tx
        .exec(
            "INSERT INTO reminders (id, kind, enterprise, district, subject, stage_days, due_on, text_zh, text_en, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
            args![
                reminder.id,
                reminder.kind.code(),
                reminder.enterprise,
                &reminder.district,
                &reminder.subject,
                reminder.stage_days,
                reminder.due_on,
                &reminder.text.0,
                &reminder.text.1,
                now,
            ],
        )
        .await?;
    Ok(added == 1)
}

/// Notes a batch; false where it was made before.
pub(crate) async fn add_batch(
    tx: &mut Tx<'_>,
    batch: ContentId,
    kind: &'static str,
    title: &str,
    now: Time,
) -> Result<bool, StoreError> {
    let added = tx
        .exec(
            "INSERT INTO notice_batches (id, kind, title, created_by, created_at) VALUES ($1, $2, $3, '', $4) \
             ON CONFLICT (id) DO NOTHING",
            args![batch, kind, title, now],
        )
        .await?;
    Ok(added == 1)
}

impl Store {
    /// True where a batch was made.
    pub(crate) async fn has_batch(&self, batch: ContentId) -> Result<bool, StoreError> {
        let row = self
            .db
            .one("SELECT id FROM notice_batches WHERE id = $1", args![batch])
            .await?;
        Ok(row.is_some())
    }
}

fn reminder(row: &Row) -> Result<ReminderRow, StoreError> {
    let kind = row.parsed("kind", Kind::from_code)?;
    Ok(ReminderRow {
        reminder: Reminder {
            id: row.parsed("id", id)?,
            kind,
            enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
            district: row.text("district")?,
            subject: row.text("subject")?,
            stage_days: row.int("stage_days")?,
            due_on: row.time("due_on")?,
            text: (row.text("text_zh")?, row.text("text_en")?),
            is_sent: false,
        },
        created_at: row.time("created_at")?,
    })
}
