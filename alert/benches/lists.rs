//! A bureau's database after years: 100,000 closed cases beside 2,000 open ones. How long the desk's lists, filters and
//! counts take: median and 95th percentile of each question, one after the other, beside the goal.
//!
//! `cargo bench -p plume-alert --bench lists`, on a PostgreSQL database of its own with `-- postgres://…`

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints what it found and stops at what is wrong"
)]

use std::time::Instant;

use plume_alert::Desk;
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::{Family, State};
use plume_alert::notify::Audience;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_schemas::entry::LogPosition;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{EnterpriseId, FactorCode, OutletId};
use plume_schemas::judgement::{Judgement, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Clock, Span, Time};
use sqlx::{Connection as _, Executor as _};

/// The bar of the product.
const MOST_MS: f64 = 100.0;
const QUESTIONS: usize = 200;
const CASES: u64 = 102_000;
const OPEN: u64 = 2_000;

/// Copies of the only case: every 51st open, over 5,000 outlets of 1,000 enterprises in 10 districts.
const FILL: &str = "INSERT INTO cases WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 102000) \
     SELECT printf('%032x', i), 1, i, stream, family, rule, printf('E%d:DA%03d', i % 1000, i % 5), factor, \
     printf('E%d', i % 1000), printf('D%d', i % 10), industry, officer, 1 + i % 4, \
     CASE WHEN i % 51 = 0 THEN 'open' ELSE 'closed' END, certainty, outcome, late, trial, window_start, window_end, \
     opened_at - i * 1000, updated_at - i * 1000, CASE WHEN i % 51 = 0 THEN NULL ELSE updated_at END, closed_at, NULL, \
     NULL, NULL, NULL, NULL, NULL, NULL, judgement FROM n, cases";

/// The same on PostgreSQL.
const FILL_POSTGRES: &str = "INSERT INTO cases SELECT lpad(to_hex(i), 32, '0'), 1, i, stream, family, rule, \
     'E' || i % 1000 || ':DA' || lpad((i % 5)::text, 3, '0'), factor, 'E' || i % 1000, 'D' || i % 10, industry, \
     officer, 1 + i % 4, CASE WHEN i % 51 = 0 THEN 'open' ELSE 'closed' END, certainty, outcome, late, trial, \
     window_start, window_end, opened_at - i * 1000, updated_at - i * 1000, \
     CASE WHEN i % 51 = 0 THEN NULL ELSE updated_at END, \
     closed_at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, judgement FROM generate_series(1, 102000) AS n(i), cases";

fn warning(at: Time) -> Event {
    let cause = LogPosition {
        partition: 0,
        offset: 1,
    };
    let (outlet, factor) = (OutletId::new("E1:DA001").unwrap(), FactorCode::new("a21026").ok());
    let window = Span::hour_of(at);
    let case = Event::case_id(outlet, factor, RuleCode::NearHour, window.start);
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
            previous: None,
            cause,
            ordinal: 0,
            judged_at: at,
            late: false,
            evidence: Vec::new(),
        },
    }
}

/// Median and 95th percentile, milliseconds.
async fn times_ms(mut ask: impl AsyncFnMut()) -> (f64, f64) {
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        ask().await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[QUESTIONS / 2], times[QUESTIONS * 95 / 100 - 1])
}

fn viewer(role: Role, scope: Scope) -> Viewer {
    Viewer {
        name: "bench".into(),
        role,
        scope,
    }
}

/// A desk on such a database.
async fn desk(url: &str, now: Time) -> Desk {
    let config = serde_json::from_str(include_str!("../tests/it/desk/alert.json")).unwrap();
    let metrics = prometheus::Registry::new();
    let desk = Desk::open(url, &config, Clock::new(move || now), &metrics, None)
        .await
        .unwrap();
    let event = warning(now);
    desk.apply(event.judgement.cause, &event).await.unwrap();
    if url.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        connection.execute(FILL_POSTGRES).await.unwrap();
        // As its own housekeeping does within a minute.
        connection.execute("ANALYZE cases").await.unwrap();
    } else {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        connection.execute(FILL).await.unwrap();
    }
    let counts = desk
        .store()
        .counts(&viewer(Role::CityDuty, Scope::All), now)
        .await
        .unwrap();
    let open: u64 = counts.open.iter().map(|(_, n)| n).sum();
    assert_eq!(open, OPEN + 1, "of {CASES}");
    desk
}

fn questions(desk: &Desk) -> Vec<(&'static str, Viewer, CaseFilter, Order)> {
    let open = || CaseFilter {
        states: vec![State::Open],
        ..CaseFilter::default()
    };
    let city = || viewer(Role::CityDuty, Scope::All);
    let branch = || viewer(Role::Branch, Scope::District("D3".into()));
    let own = EnterpriseId::new("E17").ok();
    let site = viewer(Role::Enterprise, Scope::Enterprise(own.unwrap()));
    let urgent = CaseFilter {
        enterprise: own,
        severity_min: Some(Severity::Urgent),
        families: vec![Family::Near],
        ..CaseFilter::default()
    };
    let listed = CaseFilter {
        listing: Some(desk.listing(Audience::Branch)),
        ..open()
    };
    let all = CaseFilter::default;
    vec![
        ("open, gravest first", city(), open(), Order::Gravest),
        ("open, by outlet", city(), open(), Order::ByOutlet),
        ("open, as routes list them", branch(), listed, Order::Latest),
        ("all, latest", city(), all(), Order::Latest),
        ("a district", branch(), open(), Order::Gravest),
        ("an enterprise", site, all(), Order::Latest),
        ("an enterprise, urgent", city(), urgent, Order::Gravest),
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let given = std::env::args().find(|argument| argument.starts_with("postgres"));
    let url = given.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("desk.db").display()));
    let now = Time::parse_stamp(b"20261121142500").unwrap();
    let desk = desk(&url, now).await;
    let store = desk.store();
    let page = |order| Page {
        order,
        offset: 0,
        limit: 100,
    };
    println!("{CASES} cases, {OPEN} open; {QUESTIONS} times each; milliseconds");
    println!("{:<28}{:>8}{:>8}", "", "median", "p95");
    let mut worst = 0.0_f64;
    let mut say = |what: &str, (median, p95): (f64, f64)| {
        println!("{what:<28}{median:>8.2}{p95:>8.2}");
        worst = worst.max(p95);
    };
    for (what, viewer, filter, order) in questions(&desk) {
        let times = times_ms(async || drop(store.cases(&viewer, &filter, page(order)).await.unwrap())).await;
        say(what, times);
    }
    let city = viewer(Role::CityDuty, Scope::All);
    say(
        "counts",
        times_ms(async || drop(store.counts(&city, now).await.unwrap())).await,
    );
    // As a live page asks: a few changes at a time.
    say(
        "changes",
        times_ms(async || drop(store.changes_since(&city, 101_990).await.unwrap())).await,
    );
    println!("worst p95 {worst:.2} ms; the goal is {MOST_MS} ms");
}
