//! The live list: what changed, to whom it may be shown, and what happens at its limits.

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode, header};
use plume_alert::accounts::Role;
use plume_alert::case::{Act, ActKind};
use plume_alert::desk::DeskOptions;
use plume_schemas::rule::RuleCode;
use tokio_stream::StreamExt as _;

use super::{Bureau, seed};

/// A listening browser.
struct Ear {
    stream: BodyDataStream,
    heard: String,
}

impl Ear {
    async fn open(bureau: &Bureau, role: Role, path: &str, last_id: Option<i64>) -> Self {
        let mut request = Request::get(path).header(header::COOKIE, bureau.cookie(role));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = bureau.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            stream: response.into_body().into_data_stream(),
            heard: String::new(),
        }
    }

    /// Listens until `word` was said; the text up to the end of that event.
    async fn until(&mut self, word: &str) -> String {
        loop {
            let said = self
                .heard
                .split_once(word)
                .and_then(|(_, after)| after.split_once("\n\n"));
            if let Some((_, rest)) = said {
                let rest = rest.to_owned();
                let end = self.heard.len() - rest.len();
                let before = self.heard.split_at(end).0.to_owned();
                self.heard = rest;
                return before;
            }
            let chunk = self.stream.next().await.unwrap().unwrap();
            self.heard.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

async fn comment(bureau: &Bureau, rule: RuleCode) -> i64 {
    let row = bureau.case(rule).await;
    let act = Act {
        kind: ActKind::Comment,
        text: "x".into(),
        measures: String::new(),
        at: seed::at(seed::NOW),
    };
    let viewer = seed::people()
        .into_iter()
        .find(|viewer| viewer.role == Role::LeadOfficer)
        .unwrap();
    bureau
        .desk
        .act(&viewer, row.id, &act, row.version)
        .await
        .unwrap()
        .changed_seq
}

#[tokio::test]
async fn a_change_comes_with_its_number() {
    let bureau = Bureau::new().await;
    let mut ear = Ear::open(&bureau, Role::CityDuty, "/events", None).await;
    let clock = ear.until("event: clock").await;
    assert!(
        clock.contains("retry: 5000") && clock.contains("\"clock\":\"14:42:07\""),
        "{clock}"
    );
    let seq = comment(&bureau, RuleCode::NearHour).await;
    let said = ear.until("event: case").await;
    assert!(
        said.contains(&format!("id: {seq}")) && said.contains("\"urgent\":true"),
        "{said}"
    );
}

#[tokio::test]
async fn who_comes_back_misses_nothing() {
    let bureau = Bureau::new().await;
    let before = bureau.desk.store().last_change().await.unwrap();
    let first = comment(&bureau, RuleCode::NearHour).await;
    let second = comment(&bureau, RuleCode::Const).await;
    let mut ear = Ear::open(&bureau, Role::CityDuty, "/events?after=0", Some(before)).await;
    let said = ear.until(&format!("id: {second}")).await;
    assert!(said.contains(&format!("id: {first}")), "{said}");
    assert_eq!(
        said.matches("event: case").count(),
        2,
        "what was seen is not said again: {said}"
    );
}

#[tokio::test]
async fn a_number_from_the_future_is_not_believed() {
    let bureau = Bureau::new().await;
    let mut ear = Ear::open(&bureau, Role::CityDuty, "/events", Some(i64::MAX)).await;
    ear.until("event: clock").await;
    comment(&bureau, RuleCode::NearHour).await;
    ear.until("event: case").await;
}

#[tokio::test]
async fn a_lead_is_not_said_to_others() {
    let bureau = Bureau::new().await;
    let lead = bureau.case(RuleCode::Cap).await.id.to_string();
    for role in [Role::CityDuty, Role::Enterprise] {
        let mut ear = Ear::open(&bureau, role, "/events?after=0", None).await;
        comment(&bureau, RuleCode::Cap).await;
        let seq = comment(&bureau, RuleCode::NearHour).await;
        let said = ear.until(&format!("id: {seq}")).await;
        assert!(!said.contains(&lead), "{role} heard of a lead: {said}");
    }
}

#[tokio::test]
async fn five_hundred_hear_the_same() {
    let bureau = Bureau::new().await;
    let mut ears = Vec::new();
    for at in 0..500 {
        let role = if at % 2 == 0 { Role::CityDuty } else { Role::Enterprise };
        let mut ear = Ear::open(&bureau, role, "/events", None).await;
        ear.until("event: clock").await;
        ears.push(ear);
    }
    let seq = comment(&bureau, RuleCode::NearHour).await;
    for ear in &mut ears {
        ear.until(&format!("id: {seq}")).await;
    }
}

#[tokio::test]
async fn one_list_too_many_is_told_to_come_back() {
    let options = DeskOptions {
        live_clients: 1,
        ..DeskOptions::new(false, false)
    };
    let bureau = Bureau::with(options).await;
    let ear = Ear::open(&bureau, Role::CityDuty, "/events", None).await;
    assert_eq!(
        bureau.get(Role::CityDuty, "/events").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        bureau.get(Role::CityDuty, "/").await.status,
        StatusCode::OK,
        "pages go on"
    );
    drop(ear);
}

#[tokio::test]
async fn a_devices_packets_come_in_while_one_looks() {
    let bureau = Bureau::new().await;
    let path = format!("/devices/{}/events", seed::HEAT_MN);
    let mut ear = Ear::open(&bureau, Role::CityDuty, &path, None).await;
    ear.until("retry: 5000").await;
    seed::packet(&bureau.state, "20261121144100");
    let said = ear.until("event: packet").await;
    assert!(said.contains("QN=20261121144100001") && said.contains("CN"), "{said}");
    assert!(said.contains("PW=*********") && !said.contains("secret-pw"), "{said}");
    let (_, id) = said.split_once("id: ").unwrap();
    let id: i64 = id.lines().next().unwrap().parse().unwrap();
    drop(ear);

    seed::packet(&bureau.state, "20261121144200");
    let mut back = Ear::open(&bureau, Role::CityDuty, &path, Some(id)).await;
    let said = back.until("event: packet").await;
    assert!(
        said.contains("QN=20261121144200001") && !said.contains("QN=20261121144100001"),
        "{said}"
    );
    let mut stale = Ear::open(&bureau, Role::CityDuty, &path, Some(id + 1_000)).await;
    stale.until("event: stale").await;

    let foreign = bureau.get(Role::Branch, "/devices/88888880000002000101B2/events").await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "another district's device");
}
