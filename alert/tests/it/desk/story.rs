//! The day of the seeded bureau: what the judge said and people did, in order.

use plume_alert::accounts::Viewer;
use plume_alert::case::ActKind;
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{FactorCode, Inline, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::Span;

use super::{HEAT_OUTLET, at, duty, enterprise};

/// An event being described.
pub(super) struct Said {
    rule: RuleCode,
    edge: Edge,
    outlet: &'static str,
    factor: Option<&'static str>,
    hour: &'static str,
    pane: Pane,
    verdict: Verdict,
    preliminary: bool,
    facts: Vec<Fact>,
}

impl Said {
    fn new(rule: RuleCode, edge: Edge, outlet: &'static str, factor: Option<&'static str>, hour: &'static str) -> Self {
        Self {
            rule,
            edge,
            outlet,
            factor,
            hour,
            pane: Pane::Early,
            verdict: Verdict::Breach(Severity::Attention),
            preliminary: false,
            facts: Vec::new(),
        }
    }

    fn verdict(mut self, pane: Pane, verdict: Verdict) -> Self {
        self.pane = pane;
        self.verdict = verdict;
        self
    }

    fn severity(self, severity: Severity) -> Self {
        let pane = self.pane;
        self.verdict(pane, Verdict::Breach(severity))
    }

    fn fact(mut self, key: FactKey, value: FactValue) -> Self {
        self.facts.push(Fact { key, value });
        self
    }

    fn float(self, key: FactKey, value: f64) -> Self {
        self.fact(key, FactValue::Float(value))
    }

    fn int(self, key: FactKey, value: i64) -> Self {
        self.fact(key, FactValue::Int(value))
    }

    fn decimal(self, key: FactKey, text: &str) -> Self {
        self.fact(key, FactValue::Decimal(Decimal::parse(text.as_bytes()).unwrap()))
    }

    fn text(self, key: FactKey, text: &str) -> Self {
        self.fact(key, FactValue::Text(Inline::new(text).unwrap()))
    }

    fn limit(self, value: &str) -> Self {
        self.decimal(FactKey::Limit, value)
            .text(FactKey::LimitSource, "permit")
            .text(FactKey::Basis, "corrected")
    }

    /// The event as the record at `offset` caused it at `stamp`.
    pub(super) fn at(&self, stamp: &str, offset: u64) -> Event {
        let cause = LogPosition { partition: 0, offset };
        let outlet = OutletId::new(self.outlet).unwrap();
        let factor = self.factor.map(|code| FactorCode::new(code).unwrap());
        let window = Span::hour_of(at(self.hour));
        let case = Event::case_id(outlet, factor, self.rule, window.start);
        Event {
            id: Event::event_id(case, self.edge, cause),
            case,
            edge: self.edge,
            at: at(stamp),
            preliminary: self.preliminary,
            judgement: Judgement {
                rule: self.rule,
                outlet,
                factor,
                window,
                pane: self.pane,
                verdict: self.verdict,
                previous: None,
                cause,
                ordinal: 0,
                judged_at: at(stamp),
                late: false,
                evidence: self.facts.clone(),
            },
        }
    }
}

/// What happened at one moment.
pub(super) enum Step {
    Event(Said),
    Act(&'static str, Viewer, ActKind, &'static str, &'static str),
}

fn near(
    edge: Edge,
    outlet: &'static str,
    factor: &'static str,
    hour: &'static str,
    numbers: [f64; 5],
    limit: &str,
) -> Said {
    let [probability, projected, half, headroom, so_far] = numbers;
    Said::new(RuleCode::NearHour, edge, outlet, Some(factor), hour)
        .float(FactKey::Probability, probability)
        .float(FactKey::Projected, projected)
        .float(FactKey::ProjectedBand, half)
        .float(FactKey::Headroom, headroom)
        .float(FactKey::MeanSoFar, so_far)
        .int(FactKey::MinutesLeft, 22)
        .int(FactKey::ValidMinutes, 38)
        .limit(limit)
}

const CEMENT_OUTLET: &str = "91330100MA27X0XY9Z:DA002";
const WASTE_OUTLET: &str = "91330106MA2C0R5K3T:DA001";
const STEEL_OUTLET: &str = "91330110MA2B1DQ88W:DA003";

/// What happened until 14:00, in order: a warning that worked, and one that nobody answered.
pub(super) fn morning() -> Vec<(&'static str, Step)> {
    let (heat, cement, event) = (HEAT_OUTLET, CEMENT_OUTLET, Step::Event);
    vec![
        (
            "20261121102500",
            event(near(
                Edge::Opened,
                heat,
                "a21002",
                "20261121100000",
                [0.83, 51.2, 1.4, 47.9, 50.4],
                "50",
            )),
        ),
        ("20261121103100", Step::Act(heat, duty(), ActKind::Acknowledge, "", "")),
        (
            "20261121103400",
            Step::Act(
                heat,
                enterprise(),
                ActKind::Answer,
                "治理设施运行异常",
                "10:33 氨水流量由 38 L/h 调至 46 L/h，SCR 入口温度正常",
            ),
        ),
        (
            "20261121110200",
            event(
                Said::new(
                    RuleCode::NearHour,
                    Edge::Cleared,
                    heat,
                    Some("a21002"),
                    "20261121100000",
                )
                .verdict(Pane::OnTime, Verdict::Fine)
                .decimal(FactKey::Mean, "48.62")
                .limit("50")
                .text(FactKey::Reason, "hour_within_limit"),
            ),
        ),
        (
            "20261121132800",
            event(near(
                Edge::Opened,
                cement,
                "a21002",
                "20261121130000",
                [0.97, 105.4, 2.1, 95.1, 103.6],
                "100",
            )),
        ),
    ]
}

/// What happened since.
pub(super) fn afternoon() -> Vec<(&'static str, Step)> {
    let (heat, cement, event) = (HEAT_OUTLET, CEMENT_OUTLET, Step::Event);
    vec![
        ("20261121135900", event(miss(STEEL_OUTLET))),
        (
            "20261121140110",
            event(
                Said::new(
                    RuleCode::NearHour,
                    Edge::Cleared,
                    cement,
                    Some("a21002"),
                    "20261121130000",
                )
                .verdict(Pane::OnTime, Verdict::Fine)
                .decimal(FactKey::Mean, "105.83")
                .limit("100")
                .text(FactKey::Reason, "hour_exceeded"),
            ),
        ),
        ("20261121140111", event(exceeded(cement))),
        (
            "20261121140900",
            Step::Act(
                cement,
                duty(),
                ActKind::Phone,
                "13800004321 赵厂长：氨水泵跳停，已切备用泵",
                "",
            ),
        ),
        (
            "20261121142500",
            event(near(
                Edge::Opened,
                heat,
                "a21026",
                "20261121140000",
                [0.71, 35.9, 2.6, 33.8, 30.1],
                "35",
            )),
        ),
        (
            "20261121143800",
            event(
                near(
                    Edge::Worsened,
                    heat,
                    "a21026",
                    "20261121140000",
                    [0.93, 37.218, 1.3, 28.44, 31.9],
                    "35",
                )
                .severity(Severity::Urgent),
            ),
        ),
        ("20261121144000", event(constant(WASTE_OUTLET))),
        (
            "20261121144030",
            event(near(
                Edge::Opened,
                WASTE_OUTLET,
                "a21026",
                "20261121140000",
                [0.64, 81.7, 3.9, 74.2, 80.2],
                "80",
            )),
        ),
        ("20261121144100", event(lead(heat))),
    ]
}

/// An hour of the heating plant that was over its limit, and is confirmed: what opens a problem to be put right.
pub(super) fn confirmed() -> [(&'static str, Said); 2] {
    let hour = |edge, pane| {
        let outlet = HEAT_OUTLET;
        Said::new(RuleCode::ExceedHour, edge, outlet, Some("a21002"), "20261121080000")
            .verdict(pane, Verdict::Breach(Severity::Exceeded))
            .decimal(FactKey::Mean, "54.10")
            .float(FactKey::ExceedRatio, 0.082)
            .text(FactKey::ValueSource, "device_hour")
            .int(FactKey::ValidMinutes, 60)
            .limit("50")
    };
    let mut first = hour(Edge::Opened, Pane::OnTime);
    first.preliminary = true;
    [
        ("20261121090110", first),
        ("20261121140020", hour(Edge::Confirmed, Pane::Late)),
    ]
}

fn exceeded(outlet: &'static str) -> Said {
    let mut said = Said::new(
        RuleCode::ExceedHour,
        Edge::Opened,
        outlet,
        Some("a21002"),
        "20261121130000",
    )
    .verdict(Pane::OnTime, Verdict::Breach(Severity::Exceeded))
    .decimal(FactKey::Mean, "105.83")
    .float(FactKey::ExceedRatio, 0.0583)
    .text(FactKey::ValueSource, "device_hour")
    .text(FactKey::Formula, "reported hour ZsAvg")
    .int(FactKey::ValidMinutes, 60)
    .decimal(FactKey::OxygenMean, "11.243718")
    .decimal(FactKey::ReferenceOxygen, "10")
    .limit("100");
    said.preliminary = true;
    said
}

fn miss(outlet: &'static str) -> Said {
    Said::new(RuleCode::Miss, Edge::Opened, outlet, None, "20261121130000")
        .text(FactKey::Name, "88888880000003000101D1")
        .text(FactKey::Reason, "offline")
        .fact(FactKey::Since, FactValue::Time(at("20261121134700")))
        .int(FactKey::LastedMinutes, 12)
        .int(FactKey::Threshold, 10)
}

fn constant(outlet: &'static str) -> Said {
    Said::new(RuleCode::Const, Edge::Opened, outlet, Some("a21005"), "20261121130000")
        .decimal(FactKey::Value, "12.30")
        .int(FactKey::LastedMinutes, 60)
        .fact(FactKey::Since, FactValue::Time(at("20261121134000")))
        .text(FactKey::Reason, "equal")
        .int(FactKey::Count, 60)
        .float(FactKey::FlowChange, 18.2)
}

fn lead(outlet: &'static str) -> Said {
    Said::new(RuleCode::Cap, Edge::Opened, outlet, Some("a34013"), "20261121140000")
        .severity(Severity::Notice)
        .float(FactKey::Score, 0.81)
        .text(FactKey::Reason, NotJudged::TooEarly.code())
}
