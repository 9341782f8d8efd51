//! Events as JSON, against the schema that is published for them.

use plume_schemas::event::{Edge, Event};
use plume_schemas::event_json::{SCHEMA, cloud_event};
use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::{FactKey, NotJudged, Pane};
use plume_schemas::rule::{RuleCode, Severity, Stream};
use proptest::prelude::*;
use serde_json::Value;

use crate::strategies;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn json(event: &Event) -> Value {
    cloud_event(event, &Catalogue::embedded().unwrap(), "/plume/test")
}

/// Checks `value` against the part of JSON Schema that ours uses; any other keyword fails, so that none is skipped
/// unseen.
fn problems(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let good = match keyword.as_str() {
            // Words for people, and formats, which the tests below look at themselves.
            "$schema" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                problems(root, root.pointer(pointer).unwrap(), value, at, found);
                true
            }
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                types.iter().any(|name| is_of_type(value, name.as_str().unwrap()))
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= length(rule)),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= length(rule)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches_pattern(rule.as_str().unwrap(), text)),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, part) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        problems(root, part, inner, &format!("{at}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    problems(root, rule, item, &format!("{at}/{place}"), found);
                }
                true
            }
            "anyOf" => fitting(root, rule, value) >= 1,
            "oneOf" => fitting(root, rule, value) == 1,
            other => panic!("the test does not know the keyword {other}"),
        };
        if !good {
            found.push(format!("{at}: {keyword}"));
        }
    }
}

fn fitting(root: &Value, rules: &Value, value: &Value) -> usize {
    let fits = |rule: &&Value| {
        let mut found = Vec::new();
        problems(root, rule, value, "", &mut found);
        found.is_empty()
    };
    rules.as_array().unwrap().iter().filter(fits).count()
}

fn length(rule: &Value) -> usize {
    usize::try_from(rule.as_u64().unwrap()).unwrap()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no JSON type {other}"),
    }
}

/// The two patterns there are.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9a-f]{32}$" => text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        r"^-?[0-9]+(\.[0-9]+)?$" => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let parts: Vec<&str> = digits.split('.').collect();
            parts.len() <= 2
                && parts
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        }
        other => panic!("the test does not know the pattern {other}"),
    }
}

fn check(value: &Value) -> Vec<String> {
    let (schema, mut found) = (schema(), Vec::new());
    problems(&schema, &schema, value, "", &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_event_fits_the_schema(event in strategies::event()) {
        // Years beyond 9999 have no RFC 3339 form; no log has them.
        let mut event = event;
        event.at = plume_schemas::time::Time(event.at.0 % 100_000_000_000_000);
        prop_assert_eq!(check(&json(&event)), Vec::<String>::new());
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let sample: Value = json(&near_hour());
    assert_eq!(check(&sample), Vec::<String>::new());
    let broken = |pointer: &str, name: &str, value: Option<Value>| {
        let mut broken = sample.clone();
        let object = broken.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => object.insert(name.to_owned(), value),
            None => object.remove(name),
        };
        check(&broken)
    };
    assert_eq!(broken("", "id", None), [": required"]);
    assert_eq!(broken("", "extra", Some(1.into())), [": additionalProperties"]);
    assert_eq!(
        broken("/data/edge", "code", Some("reopened".into())),
        ["/data/edge/code: enum"]
    );
    assert_eq!(broken("/data/verdict", "severity", None), ["/data/verdict: oneOf"]);
    assert_eq!(
        broken("/data", "factor", Some("a21026".into())),
        ["/data/factor: anyOf"]
    );
    assert_eq!(
        broken("/data/evidence/0", "value", Some(true.into())),
        ["/data/evidence/0/value: type"]
    );
    assert_eq!(
        broken("/data/cause", "offset", Some((-1).into())),
        ["/data/cause/offset: minimum"]
    );
}

/// An hour that will probably exceed, said while it runs.
fn near_hour() -> Event {
    use plume_schemas::entry::LogPosition;
    use plume_schemas::ids::{FactorCode, Inline, OutletId};
    use plume_schemas::judgement::{Fact, FactValue, Judgement, Verdict};
    use plume_schemas::time::{Span, Time};

    let outlet = OutletId::new("91330100MA27X0AB1C:DA001").unwrap();
    let factor = FactorCode::new("a21002").ok();
    let at = Time::parse_stamp(b"20261121144200").unwrap();
    let window = Span::hour_of(at);
    let case = Event::case_id(outlet, factor, RuleCode::NearHour, window.start);
    let cause = LogPosition {
        partition: 3,
        offset: 4711,
    };
    let decimal = |text: &str| FactValue::Decimal(plume_schemas::decimal::Decimal::parse(text.as_bytes()).unwrap());
    let fact = |key, value| Fact { key, value };
    Event {
        id: Event::event_id(case, Edge::Opened, cause),
        case,
        edge: Edge::Opened,
        at,
        preliminary: false,
        judgement: Judgement {
            rule: RuleCode::NearHour,
            outlet,
            factor,
            window,
            pane: Pane::Early,
            verdict: Verdict::Breach(Severity::Urgent),
            previous: Some(Verdict::NotJudged(NotJudged::TooEarly)),
            cause,
            ordinal: 0,
            judged_at: at,
            late: false,
            evidence: vec![
                fact(FactKey::Limit, decimal("50.0")),
                fact(FactKey::Projected, FactValue::Float(57.25)),
                fact(FactKey::MinutesLeft, FactValue::Int(18)),
                fact(FactKey::Since, FactValue::Time(window.start)),
                fact(
                    FactKey::LimitSource,
                    FactValue::Text(Inline::new("排污许可证").unwrap()),
                ),
            ],
        },
    }
}

/// The words and codes of one event, as a person sees them; also a sample for those who connect a system.
#[test]
fn one_event_in_full() {
    let made = json(&near_hour());
    let committed: Value = serde_json::from_str(include_str!("../../json/alert.sample.json")).unwrap();
    if committed != made {
        crate::fresh::assert_fresh("json/alert.sample.json", &format!("{made:#}\n"));
    }
}

#[test]
fn the_schema_lists_every_code() {
    let schema = schema();
    let listed = |pointer: &str| -> Vec<String> {
        let list = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        list.as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    };
    macro_rules! same {
        ($pointer:literal, $set:ident) => {
            let codes: Vec<String> = $set::ALL.iter().map(|one| one.code().to_owned()).collect();
            assert_eq!(listed($pointer), codes, $pointer);
        };
    }
    same!("/$defs/data/properties/edge/properties/code/enum", Edge);
    same!("/$defs/data/properties/rule/properties/code/enum", RuleCode);
    same!("/$defs/data/properties/stream/properties/code/enum", Stream);
    same!("/$defs/data/properties/pane/properties/code/enum", Pane);
    same!(
        "/$defs/verdict/oneOf/1/properties/severity/properties/code/enum",
        Severity
    );
    same!(
        "/$defs/verdict/oneOf/2/properties/reason/properties/code/enum",
        NotJudged
    );
    same!("/$defs/fact/properties/code/enum", FactKey);
    let types: Vec<String> = Edge::ALL.iter().map(|edge| format!("plume.event.{edge}")).collect();
    assert_eq!(listed("/properties/type/enum"), types);
}
