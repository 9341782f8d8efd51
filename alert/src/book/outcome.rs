//! Outcomes: what a warning led to. Decided by the judge's word of the window, else by the clock; changed when the
//! window is revised. The part of the book that makes the desk's headline number, so it never guesses in our favour.

use plume_schemas::judgement::{FactKey, FactValue, Judgement, NotJudged, Verdict};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{Span, Time};

use super::{Applied, Effect, Purpose, Said, clock_line, close, refresh, set_outcome};
use crate::case::{Case, Family, MemberState, Outcome, State, TraceKind};

/// What a window turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowWord {
    /// The rule whose warnings wait for it: NEAR_HOUR or NEAR_DAY.
    pub warned_by: RuleCode,
    /// Which window.
    pub window: Span,
    /// What it was.
    pub ended: Ended,
}

/// How a window ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Within the limit.
    Complied,
    /// Over it.
    Exceeded,
    /// It could not be judged.
    Invalid,
}

impl Ended {
    pub(super) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fine => Self::Complied,
            Verdict::Breach(_) => Self::Exceeded,
            Verdict::NotJudged(_) => Self::Invalid,
        }
    }

    /// How the window of a warning ended, by the judgement that ended the warning: the reason says what the hour was,
    /// since the warning's own verdict is only that it is over.
    pub(crate) fn said_by(judgement: &Judgement) -> Self {
        match judgement.fact(FactKey::Reason) {
            Some(FactValue::Text(reason)) => match reason.as_str() {
                "hour_within_limit" => Self::Complied,
                "hour_exceeded" => Self::Exceeded,
                code if NotJudged::from_code(code).is_some() => Self::Invalid,
                _ => Self::of(judgement.verdict),
            },
            _ => Self::of(judgement.verdict),
        }
    }
}

/// What the judge said of a window, for a warning of it: decides the outcome, or changes it when the hour is revised.
pub fn window_ended(case: Case, word: WindowWord, said: Said<'_>) -> Option<Applied> {
    if case.family != Family::Near || case.rule() != word.warned_by || case.judgement.window != word.window {
        return None;
    }
    if case.outcome == Some(Outcome::FalseAlarm) || case.state == State::Retracted {
        return None;
    }
    let outcome = outcome_of(&case, word.ended);
    if case.outcome == Some(outcome) {
        return None;
    }
    let mut applied = Applied {
        case,
        trace: Vec::new(),
        effects: Vec::new(),
    };
    applied.case.updated_at = said.at;
    clear_all(&mut applied.case);
    refresh(&mut applied.case, said.at);
    set_outcome(&mut applied, Some(outcome), said);
    close(&mut applied, said.at);
    Some(applied)
}

/// What the clock's decision rests on besides the case itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// An exceedance of the same (outlet, factor) that began in or before the warned window is still open: its later
    /// hours make no events of their own, and a warning is not called a success on a guess.
    pub exceeding: bool,
    /// Its problem waits for the enterprise's answer.
    pub unanswered: bool,
}

/// What the clock decides where no event did: the outcome of a warning, that an answer is overdue, that a case is
/// done. `None` where there is nothing to decide yet.
pub fn settle(case: Case, now: Time, around: Around) -> Option<Applied> {
    let due = case.settle_at.filter(|&at| at <= now)?;
    let mut applied = Applied {
        case,
        trace: Vec::new(),
        effects: Vec::new(),
    };
    applied.case.settle_at = None;
    applied.case.updated_at = now;
    match applied.case.family {
        Family::Near if applied.case.outcome.is_none() => {
            // The projection fell back and no exceedance followed: the hour complied. Where not even the projection
            // ended, nothing was said of the hour at all.
            let ended = match (around.exceeding, applied.case.state == State::Open) {
                (true, _) => Ended::Exceeded,
                (false, true) => Ended::Invalid,
                (false, false) => Ended::Complied,
            };
            let outcome = outcome_of(&applied.case, ended);
            clear_all(&mut applied.case);
            refresh(&mut applied.case, now);
            applied.case.outcome = Some(outcome);
            applied
                .trace
                .push(clock_line(now, TraceKind::OutcomeSet, outcome.code()));
            close(&mut applied, now);
        }
        Family::Exceed => {
            if around.unanswered && applied.case.is_live() && applied.case.state != State::Retracting {
                applied.trace.push(clock_line(now, TraceKind::Overdue, &due.date()));
                applied.effects.push(Effect::Tell(Purpose::Overdue));
            }
        }
        _ => close(&mut applied, now),
    }
    Some(applied)
}

/// The window is over: whatever was open of the warning is not any more.
fn clear_all(case: &mut Case) {
    for member in &mut case.members {
        if member.state == MemberState::Open {
            member.state = MemberState::Cleared;
        }
    }
}

pub(super) fn outcome_of(case: &Case, ended: Ended) -> Outcome {
    match ended {
        Ended::Complied if case.answered.is_some() => Outcome::Complied,
        Ended::Complied => Outcome::FellBack,
        Ended::Exceeded => Outcome::Exceeded,
        Ended::Invalid => Outcome::InvalidHour,
    }
}
