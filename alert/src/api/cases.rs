//! Cases for programs.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Caller, Json, json as shape};
use crate::Desk;
use crate::accounts::Action;
use crate::case::{Act, ActKind, Family, Outcome, State as CaseState};
use crate::store::{CaseFilter, Order, Page};

/// Rows of a page where the caller does not say.
const DEFAULT_ROWS: u32 = 100;

/// Query parameters as they came.
pub(super) struct Asked(pub(super) HashMap<String, String>);

impl Asked {
    /// One parameter, read by `parse`; missing and empty are the same.
    pub(super) fn get<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        match self.0.get(name).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(text) => parse(text).map(Some).ok_or(ApiError::Parameter { name, expected }),
        }
    }

    /// Several values with commas between.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ApiError> {
        let split = |text: &str| {
            text.split(',')
                .map(|part| parse(part.trim()))
                .collect::<Option<Vec<T>>>()
        };
        Ok(self.get(name, expected, split)?.unwrap_or_default())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, ApiError> {
        self.get(name, "a whole number", |text| text.parse().ok())
    }
}

pub(super) async fn list(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json, ApiError> {
    let asked = Asked(query);
    let filter = filter(&asked)?;
    let page = Page {
        order: asked
            .get("order", "gravest, latest or by_outlet", |text| match text {
                "gravest" => Some(Order::Gravest),
                "latest" => Some(Order::Latest),
                "by_outlet" => Some(Order::ByOutlet),
                _ => None,
            })?
            .unwrap_or_default(),
        offset: asked.number("offset")?.unwrap_or(0),
        limit: asked.number("limit")?.unwrap_or(DEFAULT_ROWS),
    };
    let found = desk.store().cases(&viewer, &filter, page).await?;
    let rows: Vec<Value> = found.rows.iter().map(|row| shape::case(row, &desk)).collect();
    Ok(Json(
        json!({ "cases": rows, "total": found.total, "change": found.seq }),
    ))
}

fn filter(asked: &Asked) -> Result<CaseFilter, ApiError> {
    let text = |name| asked.get(name, "a text", |text| Some(text.to_owned()));
    let moment = |name| Ok::<_, ApiError>(asked.number::<i64>(name)?.map(Time));
    Ok(CaseFilter {
        states: asked.list(
            "state",
            "open, resolved, retracting, retracted or closed",
            CaseState::from_code,
        )?,
        families: asked.list("family", "a family such as near or exceed", Family::from_code)?,
        rule: asked.get("rule", "a rule such as NEAR_HOUR", RuleCode::from_code)?,
        severity_min: asked.get(
            "severity_min",
            "notice, attention, urgent or exceeded",
            Severity::from_code,
        )?,
        district: text("district")?,
        industry: text("industry")?,
        enterprise: asked.get("enterprise", "an enterprise's code", |text| {
            EnterpriseId::new(text).ok()
        })?,
        outlet: asked.get("outlet", "an outlet's id", |text| OutletId::new(text).ok())?,
        factor: asked.get("factor", "a factor's code", |text| FactorCode::new(text).ok())?,
        acknowledged: asked.get("acknowledged", "true or false", |text| text.parse().ok())?,
        outcome: asked.get("outcome", "an outcome such as complied", Outcome::from_code)?,
        opened_from: moment("opened_from")?,
        opened_to: moment("opened_to")?,
        ..CaseFilter::default()
    })
}

/// An id in a path; one that cannot be is one that is not there.
pub(super) fn id(text: &str) -> Result<ContentId, ApiError> {
    ContentId::parse(text).map_err(|_| ApiError::NotFound)
}

pub(super) async fn one(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(case): Path<String>,
) -> Result<Json, ApiError> {
    let row = desk
        .store()
        .case(&viewer, id(&case)?)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(shape::case(&row, &desk)))
}

pub(super) async fn trace(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(case): Path<String>,
) -> Result<Json, ApiError> {
    let rows = desk.store().trace(&viewer, id(&case)?).await?;
    if rows.is_empty() {
        return Err(ApiError::NotFound);
    }
    let rows: Vec<Value> = rows.iter().map(shape::trace).collect();
    Ok(Json(json!({ "trace": rows })))
}

pub(super) async fn notices(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(case): Path<String>,
) -> Result<Json, ApiError> {
    let case = id(&case)?;
    if !viewer.may(Action::ViewNotices) || desk.store().case(&viewer, case).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    let rows = desk.store().notices(&viewer, case).await?;
    let rows: Vec<Value> = rows.iter().map(shape::notice).collect();
    Ok(Json(json!({ "notices": rows })))
}

/// The body of an act.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActBody {
    kind: ActKind,
    version: i64,
    #[serde(default)]
    text: String,
    #[serde(default)]
    measures: String,
}

/// A body as JSON.
pub(super) fn body<T: serde::de::DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::Body(error.to_string()))
}

pub(super) async fn act(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(case): Path<String>,
    bytes: Bytes,
) -> Result<Json, ApiError> {
    let asked: ActBody = body(&bytes)?;
    let act = Act {
        kind: asked.kind,
        text: asked.text,
        measures: asked.measures,
        at: desk.now(),
    };
    let row = desk.act(&viewer, id(&case)?, &act, asked.version).await?;
    Ok(Json(shape::case(&row, &desk)))
}

pub(super) async fn counts(State(desk): State<Desk>, Caller(viewer): Caller) -> Result<Json, ApiError> {
    let counts = desk.store().counts(&viewer, desk.now()).await?;
    Ok(Json(shape::counts(&counts)))
}

pub(super) async fn changes(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json, ApiError> {
    let after = Asked(query).number("after")?.unwrap_or(0);
    let changes = desk.store().changes_since(&viewer, after).await?;
    let last = changes.last().map_or(after, |change| change.seq);
    let rows: Vec<Value> = changes.iter().map(|change| shape::case(&change.case, &desk)).collect();
    Ok(Json(json!({ "cases": rows, "change": last })))
}
