//! 值班工作台: filters, the list by enterprise and outlet, the selected case; the strip above says how plume itself is.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::case::{Flash, Found, flash};
use super::filter::{BoardQuery, Filter, filters};
use super::list::{List, Section, next_href};
use crate::desk::auth::Visitor;
use crate::desk::limits::OUTBOX_LATE_MS;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::case::CaseView;
use crate::desk::view::number::lasting_text;
use crate::store::Counts;

/// The strip above the board.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    online: u64,
    late: u64,
    offline: u64,
    at_risk: u64,
    overdue: u64,
    outbox: u64,
    outbox_note: String,
    last_record: String,
    last_record_note: String,
    record_old: bool,
}

/// The strip as of now.
async fn read_strip(state: &DeskState, visitor: &Visitor, counts: &Counts) -> Result<Strip, Problem> {
    let t = visitor.lang.texts();
    let now = state.now();
    let devices = state.devices(&visitor.viewer);
    let (oldest, waiting) = state.store().outbox_state().await?;
    let behind = oldest
        .map(|next| now.since(next))
        .filter(|&behind| behind > OUTBOX_LATE_MS);
    let lag = state.last_record().map(|at| now.since(at));
    let old = lag.is_none_or(|lag| lag > crate::desk::limits::RECORD_OLD_MS);
    Ok(Strip {
        online: devices.online,
        late: devices.late,
        offline: devices.offline,
        at_risk: state.at_risk(&visitor.viewer).await?,
        overdue: counts.overdue,
        outbox: waiting,
        outbox_note: behind.map_or_else(String::new, |behind| put(t.outbox_behind, &[&lasting_text(behind, t)])),
        last_record: state.last_record().map_or_else(|| t.dash.to_owned(), clock),
        last_record_note: match lag {
            Some(lag) if old => put(t.record_lag, &[&lasting_text(lag, t)]),
            Some(_) => String::new(),
            None => t.no_record.to_owned(),
        },
        record_old: old && lag.is_some(),
    })
}

/// `14:42:07`, for a clock that moves.
pub(crate) fn clock(at: plume_schemas::time::Time) -> String {
    format!("{}:{:02}", at.hour_minute(), at.civil().second)
}

#[derive(Template)]
#[template(path = "duty.html")]
struct DutyPage {
    shell: Shell,
    strip: Strip,
    filters: Vec<Filter>,
    filters_href: String,
    sections: Vec<Section>,
    next_href: Option<String>,
    list_href: String,
    selected: Option<CaseView>,
    back: String,
    flash: Option<Flash>,
}

#[derive(Template)]
#[template(path = "part/strip.html")]
struct StripPart {
    shell: Shell,
    strip: Strip,
}

#[derive(Template)]
#[template(path = "part/list.html")]
struct ListPart {
    shell: Shell,
    sections: Vec<Section>,
    next_href: Option<String>,
}

/// `GET /`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let counts = state.store().counts(&visitor.viewer, state.now()).await?;
    let list = List::read(&state, &visitor, &query).await?;
    let chosen = query
        .case
        .clone()
        .or_else(|| list.first().map(|row| row.id.to_string()));
    let found = match &chosen {
        Some(id) => match Found::read(&state, &visitor, id).await {
            Ok(found) => Some(found),
            Err(Problem::NotFound) => None,
            Err(problem) => return Err(problem),
        },
        None => None,
    };
    let back = query.with(|back| back.case.clone_from(&chosen));
    let selected = found.as_ref().map(|found| found.view(&state, &visitor));
    let flash = found.as_ref().zip(selected.as_ref()).and_then(|(found, case)| {
        let undo_s = state.undo_left(&found.row, &visitor.viewer);
        flash(t, query.done.as_deref(), case, undo_s, &back)
    });
    html(&DutyPage {
        strip: read_strip(&state, &visitor, &counts).await?,
        filters: filters(&query, &counts, &state, &visitor),
        sections: list.sections(&state, &visitor, &query, chosen.as_deref()),
        next_href: next_href(&query, &list.rest),
        filters_href: query.address("/parts/filters"),
        list_href: query.address("/parts/list"),
        back,
        flash,
        selected,
        shell: Shell::new(&visitor, t.duty).live(list.rest.seq),
    })
}

/// `GET /parts/strip`.
pub(crate) async fn strip(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let counts = state.store().counts(&visitor.viewer, state.now()).await?;
    html(&StripPart {
        strip: read_strip(&state, &visitor, &counts).await?,
        shell: Shell::new(&visitor, ""),
    })
}

#[derive(Template)]
#[template(path = "part/filters.html")]
struct FiltersPart {
    filters: Vec<Filter>,
}

/// `GET /parts/filters`: the choices with their counts as of now.
pub(crate) async fn filters_part(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<Response, Problem> {
    let counts = state.store().counts(&visitor.viewer, state.now()).await?;
    html(&FiltersPart {
        filters: filters(&query, &counts, &state, &visitor),
    })
}

/// `GET /parts/list`: the same list as on the page, for the reader who opened the bar.
pub(crate) async fn list(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<Response, Problem> {
    let list = List::read(&state, &visitor, &query).await?;
    html(&ListPart {
        sections: list.sections(&state, &visitor, &query, query.case.as_deref()),
        next_href: next_href(&query, &list.rest),
        shell: Shell::new(&visitor, ""),
    })
}
