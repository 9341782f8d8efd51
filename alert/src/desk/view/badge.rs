//! How grave, and where it stands: a colour class with a shape and a word, and small tags.

use plume_schemas::rule::Severity;
use plume_schemas::time::Time;

use crate::case::{Certainty, State};
use crate::desk::text::{Speaks, put};
use crate::store::CaseRow;
use crate::words::Lang;

/// Severity as colour, shape (both from the class) and word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Badge {
    /// `notice`, `attention`, `urgent`, `exceeded`, or `over` for what needs nobody any more.
    pub(crate) class: &'static str,
    /// The word.
    pub(crate) word: &'static str,
}

/// A small word in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Empty, `todo`, `good` or `late`.
    pub(crate) class: &'static str,
    /// The word.
    pub(crate) word: String,
}

impl Badge {
    /// The badge of a case. What is over is said first; before the mark deadline nothing is simply 超标.
    pub(crate) fn of(case: &CaseRow, lang: Lang) -> Self {
        let over = matches!(case.state, State::Retracted | State::Closed)
            || (case.state == State::Resolved && case.severity != Severity::Exceeded);
        if over {
            return Self {
                class: "over",
                word: lang.pick(case.state.zh(), case.state.en()),
            };
        }
        let t = lang.texts();
        let word = match (case.severity, case.certainty) {
            (Severity::Exceeded, Certainty::Preliminary) => t.exceeded_preliminary,
            (Severity::Exceeded, Certainty::Confirmed) => t.exceeded_confirmed,
            (severity, _) => lang.pick(severity.zh(), severity.en()),
        };
        Self {
            class: case.severity.code(),
            word,
        }
    }
}

/// The tags beside the badge: what a person has to do or has done, and what makes the case a special one.
pub(crate) fn tags(case: &CaseRow, now: Time, lang: Lang) -> Vec<Tag> {
    let t = lang.texts();
    let plain = |word: &str| Tag {
        class: "",
        word: word.to_owned(),
    };
    let mut tags = Vec::new();
    if let Some(outcome) = case.outcome {
        let class = if outcome == crate::case::Outcome::Complied {
            "good"
        } else {
            ""
        };
        tags.push(Tag {
            class,
            word: lang.pick(outcome.zh(), outcome.en()).to_owned(),
        });
    }
    let live = case.state.is_live();
    if live && case.due_at.is_some_and(|due| due < now) {
        tags.push(Tag {
            class: "late",
            word: t.is_overdue.to_owned(),
        });
    }
    if case.state == State::Retracting {
        tags.push(Tag {
            class: "todo",
            word: lang.pick(case.state.zh(), case.state.en()).to_owned(),
        });
    }
    if case.certainty == Certainty::NotJudged {
        tags.push(plain(lang.pick(Certainty::NotJudged.zh(), Certainty::NotJudged.en())));
    }
    if case.answered.is_some() {
        tags.push(plain(t.answered));
    } else if let Some(by) = &case.acknowledged {
        tags.push(plain(&put(t.by_whom, &[&by.name])));
    } else if live {
        tags.push(Tag {
            class: "todo",
            word: t.to_acknowledge.to_owned(),
        });
    }
    if case.tags.trial {
        tags.push(plain(t.is_trial));
    }
    if case.late {
        tags.push(plain(t.is_late));
    }
    tags
}
