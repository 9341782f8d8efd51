//! 排放口: the newest values, the hours of the day, limits in force, devices and cases of one outlet; and its enterprise.

use axum::extract::{Path, State};
use axum::response::Response;
use plume_schemas::ids::{EnterpriseId, FactorCode, OutletId};
use plume_schemas::reading::{Basis, Flag};
use plume_schemas::registry::{Enterprise, FactorSetup, LimitWindow, Outlet};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span, Time};

use super::checks;
use crate::desk::auth::Visitor;
use crate::desk::names::Names;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::badge::{Badge, tags};
use crate::desk::view::case::{Link, Making};
use crate::desk::view::number::{fixed, when};
use crate::desk::view::sheet::{Cell, Choice, Sheet, Table, link, number, numbers, text, words};
use crate::series::Point;
use crate::store::{CaseFilter, CaseRow, Order, Page, mask};

/// Covered minutes that make an hour valid (HJ 76 annex B).
const VALID_MINUTES: f64 = 45.0;
/// Cases shown on the page of an outlet or enterprise.
const CASES: u32 = 50;

/// Everything a table of one outlet needs.
struct Asked<'a> {
    state: &'a DeskState,
    visitor: &'a Visitor,
    names: Names<'a>,
    now: Time,
    t: &'static Texts,
}

impl<'a> Asked<'a> {
    fn new(state: &'a DeskState, visitor: &'a Visitor) -> Self {
        Self {
            state,
            visitor,
            names: state.names(visitor.lang),
            now: state.now(),
            t: visitor.lang.texts(),
        }
    }

    /// Values on the basis that is judged.
    fn value(&self, outlet: OutletId, factor: FactorCode, point: &Point) -> Option<f64> {
        let corrected = self.names.basis(outlet, factor) == Basis::Corrected;
        let value = if corrected {
            point.corrected.or(point.standard)
        } else {
            point.standard
        };
        value.map(f64::from)
    }

    /// Mean of the minutes that count within `span`, and how many they cover.
    fn mean(&self, outlet: OutletId, factor: FactorCode, span: Span) -> Option<(f64, f64)> {
        let points = self.state.desk().series(outlet, factor, span);
        let counted = points
            .iter()
            .filter(|point| point.flag == Flag::Normal)
            .filter_map(|point| {
                let minutes = f64::from(point.minutes.max(1));
                Some((self.value(outlet, factor, point)? * minutes, minutes))
            });
        let (sum, minutes) = counted.fold((0.0, 0.0), |(sum, all), (value, minutes)| (sum + value, all + minutes));
        (minutes > 0.0).then(|| (sum / minutes, minutes))
    }

    /// Newest values of the factors an outlet is set up with.
    fn newest(&self, outlet: &Outlet) -> Table {
        let t = self.t;
        let hour = Span::hour_of(self.now);
        let rows = outlet.factors.iter().map(|setup| {
            let last = Span {
                start: self.now.plus(-DAY_MS),
                end: self.now.plus(MINUTE_MS),
            };
            let points = self.state.desk().series(outlet.id, setup.code, last);
            let newest = points.last();
            let unit = self.names.unit(outlet.id, setup.code);
            let limit = self.names.limit(outlet.id, setup.code, LimitWindow::Hour, self.now);
            let mean = self.mean(outlet.id, setup.code, hour).map(|(mean, _)| mean);
            let value = newest.and_then(|point| self.value(outlet.id, setup.code, point));
            let flag = newest.map_or("", |point| self.visitor.lang.pick(point.flag.zh(), point.flag.en()));
            vec![
                text(self.names.factor_judged(outlet.id, setup.code)),
                self.compared(value, limit),
                text(newest.map_or_else(String::new, |point| when(point.at, self.now))).class("quiet"),
                text(flag).class("quiet"),
                self.compared(mean, limit),
                number(limit.map_or_else(|| t.dash.to_owned(), |limit| limit.to_string())),
                text(unit).class("quiet"),
            ]
        });
        Table {
            title: t.newest.to_owned(),
            note: put(t.hour_is, &[&crate::desk::view::number::window(hour, self.now)]),
            heads: vec![
                words(t.factor),
                numbers(t.minute_value),
                words(t.time),
                words(t.flag),
                numbers(t.mean_so_far),
                numbers(t.limit),
                words(t.unit),
            ],
            rows: rows.collect(),
            ..Table::default()
        }
    }

    /// A value beside its limit.
    fn compared(&self, value: Option<f64>, limit: Option<f64>) -> Cell {
        let Some(value) = value else {
            return number(self.t.dash).class("num quiet");
        };
        let cell = number(fixed(
            value,
            if limit.is_some_and(|limit| limit < 10.0) { 2 } else { 1 },
        ));
        if limit.is_some_and(|limit| value > limit) {
            cell.class("num over")
        } else {
            cell
        }
    }

    /// The hours of the last day, newest first: the mean of each factor's minutes. An hour with too few of them is
    /// grey; how few is for the office alone.
    fn hours(&self, outlet: &Outlet) -> Table {
        let t = self.t;
        let judged: Vec<&FactorSetup> = outlet.factors.iter().filter(|setup| !setup.limits.is_empty()).collect();
        let first = Span::hour_of(self.now).start;
        let rows = (0..24).map(|back| {
            let start = first.plus(-back * HOUR_MS);
            let hour = Span {
                start,
                end: start.plus(HOUR_MS),
            };
            let mut row = vec![text(crate::desk::view::number::window(hour, self.now))];
            row.extend(judged.iter().map(|setup| self.hour(outlet.id, setup.code, hour)));
            row
        });
        let mut heads = vec![words(t.hour)];
        heads.extend(judged.iter().map(|setup| {
            let unit = self.names.unit(outlet.id, setup.code);
            numbers(format!("{} {unit}", self.names.factor_judged(outlet.id, setup.code)))
        }));
        Table {
            title: t.hour_table.to_owned(),
            note: t.hour_table_note.to_owned(),
            heads,
            rows: rows.collect(),
            ..Table::default()
        }
    }

    fn hour(&self, outlet: OutletId, factor: FactorCode, hour: Span) -> Cell {
        let limit = self.names.limit(outlet, factor, LimitWindow::Hour, hour.start);
        match self.mean(outlet, factor, hour) {
            None => number(self.t.dash).class("num quiet"),
            Some((mean, minutes)) if minutes < VALID_MINUTES => {
                let note = if self.now < hour.end {
                    self.t.running
                } else {
                    self.t.too_few
                };
                number(fixed(mean, 1)).class("num quiet").note(note)
            }
            Some((mean, _)) => self.compared(Some(mean), limit),
        }
    }

    /// Limits in force.
    fn limits(&self, outlet: &Outlet) -> Table {
        let t = self.t;
        let lang = self.visitor.lang;
        let in_force = outlet.factors.iter().flat_map(|setup| {
            let limits = setup.limits.iter().filter(|limit| limit.validity().covers(self.now));
            limits.map(move |limit| (setup, limit))
        });
        let rows = in_force.map(|(setup, limit)| {
            let source = if limit.source == "permit" {
                t.code_permit
            } else {
                limit.source.as_str()
            };
            vec![
                text(self.names.factor(setup.code)),
                text(lang.pick(limit.window.zh(), limit.window.en())),
                number(limit.value),
                text(self.names.unit(outlet.id, setup.code)).class("quiet"),
                number(
                    setup
                        .reference_o2_pct
                        .map_or_else(|| t.dash.to_owned(), |o2| format!("{o2} %")),
                ),
                text(source),
                text(limit.clause.clone()).class("quiet"),
            ]
        });
        Table {
            title: t.limits_in_force.to_owned(),
            note: String::new(),
            heads: vec![
                words(t.factor),
                words(t.window),
                numbers(t.limit),
                words(t.unit),
                numbers(t.reference_o2),
                words(t.source),
                words(t.clause),
            ],
            rows: rows.collect(),
            ..Table::default()
        }
    }

    /// Cases, newest first.
    fn cases(&self, rows: &[CaseRow]) -> Table {
        let t = self.t;
        let making = Making {
            visitor: self.visitor,
            names: &self.names,
            now: self.now,
        };
        let lines = rows.iter().map(|row| {
            let state: Vec<String> = tags(row, self.now, self.visitor.lang)
                .into_iter()
                .map(|tag| tag.word)
                .collect();
            vec![
                link(making.title(row), making.href(row)),
                text(self.names.outlet(row.outlet).full()),
                text(Badge::of(row, self.visitor.lang).word),
                text(when(row.opened_at, self.now)),
                text(state.join(" · ")).class("quiet"),
            ]
        });
        Table {
            title: t.cases.to_owned(),
            note: String::new(),
            heads: vec![
                words(t.what),
                words(t.outlet),
                words(t.severity),
                words(t.since),
                words(t.state),
            ],
            rows: lines.collect(),
            ..Table::default()
        }
    }

    /// The outlets of an enterprise, with their live cases among `cases`.
    fn outlets(&self, outlets: &[&Outlet], cases: &[CaseRow]) -> Table {
        let t = self.t;
        let live = |outlet: OutletId| {
            let here = cases.iter().filter(|row| row.outlet == outlet);
            here.filter(|row| row.state.is_live()).count()
        };
        let rows = outlets.iter().map(|outlet| {
            vec![
                link(outlet.number.clone(), format!("/outlets/{}", outlet.id)),
                text(outlet.name.clone()),
                text(outlet.management_class.clone()).class("quiet"),
                number(live(outlet.id)),
            ]
        });
        Table {
            title: t.outlets.to_owned(),
            note: String::new(),
            heads: vec![words(t.outlet), words(t.name), words(t.class), numbers(t.live_cases)],
            rows: rows.collect(),
            ..Table::default()
        }
    }

    /// Whom to call, in order; numbers masked.
    fn contacts(&self, enterprise: &Enterprise) -> Table {
        let t = self.t;
        let rows = enterprise.contacts.iter().map(|contact| {
            vec![
                text(self.visitor.lang.pick(contact.role.zh(), contact.role.en())),
                text(contact.name.clone()),
                text(mask(&contact.phone)).class("mono"),
                text(mask(&contact.email)).class("mono"),
            ]
        });
        Table {
            title: t.contacts.to_owned(),
            note: t.contacts_note.to_owned(),
            heads: vec![words(t.role), words(t.name), words(t.phone), words(t.email)],
            rows: rows.collect(),
            ..Table::default()
        }
    }

    async fn read_cases(&self, filter: CaseFilter) -> Result<Vec<CaseRow>, Problem> {
        let page = Page {
            order: Order::Latest,
            offset: 0,
            limit: CASES,
        };
        Ok(self
            .state
            .store()
            .cases(&self.visitor.viewer, &filter, page)
            .await?
            .rows)
    }
}

/// `GET /outlets/{id}`.
pub(crate) async fn outlet(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = OutletId::new(&id).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let outlet = registry
        .outlet(id)
        .filter(|outlet| state.sees(&visitor.viewer, outlet.id));
    let outlet = outlet.ok_or(Problem::NotFound)?;
    let asked = Asked::new(&state, &visitor);
    let cases = asked
        .read_cases(CaseFilter {
            outlet: Some(id),
            ..CaseFilter::default()
        })
        .await?;
    let t = asked.t;
    let facts = [
        outlet.management_class.clone(),
        outlet
            .stack_height_m
            .map_or_else(String::new, |height| put(t.stack_height, &[&height])),
        if outlet.trial_until.is_some_and(|until| asked.now < until) {
            t.is_trial.to_owned()
        } else {
            String::new()
        },
    ];
    let mut tables = vec![
        asked.newest(outlet),
        asked.hours(outlet),
        asked.cases(&cases),
        asked.limits(outlet),
    ];
    let (drawn, checked) = checks::shown(&state, &visitor, id, false).await;
    tables.extend(checked);
    let sheet = Sheet {
        crumbs: vec![
            home(t),
            Link {
                href: format!("/enterprises/{}", outlet.enterprise),
                word: asked.names.enterprise(outlet.enterprise),
            },
        ],
        title: asked.names.outlet(id).full(),
        about: joined(facts),
        choices: vec![
            elsewhere(format!("/outlets/{id}/report"), t.reports),
            elsewhere(format!("/outlets/{id}/checks"), t.checks),
        ],
        tables,
        drawn,
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// Another page about the same.
fn elsewhere(href: String, word: &str) -> Choice {
    Choice {
        link: Link {
            href,
            word: word.to_owned(),
        },
        here: false,
    }
}

fn home(t: &Texts) -> Link {
    Link {
        href: "/".into(),
        word: t.duty.to_owned(),
    }
}

/// `GET /enterprises/{id}`.
pub(crate) async fn enterprise(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = EnterpriseId::new(&id).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let all = registry.registry().outlets.iter();
    let outlets: Vec<&Outlet> = all.filter(|outlet| outlet.enterprise == id).collect();
    let seen = outlets.iter().any(|outlet| state.sees(&visitor.viewer, outlet.id));
    let enterprise = registry.enterprise(id).filter(|_| seen).ok_or(Problem::NotFound)?;
    let asked = Asked::new(&state, &visitor);
    let t = asked.t;
    let cases = asked
        .read_cases(CaseFilter {
            enterprise: Some(id),
            ..CaseFilter::default()
        })
        .await?;
    let permit = enterprise.permit_valid_to;
    let facts = [
        enterprise.id.to_string(),
        enterprise.district.clone(),
        enterprise.officer.clone(),
        permit.map_or_else(String::new, |to| put(t.permit_to, &[&to.date()])),
    ];
    let sheet = Sheet {
        crumbs: vec![home(t)],
        title: enterprise.name.clone(),
        about: joined(facts),
        tables: vec![
            asked.outlets(&outlets, &cases),
            asked.cases(&cases),
            asked.contacts(enterprise),
        ],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// What there is to say, in one line.
fn joined(facts: impl IntoIterator<Item = String>) -> String {
    let said: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    said.join(" · ")
}
