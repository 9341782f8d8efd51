//! The list of the duty board: what can still be saved first, then the rest, by enterprise and outlet.

use plume_schemas::ids::{EnterpriseId, OutletId};

use super::filter::BoardQuery;
use crate::desk::auth::Visitor;
use crate::desk::limits::PAGE_CASES;
use crate::desk::names::Names;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, put};
use crate::desk::view::badge::{Badge, Tag, tags};
use crate::desk::view::case::Making;
use crate::desk::view::figures::{began, figures, runs};
use crate::desk::view::number::when;
use crate::store::{CasePage, CaseRow, Page};

/// A part of the list: what can still be saved stands above what is past.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// Its heading, or empty.
    pub(super) word: &'static str,
    /// By enterprise.
    pub(super) groups: Vec<Group>,
}

/// The cases of one enterprise.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Its code.
    pub(super) id: EnterpriseId,
    /// Its name.
    pub(super) enterprise: String,
    /// District and officer.
    pub(super) about: String,
    /// By outlet.
    pub(super) outlets: Vec<OutletGroup>,
}

/// The cases of one outlet.
#[derive(Clone, Debug)]
pub(super) struct OutletGroup {
    /// Its id.
    pub(super) id: OutletId,
    /// 排放口编号.
    pub(super) number: String,
    /// Its name.
    pub(super) name: String,
    /// Its cases.
    pub(super) rows: Vec<RowView>,
}

/// One case in the list.
#[derive(Clone, Debug)]
pub(super) struct RowView {
    /// Its id.
    pub(super) id: String,
    /// The board with it selected.
    pub(super) href: String,
    /// How grave.
    pub(super) badge: Badge,
    /// Rule and factor.
    pub(super) what: String,
    /// The numbers, and since when.
    pub(super) facts: Vec<String>,
    /// Time left, or the first number.
    pub(super) clock: String,
    /// Its unit.
    pub(super) clock_unit: String,
    /// Until when it counts down, milliseconds since 1970.
    pub(super) ends: Option<i64>,
    /// What that is.
    pub(super) clock_word: String,
    /// What is special about it.
    pub(super) tags: Vec<Tag>,
    /// Selected.
    pub(super) here: bool,
}

/// The list of a page: the warnings of running windows first, however grave the rest is, then a page of the others.
pub(super) struct List {
    running: Vec<CaseRow>,
    /// The others, a page of them.
    pub(super) rest: CasePage,
}

impl List {
    /// Reads what is asked for.
    pub(super) async fn read(state: &DeskState, visitor: &Visitor, query: &BoardQuery) -> Result<Self, Problem> {
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

    /// The case on top.
    pub(super) fn first(&self) -> Option<&CaseRow> {
        self.running.first().or(self.rest.rows.first())
    }

    /// As shown.
    pub(super) fn sections(
        &self,
        state: &DeskState,
        visitor: &Visitor,
        query: &BoardQuery,
        chosen: Option<&str>,
    ) -> Vec<Section> {
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

/// The next page, where there is one.
pub(super) fn next_href(query: &BoardQuery, page: &CasePage) -> Option<String> {
    let at = query.page.unwrap_or(1).max(1);
    let shown = u64::from(at) * PAGE_CASES as u64;
    (page.total > shown).then(|| query.with(|next| next.page = Some(at + 1)))
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
    let mut order: Vec<(EnterpriseId, Vec<&CaseRow>)> = Vec::new();
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
            let mut outlets: Vec<(OutletId, OutletGroup)> = Vec::new();
            for row in &rows {
                let view = row_view(&making, row, query, chosen);
                if let Some((_, outlet)) = outlets.iter_mut().find(|(id, _)| *id == row.outlet) {
                    outlet.rows.push(view);
                } else {
                    let name = names.outlet(row.outlet);
                    outlets.push((
                        row.outlet,
                        OutletGroup {
                            id: row.outlet,
                            number: name.number,
                            name: name.name,
                            rows: vec![view],
                        },
                    ));
                }
            }
            Group {
                id,
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
        clock: first.as_ref().map_or_else(String::new, |figure| figure.value.clone()),
        clock_unit: first.as_ref().map_or_else(String::new, |figure| figure.unit.clone()),
        ends: first.as_ref().and_then(|figure| figure.ends),
        clock_word: first.map_or_else(String::new, |figure| figure.label),
        tags: tags(case, now, lang),
        here: chosen == Some(id.as_str()),
        id,
    }
}
