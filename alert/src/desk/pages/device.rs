//! 数采仪与监测设备: one device with its live tail: the last packets as they came, and our exact answers.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use plume_schemas::ids::Mn;
use plume_schemas::mask::shown;

use crate::accounts::Action;
use crate::desk::auth::Visitor;
use crate::desk::keys::KeyStanding;
use crate::desk::live::After;
use crate::desk::problem::Problem;
use crate::desk::pulse::Life;
use crate::desk::state::DeskState;
use crate::desk::tail::Heard;
use crate::desk::tail_stream;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::figures::Figure;
use crate::desk::view::number::{stamp, when};
use crate::desk::view::sheet::{Cell, Choice, Sheet, Table, link, number, numbers, text, words};

/// `GET /devices/{mn}`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let mn = Mn::new(&mn).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let names = state.names(visitor.lang);
    // A device that serves somebody else's outlet as well is shown by those of its outlets that one may see.
    let sources = registry.registry().sources.iter().filter(|source| source.mn == mn);
    let own: Vec<_> = sources
        .filter(|source| state.sees(&visitor.viewer, source.outlet))
        .collect();
    let first = own.first().ok_or(Problem::NotFound)?;
    let (life, heard) = state.life_of(first);
    let word = match life {
        Life::Online => t.online,
        Life::Late => t.late,
        Life::Offline => t.offline,
    };
    let (packets, last) = {
        let tail = state.tail();
        (tail.of(mn), tail.last())
    };
    let findings = packets.iter().filter(|heard| !heard.complaints.is_empty()).count();
    let outlets = own.iter().map(|source| {
        vec![
            link(
                names.outlet(source.outlet).full(),
                format!("/outlets/{}", source.outlet),
            ),
            number(source.minute_interval_min.unwrap_or(1)),
        ]
    });
    let sheet = Sheet {
        crumbs: vec![Link {
            href: "/devices".into(),
            word: t.devices_page.to_owned(),
        }],
        title: format!("MN {mn}"),
        about: t.tail_about.to_owned(),
        choices: doors(&visitor, mn),
        figures: [
            figure(t.state, word.to_owned()),
            figure(
                t.last_heard,
                heard.map_or_else(|| t.dash.to_owned(), |at| when(at, now)),
            ),
            figure(t.findings, findings.to_string()),
        ]
        .into_iter()
        .chain(state.key_of(mn).map(|key| key_figure(key, t)))
        .collect(),
        tables: vec![
            Table {
                title: t.outlets.to_owned(),
                note: String::new(),
                heads: vec![words(t.outlet), numbers(t.interval_min)],
                rows: outlets.collect(),
                ..Table::default()
            },
            Table {
                live: format!("/devices/{mn}/events?after={last}"),
                ..packets_table(&state, &packets, t)
            },
        ],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

fn figure(label: &str, value: String) -> Figure {
    Figure {
        value,
        unit: String::new(),
        label: label.to_owned(),
        note: String::new(),
        first: false,
        ends: None,
    }
}

/// How old the device's key is, and how long it may still be in force (HJ 212-2025 6.4.3).
fn key_figure(key: KeyStanding, t: &'static Texts) -> Figure {
    let left = key.limit_days - key.days;
    let limit = if left > 0 {
        put(t.key_left, &[&left, &key.limit_days])
    } else {
        put(t.key_over, &[&key.limit_days])
    };
    let more = [(key.changing, t.key_changing), (key.wanted, t.key_wanted)];
    let more = more.into_iter().filter_map(|(is_so, word)| is_so.then_some(word));
    let notes: Vec<&str> = std::iter::once(limit.as_str()).chain(more).collect();
    Figure {
        unit: t.days.to_owned(),
        note: notes.join(t.key_and),
        ..figure(t.key_age, key.days.to_string())
    }
}

/// The device, if it serves an outlet that this person may see.
pub(super) fn theirs(state: &DeskState, visitor: &Visitor, mn: &str) -> Result<Mn, Problem> {
    let mn = Mn::new(mn).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let mut sources = registry.registry().sources.iter().filter(|source| source.mn == mn);
    let seen = sources.any(|source| state.sees(&visitor.viewer, source.outlet));
    seen.then_some(mn).ok_or(Problem::NotFound)
}

/// What an officer may do with a device.
fn doors(visitor: &Visitor, mn: Mn) -> Vec<Choice> {
    let t = visitor.lang.texts();
    let doors = [("conformance", t.conformance), ("orders", t.orders)];
    let may = visitor.viewer.may(Action::AskDevices);
    let doors = doors.into_iter().filter(|_| may);
    doors
        .map(|(page, word)| Choice {
            link: Link {
                href: format!("/devices/{mn}/{page}"),
                word: word.to_owned(),
            },
            here: false,
        })
        .collect()
}

/// `GET /devices/{mn}/events`.
pub(crate) async fn events(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mn = theirs(&state, &visitor, &mn)?;
    tail_stream::stream(state, visitor, mn, query.after, &headers)
}

#[derive(Template)]
#[template(path = "part/row.html")]
struct Row {
    row: Vec<Cell>,
}

/// One packet as a row of the table.
pub(crate) fn row_of(state: &DeskState, heard: &Heard) -> Result<String, askama::Error> {
    Row {
        row: cells(state, heard),
    }
    .render()
}

fn cells(state: &DeskState, heard: &Heard) -> Vec<Cell> {
    // What gets no answer is seen by its empty cell, whatever the language.
    let answer = state.answer(&heard.raw).map(|bytes| shown(&bytes));
    vec![
        text(stamp(heard.at)).class("mono"),
        number(heard.cn.to_string()),
        text(shown(&heard.raw)).class("mono packet"),
        text(answer.unwrap_or_default()).class("mono packet"),
        text(heard.complaints.join(" ")).class("over"),
    ]
}

/// The packets and our answers, newest first.
fn packets_table(state: &DeskState, packets: &[Heard], t: &'static Texts) -> Table {
    Table {
        title: t.tail.to_owned(),
        note: put(t.tail_note, &[&crate::desk::limits::TAIL_PACKETS]),
        heads: vec![
            words(t.time),
            numbers("CN"),
            words(t.packet),
            words(t.our_answer),
            words(t.findings),
        ],
        rows: packets.iter().map(|heard| cells(state, heard)).collect(),
        ..Table::default()
    }
}
