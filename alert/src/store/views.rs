//! What the pages, the API and the mails read: rows as typed views.

use plume_schemas::entry::LogPosition;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::judgement::Judgement;
use plume_schemas::rule::{RuleCode, Severity, Stream};
use plume_schemas::time::{Span, Time};

use super::db::Row;
use super::{StoreError, id, json};
use crate::accounts::Role;
use crate::case::{By, Case, Certainty, Family, Member, MemberState, Outcome, State, Tags, TraceKind};

/// A case as a row of a list or the head of its page: everything but its breaches and its trace.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    /// Its id; 32 hex digits in an address.
    pub id: ContentId,
    /// Give it back with an act: the act is refused if somebody else was first.
    pub version: i64,
    /// Number of its last change, for the live list.
    pub changed_seq: i64,
    /// Whose eyes it is for.
    pub stream: Stream,
    /// Told of as what.
    pub family: Family,
    /// The rule that spoke last.
    pub rule: RuleCode,
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of which factor, or the outlet as a whole.
    pub factor: Option<FactorCode>,
    /// Whose it is.
    pub tags: Tags,
    /// How grave.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// How sure.
    pub certainty: Certainty,
    /// What it led to.
    pub outcome: Option<Outcome>,
    /// Caused by backfill.
    pub late: bool,
    /// The window judged last.
    pub window: Span,
    /// When it began.
    pub opened_at: Time,
    /// When anything last changed.
    pub updated_at: Time,
    /// When the breach ended.
    pub resolved_at: Option<Time>,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// When the book must look at it again by the clock.
    pub settle_at: Option<Time>,
    /// Until when a person has to act.
    pub due_at: Option<Time>,
    /// 签收.
    pub acknowledged: Option<By>,
    /// 原因与措施.
    pub answered: Option<By>,
    /// Who works on it.
    pub assigned_to: Option<String>,
    /// The judgement applied last: verdict and facts, for headline, headroom and steps.
    pub judgement: Judgement,
}

/// A line of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// Counts all changes of the desk upward.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// What.
    pub kind: TraceKind,
    /// Who; empty for the judge and the clock.
    pub actor: String,
    /// In which role, for a person.
    pub role: Option<Role>,
    /// Their words, or the reason.
    pub text: String,
    /// The judgement it rests on, for a line the judge wrote.
    pub judgement: Option<Judgement>,
}

/// One notice to one receiver, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its id, also the message id of the mail.
    pub id: ContentId,
    /// For whom by kind: `enterprise`, `contractor`, `branch`, `city`, `lead_officer`.
    pub audience: String,
    /// Who.
    pub receiver: String,
    /// By which channel.
    pub channel: String,
    /// Where to, masked.
    pub address: String,
    /// Why it was made: `first`, `worsened`, `cleared`, `reminder`…
    pub purpose: String,
    /// `waiting`, `sent`, `skipped` or `failed`.
    pub state: String,
    /// The named reason of the last decision.
    pub reason: String,
    /// What was said.
    pub subject: String,
    /// When it was made.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i64,
    /// When it went out.
    pub sent_at: Option<Time>,
    /// When the channel said it arrived.
    pub delivered_at: Option<Time>,
    /// When it was opened.
    pub opened_at: Option<Time>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Time>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// The columns of a [`CaseRow`].
pub(super) const CASE_COLUMNS: &str = "id, version, changed_seq, stream, family, rule, outlet, factor, \
     enterprise, district, industry, officer, severity, state, certainty, outcome, late, trial, window_start, \
     window_end, opened_at, updated_at, resolved_at, closed_at, settle_at, due_at, acknowledged_by, \
     acknowledged_at, answered_by, answered_at, assigned_to, judgement";

pub(super) fn case_row(row: &Row) -> Result<CaseRow, StoreError> {
    let by = |name: Option<String>, at: Option<Time>| name.zip(at).map(|(name, at)| By { name, at });
    Ok(CaseRow {
        id: row.parsed("id", id)?,
        version: row.int("version")?,
        changed_seq: row.int("changed_seq")?,
        stream: row.parsed("stream", Stream::from_code)?,
        family: row.parsed("family", Family::from_code)?,
        rule: row.parsed("rule", RuleCode::from_code)?,
        outlet: row.parsed("outlet", |text| OutletId::new(text).ok())?,
        factor: row.parsed("factor", factor)?,
        tags: Tags {
            enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
            district: row.text("district")?,
            industry: row.text("industry")?,
            officer: row.text("officer")?,
            trial: row.truth("trial")?,
        },
        severity: severity(row)?,
        state: row.parsed("state", State::from_code)?,
        certainty: row.parsed("certainty", Certainty::from_code)?,
        outcome: row.opt_parsed("outcome", Outcome::from_code)?,
        late: row.truth("late")?,
        window: window(row)?,
        opened_at: row.time("opened_at")?,
        updated_at: row.time("updated_at")?,
        resolved_at: row.opt_time("resolved_at")?,
        closed_at: row.opt_time("closed_at")?,
        settle_at: row.opt_time("settle_at")?,
        due_at: row.opt_time("due_at")?,
        acknowledged: by(row.opt_text("acknowledged_by")?, row.opt_time("acknowledged_at")?),
        answered: by(row.opt_text("answered_by")?, row.opt_time("answered_at")?),
        assigned_to: row.opt_text("assigned_to")?,
        judgement: row.parsed("judgement", json::read)?,
    })
}

pub(super) fn member(row: &Row) -> Result<Member, StoreError> {
    let unsigned = |column| {
        let value = row.int(column)?;
        u64::try_from(value).map_err(|_| StoreError::Damaged {
            column,
            value: value.to_string(),
        })
    };
    let narrow = |column| {
        let value = unsigned(column)?;
        u32::try_from(value).map_err(|_| StoreError::Damaged {
            column,
            value: value.to_string(),
        })
    };
    Ok(Member {
        id: row.parsed("id", id)?,
        rule: row.parsed("rule", RuleCode::from_code)?,
        state: row.parsed("state", MemberState::from_code)?,
        severity: severity(row)?,
        preliminary: row.truth("preliminary")?,
        opened_at: row.time("opened_at")?,
        window: window(row)?,
        cause: (
            LogPosition {
                partition: narrow("cause_partition")?,
                offset: unsigned("cause_offset")?,
            },
            narrow("cause_ordinal")?,
        ),
    })
}

pub(super) fn trace_row(row: &Row) -> Result<TraceRow, StoreError> {
    Ok(TraceRow {
        seq: row.int("seq")?,
        at: row.time("at")?,
        kind: row.parsed("kind", TraceKind::from_code)?,
        actor: row.text("actor")?,
        role: row.opt_parsed("role", Role::from_code)?,
        text: row.text("text")?,
        judgement: row.parsed("detail", |text| match text {
            "" => Some(None),
            text => json::read(text).map(Some),
        })?,
    })
}

pub(super) fn notice_row(row: &Row) -> Result<NoticeRow, StoreError> {
    let channel = row.text("channel")?;
    Ok(NoticeRow {
        id: row.parsed("id", id)?,
        audience: row.text("audience")?,
        receiver: row.text("receiver")?,
        address: mask(&row.text("address")?),
        channel,
        purpose: row.text("purpose")?,
        state: row.text("state")?,
        reason: row.text("reason")?,
        subject: row.text("subject")?,
        created_at: row.time("created_at")?,
        attempts: row.int("attempts")?,
        sent_at: row.opt_time("sent_at")?,
        delivered_at: row.opt_time("delivered_at")?,
        opened_at: row.opt_time("opened_at")?,
        acknowledged_at: row.opt_time("acknowledged_at")?,
        error: row.opt_text("error")?,
    })
}

impl CaseRow {
    /// The case with its breaches, for the book.
    pub(super) fn into_case(self, members: Vec<Member>) -> Case {
        Case {
            id: self.id,
            version: self.version,
            outlet: self.outlet,
            factor: self.factor,
            family: self.family,
            stream: self.stream,
            tags: self.tags,
            severity: self.severity,
            state: self.state,
            certainty: self.certainty,
            outcome: self.outcome,
            late: self.late,
            opened_at: self.opened_at,
            updated_at: self.updated_at,
            resolved_at: self.resolved_at,
            closed_at: self.closed_at,
            settle_at: self.settle_at,
            due_at: self.due_at,
            acknowledged: self.acknowledged,
            answered: self.answered,
            assigned_to: self.assigned_to,
            members,
            judgement: self.judgement,
        }
    }
}

/// A factor column: empty where the case is about the outlet as a whole.
#[expect(
    clippy::option_option,
    reason = "outer: readable or not; inner: about a factor or the outlet as a whole"
)]
fn factor(text: &str) -> Option<Option<FactorCode>> {
    if text.is_empty() {
        return Some(None);
    }
    FactorCode::new(text).ok().map(Some)
}

fn severity(row: &Row) -> Result<Severity, StoreError> {
    let number = row.int("severity")?;
    u8::try_from(number)
        .ok()
        .and_then(Severity::from_number)
        .ok_or(StoreError::Damaged {
            column: "severity",
            value: number.to_string(),
        })
}

fn window(row: &Row) -> Result<Span, StoreError> {
    Ok(Span {
        start: row.time("window_start")?,
        end: row.time("window_end")?,
    })
}

/// A telephone as `139****1234`, a mail address as `w***@example.com`, anything else with its middle hidden.
pub fn mask(address: &str) -> String {
    let chars: Vec<char> = address.chars().collect();
    if let Some((user, domain)) = address.split_once('@') {
        let first: String = user.chars().take(1).collect();
        return format!("{first}***@{domain}");
    }
    if chars.len() >= 8 {
        let head: String = chars.iter().take(3).collect();
        let tail: String = chars.iter().skip(chars.len() - 4).collect();
        return format!("{head}****{tail}");
    }
    if chars.is_empty() {
        return String::new();
    }
    "****".into()
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn addresses_are_masked() {
        assert_eq!(mask("13900001234"), "139****1234");
        assert_eq!(mask("wang@example.com"), "w***@example.com");
        assert_eq!(mask("1234"), "****");
        assert_eq!(mask(""), "");
    }
}
