//! One row of the registry as a form.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::registry::{ContactRole, LimitBasis, LimitWindow, RowKind};
use plume_schemas::time::{DAY_MS, Time};
use serde::Deserialize;

use super::{head_of, rows_of, why_not};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::{Problem, html};
use crate::desk::registry::{Fault, RegistryError};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts};
use crate::desk::view::case::Link;
use crate::words::Lang;

/// Letters of one cell.
const CELL_CHARS: usize = 400;

/// One cell to fill.
struct Field {
    name: &'static str,
    label: String,
    value: String,
    /// What a value that stays says.
    word: String,
    /// What may be chosen; nothing where it is written.
    options: Vec<Link>,
    hint: &'static str,
    required: bool,
    fixed: bool,
}

#[derive(Template)]
#[template(path = "registry_form.html")]
struct FormPage {
    shell: Shell,
    kind: RowKind,
    of: String,
    n: String,
    revision: u64,
    about: &'static str,
    fields: Vec<Field>,
    chars: usize,
    said: Option<String>,
    faults: Vec<Fault>,
}

/// Which row, of whom; a new one without a number.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    kind: String,
    #[serde(default)]
    of: String,
    n: Option<usize>,
}

/// `GET /registry/edit`.
pub(crate) async fn edit_form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(Asked { kind, of, n }): Query<Asked>,
) -> Result<Response, Problem> {
    let kind = RowKind::from_code(&kind).ok_or(Problem::NotFound)?;
    let index = state.desk().registry();
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    match n {
        Some(n) => {
            let rows = rows_of(index.registry(), &of);
            let row = rows
                .into_iter()
                .filter(|row| row.kind == kind)
                .nth(n)
                .ok_or(Problem::NotFound)?;
            let columns = kind.columns().iter().map(|(name, _)| (*name).to_owned());
            values.extend(columns.zip(row.cells));
        }
        None => values.extend(owner(kind, &of)),
    }
    if is_spell(kind) {
        // What follows begins tomorrow unless somebody says otherwise: the past stays as it was.
        values.insert("valid_from".to_owned(), tomorrow(state.now()));
        values.remove("valid_to");
    }
    let form = Edited {
        kind,
        of,
        n,
        revision: index.registry().revision,
        values,
    };
    page(&visitor, form, None, Vec::new())
}

/// What a new row is of.
fn owner(kind: RowKind, of: &str) -> Vec<(String, String)> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    match kind {
        RowKind::Enterprise => Vec::new(),
        RowKind::Contact => vec![pair("enterprise", of.to_owned())],
        RowKind::Outlet => vec![pair("enterprise", of.to_owned()), pair("id", format!("{of}:"))],
        _ => vec![pair("outlet", of.to_owned())],
    }
}

/// True for rows that follow one another in time.
const fn is_spell(kind: RowKind) -> bool {
    matches!(kind, RowKind::Limit | RowKind::Source)
}

fn tomorrow(now: Time) -> String {
    now.floor(DAY_MS).plus(DAY_MS).date()
}

/// A row as it is being edited.
struct Edited {
    kind: RowKind,
    of: String,
    n: Option<usize>,
    revision: u64,
    values: BTreeMap<String, String>,
}

fn page(visitor: &Visitor, form: Edited, said: Option<String>, faults: Vec<Fault>) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let Edited {
        kind,
        of,
        n,
        revision,
        mut values,
    } = form;
    let fields = kind.columns().iter().map(|&column| {
        let (name, _) = column;
        let value = values.remove(name).unwrap_or_default();
        Field {
            name,
            label: head_of(column, lang),
            word: spoken(kind, &value, lang).to_owned(),
            value,
            options: options(kind, name, lang),
            hint: hint(name, t),
            required: kind.required().contains(&name),
            fixed: is_fixed(kind, name, n.is_some()),
        }
    });
    html(&FormPage {
        fields: fields.collect(),
        shell: Shell::new(visitor, lang.pick(kind.zh(), kind.en())),
        kind,
        of,
        n: n.map_or_else(String::new, |n| n.to_string()),
        revision,
        about: if is_spell(kind) {
            t.registry_spell
        } else {
            t.registry_at_once
        },
        chars: CELL_CHARS,
        said,
        faults,
    })
}

/// What a cell that is there already may not be changed to: it says which row it is.
fn is_fixed(kind: RowKind, column: &str, is_known: bool) -> bool {
    match (kind, column) {
        (RowKind::Enterprise | RowKind::Outlet, "id")
        | (RowKind::Factor, "code")
        | (RowKind::Limit, "factor" | "window" | "basis" | "source")
        | (RowKind::Source, "st" | "factors") => is_known,
        (RowKind::Enterprise, _) => false,
        (_, "enterprise" | "outlet") => true,
        _ => false,
    }
}

/// A code of a registry's row as a page says it; anything else as it is.
pub(super) fn spoken(kind: RowKind, cell: &str, lang: Lang) -> &str {
    let role = ContactRole::from_code(cell).filter(|_| kind == RowKind::Contact);
    let (window, basis) = (LimitWindow::from_code(cell), LimitBasis::from_code(cell));
    match (kind, cell) {
        (RowKind::Contact, _) => role.map_or(cell, |role| lang.pick(role.zh(), role.en())),
        (RowKind::Limit, "permit") => lang.texts().code_permit,
        (RowKind::Limit, _) => window.map_or_else(
            || basis.map_or(cell, |basis| lang.pick(basis.zh(), basis.en())),
            |window| lang.pick(window.zh(), window.en()),
        ),
        (RowKind::StopWork | RowKind::Source, "yes") => lang.pick("是", "yes"),
        _ => cell,
    }
}

fn options(kind: RowKind, column: &str, lang: Lang) -> Vec<Link> {
    let option = |code: &str, word: &str| Link {
        href: code.to_owned(),
        word: word.to_owned(),
    };
    match (kind, column) {
        (RowKind::Contact, "role") => ContactRole::ALL
            .iter()
            .map(|role| option(role.code(), lang.pick(role.zh(), role.en())))
            .collect(),
        (RowKind::Limit, "window") => LimitWindow::ALL
            .iter()
            .map(|window| option(window.code(), lang.pick(window.zh(), window.en())))
            .collect(),
        (RowKind::Limit, "basis") => LimitBasis::ALL
            .iter()
            .map(|basis| option(basis.code(), lang.pick(basis.zh(), basis.en())))
            .collect(),
        (_, "approved" | "data_time_is_end") => {
            vec![option("", lang.pick("否", "no")), option("yes", lang.pick("是", "yes"))]
        }
        _ => Vec::new(),
    }
}

fn hint(column: &str, t: &'static Texts) -> &'static str {
    match column {
        "valid_from" | "valid_to" | "trial_until" | "permit_valid_to" => t.registry_moment,
        "password" => t.registry_masked,
        "factors" => t.registry_factors,
        _ => "",
    }
}

/// `POST /registry/edit`: a draft of the row, or what is wrong with it.
pub(crate) async fn edit(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(mut values): Signed<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let mut given = |name: &str| values.remove(name).unwrap_or_default();
    let kind = RowKind::from_code(&given("kind")).ok_or(Problem::BadRequest)?;
    let revision: u64 = given("revision").parse().map_err(|_| Problem::BadRequest)?;
    let (of, n) = (given("of"), given("n").parse().ok());
    let known = |name: &String| kind.columns().iter().any(|(column, _)| column == name);
    let fits = |text: &String| text.chars().count() <= CELL_CHARS;
    if !values.keys().all(known) || !values.values().all(fits) {
        return Err(Problem::BadRequest);
    }
    let in_force = state.desk().registry().registry().revision;
    let form = Edited {
        kind,
        of,
        n,
        revision: in_force,
        values,
    };
    if revision != in_force {
        return again(&visitor, form, t.registry_changed.to_owned(), Vec::new());
    }
    let columns = kind.columns().iter();
    let cells = columns.filter_map(|(column, _)| Some((*column, form.values.get(*column)?.clone())));
    match state.draft_of_row(&visitor.viewer, kind, cells.collect(), n).await {
        Ok(draft) => Ok(Redirect::to(&format!("/registry/drafts/{}", draft.id)).into_response()),
        Err(RegistryError::Store(error)) => Err(error.into()),
        Err(error) => {
            let said = why_not(&error, t);
            let faults = match error {
                RegistryError::Faults { faults } => faults,
                _ => Vec::new(),
            };
            again(&visitor, form, said, faults)
        }
    }
}

/// The form as it was filled, and why nothing came of it.
fn again(visitor: &Visitor, form: Edited, said: String, faults: Vec<Fault>) -> Result<Response, Problem> {
    let page = page(visitor, form, Some(said), faults)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
