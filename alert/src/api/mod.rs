//! The desk for programs: JSON over HTTP below `/api/v1`, with the same sessions, scopes and acts as the pages.
//!
//! A request carries a session's token as `Authorization: Bearer <64 hex digits>`; cookies are not read, so another
//! site's page can do nothing here. Every endpoint stands in one table, from which the router and the OpenAPI document
//! are made.

mod cases;
mod json;
mod openapi;
mod people;
mod rates;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::json;

use crate::Desk;
use crate::accounts::{Token, Viewer};
use crate::act::ActError;
use crate::mute::silence::SilenceError;
use crate::problem::ProblemError;
use crate::store::StoreError;

pub use openapi::document;

/// Longest body: an answer with measures is some kilobytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// `get` or `post`.
    pub method: &'static str,
    /// Path below the server.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Query parameters, with what they mean.
    pub query: &'static [(&'static str, &'static str)],
    /// Name of the schema of its body, if it takes one.
    pub body: Option<&'static str>,
    /// Name of the schema of its answer.
    pub answer: &'static str,
    handler: fn() -> MethodRouter<Desk>,
}

const PAGING: [(&str, &str); 2] = [
    ("offset", "how many to pass over"),
    ("limit", "how many to give, at most 500; 100 if missing"),
];

/// All endpoints.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "get",
        path: "/api/v1/cases",
        summary: "Cases the caller may see",
        query: &[
            (
                "state",
                "open, resolved, retracting, retracted or closed; several with commas",
            ),
            ("family", "near, exceed, quality…; several with commas"),
            ("rule", "a rule, e.g. NEAR_HOUR"),
            ("severity_min", "notice, attention, urgent or exceeded"),
            ("district", "a district"),
            ("industry", "an industry"),
            ("enterprise", "an enterprise's code"),
            ("outlet", "an outlet's id"),
            ("factor", "a factor's code"),
            ("acknowledged", "true or false"),
            ("outcome", "an outcome"),
            ("opened_from", "milliseconds since 1970 UTC"),
            ("opened_to", "milliseconds since 1970 UTC, exclusive"),
            ("order", "gravest, latest or by_outlet"),
            PAGING[0],
            PAGING[1],
        ],
        body: None,
        answer: "CasePage",
        handler: || get(cases::list),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/cases/{id}",
        summary: "One case",
        query: &[],
        body: None,
        answer: "Case",
        handler: || get(cases::one),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/cases/{id}/trace",
        summary: "What happened to a case, oldest first",
        query: &[],
        body: None,
        answer: "Trace",
        handler: || get(cases::trace),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/cases/{id}/notices",
        summary: "To whom notices of a case went; addresses are masked",
        query: &[],
        body: None,
        answer: "Notices",
        handler: || get(cases::notices),
    },
    Endpoint {
        method: "post",
        path: "/api/v1/cases/{id}/acts",
        summary: "Do something to a case; refused with 409 if it changed since `version`",
        query: &[],
        body: Some("Act"),
        answer: "Case",
        handler: || post(cases::act),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/counts",
        summary: "What the top of the desk counts",
        query: &[],
        body: None,
        answer: "Counts",
        handler: || get(cases::counts),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/changes",
        summary: "Cases that changed after a change number, at most 1000; ask again after the last",
        query: &[("after", "the last change number seen")],
        body: None,
        answer: "Changes",
        handler: || get(cases::changes),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/problems",
        summary: "Problems the caller may see, the one due first on top",
        query: &[
            (
                "state",
                "open, submitted, returned, on_site, passed or withdrawn; several with commas",
            ),
            ("source", "alert, inspection, self_check or directive"),
            ("enterprise", "an enterprise's code"),
            ("district", "a district"),
            PAGING[0],
            PAGING[1],
        ],
        body: None,
        answer: "Problems",
        handler: || get(people::problems),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/problems/{id}",
        summary: "One problem with its rounds",
        query: &[],
        body: None,
        answer: "Problem",
        handler: || get(people::problem),
    },
    Endpoint {
        method: "post",
        path: "/api/v1/problems/{id}/steps",
        summary: "Submit, review or withdraw; refused with 409 if it changed since `version`",
        query: &[],
        body: Some("Step"),
        answer: "Problem",
        handler: || post(people::step),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/rectification",
        summary: "Problems found and put right, as of now",
        query: &[("enterprise", "an enterprise's code"), ("district", "a district")],
        body: None,
        answer: "Rectification",
        handler: || get(people::rectification),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/reminders",
        summary: "Reminders by date (温馨提示)",
        query: &[],
        body: None,
        answer: "Reminders",
        handler: || get(people::reminders),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/rates",
        summary: "Transmission rates (传输有效率) by outlet and pollutant, counted from the archive",
        query: &[
            ("day", "one of the three: a day, 2026-11-21"),
            ("month", "a month, 2026-11"),
            ("quarter", "a quarter, 2026Q4"),
            ("outlet", "an outlet's id"),
            ("enterprise", "an enterprise's code"),
        ],
        body: None,
        answer: "Rates",
        handler: || get(rates::list),
    },
    Endpoint {
        method: "get",
        path: "/api/v1/silences",
        summary: "Silences that have not ended",
        query: &[],
        body: None,
        answer: "Silences",
        handler: || get(people::silences),
    },
    Endpoint {
        method: "post",
        path: "/api/v1/silences",
        summary: "Silence notices",
        query: &[],
        body: Some("NewSilence"),
        answer: "Silence",
        handler: || post(people::silence),
    },
    Endpoint {
        method: "post",
        path: "/api/v1/silences/{id}/end",
        summary: "End a silence before its time",
        query: &[],
        body: None,
        answer: "Done",
        handler: || post(people::end_silence),
    },
];

/// The router, to be merged beside the pages.
pub fn router(desk: Desk) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, (endpoint.handler)());
    }
    router
        .route("/api/v1/openapi.json", get(openapi))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(desk)
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], document()).into_response()
}

/// The person behind a request, by the bearer token.
pub(crate) struct Caller(pub(crate) Viewer);

impl FromRequestParts<Desk> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.strip_prefix("Bearer "))
            .and_then(Token::parse)
            .ok_or(ApiError::SignIn)?;
        let session = desk.store().session(&token, desk.now()).await?;
        session.map(|session| Self(session.viewer)).ok_or(ApiError::SignIn)
    }
}

/// Why a request was refused: a status, a code for programs and a sentence for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No session.
    #[error("a session's token is needed: `Authorization: Bearer …`")]
    SignIn,
    /// Not there, or not theirs to see.
    #[error("no such thing")]
    NotFound,
    /// A parameter cannot be read.
    #[error("`{name}` cannot be read; expected {expected}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// This desk knows nobody who counts rates.
    #[error("this desk has no archive to count from")]
    NoArchive,
    /// The rates could not be counted.
    #[error("the rates could not be counted: {0}")]
    Rates(String),
    /// The body cannot be read.
    #[error("the body cannot be read: {0}")]
    Body(String),
    #[error(transparent)]
    Act(#[from] ActError),
    #[error(transparent)]
    Problem(#[from] ProblemError),
    #[error(transparent)]
    Silence(#[from] SilenceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApiError {
    fn answer(&self) -> (StatusCode, &'static str, String) {
        use ActError as A;
        use ProblemError as P;
        use SilenceError as S;
        let (status, code) = match self {
            Self::SignIn => (StatusCode::UNAUTHORIZED, "sign_in"),
            Self::NotFound
            | Self::Act(A::NoSuchCase)
            | Self::Problem(P::NoSuchProblem)
            | Self::Silence(S::NoSuchSilence) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Act(A::NotAllowed { .. })
            | Self::Problem(P::NotAllowed { .. })
            | Self::Silence(S::NotAllowed { .. }) => (StatusCode::FORBIDDEN, "not_allowed"),
            Self::Act(A::Changed { .. }) | Self::Problem(P::Changed { .. }) => (StatusCode::CONFLICT, "changed"),
            Self::Act(A::WrongState { .. } | A::Acknowledged { .. } | A::TooLate)
            | Self::Problem(P::WrongState { .. }) => (StatusCode::CONFLICT, "wrong_state"),
            Self::Store(_) | Self::Act(A::Store(_)) | Self::Problem(P::Store(_)) | Self::Silence(S::Store(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "store")
            }
            Self::NoArchive => (StatusCode::NOT_FOUND, "no_archive"),
            Self::Rates(_) => (StatusCode::SERVICE_UNAVAILABLE, "rates"),
            Self::Parameter { .. } => (StatusCode::BAD_REQUEST, "parameter"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        };
        let hint = match self {
            Self::SignIn => "sign in and send the session's token".to_owned(),
            Self::NotFound => "check the address".to_owned(),
            Self::NoArchive => "ask the desk that runs beside the archive, or use `plume rate`".to_owned(),
            Self::Rates(_) => "try again, or see what `plume verify` says of the archive".to_owned(),
            Self::Parameter { .. } | Self::Body(_) => "see /api/v1/openapi.json".to_owned(),
            Self::Act(error) => error.hint(),
            Self::Problem(error) => error.hint(),
            Self::Silence(error) => error.hint(),
            Self::Store(error) => error.hint(),
        };
        (status, code, hint)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, hint) = self.answer();
        // What the store says of itself goes to the log, not to the caller.
        let message = if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(error = %self, "api request failed");
            match self {
                Self::Rates(_) => "the rates cannot be counted now".to_owned(),
                _ => "the desk's database is away; nothing was changed".to_owned(),
            }
        } else {
            self.to_string()
        };
        let body = json!({ "error": { "code": code, "message": message, "hint": hint } });
        (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

/// An answer of JSON.
pub(crate) struct Json(pub(crate) serde_json::Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}
