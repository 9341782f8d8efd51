//! 零点、跨度检查: the checks of an outlet's analysers as they were judged, drawn, and the form and table by which
//! whoever made one writes it down.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::ids::{FactorCode, OutletId};
use serde::Deserialize;

use crate::accounts::Action;
use crate::checks::{MAX_NOTE_CHARS, from_csv, read};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::checks::{CheckedFactor, CheckedRow};
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::{fixed, when};
use crate::desk::view::sheet::{Cell, Drawn, Table, number, numbers, text, words};
use crate::entered::EntryError;
use crate::words::Lang;

/// Digits of gas values and readings.
const DIGITS: usize = 2;

#[derive(Template)]
#[template(path = "checks.html")]
struct ChecksPage {
    shell: Shell,
    home: String,
    said: Option<(bool, String)>,
    action: String,
    may_enter: bool,
    factors: Vec<Link>,
    points: Vec<Link>,
    chars: usize,
    csv: String,
    drawn: Vec<Drawn>,
    tables: Vec<Table>,
}

/// The outlet of an address, if it is this person's to see.
fn theirs(state: &DeskState, visitor: &Visitor, id: &str) -> Result<OutletId, Problem> {
    let id = OutletId::new(id).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let seen = registry.outlet(id).is_some() && state.sees(&visitor.viewer, id);
    seen.then_some(id).ok_or(Problem::NotFound)
}

/// Pictures and tables of an outlet's checks; nothing where there are none, or nobody knows.
pub(crate) async fn shown(
    state: &DeskState,
    visitor: &Visitor,
    outlet: OutletId,
    fresh: bool,
) -> (Vec<Drawn>, Vec<Table>) {
    let checked = state.checks(outlet, fresh, visitor.lang).await.unwrap_or_default();
    let (names, t) = (state.names(visitor.lang), visitor.lang.texts());
    let drawn = checked.iter().map(|factor| Drawn {
        title: put(t.checks_chart, &[&names.factor(factor.factor)]),
        svg: factor.svg.clone(),
    });
    let tables = checked.iter().flat_map(|factor| {
        [
            standing(factor, &names, t),
            list(factor, (&names, outlet, state.now()), t),
        ]
    });
    (drawn.collect(), tables.collect())
}

fn standing(checked: &CheckedFactor, names: &Names<'_>, t: &'static Texts) -> Table {
    let rows = checked.standing.iter();
    Table {
        title: put(t.checks_standing, &[&names.factor(checked.factor)]),
        note: t.checks_note.to_owned(),
        heads: vec![words(t.item), words(t.content)],
        rows: rows
            .map(|[name, value]| vec![text(name.as_str()), text(value.as_str())])
            .collect(),
        ..Table::default()
    }
}

fn list(
    checked: &CheckedFactor,
    (names, outlet, now): (&Names<'_>, OutletId, plume_schemas::time::Time),
    t: &'static Texts,
) -> Table {
    let value =
        |value: Option<f64>| -> Cell { number(value.map_or_else(|| t.dash.to_owned(), |value| fixed(value, DIGITS))) };
    let row = |one: &CheckedRow| {
        vec![
            text(when(one.at, now)),
            text(one.point.as_str()),
            value(one.gas),
            value(one.before),
            value(one.after),
            text(one.adjusted.as_str()),
            value(one.drift_pct).class(if one.is_over { "num over" } else { "num" }),
            text(one.standing.as_str()),
            text(one.finding.as_str()),
            text(one.left.as_str()),
            text(one.source.as_str()).class("quiet"),
        ]
    };
    Table {
        title: put(t.checks_list, &[&names.factor(checked.factor)]),
        note: names.unit(outlet, checked.factor),
        heads: vec![
            words(t.time),
            words(t.check_point),
            numbers(t.check_gas),
            numbers(t.check_before),
            numbers(t.check_after),
            words(t.check_adjusted),
            numbers(t.check_drift),
            words(t.check_standing),
            words(t.check_qal3),
            words(t.check_left),
            words(t.source),
        ],
        rows: checked.rows.iter().map(row).collect(),
        ..Table::default()
    }
}

async fn page(
    state: &DeskState,
    visitor: &Visitor,
    outlet: OutletId,
    (said, csv): (Option<(bool, String)>, String),
) -> Result<Response, Problem> {
    let lang = visitor.lang;
    let (drawn, tables) = shown(state, visitor, outlet, true).await;
    let names = state.names(lang);
    let title = put(lang.texts().checks_of, &[&names.outlet(outlet).full()]);
    let registry = state.desk().registry();
    let setups = registry.outlet(outlet).map(|outlet| outlet.factors.as_slice());
    let factor = |code: FactorCode| Link {
        word: format!("{} {}", names.factor(code), names.unit(outlet, code)),
        href: code.to_string(),
    };
    html(&ChecksPage {
        shell: Shell::new(visitor, title),
        home: if visitor.is_site() {
            "/m".to_owned()
        } else {
            format!("/outlets/{outlet}")
        },
        said,
        action: format!("/outlets/{outlet}/checks"),
        may_enter: visitor.viewer.may(Action::EnterChecks),
        factors: setups
            .unwrap_or_default()
            .iter()
            .map(|setup| factor(setup.code))
            .collect(),
        points: CheckPoint::ALL
            .iter()
            .map(|point| Link {
                word: lang.pick(point.zh(), point.en()).to_owned(),
                href: point.code().to_owned(),
            })
            .collect(),
        chars: MAX_NOTE_CHARS,
        csv,
        drawn,
        tables,
    })
}

/// `GET /outlets/{id}/checks`.
pub(crate) async fn form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let outlet = theirs(&state, &visitor, &id)?;
    page(&state, &visitor, outlet, (None, String::new())).await
}

/// One check.
#[derive(Debug, Deserialize)]
pub(crate) struct CheckForm {
    time: String,
    factor: String,
    point: String,
    gas: String,
    before: String,
    #[serde(default)]
    after: String,
    #[serde(default)]
    adjusted: String,
    #[serde(default)]
    note: String,
}

/// `POST /outlets/{id}/checks`.
pub(crate) async fn add(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(form): Signed<CheckForm>,
) -> Result<Response, Problem> {
    let outlet = theirs(&state, &visitor, &id)?;
    let words = [
        form.time.as_str(),
        outlet.as_str(),
        &form.factor,
        &form.point,
        &form.gas,
        &form.before,
        &form.after,
        &form.adjusted,
        &form.note,
    ];
    let has = |id, factor| id == outlet && has(&state, id, factor);
    let read = read((0, CheckSource::Form), words, &visitor.viewer, state.now(), has);
    record(&state, &visitor, outlet, (read.map(|check| vec![check]), String::new())).await
}

/// A table of checks.
#[derive(Debug, Deserialize)]
pub(crate) struct CheckTable {
    csv: String,
}

/// `POST /outlets/{id}/checks/import`.
pub(crate) async fn import(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(table): Signed<CheckTable>,
) -> Result<Response, Problem> {
    let outlet = theirs(&state, &visitor, &id)?;
    let has = |id, factor| state.sees(&visitor.viewer, id) && has(&state, id, factor);
    let read = from_csv(&table.csv, &visitor.viewer, state.now(), has);
    record(&state, &visitor, outlet, (read, table.csv)).await
}

/// True where the registry has the outlet, and the factor where one is asked for.
fn has(state: &DeskState, outlet: OutletId, factor: Option<FactorCode>) -> bool {
    let registry = state.desk().registry();
    match factor {
        None => registry.outlet(outlet).is_some(),
        Some(factor) => registry.factor(outlet, factor).is_some(),
    }
}

async fn record(
    state: &DeskState,
    visitor: &Visitor,
    outlet: OutletId,
    (checks, csv): (Result<Vec<Check>, EntryError>, String),
) -> Result<Response, Problem> {
    let done = match checks {
        Ok(checks) => state.record_checks(&visitor.viewer, checks).await,
        Err(error) => Err(error),
    };
    let said = match done {
        Ok(count) => (
            Some((false, put(visitor.lang.texts().checks_done, &[&count]))),
            String::new(),
        ),
        Err(EntryError::NotAllowed { .. }) => return Err(Problem::Forbidden),
        Err(error) => {
            let word = match visitor.lang {
                Lang::Zh => error.zh(),
                Lang::En => format!("{error}; {}", error.hint()),
            };
            (Some((true, word)), csv)
        }
    };
    page(state, visitor, outlet, said).await
}
