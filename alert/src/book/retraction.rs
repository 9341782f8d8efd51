//! Retractions: a correction took a breach away. The case stands, and nobody outside the bureau is told otherwise,
//! until an officer has looked at the correction.
//!
//! A mark is no correction: the discharger answers for it, and what is marked is not judged (HJ 212 data are neither
//! changed nor doubted), so the mark alone retracts.

use plume_schemas::judgement::{Judgement, NotJudged, Verdict};

use super::outcome::{Ended, WindowWord};
use super::{Effect, Purpose, warned_by};
use crate::case::{Case, Certainty, Family, MemberState, Outcome, State};

/// True where the breach goes only with an officer's word.
pub(super) fn waits(case: &Case, verdict: Verdict) -> bool {
    case.family == Family::Exceed && !matches!(verdict, Verdict::NotJudged(NotJudged::Marked))
}

/// What a case led to whose breach never was, by the judgement that took it away.
pub(super) fn outcome(verdict: Verdict) -> Option<Outcome> {
    match verdict {
        Verdict::NotJudged(NotJudged::Marked) => None,
        Verdict::NotJudged(_) => Some(Outcome::InvalidHour),
        Verdict::Fine | Verdict::Breach(_) => Some(Outcome::FalseAlarm),
    }
}

/// The officer finds the correction right: the breach never was, and now those who heard of it are told.
pub(crate) fn confirm(case: &mut Case) -> Vec<Effect> {
    case.state = State::Retracted;
    case.settle_at = None;
    case.outcome = outcome(case.judgement.verdict);
    let mut effects = vec![Effect::Tell(Purpose::Retracted)];
    effects.extend(warned_by(case.judgement.rule).map(|warned_by| {
        Effect::Judged(WindowWord {
            warned_by,
            window: case.judgement.window,
            ended: Ended::of(case.judgement.verdict),
        })
    }));
    effects
}

/// The officer does not accept the correction: the breach stands, by the judgement before it, and is decided.
pub(crate) fn reject(case: &mut Case, stands: Option<Judgement>) -> Vec<Effect> {
    for member in &mut case.members {
        if member.state == MemberState::Retracted {
            (member.state, member.preliminary) = (MemberState::Cleared, false);
        }
    }
    case.judgement = stands.unwrap_or_else(|| case.judgement.clone());
    case.state = State::Resolved;
    case.certainty = Certainty::Confirmed;
    case.settle_at = case.due_at;
    vec![Effect::Tell(Purpose::Confirmed)]
}
