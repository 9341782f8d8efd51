//! Notices and the outbox: made with the effect, claimed before each attempt, recorded after it.

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::{HOUR_MS, Span, Time};

use super::db::{Row, Tx, args};
use super::{Store, StoreError, id};
use crate::book::Purpose;
use crate::case::{Family, State};
use crate::mute::inhibit::OpenCase;
use crate::notify::{Audience, Channel, Notice, NoticeState, Reason, Receiver};
use crate::words::{Lang, Message};

/// Notices looked at in one pass: a pass takes well under a second, and what is left is due in the next.
const MAX_DUE: i64 = 200;

/// A notice whose time has come, with what the decision needs to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) notice: Notice,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// The case, where it has one.
    pub(crate) case: Option<DueCase>,
    pub(crate) told_before: bool,
    pub(crate) sent_last_hour: u64,
    pub(crate) last_sent: Option<Time>,
}

/// What the decision needs to know of the case.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DueCase {
    pub(crate) state: State,
    pub(crate) acknowledged: bool,
    /// An officer has done something about it.
    pub(crate) officer_acted: bool,
    pub(crate) trial: bool,
    pub(crate) late: bool,
    pub(crate) open: OpenCase,
    pub(crate) rule: RuleCode,
}

/// Puts notices into the store and the outbox. One made before is left as it is.
pub(crate) async fn add(tx: &mut Tx<'_>, notices: &[Notice]) -> Result<(), StoreError> {
    for notice in notices {
        let added = tx
            .exec(
                "INSERT INTO notices (id, case_id, batch_id, enterprise, stream, audience, receiver, channel, \
                 address, purpose, step, lang, severity, subject, body_text, body_html, created_at, not_before, \
                 stale_at, waits_for_morning, state, reason, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
                 $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 'waiting', 'new', 0) ON CONFLICT \
                 (id) DO NOTHING",
                args![
                    notice.id,
                    notice.case,
                    notice.batch,
                    notice.enterprise.map_or(String::new(), |own| own.as_str().to_owned()),
                    notice.stream.code(),
                    notice.audience.code(),
                    &notice.receiver,
                    notice.channel.code(),
                    &notice.address,
                    notice.purpose.code(),
                    i64::from(notice.step),
                    notice.lang.code(),
                    i64::from(notice.severity.number()),
                    &notice.message.subject,
                    &notice.message.text,
                    &notice.message.html,
                    notice.created_at,
                    notice.not_before,
                    notice.stale_at,
                    notice.waits_for_morning,
                ],
            )
            .await?;
        if added == 1 {
            tx.exec(
                "INSERT INTO outbox (notice_id, next_at, attempts) VALUES ($1, $2, 0)",
                args![notice.id, notice.not_before],
            )
            .await?;
        }
    }
    Ok(())
}

/// Who has been told of a case, or perhaps has: an attempt may have arrived though its answer did not.
pub(crate) async fn told(tx: &mut Tx<'_>, case: ContentId) -> Result<Vec<Receiver>, StoreError> {
    let rows = tx
        .rows(
            "SELECT DISTINCT audience, receiver, channel, address FROM notices WHERE case_id = $1 \
             AND (state = 'sent' OR attempts > 0) AND purpose NOT IN ('cleared', 'retracted') \
             AND channel NOT IN ('ring', 'voice') \
             ORDER BY audience, receiver, channel, address",
            args![case],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Receiver {
                audience: row.parsed("audience", Audience::from_code)?,
                name: row.text("receiver")?,
                channel: row.parsed("channel", Channel::from_code)?,
                address: row.text("address")?,
            })
        })
        .collect()
}

/// Notices an act of a person answers: whoever was told and acknowledges is noted in the log.
pub(crate) async fn acknowledged(tx: &mut Tx<'_>, case: ContentId, receiver: &str, at: Time) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE notices SET acknowledged_at = $3 WHERE case_id = $1 AND receiver = $2 AND state = 'sent' \
         AND acknowledged_at IS NULL",
        args![case, receiver, at],
    )
    .await?;
    Ok(())
}

/// The notice behind a one-time link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Linked {
    pub(crate) notice: ContentId,
    pub(crate) case: ContentId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) receiver: String,
    pub(crate) created_at: Time,
    pub(crate) is_used: bool,
}

impl Store {
    /// The notice behind a link: one of a case, to the site.
    pub(crate) async fn linked(&self, notice: ContentId) -> Result<Option<Linked>, StoreError> {
        let row = self
            .db
            .one(
                "SELECT case_id, enterprise, receiver, created_at, acknowledged_at FROM notices WHERE id = $1 \
                 AND case_id IS NOT NULL AND audience IN ('enterprise', 'contractor')",
                args![notice],
            )
            .await?;
        row.map(|row| {
            Ok(Linked {
                notice,
                case: row.parsed("case_id", id)?,
                enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
                receiver: row.text("receiver")?,
                created_at: row.time("created_at")?,
                is_used: row.opt_int("acknowledged_at")?.is_some(),
            })
        })
        .transpose()
    }

    /// Notices due at `now`, the gravest and oldest first.
    pub(crate) async fn due(&self, now: Time) -> Result<Vec<Due>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT n.id, n.case_id, n.batch_id, n.enterprise, n.stream, n.audience, n.receiver, n.channel, \
                 n.address, n.purpose, n.step, n.lang, n.severity, n.subject, n.body_text, n.body_html, \
                 n.created_at, n.not_before, n.stale_at, n.waits_for_morning, o.attempts AS tried, c.state AS \
                 case_state, c.acknowledged_at AS acked, c.trial AS case_trial, c.late AS case_late, c.outlet AS \
                 case_outlet, c.factor AS case_factor, c.district AS case_district, c.family AS case_family, \
                 c.severity AS case_severity, c.rule AS case_rule, c.window_start AS case_start, c.window_end AS \
                 case_end, (SELECT COUNT(*) FROM notices s WHERE s.channel = n.channel AND s.address = n.address \
                 AND s.sent_at > $2) AS recent, (SELECT COUNT(*) FROM notices t WHERE t.case_id = n.case_id AND \
                 t.channel = n.channel AND t.address = n.address AND t.state = 'sent' AND t.purpose NOT IN \
                 ('cleared', 'retracted')) AS before, (SELECT MAX(l.sent_at) FROM notices l WHERE l.channel = \
                 n.channel AND l.address = n.address) AS last_sent, (SELECT COUNT(*) FROM trace a WHERE a.case_id \
                 = n.case_id AND a.role IN ('city_duty', 'branch', 'lead_officer')) AS officers FROM \
                 outbox o JOIN notices n ON n.id = o.notice_id LEFT JOIN cases c ON c.id = n.case_id \
                 WHERE o.next_at <= $1 ORDER BY n.severity DESC, n.created_at, n.id LIMIT $3",
                args![now, now.plus(-HOUR_MS), MAX_DUE],
            )
            .await?;
        rows.iter().map(due).collect()
    }

    /// Open cases that may explain others: those of the outlet, and the platform's own.
    pub(crate) async fn open_cases_beside(&self, outlet: OutletId) -> Result<Vec<OpenCase>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT outlet, factor, district, family, severity, window_start, window_end FROM cases WHERE \
                 state = 'open' AND (outlet = $1 OR family = 'common_cause')",
                args![outlet],
            )
            .await?;
        rows.iter()
            .map(|row| {
                open_case(
                    row,
                    [
                        "outlet",
                        "factor",
                        "district",
                        "family",
                        "severity",
                        "window_start",
                        "window_end",
                    ],
                )
            })
            .collect()
    }

    /// When the next notice is due, and how many wait.
    pub async fn outbox_state(&self) -> Result<(Option<Time>, u64), StoreError> {
        let row = self
            .db
            .one("SELECT MIN(next_at) AS next, COUNT(*) AS n FROM outbox", Vec::new())
            .await?;
        row.map_or(Ok((None, 0)), |row| {
            Ok((row.opt_time("next")?, u64::try_from(row.int("n")?).unwrap_or(0)))
        })
    }

    /// Writes down that notices will never be sent, or later.
    pub(crate) async fn put_off(&self, decisions: &[(ContentId, PutOff)]) -> Result<(), StoreError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for (notice, decision) in decisions {
            match decision {
                PutOff::Never(state, reason) => {
                    tx.exec(
                        "UPDATE notices SET state = $2, reason = $3 WHERE id = $1",
                        args![*notice, state.code(), reason.code()],
                    )
                    .await?;
                    tx.exec("DELETE FROM outbox WHERE notice_id = $1", args![*notice])
                        .await?;
                }
                PutOff::Until(at, reason) => {
                    tx.exec(
                        "UPDATE notices SET reason = $2 WHERE id = $1",
                        args![*notice, reason.code()],
                    )
                    .await?;
                    tx.exec(
                        "UPDATE outbox SET next_at = $2 WHERE notice_id = $1",
                        args![*notice, *at],
                    )
                    .await?;
                }
            }
        }
        tx.commit().await
    }

    /// Counts an attempt before it is made and sets the time of the next: a crash in the middle of sending repeats it,
    /// once.
    pub(crate) async fn claim(&self, notices: &[ContentId], next_at: Time) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for &notice in notices {
            tx.exec(
                "UPDATE outbox SET attempts = attempts + 1, next_at = $2 WHERE notice_id = $1",
                args![notice, next_at],
            )
            .await?;
            tx.exec(
                "UPDATE notices SET attempts = attempts + 1, reason = 'retry' WHERE id = $1",
                args![notice],
            )
            .await?;
        }
        tx.commit().await
    }

    /// Writes down that notices were handed over, and plans when they are said again. By `receipt` the gateway will
    /// speak of them, if it does.
    pub(crate) async fn record_sent(
        &self,
        notices: &[ContentId],
        at: Time,
        receipt: &str,
        repeats: &[Notice],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for &notice in notices {
            tx.exec(
                "UPDATE notices SET state = 'sent', reason = 'due', sent_at = $2, error = NULL, receipt_id = $3 \
                 WHERE id = $1",
                args![notice, at, receipt],
            )
            .await?;
            tx.exec("DELETE FROM outbox WHERE notice_id = $1", args![notice])
                .await?;
        }
        add(&mut tx, repeats).await?;
        tx.commit().await
    }

    /// Writes down that a message arrived, by the gateway's id of it or the key it was sent with. False where none is
    /// known; once it has arrived it stays so.
    pub(crate) async fn record_delivered(&self, receipt: &str, at: Time) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let known = tx
            .exec(
                "UPDATE notices SET delivered_at = COALESCE(delivered_at, $2) WHERE state = 'sent' AND \
                 receipt_id = $1",
                args![receipt, at],
            )
            .await?;
        tx.commit().await?;
        Ok(known > 0)
    }

    /// Writes down that the receiver of a notice has looked at it.
    pub(crate) async fn record_opened(&self, notice: ContentId, at: Time) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.exec(
            "UPDATE notices SET opened_at = COALESCE(opened_at, $2) WHERE id = $1",
            args![notice, at],
        )
        .await?;
        tx.commit().await
    }

    /// Writes down a failed attempt; `end` says that it was the last.
    pub(crate) async fn record_failure(
        &self,
        notices: &[ContentId],
        error: &str,
        end: Option<Reason>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for &notice in notices {
            tx.exec("UPDATE notices SET error = $2 WHERE id = $1", args![notice, error])
                .await?;
            if let Some(reason) = end {
                tx.exec(
                    "UPDATE notices SET state = 'failed', reason = $2 WHERE id = $1",
                    args![notice, reason.code()],
                )
                .await?;
                tx.exec("DELETE FROM outbox WHERE notice_id = $1", args![notice])
                    .await?;
            }
        }
        tx.commit().await
    }
}

/// A notice is not sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutOff {
    /// Nor ever.
    Never(NoticeState, Reason),
    /// But then.
    Until(Time, Reason),
}

fn due(row: &Row) -> Result<Due, StoreError> {
    let count = |column| Ok::<_, StoreError>(u64::try_from(row.int(column)?).unwrap_or(0));
    let case = match row.opt_parsed("case_state", State::from_code)? {
        None => None,
        Some(state) => Some(DueCase {
            state,
            acknowledged: row.opt_int("acked")?.is_some(),
            officer_acted: row.int("officers")? > 0,
            trial: row.truth("case_trial")?,
            late: row.truth("case_late")?,
            rule: row.parsed("case_rule", RuleCode::from_code)?,
            open: open_case(
                row,
                [
                    "case_outlet",
                    "case_factor",
                    "case_district",
                    "case_family",
                    "case_severity",
                    "case_start",
                    "case_end",
                ],
            )?,
        }),
    };
    Ok(Due {
        notice: notice(row)?,
        attempts: u32::try_from(row.int("tried")?).unwrap_or(u32::MAX),
        case,
        told_before: count("before")? > 0,
        sent_last_hour: count("recent")?,
        last_sent: row.opt_time("last_sent")?,
    })
}

fn notice(row: &Row) -> Result<Notice, StoreError> {
    Ok(Notice {
        id: row.parsed("id", id)?,
        case: row.opt_parsed("case_id", id)?,
        batch: row.opt_parsed("batch_id", id)?,
        enterprise: match row.text("enterprise")?.as_str() {
            "" => None,
            _ => Some(row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?),
        },
        stream: row.parsed("stream", Stream::from_code)?,
        audience: row.parsed("audience", Audience::from_code)?,
        receiver: row.text("receiver")?,
        channel: row.parsed("channel", Channel::from_code)?,
        address: row.text("address")?,
        purpose: row.parsed("purpose", Purpose::from_code)?,
        step: u32::try_from(row.int("step")?).unwrap_or(u32::MAX),
        lang: row.parsed("lang", Lang::from_code)?,
        message: Message {
            subject: row.text("subject")?,
            text: row.text("body_text")?,
            html: row.text("body_html")?,
        },
        severity: grave(row, "severity")?,
        created_at: row.time("created_at")?,
        not_before: row.time("not_before")?,
        stale_at: row.opt_time("stale_at")?,
        waits_for_morning: row.truth("waits_for_morning")?,
    })
}

/// An open case from its columns: outlet, factor, district, family, severity, window.
fn open_case(row: &Row, columns: [&'static str; 7]) -> Result<OpenCase, StoreError> {
    let [outlet, factor, district, family, severity, start, end] = columns;
    Ok(OpenCase {
        outlet: row.parsed(outlet, |text| OutletId::new(text).ok())?,
        factor: match row.text(factor)?.as_str() {
            "" => None,
            _ => Some(row.parsed(factor, |text| FactorCode::new(text).ok())?),
        },
        district: row.text(district)?,
        family: row.parsed(family, Family::from_code)?,
        severity: grave(row, severity)?,
        window: Span {
            start: row.time(start)?,
            end: row.time(end)?,
        },
    })
}

fn grave(row: &Row, column: &'static str) -> Result<Severity, StoreError> {
    let number = row.int(column)?;
    u8::try_from(number)
        .ok()
        .and_then(Severity::from_number)
        .ok_or_else(|| StoreError::Damaged {
            column,
            value: number.to_string(),
        })
}
