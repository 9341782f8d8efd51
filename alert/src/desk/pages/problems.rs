//! 整改: problems with their rounds, for the enterprise to answer on its phone and for the bureau to review from its
//! desk.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::ContentId;
use plume_schemas::rule::RuleCode;
use serde::Deserialize;

use super::case::{CaseQuery, Flash, Found};
use super::phone::causes;
use super::photos::{PhotoView, photos};
use crate::case::MAX_ACT_TEXT_CHARS;
use crate::desk::auth::{Signed, Visitor};
use crate::desk::chart::{ChartView, Zoom};
use crate::desk::names::Names;
use crate::desk::problem::{Problem as Refusal, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::still::WIDE;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::badge::Tag;
use crate::desk::view::case::Link;
use crate::desk::view::number::{fixed, lasting_text, when};
use crate::desk::view::sheet::{Cell, Number, Sheet, Table, link, text, words};
use crate::problem::{Problem, ProblemError, ProblemState, Step, Verdict};
use crate::store::{Item, ItemKind, ProblemFilter};
use crate::words::Lang;

/// Problems on one page; the ones due first.
const SHOWN: u32 = 200;
/// States that still wait for somebody.
pub(super) const LIVE: [ProblemState; 4] = [
    ProblemState::Open,
    ProblemState::Returned,
    ProblemState::Submitted,
    ProblemState::OnSite,
];

/// One round, as shown.
#[derive(Clone, Debug)]
struct RoundView {
    heading: String,
    cause: String,
    measures: String,
    review: String,
    guidance: String,
}

/// A problem on its page.
#[derive(Clone, Debug)]
struct ProblemView {
    href: String,
    version: i64,
    title: String,
    tag: Tag,
    facts: Vec<(&'static str, String)>,
    case: Option<Link>,
    rounds: Vec<RoundView>,
}

/// What a problem is called. That of an alert bears the name of its rule, which is said in the reader's language; what
/// a person found is called as they wrote it.
pub(super) fn title(problem: &Problem, lang: Lang) -> &str {
    let rule = RuleCode::ALL.iter().find(|rule| rule.zh() == problem.title);
    let rule = rule.filter(|_| problem.case.is_some());
    rule.map_or(&problem.title, |rule| lang.pick(rule.zh(), rule.en()))
}

/// How a problem stands, as a tag.
pub(super) fn tag(problem: &Problem, state: &DeskState, lang: Lang) -> Tag {
    let now = state.now();
    let late = problem.is_overdue(now) || problem.review_is_overdue(now);
    let class = match problem.state {
        _ if late => "late",
        ProblemState::Passed => "good",
        ProblemState::Open | ProblemState::Returned => "todo",
        ProblemState::Submitted | ProblemState::OnSite | ProblemState::Withdrawn => "",
    };
    Tag {
        class,
        word: lang.pick(problem.state.zh(), problem.state.en()).to_owned(),
    }
}

/// Time left for whoever has to act, or by how much they are late.
pub(super) fn due(problem: &Problem, state: &DeskState, t: &Texts) -> String {
    let at = match problem.state {
        ProblemState::Open | ProblemState::Returned => problem.due_at,
        ProblemState::Submitted | ProblemState::OnSite => match problem.rounds.last() {
            Some(round) => round.review_due_at,
            None => return String::new(),
        },
        ProblemState::Passed | ProblemState::Withdrawn => return String::new(),
    };
    let left = at.since(state.now());
    let word = if left >= 0 { t.due_left } else { t.overdue_by };
    format!("{word} {}", lasting_text(left.abs(), t))
}

fn side(visitor: &Visitor) -> &'static str {
    if visitor.is_site() { "/m" } else { "" }
}

impl ProblemView {
    fn of(problem: &Problem, state: &DeskState, visitor: &Visitor) -> Self {
        let (lang, t, now) = (visitor.lang, visitor.lang.texts(), state.now());
        let names = state.names(lang);
        let facts = [
            (t.enterprise, names.enterprise(problem.enterprise)),
            (
                t.outlet,
                problem.outlet.map_or_else(String::new, |id| names.outlet(id).full()),
            ),
            (t.source, lang.pick(problem.source.zh(), problem.source.en()).to_owned()),
            (t.found, when(problem.found_at, now)),
            (t.deadline, due(problem, state, t)),
        ];
        Self {
            href: format!("{}/problems/{}", side(visitor), problem.id),
            version: problem.version,
            title: title(problem, lang).to_owned(),
            tag: tag(problem, state, lang),
            facts: facts.into_iter().filter(|(_, fact)| !fact.is_empty()).collect(),
            case: problem.case.map(|case| Link {
                href: format!("{}/alerts/{case}", side(visitor)),
                word: t.open_case.to_owned(),
            }),
            rounds: problem
                .rounds
                .iter()
                .enumerate()
                .rev()
                .map(|(at, round)| {
                    let review = round.review.as_ref();
                    RoundView {
                        heading: put(
                            t.round_is,
                            &[&(at + 1), &when(round.submitted_at, now), &round.submitted_by],
                        ),
                        cause: round.cause.clone(),
                        measures: round.measures.clone(),
                        review: review.map_or_else(
                            || put(t.review_until, &[&when(round.review_due_at, now)]),
                            |review| {
                                let verdict = lang.pick(review.verdict.zh(), review.verdict.en());
                                put(t.reviewed_is, &[&verdict, &when(review.at, now), &review.by])
                            },
                        ),
                        guidance: review.map_or_else(String::new, |review| review.guidance.clone()),
                    }
                })
                .collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "rectify.html")]
struct OfficePage {
    shell: Shell,
    problem: ProblemView,
    may_review: bool,
    charts: Vec<(&'static str, ChartView)>,
    photos: Vec<PhotoView>,
    flash: Option<Flash>,
    chars: usize,
}

#[derive(Template)]
#[template(path = "phone/rectify.html")]
struct PhonePage {
    shell: Shell,
    problem: ProblemView,
    may_submit: bool,
    causes: [&'static str; 5],
    photos: Vec<PhotoView>,
    flash: Option<Flash>,
    chars: usize,
}

/// Photos of a problem, and of the case it came from.
async fn photos_of(state: &DeskState, visitor: &Visitor, problem: &Problem) -> Result<Vec<PhotoView>, Refusal> {
    let own = Item {
        kind: ItemKind::Problem,
        id: problem.id,
    };
    let mut shown = photos(state, visitor, own).await?;
    if let Some(id) = problem.case {
        let item = Item {
            kind: ItemKind::Case,
            id,
        };
        shown.extend(photos(state, visitor, item).await?);
    }
    Ok(shown)
}

/// The data before and after, beside the photos: the window that was judged, and the last day.
async fn charts_of(
    state: &DeskState,
    visitor: &Visitor,
    problem: &Problem,
) -> Result<Vec<(&'static str, ChartView)>, Refusal> {
    let Some(case) = problem.case else {
        return Ok(Vec::new());
    };
    let found = Found::read(state, visitor, &case.to_string()).await?;
    let t = visitor.lang.texts();
    let shown = [(t.data_before, Zoom::Window), (t.data_after, Zoom::After)];
    let mut charts = Vec::new();
    for (word, zoom) in shown {
        charts.extend(found.chart(state, visitor, zoom, WIDE).await.map(|chart| (word, chart)));
    }
    Ok(charts)
}

async fn read(state: &DeskState, visitor: &Visitor, id: &str) -> Result<Problem, Refusal> {
    let id = ContentId::parse(id).map_err(|_| Refusal::NotFound)?;
    let found = state.store().problem(&visitor.viewer, id).await?;
    found.ok_or(Refusal::NotFound)
}

fn said(done: Option<&str>, t: &Texts) -> Option<Flash> {
    let word = match done? {
        "review" => t.done_review,
        "submit" => t.done_submit,
        "photo" => t.done_photo,
        _ => return None,
    };
    Some(Flash {
        bad: false,
        word: word.to_owned(),
        undo: None,
    })
}

/// `GET /problems`.
pub(crate) async fn list(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Refusal> {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let names = state.names(lang);
    let all = ProblemFilter::default();
    let rate = state.store().rectification(&visitor.viewer, &all, state.now()).await?;
    let live = ProblemFilter {
        states: LIVE.to_vec(),
        ..ProblemFilter::default()
    };
    let problems = state.store().problems(&visitor.viewer, &live, 0, SHOWN).await?;
    let rows = problems.iter().map(|problem| row(problem, &state, &names, lang));
    let figure = |label: &str, value: Number, unit: &str| crate::desk::view::figures::Figure {
        value: value.0,
        unit: unit.to_owned(),
        label: label.to_owned(),
        note: String::new(),
        first: false,
        ends: None,
    };
    let share = rate.rate_pct().map_or_else(|| t.dash.to_owned(), |pct| fixed(pct, 1));
    let sheet = Sheet {
        title: t.rectification.to_owned(),
        figures: vec![
            figure(t.rectification_rate, share.into(), "%"),
            figure(t.problems_found, rate.found.into(), ""),
            figure(t.problems_passed, rate.passed.into(), ""),
            figure(t.enterprise_overdue, rate.overdue.into(), ""),
            figure(t.review_overdue, rate.review_overdue.into(), ""),
        ],
        tables: vec![Table {
            title: t.live_problems.to_owned(),
            note: String::new(),
            heads: [t.what, t.enterprise, t.outlet, t.source, t.state, t.deadline]
                .map(words)
                .into(),
            rows: rows.collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

fn row(problem: &Problem, state: &DeskState, names: &Names<'_>, lang: Lang) -> Vec<Cell> {
    let tag = tag(problem, state, lang);
    vec![
        link(title(problem, lang), format!("/problems/{}", problem.id)),
        text(names.enterprise(problem.enterprise)),
        text(problem.outlet.map_or_else(String::new, |id| names.outlet(id).full())),
        text(lang.pick(problem.source.zh(), problem.source.en())).class("quiet"),
        text(tag.word).class(if tag.class == "late" { "over" } else { "" }),
        text(due(problem, state, lang.texts())),
    ]
}

/// `GET /problems/{id}`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Refusal> {
    let problem = read(&state, &visitor, &id).await?;
    let waits = matches!(problem.state, ProblemState::Submitted | ProblemState::OnSite);
    html(&OfficePage {
        shell: Shell::new(&visitor, title(&problem, visitor.lang)),
        may_review: waits && crate::mute::silence::may_silence(visitor.viewer.role),
        charts: charts_of(&state, &visitor, &problem).await?,
        photos: photos_of(&state, &visitor, &problem).await?,
        flash: said(query.done.as_deref(), visitor.lang.texts()),
        problem: ProblemView::of(&problem, &state, &visitor),
        chars: MAX_ACT_TEXT_CHARS,
    })
}

/// `GET /m/problems/{id}`.
pub(crate) async fn phone_page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Refusal> {
    let problem = read(&state, &visitor, &id).await?;
    let t = visitor.lang.texts();
    let waits = matches!(problem.state, ProblemState::Open | ProblemState::Returned);
    html(&PhonePage {
        shell: Shell::new(&visitor, title(&problem, visitor.lang)),
        may_submit: waits && visitor.viewer.role == crate::accounts::Role::Enterprise,
        causes: causes(t),
        photos: photos_of(&state, &visitor, &problem).await?,
        flash: said(query.done.as_deref(), t),
        problem: ProblemView::of(&problem, &state, &visitor),
        chars: MAX_ACT_TEXT_CHARS,
    })
}

/// The form of a review.
#[derive(Debug, Deserialize)]
pub(crate) struct ReviewForm {
    version: String,
    verdict: String,
    #[serde(default)]
    guidance: String,
}

/// `POST /problems/{id}/review`: 复核通过, 退回补充 or 转现场核查.
pub(crate) async fn review(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(form): Signed<ReviewForm>,
) -> Result<Response, Refusal> {
    let verdict = Verdict::from_code(&form.verdict).ok_or(Refusal::BadRequest)?;
    let step = Step::Review {
        verdict,
        guidance: form.guidance,
    };
    take(&state, &visitor, &id, &step, &form.version, "review").await
}

/// The form of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct SubmitForm {
    version: String,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    measures: String,
}

/// `POST /m/problems/{id}/submit`: another round.
pub(crate) async fn submit(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Signed(form): Signed<SubmitForm>,
) -> Result<Response, Refusal> {
    let step = Step::Submit {
        cause: form.cause,
        measures: form.measures,
    };
    take(&state, &visitor, &id, &step, &form.version, "submit").await
}

/// Takes the step on the version the person saw, and leads back to the problem.
async fn take(
    state: &DeskState,
    visitor: &Visitor,
    id: &str,
    step: &Step,
    version: &str,
    done: &str,
) -> Result<Response, Refusal> {
    let id = ContentId::parse(id).map_err(|_| Refusal::NotFound)?;
    let version = version.parse().map_err(|_| Refusal::BadRequest)?;
    let taken = state
        .desk()
        .problem_step(&visitor.viewer, id, step, version, state.now())
        .await;
    match taken {
        Ok(_) => Ok(Redirect::to(&format!("{}/problems/{id}?done={done}", side(visitor))).into_response()),
        Err(ProblemError::NoSuchProblem) => Err(Refusal::NotFound),
        Err(ProblemError::NotAllowed { .. }) => Err(Refusal::Forbidden),
        Err(ProblemError::Store(error)) => Err(error.into()),
        Err(refused) => Err(Refusal::Refused(why(&refused, visitor.lang))),
    }
}

fn why(refused: &ProblemError, lang: Lang) -> String {
    let t = lang.texts();
    match refused {
        ProblemError::Changed { .. } => t.problem_changed.to_owned(),
        ProblemError::Empty { field: "guidance" } => t.guidance_missing.to_owned(),
        ProblemError::Empty { .. } => t.cause_missing.to_owned(),
        ProblemError::TooLong { .. } => put(t.too_long, &[&MAX_ACT_TEXT_CHARS]),
        ProblemError::WrongState { state } => put(t.problem_is, &[&lang.pick(state.zh(), state.en())]),
        other => format!("{other}; {}", other.hint()),
    }
}
