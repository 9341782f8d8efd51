//! 交接班, 报文解析: what the next shift must know, what a packet says.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use plume_schemas::time::HOUR_MS;
use serde::Deserialize;

use crate::case::{State as CaseState, TraceKind};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::limits::PACKET_BYTES;
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::{Decoded, DeskState};
use crate::desk::text::{Speaks, put};
use crate::desk::view::badge::Badge;
use crate::desk::view::case::Making;
use crate::desk::view::number::{lasting_text, stamp, when};
use crate::desk::view::sheet::{Sheet, Table, link, text, words};
use crate::store::{CaseFilter, CasePage, CaseRow, MAX_PAGE_ROWS, Order, Page};

/// Calls and promises of this long a shift stand on the page.
const SHIFT_MS: i64 = 12 * HOUR_MS;

/// `GET /handover`.
pub(crate) async fn handover(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let page = Page {
        order: Order::Gravest,
        offset: 0,
        limit: MAX_PAGE_ROWS,
    };
    let filter = CaseFilter {
        states: CaseState::LIVE.to_vec(),
        ..CaseFilter::default()
    };
    let live = state.store().cases(&visitor.viewer, &filter, page).await?;
    let said = said(&state, &visitor, &live.rows).await?;
    let sheet = Sheet {
        title: t.handover.to_owned(),
        about: put(t.handover_at, &[&stamp(now), &visitor.viewer.name]),
        tables: vec![open(&state, &visitor, &live), said],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// What is open.
fn open(state: &DeskState, visitor: &Visitor, live: &CasePage) -> Table {
    let (t, now) = (visitor.lang.texts(), state.now());
    let names = state.names(visitor.lang);
    let making = Making {
        visitor,
        names: &names,
        now,
    };
    let rows = live.rows.iter().map(|row| {
        let by = row
            .acknowledged
            .as_ref()
            .map_or(t.to_acknowledge, |by| by.name.as_str());
        vec![
            text(Badge::of(row, visitor.lang).word),
            link(making.title(row), making.href(row)),
            text(place(&names, row)),
            text(when(row.opened_at, now)),
            text(by),
            text(
                row.due_at
                    .map_or_else(|| t.dash.to_owned(), |due| lasting_text(due.since(now), t)),
            ),
        ]
    });
    let shown = live.rows.len();
    let all_shown = live.total <= shown as u64;
    Table {
        title: t.open_now.to_owned(),
        note: if all_shown {
            String::new()
        } else {
            put(t.shown_of, &[&shown, &live.total])
        },
        heads: [t.severity, t.what, t.where_, t.since, t.acknowledged_by, t.due_left]
            .map(words)
            .into(),
        rows: rows.collect(),
        ..Table::default()
    }
}

/// What was said on the telephone, noted and given out during the shift.
async fn said(state: &DeskState, visitor: &Visitor, live: &[CaseRow]) -> Result<Table, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let names = state.names(visitor.lang);
    let mut rows = Vec::new();
    // A case nobody touched during the shift has no such line.
    for row in live.iter().filter(|row| now.since(row.updated_at) <= SHIFT_MS) {
        for line in state.store().trace(&visitor.viewer, row.id).await? {
            let kept = matches!(
                line.kind,
                TraceKind::Phoned | TraceKind::Commented | TraceKind::Assigned
            );
            if kept && now.since(line.at) <= SHIFT_MS {
                rows.push(vec![
                    text(when(line.at, now)),
                    text(visitor.lang.pick(line.kind.zh(), line.kind.en())),
                    text(line.actor),
                    link(place(&names, row), format!("/alerts/{}", row.id)),
                    text(line.text),
                ]);
            }
        }
    }
    Ok(Table {
        title: t.called_and_noted.to_owned(),
        note: t.last_12h.to_owned(),
        heads: [t.time, t.kind, t.who, t.where_, t.text].map(words).into(),
        rows,
        ..Table::default()
    })
}

fn place(names: &Names<'_>, row: &CaseRow) -> String {
    format!(
        "{} {}",
        names.enterprise(row.tags.enterprise),
        names.outlet(row.outlet).full()
    )
}

#[derive(Template)]
#[template(path = "decode.html")]
struct DecodePage {
    shell: Shell,
    packet: String,
    decoded: Option<Decoded>,
    bytes: usize,
}

/// The packet of the form.
#[derive(Debug, Deserialize)]
pub(crate) struct Packet {
    packet: String,
}

/// `GET /decode`.
pub(crate) async fn decode_form(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    if !state.decodes() {
        return Err(Problem::NotFound);
    }
    decode_page(&visitor, String::new(), None)
}

/// `POST /decode`: 报文解析.
pub(crate) async fn decode(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(form): Signed<Packet>,
) -> Result<Response, Problem> {
    if form.packet.len() > PACKET_BYTES {
        return Err(Problem::BadRequest);
    }
    let decoded = state
        .decode(form.packet.trim(), visitor.lang)
        .ok_or(Problem::NotFound)?;
    decode_page(&visitor, form.packet, Some(decoded))
}

fn decode_page(visitor: &Visitor, packet: String, decoded: Option<Decoded>) -> Result<Response, Problem> {
    html(&DecodePage {
        shell: Shell::new(visitor, visitor.lang.texts().decode),
        packet,
        decoded,
        bytes: PACKET_BYTES,
    })
}
