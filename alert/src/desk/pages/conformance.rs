//! 设备符合性报告: what departs from the standard, how often, and what to change. Made when an officer asks for it.

use axum::extract::{Path, State};
use axum::response::Response;

use super::device::theirs;
use crate::desk::auth::Visitor;
use crate::desk::inspect::{Departure, Inspection, Interval};
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::fixed;
use crate::desk::view::sheet::{Cell, Sheet, Table, number, numbers, text, words};

/// Hours reported on, as `plume conformance` has it.
const HOURS: i64 = 24;

/// `GET /devices/{mn}/conformance`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let mn = theirs(&state, &visitor, &mn)?;
    let report = state.inspect(mn, HOURS, visitor.lang).await;
    let report = report.map_err(|_| Problem::Refused(t.no_conformance.to_owned()))?;
    let mut tables = vec![facts(&report, t), departures(&report.departures, t)];
    tables.extend(clock(&report, t));
    tables.push(intervals(&report.intervals, t));
    let sheet = Sheet {
        crumbs: vec![
            Link {
                href: "/devices".into(),
                word: t.devices_page.to_owned(),
            },
            Link {
                href: format!("/devices/{mn}"),
                word: format!("MN {mn}"),
            },
        ],
        title: t.conformance.to_owned(),
        about: put(t.conformance_about, &[&HOURS]),
        tables,
        file: format!("conformance-{mn}"),
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

fn facts(report: &Inspection, t: &'static Texts) -> Table {
    let verdict = if report.is_fine { "good" } else { "over" };
    let classes = std::iter::once(verdict).chain(std::iter::repeat(""));
    let rows = report.facts.iter().zip(classes);
    Table {
        title: t.verdict.to_owned(),
        heads: vec![words(t.item), words(t.content)],
        rows: rows
            .map(|([name, value], class)| vec![text(name.as_str()), text(value.as_str()).class(class)])
            .collect(),
        ..Table::default()
    }
}

fn departures(found: &[Departure], t: &'static Texts) -> Table {
    let row = |one: &Departure| {
        let seen = [&one.detail, &one.example];
        let seen: Vec<&str> = seen
            .into_iter()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        vec![
            text(one.level.as_str()).class(if one.is_error { "over" } else { "" }),
            text(one.what.as_str()),
            text(one.clause.as_str()),
            number(one.count),
            text(seen.join(" ｜ ")).class("mono packet"),
            text(one.change.as_str()),
        ]
    };
    Table {
        title: t.findings.to_owned(),
        heads: vec![
            words(t.severity),
            words(t.what),
            words(t.clause),
            numbers(t.times_seen),
            words(t.example),
            words(t.to_change),
        ],
        rows: found.iter().map(row).collect(),
        ..Table::default()
    }
}

fn clock(report: &Inspection, t: &'static Texts) -> Option<Table> {
    let clock = report.clock?;
    let seconds = |value: f64| number(fixed(value, 1));
    Some(Table {
        title: t.device_clock.to_owned(),
        note: t.device_clock_note.to_owned(),
        heads: vec![numbers(t.median), numbers(t.row_least), numbers(t.row_most)],
        rows: vec![vec![
            seconds(clock.median_s),
            seconds(clock.least_s),
            seconds(clock.most_s),
        ]],
        ..Table::default()
    })
}

fn intervals(found: &[Interval], t: &'static Texts) -> Table {
    let row = |one: &Interval| -> Vec<Cell> {
        let missed = one.due.saturating_sub(one.came);
        vec![
            text(one.name.as_str()),
            number(one.interval_s.to_string()),
            number(one.due),
            number(one.came),
            number(missed).class(if missed > 0 { "num over" } else { "num" }),
            number(one.late),
            number(fixed(one.delay_s, 1)),
        ]
    };
    Table {
        title: t.intervals.to_owned(),
        heads: vec![
            words(t.kind_of_data),
            numbers(t.interval_s),
            numbers(t.data_due),
            numbers(t.data_came),
            numbers(t.data_missed),
            numbers(t.data_late),
            numbers(t.delay_s),
        ],
        rows: found.iter().map(row).collect(),
        ..Table::default()
    }
}
