//! 基础档案: what is registered; brought as files or changed row by row, looked at as a draft, then recorded.

mod form;
mod upload;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Change, Effect, Outlet, Registry, Row, RowKind, is_formula};
use plume_schemas::time::Time;
use serde::Deserialize;

use self::form::spoken;
pub(crate) use self::form::{edit, edit_form};
pub(crate) use self::upload::{import_form, upload};
use crate::accounts::{Action, Scope};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::{Problem, html};
use crate::desk::registry::{Draft, Fault, RecordRefusal, RegistryError};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::sheet::{Cell, Choice, Head, Sheet, Table, link, text, words};
use crate::words::Lang;

/// True where this person may change the registry, and somebody records it.
fn may_edit(state: &DeskState, visitor: &Visitor) -> bool {
    visitor.viewer.may(Action::EditRegistry) && state.records_registry()
}

fn door((href, word): (&str, &str)) -> Choice {
    Choice {
        link: Link {
            href: href.to_owned(),
            word: word.to_owned(),
        },
        here: false,
    }
}

fn heads(of: &[&'static str], edits: bool, t: &'static Texts) -> Vec<Head> {
    let last = edits.then_some(t.registry_edit);
    of.iter().copied().chain(last).map(words).collect()
}

/// A row with the way to its page for changing it.
fn with_door(mut cells: Vec<Cell>, edits: bool, id: &str, t: &'static Texts) -> Vec<Cell> {
    if edits {
        cells.push(link(t.registry_edit, format!("/registry/rows?of={id}")));
    }
    cells
}

/// `GET /registry`.
pub(crate) async fn page(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let index = state.desk().registry();
    let all = index.registry().outlets.iter();
    let seen: Vec<&Outlet> = all.filter(|outlet| state.sees(&visitor.viewer, outlet.id)).collect();
    let may_edit = may_edit(&state, &visitor);
    let doors = [
        ("/registry/import", t.registry_import),
        ("/registry/edit?kind=enterprise", t.registry_add),
    ];
    let waiting = ("/waiting", t.enrol_waiting);
    let enrols = visitor.viewer.may(Action::EditRegistry) && state.enrols();
    let sheet = Sheet {
        title: t.registry.to_owned(),
        about: put(t.revision_is, &[&index.registry().revision]),
        choices: doors
            .into_iter()
            .filter(|_| may_edit)
            .chain(enrols.then_some(waiting))
            .map(door)
            .collect(),
        tables: vec![
            enterprises(&state, &visitor, index.registry(), &seen),
            outlets(&state, &visitor, index.registry(), &seen),
        ],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

fn enterprises(state: &DeskState, visitor: &Visitor, registry: &Registry, seen: &[&Outlet]) -> Table {
    let (t, now) = (visitor.lang.texts(), state.now());
    let edits = may_edit(state, visitor);
    let has_outlet = |id| seen.iter().any(|outlet| outlet.enterprise == id);
    let rows = registry
        .enterprises
        .iter()
        .filter(|enterprise| visitor.viewer.scope == Scope::All || has_outlet(enterprise.id))
        .map(|enterprise| {
            let permit = enterprise.permit_valid_to;
            let ended = permit.is_some_and(|to| to <= now);
            let cells = vec![
                link(enterprise.name.clone(), format!("/enterprises/{}", enterprise.id)),
                text(enterprise.id.to_string()).class("mono"),
                text(enterprise.district.clone()),
                text(enterprise.industry.clone()).class("quiet"),
                text(enterprise.officer.clone()),
                text(enterprise.permit_number.clone()).class("mono"),
                text(permit.map_or_else(|| t.dash.to_owned(), Time::date)).class(if ended { "over" } else { "" }),
            ];
            with_door(cells, edits, enterprise.id.as_str(), t)
        });
    Table {
        title: t.enterprises.to_owned(),
        note: String::new(),
        heads: heads(
            &[
                t.name,
                t.credit_code,
                t.district,
                t.industry,
                t.officer,
                t.permit,
                t.permit_end,
            ],
            edits,
            t,
        ),
        rows: rows.collect(),
        ..Table::default()
    }
}

fn outlets(state: &DeskState, visitor: &Visitor, registry: &Registry, seen: &[&Outlet]) -> Table {
    let t = visitor.lang.texts();
    let edits = may_edit(state, visitor);
    let names = state.names(visitor.lang);
    let rows = seen.iter().map(|outlet| {
        let factors: Vec<String> = outlet.factors.iter().map(|setup| names.factor(setup.code)).collect();
        let sources = registry.sources.iter().filter(|source| source.outlet == outlet.id);
        let mns: Vec<String> = sources.map(|source| source.mn.to_string()).collect();
        let cells = vec![
            link(names.outlet(outlet.id).full(), format!("/outlets/{}", outlet.id)),
            text(names.enterprise(outlet.enterprise)),
            text(outlet.management_class.clone()).class("quiet"),
            text(factors.join(" ")),
            text(mns.join(" ")).class("mono"),
        ];
        with_door(cells, edits, outlet.id.as_str(), t)
    });
    Table {
        title: t.outlets.to_owned(),
        note: String::new(),
        heads: heads(&[t.outlet, t.enterprise, t.class, t.factors, t.devices], edits, t),
        rows: rows.collect(),
        ..Table::default()
    }
}

/// A column as a page names it.
fn head_of((name, zh): (&'static str, &'static str), lang: Lang) -> String {
    match lang {
        Lang::Zh => zh.to_owned(),
        Lang::En => name.replace('_', " "),
    }
}

/// Which of what.
#[derive(Debug, Deserialize)]
pub(crate) struct Owner {
    of: String,
}

/// `GET /registry/rows`: every row of an enterprise or an outlet, each with the way to change it.
pub(crate) async fn rows(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(Owner { of }): Query<Owner>,
) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let index = state.desk().registry();
    let all = rows_of(index.registry(), &of);
    let is_outlet = all
        .iter()
        .any(|row| row.kind == RowKind::Outlet && row.cell("id") == of);
    let kinds: &[RowKind] = if is_outlet {
        &[
            RowKind::Outlet,
            RowKind::Factor,
            RowKind::Limit,
            RowKind::Source,
            RowKind::StopWork,
        ]
    } else {
        &[RowKind::Enterprise, RowKind::Contact, RowKind::Outlet]
    };
    let name = all.first().ok_or(Problem::NotFound)?.cell("name").to_owned();
    let tables = kinds.iter().map(|&kind| {
        let own = all.iter().filter(|row| row.kind == kind).enumerate();
        let rows = own.map(|(n, row)| {
            let cells = row.cells.iter().map(|cell| text(spoken(kind, cell, lang)));
            let mut cells: Vec<Cell> = cells.collect();
            let href = if is_outlet || kind != RowKind::Outlet {
                format!("/registry/edit?kind={kind}&of={of}&n={n}")
            } else {
                format!("/registry/rows?of={}", row.cell("id"))
            };
            cells.push(link(t.registry_edit, href));
            cells
        });
        let heads = kind.columns().iter().map(|column| words(head_of(*column, lang)));
        Table {
            title: lang.pick(kind.zh(), kind.en()).to_owned(),
            heads: heads.chain([words(t.registry_edit)]).collect(),
            rows: rows.collect(),
            ..Table::default()
        }
    });
    let adds = kinds.iter().skip(1).map(|kind| {
        let word = put(t.registry_add_one, &[&lang.pick(kind.zh(), kind.en())]);
        door((&format!("/registry/edit?kind={kind}&of={of}"), &word))
    });
    let sheet = Sheet {
        crumbs: vec![Link {
            href: "/registry".to_owned(),
            word: t.registry.to_owned(),
        }],
        title: name,
        about: of.clone(),
        choices: adds.collect(),
        tables: tables.collect(),
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// The rows of an enterprise with its outlets, or of an outlet; the first is its own.
fn rows_of(registry: &Registry, of: &str) -> Vec<Row> {
    let part = Registry {
        enterprises: registry
            .enterprises
            .iter()
            .filter(|row| row.id.as_str() == of)
            .cloned()
            .collect(),
        outlets: registry
            .outlets
            .iter()
            .filter(|row| row.id.as_str() == of || row.enterprise.as_str() == of)
            .cloned()
            .collect(),
        sources: registry
            .sources
            .iter()
            .filter(|row| row.outlet.as_str() == of)
            .cloned()
            .collect(),
        ..Registry::default()
    };
    part.rows()
}

/// `GET /registry/sheets/{file}`: the rows of a kind as their sheet, to be changed and brought again.
pub(crate) async fn sheet(State(state): State<DeskState>, Path(file): Path<String>) -> Result<Response, Problem> {
    let kind = RowKind::ALL.iter().copied().find(|kind| kind.file() == file);
    let kind = kind.ok_or(Problem::NotFound)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let heads = kind.columns().iter().map(|(name, _)| *name);
    let failed = |_| Problem::Failed;
    writer.write_record(heads).map_err(failed)?;
    let index = state.desk().registry();
    for row in index.registry().rows().iter().filter(|row| row.kind == kind) {
        // What a spreadsheet would run is text in it: brought again, the mark in front is seen in the preview.
        let cells = row.cells.iter().map(|cell| {
            if is_formula(cell) {
                format!("'{cell}")
            } else {
                cell.clone()
            }
        });
        writer.write_record(cells).map_err(failed)?;
    }
    let rows = writer.into_inner().map_err(|_| Problem::Failed)?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")),
    ];
    let text = [&b"\xef\xbb\xbf"[..], rows.as_slice()].concat();
    Ok((headers, text).into_response())
}

/// A change, as shown.
struct ChangeView {
    effect: &'static str,
    class: &'static str,
    kind: &'static str,
    name: String,
    cells: Vec<[String; 3]>,
}

impl ChangeView {
    fn of(change: &Change, lang: Lang) -> Self {
        let word = |text: &str| spoken(change.kind, text, lang).to_owned();
        let name: Vec<String> = change.name.split(' ').map(word).collect();
        let cells = change.cells.iter();
        let cells = cells.map(|cell| [head_of(cell.column, lang), word(&cell.before), word(&cell.after)]);
        Self {
            effect: lang.pick(change.effect.zh(), change.effect.en()),
            class: match change.effect {
                Effect::Removed => "over",
                Effect::Added => "good",
                Effect::Changed => "",
            },
            kind: lang.pick(change.kind.zh(), change.kind.en()),
            name: name.join(" "),
            cells: cells.collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "registry_draft.html")]
struct DraftPage {
    shell: Shell,
    action: String,
    about: String,
    counts: String,
    shown: String,
    changes: Vec<ChangeView>,
    warnings: Vec<Fault>,
    said: Option<String>,
}

fn draft_page(visitor: &Visitor, draft: &Draft, said: Option<String>) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let [added, removed, changed] = draft.changes.counts;
    let shown = draft.changes.first.len();
    let total = draft.changes.total();
    html(&DraftPage {
        shell: Shell::new(visitor, t.registry_draft),
        action: format!("/registry/drafts/{}", draft.id),
        about: put(t.registry_draft_about, &[&draft.origin.in_lang(lang), &draft.base]),
        counts: put(t.registry_counts, &[&added, &removed, &changed]),
        shown: if shown < total {
            put(t.shown_of, &[&shown, &total])
        } else {
            String::new()
        },
        changes: draft
            .changes
            .first
            .iter()
            .map(|change| ChangeView::of(change, lang))
            .collect(),
        warnings: draft.warnings.clone(),
        said,
    })
}

/// The draft of this number.
fn found(state: &DeskState, visitor: &Visitor, id: &str) -> Result<std::sync::Arc<Draft>, Problem> {
    let id = ContentId::parse(id).map_err(|_| Problem::NotFound)?;
    state.draft(&visitor.viewer, id).ok_or(Problem::NotFound)
}

/// `GET /registry/drafts/{draft}`: what would change.
pub(crate) async fn draft(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    draft_page(&visitor, &*found(&state, &visitor, &id)?, None)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// `POST /registry/drafts/{draft}`: puts it in force.
pub(crate) async fn record(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    let draft = found(&state, &visitor, &id)?;
    match state.record_draft(&visitor.viewer, draft.id).await {
        Ok(_) => Ok(Redirect::to("/registry").into_response()),
        Err(RegistryError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, hint = error.hint(), "a draft of the registry is not recorded");
            draft_page(&visitor, &draft, Some(why_not(&error, visitor.lang.texts())))
        }
    }
}

/// Why nothing was recorded, in words.
fn why_not(error: &RegistryError, t: &'static Texts) -> String {
    match error {
        RegistryError::Nothing => t.registry_same.to_owned(),
        RegistryError::Refused(RecordRefusal::Changed) => t.registry_changed.to_owned(),
        RegistryError::Refused(RecordRefusal::Standby) => t.registry_standby.to_owned(),
        RegistryError::Faults { faults } => put(t.registry_faults, &[&faults.len()]),
        _ => t.registry_failed.to_owned(),
    }
}
