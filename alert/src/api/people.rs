//! Problems, reminders and silences for programs.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use plume_schemas::ids::{EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::{Asked, body, id};
use super::{ApiError, Caller, Json, json as shape};
use crate::Desk;
use crate::case::Family;
use crate::mute::silence::{Matcher, Silence};
use crate::problem::{ProblemState, Source, Step, Verdict};
use crate::store::ProblemFilter;

/// Rows of a page where the caller does not say.
const DEFAULT_ROWS: u32 = 100;

fn filter(asked: &Asked) -> Result<ProblemFilter, ApiError> {
    Ok(ProblemFilter {
        states: asked.list("state", "a state such as open or passed", ProblemState::from_code)?,
        source: asked.get(
            "source",
            "alert, inspection, self_check or directive",
            Source::from_code,
        )?,
        enterprise: asked.get("enterprise", "an enterprise's code", |text| {
            EnterpriseId::new(text).ok()
        })?,
        district: asked.get("district", "a text", |text| Some(text.to_owned()))?,
        ..ProblemFilter::default()
    })
}

pub(super) async fn problems(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json, ApiError> {
    let asked = Asked(query);
    let offset = asked.number("offset")?.unwrap_or(0);
    let limit = asked.number("limit")?.unwrap_or(DEFAULT_ROWS);
    let found = desk.store().problems(&viewer, &filter(&asked)?, offset, limit).await?;
    let rows: Vec<Value> = found.iter().map(shape::problem).collect();
    Ok(Json(json!({ "problems": rows })))
}

pub(super) async fn problem(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(problem): Path<String>,
) -> Result<Json, ApiError> {
    let found = desk
        .store()
        .problem(&viewer, id(&problem)?)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(shape::problem(&found)))
}

/// The body of a step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepBody {
    version: i64,
    step: StepKind,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    measures: String,
    verdict: Option<Verdict>,
    #[serde(default)]
    guidance: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StepKind {
    Submit,
    Review,
    Withdraw,
}

pub(super) async fn step(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(problem): Path<String>,
    bytes: Bytes,
) -> Result<Json, ApiError> {
    let asked: StepBody = body(&bytes)?;
    let step = match asked.step {
        StepKind::Submit => Step::Submit {
            cause: asked.cause,
            measures: asked.measures,
        },
        StepKind::Review => Step::Review {
            verdict: asked
                .verdict
                .ok_or_else(|| ApiError::Body("`verdict` is missing".into()))?,
            guidance: asked.guidance,
        },
        StepKind::Withdraw => Step::Withdraw { reason: asked.reason },
    };
    let done = desk
        .problem_step(&viewer, id(&problem)?, &step, asked.version, desk.now())
        .await?;
    Ok(Json(shape::problem(&done)))
}

pub(super) async fn rectification(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json, ApiError> {
    let counted = desk
        .store()
        .rectification(&viewer, &filter(&Asked(query))?, desk.now())
        .await?;
    Ok(Json(shape::rectification(counted)))
}

pub(super) async fn reminders(State(desk): State<Desk>, Caller(viewer): Caller) -> Result<Json, ApiError> {
    let rows = desk.store().reminders(&viewer).await?;
    let rows: Vec<Value> = rows.iter().map(shape::reminder).collect();
    Ok(Json(json!({ "reminders": rows })))
}

pub(super) async fn silences(State(desk): State<Desk>, Caller(viewer): Caller) -> Result<Json, ApiError> {
    let rows = desk.store().silences(&viewer, desk.now()).await?;
    let rows: Vec<Value> = rows.iter().map(shape::silence).collect();
    Ok(Json(json!({ "silences": rows })))
}

/// The body of a new silence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    enterprise: Option<EnterpriseId>,
    outlet: Option<OutletId>,
    factor: Option<FactorCode>,
    family: Option<Family>,
    rule: Option<RuleCode>,
    reason: String,
    starts_at: Option<i64>,
    ends_at: i64,
}

pub(super) async fn silence(State(desk): State<Desk>, Caller(viewer): Caller, bytes: Bytes) -> Result<Json, ApiError> {
    let asked: SilenceBody = body(&bytes)?;
    let matcher = Matcher {
        enterprise: asked.enterprise,
        outlet: asked.outlet,
        factor: asked.factor,
        family: asked.family,
        rule: asked.rule,
    };
    let now = desk.now();
    let starts_at = asked.starts_at.map_or(now, Time);
    let made = Silence::new(&viewer, matcher, &asked.reason, starts_at, Time(asked.ends_at), now)?;
    desk.silence(&made).await?;
    Ok(Json(shape::silence(&made)))
}

pub(super) async fn end_silence(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Path(silence): Path<String>,
) -> Result<Json, ApiError> {
    desk.store().end_silence(&viewer, id(&silence)?, desk.now()).await?;
    Ok(Json(json!({ "done": true })))
}
