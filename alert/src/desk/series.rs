//! `GET /api/series/{id}`: the numbers of a case's chart.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};

use super::auth::Visitor;
use super::chart::Zoom;
use super::pages::case::{CaseQuery, Found};
use super::problem::Problem;
use super::state::DeskState;

/// The columns of [`super::plot::Columns`] and their words. 404 where the case is not the visitor's, or of no single
/// factor.
pub(crate) async fn get(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Problem> {
    let found = Found::read(&state, &visitor, &id).await?;
    let zoom = Zoom::from_code(query.span.as_deref());
    let hours = found.hours(&state, zoom).await;
    let charting = found.charting(&state, visitor.lang, &hours);
    let series = charting.series(state.desk(), zoom).ok_or(Problem::NotFound)?;
    Ok(Json(series).into_response())
}
