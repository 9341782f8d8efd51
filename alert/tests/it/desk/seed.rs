//! A small bureau with something of everything, at 14:42:10 on 2026-11-21: built through the engine's own doors, from
//! the registry record to the events, so that the pages show what they would show in earnest. The preview and the
//! page tests share it.

use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::{Act, ActKind};
use plume_alert::config::AlertConfig;
use plume_alert::desk::{
    ClockOffset, Departure, DeskState, HistoryQuestion, HistoryQueue, HourValue, InspectQuestion, InspectQueue,
    Inspection, Interval, Quantity,
};
use plume_alert::problem::Source;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_alert::words::Lang;
use plume_alert::{Desk, Finding};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, Presence, PresenceState, Tick};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use tokio::sync::mpsc;

// Named by path, so that the preview, which takes this file by path too, finds it.
#[path = "others.rs"]
mod others;
#[path = "story.rs"]
mod story;

use story::{Step, afternoon, morning};

/// The moment the bureau is shown at.
pub(crate) const NOW: &str = "20261121144210";
/// The enterprise that is warned inside the hour.
pub(crate) const HEAT: &str = "91330100MA27X0AB1C";
/// Its device.
pub(crate) const HEAT_MN: &str = "88888880000001000101A1";
/// A device that waits until it is registered.
pub(crate) const WAITING_MN: &str = "NEW000000000000000000001";
/// The outlet of the first.
pub(crate) const HEAT_OUTLET: &str = "91330100MA27X0AB1C:DA001";
/// A device in another district.
pub(crate) const CEMENT_MN: &str = "88888880000002000101B2";

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
    history(state);
    inspector(state);
    others::registrar(state);
    others::orders(state);
    others::enrols(state);
    inspection(desk).await;
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

/// Confirms an hour over its limit: the problem of it has data before and after.
pub(crate) async fn confirm(desk: &Desk) {
    for (offset, (stamp, said)) in (1_000..).zip(story::confirmed()) {
        let event = said.at(stamp, offset);
        desk.apply(event.judgement.cause, &event).await.unwrap();
    }
}

/// Something an inspection found at the heating plant that morning.
async fn inspection(desk: &Desk) {
    let finding = Finding {
        source: Source::Inspection,
        enterprise: EnterpriseId::new(HEAT).unwrap(),
        outlet: Some(OutletId::new(HEAT_OUTLET).unwrap()),
        title: "站房温度记录缺失，采样平台护栏松动".into(),
    };
    desk.open_problem(&duty(), &finding, at("20261121093000"))
        .await
        .unwrap();
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
        // Its NOx was over the limit between 08:00 and 09:00.
        let over = if (120..180).contains(&minute) { 11.0 } else { 0.0 };
        let nox = 40.0 + wave(minute + 40) + (hour * 0.9).sin() * 4.0 + over;
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

/// One more packet of the heating plant.
pub(crate) fn packet(state: &DeskState, stamp: &str) {
    report(state, at(stamp), HEAT_OUTLET, "a21026", 24.0, Flag::Normal);
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
            raw: format!(
                "##0099QN={}001;ST=31;CN=2051;PW=secret-pw;MN={mn};Flag=5;CP=&&&&FFFF\r\n",
                time.stamp14()
            )
            .into_bytes(),
            share: (0, 1),
            cn: 2051,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    })));
}

/// Stands in for the archive: hours since the first of October, with a day that lacks five of them.
fn history(state: &DeskState) {
    let (queue, mut questions) = mpsc::channel::<HistoryQuestion>(8);
    state.set_history(HistoryQueue::new(queue));
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            let hours = hours_of(&question);
            drop(question.answer.send(hours));
        }
    });
}

/// Stands in for whoever examines devices.
fn inspector(state: &DeskState) {
    let (queue, mut questions) = mpsc::channel::<InspectQuestion>(8);
    state.set_inspector(InspectQueue::new(queue));
    tokio::spawn(async move {
        while let Some(InspectQuestion { mn, lang, answer, .. }) = questions.recv().await {
            drop(answer.send(Ok(examined(mn, lang))));
        }
    });
}

fn examined(mn: Mn, lang: Lang) -> Inspection {
    let word = |zh: &'static str, en: &'static str| lang.pick(zh, en).to_owned();
    Inspection {
        is_fine: false,
        facts: vec![
            [
                word("结论", "verdict"),
                word("不符合：有错误须先改正", "does not conform"),
            ],
            [word("依据", "standard"), "HJ 212-2025".into()],
        ],
        departures: vec![Departure {
            level: word("错误", "error"),
            is_error: true,
            what: word("流量像是 m³/h", "the flow looks like m³/h"),
            clause: "HJ 212-2025 B".into(),
            count: 1440,
            detail: "a00000-Avg=7200".into(),
            example: format!("QN=20261121140000001;ST=31;CN=2051;PW=******;MN={mn};CP=&&<b>&&"),
            change: word("按 m³/s 上传", "send m³/s"),
        }],
        clock: Some(ClockOffset {
            median_s: 2.4,
            least_s: -0.6,
            most_s: 31.0,
        }),
        intervals: vec![Interval {
            name: word("分钟数据", "minutes"),
            interval_s: 60,
            due: 1440,
            came: 1431,
            late: 3,
            delay_s: 1.96,
        }],
    }
}

fn hours_of(question: &HistoryQuestion) -> Result<Vec<HourValue>, String> {
    let (first, now) = (at("20261001000000"), at("20261121140000"));
    if question.span.end < at("20260101000000") {
        return Err("a file is damaged".into());
    }
    let mut hours = Vec::new();
    let mut hour = first.max(question.span.start);
    while hour < now.min(question.span.end) {
        let n = hour.since(first) / HOUR_MS;
        for (factor, level) in [("a21026", 24.0), ("a21002", 41.0), ("a19001", 6.2)] {
            let factor = FactorCode::new(factor).unwrap();
            if question.factor.is_some_and(|asked| asked != factor) {
                continue;
            }
            let mean = level + wave(n) + if n % 97 == 0 { 12.0 } else { 0.0 };
            let counts = !(hour.date() == "2026-11-20" && hour.hour_of_day() < 5);
            let value = |quantity, value: f64| HourValue {
                factor,
                at: hour,
                quantity,
                value: (value * 100.0).round() / 100.0,
                counts,
            };
            hours.push(value(Quantity::Mean(Basis::Standard), mean * 0.82));
            if factor.as_str() != "a19001" {
                hours.push(value(Quantity::Mean(Basis::Corrected), mean));
                hours.push(value(Quantity::Total, mean * 0.31));
            }
        }
        hour = hour.plus(HOUR_MS);
    }
    Ok(hours)
}
