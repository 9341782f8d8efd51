//! Silences.

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Time;

use super::audit::{self, AuditKind, AuditLine};
use super::clause::Where;
use super::db::{Row, args};
use super::{Store, StoreError, id};
use crate::accounts::{Role, Viewer};
use crate::case::Family;
use crate::mute::silence::{Matcher, Silence, SilenceError, may_silence};

const COLUMNS: &str = "id, district, enterprise, outlet, factor, family, rule, reason, by_name, by_role, created_at, \
     starts_at, ends_at, ended_by";
/// Most silences shown at once.
const MAX_ROWS: u32 = 500;

impl Store {
    /// Keeps a silence.
    pub async fn add_silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let matcher = &silence.matcher;
        let mut tx = self.db.begin().await?;
        tx.exec(
            "INSERT INTO silences (id, district, enterprise, outlet, factor, family, rule, reason, by_name, by_role, \
             created_at, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT (id) DO NOTHING",
            args![
                silence.id,
                &silence.district,
                matcher.enterprise.map_or(String::new(), |own| own.as_str().to_owned()),
                matcher.outlet.map_or(String::new(), |own| own.as_str().to_owned()),
                matcher.factor.map_or(String::new(), |own| own.as_str().to_owned()),
                matcher.family.map_or("", Family::code),
                matcher.rule.map_or("", RuleCode::code),
                &silence.reason,
                &silence.by,
                silence.role.code(),
                silence.created_at,
                silence.starts_at,
                silence.ends_at,
            ],
        )
        .await?;
        let line = AuditLine {
            at: silence.created_at,
            kind: AuditKind::Silenced,
            actor: silence.by.clone(),
            role: Some(silence.role),
            object: matcher.to_string(),
            detail: format!(
                "→ {} {} · {}",
                silence.ends_at.date(),
                silence.ends_at.hour_minute(),
                silence.reason
            ),
        };
        audit::note(&mut tx, &line).await?;
        tx.commit().await
    }

    /// Ends a silence before its time.
    pub async fn end_silence(&self, viewer: &Viewer, silence: ContentId, now: Time) -> Result<(), SilenceError> {
        if !may_silence(viewer.role) {
            return Err(SilenceError::NotAllowed { role: viewer.role });
        }
        let known = self.silences(viewer, now).await?;
        let own = |own: &&Silence| own.id == silence && own.ended_by.is_none();
        let known = known.iter().find(own).ok_or(SilenceError::NoSuchSilence)?;
        let mut tx = self.db.begin().await?;
        let ended = tx
            .exec(
                "UPDATE silences SET ended_by = $2, ends_at = $3 WHERE id = $1 AND ended_by IS NULL",
                args![silence, &viewer.name, now],
            )
            .await?;
        if ended == 0 {
            return Err(SilenceError::NoSuchSilence);
        }
        let line = AuditLine {
            at: now,
            kind: AuditKind::SilenceEnded,
            actor: viewer.name.clone(),
            role: Some(viewer.role),
            object: known.matcher.to_string(),
            detail: known.reason.clone(),
        };
        audit::note(&mut tx, &line).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Silences of a viewer's district that have not ended, the next to end first. Enterprises and contractors see
    /// none.
    pub async fn silences(&self, viewer: &Viewer, now: Time) -> Result<Vec<Silence>, StoreError> {
        if matches!(viewer.role, Role::Enterprise | Role::Contractor) {
            return Ok(Vec::new());
        }
        let mut wanted = Where::of_enterprises(viewer);
        wanted.and("ends_at >", now);
        let tail = format!(" ORDER BY ends_at, id LIMIT {MAX_ROWS}");
        let rows = self
            .db
            .rows(
                wanted.sql(&format!("SELECT {COLUMNS} FROM silences"), &tail),
                wanted.values,
            )
            .await?;
        rows.iter().map(silence).collect()
    }

    /// All silences in force at `now`, for the sender.
    pub(crate) async fn silences_in_force(&self, now: Time) -> Result<Vec<Silence>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, district, enterprise, outlet, factor, family, rule, reason, by_name, by_role, \
                 created_at, starts_at, ends_at, ended_by FROM silences WHERE ends_at > $1 AND starts_at <= $1",
                args![now],
            )
            .await?;
        rows.iter().map(silence).collect()
    }
}

fn silence(row: &Row) -> Result<Silence, StoreError> {
    Ok(Silence {
        id: row.parsed("id", id)?,
        district: row.text("district")?,
        matcher: Matcher {
            enterprise: part(row, "enterprise", |text| EnterpriseId::new(text).ok())?,
            outlet: part(row, "outlet", |text| OutletId::new(text).ok())?,
            factor: part(row, "factor", |text| FactorCode::new(text).ok())?,
            family: part(row, "family", Family::from_code)?,
            rule: part(row, "rule", RuleCode::from_code)?,
        },
        reason: row.text("reason")?,
        by: row.text("by_name")?,
        role: row.parsed("by_role", Role::from_code)?,
        created_at: row.time("created_at")?,
        starts_at: row.time("starts_at")?,
        ends_at: row.time("ends_at")?,
        ended_by: row.opt_text("ended_by")?,
    })
}

/// A column that is empty where it does not restrict.
fn part<T>(row: &Row, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
    match row.text(column)?.as_str() {
        "" => Ok(None),
        _ => row.parsed(column, parse).map(Some),
    }
}
