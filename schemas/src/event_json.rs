//! An event as other systems get it: a CloudEvents 1.0 envelope in JSON, its data described by
//! `json/alert.schema.json`.
//!
//! Codes are for programs and never change their meaning; the words beside them are for people, Chinese and English.
//! Whoever sends these must keep the two streams apart: `data.stream.code == "lead"` is for named officers only.

use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::factors::Catalogue;
use crate::ids::FactorCode;
use crate::judgement::{Fact, FactValue, Judgement, Verdict};
use crate::time::Span;

/// The schema that comes with plume (JSON Schema, draft 2020-12): of the whole envelope.
pub const SCHEMA: &str = include_str!("../json/alert.schema.json");
/// The format of `data`, as `data.format`.
pub const FORMAT: u32 = 0;

/// The event in its envelope. `source` names this plume, as a URI reference: `/plume/hangzhou`.
pub fn cloud_event(event: &Event, catalogue: &Catalogue, source: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": source,
        "type": format!("plume.event.{}", event.edge.code()),
        "subject": event.judgement.outlet.as_str(),
        "time": event.at.to_string(),
        "datacontenttype": "application/json",
        "data": data(event, catalogue),
    })
}

/// What the envelope holds.
pub fn data(event: &Event, catalogue: &Catalogue) -> Value {
    let judgement = &event.judgement;
    let stream = judgement.rule.stream();
    json!({
        "format": FORMAT,
        "case": event.case.to_string(),
        "edge": words(event.edge.code(), event.edge.zh(), event.edge.en()),
        "preliminary": event.preliminary,
        "outlet": judgement.outlet.as_str(),
        "factor": judgement.factor.map(|code| factor(code, catalogue)),
        "rule": words(judgement.rule.code(), judgement.rule.zh(), judgement.rule.en()),
        "stream": words(stream.code(), stream.zh(), stream.en()),
        "verdict": verdict(judgement.verdict),
        "previous": judgement.previous.map(verdict),
        "window": span(judgement.window),
        "pane": words(judgement.pane.code(), judgement.pane.zh(), judgement.pane.en()),
        "late": judgement.late,
        "judged_at": judgement.judged_at.to_string(),
        "cause": { "partition": judgement.cause.partition, "offset": judgement.cause.offset },
        "evidence": evidence(judgement),
    })
}

fn words(code: &str, zh: &str, en: &str) -> Value {
    json!({ "code": code, "zh": zh, "en": en })
}

fn factor(code: FactorCode, catalogue: &Catalogue) -> Value {
    let known = catalogue.get(code);
    json!({
        "code": code.as_str(),
        "zh": catalogue.name_zh(code),
        "en": catalogue.name_en(code),
        "unit": known.and_then(|factor| factor.unit).map(crate::units::Unit::zh),
    })
}

fn span(span: Span) -> Value {
    json!({ "start": span.start.to_string(), "end": span.end.to_string() })
}

fn verdict(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Fine => json!({ "code": "fine" }),
        Verdict::Breach(severity) => json!({
            "code": "breach",
            "severity": words(severity.code(), severity.zh(), severity.en()),
        }),
        Verdict::NotJudged(reason) => json!({
            "code": "not_judged",
            "reason": words(reason.code(), reason.zh(), reason.en()),
        }),
    }
}

fn evidence(judgement: &Judgement) -> Vec<Value> {
    judgement.evidence.iter().map(fact).collect()
}

/// A fact; `value` is what programs want, `exact` the digits where the number is a decimal.
fn fact(fact: &Fact) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("code", fact.key.code().into());
    put("zh", fact.key.zh().into());
    put("en", fact.key.en().into());
    match fact.value {
        FactValue::Decimal(value) => {
            put("value", value.to_f64().into());
            put("exact", value.to_string().into());
        }
        // What is no number (never written by plume's own formulas) is null in JSON.
        FactValue::Float(value) => {
            put("value", value.into());
        }
        FactValue::Int(value) => {
            put("value", value.into());
        }
        FactValue::Time(value) => {
            put("value", value.to_string().into());
        }
        FactValue::Text(value) => {
            put("value", value.as_str().into());
        }
    }
    Value::Object(object)
}
