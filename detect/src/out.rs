//! What a step gives out, and the one place where judgements and events get their cause, order and ids.

use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Span, Time};

use crate::number;
use crate::plan::{LimitPlan, short};

/// What steps gave out. The caller owns it and clears it when it has taken the content.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Out {
    /// In the order said.
    pub judgements: Vec<Judgement>,
    /// In the order they happened.
    pub events: Vec<Event>,
}

impl Out {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.judgements.clear();
        self.events.clear();
    }
}

/// Writes into [`Out`] on behalf of one entry.
#[derive(Debug)]
pub(crate) struct Emitter<'a> {
    pub(crate) out: &'a mut Out,
    pub(crate) cause: LogPosition,
    pub(crate) now: Time,
    pub(crate) ordinal: u32,
    /// Why nobody is to be told of what is said; a fact of every breach.
    pub(crate) inhibited: Option<&'static str>,
}

/// Of what a judgement is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) rule: RuleCode,
    pub(crate) outlet: OutletId,
    pub(crate) factor: Option<FactorCode>,
    pub(crate) window: Span,
}

/// What is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub(crate) pane: Pane,
    pub(crate) verdict: Verdict,
    pub(crate) previous: Option<Verdict>,
    pub(crate) late: bool,
    pub(crate) evidence: Vec<Fact>,
}

impl Emitter<'_> {
    /// Says a judgement and hands back a copy for the event that may follow.
    pub(crate) fn say(&mut self, subject: Subject, say: Say) -> Judgement {
        let judgement = self.draft(subject, say);
        self.ordinal += 1;
        self.out.judgements.push(judgement.clone());
        judgement
    }

    /// A judgement that only an event carries.
    pub(crate) fn draft(&self, subject: Subject, mut say: Say) -> Judgement {
        if let (Some(reason), Verdict::Breach(_)) = (self.inhibited, say.verdict) {
            let value = FactValue::Text(short(reason));
            say.evidence.push(Fact {
                key: FactKey::Inhibited,
                value,
            });
        }
        Judgement {
            rule: subject.rule,
            outlet: subject.outlet,
            factor: subject.factor,
            window: subject.window,
            pane: say.pane,
            verdict: say.verdict,
            previous: say.previous,
            cause: self.cause,
            ordinal: self.ordinal,
            judged_at: self.now,
            late: say.late,
            evidence: say.evidence,
        }
    }

    /// Lets an edge of the case that began at `first_window` happen.
    pub(crate) fn happen(&mut self, first_window: Time, edge: Edge, preliminary: bool, judgement: Judgement) {
        let case = Event::case_id(judgement.outlet, judgement.factor, judgement.rule, first_window);
        self.out.events.push(Event {
            id: Event::event_id(case, edge, self.cause),
            case,
            edge,
            at: self.now,
            preliminary,
            judgement,
        });
    }
}

/// Collects facts, each by its kind.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<Fact>);

impl Facts {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    fn push(&mut self, key: FactKey, value: FactValue) -> &mut Self {
        self.0.push(Fact { key, value });
        self
    }

    /// An exact number, from millionths.
    pub(crate) fn number(&mut self, key: FactKey, millionths: i64) -> &mut Self {
        self.push(key, FactValue::Decimal(number::to_decimal(millionths)))
    }

    pub(crate) fn decimal(&mut self, key: FactKey, decimal: plume_schemas::decimal::Decimal) -> &mut Self {
        self.push(key, FactValue::Decimal(decimal))
    }

    pub(crate) fn float(&mut self, key: FactKey, value: f64) -> &mut Self {
        self.push(key, FactValue::Float(value))
    }

    pub(crate) fn int(&mut self, key: FactKey, value: i64) -> &mut Self {
        self.push(key, FactValue::Int(value))
    }

    pub(crate) fn time(&mut self, key: FactKey, value: Time) -> &mut Self {
        self.push(key, FactValue::Time(value))
    }

    /// A short text; one that is too long is cut between characters.
    pub(crate) fn text(&mut self, key: FactKey, text: &str) -> &mut Self {
        self.push(key, FactValue::Text(short(text)))
    }

    /// The limit, where it comes from, and its clause.
    pub(crate) fn limit(&mut self, limit: &LimitPlan) -> &mut Self {
        self.decimal(FactKey::Limit, limit.typed)
            .text(FactKey::LimitSource, limit.source.as_str());
        if !limit.clause.is_empty() {
            self.text(FactKey::Clause, limit.clause.as_str());
        }
        self
    }
}

/// A verdict in five bits: 0 for none.
pub(crate) fn verdict_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fine => 1,
        Verdict::Breach(severity) => 1 + severity.number(),
        Verdict::NotJudged(reason) => 5 + reason.number(),
    }
}

/// The verdict of a code.
pub(crate) fn verdict_of(code: u8) -> Option<Verdict> {
    match code {
        0 => None,
        1 => Some(Verdict::Fine),
        2..=5 => Severity::from_number(code - 1).map(Verdict::Breach),
        _ => NotJudged::from_number(code - 5).map(Verdict::NotJudged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_a_code_of_five_bits() {
        let severities = Severity::ALL.iter().map(|&severity| Verdict::Breach(severity));
        let reasons = NotJudged::ALL.iter().map(|&reason| Verdict::NotJudged(reason));
        for verdict in severities.chain(reasons).chain([Verdict::Fine]) {
            let code = verdict_code(verdict);
            assert!(code < 32, "{verdict:?} needs more bits in the hour ring");
            assert_eq!(verdict_of(code), Some(verdict));
        }
        assert_eq!(verdict_of(0), None);
    }
}
