//! Photos: sent from a phone beside an answer, looked at by whoever may see what they belong to.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;

use crate::case::{Act, ActKind};
use crate::desk::auth::Visitor;
use crate::desk::limits::PHOTO_BYTES;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::number::when;
use crate::store::{Item, ItemKind, MAX_FILES, NewFile};

/// Longest name kept; cameras name their pictures in a dozen letters.
const NAME_CHARS: usize = 80;

/// A photo, as shown.
#[derive(Clone, Debug)]
pub(crate) struct PhotoView {
    /// Where it is.
    pub(crate) href: String,
    /// What it is called, by whom and when it was sent.
    pub(crate) alt: String,
}

/// The photos of an item.
pub(crate) async fn photos(state: &DeskState, visitor: &Visitor, item: Item) -> Result<Vec<PhotoView>, Problem> {
    let now = state.now();
    let files = state.store().files(&visitor.viewer, item).await?;
    let view = |file: crate::store::FileRow| PhotoView {
        href: format!("/files/{}", file.id),
        alt: format!("{} · {} · {}", file.name, file.by, when(file.at, now)),
    };
    Ok(files.into_iter().map(view).collect())
}

/// `GET /files/{id}`.
pub(crate) async fn get(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    let found = state.store().file(&visitor.viewer, id).await?;
    let (media_type, content) = found.ok_or(Problem::NotFound)?;
    // What an id stands for never changes; whether one may see it does.
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::CONTENT_DISPOSITION, "inline".to_owned()),
    ];
    Ok((headers, content).into_response())
}

/// `POST /m/alerts/{id}/photos`.
pub(crate) async fn add_to_case(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Multipart,
) -> Result<Response, Problem> {
    let case = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    let known = state.store().case(&visitor.viewer, case).await?;
    known.ok_or(Problem::NotFound)?;
    let item = Item {
        kind: ItemKind::Case,
        id: case,
    };
    let names = add(&state, &visitor, item, form).await?;
    let act = Act {
        kind: ActKind::Comment,
        text: put(visitor.lang.texts().photo_note, &[&names]),
        measures: String::new(),
        at: state.now(),
    };
    let noted = state.act(&visitor.viewer, case, &act, None).await;
    Ok(super::act::back_to(&visitor, &id, None, "photo", noted))
}

/// `POST /m/problems/{id}/photos`.
pub(crate) async fn add_to_problem(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Multipart,
) -> Result<Response, Problem> {
    let problem = ContentId::parse(&id).map_err(|_| Problem::NotFound)?;
    let known = state.store().problem(&visitor.viewer, problem).await?;
    known.ok_or(Problem::NotFound)?;
    let item = Item {
        kind: ItemKind::Problem,
        id: problem,
    };
    add(&state, &visitor, item, form).await?;
    Ok(Redirect::to(&format!("/m/problems/{id}?done=photo")).into_response())
}

/// Keeps every photo of a form; gives their names. The token of the form comes first, as in every form of ours.
async fn add(state: &DeskState, visitor: &Visitor, item: Item, mut form: Multipart) -> Result<String, Problem> {
    let t = visitor.lang.texts();
    let mut signed = false;
    let mut names = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error, visitor))? {
        if field.name() == Some("csrf") {
            let given = field.text().await.map_err(|error| unreadable(&error, visitor))?;
            signed = given == visitor.csrf;
            continue;
        }
        if !signed {
            return Err(Problem::Forbidden);
        }
        if let Some(file) = photo(field, visitor).await? {
            let name = file.name.clone();
            if !state.store().add_file(&visitor.viewer, item, file, state.now()).await? {
                return Err(Problem::Refused(put(t.photo_many, &[&MAX_FILES])));
            }
            names.push(name);
        }
    }
    if !signed {
        return Err(Problem::Forbidden);
    }
    if names.is_empty() {
        return Err(Problem::Refused(t.photo_none.to_owned()));
    }
    Ok(names.join("、"))
}

/// A photo of the form; nothing where the person chose none.
async fn photo(field: Field<'_>, visitor: &Visitor) -> Result<Option<NewFile>, Problem> {
    let given = field.file_name().unwrap_or_default().to_owned();
    let content = field.bytes().await.map_err(|error| unreadable(&error, visitor))?;
    if content.is_empty() {
        return Ok(None);
    }
    let t = visitor.lang.texts();
    let media_type = media_type(&content).ok_or_else(|| Problem::Refused(t.photo_kind.to_owned()))?;
    let name: String = given.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
    Ok(Some(NewFile {
        name: if name.is_empty() { t.photo.to_owned() } else { name },
        media_type,
        content: content.to_vec(),
    }))
}

fn unreadable(error: &MultipartError, visitor: &Visitor) -> Problem {
    if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::Refused(put(visitor.lang.texts().photo_large, &[&(PHOTO_BYTES >> 20)]));
    }
    Problem::BadRequest
}

/// What a picture is by its first bytes; its name and the browser prove nothing. SVG runs scripts and is none.
fn media_type(content: &[u8]) -> Option<&'static str> {
    match content {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_bytes() {
        assert_eq!(media_type(b"\xff\xd8\xff\xe0JFIF"), Some("image/jpeg"));
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(media_type(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        for other in [&b"<svg onload=alert(1)>"[..], b"GIF89a", b"%PDF-1.7", b"", b"\xff\xd8"] {
            assert_eq!(media_type(other), None, "{other:?}");
        }
    }
}
