//! The one-time link of a notice: shows what it is about, and acknowledges it with one press, without a login.
//! Looking does nothing, because mail scanners open every link they see.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::desk::auth::Asked;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::Speaks;
use crate::desk::view::badge::Badge;
use crate::links::LinkError;
use crate::store::CaseRow;
use crate::words::{Lang, Place};

#[derive(Template)]
#[template(path = "phone/link.html")]
struct LinkPage {
    shell: Shell,
    badge: Badge,
    place: String,
    say: String,
    action: String,
    done: bool,
}

/// `GET /a/{text}`.
pub(crate) async fn look(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let found = state.desk().peek_link(&text, state.now()).await;
    page(
        &state,
        lang,
        &text,
        &found.map_err(|error| refused(error, lang))?,
        false,
    )
}

/// `POST /a/{text}`: 签收, once.
pub(crate) async fn follow(
    State(state): State<DeskState>,
    Asked(lang): Asked,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let found = state.desk().follow_link(&text, state.now()).await;
    page(&state, lang, &text, &found.map_err(|error| refused(error, lang))?, true)
}

fn page(state: &DeskState, lang: Lang, text: &str, case: &CaseRow, done: bool) -> Result<Response, Problem> {
    let place = Place::of(case.outlet, &state.desk().registry());
    let action = format!("/a/{text}");
    html(&LinkPage {
        shell: Shell::stranger(lang, &action, lang.texts().acknowledge),
        badge: Badge::of(case, lang),
        place: format!("{} › {}", place.enterprise, place.outlet),
        say: state.sentence(case, lang),
        action,
        done,
    })
}

fn refused(error: LinkError, lang: Lang) -> Problem {
    match error {
        LinkError::Unknown => Problem::BadLink,
        LinkError::Store(error) => error.into(),
        LinkError::Used | LinkError::Expired | LinkError::Act(_) => Problem::Refused(match lang {
            Lang::Zh => error.zh(),
            Lang::En => format!("{error}; {}", error.hint()),
        }),
    }
}
