//! The desk's pages from outside: a router over a seeded bureau, asked as each role would ask.

mod checks;
mod devices;
mod enrol;
mod entrance;
mod forms;
mod leads;
mod live;
mod marks;
mod pages;
mod photos;
mod publicity;
mod rectify;
mod registry;
mod retraction;
mod roles;
mod seed;
mod sheets;
mod sockets;
mod texts;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use plume_alert::Desk;
use plume_alert::accounts::{Chance, Role, Token, Viewer};
use plume_alert::desk::{Decoded, DecodedRow, DeskOptions, DeskState, router};
use plume_alert::problem::Problem;
use plume_alert::store::{CaseFilter, CaseRow, Order, Page, ProblemFilter};
use plume_alert::words::Lang;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Clock;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// What the one-time links are made with.
const LINK_SECRET: [u8; 32] = [7; 32];
/// Longest page that a test reads.
const LONGEST: usize = 2_000_000;

/// The seeded desk with a session for each role.
struct Bureau {
    _dir: TempDir,
    desk: Desk,
    state: DeskState,
    router: Router,
    tokens: HashMap<Role, Token>,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Bureau {
    async fn new() -> Self {
        Self::with(DeskOptions::new(false, false)).await
    }

    async fn with(options: DeskOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("desk.db").display());
        let clock = Clock::new(|| seed::at(seed::NOW));
        let metrics = prometheus::Registry::new();
        let desk = Desk::open(&url, &seed::config(), clock, &metrics, None).await.unwrap();
        let state = DeskState::with_decoder(desk.clone(), options, Some(decoder));
        desk.set_up_links(LINK_SECRET).await.unwrap();
        let drawn = AtomicU8::new(100);
        desk.set_chance(Chance::new(move || Some([drawn.fetch_add(1, Ordering::SeqCst); 32])));
        seed::fill(&desk, &state).await;
        let mut tokens = HashMap::new();
        for (chance, viewer) in (1_u8..).zip(seed::people()) {
            tokens.insert(
                viewer.role,
                desk.create_demo_session(&viewer, [chance; 32]).await.unwrap(),
            );
        }
        Self {
            _dir: dir,
            router: router(state.clone()),
            desk,
            state,
            tokens,
        }
    }

    fn cookie(&self, role: Role) -> String {
        format!("plume_session={}", self.tokens[&role].reveal())
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn read(&self, request: Request<Body>) -> Answer {
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, LONGEST).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn get(&self, role: Role, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, self.cookie(role));
        self.read(request.body(Body::empty()).unwrap()).await
    }

    /// A form sent as a browser on our own page would, with the token of that page.
    async fn post(&self, role: Role, path: &str, form: &str) -> Answer {
        let csrf = self.csrf(role).await;
        self.post_raw(role, path, &format!("csrf={csrf}&{form}"), "same-origin")
            .await
    }

    async fn post_raw(&self, role: Role, path: &str, form: &str, site: &str) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, self.cookie(role))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        self.read(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// The token on the role's own page.
    async fn csrf(&self, role: Role) -> String {
        let home = if matches!(role, Role::Enterprise | Role::Contractor) {
            "/m"
        } else {
            "/"
        };
        let page = self.get(role, home).await.text;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// The problem an inspection found.
    async fn problem(&self) -> Problem {
        let all = ProblemFilter::default();
        self.desk
            .store()
            .problems(&seed::duty(), &all, 0, 1)
            .await
            .unwrap()
            .remove(0)
    }

    /// The newest case by this rule, as the duty officer (a lead as the lead officer) sees it.
    async fn case(&self, rule: RuleCode) -> CaseRow {
        let viewer: Viewer = seed::people()
            .into_iter()
            .find(|viewer| viewer.role == Role::LeadOfficer)
            .unwrap();
        let filter = CaseFilter {
            rule: Some(rule),
            ..CaseFilter::default()
        };
        let page = Page {
            order: Order::Gravest,
            offset: 0,
            limit: 1,
        };
        self.desk
            .store()
            .cases(&viewer, &filter, page)
            .await
            .unwrap()
            .rows
            .remove(0)
    }
}

/// A route's address: with this case where it is about one, else with the heating plant and its outlet.
fn address(route: &str, case: &str, problem: &str) -> String {
    let id = match route {
        path if path.contains("/problems/") => problem,
        path if path.starts_with("/outlets/") => seed::HEAT_OUTLET,
        path if path.starts_with("/enterprises/") => seed::HEAT,
        _ => case,
    };
    route
        .replace("{id}", id)
        .replace("{hash}/{name}", "0/desk.css")
        .replace("{token}", "x")
        .replace("{table}", "guidance")
        .replace("{number}", "1")
        .replace("{mn}", seed::HEAT_MN)
        .replace("{draft}", "0")
        .replace("{file}", "limits.csv")
        .replace("{name}", "sms")
        .replace("{text}", "x")
}

/// Stands in for the decoder that deploy gives.
fn decoder(packet: &str, _: Lang) -> Decoded {
    Decoded {
        verdict: format!("{} bytes", packet.len()),
        rows: vec![DecodedRow {
            name: "CP".into(),
            value: packet.into(),
            note: "<b>".into(),
        }],
    }
}

impl Answer {
    fn location(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .map_or("", |location| location.to_str().unwrap())
    }

    /// The page with what changes with every build taken out.
    fn steady(&self) -> String {
        let mut steady = String::new();
        for part in self.text.split("/assets/") {
            if steady.is_empty() {
                steady.push_str(part);
            } else {
                steady.push_str("/assets/HASH/");
                steady.push_str(part.split_once('/').map_or(part, |(_, rest)| rest));
            }
        }
        steady
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
