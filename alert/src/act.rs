//! What a person's act makes of a case. Pure: who may act, and whose case it is, the store has asked before.

use plume_schemas::judgement::Judgement;
use plume_schemas::time::{SECOND_MS, Time};

use crate::accounts::Viewer;
use crate::book::{self, Applied};
use crate::case::{Act, ActKind, By, Case, MAX_ACT_TEXT_CHARS, MemberState, Outcome, State, TraceKind, TraceLine};

/// An acknowledgement can be taken back this long: enough for a slip of the finger, too short to play with.
pub const UNDO_MS: i64 = 10 * SECOND_MS;

/// An act was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such case, or not for this person.
    #[error("no such case")]
    NoSuchCase,
    /// The role may not do this.
    #[error("a {role} may not {act} a case", role = role.en(), act = act.en())]
    NotAllowed {
        /// The role asking.
        role: crate::accounts::Role,
        /// What was asked.
        act: ActKind,
    },
    /// Somebody else changed the case since it was read.
    #[error("the case changed meanwhile: version {expected} was expected, it is {found}")]
    Changed {
        /// The version the person saw.
        expected: i64,
        /// The version there is.
        found: i64,
    },
    /// The case does not stand where this act makes sense.
    #[error("cannot {act} a case that is {state}", act = act.en(), state = state.en())]
    WrongState {
        /// What was asked.
        act: ActKind,
        /// Where the case stands.
        state: State,
    },
    /// It is acknowledged already.
    #[error("already acknowledged by {by}")]
    Acknowledged {
        /// By whom.
        by: String,
    },
    /// Nothing of theirs to take back, or too late.
    #[error("an acknowledgement can be taken back by the one who gave it, within {} seconds", UNDO_MS / SECOND_MS)]
    TooLate,
    /// The act needs words.
    #[error("`{field}` is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// Too many words.
    #[error("`{field}` is longer than {MAX_ACT_TEXT_CHARS} characters")]
    TooLong {
        /// Which field.
        field: &'static str,
    },
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl ActError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchCase => "check the address; the case may belong to another enterprise or district".into(),
            Self::NotAllowed { .. } => "ask a person whose role may do this".into(),
            Self::Changed { .. } => "read the case again, then decide".into(),
            Self::WrongState { .. } => "see the trace for what happened to it".into(),
            Self::Acknowledged { .. } => "nothing more is needed; a comment or an answer can still be added".into(),
            Self::TooLate => "add a comment instead".into(),
            Self::Empty { field } => format!("write something into `{field}`"),
            Self::TooLong { .. } => "shorten it, or attach a file".into(),
            Self::Store(error) => error.hint(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::NoSuchCase => "未找到该预警".into(),
            Self::NotAllowed { act, .. } => format!("当前角色无权{}", act.zh()),
            Self::Changed { .. } => "该预警刚刚被他人更新，请刷新后再操作".into(),
            Self::WrongState { act, state } => format!("预警{}，不能{}", state.zh(), act.zh()),
            Self::Acknowledged { by } => format!("已由{by}签收"),
            Self::TooLate => format!("签收只能由本人在 {} 秒内撤销", UNDO_MS / SECOND_MS),
            Self::Empty { .. } => "请填写内容".into(),
            Self::TooLong { .. } => format!("内容不能超过 {MAX_ACT_TEXT_CHARS} 字"),
            Self::Store(_) => "数据库暂不可用，未作任何更改，请稍后重试".into(),
        }
    }
}

/// What an act needs besides itself.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The number of a fault report, given out by the store.
    pub receipt: Option<i64>,
    /// The judgement that stands where a retraction is rejected: the last breach of the trace.
    pub stands: Option<Judgement>,
    /// [`UNDO_MS`] on the clock of the desk, which may run faster than people live.
    pub undo_ms: i64,
}

/// Does `act` to the case.
pub fn act(mut case: Case, viewer: &Viewer, act: &Act, given: Given) -> Result<Applied, ActError> {
    check_words(act)?;
    let mut text = act.text.trim().to_owned();
    let by = || By {
        name: viewer.name.clone(),
        at: act.at,
    };
    let mut effects = Vec::new();
    let kind = match act.kind {
        ActKind::Comment => TraceKind::Commented,
        ActKind::ContactOfficer => TraceKind::OfficerContacted,
        ActKind::Phone => TraceKind::Phoned,
        ActKind::Assign => {
            case.assigned_to = Some(text.clone());
            TraceKind::Assigned
        }
        ActKind::Acknowledge | ActKind::Withdraw => sign(&mut case, act, by(), given.undo_ms)?,
        ActKind::Answer if case.state != State::Retracted => {
            // Who answers has read it.
            case.acknowledged.get_or_insert_with(by);
            case.answered.get_or_insert_with(by);
            text = format!("{text}\n{}", act.measures.trim());
            TraceKind::Answered
        }
        ActKind::ReportFault => {
            text = format!("{}：{text}", receipt_number(given.receipt.unwrap_or_default(), act.at));
            case.acknowledged.get_or_insert_with(by);
            TraceKind::FaultReported
        }
        ActKind::ConfirmRetraction | ActKind::RejectRetraction if case.state != State::Retracting => {
            return Err(wrong_state(&case, act));
        }
        ActKind::ConfirmRetraction => {
            effects = book::confirm(&mut case);
            TraceKind::Retracted
        }
        ActKind::RejectRetraction => {
            effects = book::reject(&mut case, given.stands);
            TraceKind::RetractionRejected
        }
        ActKind::Answer | ActKind::Close | ActKind::CloseFalse | ActKind::Reopen => end(&mut case, act)?,
    };
    case.updated_at = case.updated_at.max(act.at);
    let line = |kind, text| TraceLine {
        at: act.at,
        kind,
        actor: viewer.name.clone(),
        role: Some(viewer.role),
        text,
        judgement: None,
        event: None,
    };
    let mut trace = vec![line(kind, text)];
    if let (TraceKind::Retracted, Some(outcome)) = (kind, case.outcome) {
        trace.push(line(TraceKind::OutcomeSet, outcome.code().to_owned()));
    }
    Ok(Applied { case, trace, effects })
}

/// 签收, or taking it back.
fn sign(case: &mut Case, act: &Act, by: By, undo_ms: i64) -> Result<TraceKind, ActError> {
    if act.kind == ActKind::Withdraw {
        let own = case
            .acknowledged
            .as_ref()
            .is_some_and(|earlier| earlier.name == by.name && by.at.since(earlier.at) <= undo_ms);
        if !own {
            return Err(ActError::TooLate);
        }
        case.acknowledged = None;
        return Ok(TraceKind::Withdrawn);
    }
    if let Some(earlier) = &case.acknowledged {
        return Err(ActError::Acknowledged {
            by: earlier.name.clone(),
        });
    }
    if !case.is_live() {
        return Err(wrong_state(case, act));
    }
    case.acknowledged = Some(by);
    Ok(TraceKind::Acknowledged)
}

/// Closing, and opening again.
fn end(case: &mut Case, act: &Act) -> Result<TraceKind, ActError> {
    match act.kind {
        ActKind::Close if case.state == State::Resolved => Ok(finish(case, act.at)),
        ActKind::CloseFalse if case.is_live() && case.state != State::Retracting => {
            case.outcome = Some(Outcome::FalseAlarm);
            Ok(finish(case, act.at))
        }
        ActKind::Reopen if case.state == State::Closed => {
            let goes_on = case.members.iter().any(|member| member.state == MemberState::Open);
            case.state = if goes_on { State::Open } else { State::Resolved };
            case.closed_at = None;
            Ok(TraceKind::Reopened)
        }
        _ => Err(wrong_state(case, act)),
    }
}

fn wrong_state(case: &Case, act: &Act) -> ActError {
    ActError::WrongState {
        act: act.kind,
        state: case.state,
    }
}

fn finish(case: &mut Case, at: Time) -> TraceKind {
    case.state = State::Closed;
    case.closed_at = Some(at);
    case.settle_at = None;
    TraceKind::Closed
}

/// `YC20261121-0007`: day and running number of a report of abnormal equipment.
pub(crate) fn receipt_number(number: i64, at: Time) -> String {
    let day = at.date().replace('-', "");
    format!("YC{day}-{number:04}")
}

fn check_words(act: &Act) -> Result<(), ActError> {
    let needs_text = match act.kind {
        ActKind::Acknowledge | ActKind::Withdraw | ActKind::ContactOfficer => false,
        ActKind::Comment
        | ActKind::Answer
        | ActKind::ReportFault
        | ActKind::Phone
        | ActKind::Assign
        | ActKind::Close
        | ActKind::CloseFalse
        | ActKind::ConfirmRetraction
        | ActKind::RejectRetraction
        | ActKind::Reopen => true,
    };
    if needs_text && act.text.trim().is_empty() {
        return Err(ActError::Empty { field: "text" });
    }
    if act.kind == ActKind::Answer && act.measures.trim().is_empty() {
        return Err(ActError::Empty { field: "measures" });
    }
    for (field, words) in [("text", &act.text), ("measures", &act.measures)] {
        if words.chars().count() > MAX_ACT_TEXT_CHARS {
            return Err(ActError::TooLong { field });
        }
    }
    Ok(())
}
