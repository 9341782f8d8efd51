//! Which events have been applied, and where to read on.

use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::ContentId;
use plume_schemas::judgement::Verdict;
use plume_schemas::time::Time;

use super::db::{Tx, args};
use super::{Store, StoreError, id, json};

impl Store {
    /// Next offset of a partition of the events topic to read; `None` before the first.
    pub async fn resume_offset(&self, partition: u32) -> Result<Option<u64>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT next_offset FROM consumed_offsets WHERE partition_no = $1",
                args![i64::from(partition)],
            )
            .await?;
        row.map(|row| offset(row.int("next_offset")?)).transpose()
    }

    /// An event that stands on no line of the log, since this desk found it (TWIN), as the trace of its case keeps it.
    /// Of any other event only the judgement is as it was: the trace does not keep its edge.
    pub async fn found(&self, event: ContentId) -> Result<Option<Event>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT t.at, t.detail, COALESCE(a.case_id, t.case_id) AS case_id FROM trace t \
                 LEFT JOIN applied_events a ON a.id = t.event_id WHERE t.event_id = $1",
                args![event],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let judgement: plume_schemas::judgement::Judgement = row.parsed("detail", json::read)?;
        let edge = match judgement.verdict {
            Verdict::Breach(_) => Edge::Opened,
            Verdict::Fine | Verdict::NotJudged(_) => Edge::Cleared,
        };
        Ok(Some(Event {
            id: event,
            case: row.parsed("case_id", id)?,
            edge,
            at: row.time("at")?,
            preliminary: false,
            judgement,
        }))
    }
}

fn offset(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged {
        column: "next_offset",
        value: value.to_string(),
    })
}

/// Where the reader of a partition stands, as this transaction sees it.
pub(crate) async fn next_offset(tx: &mut Tx<'_>, partition: u32) -> Result<u64, StoreError> {
    let row = tx
        .one(
            "SELECT next_offset FROM consumed_offsets WHERE partition_no = $1",
            args![i64::from(partition)],
        )
        .await?;
    row.map_or(Ok(0), |row| offset(row.int("next_offset")?))
}

/// Moves the reader of a partition on.
pub(crate) async fn advance(tx: &mut Tx<'_>, partition: u32, next: u64) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO consumed_offsets (partition_no, next_offset) VALUES ($1, $2) \
         ON CONFLICT (partition_no) DO UPDATE SET next_offset = $2",
        args![i64::from(partition), i64::try_from(next).unwrap_or(i64::MAX)],
    )
    .await?;
    Ok(())
}

/// Notes that an event is applied; false where it was before.
pub(crate) async fn mark_applied(tx: &mut Tx<'_>, event: &Event) -> Result<bool, StoreError> {
    let rows = tx
        .exec(
            "INSERT INTO applied_events (id, case_id, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            args![event.id, event.case, event.at],
        )
        .await?;
    Ok(rows == 1)
}

/// Forgets applied events older than `before` whose cases are done: their breaches remember their own place in the log.
pub(crate) async fn forget_applied(tx: &mut Tx<'_>, before: Time) -> Result<u64, StoreError> {
    tx.exec("DELETE FROM applied_events WHERE at < $1", args![before]).await
}
