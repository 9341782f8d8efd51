//! The duty calendar as imported.

use plume_schemas::time::Time;

use super::db::{Tx, args};
use super::{Store, StoreError};
use crate::duty::{Roster, Shift};
use crate::notify::Audience;

impl Store {
    /// Takes a roster over: shifts that begin within its span are replaced by it.
    pub async fn import_roster(&self, roster: &Roster) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        import(&mut tx, roster).await?;
        tx.commit().await
    }

    /// Shifts that end after `now`, in order of their start.
    pub async fn roster(&self, now: Time) -> Result<Roster, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT audience, district, starts_at, ends_at, name, phone, email FROM duty WHERE ends_at > $1 \
                 ORDER BY starts_at, audience, district, name",
                args![now],
            )
            .await?;
        let shifts = rows
            .iter()
            .map(|row| {
                Ok(Shift {
                    audience: row.parsed("audience", Audience::from_code)?,
                    district: row.text("district")?,
                    starts_at: row.time("starts_at")?,
                    ends_at: row.time("ends_at")?,
                    name: row.text("name")?,
                    phone: row.text("phone")?,
                    email: row.text("email")?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Roster::new(shifts))
    }
}

/// Takes a roster over in a transaction.
pub(crate) async fn import(tx: &mut Tx<'_>, roster: &Roster) -> Result<(), StoreError> {
    let starts = roster.shifts().iter().map(|shift| shift.starts_at);
    let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else {
        return Ok(());
    };
    tx.exec(
        "DELETE FROM duty WHERE starts_at >= $1 AND starts_at <= $2",
        args![first, last],
    )
    .await?;
    for shift in roster.shifts() {
        tx.exec(
            "INSERT INTO duty (audience, district, starts_at, ends_at, name, phone, email) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (audience, district, starts_at, name) \
             DO UPDATE SET ends_at = $4, phone = $6, email = $7",
            args![
                shift.audience.code(),
                &shift.district,
                shift.starts_at,
                shift.ends_at,
                &shift.name,
                &shift.phone,
                &shift.email,
            ],
        )
        .await?;
    }
    Ok(())
}
