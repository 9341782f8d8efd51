//! 数据表: the tables that the bureau edits, each with its rows, its text to change and to take along.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::stamp;
use crate::desk::view::sheet::Choice;
use crate::store::{EditedTable, mask};
use crate::tables::{TableError, TableKind};

/// Rows shown; the whole table is in its text.
const ROWS: usize = 200;

#[derive(Template)]
#[template(path = "tables.html")]
struct TablesPage {
    shell: Shell,
    title: &'static str,
    about: String,
    choices: Vec<Choice>,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    body: String,
    version: i64,
    action: String,
    may_change: bool,
    said: Option<(bool, String)>,
}

/// Which table, and what was done to it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TableQuery {
    table: Option<String>,
    done: Option<String>,
}

/// `GET /tables`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<TableQuery>,
) -> Result<Response, Problem> {
    let kind = kind_of(query.table.as_deref().unwrap_or(TableKind::Guidance.code()), &visitor)?;
    let said = query.done.map(|_| (false, visitor.lang.texts().done_table.to_owned()));
    shown(&state, &visitor, kind, None, said).await
}

/// As it is in force; the rows of the duty calendar with telephones masked.
async fn text_of(state: &DeskState, kind: TableKind) -> Result<(String, Option<EditedTable>), Problem> {
    let edited = state.store().edited_tables().await?;
    let edited = edited.into_iter().find(|edited| edited.kind == kind);
    let text = match (&edited, kind) {
        (_, TableKind::Publicity) => {
            crate::publicity::to_csv(&state.store().publicity().await?).map_err(|_| Problem::BadRequest)?
        }
        (_, TableKind::Duty) => {
            let mut text = TableKind::Duty.embedded().to_owned();
            for shift in state.desk().roster().shifts() {
                let moment = |at: plume_schemas::time::Time| format!("{}T{}", at.date(), at.hour_minute());
                let cells = [
                    shift.audience.code().to_owned(),
                    shift.district.clone(),
                    moment(shift.starts_at),
                    moment(shift.ends_at),
                    shift.name.clone(),
                    mask(&shift.phone),
                    mask(&shift.email),
                ];
                text.push_str(&cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).join(","));
                text.push('\n');
            }
            text
        }
        (Some(edited), _) => edited.body.clone(),
        (None, _) => kind.embedded().to_owned(),
    };
    Ok((text, edited))
}

async fn shown(
    state: &DeskState,
    visitor: &Visitor,
    kind: TableKind,
    given: Option<String>,
    said: Option<(bool, String)>,
) -> Result<Response, Problem> {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let (text, edited) = text_of(state, kind).await?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let cells = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let heads = reader.headers().map(cells).unwrap_or_default();
    let rows: Vec<Vec<String>> = reader
        .records()
        .flatten()
        .take(ROWS)
        .map(|record| cells(&record))
        .collect();
    html(&TablesPage {
        shell: Shell::new(visitor, lang.pick(kind.zh(), kind.en())),
        title: lang.pick(kind.zh(), kind.en()),
        about: edited.as_ref().map_or_else(
            || t.table_shipped.to_owned(),
            |edited| put(t.table_edited, &[&edited.version, &edited.by, &stamp(edited.at)]),
        ),
        choices: TableKind::ALL
            .iter()
            .filter(|choice| choice.may_read(visitor.viewer.role))
            .map(|&choice| Choice {
                link: Link {
                    href: format!("/tables?table={choice}"),
                    word: lang.pick(choice.zh(), choice.en()).to_owned(),
                },
                here: choice == kind,
            })
            .collect(),
        heads,
        rows,
        // Masked telephones must not come back as telephones: the duty calendar is given anew.
        body: given.unwrap_or(if kind == TableKind::Duty {
            kind.embedded().to_owned()
        } else {
            text
        }),
        version: edited.map_or(0, |edited| edited.version),
        action: format!("/tables/{kind}"),
        may_change: kind.may_change(visitor.viewer.role),
        said,
    })
}

/// The table of this name, if it is this person's to read.
fn kind_of(name: &str, visitor: &Visitor) -> Result<TableKind, Problem> {
    let kind = TableKind::from_code(name).ok_or(Problem::NotFound)?;
    if kind.may_read(visitor.viewer.role) {
        Ok(kind)
    } else {
        Err(Problem::Forbidden)
    }
}

/// `GET /tables/{table}`: as CSV.
pub(crate) async fn download(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let kind = kind_of(&name, &visitor)?;
    let (text, _) = text_of(&state, kind).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{kind}.csv\""),
        ),
    ];
    Ok((headers, format!("\u{feff}{text}")).into_response())
}

/// The text of a table.
#[derive(Debug, Deserialize)]
pub(crate) struct TableForm {
    csv: String,
    version: String,
}

/// `POST /tables/{table}`.
pub(crate) async fn change(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(name): Path<String>,
    Signed(form): Signed<TableForm>,
) -> Result<Response, Problem> {
    let kind = kind_of(&name, &visitor)?;
    let version = form.version.parse().map_err(|_| Problem::BadRequest)?;
    match state
        .desk()
        .change_table(&visitor.viewer, kind, &form.csv, version)
        .await
    {
        Ok(()) => Ok(Redirect::to(&format!("/tables?table={kind}&done=1")).into_response()),
        Err(TableError::NotAllowed { .. }) => Err(Problem::Forbidden),
        Err(TableError::Store(error)) => Err(error.into()),
        Err(error) => {
            let why = put(visitor.lang.texts().table_refused, &[&error.said(visitor.lang)]);
            shown(&state, &visitor, kind, Some(form.csv), Some((true, why))).await
        }
    }
}
