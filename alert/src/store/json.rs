//! A judgement as JSON, as the store keeps it and the API shows it: readable by hand, exact decimals as strings.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::LogPosition;
use plume_schemas::ids::{FactorCode, Inline, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Span, Time};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct JudgementJson {
    rule: RuleCode,
    outlet: OutletId,
    factor: Option<FactorCode>,
    window: Span,
    pane: Pane,
    verdict: VerdictJson,
    previous: Option<VerdictJson>,
    cause: LogPosition,
    ordinal: u32,
    judged_at: Time,
    late: bool,
    evidence: Vec<FactJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictJson {
    Fine,
    Breach(Severity),
    NotJudged(NotJudged),
}

#[derive(Serialize, Deserialize)]
struct FactJson {
    key: FactKey,
    value: FactValueJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FactValueJson {
    Decimal(Decimal),
    /// `null` where it is not finite: JSON has no word for that.
    Float(Option<f64>),
    Int(i64),
    Time(Time),
    Text(String),
}

impl From<Verdict> for VerdictJson {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fine => Self::Fine,
            Verdict::Breach(severity) => Self::Breach(severity),
            Verdict::NotJudged(reason) => Self::NotJudged(reason),
        }
    }
}

impl From<VerdictJson> for Verdict {
    fn from(verdict: VerdictJson) -> Self {
        match verdict {
            VerdictJson::Fine => Self::Fine,
            VerdictJson::Breach(severity) => Self::Breach(severity),
            VerdictJson::NotJudged(reason) => Self::NotJudged(reason),
        }
    }
}

impl From<&Fact> for FactJson {
    fn from(fact: &Fact) -> Self {
        let value = match fact.value {
            FactValue::Decimal(decimal) => FactValueJson::Decimal(decimal),
            FactValue::Float(value) => FactValueJson::Float(Some(value).filter(|v| v.is_finite())),
            FactValue::Int(value) => FactValueJson::Int(value),
            FactValue::Time(at) => FactValueJson::Time(at),
            FactValue::Text(text) => FactValueJson::Text(text.as_str().to_owned()),
        };
        Self { key: fact.key, value }
    }
}

impl FactJson {
    fn read(self) -> Option<Fact> {
        let value = match self.value {
            FactValueJson::Decimal(decimal) => FactValue::Decimal(decimal),
            FactValueJson::Float(value) => FactValue::Float(value.unwrap_or(f64::NAN)),
            FactValueJson::Int(value) => FactValue::Int(value),
            FactValueJson::Time(at) => FactValue::Time(at),
            FactValueJson::Text(text) => FactValue::Text(Inline::new(&text)?),
        };
        Some(Fact { key: self.key, value })
    }
}

/// The judgement as the store keeps it.
pub(super) fn write(judgement: &Judgement) -> String {
    // Only maps with odd keys or a failing Serialize can fail; there are none.
    serde_json::to_string(&shape(judgement)).unwrap_or_default()
}

/// The judgement as a part of a larger JSON.
pub(crate) fn judgement_json(judgement: &Judgement) -> serde_json::Value {
    serde_json::to_value(shape(judgement)).unwrap_or_default()
}

fn shape(judgement: &Judgement) -> JudgementJson {
    JudgementJson {
        rule: judgement.rule,
        outlet: judgement.outlet,
        factor: judgement.factor,
        window: judgement.window,
        pane: judgement.pane,
        verdict: judgement.verdict.into(),
        previous: judgement.previous.map(VerdictJson::from),
        cause: judgement.cause,
        ordinal: judgement.ordinal,
        judged_at: judgement.judged_at,
        late: judgement.late,
        evidence: judgement.evidence.iter().map(FactJson::from).collect(),
    }
}

/// A judgement from what [`write`] wrote; `None` for anything else.
pub(super) fn read(text: &str) -> Option<Judgement> {
    let json: JudgementJson = serde_json::from_str(text).ok()?;
    Some(Judgement {
        rule: json.rule,
        outlet: json.outlet,
        factor: json.factor,
        window: json.window,
        pane: json.pane,
        verdict: json.verdict.into(),
        previous: json.previous.map(Verdict::from),
        cause: json.cause,
        ordinal: json.ordinal,
        judged_at: json.judged_at,
        late: json.late,
        evidence: json.evidence.into_iter().map(FactJson::read).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_survives_the_store() {
        let at = Time::parse_stamp(b"20261121144200").unwrap();
        let fact = |key, value| Fact { key, value };
        let judgement = Judgement {
            rule: RuleCode::NearHour,
            outlet: OutletId::new("91330100MA27X0AB1C:DA001").unwrap(),
            factor: Some(FactorCode::new("a21026").unwrap()),
            window: Span::hour_of(at),
            pane: Pane::Early,
            verdict: Verdict::Breach(Severity::Urgent),
            previous: Some(Verdict::NotJudged(NotJudged::TooEarly)),
            cause: LogPosition {
                partition: 3,
                offset: 88,
            },
            ordinal: 1,
            judged_at: at,
            late: false,
            evidence: vec![
                fact(FactKey::Limit, FactValue::Decimal(Decimal::parse(b"35.0").unwrap())),
                fact(FactKey::Projected, FactValue::Float(37.218_443)),
                fact(FactKey::MinutesLeft, FactValue::Int(18)),
                fact(FactKey::Since, FactValue::Time(at)),
                fact(FactKey::LimitSource, FactValue::Text(Inline::new("permit").unwrap())),
            ],
        };
        assert_eq!(read(&write(&judgement)), Some(judgement));
        assert_eq!(read("{}"), None);
    }
}
