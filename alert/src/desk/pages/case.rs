//! 预警: one case on one screen, and its summary beside the list.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use plume_schemas::ids::ContentId;
use serde::Deserialize;

use super::photos::{PhotoView, photos};
use crate::accounts::Action;
use crate::case::{ActKind, MAX_ACT_TEXT_CHARS};
use crate::desk::auth::Visitor;
use crate::desk::chart::{ChartView, Charting, Zoom};
use crate::desk::history::HourValue;
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::still::{Size, WIDE};
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::{CaseView, Link, Making};
use crate::desk::view::number::when;
use crate::guidance::Advice;
use crate::store::{CaseFilter, CaseRow, Item, ItemKind, Order, Page, TraceRow};
use crate::words::Lang;

/// Related cases shown on a page.
const RELATED: u32 = 6;

/// What the address of a case may carry.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CaseQuery {
    /// How far the chart reaches.
    pub(crate) span: Option<String>,
    /// What was just done.
    pub(crate) done: Option<String>,
    /// Where the summary's act leads back to.
    pub(crate) back: Option<String>,
}

/// What stands above a page after an act.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    /// It was refused.
    pub(crate) bad: bool,
    /// What was done, or why not.
    pub(crate) word: String,
    /// How to take it back.
    pub(crate) undo: Option<Undo>,
}

/// A form that takes an acknowledgement back.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    /// Where it posts to.
    pub(crate) href: String,
    /// How long it works.
    pub(crate) seconds: u64,
    /// Where it leads back to.
    pub(crate) back: String,
}

/// A case with everything a page of it needs.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The row.
    pub(crate) row: CaseRow,
    /// Its trace.
    pub(crate) trace: Vec<TraceRow>,
    /// What things are called.
    pub(crate) names: Names<'a>,
}

impl<'a> Found<'a> {
    /// Reads it, if it is there and the visitor's to see.
    pub(crate) async fn read(state: &'a DeskState, visitor: &Visitor, id: &str) -> Result<Self, Problem> {
        let id = ContentId::parse(id).map_err(|_| Problem::NotFound)?;
        let row = state
            .store()
            .case(&visitor.viewer, id)
            .await?
            .ok_or(Problem::NotFound)?;
        let trace = state.store().trace(&visitor.viewer, id).await?;
        let names = state.names(visitor.lang);
        Ok(Self { row, trace, names })
    }

    /// As shown.
    pub(crate) fn view(&self, state: &DeskState, visitor: &Visitor) -> CaseView {
        let making = Making {
            visitor,
            names: &self.names,
            now: state.now(),
        };
        let say = state.sentence(&self.row, visitor.lang);
        making.case(&self.row, &self.trace, say)
    }

    /// What to think of, by the bureau's table.
    pub(crate) fn guidance(&self, state: &DeskState, lang: Lang) -> Option<Advice> {
        let (row, tables) = (&self.row, state.desk().tables());
        tables
            .guidance
            .of(row.rule, &row.tags.industry, row.factor, lang)
            .cloned()
    }

    /// As something that files belong to.
    pub(crate) fn item(&self) -> Item {
        Item {
            kind: ItemKind::Case,
            id: self.row.id,
        }
    }

    /// The hours that a long span of its chart shows. None where nobody knows them: the chart stays empty then.
    pub(crate) async fn hours(&self, state: &DeskState, zoom: Zoom) -> Vec<HourValue> {
        let Some(factor) = self.row.factor.filter(|_| zoom.is_long()) else {
            return Vec::new();
        };
        let span = zoom.span(&self.row, state.now());
        let known = state.hours(self.row.outlet, Some(factor), span).await;
        known.unwrap_or_default()
    }

    /// What its chart is made from.
    pub(crate) fn charting<'b>(&'b self, state: &DeskState, lang: Lang, hours: &'b [HourValue]) -> Charting<'b> {
        Charting {
            case: &self.row,
            trace: &self.trace,
            names: &self.names,
            lang,
            now: state.now(),
            hours,
        }
    }

    /// Its chart.
    pub(crate) async fn chart(
        &self,
        state: &DeskState,
        visitor: &Visitor,
        zoom: Zoom,
        size: Size,
    ) -> Option<ChartView> {
        let hours = self.hours(state, zoom).await;
        let charting = self.charting(state, visitor.lang, &hours);
        let path = visitor.address.split('?').next().unwrap_or_default();
        charting.view(state.desk(), zoom, size, path)
    }
}

/// What stands above the page after `done`, with the undo of a fresh acknowledgement.
pub(crate) fn flash(t: &Texts, done: Option<&str>, case: &CaseView, undo_s: Option<u64>, back: &str) -> Option<Flash> {
    let done = done?;
    let word = match done {
        "acknowledge" => t.done_acknowledge,
        "withdraw" => t.done_withdraw,
        "comment" => t.done_comment,
        "phone" => t.done_phone,
        "close" | "close_false" => t.done_close,
        "confirm_retraction" => t.done_retraction,
        "reject_retraction" => t.done_rejection,
        "answer" => t.done_answer,
        "fault" => t.done_fault,
        "officer" => t.done_officer,
        "photo" => t.done_photo,
        _ => return None,
    };
    let undo = undo_s.filter(|_| done == "acknowledge").map(|seconds| Undo {
        href: format!("{}/acts/withdraw", case.href),
        seconds,
        back: back.to_owned(),
    });
    Some(Flash {
        bad: false,
        word: word.to_owned(),
        undo,
    })
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePageView {
    shell: Shell,
    case: CaseView,
    chart: Option<ChartView>,
    flash: Option<Flash>,
    related: Vec<Link>,
    notices: Vec<NoticeView>,
    photos: Vec<PhotoView>,
    faults: Vec<Link>,
    guidance: Option<Advice>,
    note_chars: usize,
}

/// A notice of the case.
#[derive(Clone, Debug)]
struct NoticeView {
    when: String,
    to: String,
    state: String,
}

/// `GET /alerts/{id}`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Problem> {
    let found = Found::read(&state, &visitor, &id).await?;
    let case = found.view(&state, &visitor);
    let t = visitor.lang.texts();
    let seq = state.store().last_change().await?;
    html(&CasePageView {
        shell: Shell::new(&visitor, format!("{} · {}", case.title, case.enterprise)).live(seq),
        chart: found
            .chart(&state, &visitor, Zoom::from_code(query.span.as_deref()), WIDE)
            .await,
        flash: flash(
            t,
            query.done.as_deref(),
            &case,
            state.undo_left(&found.row, &visitor.viewer),
            &case.href,
        ),
        related: related(&state, &visitor, &found).await?,
        notices: notices(&state, &visitor, &found).await?,
        photos: photos(&state, &visitor, found.item()).await?,
        faults: super::faults::links(&state, &visitor, found.row.id).await?,
        guidance: found.guidance(&state, visitor.lang),
        note_chars: MAX_ACT_TEXT_CHARS,
        case,
    })
}

async fn related(state: &DeskState, visitor: &Visitor, found: &Found<'_>) -> Result<Vec<Link>, Problem> {
    let filter = CaseFilter {
        outlet: Some(found.row.outlet),
        ..CaseFilter::default()
    };
    let page = Page {
        order: Order::Latest,
        offset: 0,
        limit: RELATED + 1,
    };
    let now = state.now();
    let making = Making {
        visitor,
        names: &found.names,
        now,
    };
    let rows = state.store().cases(&visitor.viewer, &filter, page).await?.rows;
    Ok(rows
        .iter()
        .filter(|row| row.id != found.row.id)
        .take(RELATED as usize)
        .map(|row| Link {
            href: making.href(row),
            word: format!("{} · {}", making.title(row), when(row.opened_at, now)),
        })
        .collect())
}

async fn notices(state: &DeskState, visitor: &Visitor, found: &Found<'_>) -> Result<Vec<NoticeView>, Problem> {
    if !visitor.viewer.may(Action::ViewNotices) {
        return Ok(Vec::new());
    }
    let t = visitor.lang.texts();
    let now = state.now();
    let rows = state.store().notices(&visitor.viewer, found.row.id).await?;
    Ok(rows
        .into_iter()
        .map(|row| NoticeView {
            when: when(row.sent_at.unwrap_or(row.created_at), now),
            to: [row.receiver, row.address]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" · "),
            state: match row.state.as_str() {
                "sent" => t.notice_sent.to_owned(),
                "waiting" => t.notice_waiting.to_owned(),
                "failed" => put(t.notice_failed, &[&row.error.unwrap_or(row.reason)]),
                _ => put(t.notice_skipped, &[&row.reason]),
            },
        })
        .collect())
}

#[derive(Template)]
#[template(path = "part/summary.html")]
struct SummaryPart {
    shell: Shell,
    case: CaseView,
    back: String,
}

/// `GET /parts/cases/{id}`.
pub(crate) async fn summary(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Response, Problem> {
    let found = Found::read(&state, &visitor, &id).await?;
    let case = found.view(&state, &visitor);
    html(&SummaryPart {
        shell: Shell::new(&visitor, ""),
        back: super::act::own_address(query.back.as_deref()).unwrap_or("/").to_owned(),
        case,
    })
}

/// The acts behind the note form's buttons.
pub(crate) const WRITTEN: [ActKind; 6] = [
    ActKind::Comment,
    ActKind::Phone,
    ActKind::Close,
    ActKind::CloseFalse,
    ActKind::ConfirmRetraction,
    ActKind::RejectRetraction,
];
