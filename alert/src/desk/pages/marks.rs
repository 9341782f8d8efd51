//! 人工标记: the form and the table by which a person says what data were.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use plume_schemas::entry::MarkKind;
use serde::Deserialize;

use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::case::Link;
use crate::entered::EntryError;
use crate::marks::{MAX_NOTE_CHARS, from_csv, read};
use crate::words::Lang;

#[derive(Template)]
#[template(path = "marks.html")]
struct MarksPage {
    shell: Shell,
    home: &'static str,
    said: Option<(bool, String)>,
    outlets: Vec<Link>,
    kinds: Vec<Link>,
    chars: usize,
    csv: String,
}

fn page(state: &DeskState, visitor: &Visitor, said: Option<(bool, String)>, csv: String) -> Result<Response, Problem> {
    let lang = visitor.lang;
    let names = state.names(lang);
    let registry = state.desk().registry();
    let outlets = registry.registry().outlets.iter();
    html(&MarksPage {
        shell: Shell::new(visitor, lang.texts().marks),
        home: if visitor.is_site() { "/m" } else { "/" },
        said,
        outlets: outlets
            .filter(|outlet| state.sees(&visitor.viewer, outlet.id))
            .map(|outlet| Link {
                word: format!(
                    "{} {}",
                    names.enterprise(outlet.enterprise),
                    names.outlet(outlet.id).full()
                ),
                href: outlet.id.to_string(),
            })
            .collect(),
        kinds: MarkKind::ALL
            .iter()
            .map(|kind| Link {
                word: lang.pick(kind.zh(), kind.en()).to_owned(),
                href: kind.code().to_owned(),
            })
            .collect(),
        chars: MAX_NOTE_CHARS,
        csv,
    })
}

/// `GET /marks`.
pub(crate) async fn form(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    page(&state, &visitor, None, String::new())
}

/// One mark.
#[derive(Debug, Deserialize)]
pub(crate) struct MarkForm {
    outlet: String,
    #[serde(default)]
    factor: String,
    start: String,
    end: String,
    kind: String,
    note: String,
}

/// `POST /marks`.
pub(crate) async fn add(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(form): Signed<MarkForm>,
) -> Result<Response, Problem> {
    let words = [
        form.outlet.as_str(),
        &form.factor,
        &form.start,
        &form.end,
        &form.kind,
        &form.note,
    ];
    let viewer = &visitor.viewer;
    let read = read(1, words, viewer, state.now(), |outlet| state.sees(viewer, outlet));
    record(&state, &visitor, read.map(|mark| vec![mark]), String::new()).await
}

/// A table of marks.
#[derive(Debug, Deserialize)]
pub(crate) struct MarkTable {
    csv: String,
}

/// `POST /marks/import`.
pub(crate) async fn import(
    State(state): State<DeskState>,
    visitor: Visitor,
    Signed(table): Signed<MarkTable>,
) -> Result<Response, Problem> {
    let viewer = &visitor.viewer;
    let read = from_csv(&table.csv, viewer, state.now(), |outlet| state.sees(viewer, outlet));
    record(&state, &visitor, read, table.csv).await
}

async fn record(
    state: &DeskState,
    visitor: &Visitor,
    marks: Result<Vec<plume_schemas::entry::Mark>, EntryError>,
    csv: String,
) -> Result<Response, Problem> {
    let done = match marks {
        Ok(marks) => state.record_marks(&visitor.viewer, marks).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(count) => {
            let word = put(visitor.lang.texts().marks_done, &[&count]);
            page(state, visitor, Some((false, word)), String::new())
        }
        Err(EntryError::NotAllowed { .. }) => Err(Problem::Forbidden),
        Err(error) => {
            let word = match visitor.lang {
                Lang::Zh => error.zh(),
                Lang::En => format!("{error}; {}", error.hint()),
            };
            page(state, visitor, Some((true, word)), csv)
        }
    }
}
