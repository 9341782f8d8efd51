//! What people do to a case: every act is a form with a token, is authorised by the store again, and leads back to
//! the page.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;
use serde::Deserialize;

use super::case::WRITTEN;
use crate::act::ActError;
use crate::case::{Act, ActKind};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::words::Lang;

/// A button without words.
#[derive(Debug, Deserialize)]
pub(crate) struct Button {
    /// The version the person saw, where the page knew one.
    #[serde(default)]
    version: Option<String>,
    /// Where to go afterwards.
    #[serde(default)]
    back: Option<String>,
}

/// The note form.
#[derive(Debug, Deserialize)]
pub(crate) struct Written {
    text: String,
    kind: String,
}

/// An address of this desk, never of another host: begins with one slash.
pub(crate) fn own_address(back: Option<&str>) -> Option<&str> {
    back.filter(|back| back.starts_with('/') && !back.starts_with("//") && !back.contains('\\'))
}

/// Does it, and says what became of it.
pub(crate) async fn done(
    state: &DeskState,
    visitor: &Visitor,
    id: &str,
    kind: ActKind,
    words: [&str; 2],
    version: Option<i64>,
) -> Result<(), ActError> {
    let id = ContentId::parse(id).map_err(|_| ActError::NoSuchCase)?;
    let act = Act {
        kind,
        text: words[0].to_owned(),
        measures: words[1].to_owned(),
        at: state.now(),
    };
    state.act(&visitor.viewer, id, &act, version).await
}

/// Back to the page the person came from, with what was done or why not.
pub(crate) fn back_to(
    visitor: &Visitor,
    id: &str,
    back: Option<&str>,
    done: &str,
    result: Result<(), ActError>,
) -> Response {
    let side = if visitor.is_site() { "/m" } else { "" };
    let home = own_address(back).map_or_else(|| format!("{side}/alerts/{id}"), str::to_owned);
    match result {
        Ok(()) => {
            let join = if home.contains('?') { '&' } else { '?' };
            Redirect::to(&format!("{home}{join}done={done}")).into_response()
        }
        Err(ActError::NoSuchCase) => Problem::NotFound.into_response(),
        Err(ActError::NotAllowed { .. }) => Problem::Forbidden.into_response(),
        Err(ActError::Store(error)) => Problem::from(error).into_response(),
        Err(refused) => Problem::Refused(match visitor.lang {
            Lang::Zh => refused.zh(),
            Lang::En => format!("{refused}; {}", refused.hint()),
        })
        .into_response(),
    }
}

fn number(text: Option<&str>) -> Option<i64> {
    text.and_then(|text| text.parse().ok())
}

/// `POST …/acts/acknowledge`: 签收.
pub(crate) async fn acknowledge(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(button): Signed<Button>,
) -> Response {
    // An acknowledgement says "seen": it fits whatever version there is.
    let result = done(&state, &visitor, &id, ActKind::Acknowledge, [""; 2], None).await;
    back_to(&visitor, &id, button.back.as_deref(), "acknowledge", result)
}

/// `POST …/acts/withdraw`: the undo.
pub(crate) async fn withdraw(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(button): Signed<Button>,
) -> Response {
    let version = number(button.version.as_deref());
    let result = done(&state, &visitor, &id, ActKind::Withdraw, [""; 2], version).await;
    back_to(&visitor, &id, button.back.as_deref(), "withdraw", result)
}

/// `POST /alerts/{id}/acts/write`: a note, a call, or the closing of the case, by which button was pressed.
pub(crate) async fn write(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(written): Signed<Written>,
) -> Response {
    let Some(kind) = WRITTEN.into_iter().find(|kind| kind.code() == written.kind) else {
        return Problem::BadRequest.into_response();
    };
    let result = done(&state, &visitor, &id, kind, [&written.text, ""], None).await;
    back_to(&visitor, &id, None, kind.code(), result)
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn nobody_is_led_to_another_host() {
        assert_eq!(own_address(Some("/?case=1")), Some("/?case=1"));
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "m"] {
            assert_eq!(own_address(Some(bad)), None, "{bad}");
        }
    }
}
