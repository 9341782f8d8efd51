//! Files of a registry, brought by a browser: read as text, checked as `plume check` does it, kept as a draft.

use askama::Template;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::registry::RowKind;

use super::why_not;
use crate::desk::auth::Visitor;
use crate::desk::limits::{REGISTRY_BYTES, REGISTRY_FILES};
use crate::desk::problem::{Problem, html};
use crate::desk::registry::{Fault, RegistryError, RegistryFile};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;

/// Faults shown; whoever has more has brought another kind of file.
const SHOWN_FAULTS: usize = 200;
/// Longest name of a file kept.
const NAME_CHARS: usize = 80;

#[derive(Template)]
#[template(path = "registry_import.html")]
struct ImportPage {
    shell: Shell,
    about: String,
    sheets: Vec<Link>,
    said: Option<String>,
    faults: Vec<Fault>,
    shown: String,
}

/// `GET /registry/import`.
pub(crate) async fn import_form(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    page(&state, &visitor, None, Vec::new())
}

fn page(
    state: &DeskState,
    visitor: &Visitor,
    said: Option<String>,
    mut faults: Vec<Fault>,
) -> Result<Response, Problem> {
    let (t, lang) = (visitor.lang.texts(), visitor.lang);
    let total = faults.len();
    faults.truncate(SHOWN_FAULTS);
    let sheet = |kind: &RowKind| Link {
        href: format!("/registry/sheets/{}", kind.file()),
        word: format!("{} {}", lang.pick(kind.zh(), kind.en()), kind.file()),
    };
    html(&ImportPage {
        shell: Shell::new(visitor, t.registry_import),
        about: put(t.revision_is, &[&state.desk().registry().registry().revision]),
        sheets: RowKind::ALL.iter().map(sheet).collect(),
        said,
        shown: if faults.len() < total {
            put(t.shown_of, &[&faults.len(), &total])
        } else {
            String::new()
        },
        faults,
    })
}

/// `POST /registry/upload`: what is wrong with it, line by line, or the draft it makes.
pub(crate) async fn upload(
    State(state): State<DeskState>,
    visitor: Visitor,
    form: Multipart,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let files = match taken(&visitor, form).await? {
        Ok(files) if files.is_empty() => {
            return page(&state, &visitor, Some(t.registry_no_file.to_owned()), Vec::new());
        }
        Ok(files) => files,
        Err(faults) => return refused(&state, &visitor, RegistryError::Faults { faults }),
    };
    match state.draft_of_files(&visitor.viewer, files).await {
        Ok(draft) => Ok(Redirect::to(&format!("/registry/drafts/{}", draft.id)).into_response()),
        Err(error) => refused(&state, &visitor, error),
    }
}

fn refused(state: &DeskState, visitor: &Visitor, error: RegistryError) -> Result<Response, Problem> {
    let said = why_not(&error, visitor.lang.texts());
    let faults = match error {
        RegistryError::Faults { faults } => faults,
        RegistryError::Store(error) => return Err(error.into()),
        other => {
            tracing::info!(error = %other, hint = other.hint(), "files of a registry make no draft");
            Vec::new()
        }
    };
    let page = page(state, visitor, Some(said), faults)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The files of a form, or those that are no text. The token comes first, as in every form of ours.
async fn taken(visitor: &Visitor, mut form: Multipart) -> Result<Result<Vec<RegistryFile>, Vec<Fault>>, Problem> {
    let t = visitor.lang.texts();
    let (mut files, mut faults, mut signed) = (Vec::new(), Vec::new(), false);
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error, t))? {
        if field.name() == Some("csrf") {
            signed = field.text().await.map_err(|error| unreadable(&error, t))? == visitor.csrf;
            continue;
        }
        if !signed {
            return Err(Problem::Forbidden);
        }
        let (name, content) = file(field, t).await?;
        if name.is_empty() && content.is_empty() {
            continue;
        }
        if files.len() + faults.len() >= REGISTRY_FILES {
            return Err(Problem::Refused(put(t.registry_many, &[&REGISTRY_FILES])));
        }
        match text_of(&name, content, t) {
            Ok(file) => files.push(file),
            Err(fault) => faults.push(fault),
        }
    }
    if !signed {
        return Err(Problem::Forbidden);
    }
    Ok(if faults.is_empty() { Ok(files) } else { Err(faults) })
}

async fn file(field: Field<'_>, t: &'static Texts) -> Result<(String, Vec<u8>), Problem> {
    let name = field.file_name().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
    let content = field.bytes().await.map_err(|error| unreadable(&error, t))?;
    Ok((name, content.to_vec()))
}

fn unreadable(error: &MultipartError, t: &'static Texts) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::Refused(put(t.registry_large, &[&(REGISTRY_BYTES >> 20)]));
    }
    Problem::BadRequest
}

/// The text of a file. Spreadsheets save CSV in the code page of their country unless told otherwise, and people bring
/// the workbook itself.
fn text_of(name: &str, content: Vec<u8>, t: &'static Texts) -> Result<RegistryFile, Fault> {
    let fault = |line: Option<usize>, message: &str, hint: &str| Fault {
        file: name.to_owned(),
        line,
        is_warning: false,
        message: message.to_owned(),
        hint: hint.to_owned(),
    };
    match content.as_slice() {
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            return Err(fault(None, t.registry_workbook, t.registry_save_as));
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(fault(Some(1), t.registry_utf16, t.registry_save_as)),
        _ => {}
    }
    match String::from_utf8(content) {
        Ok(text) if !text.contains('\0') => Ok(RegistryFile {
            name: name.to_owned(),
            text,
        }),
        Ok(_) => Err(fault(None, t.registry_no_text, t.registry_save_as)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..good).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            Err(fault(Some(line), t.registry_gbk, t.registry_save_as))
        }
    }
}
