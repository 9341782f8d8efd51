//! A desk on a temporary database, with a clock that only the test moves, a registry of two enterprises, and events by
//! builder.

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::{Act, ActKind};
use plume_alert::config::AlertConfig;
use plume_alert::sinks::console::ConsoleSink;
use plume_alert::store::{CaseFilter, CaseRow, Order, Page};
use plume_alert::{Desk, EventOutcome};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, Inline, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, Pane, Verdict};
use plume_schemas::registry::{Contact, ContactRole, Enterprise, Outlet, Registry, RegistryIndex};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Clock, MINUTE_MS, Span, Time};
use tempfile::TempDir;

pub(crate) const OUTLET: &str = "91330100MA27X0AB1C:DA001";
pub(crate) const OTHER_OUTLET: &str = "91330100MA27X0XY9Z:DA001";

/// What the console was told.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// How many messages whose text contains `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.text().matches(part).count()
    }
}

pub(crate) struct World {
    pub(crate) url: String,
    /// Holds the database file as long as the world lives.
    dir: TempDir,
    pub(crate) desk: Desk,
    pub(crate) heard: Heard,
    pub(crate) config: AlertConfig,
    now: Arc<AtomicI64>,
}

pub(crate) fn at(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

pub(crate) fn config() -> AlertConfig {
    serde_json::from_str(
        r#"{
            "store": "sqlite:desk.db",
            "language": "zh",
            "book": { "outcome_wait_s": 1200, "close_resolved_after_s": 86400, "keep_applied_days": 7 },
            "notify": {
                "enabled": true, "group_wait_s": 30, "group_interval_s": 0, "repeat_h": 0, "escalate_after_s": 300, 
                "quiet_from_min": 1320, "quiet_to_min": 450,
                "rate_per_hour": 30, "give_up_h": 72, "retry_first_s": 30, "retry_max_s": 1800, "poll_ms": 50,
                "grave_ratio": 1.0, "grave_hours": 3, "grave_factors": ["a20043"]
            },
            "console": { "enabled": true },
            "mail": {
                "enabled": false, "host": "127.0.0.1", "port": 25, "tls": "none", "username": "", "password": "",
                "from": "plume <plume@example.com>", "timeout_ms": 2000
            },
            "series": { "hours": 26, "max_points": 100000 }
        }"#,
    )
    .unwrap()
}

pub(crate) fn registry() -> RegistryIndex {
    let contact = |role, name: &str, phone: &str, email: &str| Contact {
        role,
        name: name.into(),
        phone: phone.into(),
        email: email.into(),
    };
    let enterprise = |id: &str, name: &str, district: &str, contacts| Enterprise {
        id: EnterpriseId::new(id).unwrap(),
        name: name.into(),
        district: district.into(),
        industry: "thermal_power_coal".into(),
        officer: "赵片区".into(),
        officer_phone: "13700000009".into(),
        contacts,
        permit_number: String::new(),
        permit_valid_to: None,
    };
    let outlet = |id: &str, name: &str| Outlet {
        id: OutletId::new(id).unwrap(),
        enterprise: EnterpriseId::new(id.split(':').next().unwrap()).unwrap(),
        number: "DA001".into(),
        name: name.into(),
        management_class: String::new(),
        shared_stack: String::new(),
        stack_height_m: None,
        trial_until: None,
        factors: Vec::new(),
        stop_work: Vec::new(),
        valid_from: None,
        valid_to: None,
    };
    RegistryIndex::new(Registry {
        enterprises: vec![
            enterprise(
                "91330100MA27X0AB1C",
                "甲热电有限公司",
                "东区",
                vec![
                    contact(ContactRole::Contractor, "孙运维", "13600000003", "sun@example.com"),
                    contact(ContactRole::ControlRoom, "李中控", "13500000002", "li@example.com"),
                    contact(
                        ContactRole::EnvironmentOfficer,
                        "张环保",
                        "13900001234",
                        "zhang@example.com",
                    ),
                ],
            ),
            enterprise("91330100MA27X0XY9Z", "乙水泥有限公司", "西区", Vec::new()),
        ],
        outlets: vec![outlet(OUTLET, "1号锅炉烟囱"), outlet(OTHER_OUTLET, "")],
        ..Registry::default()
    })
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: AlertConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(at("20261121142500").0));
        let heard = Heard::default();
        let url = crate::postgres::fresh_database()
            .await
            .unwrap_or_else(|| format!("sqlite:{}", dir.path().join("desk.db").display()));
        let desk = open(&url, &config, &now, &heard).await;
        Self {
            url,
            dir,
            desk,
            heard,
            config,
            now,
        }
    }

    /// What a kill and a restart leave: nothing but the file.
    pub(crate) async fn reopened(self) -> Self {
        assert!(self.dir.path().exists());
        let desk = open(&self.url, &self.config, &self.now, &self.heard).await;
        Self { desk, ..self }
    }

    /// A second desk on the same store and console.
    pub(crate) async fn beside(&self) -> Desk {
        open(&self.url, &self.config, &self.now, &self.heard).await
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.now.load(Ordering::SeqCst))
    }

    pub(crate) fn go_to(&self, stamp: &str) {
        self.now.store(at(stamp).0, Ordering::SeqCst);
    }

    pub(crate) fn pass_time(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) async fn apply(&self, event: &Event) -> EventOutcome {
        self.desk.apply(event.judgement.cause, event).await.unwrap()
    }

    pub(crate) async fn cases(&self) -> Vec<CaseRow> {
        let page = Page {
            order: Order::ByOutlet,
            offset: 0,
            limit: 500,
        };
        let mut rows = self
            .desk
            .store()
            .cases(&duty(), &CaseFilter::default(), page)
            .await
            .unwrap()
            .rows;
        rows.extend(
            self.desk
                .store()
                .cases(&lead_officer(), &leads_only(), page)
                .await
                .unwrap()
                .rows,
        );
        rows
    }

    pub(crate) async fn only_case(&self) -> CaseRow {
        let mut cases = self.cases().await;
        assert_eq!(cases.len(), 1, "{cases:#?}");
        cases.remove(0)
    }

    /// The kinds of the trace of a case, oldest first, with texts where there are any.
    pub(crate) async fn trace(&self, case: ContentId) -> Vec<String> {
        let rows = self.desk.store().trace(&duty(), case).await.unwrap();
        rows.into_iter()
            .map(|row| match row.text.as_str() {
                "" => row.kind.code().to_owned(),
                text => format!("{}: {text}", row.kind),
            })
            .collect()
    }

    /// `audience/receiver/channel/purpose/state/reason` of every notice of a case.
    pub(crate) async fn notices(&self, case: ContentId) -> Vec<String> {
        let rows = self.desk.store().notices(&duty(), case).await.unwrap();
        let mut lines: Vec<_> = rows
            .iter()
            .map(|n| {
                format!(
                    "{}/{}/{}/{}/{}/{}",
                    n.audience, n.receiver, n.channel, n.purpose, n.state, n.reason
                )
            })
            .collect();
        lines.sort();
        lines
    }

    pub(crate) async fn act(&self, viewer: &Viewer, kind: ActKind, text: &str) -> CaseRow {
        let case = self.only_case().await;
        let act = said(kind, text, self.now());
        self.desk.act(viewer, case.id, &act, case.version).await.unwrap()
    }

    /// Sends until nothing is due.
    pub(crate) async fn send_all(&self) {
        while !self.desk.send_due(self.now()).await.unwrap().is_empty() {}
    }
}

async fn open(url: &str, config: &AlertConfig, now: &Arc<AtomicI64>, heard: &Heard) -> Desk {
    let clock = {
        let now = Arc::clone(now);
        Clock::new(move || Time(now.load(Ordering::SeqCst)))
    };
    let metrics = prometheus::Registry::new();
    let console = ConsoleSink::new(heard.clone());
    let desk = Desk::open(url, config, clock, &metrics, Some(console)).await.unwrap();
    desk.set_registry(Arc::new(registry()));
    desk
}

pub(crate) fn said(kind: ActKind, text: &str, at: Time) -> Act {
    Act {
        kind,
        text: text.into(),
        measures: if kind == ActKind::Answer {
            "投加石灰石浆液".into()
        } else {
            String::new()
        },
        at,
    }
}

fn viewer(name: &str, role: Role, scope: Scope) -> Viewer {
    Viewer {
        name: name.into(),
        role,
        scope,
    }
}

pub(crate) fn duty() -> Viewer {
    viewer("钱值班", Role::CityDuty, Scope::All)
}

pub(crate) fn second_duty() -> Viewer {
    viewer("吴值班", Role::CityDuty, Scope::All)
}

pub(crate) fn branch(district: &str) -> Viewer {
    viewer("周分局", Role::Branch, Scope::District(district.into()))
}

pub(crate) fn lead_officer() -> Viewer {
    viewer("郑线索", Role::LeadOfficer, Scope::All)
}

pub(crate) fn enterprise() -> Viewer {
    let id = EnterpriseId::new("91330100MA27X0AB1C").unwrap();
    viewer("张环保", Role::Enterprise, Scope::Enterprise(id))
}

pub(crate) fn other_enterprise() -> Viewer {
    let id = EnterpriseId::new("91330100MA27X0XY9Z").unwrap();
    viewer("王环保", Role::Enterprise, Scope::Enterprise(id))
}

pub(crate) fn contractor() -> Viewer {
    viewer(
        "孙运维",
        Role::Contractor,
        Scope::Outlets(vec![OutletId::new(OUTLET).unwrap()]),
    )
}

fn leads_only() -> CaseFilter {
    CaseFilter {
        families: vec![plume_alert::case::Family::Lead],
        ..CaseFilter::default()
    }
}

/// An event being described. Every method changes one thing.
#[derive(Clone)]
pub(crate) struct Said {
    rule: RuleCode,
    edge: Edge,
    outlet: &'static str,
    factor: Option<&'static str>,
    window: Span,
    first: Time,
    at: Time,
    pane: Pane,
    verdict: Verdict,
    preliminary: bool,
    late: bool,
    facts: Vec<Fact>,
}

/// A rule's event in the hour of `stamp`, judged at `stamp`: a breach, urgent, of SO₂ at the first outlet.
pub(crate) fn event(rule: RuleCode, edge: Edge, stamp: &str) -> Said {
    let at = at(stamp);
    let window = Span::hour_of(at);
    Said {
        rule,
        edge,
        outlet: OUTLET,
        factor: Some("a21026"),
        window,
        first: window.start,
        at,
        pane: Pane::Early,
        verdict: Verdict::Breach(Severity::Urgent),
        preliminary: false,
        late: false,
        facts: Vec::new(),
    }
}

impl Said {
    pub(crate) fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    pub(crate) fn severity(self, severity: Severity) -> Self {
        self.verdict(Verdict::Breach(severity))
    }

    /// Another edge of the same breach, at `stamp`.
    pub(crate) fn edge(mut self, edge: Edge, stamp: &str) -> Self {
        self.edge = edge;
        self.at = at(stamp);
        self
    }

    pub(crate) fn pane(mut self, pane: Pane) -> Self {
        self.pane = pane;
        self
    }

    pub(crate) fn outlet(mut self, outlet: &'static str) -> Self {
        self.outlet = outlet;
        self
    }

    pub(crate) fn factor(mut self, factor: Option<&'static str>) -> Self {
        self.factor = factor;
        self
    }

    /// The judged hour, by a stamp within it; the case id stays that of the first window.
    pub(crate) fn window(mut self, stamp: &str) -> Self {
        self.window = Span::hour_of(at(stamp));
        self
    }

    /// The hour in which the breach began: part of the case id.
    pub(crate) fn first(mut self, stamp: &str) -> Self {
        self.first = Span::hour_of(at(stamp)).start;
        self
    }

    pub(crate) fn preliminary(mut self) -> Self {
        self.preliminary = true;
        self
    }

    pub(crate) fn late(mut self) -> Self {
        self.late = true;
        self
    }

    pub(crate) fn fact(mut self, key: FactKey, value: FactValue) -> Self {
        self.facts.retain(|fact| fact.key != key);
        self.facts.push(Fact { key, value });
        self
    }

    pub(crate) fn decimal(self, key: FactKey, text: &str) -> Self {
        self.fact(key, FactValue::Decimal(Decimal::parse(text.as_bytes()).unwrap()))
    }

    pub(crate) fn text(self, key: FactKey, text: &str) -> Self {
        self.fact(key, FactValue::Text(Inline::new(text).unwrap()))
    }

    /// The event as the entry at `offset` caused it.
    pub(crate) fn from(&self, offset: u64) -> Event {
        let cause = LogPosition { partition: 0, offset };
        let outlet = OutletId::new(self.outlet).unwrap();
        let factor = self.factor.map(|code| FactorCode::new(code).unwrap());
        let case = Event::case_id(outlet, factor, self.rule, self.first);
        Event {
            id: Event::event_id(case, self.edge, cause),
            case,
            edge: self.edge,
            at: self.at,
            preliminary: self.preliminary,
            judgement: Judgement {
                rule: self.rule,
                outlet,
                factor,
                window: self.window,
                pane: self.pane,
                verdict: self.verdict,
                previous: None,
                cause,
                ordinal: 0,
                judged_at: self.at,
                late: self.late,
                evidence: self.facts.clone(),
            },
        }
    }
}

/// The warning of the demo: 14:25, projected over the limit, 35 minutes left.
pub(crate) fn near(stamp: &str) -> Said {
    event(RuleCode::NearHour, Edge::Opened, stamp)
        .fact(FactKey::Projected, FactValue::Float(37.218))
        .decimal(FactKey::Limit, "35")
        .text(FactKey::LimitSource, "permit")
        .text(FactKey::Basis, "corrected")
        .fact(FactKey::MinutesLeft, FactValue::Int(35))
        .fact(FactKey::Headroom, FactValue::Float(33.409_9))
}

/// An hour over its limit.
pub(crate) fn exceed(stamp: &str) -> Said {
    event(RuleCode::ExceedHour, Edge::Opened, stamp)
        .pane(Pane::OnTime)
        .severity(Severity::Exceeded)
        .preliminary()
        .decimal(FactKey::Mean, "37.2")
        .decimal(FactKey::Limit, "35")
        .text(FactKey::LimitSource, "permit")
        .text(FactKey::Basis, "corrected")
        .fact(FactKey::ExceedRatio, FactValue::Float(2.2 / 35.0))
}

pub(crate) const MINUTE: i64 = MINUTE_MS;
