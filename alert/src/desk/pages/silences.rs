//! 暂停提醒: who wished to hear nothing of what, why and until when. Cases go on; only telling stops.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;
use plume_schemas::time::HOUR_MS;
use serde::Deserialize;

use super::case::Found;
use crate::case::MAX_ACT_TEXT_CHARS;
use crate::desk::auth::{Signed, Visitor};
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::number::when;
use crate::mute::silence::{Matcher, Silence, SilenceError, may_silence};
use crate::words::Lang;

/// Spans to choose from, hours. What lasts longer is filed as stop-work or corrected in the registry.
const HOURS: [i64; 4] = [2, 8, 24, 72];

/// One silence, as shown.
#[derive(Clone, Debug)]
struct SilenceView {
    id: String,
    what: String,
    reason: String,
    by: String,
    span: String,
    live: bool,
}

#[derive(Template)]
#[template(path = "silences.html")]
struct SilencesPage {
    shell: Shell,
    silences: Vec<SilenceView>,
    may_end: bool,
}

/// `GET /silences`.
pub(crate) async fn list(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let now = state.now();
    let names = state.names(visitor.lang);
    let silences = state.store().silences(&visitor.viewer, now).await?;
    html(&SilencesPage {
        shell: Shell::new(&visitor, visitor.lang.texts().silences),
        may_end: may_silence(visitor.viewer.role),
        silences: silences
            .iter()
            .map(|silence| SilenceView {
                id: silence.id.to_string(),
                what: what(silence, &names, visitor.lang),
                reason: silence.reason.clone(),
                by: silence.by.clone(),
                span: put(
                    visitor.lang.texts().from_to,
                    &[&when(silence.starts_at, now), &when(silence.ends_at, now)],
                ),
                live: silence.ended_by.is_none(),
            })
            .collect(),
    })
}

/// What a silence is about, from the widest to the narrowest.
fn what(silence: &Silence, names: &Names<'_>, lang: Lang) -> String {
    let matcher = &silence.matcher;
    let parts = [
        Some(silence.district.clone()),
        matcher.enterprise.map(|id| names.enterprise(id)),
        matcher.outlet.map(|id| names.outlet(id).full()),
        matcher.factor.map(|code| names.factor(code)),
        matcher
            .family
            .map(|family| lang.pick(family.zh(), family.en()).to_owned()),
        matcher.rule.map(|rule| lang.pick(rule.zh(), rule.en()).to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join(" › ")
}

#[derive(Template)]
#[template(path = "silence.html")]
struct SilencePage {
    shell: Shell,
    what: String,
    href: String,
    hours: [i64; 4],
    chars: usize,
}

/// The silence of a case: its enterprise, outlet, factor and family.
fn matcher(found: &Found<'_>) -> Matcher {
    Matcher {
        enterprise: Some(found.row.tags.enterprise),
        outlet: Some(found.row.outlet),
        factor: found.row.factor,
        family: Some(found.row.family),
        rule: None,
    }
}

/// `GET /alerts/{id}/silence`.
pub(crate) async fn form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = Found::read(&state, &visitor, &id).await?;
    let row = &found.row;
    let place = [
        found.names.enterprise(row.tags.enterprise),
        found.names.outlet(row.outlet).full(),
        row.factor.map_or_else(String::new, |factor| found.names.factor(factor)),
        visitor.lang.pick(row.family.zh(), row.family.en()).to_owned(),
    ];
    html(&SilencePage {
        shell: Shell::new(&visitor, visitor.lang.texts().silence),
        what: place
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" › "),
        href: format!("/alerts/{}", row.id),
        hours: HOURS,
        chars: MAX_ACT_TEXT_CHARS,
    })
}

/// The form of a silence.
#[derive(Debug, Deserialize)]
pub(crate) struct SilenceForm {
    hours: String,
    reason: String,
}

/// `POST /alerts/{id}/silence`.
pub(crate) async fn add(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(form): Signed<SilenceForm>,
) -> Result<Response, Problem> {
    let hours = form
        .hours
        .parse()
        .ok()
        .filter(|hours| HOURS.contains(hours))
        .ok_or(Problem::BadRequest)?;
    let found = Found::read(&state, &visitor, &id).await?;
    let now = state.now();
    let until = now.plus(hours * HOUR_MS);
    let silence = Silence::new(&visitor.viewer, matcher(&found), &form.reason, now, until, now);
    let made = match silence {
        Ok(silence) => state.desk().silence(&silence).await,
        Err(refused) => Err(refused),
    };
    answered(made, &visitor)
}

/// A form with nothing but its token.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// `POST /silences/{id}/end`.
pub(crate) async fn end(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    let id = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    answered(
        state.store().end_silence(&visitor.viewer, id, state.now()).await,
        &visitor,
    )
}

fn answered(done: Result<(), SilenceError>, visitor: &Visitor) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    match done {
        Ok(()) => Ok(Redirect::to("/silences").into_response()),
        Err(SilenceError::NotAllowed { .. }) => Err(Problem::Forbidden),
        Err(SilenceError::NoSuchSilence) => Err(Problem::NotFound),
        Err(SilenceError::Reason) => Err(Problem::Refused(t.reason_missing.to_owned())),
        Err(SilenceError::Store(error)) => Err(error.into()),
        Err(refused) => Err(Problem::Refused(format!("{refused}; {}", refused.hint()))),
    }
}
