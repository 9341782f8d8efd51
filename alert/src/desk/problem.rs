//! What can go wrong with a request, and the page that says so.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::shell::Shell;
use crate::desk::text::Speaks;
use crate::store::StoreError;
use crate::words::Lang;

/// Why a request got no page. The person reads a page of its own; the cause goes to the log, not to the browser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// Nobody is signed in.
    #[error("no session")]
    SignIn,
    /// The one-click link is no token that lives.
    #[error("the sign-in link is wrong or has ended")]
    BadLink,
    /// The role may not, or the form is not ours.
    #[error("not allowed")]
    Forbidden,
    /// Not there, or not theirs to see: the two look the same.
    #[error("not found")]
    NotFound,
    /// The form or address cannot be read.
    #[error("cannot read the request")]
    BadRequest,
    /// The store failed.
    #[error("the store failed")]
    Failed,
    /// An act was refused, for a reason the person can use.
    #[error("refused: {0}")]
    Refused(String),
    /// All places for live lists are taken.
    #[error("too many live lists")]
    Busy,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    heading: &'static str,
    advice: String,
    sign_in: bool,
}

impl Problem {
    const fn status(&self) -> StatusCode {
        match self {
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::BadLink | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The page, or one line where the asker is a script.
    pub(crate) fn page(&self, lang: Lang, address: &str) -> Response {
        let t = lang.texts();
        let (heading, advice) = match self {
            Self::Refused(why) => (t.refused, why.as_str()),
            Self::SignIn => (t.sign_in, t.sign_in_hint),
            Self::BadLink => (t.bad_link, t.bad_link_hint),
            Self::Forbidden => (t.forbidden, t.forbidden_hint),
            Self::NotFound => (t.not_found, t.not_found_hint),
            Self::BadRequest => (t.bad_request, t.bad_request_hint),
            Self::Failed | Self::Busy => (t.failed, t.failed_hint),
        };
        let page = ProblemPage {
            shell: Shell::stranger(lang, address, heading),
            heading,
            advice: advice.to_owned(),
            sign_in: *self == Self::SignIn,
        };
        match page.render() {
            Ok(html) => (self.status(), Html(html)).into_response(),
            Err(_) => self.status().into_response(),
        }
    }
}

impl IntoResponse for Problem {
    /// Only its status, and itself for the guard to make the page of.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            hint = error.hint(),
            "the desk's store failed"
        );
        Self::Failed
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a page could not be made");
        Self::Failed
    }
}

/// A rendered page.
pub(crate) fn html(page: &impl Template) -> Result<Response, Problem> {
    Ok(Html(page.render()?).into_response())
}
