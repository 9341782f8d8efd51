//! Reading a case to change it and writing it back with its trace, inside a transaction given by the caller.

use plume_schemas::event::Event;
use plume_schemas::ids::ContentId;
use plume_schemas::judgement::Judgement;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, Span, Time};
use sqlx::AssertSqlSafe;

use super::db::{Row, Tx, args};
use super::views::{CASE_COLUMNS, case_row, member};
use super::{StoreError, json};
use crate::book::{Applied, joins};
use crate::case::{Case, Member, TraceLine};

/// Most warnings of one window of one (outlet, factor) that a word of the judge is given to: there is one in practice.
const MAX_WARNINGS: i64 = 16;
/// Most open cases of one outlet that are looked through for one to join.
const MAX_JOIN_CANDIDATES: i64 = 64;

/// The case an event belongs to: the one that knows its breach, else an open one it joins.
pub(crate) async fn case_for(tx: &mut Tx<'_>, event: &Event) -> Result<Option<Case>, StoreError> {
    let known = tx
        .one("SELECT case_id FROM members WHERE id = $1", args![event.case])
        .await?;
    if let Some(row) = known {
        return load(tx, row.parsed("case_id", super::id)?).await;
    }
    let judgement = &event.judgement;
    let rows = tx
        .rows(
            AssertSqlSafe(format!(
                "SELECT {CASE_COLUMNS} FROM cases WHERE outlet = $1 AND factor = $2 AND family = $3 AND state = \
                 'open' ORDER BY opened_at LIMIT {MAX_JOIN_CANDIDATES}"
            )),
            args![
                judgement.outlet,
                judgement
                    .factor
                    .map_or(String::new(), |factor| factor.as_str().to_owned()),
                crate::case::Family::of(judgement.rule).code(),
            ],
        )
        .await?;
    for row in &rows {
        let case = with_members(tx, row).await?;
        if joins(&case, judgement.rule, judgement.window) {
            return Ok(Some(case));
        }
    }
    Ok(None)
}

/// A case by id, with its breaches.
pub(crate) async fn load(tx: &mut Tx<'_>, case: ContentId) -> Result<Option<Case>, StoreError> {
    let row = tx
        .one(
            AssertSqlSafe(format!("SELECT {CASE_COLUMNS} FROM cases WHERE id = $1")),
            args![case],
        )
        .await?;
    match row {
        Some(row) => with_members(tx, &row).await.map(Some),
        None => Ok(None),
    }
}

/// The warnings by `rule` of one window of the outlet and factor of `judgement`, for its outcome.
pub(crate) async fn warnings_of(
    tx: &mut Tx<'_>,
    judgement: &Judgement,
    rule: RuleCode,
    window: Span,
) -> Result<Vec<Case>, StoreError> {
    let rows = tx
        .rows(
            AssertSqlSafe(format!(
                "SELECT {CASE_COLUMNS} FROM cases WHERE outlet = $1 AND factor = $2 AND window_start = $3 AND \
                 rule = $4 ORDER BY opened_at, id LIMIT {MAX_WARNINGS}"
            )),
            args![
                judgement.outlet,
                judgement
                    .factor
                    .map_or(String::new(), |factor| factor.as_str().to_owned()),
                window.start,
                rule.code(),
            ],
        )
        .await?;
    let mut cases = Vec::new();
    for row in &rows {
        cases.push(with_members(tx, row).await?);
    }
    Ok(cases)
}

/// Cases whose time to settle has come, at most `limit`.
pub(crate) async fn to_settle(tx: &mut Tx<'_>, now: Time, limit: i64) -> Result<Vec<Case>, StoreError> {
    let rows = tx
        .rows(
            AssertSqlSafe(format!(
                "SELECT {CASE_COLUMNS} FROM cases WHERE settle_at <= $1 ORDER BY settle_at, id LIMIT $2"
            )),
            args![now, limit],
        )
        .await?;
    let mut cases = Vec::new();
    for row in &rows {
        cases.push(with_members(tx, row).await?);
    }
    Ok(cases)
}

/// True where an exceedance of the same (outlet, factor) that began in or before the case's window is open.
pub(crate) async fn still_exceeding(tx: &mut Tx<'_>, case: &Case) -> Result<bool, StoreError> {
    let row = tx
        .one(
            "SELECT m.id FROM cases c JOIN members m ON m.case_id = c.id WHERE c.outlet = $1 AND c.factor = $2 \
             AND c.family = 'exceed' AND c.state = 'open' AND m.state = 'open' AND m.rule = $3 AND c.opened_at < \
             $4 LIMIT 1",
            args![
                case.outlet,
                case.factor.map_or(String::new(), |factor| factor.as_str().to_owned()),
                match case.rule() {
                    RuleCode::NearDay => RuleCode::ExceedDay.code(),
                    _ => RuleCode::ExceedHour.code(),
                },
                case.judgement.window.end.plus(HOUR_MS),
            ],
        )
        .await?;
    Ok(row.is_some())
}

async fn with_members(tx: &mut Tx<'_>, row: &Row) -> Result<Case, StoreError> {
    let head = case_row(row)?;
    let rows = tx
        .rows(
            "SELECT id, rule, state, severity, preliminary, opened_at, window_start, window_end, cause_partition, \
             cause_offset, cause_ordinal FROM members WHERE case_id = $1 ORDER BY opened_at, id",
            args![head.id],
        )
        .await?;
    let members = rows.iter().map(member).collect::<Result<_, _>>()?;
    Ok(head.into_case(members))
}

/// Writes the case, its breaches and its new lines of trace; gives the version and change number it has now.
pub(crate) async fn save(tx: &mut Tx<'_>, applied: &Applied) -> Result<(i64, i64), StoreError> {
    let lines = i64::try_from(applied.trace.len()).unwrap_or(i64::MAX).max(1);
    let first = tx.take("trace", lines).await?;
    let seq = first + lines - 1;
    let version = applied.case.version + 1;
    upsert_case(tx, &applied.case, version, seq).await?;
    for member in &applied.case.members {
        upsert_member(tx, applied.case.id, member).await?;
    }
    for (line, seq) in applied.trace.iter().zip(first..) {
        append(tx, applied.case.id, seq, line).await?;
    }
    Ok((version, seq))
}

async fn upsert_case(tx: &mut Tx<'_>, case: &Case, version: i64, seq: i64) -> Result<(), StoreError> {
    let by = |by: &Option<crate::case::By>| (by.as_ref().map(|by| by.name.clone()), by.as_ref().map(|by| by.at));
    let (acknowledged_by, acknowledged_at) = by(&case.acknowledged);
    let (answered_by, answered_at) = by(&case.answered);
    tx.exec(
        "INSERT INTO cases (id, version, changed_seq, stream, family, rule, outlet, factor, enterprise, \
         district, industry, officer, severity, state, certainty, outcome, late, trial, window_start, \
         window_end, opened_at, updated_at, resolved_at, closed_at, settle_at, due_at, acknowledged_by, \
         acknowledged_at, answered_by, answered_at, assigned_to, judgement) VALUES ($1, $2, $3, $4, $5, $6, $7, \
         $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, \
         $29, $30, $31, $32) ON CONFLICT (id) DO UPDATE SET version = $2, changed_seq = $3, rule = $6, severity \
         = $13, state = $14, certainty = $15, outcome = $16, late = $17, window_start = $19, window_end = $20, \
         updated_at = $22, resolved_at = $23, closed_at = $24, settle_at = $25, due_at = $26, acknowledged_by = \
         $27, acknowledged_at = $28, answered_by = $29, answered_at = $30, assigned_to = $31, judgement = $32",
        args![
            case.id,
            version,
            seq,
            case.stream.code(),
            case.family.code(),
            case.rule().code(),
            case.outlet,
            case.factor.map_or(String::new(), |factor| factor.as_str().to_owned()),
            case.tags.enterprise,
            &case.tags.district,
            &case.tags.industry,
            &case.tags.officer,
            i64::from(case.severity.number()),
            case.state.code(),
            case.certainty.code(),
            case.outcome.map(crate::case::Outcome::code),
            case.late,
            case.tags.trial,
            case.judgement.window.start,
            case.judgement.window.end,
            case.opened_at,
            case.updated_at,
            case.resolved_at,
            case.closed_at,
            case.settle_at,
            case.due_at,
            acknowledged_by,
            acknowledged_at,
            answered_by,
            answered_at,
            case.assigned_to.clone(),
            json::write(&case.judgement),
        ],
    )
    .await?;
    Ok(())
}

async fn upsert_member(tx: &mut Tx<'_>, case: ContentId, member: &Member) -> Result<(), StoreError> {
    let (position, ordinal) = member.cause;
    tx.exec(
        "INSERT INTO members (id, case_id, rule, state, severity, preliminary, opened_at, window_start, \
         window_end, cause_partition, cause_offset, cause_ordinal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
         $10, $11, $12) ON CONFLICT (id) DO UPDATE SET state = $4, severity = $5, preliminary = $6, window_start \
         = $8, window_end = $9, cause_partition = $10, cause_offset = $11, cause_ordinal = $12",
        args![
            member.id,
            case,
            member.rule.code(),
            member.state.code(),
            i64::from(member.severity.number()),
            member.preliminary,
            member.opened_at,
            member.window.start,
            member.window.end,
            i64::from(position.partition),
            i64::try_from(position.offset).unwrap_or(i64::MAX),
            i64::from(ordinal),
        ],
    )
    .await?;
    Ok(())
}

async fn append(tx: &mut Tx<'_>, case: ContentId, seq: i64, line: &TraceLine) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO trace (seq, case_id, at, kind, actor, role, text, detail, event_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            seq,
            case,
            line.at,
            line.kind.code(),
            &line.actor,
            line.role.map(crate::accounts::Role::code),
            &line.text,
            line.judgement.as_ref().map_or(String::new(), json::write),
            line.event,
        ],
    )
    .await?;
    Ok(())
}
