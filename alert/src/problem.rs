//! The problem (问题): something to put right, found by whatever means, with rounds of rectification and a review that
//! has a deadline of its own. Pure.

use plume_schemas::ids::{ContentId, EnterpriseId, OutletId};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Time;

use crate::accounts::{Role, Viewer};
use crate::calendar::Calendar;
use crate::case::MAX_ACT_TEXT_CHARS;
use crate::named::named;

/// Working days the enterprise has to answer a confirmed exceedance. A project choice: bureaus set it by their own
/// notices.
pub(crate) const ANSWER_WORKING_DAYS: u32 = 3;
/// Working days the bureau has to review an answer.
pub(crate) const REVIEW_WORKING_DAYS: u32 = 3;
/// Working days the bureau has once it goes and looks.
pub(crate) const ON_SITE_WORKING_DAYS: u32 = 15;

named! {
    /// How a problem was found.
    Source {
        /// By an alert.
        Alert = "alert", "预警", "alert";
        /// By an inspection.
        Inspection = "inspection", "现场检查", "inspection";
        /// By the enterprise itself.
        SelfCheck = "self_check", "企业自查", "self-check";
        /// By order of a higher authority.
        Directive = "directive", "上级交办", "directive";
    }
}

named! {
    /// Where a problem stands.
    ProblemState {
        /// The enterprise has to act.
        Open = "open", "待整改", "to be put right";
        /// The bureau has to review.
        Submitted = "submitted", "待复核", "to be reviewed";
        /// Sent back: the enterprise has to add something.
        Returned = "returned", "退回待补充", "returned";
        /// The bureau goes and looks.
        OnSite = "on_site", "转现场核查", "on-site check";
        /// Put right.
        Passed = "passed", "复核通过", "passed";
        /// Nothing to put right after all.
        Withdrawn = "withdrawn", "已撤销", "withdrawn";
    }
}

named! {
    /// What a review says. Passing is not an exemption from duties.
    Verdict {
        /// 复核通过.
        Pass = "pass", "复核通过", "pass";
        /// 退回补充（附指导意见）.
        Return = "return", "退回补充", "return with guidance";
        /// 转现场核查.
        OnSite = "on_site", "转现场核查", "on-site check";
    }
}

/// One round of rectification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it was submitted.
    pub submitted_at: Time,
    /// By whom.
    pub submitted_by: String,
    /// The cause.
    pub cause: String,
    /// What was done.
    pub measures: String,
    /// Until when the bureau has to review it.
    pub review_due_at: Time,
    /// The review, once done.
    pub review: Option<Review>,
}

/// The review of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// What it says.
    pub verdict: Verdict,
    /// 指导意见.
    pub guidance: String,
}

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From content.
    pub id: ContentId,
    /// Counts up with every change.
    pub version: i64,
    /// How it was found.
    pub source: Source,
    /// The case it came from, if it did.
    pub case: Option<ContentId>,
    /// Whose it is.
    pub enterprise: EnterpriseId,
    /// In which district.
    pub district: String,
    /// At which outlet, if at one.
    pub outlet: Option<OutletId>,
    /// By which rule, if an alert found it.
    pub rule: Option<RuleCode>,
    /// What it is.
    pub title: String,
    /// When it was found.
    pub found_at: Time,
    /// By whom; empty for the judge.
    pub found_by: String,
    /// Until when the enterprise has to act.
    pub due_at: Time,
    /// Who reviews it.
    pub reviewer: Option<String>,
    /// Where it stands.
    pub state: ProblemState,
    /// Its rounds, in order.
    pub rounds: Vec<Round>,
    /// When it was done.
    pub closed_at: Option<Time>,
}

/// Deadlines, in working days.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines<'a> {
    /// Which days are worked.
    pub calendar: &'a Calendar,
    /// For the enterprise to act.
    pub answer_days: u32,
    /// For the bureau to review.
    pub review_days: u32,
    /// For the bureau to review after an on-site check.
    pub on_site_days: u32,
}

/// A step was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// There is none, or not for this person.
    #[error("no such problem")]
    NoSuchProblem,
    /// The role may not do this.
    #[error("a {} may not do this to a problem", role.en())]
    NotAllowed {
        /// The role asking.
        role: Role,
    },
    /// Not in this state.
    #[error("the problem is {}", state.en())]
    WrongState {
        /// The state it is in.
        state: ProblemState,
    },
    /// Words are needed.
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
    /// Somebody was first.
    #[error("the problem changed meanwhile: version {expected} was expected, it is {found}")]
    Changed {
        /// The version the person saw.
        expected: i64,
        /// The version there is.
        found: i64,
    },
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl ProblemError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchProblem => "check the address".into(),
            Self::NotAllowed { .. } => "the enterprise submits, the bureau reviews".into(),
            Self::WrongState { .. } | Self::Changed { .. } => "read the problem again, then decide".into(),
            Self::Empty { field } => format!("write something into `{field}`"),
            Self::TooLong { .. } => "shorten it, or attach a file".into(),
            Self::Store(error) => error.hint(),
        }
    }
}

/// What somebody does to a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The enterprise says what it did.
    Submit {
        /// The cause.
        cause: String,
        /// What was done.
        measures: String,
    },
    /// The bureau says what it thinks of it.
    Review {
        /// What.
        verdict: Verdict,
        /// 指导意见; needed to return.
        guidance: String,
    },
    /// The bureau takes it back.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl Problem {
    /// Past its deadline on the enterprise's side.
    pub fn is_overdue(&self, now: Time) -> bool {
        matches!(self.state, ProblemState::Open | ProblemState::Returned) && self.due_at <= now
    }

    /// Past its deadline on the bureau's side.
    pub fn review_is_overdue(&self, now: Time) -> bool {
        let waiting = matches!(self.state, ProblemState::Submitted | ProblemState::OnSite);
        waiting && self.rounds.last().is_some_and(|round| round.review_due_at <= now)
    }
}

/// Takes a step of `viewer` at `now`.
pub fn step(
    mut problem: Problem,
    viewer: &Viewer,
    step: &Step,
    now: Time,
    deadlines: Deadlines<'_>,
) -> Result<Problem, ProblemError> {
    let wrong = ProblemError::WrongState { state: problem.state };
    let refused = ProblemError::NotAllowed { role: viewer.role };
    let officer = matches!(viewer.role, Role::CityDuty | Role::Branch);
    match step {
        Step::Submit { cause, measures } => {
            if viewer.role != Role::Enterprise {
                return Err(refused);
            }
            if !matches!(problem.state, ProblemState::Open | ProblemState::Returned) {
                return Err(wrong);
            }
            need("cause", cause)?;
            need("measures", measures)?;
            submit(&mut problem, &viewer.name, cause, measures, now, deadlines);
        }
        Step::Review { verdict, guidance } => {
            if !officer {
                return Err(refused);
            }
            if !matches!(problem.state, ProblemState::Submitted | ProblemState::OnSite) {
                return Err(wrong);
            }
            if *verdict == Verdict::Return {
                need("guidance", guidance)?;
            }
            bound("guidance", guidance)?;
            review(&mut problem, viewer, *verdict, guidance, now, deadlines);
        }
        Step::Withdraw { reason } => {
            if !officer {
                return Err(refused);
            }
            if matches!(problem.state, ProblemState::Passed | ProblemState::Withdrawn) {
                return Err(wrong);
            }
            need("reason", reason)?;
            problem.state = ProblemState::Withdrawn;
            problem.closed_at = Some(now);
        }
    }
    Ok(problem)
}

/// A new round. The caller has checked who and when.
pub(crate) fn submit(
    problem: &mut Problem,
    by: &str,
    cause: &str,
    measures: &str,
    now: Time,
    deadlines: Deadlines<'_>,
) {
    problem.rounds.push(Round {
        submitted_at: now,
        submitted_by: by.to_owned(),
        cause: cause.trim().to_owned(),
        measures: measures.trim().to_owned(),
        review_due_at: deadlines.calendar.deadline(now, deadlines.review_days),
        review: None,
    });
    problem.state = ProblemState::Submitted;
}

fn review(
    problem: &mut Problem,
    viewer: &Viewer,
    verdict: Verdict,
    guidance: &str,
    now: Time,
    deadlines: Deadlines<'_>,
) {
    problem.reviewer = Some(viewer.name.clone());
    if let Some(round) = problem.rounds.last_mut() {
        round.review = Some(Review {
            at: now,
            by: viewer.name.clone(),
            verdict,
            guidance: guidance.trim().to_owned(),
        });
        if verdict == Verdict::OnSite {
            round.review_due_at = deadlines.calendar.deadline(now, deadlines.on_site_days);
        }
    }
    problem.state = match verdict {
        Verdict::Pass => ProblemState::Passed,
        Verdict::Return => ProblemState::Returned,
        Verdict::OnSite => ProblemState::OnSite,
    };
    match verdict {
        Verdict::Pass => problem.closed_at = Some(now),
        Verdict::Return => problem.due_at = deadlines.calendar.deadline(now, deadlines.answer_days),
        Verdict::OnSite => {}
    }
}

fn need(field: &'static str, text: &str) -> Result<(), ProblemError> {
    if text.trim().is_empty() {
        return Err(ProblemError::Empty { field });
    }
    bound(field, text)
}

fn bound(field: &'static str, text: &str) -> Result<(), ProblemError> {
    if text.chars().count() > MAX_ACT_TEXT_CHARS {
        return Err(ProblemError::TooLong { field });
    }
    Ok(())
}

/// Problems as of a date: what the circular prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rectification {
    /// Problems that needed putting right; withdrawn ones are not among them.
    pub found: u64,
    /// Of these: 复核通过.
    pub passed: u64,
    /// Of these: the enterprise is past its deadline.
    pub overdue: u64,
    /// Of these: the bureau is past its own.
    pub review_overdue: u64,
}

impl Rectification {
    /// 整改率 in percent with one digit; `None` where there was nothing to put right.
    pub fn rate_pct(&self) -> Option<f64> {
        (self.found > 0).then(|| (self.passed as f64 / self.found as f64 * 1_000.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_the_public_report() {
        let known = Rectification {
            found: 6_416,
            passed: 6_206,
            ..Rectification::default()
        };
        assert_eq!(known.rate_pct(), Some(96.7));
        assert_eq!(Rectification::default().rate_pct(), None);
    }
}
