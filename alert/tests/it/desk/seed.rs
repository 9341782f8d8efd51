//! A small bureau with something of everything, at 14:42:10 on 2026-11-21: built through the engine's own doors, from the registry
//! record to the events, so that the pages show what they would show in earnest. The preview and the page tests share it.

use plume_alert::Desk;
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::{Act, ActKind};
use plume_alert::config::AlertConfig;
use plume_alert::desk::DeskState;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, LogPosition, Presence, PresenceState, Tick};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{MINUTE_MS, Span, Time};

/// The moment the bureau is shown at.
pub(crate) const NOW: &str = "20261121144210";
/// The enterprise that is warned inside the hour.
pub(crate) const HEAT: &str = "91330100MA27X0AB1C";
/// Its outlet.
pub(crate) const HEAT_OUTLET: &str = "91330100MA27X0AB1C:DA001";

/// A moment by its stamp.
pub(crate) fn at(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

/// Settings of the desk's engine for tests: no channel, no waiting.
pub(crate) fn config() -> AlertConfig {
    serde_json::from_str(include_str!("alert.json")).unwrap()
}

/// The bureau's registry.
pub(crate) fn registry() -> Registry {
    serde_json::from_str(include_str!("registry.json")).unwrap()
}

/// Somebody.
pub(crate) fn viewer(name: &str, role: Role, scope: Scope) -> Viewer {
    Viewer {
        name: name.into(),
        role,
        scope,
    }
}

/// Somebody of each role, with the scope such a person has.
pub(crate) fn people() -> Vec<Viewer> {
    let heat = EnterpriseId::new(HEAT).unwrap();
    Role::ALL
        .iter()
        .map(|&role| {
            let scope = match role {
                Role::Branch => Scope::District("江北区".into()),
                Role::Enterprise => Scope::Enterprise(heat),
                Role::Contractor => Scope::Outlets(vec![OutletId::new(HEAT_OUTLET).unwrap()]),
                _ => Scope::All,
            };
            let name = match role {
                Role::CityDuty => "王值班",
                Role::Branch => "周分局",
                Role::LeadOfficer => "郑线索",
                Role::Enterprise => "张环保",
                Role::Contractor => "孙运维",
                Role::Admin => "系统管理员",
                Role::Security => "安全管理员",
                Role::Audit => "审计员",
                Role::ReadOnly => "来宾",
            };
            viewer(name, role, scope)
        })
        .collect()
}

/// Who is on duty.
pub(crate) fn duty() -> Viewer {
    viewer("王值班", Role::CityDuty, Scope::All)
}

fn enterprise() -> Viewer {
    viewer(
        "张环保",
        Role::Enterprise,
        Scope::Enterprise(EnterpriseId::new(HEAT).unwrap()),
    )
}

/// Fills the desk.
pub(crate) async fn fill(desk: &Desk, state: &DeskState) {
    state.observe(&EntryBody::Registry(Box::new(registry())));
    minutes(state);
    signs_of_life(state);
    for (offset, (stamp, what)) in (0..).zip(morning().into_iter().chain(afternoon())) {
        match what {
            Step::Event(event) => {
                let event = event.at(stamp, offset);
                desk.apply(event.judgement.cause, &event).await.unwrap();
            }
            Step::Act(outlet, viewer, kind, text, measures) => {
                act(desk, outlet, &viewer, kind, [text, measures], stamp).await;
            }
        }
    }
}

/// Does an act to the newest case of an outlet.
async fn act(desk: &Desk, outlet: &str, viewer: &Viewer, kind: ActKind, words: [&str; 2], stamp: &str) {
    let filter = CaseFilter {
        outlet: Some(OutletId::new(outlet).unwrap()),
        ..CaseFilter::default()
    };
    let page = Page {
        order: Order::Latest,
        offset: 0,
        limit: 1,
    };
    let row = desk.store().cases(viewer, &filter, page).await.unwrap().rows.remove(0);
    let act = Act {
        kind,
        text: words[0].into(),
        measures: words[1].into(),
        at: at(stamp),
    };
    desk.act(viewer, row.id, &act, row.version).await.unwrap();
}

fn signs_of_life(state: &DeskState) {
    let ingest = IngestId::new("ingest-1").unwrap();
    for source in &registry().sources {
        let gone = source.mn.as_str().ends_with("D1");
        let presence = |state, stamp| {
            EntryBody::Presence(Presence {
                mn: source.mn,
                outlet: source.outlet,
                ingest,
                state,
                epoch: 1,
                peer: Inline::new("10.0.0.7:41022").unwrap(),
                received_at: at(stamp),
            })
        };
        state.observe(&presence(PresenceState::Came, "20261121080000"));
        if gone {
            state.observe(&presence(PresenceState::Gone, "20261121134730"));
        }
    }
    state.observe(&EntryBody::Tick(Tick {
        ingest,
        received_at: at("20261121144207"),
    }));
}

/// A wave without chance: the same picture on every run.
fn wave(minute: i64) -> f64 {
    let x = minute as f64;
    (x * 0.37).sin() * 1.1 + (x * 1.13).sin() * 0.6 + (x * 2.9).cos() * 0.4
}

fn minutes(state: &DeskState) {
    let from = at("20261121060000");
    for minute in 0..(8 * 60 + 42) {
        let time = from.plus(minute * MINUTE_MS);
        let hour = minute as f64 / 60.0;
        // 甲: SO₂ climbs since 14:05; its analyser is calibrated 12:20 to 12:35.
        let flag = if (380..395).contains(&minute) {
            Flag::Calibration
        } else {
            Flag::Normal
        };
        let climb = (minute as f64 - 485.0).max(0.0) * 0.55;
        let so2 = if flag == Flag::Normal {
            24.0 + wave(minute) + climb
        } else {
            2.0 + wave(minute) * 0.1
        };
        report(state, time, HEAT_OUTLET, "a21026", so2, flag);
        let nox = 40.0 + wave(minute + 40) + (hour * 0.9).sin() * 4.0;
        report(state, time, HEAT_OUTLET, "a21002", nox, Flag::Normal);
        // 乙: NOx over the limit between 13:00 and 14:00.
        let over = if (420..480).contains(&minute) { 9.0 } else { 0.0 };
        report(
            state,
            time,
            "91330100MA27X0XY9Z:DA002",
            "a21002",
            94.0 + 2.0 * wave(minute) + over,
            Flag::Normal,
        );
        // 丙: CO stands still since 13:40.
        let co = if minute < 460 { 12.0 + wave(minute) } else { 12.3 };
        report(state, time, "91330106MA2C0R5K3T:DA001", "a21005", co, Flag::Normal);
        if minute < 467 {
            report(
                state,
                time,
                "91330110MA2B1DQ88W:DA003",
                "a34013",
                6.0 + wave(minute) * 0.5,
                Flag::Normal,
            );
        }
    }
}

fn report(state: &DeskState, time: Time, outlet: &str, factor: &str, value: f64, flag: Flag) {
    let reading = |basis, value: f64| Reading {
        factor: FactorCode::new(factor).unwrap(),
        statistic: Statistic::Mean,
        basis,
        value: Value::Decimal(Decimal::from_f64(value, 2).unwrap()),
        flag,
        maker_flag: Inline::default(),
    };
    let outlet = OutletId::new(outlet).unwrap();
    let mn = registry()
        .sources
        .iter()
        .find(|source| source.outlet == outlet)
        .unwrap()
        .mn;
    state.observe(&EntryBody::Report(Box::new(Report {
        outlet,
        kind: ReportKind::Minute,
        times: Times {
            measured_at: time,
            sent_at: Some(time.plus(61_000)),
            received_at: time.plus(62_000),
        },
        origin: Origin {
            mn,
            st: Inline::new("31").unwrap(),
            dialect: Dialect::Hj2017,
            ingest: IngestId::new("ingest-1").unwrap(),
            peer: Inline::new("10.0.0.7:41022").unwrap(),
            registry_revision: 1,
        },
        backfill: false,
        readings: vec![reading(Basis::Standard, value * 0.82), reading(Basis::Corrected, value)],
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::of(&[b"seed"]),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2051,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    })));
}

/// An event being described.
pub(crate) struct Said {
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
    pub(crate) fn at(&self, stamp: &str, offset: u64) -> Event {
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

enum Step {
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
fn morning() -> Vec<(&'static str, Step)> {
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
fn afternoon() -> Vec<(&'static str, Step)> {
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
