//! 统计 and 系统: what the warnings led to, and how heavy the desk's own load is against the alarm budget.

use axum::extract::{Query, State};
use axum::response::Response;
use plume_schemas::rule::Severity;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use serde::Deserialize;

use crate::case::{Family, Outcome, State as CaseState};
use crate::desk::auth::Visitor;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::figures::Figure;
use crate::desk::view::number::{fixed, lasting, stamp};
use crate::desk::view::sheet::{Cell, Choice, Number, Sheet, Table, number, numbers, text, words};
use crate::desk::wellbeing;
use crate::store::{CaseFilter, CaseRow, MAX_PAGE_ROWS, Order, Page};

/// Rows that a median or a rate is worked out from: the newest of the span. A busy bureau's month has fewer.
const SAMPLE_ROWS: u64 = 5_000;
/// Acknowledged within this time counts as in time (the chain goes on after it).
pub(super) const IN_TIME_MS: i64 = 5 * MINUTE_MS;
/// The alarm budget of ISA-18.2: new alerts per officer-hour.
const BUDGET_PER_HOUR: f64 = 6.0;
/// The same in any ten minutes.
const BUDGET_TEN_MINUTES: usize = 10;
/// Alerts standing longer than a day.
const BUDGET_STANDING: u64 = 5;

/// Over which span.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SpanQuery {
    days: Option<i64>,
}

fn figure(label: &str, value: impl Into<Number>, unit: &str, note: String) -> Figure {
    Figure {
        value: value.into().0,
        unit: unit.to_owned(),
        label: label.to_owned(),
        note,
        first: false,
        ends: None,
    }
}

/// Cases opened since, newest first, as many as a number is worked out from.
pub(super) async fn sample(state: &DeskState, visitor: &Visitor, since: Time) -> Result<Vec<CaseRow>, Problem> {
    let filter = CaseFilter {
        opened_from: Some(since),
        ..CaseFilter::default()
    };
    let mut rows = Vec::new();
    while (rows.len() as u64) < SAMPLE_ROWS {
        let page = Page {
            order: Order::Latest,
            offset: rows.len() as u64,
            limit: MAX_PAGE_ROWS,
        };
        let more = state.store().cases(&visitor.viewer, &filter, page).await?.rows;
        if more.is_empty() {
            break;
        }
        rows.extend(more);
    }
    Ok(rows)
}

pub(super) fn percent_of(part: usize, all: usize) -> Option<String> {
    (all > 0).then(|| fixed(part as f64 * 100.0 / all as f64, 1))
}

/// `GET /statistics`.
pub(crate) async fn statistics(
    State(state): State<DeskState>,
    visitor: Visitor,
    Query(query): Query<SpanQuery>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let days = query.days.filter(|days| [1, 7, 30].contains(days)).unwrap_or(30);
    let now = state.now();
    let since = now.plus(-days * DAY_MS);
    let rows = sample(&state, &visitor, since).await?;
    let choices = [(1, t.one_day), (7, t.seven_days), (30, t.thirty_days)];
    let sheet = Sheet {
        title: t.statistics.to_owned(),
        about: put(t.from_to, &[&stamp(since), &stamp(now)]),
        choices: choices
            .into_iter()
            .map(|(choice, word)| Choice {
                link: Link {
                    href: format!("/statistics?days={choice}"),
                    word: word.to_owned(),
                },
                here: choice == days,
            })
            .collect(),
        figures: headline(&rows, t),
        tables: vec![
            outcomes(&rows, &visitor),
            by_family(&rows, &visitor),
            by_enterprise(&rows, &state, &visitor),
        ],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

fn with_outcome(rows: &[CaseRow], outcome: Outcome) -> usize {
    rows.iter().filter(|row| row.outcome == Some(outcome)).count()
}

/// 预警后达标率 first: of the warnings whose hour turned out valid, how many complied.
fn headline(rows: &[CaseRow], t: &'static Texts) -> Vec<Figure> {
    let complied = with_outcome(rows, Outcome::Complied) + with_outcome(rows, Outcome::FellBack);
    let decided = complied + with_outcome(rows, Outcome::Exceeded);
    let told: Vec<i64> = rows
        .iter()
        .filter_map(|row| Some(row.acknowledged.as_ref()?.at.since(row.opened_at)))
        .collect();
    let in_time = told.iter().filter(|&&ms| ms <= IN_TIME_MS).count();
    let share = |part, all| percent_of(part, all).unwrap_or_else(|| t.dash.to_owned());
    let (median, unit) = median(told).map_or_else(|| (t.dash.to_owned(), ""), |ms| lasting(ms, t));
    vec![
        figure(
            t.complied_share,
            share(complied, decided),
            "%",
            put(t.out_of, &[&complied, &decided]),
        ),
        figure(
            t.acknowledged_in_time,
            share(in_time, rows.len()),
            "%",
            put(t.out_of, &[&in_time, &rows.len()]),
        ),
        figure(t.median_acknowledge, median, unit, String::new()),
        figure(t.alerts, rows.len(), "", String::new()),
    ]
}

fn outcomes(rows: &[CaseRow], visitor: &Visitor) -> Table {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let decided = rows.iter().filter(|row| row.outcome.is_some()).count();
    let lines = Outcome::ALL.iter().map(|&which| {
        let n = with_outcome(rows, which);
        let share = percent_of(n, decided).unwrap_or_else(|| t.dash.to_owned());
        vec![text(lang.pick(which.zh(), which.en())), number(n), number(share)]
    });
    Table {
        title: t.outcomes.to_owned(),
        note: t.complied_note.to_owned(),
        heads: vec![words(t.outcome), numbers(t.alerts), numbers(t.share_pct)],
        rows: lines.collect(),
        ..Table::default()
    }
}

pub(super) fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn by_family(rows: &[CaseRow], visitor: &Visitor) -> Table {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let lines = Family::ALL.iter().filter_map(|&family| {
        let of: Vec<&CaseRow> = rows.iter().filter(|row| row.family == family).collect();
        let acknowledged = of.iter().filter(|row| row.acknowledged.is_some()).count();
        let answered = of.iter().filter(|row| row.answered.is_some()).count();
        let closed = of.iter().filter(|row| row.state == CaseState::Closed).count();
        (!of.is_empty()).then(|| {
            let name = text(lang.pick(family.zh(), family.en()));
            vec![
                name,
                number(of.len()),
                number(acknowledged),
                number(answered),
                number(closed),
            ]
        })
    });
    Table {
        title: t.by_kind.to_owned(),
        note: String::new(),
        heads: vec![
            words(t.kind),
            numbers(t.alerts),
            numbers(t.acknowledged),
            numbers(t.answered),
            numbers(t.closed_cases),
        ],
        rows: lines.collect(),
        ..Table::default()
    }
}

fn by_enterprise(rows: &[CaseRow], state: &DeskState, visitor: &Visitor) -> Table {
    let t = visitor.lang.texts();
    let names = state.names(visitor.lang);
    let mut counts: Vec<(plume_schemas::ids::EnterpriseId, usize, usize)> = Vec::new();
    for row in rows {
        let exceeded = usize::from(row.family == Family::Exceed);
        match counts.iter_mut().find(|(id, ..)| *id == row.tags.enterprise) {
            Some((_, all, over)) => (*all, *over) = (*all + 1, *over + exceeded),
            None => counts.push((row.tags.enterprise, 1, exceeded)),
        }
    }
    counts.sort_by_key(|(_, all, over)| std::cmp::Reverse((*over, *all)));
    let lines = counts.into_iter().map(|(id, all, over)| {
        let name = crate::desk::view::sheet::link(names.enterprise(id), format!("/enterprises/{id}"));
        vec![name, number(all), number(over)]
    });
    Table {
        title: t.by_enterprise.to_owned(),
        note: String::new(),
        heads: vec![words(t.enterprise), numbers(t.alerts), numbers(t.exceeding)],
        rows: lines.collect(),
        ..Table::default()
    }
}

/// `GET /system`.
pub(crate) async fn system(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let now = state.now();
    let day = sample(&state, &visitor, now.plus(-DAY_MS)).await?;
    let standing = CaseFilter {
        states: vec![CaseState::Open],
        opened_to: Some(now.plus(-DAY_MS)),
        ..CaseFilter::default()
    };
    let standing = state.count(&visitor.viewer, &standing).await?;
    let (oldest, waiting) = state.store().outbox_state().await?;
    let devices = state.devices(&visitor.viewer);
    let (lists, most_lists) = state.live_lists();
    let ago = |at: Option<Time>| at.map_or_else(|| t.dash.to_owned(), stamp);
    let line = |name: &str, value: Cell| vec![text(name), value];
    let sheet = Sheet {
        title: t.system.to_owned(),
        tables: vec![
            wellbeing::table(&state, visitor.lang),
            load(&day, standing, now, &visitor),
            Table {
                title: t.parts.to_owned(),
                note: String::new(),
                heads: vec![words(t.part), numbers(t.value)],
                rows: vec![
                    line(t.last_record, number(ago(state.last_record()))),
                    line(t.outbox, number(waiting)),
                    line(t.outbox_oldest, number(ago(oldest))),
                    line(t.online, number(devices.online)),
                    line(t.late, number(devices.late)),
                    line(t.offline, number(devices.offline)),
                    line(t.live_lists, number(format!("{lists} / {most_lists}"))),
                    line(t.registry_revision, number(state.desk().registry().registry().revision)),
                    line(t.version, number(env!("CARGO_PKG_VERSION"))),
                ],
                ..Table::default()
            },
        ],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// 报警负荷 against the budget.
fn load(day: &[CaseRow], standing: u64, now: Time, visitor: &Visitor) -> Table {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let since = day.iter().map(|row| row.opened_at).min().unwrap_or(now);
    let hours = (now.since(since) as f64 / HOUR_MS as f64).clamp(1.0, 24.0);
    let per_hour = day.len() as f64 / hours;
    let mut opened: Vec<Time> = day.iter().map(|row| row.opened_at).collect();
    opened.sort_unstable();
    let most = opened
        .iter()
        .map(|&at| {
            opened
                .iter()
                .filter(|&&other| other >= at && other.since(at) < 10 * MINUTE_MS)
                .count()
        })
        .max()
        .unwrap_or(0);
    let held =
        |within: bool| text(if within { t.within } else { t.over_budget }).class(if within { "good" } else { "over" });
    let mut rows = vec![
        vec![
            text(t.new_per_hour),
            number(fixed(per_hour, 1)),
            number(format!("≤ {BUDGET_PER_HOUR}")),
            held(per_hour <= BUDGET_PER_HOUR),
        ],
        vec![
            text(t.most_in_ten),
            number(most),
            number(format!("≤ {BUDGET_TEN_MINUTES}")),
            held(most <= BUDGET_TEN_MINUTES),
        ],
        vec![
            text(t.standing),
            number(standing),
            number(format!("≤ {BUDGET_STANDING}")),
            held(standing <= BUDGET_STANDING),
        ],
    ];
    for &severity in Severity::ALL {
        let n = day.iter().filter(|row| row.severity == severity).count();
        rows.push(vec![
            text(lang.pick(severity.zh(), severity.en())),
            number(n),
            number(percent_of(n, day.len()).map_or_else(|| t.dash.to_owned(), |share| format!("{share} %"))),
            text(""),
        ]);
    }
    Table {
        title: t.alarm_load.to_owned(),
        note: t.alarm_load_note.to_owned(),
        heads: vec![words(t.measure), numbers(t.last_24h), numbers(t.budget), words(t.state)],
        rows,
        ..Table::default()
    }
}
