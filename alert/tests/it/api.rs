//! The desk for programs, without a socket: every endpoint as every role, errors, and the committed document.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::api::{ENDPOINTS, MAX_BODY_BYTES, document, router};
use plume_alert::rates::{Forecast, RateRow, RateSource, Share};
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::rule::RuleCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{
    MINUTE, OTHER_OUTLET, OUTLET, World, branch, contractor, duty, enterprise, event, near, other_enterprise,
};

struct Client {
    router: Router,
    token: String,
}

impl Client {
    async fn of(world: &World, viewer: &Viewer, chance: u8) -> Self {
        let token = world.desk.create_demo_session(viewer, [chance; 32]).await.unwrap();
        Self {
            router: router(world.desk.clone()),
            token: token.reveal(),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method.to_uppercase().as_str())
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask("get", path, "").await
    }
}

fn someone(role: Role) -> Viewer {
    let scope = match role {
        Role::Enterprise => enterprise().scope,
        Role::Contractor => contractor().scope,
        Role::Branch => branch("东区").scope,
        _ => Scope::All,
    };
    Viewer {
        name: "某人".into(),
        role,
        scope,
    }
}

/// Every endpoint as every role: never a server error, never a lead for those it is not for, nothing without a token.
#[tokio::test]
async fn every_endpoint_as_every_role() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    world
        .apply(&event(RuleCode::Cap, Edge::Opened, "20261121142500").from(2))
        .await;
    let cases = world.cases().await;
    let lead = cases.iter().find(|case| case.rule == RuleCode::Cap).unwrap().id;
    let warning = cases.iter().find(|case| case.rule == RuleCode::NearHour).unwrap().id;
    let mut table = String::new();
    for (chance, &role) in (1_u8..).zip(Role::ALL) {
        let client = Client::of(&world, &someone(role), chance).await;
        for endpoint in ENDPOINTS {
            for (what, id) in [("service", warning), ("lead", lead)] {
                let path = endpoint.path.replace("{id}", &id.to_string());
                let body = if endpoint.body.is_some() { "{}" } else { "" };
                let (status, answer) = client.ask(endpoint.method, &path, body).await;
                assert!(!status.is_server_error(), "{role} {path}: {status} {answer}");
                let seen = answer.to_string().contains("CAP") || answer.to_string().contains("疑似");
                assert!(!seen || role == Role::LeadOfficer, "{role} {path}: {answer}");
                if endpoint.path.contains("{id}") {
                    table.extend([
                        role.code(),
                        " ",
                        endpoint.method,
                        " ",
                        endpoint.path,
                        " ",
                        what,
                        " ",
                        status.as_str(),
                        "\n",
                    ]);
                } else if what == "service" {
                    table.extend([
                        role.code(),
                        " ",
                        endpoint.method,
                        " ",
                        endpoint.path,
                        " ",
                        status.as_str(),
                        "\n",
                    ]);
                }
            }
        }
        let nobody = Client {
            token: "0".repeat(64),
            ..client
        };
        for endpoint in ENDPOINTS {
            let (status, answer) = nobody.ask(endpoint.method, endpoint.path, "").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{}: {answer}", endpoint.path);
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_case_is_read_and_acted_on() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    let client = Client::of(&world, &duty(), 1).await;
    let (_, page) = client
        .get("/api/v1/cases?state=open,resolved&severity_min=urgent&order=latest&limit=10")
        .await;
    assert_eq!(page["total"], 1);
    let case = &page["cases"][0];
    assert!(case["headline"]["zh"].as_str().unwrap().contains("37.2 mg/m³"));
    assert_eq!(case["outlet"]["name"], "DA001（1号锅炉烟囱）");
    assert_eq!(case["judgement"]["evidence"][1]["value"]["decimal"], "35");
    let acts = format!("/api/v1/cases/{}/acts", case["id"].as_str().unwrap());
    let sign = json!({ "kind": "acknowledge", "version": 1 }).to_string();
    let (status, signed) = client.ask("post", &acts, &sign).await;
    assert_eq!(
        (status, &signed["acknowledged"]["name"]),
        (StatusCode::OK, &json!("钱值班"))
    );
    let (status, refused) = client.ask("post", &acts, &sign).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (StatusCode::CONFLICT, &json!("changed"))
    );
    let (_, changes) = client.get("/api/v1/changes?after=1").await;
    assert_eq!(
        (changes["change"].as_i64(), changes["cases"].as_array().unwrap().len()),
        (Some(2), 1)
    );
    let (_, trace) = client.get(&acts.replace("acts", "trace")).await;
    assert_eq!(trace["trace"][1]["kind"], "acknowledged");
    let (_, counts) = client.get("/api/v1/counts").await;
    assert_eq!(
        (counts["open"]["urgent"].as_u64(), counts["unacknowledged"].as_u64()),
        (Some(1), Some(0))
    );
    // Another enterprise's officer sees none of it.
    let stranger = Client::of(&world, &other_enterprise(), 2).await;
    assert_eq!(stranger.get("/api/v1/cases").await.1["total"], 0);
    assert_eq!(stranger.ask("post", &acts, &sign).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let world = World::new().await;
    world.apply(&near("20261121142500").from(1)).await;
    let case = world.only_case().await.id;
    let client = Client::of(&world, &duty(), 1).await;
    for (path, expected) in [
        (
            "/api/v1/cases?state=offen",
            "`state` cannot be read; expected open, resolved, retracting, retracted or closed",
        ),
        (
            "/api/v1/cases?limit=-1",
            "`limit` cannot be read; expected a whole number",
        ),
        (
            "/api/v1/cases?enterprise=a%27b",
            "`enterprise` cannot be read; expected an enterprise's code",
        ),
    ] {
        let (status, answer) = client.get(path).await;
        assert_eq!(
            (status, answer["error"]["message"].as_str()),
            (StatusCode::BAD_REQUEST, Some(expected))
        );
    }
    let acts = format!("/api/v1/cases/{case}/acts");
    for (body, code) in [
        ("", StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"kind":"delete","version":1}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (
            r#"{"kind":"comment","version":1,"extra":1}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            r#"{"kind":"comment","version":1,"text":" "}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            r#"{"kind":"answer","version":1,"text":"a","measures":"b"}"#,
            StatusCode::FORBIDDEN,
        ),
    ] {
        assert_eq!(client.ask("post", &acts, body).await.0, code, "{body}");
    }
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    assert_eq!(client.ask("post", &acts, &long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    for forged in ["not-an-id", "00000000000000000000000000000000"] {
        assert_eq!(
            client.get(&format!("/api/v1/cases/{forged}")).await.0,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(world.only_case().await.version, 1);
}

#[tokio::test]
async fn silences_come_and_go() {
    let world = World::new().await;
    let client = Client::of(&world, &branch("东区"), 1).await;
    let until = world.now().plus(3_600_000).0;
    let body = json!({ "family": "quality", "reason": "检修", "ends_at": until }).to_string();
    let (status, made) = client.ask("post", "/api/v1/silences", &body).await;
    assert_eq!((status, &made["district"]), (StatusCode::OK, &json!("东区")));
    let end = format!("/api/v1/silences/{}/end", made["id"].as_str().unwrap());
    assert_eq!(
        client.get("/api/v1/silences").await.1["silences"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(client.ask("post", &end, "").await.0, StatusCode::OK);
    assert_eq!(client.ask("post", &end, "").await.0, StatusCode::NOT_FOUND);
    let careless = json!({ "reason": "x", "ends_at": until }).to_string();
    assert_eq!(
        client.ask("post", "/api/v1/silences", &careless).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

/// The committed document is the one this code makes. With `INSTA_UPDATE=always` it is written anew.
#[test]
fn the_committed_document_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let made = document() + "\n";
    #[expect(clippy::disallowed_methods, reason = "asked for by the person who regenerates")]
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|mode| mode == "always");
    if update {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "openapi.json is stale: run `INSTA_UPDATE=always cargo test -p plume-alert api`"
    );
}

#[tokio::test]
async fn rates_are_shown_to_each_their_own() {
    let world = World::new().await;
    let city = Client::of(&world, &duty(), 1).await;
    let (status, answer) = city.get("/api/v1/rates?day=2026-11-21").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("no_archive"))
    );
    let row = |outlet: &str, valid| RateRow {
        outlet: OutletId::new(outlet).unwrap(),
        factor: FactorCode::new("a21026").unwrap(),
        immediate: Share {
            due: 24,
            received: 20,
            valid,
        },
        completed: Share {
            due: 24,
            received: 24,
            valid,
        },
        stopped: 0,
        forecast: Some(Forecast {
            effective_pct: 91.5,
            left: 100,
            spare: 4,
        }),
    };
    let rows = [row(OUTLET, 18), row(OTHER_OUTLET, 12)];
    world.desk.set_rates(RateSource::new(move |span, outlet| {
        if span.end.since(span.start) != 24 * 60 * MINUTE {
            return Err("the archive is away".into());
        }
        Ok(rows
            .iter()
            .copied()
            .filter(|row| outlet.is_none_or(|own| own == row.outlet))
            .collect())
    }));
    let day = "/api/v1/rates?day=2026-11-21";
    let (_, all) = city.get(day).await;
    assert_eq!(all["rates"].as_array().unwrap().len(), 2);
    assert_eq!(all["total"]["completed"]["effective_pct"], 62.5);
    assert_eq!(all["rates"][0]["immediate"]["transmission_pct"], 83.33);
    assert_eq!(all["rates"][0]["immediate"]["validity_pct"], 90.0);
    assert_eq!(all["rates"][0]["forecast"]["spare"], 4);
    let seen = async |viewer: &Viewer, chance, path: &str| {
        let (_, answer) = Client::of(&world, viewer, chance).await.get(path).await;
        let rates = answer["rates"].as_array().cloned().unwrap_or_default();
        let outlets: Vec<String> = rates
            .iter()
            .map(|row| row["outlet"].as_str().unwrap().to_owned())
            .collect();
        outlets
    };
    assert_eq!(seen(&enterprise(), 2, day).await, [OUTLET]);
    assert_eq!(seen(&contractor(), 3, day).await, [OUTLET]);
    assert_eq!(seen(&branch("西区"), 4, day).await, [OTHER_OUTLET]);
    // Asking for another's outlet or enterprise shows nothing of it.
    let foreign = format!("{day}&outlet={OTHER_OUTLET}");
    assert!(seen(&enterprise(), 5, &foreign).await.is_empty());
    assert_eq!(
        seen(&duty(), 6, &format!("{day}&enterprise=91330100MA27X0XY9Z")).await,
        [OTHER_OUTLET]
    );
    for path in [
        "/api/v1/rates",
        "/api/v1/rates?day=2026-11-21&month=2026-11",
        "/api/v1/rates?day=yesterday",
        "/api/v1/rates?quarter=2026Q5",
    ] {
        let (status, answer) = city.get(path).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::BAD_REQUEST, &json!("parameter")),
            "{path}"
        );
    }
    let (status, answer) = city.get("/api/v1/rates?month=2026-11").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer["error"]["hint"].as_str().unwrap().is_empty());
}
