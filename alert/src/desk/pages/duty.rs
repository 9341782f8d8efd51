//! 值班工作台: filters, the list by enterprise and outlet, the selected case; the strip above says how plume itself is.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use plume_schemas::rule::Severity;
use serde::Deserialize;

use super::case::Found;
use crate::case::{Family, State as CaseState};
use crate::desk::auth::Visitor;
use crate::desk::limits::{OUTBOX_LATE_MS, PAGE_CASES};
use crate::desk::names::Names;
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::badge::{Badge, Tag, tags};
use crate::desk::view::case::{CaseView, Making};
use crate::desk::view::figures::{began, figures, runs};
use crate::desk::view::number::{lasting_text, when};
use crate::store::{CaseFilter, CasePage, CaseRow, Counts, Order, Page};
use crate::words::Lang;

/// What the address of the board may carry.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct BoardQuery {
    severity: Option<String>,
    kind: Option<String>,
    district: Option<String>,
    state: Option<String>,
    page: Option<u32>,
    case: Option<String>,
}

/// Which cases the board can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Live,
    Unacknowledged,
    Closed,
}

impl BoardQuery {
    fn wanted(&self) -> Wanted {
        match self.state.as_deref() {
            Some("new") => Wanted::Unacknowledged,
            Some("closed") => Wanted::Closed,
            _ => Wanted::Live,
        }
    }

    fn filter(&self) -> CaseFilter {
        let live = vec![CaseState::Open, CaseState::Resolved];
        let (states, acknowledged) = match self.wanted() {
            Wanted::Live => (live, None),
            Wanted::Unacknowledged => (live, Some(false)),
            Wanted::Closed => (vec![CaseState::Closed, CaseState::Retracted], None),
        };
        CaseFilter {
            states,
            acknowledged,
            families: self.kind.as_deref().and_then(Family::from_code).into_iter().collect(),
            severity_min: self.severity.as_deref().and_then(Severity::from_code),
            district: self.district.clone().filter(|district| !district.is_empty()),
            ..CaseFilter::default()
        }
    }

    /// The same among warnings of running windows; nothing where those are not asked for.
    fn running(&self) -> Option<CaseFilter> {
        let filter = self.filter();
        let wanted =
            self.wanted() != Wanted::Closed && (filter.families.is_empty() || filter.families.contains(&Family::Near));
        wanted.then(|| CaseFilter {
            states: vec![CaseState::Open],
            families: vec![Family::Near],
            ..filter
        })
    }

    fn order(&self) -> Order {
        if self.wanted() == Wanted::Closed {
            Order::Latest
        } else {
            Order::Gravest
        }
    }

    /// The address of the board with one thing changed; another filter begins at the first page.
    fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut query = self.clone();
        query.page = None;
        query.case = None;
        change(&mut query);
        query.address("/")
    }

    fn address(&self, path: &str) -> String {
        let page = self.page.filter(|&page| page > 1).map(|page| page.to_string());
        let parts = [
            ("severity", self.severity.as_deref()),
            ("kind", self.kind.as_deref()),
            ("district", self.district.as_deref()),
            ("state", self.state.as_deref()),
            ("page", page.as_deref()),
            ("case", self.case.as_deref()),
        ];
        let mut address = path.to_owned();
        for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(name);
            address.push('=');
            address.push_str(&encode(value));
        }
        address
    }
}

/// Percent-encodes everything but letters, digits and `-_.`.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// One group of choices.
#[derive(Clone, Debug)]
struct Filter {
    name: &'static str,
    choices: Vec<Choice>,
}

/// One choice of a filter.
#[derive(Clone, Debug)]
struct Choice {
    href: String,
    word: String,
    count: String,
    here: bool,
}

/// A part of the list: what can still be saved stands above what is past.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    word: &'static str,
    groups: Vec<Group>,
}

/// The cases of one enterprise.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    enterprise: String,
    about: String,
    outlets: Vec<OutletGroup>,
}

/// The cases of one outlet.
#[derive(Clone, Debug)]
struct OutletGroup {
    number: String,
    name: String,
    rows: Vec<RowView>,
}

/// One case in the list.
#[derive(Clone, Debug)]
struct RowView {
    id: String,
    href: String,
    badge: Badge,
    what: String,
    facts: Vec<String>,
    clock: String,
    clock_word: String,
    tags: Vec<Tag>,
    here: bool,
}

/// The strip above the board.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    online: u64,
    late: u64,
    offline: u64,
    at_risk: u64,
    overdue: u64,
    outbox: u64,
    outbox_note: String,
    last_record: String,
    last_record_note: String,
    record_old: bool,
}

/// The strip as of now.
async fn read_strip(state: &DeskState, visitor: &Visitor, counts: &Counts) -> Result<Strip, Problem> {
    let t = visitor.lang.texts();
    let now = state.now();
    let devices = state.devices(&visitor.viewer);
    let (oldest, waiting) = state.store().outbox_state().await?;
    let behind = oldest
        .map(|next| now.since(next))
        .filter(|&behind| behind > OUTBOX_LATE_MS);
    let lag = state.last_record().map(|at| now.since(at));
    let old = lag.is_none_or(|lag| lag > crate::desk::limits::RECORD_OLD_MS);
    Ok(Strip {
        online: devices.online,
        late: devices.late,
        offline: devices.offline,
        at_risk: state.at_risk(&visitor.viewer).await?,
        overdue: counts.overdue,
        outbox: waiting,
        outbox_note: behind.map_or_else(String::new, |behind| put(t.outbox_behind, &[&lasting_text(behind, t)])),
        last_record: state.last_record().map_or_else(|| t.dash.to_owned(), clock),
        last_record_note: match lag {
            Some(lag) if old => put(t.record_lag, &[&lasting_text(lag, t)]),
            Some(_) => String::new(),
            None => t.no_record.to_owned(),
        },
        record_old: old && lag.is_some(),
    })
}

/// `14:42:07`, for a clock that moves.
pub(crate) fn clock(at: plume_schemas::time::Time) -> String {
    format!("{}:{:02}", at.hour_minute(), at.civil().second)
}

#[derive(Template)]
#[template(path = "duty.html")]
struct DutyPage {
    shell: Shell,
    strip: Strip,
    filters: Vec<Filter>,
    sections: Vec<Section>,
    next_href: Option<String>,
    list_href: String,
    selected: Option<CaseView>,
    back: String,
}

#[derive(Template)]
#[template(path = "part/strip.html")]
struct StripPart {
    shell: Shell,
    strip: Strip,
}

#[derive(Template)]
#[template(path = "part/list.html")]
struct ListPart {
    shell: Shell,
    sections: Vec<Section>,
    next_href: Option<String>,
}

/// The list of a page: the warnings of running windows first, however grave the rest is, then a page of the others.
struct List {
    running: Vec<CaseRow>,
    rest: CasePage,
}

impl List {
    async fn read(state: &DeskState, visitor: &Visitor, query: &BoardQuery) -> Result<Self, Problem> {
        let rows = u32::try_from(PAGE_CASES).unwrap_or(u32::MAX);
        let (at, now) = (query.page.unwrap_or(1).max(1), state.now());
        let page = Page {
            order: query.order(),
            offset: u64::from(at - 1) * u64::from(rows),
            limit: rows,
        };
        let mut rest = state.store().cases(&visitor.viewer, &query.filter(), page).await?;
        let mut running = Vec::new();
        if let Some(filter) = query.running().filter(|_| at == 1) {
            let first = Page { offset: 0, ..page };
            running = state.store().cases(&visitor.viewer, &filter, first).await?.rows;
            running.retain(|row| runs(row, now));
        }
        // On every page, or one of them would stand twice in the list as a whole.
        rest.rows.retain(|row| !runs(row, now));
        Ok(Self { running, rest })
    }

    fn first(&self) -> Option<&CaseRow> {
        self.running.first().or(self.rest.rows.first())
    }

    fn sections(&self, state: &DeskState, visitor: &Visitor, query: &BoardQuery, chosen: Option<&str>) -> Vec<Section> {
        let (t, names) = (visitor.lang.texts(), state.names(visitor.lang));
        let groups = |rows: &[CaseRow]| groups(state, visitor, &names, rows, query, chosen);
        let pinned = !self.running.is_empty();
        [
            (t.recoverable, &self.running),
            (if pinned { t.others } else { "" }, &self.rest.rows),
        ]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(word, rows)| Section {
            word,
            groups: groups(rows),
        })
        .collect()
    }
}

fn next_href(query: &BoardQuery, page: &CasePage) -> Option<String> {
    let at = query.page.unwrap_or(1).max(1);
    let shown = u64::from(at) * PAGE_CASES as u64;
    (page.total > shown).then(|| query.with(|next| next.page = Some(at + 1)))
}

/// `GET /`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let counts = state.store().counts(&visitor.viewer, state.now()).await?;
    let list = List::read(&state, &visitor, &query).await?;
    let chosen = query
        .case
        .clone()
        .or_else(|| list.first().map(|row| row.id.to_string()));
    let selected = match &chosen {
        Some(id) => match Found::read(&state, &visitor, id).await {
            Ok(found) => Some(found.view(&state, &visitor)),
            Err(Problem::NotFound) => None,
            Err(problem) => return Err(problem),
        },
        None => None,
    };
    html(&DutyPage {
        strip: read_strip(&state, &visitor, &counts).await?,
        filters: filters(&query, &counts, &state, &visitor),
        sections: list.sections(&state, &visitor, &query, chosen.as_deref()),
        next_href: next_href(&query, &list.rest),
        list_href: query.address("/parts/list"),
        back: query.with(|back| back.case.clone_from(&chosen)),
        selected,
        shell: Shell::new(&visitor, t.duty).live(list.rest.seq),
    })
}

/// `GET /parts/strip`.
pub(crate) async fn strip(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let counts = state.store().counts(&visitor.viewer, state.now()).await?;
    html(&StripPart {
        strip: read_strip(&state, &visitor, &counts).await?,
        shell: Shell::new(&visitor, ""),
    })
}

/// `GET /parts/list`: the same list as on the page, for the reader who opened the bar.
pub(crate) async fn list(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<Response, Problem> {
    let list = List::read(&state, &visitor, &query).await?;
    html(&ListPart {
        sections: list.sections(&state, &visitor, &query, query.case.as_deref()),
        next_href: next_href(&query, &list.rest),
        shell: Shell::new(&visitor, ""),
    })
}

/// Rows by enterprise and outlet, in the order in which each first appears: the gravest enterprise stays on top.
fn groups(
    state: &DeskState,
    visitor: &Visitor,
    names: &Names<'_>,
    rows: &[CaseRow],
    query: &BoardQuery,
    chosen: Option<&str>,
) -> Vec<Group> {
    let making = Making {
        visitor,
        names,
        now: state.now(),
    };
    let mut order: Vec<(plume_schemas::ids::EnterpriseId, Vec<&CaseRow>)> = Vec::new();
    for row in rows {
        let enterprise = row.tags.enterprise;
        match order.iter_mut().find(|(id, _)| *id == enterprise) {
            Some((_, rows)) => rows.push(row),
            None => order.push((enterprise, vec![row])),
        }
    }
    order
        .into_iter()
        .map(|(id, rows)| {
            let mut outlets: Vec<(plume_schemas::ids::OutletId, OutletGroup)> = Vec::new();
            for row in &rows {
                let view = row_view(&making, row, query, chosen);
                if let Some((_, outlet)) = outlets.iter_mut().find(|(id, _)| *id == row.outlet) {
                    outlet.rows.push(view);
                } else {
                    let name = names.outlet(row.outlet);
                    outlets.push((
                        row.outlet,
                        OutletGroup {
                            number: name.number,
                            name: name.name,
                            rows: vec![view],
                        },
                    ));
                }
            }
            Group {
                enterprise: names.enterprise(id),
                about: about(rows.first().map(|row| &row.tags)),
                outlets: outlets.into_iter().map(|(_, outlet)| outlet).collect(),
            }
        })
        .collect()
}

fn about(tags: Option<&crate::case::Tags>) -> String {
    let parts = tags
        .into_iter()
        .flat_map(|tags| [tags.district.as_str(), tags.officer.as_str()]);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn row_view(making: &Making<'_>, case: &CaseRow, query: &BoardQuery, chosen: Option<&str>) -> RowView {
    let (lang, now) = (making.visitor.lang, making.now);
    let t = lang.texts();
    let unit = making.unit(case);
    let mut big = figures(case, &unit, now, t).into_iter();
    let first = big.next();
    let mut facts: Vec<String> = big
        .filter(|figure| figure.label != t.no_headroom)
        .map(|figure| {
            format!("{} {} {}", figure.label, figure.value, figure.unit)
                .trim_end()
                .to_owned()
        })
        .collect();
    facts.push(put(t.since_time, &[&when(began(case), now)]));
    let id = case.id.to_string();
    RowView {
        href: query.with(|to| {
            to.page = query.page;
            to.case = Some(id.clone());
        }),
        badge: Badge::of(case, lang),
        what: making.title(case),
        facts,
        clock: first
            .as_ref()
            .map_or_else(String::new, |figure| format!("{} {}", figure.value, figure.unit)),
        clock_word: first.map_or_else(String::new, |figure| figure.label),
        tags: tags(case, now, lang),
        here: chosen == Some(id.as_str()),
        id,
    }
}

fn filters(query: &BoardQuery, counts: &Counts, state: &DeskState, visitor: &Visitor) -> Vec<Filter> {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let mut filters = vec![
        by_state(query, counts, t),
        by_severity(query, counts, lang),
        by_kind(query, visitor),
    ];
    let districts = state.districts(&visitor.viewer);
    if districts.len() > 1 {
        let mut choices = vec![choice(
            t.all,
            "",
            query.district.is_none(),
            query.with(|to| to.district = None),
        )];
        choices.extend(districts.into_iter().map(|district| {
            let here = query.district.as_deref() == Some(district.as_str());
            let href = query.with(|to| to.district = Some(district.clone()));
            choice(&district, "", here, href)
        }));
        filters.push(Filter {
            name: t.district,
            choices,
        });
    }
    filters
}

fn choice(word: &str, count: impl Into<String>, here: bool, href: String) -> Choice {
    Choice {
        href,
        word: word.to_owned(),
        count: count.into(),
        here,
    }
}

fn by_state(query: &BoardQuery, counts: &Counts, t: &'static Texts) -> Filter {
    let open: u64 = counts.open.iter().map(|(_, n)| n).sum();
    let live = open + counts.resolved;
    let wanted = query.wanted();
    let to = |state: Option<&str>| query.with(|to| to.state = state.map(str::to_owned));
    Filter {
        name: t.state,
        choices: vec![
            choice(t.live_cases, live.to_string(), wanted == Wanted::Live, to(None)),
            choice(
                t.unacknowledged,
                counts.unacknowledged.to_string(),
                wanted == Wanted::Unacknowledged,
                to(Some("new")),
            ),
            choice(t.closed_cases, "", wanted == Wanted::Closed, to(Some("closed"))),
        ],
    }
}

fn by_severity(query: &BoardQuery, counts: &Counts, lang: Lang) -> Filter {
    let t = lang.texts();
    let asked = query.severity.as_deref().and_then(Severity::from_code);
    let mut choices = vec![choice(t.all, "", asked.is_none(), query.with(|to| to.severity = None))];
    let mut above = 0;
    for (severity, count) in &counts.open {
        above += count;
        let word = lang.pick(severity.zh(), severity.en());
        let at_least = if *severity == Severity::Exceeded {
            word.to_owned()
        } else {
            put(t.at_least, &[&word])
        };
        let href = query.with(|to| to.severity = Some(severity.code().to_owned()));
        choices.push(choice(&at_least, above.to_string(), asked == Some(*severity), href));
    }
    Filter {
        name: t.severity,
        choices,
    }
}

fn by_kind(query: &BoardQuery, visitor: &Visitor) -> Filter {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let asked = query.kind.as_deref().and_then(Family::from_code);
    let leads = visitor.viewer.may(crate::accounts::Action::ViewLeads);
    let mut choices = vec![choice(t.all, "", asked.is_none(), query.with(|to| to.kind = None))];
    choices.extend(
        Family::ALL
            .iter()
            .filter(|family| leads || **family != Family::Lead)
            .map(|family| {
                let href = query.with(|to| to.kind = Some(family.code().to_owned()));
                choice(lang.pick(family.zh(), family.en()), "", asked == Some(*family), href)
            }),
    );
    Filter { name: t.kind, choices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_what_was_asked_and_no_more() {
        let query = BoardQuery {
            district: Some("江北&x=1".into()),
            page: Some(3),
            ..BoardQuery::default()
        };
        assert_eq!(
            query.address("/parts/list"),
            "/parts/list?district=%E6%B1%9F%E5%8C%97%26x%3D1&page=3"
        );
        assert_eq!(query.with(|to| to.district = None), "/");
    }
}
