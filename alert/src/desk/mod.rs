//! The desk's pages: server-rendered, readable without scripts, live with them.
//!
//! ```text
//! request ─▶ headers ─▶ language ─▶ guard ─▶ page ─▶ store     scope and stream are part of every question
//!                                     │        └───▶ view      words and numbers ─▶ template
//!                                     └ session, and the table of routes
//! ```
//!
//! Every address stands in [`routes::ROUTES`] with who may use it. Every word stands in `text`. Pages are in
//! `templates/`, the stylesheet and the small scripts in `assets/`, all inside the binary.

mod ask;
mod assets;
mod auth;
mod chart;
mod checks;
mod enrol;
mod headers;
mod history;
mod inspect;
mod keys;
pub mod limits;
mod live;
mod names;
mod orders;
mod pages;
mod plot;
mod problem;
mod pulse;
mod registry;
pub mod routes;
mod series;
mod serve;
mod shell;
mod state;
mod still;
mod tail;
mod tail_stream;
mod text;
mod view;
mod wellbeing;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};

pub use checks::{CheckedFactor, CheckedRow, ChecksQuestion, ChecksQueue};
pub use enrol::{EnrolQuestion, EnrolQueue, EnrolRefusal, Enrolled, Enrolment, WaitingDevice};
pub use history::{HistoryQuestion, HistoryQueue, HourValue, Quantity};
pub use inspect::{ClockOffset, Departure, InspectQuestion, InspectQueue, Inspection, Interval};
pub use keys::{KeyStanding, KeyView};
pub use orders::{DeviceOrder, OrderGiven, OrderKind, OrderNeeds, OrderQuestion, OrderQueue, OrderResult};
pub(crate) use pulse::in_scope;
pub use registry::{Fault, ReadRegistry, RecordRefusal, RegistryFile, RegistryQuestion, RegistryQueue};
pub use serve::serve;
pub use state::{Answerer, Decoded, DecodedRow, Decoder, DeskOptions, DeskState, MarkBatch, MarkQueue, Trouble};
pub use wellbeing::Sentence;

/// The desk's pages as a router: every route of the table behind its guard.
pub fn router(state: DeskState) -> Router {
    let mut router = Router::new();
    for route in routes::ROUTES {
        let guard = from_fn_with_state((state.clone(), route.need), auth::guard);
        let mut handler = (route.handler)();
        if route.path.ends_with("/photos") {
            handler = handler.layer(DefaultBodyLimit::max(limits::PHOTO_BYTES));
        }
        if route.path.ends_with("/upload") {
            handler = handler.layer(DefaultBodyLimit::max(limits::REGISTRY_BYTES));
        }
        if route.need == routes::Need::Tables {
            handler = handler.layer(DefaultBodyLimit::max(limits::TABLE_BYTES));
        }
        router = router.route(route.path, handler.layer(guard));
    }
    let programs = crate::api::router(state.desk().clone());
    router
        .fallback(not_found)
        .layer(from_fn(auth::remember_language))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .with_state(state)
        .merge(programs)
        .layer(from_fn(headers::secure))
}

async fn not_found(auth::Asked(lang): auth::Asked, uri: axum::http::Uri) -> axum::response::Response {
    problem::Problem::NotFound.page(lang, uri.path())
}
