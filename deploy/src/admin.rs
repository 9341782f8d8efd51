//! `/metrics`, `/healthz`, `/readyz`, `/stats`, `/status`, `/explain`, `/marks`, `/checks` and `/command` for machines
//! and operators, apart from the desk's pages. Whoever reaches this address may enter marks and checks and give orders
//! to devices: keep it on loopback, as it is by default.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, RawQuery, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use plume_ingest::hj212::explain::Lang;
use plume_schemas::ids::Mn;
use prometheus::{Encoder, TextEncoder};
use tokio::net::TcpListener;

use crate::commands;
use crate::permits::routes::Accounts;
use crate::roles::register::{Registrar, Wish};
use crate::roles::stop::Stop;
use crate::roles::troubles::look_at_log;
use crate::roles::{self, Context, measure_lag};
use crate::{balance, explain, permits};

/// Brokers that do not say how far everybody is are not waited for longer: a scrape gives up after ten seconds.
const LAG_PATIENCE: Duration = Duration::from_secs(3);

/// Longest wait for what a device does with an order: a history of a day comes within it.
const COMMAND_LIMIT: Duration = Duration::from_mins(10);
/// Orders and results shown.
const LISTED_COMMANDS: u64 = 100;

/// What is not well, by the part that says so. Empty means ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Health {
    /// Says what is wrong with a part, in a sentence.
    pub(crate) fn complain(&self, part: &'static str, sentence: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part, sentence);
    }

    /// Says that a part is well again.
    pub(crate) fn well(&self, part: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// True while a part complains.
    pub(crate) fn is_troubled(&self, part: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(part)
    }

    /// What a part complains of.
    pub(crate) fn complaint(&self, part: &str) -> Option<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get(part).cloned()
    }

    /// All complaints, a sentence each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .map(|(part, sentence)| format!("{part}: {sentence}"))
            .collect()
    }
}

/// Serves until told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    context: Context,
    (accounts, registrar): (Accounts, Registrar),
    stop: Stop,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/stats", get(stats))
        .route("/status", get(status))
        .route("/archive", post(archive))
        .route("/explain", get(explain_event))
        .route("/conformance", get(conformance))
        .route("/marks", post(marks))
        .route("/checks", post(checks))
        .route("/recompute", post(recompute))
        .route("/command", post(command))
        .route("/commands", get(commands))
        .route("/permit", post(permits::routes::step))
        .route("/permits", get(permits::routes::all))
        .route("/quarantine/waiting", get(waiting))
        .route("/quarantine/register", post(register))
        .layer(Extension(accounts))
        .layer(Extension(registrar))
        .route("/quarantine/readmit", post(readmit))
        .layer(middleware::from_fn(no_browsers))
        .with_state(context);
    Ok(axum::serve(listener, router)
        .with_graceful_shutdown(stop.wait())
        .await?)
}

/// A page that somebody opens on this machine must not give orders: browsers say where a POST comes from, and nothing
/// else does.
async fn no_browsers(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "not for browsers; use the plume command\n").into_response();
    }
    next.run(request).await
}

/// What is counted. It is wanted above all while the log cannot be asked: then there is no lag in it, and not an
/// old one.
async fn metrics(State(context): State<Context>) -> Response {
    let measured = tokio::time::timeout(LAG_PATIENCE, measure_lag(&context)).await;
    if !matches!(measured, Ok(Ok(_))) {
        context.signals.lag_unknown();
    }
    let mut text = Vec::new();
    match TextEncoder::new().encode(&context.metrics.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(context): State<Context>) -> Response {
    look_at_log(&context);
    let complaints = context.health.complaints();
    if complaints.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n").into_response()
}

/// JSON, or with `?text` what `plume stats` prints.
async fn stats(State(context): State<Context>, RawQuery(query): RawQuery) -> Response {
    let Context { bus, archive, .. } = &context;
    match balance::of(bus, archive).await {
        Ok(balance) if query.as_deref() == Some("text") => format!("{balance}\n").into_response(),
        Ok(balance) => axum::Json(balance).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// What `plume status` prints, as JSON.
async fn status(State(context): State<Context>) -> Response {
    axum::Json(&*context.status.findings().await).into_response()
}

/// Writes what waits for the archive, so that a query sees it; answers when it is on disk.
async fn archive(State(context): State<Context>) -> Response {
    match roles::archive::write_now(&context).await {
        Ok(true) => "archived\n".into_response(),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "the archive is stopping\n").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// Which device, how far back (`24h` if missing), in which language; JSON without one.
#[derive(Debug, serde::Deserialize)]
struct Inspected {
    mn: Mn,
    #[serde(default)]
    last: String,
    #[serde(default)]
    lang: String,
}

/// What `plume conformance` prints.
async fn conformance(State(context): State<Context>, Query(asked): Query<Inspected>) -> Response {
    let last = if asked.last.is_empty() { "24h" } else { &asked.last };
    let last = match crate::cli::conformance::hours(last) {
        Ok(last) => last,
        Err(why) => return (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response(),
    };
    match roles::inspect::report(&context, asked.mn, last.ms).await {
        Ok(report) if asked.lang.is_empty() => {
            ([(header::CONTENT_TYPE, "application/json")], report.to_json()).into_response()
        }
        Ok(report) => {
            let lang = if asked.lang == "en" { Lang::En } else { Lang::Zh };
            report.page(lang).to_string().into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Which event, in which language.
#[derive(Debug, serde::Deserialize)]
struct Explained {
    event: String,
    #[serde(default)]
    lang: String,
}

/// What `plume explain` prints.
async fn explain_event(
    State(context): State<Context>,
    Extension(Accounts(desk)): Extension<Accounts>,
    Query(asked): Query<Explained>,
) -> Response {
    let Context { bus, archive, .. } = &context;
    let explained = match (explain::explain(bus, archive, &asked.event, &asked.lang).await, desk) {
        (Ok(None), Some(desk)) => explain::explain_found(desk.store(), &asked.event, &asked.lang).await,
        (explained, _) => explained,
    };
    match explained {
        Ok(Some(text)) => text.into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("no event {} here\n", asked.event)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Takes the CSV text of `plume marks import`.
async fn marks(State(context): State<Context>, text: String) -> Response {
    let index = Arc::clone(&context.registry.borrow());
    let now = context.clock.now();
    match roles::marks::import(&context.bus, index.registry(), &text, now).await {
        Ok(said) => (said + "\n").into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}\n")).into_response(),
    }
}

/// Takes the CSV text of `plume checks import`.
async fn checks(State(context): State<Context>, text: String) -> Response {
    let index = Arc::clone(&context.registry.borrow());
    let now = context.clock.now();
    match roles::checks::import(&context.bus, &index, ("checks", &text), now).await {
        Ok(said) => (said + "\n").into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}\n")).into_response(),
    }
}

/// Judges an outlet's days again; says what is said otherwise.
async fn recompute(State(context): State<Context>, text: String) -> Response {
    let refused = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response();
    let wish: commands::recompute::Wish = match serde_json::from_str(&text) {
        Ok(wish) => wish,
        Err(error) => return refused(format!("not a wish: {error}")),
    };
    let asked = async { context.recompute.ask(wish.outlet, wish.span()?, wish.dry_run).await };
    match asked.await {
        Ok(said) => commands::recompute::text(&said, wish.dry_run).into_response(),
        Err(error) => refused(format!("{error:#}")),
    }
}

/// What is to be asked of which device.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    mn: Mn,
    order: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
    by: String,
    wait_s: u64,
}

/// Gives an order to a device of the registry; answers with the result, or that it is still waited for.
async fn command(State(context): State<Context>, text: String) -> Response {
    let refused = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response();
    let asked: Asked = match serde_json::from_str(&text) {
        Ok(asked) => asked,
        Err(error) => return refused(format!("not an order: {error}")),
    };
    let command = roles::exchange::checked(&context, asked.mn, &asked.order, &asked.arguments, &asked.by);
    let command = match command {
        Ok(command) => command,
        Err(why) => return refused(why),
    };
    let wait = Duration::from_secs(asked.wait_s).min(COMMAND_LIMIT);
    let given = roles::exchange::give(&context, &command, wait).await;
    match given.and_then(|result| result.map(|result| Ok(result.to_record()?)).transpose()) {
        Ok(Some(record)) => record.into_response(),
        Ok(None) => format!("{{\"id\":\"{}\",\"waiting\":true}}\n", command.id).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// The latest orders and results, a line of JSON each.
async fn commands(State(context): State<Context>) -> Response {
    match roles::exchange::listed(&context, LISTED_COMMANDS).await {
        Ok(lines) => (lines + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Devices that are not in the registry and have packets waiting, with what those say of them.
async fn waiting(State(context): State<Context>) -> Response {
    let index = Arc::clone(&context.registry.borrow());
    match roles::register::waiting(&context.bus, &index).await {
        Ok(all) => axum::Json(all).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Registers a device that has packets waiting, and takes them.
async fn register(
    State(context): State<Context>,
    Extension(registrar): Extension<Registrar>,
    text: String,
) -> Response {
    let registered = match serde_json::from_str::<Wish>(&text) {
        Ok(wish) => registrar.register(&context, wish).await,
        Err(error) => Err(anyhow::anyhow!("not a registration: {error}")),
    };
    match registered {
        Ok(registered) => format!("{registered}\n").into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}\n")).into_response(),
    }
}

/// Takes the packets of a device, named in the body, that waited for its registration.
async fn readmit(State(context): State<Context>, text: String) -> Response {
    let mn = match Mn::new(text.trim()) {
        Ok(mn) => mn,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response(),
    };
    let index = Arc::clone(&context.registry.borrow());
    let Context {
        bus, data_dir, ingest, ..
    } = &context;
    match roles::readmit::readmit(bus, data_dir, ingest, &index, mn).await {
        Ok(taken) => format!("{taken}\n").into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}\n")).into_response(),
    }
}
