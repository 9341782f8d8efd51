//! The enterprise's page on a phone: what is to be done, one warning with its clock and chart, four buttons. Leads
//! are not here, because the store gives none to a site; how far an hour is from being judged is not here either.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;
use plume_schemas::time::DAY_MS;
use serde::Deserialize;

use super::act::{back_to, done};
use super::case::{CaseQuery, Flash, Found, flash};
use super::photos::{PhotoView, photos};
use super::problems::{LIVE, due, tag, title};
use crate::accounts::Scope;
use crate::act::ActError;
use crate::case::{ActKind, MAX_ACT_TEXT_CHARS, State as CaseState};
use crate::desk::auth::{Signed, Visitor};
use crate::desk::chart::{ChartView, Zoom};
use crate::desk::problem::{Problem as Refusal, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::still::NARROW;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::badge::{Badge, Tag, tags};
use crate::desk::view::case::{CaseView, Link, Making};
use crate::desk::view::figures::{began, figures};
use crate::desk::view::number::when;
use crate::guidance::Advice;
use crate::problem::{Problem, ProblemState};
use crate::store::{CaseFilter, CaseRow, MAX_PAGE_ROWS, Order, Page, ProblemFilter};

/// Cases that end within this time are 即将到期.
const SOON_MS: i64 = DAY_MS;

/// One problem in the list.
#[derive(Clone, Debug)]
struct ProblemRow {
    href: String,
    title: String,
    tag: Tag,
    due: String,
}

/// One of the four counts of 待办.
#[derive(Clone, Debug)]
struct Count {
    number: usize,
    word: &'static str,
}

/// One case in the list.
#[derive(Clone, Debug)]
struct RowView {
    id: String,
    href: String,
    badge: Badge,
    tags: Vec<Tag>,
    what: String,
    place: String,
    facts: Vec<String>,
    clock: String,
    clock_unit: String,
    ends: Option<i64>,
    clock_word: String,
}

#[derive(Template)]
#[template(path = "phone/home.html")]
struct HomePage {
    shell: Shell,
    enterprise: String,
    flash: Option<Flash>,
    counts: Vec<Count>,
    rows: Vec<RowView>,
    problems: Vec<ProblemRow>,
    reminders: Vec<(&'static str, String)>,
    may_mark: bool,
}

#[derive(Template)]
#[template(path = "phone/list.html")]
struct ListPart {
    shell: Shell,
    rows: Vec<RowView>,
}

async fn live_rows(state: &DeskState, visitor: &Visitor) -> Result<(Vec<CaseRow>, i64), Refusal> {
    let filter = CaseFilter {
        states: CaseState::LIVE.to_vec(),
        ..CaseFilter::default()
    };
    let page = Page {
        order: Order::Gravest,
        offset: 0,
        limit: MAX_PAGE_ROWS,
    };
    let page = state.store().cases(&visitor.viewer, &filter, page).await?;
    Ok((page.rows, page.seq))
}

fn counts(state: &DeskState, rows: &[CaseRow], problems: &[Problem], t: &'static Texts) -> Vec<Count> {
    let now = state.now();
    let number = |of: &dyn Fn(&CaseRow) -> bool| rows.iter().filter(|row| of(row)).count();
    let standing = |of: ProblemState| problems.iter().filter(|problem| problem.state == of).count();
    let soon = |problem: &&Problem| {
        let waits = matches!(problem.state, ProblemState::Open | ProblemState::Returned);
        waits && problem.due_at.since(now) < SOON_MS
    };
    vec![
        Count {
            number: number(&|row| row.acknowledged.is_none()),
            word: t.todo_acknowledge,
        },
        Count {
            number: standing(ProblemState::Open),
            word: t.todo_rectify,
        },
        Count {
            number: standing(ProblemState::Returned),
            word: t.todo_returned,
        },
        Count {
            number: problems.iter().filter(soon).count(),
            word: t.todo_due,
        },
    ]
}

fn row_views(state: &DeskState, visitor: &Visitor, rows: &[CaseRow]) -> Vec<RowView> {
    let names = state.names(visitor.lang);
    let making = Making {
        visitor,
        names: &names,
        now: state.now(),
    };
    let t = visitor.lang.texts();
    rows.iter()
        .map(|row| {
            let unit = making.unit(row);
            let mut big = figures(row, &unit, making.now, t).into_iter();
            let first = big.next();
            RowView {
                id: row.id.to_string(),
                href: making.href(row),
                badge: Badge::of(row, visitor.lang),
                tags: tags(row, making.now, visitor.lang),
                what: making.title(row),
                place: names.outlet(row.outlet).full(),
                facts: vec![put(t.since_time, &[&when(began(row), making.now)])],
                clock: first.as_ref().map_or_else(String::new, |figure| figure.value.clone()),
                clock_unit: first.as_ref().map_or_else(String::new, |figure| figure.unit.clone()),
                ends: first.as_ref().and_then(|figure| figure.ends),
                clock_word: first.map_or_else(String::new, |figure| figure.label),
            }
        })
        .collect()
}

/// Whose page it is.
fn owner(state: &DeskState, visitor: &Visitor) -> String {
    match &visitor.viewer.scope {
        Scope::Enterprise(id) => state.names(visitor.lang).enterprise(*id),
        Scope::All | Scope::District(_) | Scope::Outlets(_) => visitor.viewer.name.clone(),
    }
}

/// `GET /m`.
pub(crate) async fn home(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Refusal> {
    let (rows, seq) = live_rows(&state, &visitor).await?;
    let t = visitor.lang.texts();
    let live = ProblemFilter {
        states: LIVE.to_vec(),
        ..ProblemFilter::default()
    };
    let problems = state.store().problems(&visitor.viewer, &live, 0, MAX_PAGE_ROWS).await?;
    html(&HomePage {
        shell: Shell::new(&visitor, t.todo).live(seq),
        enterprise: owner(&state, &visitor),
        may_mark: visitor.viewer.may(crate::accounts::Action::Mark),
        flash: None,
        counts: counts(&state, &rows, &problems, t),
        problems: problems
            .iter()
            .map(|problem| ProblemRow {
                href: format!("/m/problems/{}", problem.id),
                title: title(problem, visitor.lang).to_owned(),
                tag: tag(problem, &state, visitor.lang),
                due: due(problem, &state, t),
            })
            .collect(),
        rows: row_views(&state, &visitor, &rows),
        reminders: reminders(&state, &visitor).await?,
    })
}

/// Reminders of dates that are not past for long, the newest stage of each.
async fn reminders(state: &DeskState, visitor: &Visitor) -> Result<Vec<(&'static str, String)>, Refusal> {
    let (lang, since) = (visitor.lang, state.now().plus(-30 * DAY_MS));
    let mut told = std::collections::BTreeSet::new();
    let rows = state
        .store()
        .reminders(&visitor.viewer)
        .await?
        .into_iter()
        .map(|row| row.reminder);
    Ok(rows
        .filter(|reminder| reminder.due_on >= since && told.insert((reminder.kind, reminder.subject.clone())))
        .map(|reminder| {
            let kind = lang.pick(reminder.kind.zh(), reminder.kind.en());
            (kind, lang.pick(&reminder.text.0, &reminder.text.1).to_owned())
        })
        .collect())
}

/// `GET /m/parts/list`.
pub(crate) async fn list(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Refusal> {
    let (rows, _) = live_rows(&state, &visitor).await?;
    html(&ListPart {
        shell: Shell::new(&visitor, ""),
        rows: row_views(&state, &visitor, &rows),
    })
}

#[derive(Template)]
#[template(path = "phone/case.html")]
struct PhoneCasePage {
    shell: Shell,
    case: CaseView,
    chart: Option<ChartView>,
    flash: Option<Flash>,
    photos: Vec<PhotoView>,
    faults: Vec<Link>,
    guidance: Option<Advice>,
}

/// `GET /m/alerts/{id}`.
pub(crate) async fn case(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Refusal> {
    let found = Found::read(&state, &visitor, &id).await?;
    let case = found.view(&state, &visitor);
    let seq = state.store().last_change().await?;
    html(&PhoneCasePage {
        shell: Shell::new(&visitor, case.title.clone()).live(seq),
        chart: found
            .chart(&state, &visitor, Zoom::from_code(query.span.as_deref()), NARROW)
            .await,
        flash: flash(
            visitor.lang.texts(),
            query.done.as_deref(),
            &case,
            state.undo_left(&found.row, &visitor.viewer),
            &case.href,
        ),
        photos: photos(&state, &visitor, found.item()).await?,
        faults: super::faults::links(&state, &visitor, found.row.id).await?,
        guidance: found.guidance(&state, visitor.lang),
        case,
    })
}

/// A question of a form.
#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    choices: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "phone/form.html")]
struct FormPage {
    shell: Shell,
    about: String,
    action: String,
    back: String,
    fields: Vec<Field>,
    problem: Option<&'static str>,
    guidance: Option<Advice>,
    chars: usize,
}

/// What the two forms send.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Words {
    #[serde(default)]
    text: String,
    #[serde(default)]
    measures: String,
}

/// The causes to choose from.
pub(super) const fn causes(t: &'static Texts) -> [&'static str; 5] {
    [
        t.cause_process,
        t.cause_abatement,
        t.cause_start,
        t.cause_monitor,
        t.cause_other,
    ]
}

fn answer_fields(t: &'static Texts, words: &Words) -> Vec<Field> {
    vec![
        Field {
            name: "text",
            label: t.cause,
            hint: t.cause_hint,
            value: words.text.clone(),
            choices: causes(t).into(),
        },
        Field {
            name: "measures",
            label: t.measures,
            hint: t.measures_hint,
            value: words.measures.clone(),
            choices: Vec::new(),
        },
    ]
}

fn fault_fields(t: &'static Texts, words: &Words) -> Vec<Field> {
    vec![Field {
        name: "text",
        label: t.fault_what,
        hint: t.fault_hint,
        value: words.text.clone(),
        choices: Vec::new(),
    }]
}

async fn form(
    state: &DeskState,
    visitor: &Visitor,
    id: &str,
    kind: ActKind,
    words: &Words,
    problem: Option<&'static str>,
) -> Result<Response, Refusal> {
    let found = Found::read(state, visitor, id).await?;
    let case = found.view(state, visitor);
    if !case.may.answer {
        return Ok(Redirect::to(&case.href).into_response());
    }
    let t = visitor.lang.texts();
    let (title, name, fields) = match kind {
        ActKind::ReportFault => (t.report_fault, "fault", fault_fields(t, words)),
        _ => (t.cause_and_measures, "answer", answer_fields(t, words)),
    };
    html(&FormPage {
        shell: Shell::new(visitor, title),
        about: match kind {
            ActKind::ReportFault => format!("{} {}", case.place, t.fault_about),
            _ => case.say,
        },
        action: format!("{}/{name}", case.href),
        guidance: found.guidance(state, visitor.lang),
        back: case.href,
        fields,
        problem,
        chars: MAX_ACT_TEXT_CHARS,
    })
}

/// `GET /m/alerts/{id}/answer`.
pub(crate) async fn answer_form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    form(&state, &visitor, &id, ActKind::Answer, &Words::default(), None).await
}

/// `POST /m/alerts/{id}/answer`: 原因与措施.
pub(crate) async fn answer(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(words): Signed<Words>,
) -> Result<Response, Refusal> {
    let said = [words.text.as_str(), &words.measures];
    match done(&state, &visitor, &id, ActKind::Answer, said, None).await {
        Err(ActError::Empty { .. }) => {
            let problem = visitor.lang.texts().cause_missing;
            form(&state, &visitor, &id, ActKind::Answer, &words, Some(problem)).await
        }
        result => Ok(back_to(&visitor, &id, None, "answer", result)),
    }
}

/// `GET /m/alerts/{id}/fault`.
pub(crate) async fn fault_form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    form(&state, &visitor, &id, ActKind::ReportFault, &Words::default(), None).await
}

/// `POST /m/alerts/{id}/fault`: 报告设备异常.
pub(crate) async fn fault(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(words): Signed<Words>,
) -> Result<Response, Refusal> {
    let said = [words.text.as_str(), ""];
    match done(&state, &visitor, &id, ActKind::ReportFault, said, None).await {
        Err(ActError::Empty { .. }) => {
            let problem = visitor.lang.texts().text_missing;
            form(&state, &visitor, &id, ActKind::ReportFault, &words, Some(problem)).await
        }
        Ok(()) => Ok(receipt(&state, &visitor, &id).await?),
        result => Ok(back_to(&visitor, &id, None, "fault", result)),
    }
}

/// To the receipt of the report that was just made.
async fn receipt(state: &DeskState, visitor: &Visitor, id: &str) -> Result<Response, Refusal> {
    let case = ContentId::parse(id).map_err(|_| Refusal::NotFound)?;
    let newest = super::faults::links(state, visitor, case).await?.into_iter().next();
    let to = newest.map_or_else(
        || format!("/m/alerts/{id}?done=fault"),
        |link| format!("{}?done=fault", link.href),
    );
    Ok(Redirect::to(&to).into_response())
}

#[derive(Template)]
#[template(path = "phone/officer.html")]
struct OfficerPage {
    shell: Shell,
    officer: String,
    phone: String,
    action: String,
    back: String,
}

/// `GET /m/alerts/{id}/officer`: 联系片区负责人.
pub(crate) async fn officer_form(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let found = Found::read(&state, &visitor, &id).await?;
    let href = found.view(&state, &visitor).href;
    let enterprise = found.names.known(found.row.tags.enterprise);
    html(&OfficerPage {
        shell: Shell::new(&visitor, visitor.lang.texts().contact_officer),
        officer: enterprise.map_or_else(String::new, |enterprise| enterprise.officer.clone()),
        phone: enterprise.map_or_else(String::new, |enterprise| enterprise.officer_phone.clone()),
        action: format!("{href}/officer"),
        back: href,
    })
}

/// `POST /m/alerts/{id}/officer`: asks to be called.
pub(crate) async fn officer(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(_): Signed<Words>,
) -> Response {
    let result = done(&state, &visitor, &id, ActKind::ContactOfficer, [""; 2], None).await;
    back_to(&visitor, &id, None, "officer", result)
}
