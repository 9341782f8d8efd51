//! 报告设备异常: the receipt to print, the repair clock, the manual samples; and the word of gateways about messages.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::case::Flash;
use super::silences::Nothing;
use crate::Heard;
use crate::accounts::Action;
use crate::case::{Act, ActKind};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::{lasting_text, stamp, when};
use crate::fault::{FaultError, FaultReport, SAMPLE_GAP_MS, SAMPLES_A_DAY, Sample};
use crate::words::Lang;

/// Reports of a case, newest first, as links.
pub(crate) async fn links(
    state: &DeskState,
    visitor: &Visitor,
    case: plume_schemas::ids::ContentId,
) -> Result<Vec<Link>, Problem> {
    let reports = state.store().fault_reports(&visitor.viewer, Some(case)).await?;
    let link = |report: FaultReport| Link {
        href: format!("/faults/{}", report.number),
        word: report.label,
    };
    Ok(reports.into_iter().map(link).collect())
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage {
    shell: Shell,
    back: Link,
    facts: Vec<(&'static str, String)>,
    samples_about: String,
    samples: Vec<[String; 4]>,
    factors: Vec<Link>,
    action: String,
    may_enter: bool,
    flash: Option<Flash>,
}

/// What was done.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FaultQuery {
    done: Option<String>,
}

/// `GET /faults/{id}`: the receipt.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(query): Query<FaultQuery>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let flash = match query.done.as_deref() {
        Some("fault") => Some(t.done_report),
        Some("sample") => Some(t.done_sample),
        Some("repaired") => Some(t.done_repaired),
        _ => None,
    };
    shown(&state, &visitor, &number, flash.map(|word| (false, word.to_owned()))).await
}

async fn shown(
    state: &DeskState,
    visitor: &Visitor,
    number: &str,
    said: Option<(bool, String)>,
) -> Result<Response, Problem> {
    let number: i64 = number.parse().map_err(|_| Problem::NotFound)?;
    let found = state.store().fault_report(&visitor.viewer, number).await?;
    let report = found.ok_or(Problem::NotFound)?;
    let samples = state.store().samples(number).await?;
    let t = visitor.lang.texts();
    let side = if visitor.is_site() { "/m" } else { "" };
    let names = state.names(visitor.lang);
    let registry = state.desk().registry();
    let set_up = registry.outlet(report.outlet).map(|outlet| outlet.factors.as_slice());
    html(&FaultPage {
        shell: Shell::new(visitor, format!("{} {}", t.report_fault, report.label)),
        back: Link {
            href: format!("{side}/alerts/{}", report.case),
            word: t.open_case.to_owned(),
        },
        facts: facts(&report, &samples, state, visitor),
        samples_about: put(
            t.samples_about,
            &[&SAMPLES_A_DAY, &(SAMPLE_GAP_MS / plume_schemas::time::HOUR_MS)],
        ),
        samples: samples
            .iter()
            .map(|sample| {
                [
                    stamp(sample.taken_at),
                    names.factor(sample.factor),
                    format!("{} {}", sample.value, names.unit(report.outlet, sample.factor)),
                    sample.entered.name.clone(),
                ]
            })
            .collect(),
        factors: set_up
            .unwrap_or_default()
            .iter()
            .map(|setup| Link {
                href: setup.code.to_string(),
                word: names.factor(setup.code),
            })
            .collect(),
        action: format!("/faults/{number}"),
        may_enter: report.repaired.is_none() && visitor.viewer.may(Action::Act(ActKind::ReportFault)),
        flash: said.map(|(bad, word)| Flash { bad, word, undo: None }),
    })
}

fn facts(
    report: &FaultReport,
    samples: &[Sample],
    state: &DeskState,
    visitor: &Visitor,
) -> Vec<(&'static str, String)> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let names = state.names(visitor.lang);
    let clock_end = report.repaired.as_ref().map_or(now, |by| by.at);
    let clock = lasting_text(clock_end.since(report.reported.at), t);
    let mut facts = vec![
        (t.receipt_number, report.label.clone()),
        (t.time, stamp(report.reported.at)),
        (t.enterprise, names.enterprise(report.enterprise)),
        (t.outlet, names.outlet(report.outlet).full()),
        (
            t.factor,
            report.factor.map_or_else(String::new, |factor| names.factor(factor)),
        ),
        (t.fault_what, report.text.clone()),
        (t.who, report.reported.name.clone()),
        (
            t.repair_clock,
            match &report.repaired {
                None => put(t.repair_runs, &[&clock]),
                Some(by) => put(t.repair_done, &[&when(by.at, now), &by.name, &clock]),
            },
        ),
    ];
    if let Some(due) = report.next_sample_due(samples) {
        let left = due.since(now);
        let word = if left >= 0 { t.due_left } else { t.overdue_by };
        facts.push((
            t.next_sample,
            format!("{} · {word} {}", stamp(due), lasting_text(left.abs(), t)),
        ));
    }
    facts.retain(|(_, fact)| !fact.is_empty());
    facts
}

/// A sample of the form.
#[derive(Debug, Deserialize)]
pub(crate) struct SampleForm {
    factor: String,
    taken_at: String,
    value: String,
}

/// `POST /faults/{id}/samples`.
pub(crate) async fn sample(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(number): Path<String>,
    Signed(form): Signed<SampleForm>,
) -> Result<Response, Problem> {
    let id: i64 = number.parse().map_err(|_| Problem::NotFound)?;
    let words = [form.factor.as_str(), &form.taken_at, &form.value];
    let done = state.desk().enter_sample(&visitor.viewer, id, words, state.now()).await;
    answered(&state, &visitor, &number, done, "sample").await
}

/// `POST /faults/{id}/repaired`.
pub(crate) async fn repaired(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(number): Path<String>,
    Signed(Nothing {}): Signed<Nothing>,
) -> Result<Response, Problem> {
    let id: i64 = number.parse().map_err(|_| Problem::NotFound)?;
    let done = state.desk().repaired(&visitor.viewer, id, state.now()).await;
    if let Ok(report) = &done {
        let act = Act {
            kind: ActKind::Comment,
            text: put(visitor.lang.texts().repair_noted, &[&report.label]),
            measures: String::new(),
            at: state.now(),
        };
        // The repair is kept; its line in the trace is for reading, and is tried once.
        if let Err(error) = state.act(&visitor.viewer, report.case, &act, None).await {
            tracing::warn!(%error, hint = error.hint(), "a repair was not noted in the trace of its case");
        }
    }
    answered(&state, &visitor, &number, done.map(drop), "repaired").await
}

async fn answered(
    state: &DeskState,
    visitor: &Visitor,
    number: &str,
    done: Result<(), FaultError>,
    word: &str,
) -> Result<Response, Problem> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/faults/{number}?done={word}")).into_response()),
        Err(FaultError::NoSuchReport) => Err(Problem::NotFound),
        Err(FaultError::NotAllowed { .. }) => Err(Problem::Forbidden),
        Err(FaultError::Store(error)) => Err(error.into()),
        Err(error) => {
            let why = match visitor.lang {
                Lang::Zh => error.zh(),
                Lang::En => format!("{error}; {}", error.hint()),
            };
            shown(state, visitor, number, Some((true, why))).await
        }
    }
}

/// The secret of a gateway, as its address carries it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ReceiptQuery {
    #[serde(default)]
    key: String,
}

/// `POST /receipts/{name}`: a gateway says what became of a message.
pub(crate) async fn receipt(
    State(state): State<DeskState>,
    Path(name): Path<String>,
    Query(query): Query<ReceiptQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let heard = state.desk().hear_receipt(&name, &query.key, &body).await?;
    // A gateway that is told off tries again for hours: what is understood is taken, whatever it says.
    let (status, word) = match heard {
        Heard::Delivered | Heard::NotDelivered => (StatusCode::OK, "ok"),
        Heard::UnknownMessage => (StatusCode::OK, "unknown message"),
        Heard::Unreadable => (StatusCode::BAD_REQUEST, "unreadable"),
        Heard::Refused => (StatusCode::FORBIDDEN, "refused"),
    };
    Ok((status, word).into_response())
}
