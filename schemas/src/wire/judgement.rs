//! Judgements and events.

use prost::Message as _;

use super::error::{WireError, closed, content_id, decimal, format, id, inline, required, wire_decimal};
use super::generated as wire;
use crate::entry::LogPosition;
use crate::event::{Edge, Event};
use crate::ids::{FactorCode, OutletId};
use crate::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use crate::rule::{RuleCode, Severity};
use crate::time::{Span, Time};

/// The bytes of one record of `judgements`.
pub fn encode_judgement(judgement: &Judgement) -> Vec<u8> {
    judgement_to_wire(judgement).encode_to_vec()
}

/// One record of `judgements` from its bytes.
pub fn decode_judgement(bytes: &[u8]) -> Result<Judgement, WireError> {
    let judgement = wire::Judgement::decode(bytes).map_err(|source| WireError::Malformed {
        message: "judgement",
        source,
    })?;
    judgement_from_wire(&judgement)
}

/// The bytes of one record of `events`.
pub fn encode_event(event: &Event) -> Vec<u8> {
    wire::Event {
        format: super::FORMAT,
        id: event.id.as_bytes().to_vec(),
        case: event.case.as_bytes().to_vec(),
        edge: event.edge.number().into(),
        at: event.at.0,
        preliminary: event.preliminary,
        judgement: Some(judgement_to_wire(&event.judgement)),
    }
    .encode_to_vec()
}

/// One record of `events` from its bytes.
pub fn decode_event(bytes: &[u8]) -> Result<Event, WireError> {
    let event = wire::Event::decode(bytes).map_err(|source| WireError::Malformed {
        message: "event",
        source,
    })?;
    format("event", event.format)?;
    Ok(Event {
        id: content_id("event.id", &event.id)?,
        case: content_id("event.case", &event.case)?,
        edge: closed("event.edge", event.edge, Edge::from_number)?,
        at: Time(event.at),
        preliminary: event.preliminary,
        judgement: judgement_from_wire(&required("event.judgement", event.judgement)?)?,
    })
}

pub(super) fn judgement_to_wire(judgement: &Judgement) -> wire::Judgement {
    wire::Judgement {
        format: super::FORMAT,
        rule: judgement.rule.number().into(),
        outlet: judgement.outlet.into(),
        factor: judgement.factor.map(Into::into),
        start: judgement.window.start.0,
        end: judgement.window.end.0,
        pane: judgement.pane.number().into(),
        verdict: Some(verdict_to_wire(judgement.verdict)),
        previous: judgement.previous.map(verdict_to_wire),
        cause: Some(wire::LogPosition {
            partition: judgement.cause.partition,
            offset: judgement.cause.offset,
        }),
        ordinal: judgement.ordinal,
        judged_at: judgement.judged_at.0,
        late: judgement.late,
        evidence: judgement.evidence.iter().map(fact_to_wire).collect(),
    }
}

pub(super) fn judgement_from_wire(judgement: &wire::Judgement) -> Result<Judgement, WireError> {
    format("judgement", judgement.format)?;
    let cause = required("judgement.cause", judgement.cause)?;
    Ok(Judgement {
        rule: closed("judgement.rule", judgement.rule, RuleCode::from_number)?,
        outlet: id("judgement.outlet", OutletId::new(&judgement.outlet))?,
        factor: id(
            "judgement.factor",
            judgement.factor.as_deref().map(FactorCode::new).transpose(),
        )?,
        window: Span {
            start: Time(judgement.start),
            end: Time(judgement.end),
        },
        pane: closed("judgement.pane", judgement.pane, Pane::from_number)?,
        verdict: verdict_from_wire(required("judgement.verdict", judgement.verdict)?)?,
        previous: judgement.previous.map(verdict_from_wire).transpose()?,
        cause: LogPosition {
            partition: cause.partition,
            offset: cause.offset,
        },
        ordinal: judgement.ordinal,
        judged_at: Time(judgement.judged_at),
        late: judgement.late,
        evidence: judgement
            .evidence
            .iter()
            .map(fact_from_wire)
            .collect::<Result<_, _>>()?,
    })
}

fn verdict_to_wire(verdict: Verdict) -> wire::Verdict {
    match verdict {
        Verdict::Fine => wire::Verdict::default(),
        Verdict::Breach(severity) => wire::Verdict {
            breach: severity.number().into(),
            not_judged: 0,
        },
        Verdict::NotJudged(reason) => wire::Verdict {
            breach: 0,
            not_judged: reason.number().into(),
        },
    }
}

fn verdict_from_wire(verdict: wire::Verdict) -> Result<Verdict, WireError> {
    match (verdict.breach, verdict.not_judged) {
        (0, 0) => Ok(Verdict::Fine),
        (severity, 0) => closed("verdict.breach", severity, Severity::from_number).map(Verdict::Breach),
        (0, reason) => closed("verdict.not_judged", reason, NotJudged::from_number).map(Verdict::NotJudged),
        (_, number) => Err(WireError::UnknownNumber {
            field: "verdict.not_judged beside verdict.breach",
            number,
        }),
    }
}

fn fact_to_wire(fact: &Fact) -> wire::Fact {
    wire::Fact {
        key: fact.key.number().into(),
        value: Some(match fact.value {
            FactValue::Decimal(value) => wire::fact::Value::Decimal(wire_decimal(value)),
            FactValue::Float(value) => wire::fact::Value::Float(value),
            FactValue::Int(value) => wire::fact::Value::Int(value),
            FactValue::Time(value) => wire::fact::Value::Time(value.0),
            FactValue::Text(value) => wire::fact::Value::Text(value.as_str().to_owned()),
        }),
    }
}

fn fact_from_wire(fact: &wire::Fact) -> Result<Fact, WireError> {
    let value = fact.value.as_ref().ok_or(WireError::Missing { field: "fact.value" })?;
    Ok(Fact {
        key: closed("fact.key", fact.key, FactKey::from_number)?,
        value: match value {
            wire::fact::Value::Decimal(value) => FactValue::Decimal(decimal("fact.decimal", *value)?),
            wire::fact::Value::Float(value) => FactValue::Float(*value),
            wire::fact::Value::Int(value) => FactValue::Int(*value),
            wire::fact::Value::Time(value) => FactValue::Time(Time(*value)),
            wire::fact::Value::Text(value) => FactValue::Text(inline("fact.text", value)?),
        },
    })
}
