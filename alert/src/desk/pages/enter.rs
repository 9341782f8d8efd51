//! The way in and out: one-click links of the demo, and the end of a session.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::accounts::Token;
use crate::desk::auth::{Asked, Signed, Visitor, no_session_cookie, session_cookie};
use crate::desk::problem::Problem;
use crate::desk::routes;
use crate::desk::state::DeskState;

/// `GET /enter/{token}`: keeps the token in a cookie and goes to the role's home, so that the address no longer shows
/// it.
pub(crate) async fn enter(State(state): State<DeskState>, Asked(lang): Asked, Path(token): Path<String>) -> Response {
    let found = async {
        let token = Token::parse(&token).ok_or(Problem::BadLink)?;
        let session = state
            .store()
            .session(&token, state.now())
            .await?
            .ok_or(Problem::BadLink)?;
        Ok::<_, Problem>((token, session))
    };
    match found.await {
        Ok((token, session)) => {
            let cookie = session_cookie(&token, state.options().secure_cookies);
            (
                [(header::SET_COOKIE, cookie)],
                Redirect::to(routes::home(session.viewer.role)),
            )
                .into_response()
        }
        Err(problem) => problem.page(lang, "/"),
    }
}

/// A form with nothing but its token.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// `POST /leave`: ends the session.
pub(crate) async fn leave(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    // A demo's links are printed once: its sessions live on, so that the link still works.
    if !visitor.demo {
        state.store().end_session(&visitor.token).await?;
    }
    Ok(([(header::SET_COOKIE, no_session_cookie())], Redirect::to("/")).into_response())
}
