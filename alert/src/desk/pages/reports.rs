//! 报表: the hours of a day, the days of a month, the months of a year of one outlet, as bureaus print and file them
//! (HJ 75-2017 annex D: 小时平均值日报表, 日平均值月报表, 月平均值年报表).

mod period;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::reading::Basis;
use plume_schemas::registry::{LimitWindow, Outlet};
use plume_schemas::time::{Span, Time};
use serde::Deserialize;

use self::period::{Period, parse_date};
use crate::desk::auth::Visitor;
use crate::desk::history::{HourValue, Quantity};
use crate::desk::names::Names;
use crate::desk::problem::Problem;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::fixed;
use crate::desk::view::sheet::{Cell, Choice, Pick, Sheet, Table, link, number, numbers, text, words};

/// Valid hours that make a day valid.
const VALID_HOURS: usize = 20;

/// `GET /reports`: every outlet with its three reports.
pub(crate) async fn list(State(state): State<DeskState>, visitor: Visitor) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let names = state.names(visitor.lang);
    let registry = state.desk().registry();
    let outlets = registry.registry().outlets.iter();
    let rows = outlets
        .filter(|outlet| state.sees(&visitor.viewer, outlet.id))
        .map(|outlet| {
            let report = |period: Period| {
                let code = period.code();
                link(period.word(t), format!("/outlets/{}/report?period={code}", outlet.id))
            };
            vec![
                text(names.enterprise(outlet.enterprise)),
                text(names.outlet(outlet.id).full()),
                report(Period::Day),
                report(Period::Month),
                report(Period::Year),
            ]
        });
    let sheet = Sheet {
        title: t.reports.to_owned(),
        about: t.reports_about.to_owned(),
        tables: vec![Table {
            title: t.outlets.to_owned(),
            note: String::new(),
            heads: [t.enterprise, t.outlet, t.report_day, t.report_month, t.report_year]
                .map(words)
                .into(),
            rows: rows.collect(),
            ..Table::default()
        }],
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// Which report of which day.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ReportQuery {
    period: Option<String>,
    date: Option<String>,
}

/// `GET /outlets/{id}/report`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let (t, now) = (visitor.lang.texts(), state.now());
    let id = OutletId::new(&id).map_err(|_| Problem::NotFound)?;
    let registry = state.desk().registry();
    let outlet = registry
        .outlet(id)
        .filter(|outlet| state.sees(&visitor.viewer, outlet.id))
        .ok_or(Problem::NotFound)?;
    let asked = query.period.as_deref();
    let period = Period::ALL.into_iter().find(|period| Some(period.code()) == asked);
    let period = period.unwrap_or(Period::Day);
    let date = match query.date.as_deref() {
        None => now,
        Some(date) => parse_date(date).ok_or(Problem::BadRequest)?,
    };
    let span = period.around(date);
    let hours = state
        .hours(id, None, span)
        .await
        .map_err(|_| Problem::Refused(t.no_history.to_owned()))?;
    let names = state.names(visitor.lang);
    let making = Making {
        t,
        names: &names,
        outlet,
        period,
        span,
        hours: &hours,
    };
    let enterprise = names.enterprise(outlet.enterprise);
    let sheet = Sheet {
        crumbs: vec![
            Link {
                href: "/reports".into(),
                word: t.reports.to_owned(),
            },
            Link {
                href: format!("/outlets/{id}"),
                word: names.outlet(id).full(),
            },
        ],
        title: format!("{enterprise} {} {}", names.outlet(id).full(), period.word(t)),
        about: put(t.report_about, &[&period.name(span.start)]),
        choices: making.choices(),
        tables: vec![making.table()],
        pick: Some(Pick {
            date: span.start.date(),
            kept: ("period", period.code().to_owned()),
        }),
        file: format!("report-{}-{}", outlet.number, period.name(span.start)),
        ..Sheet::default()
    };
    sheet.respond(&visitor)
}

/// Everything a report is made from.
struct Making<'a> {
    t: &'static Texts,
    names: &'a Names<'a>,
    outlet: &'a Outlet,
    period: Period,
    span: Span,
    hours: &'a [HourValue],
}

/// One column of numbers.
struct Column {
    head: String,
    cells: Vec<Option<Number>>,
    limit: Option<f64>,
    is_total: bool,
}

/// The number of one row.
#[derive(Clone, Copy)]
struct Number {
    value: f64,
    counts: bool,
}

impl Making<'_> {
    /// The other periods, and the one before and behind this.
    fn choices(&self) -> Vec<Choice> {
        let href = |period: Period, at: Time| {
            let (id, code, date) = (self.outlet.id, period.code(), at.date());
            format!("/outlets/{id}/report?period={code}&date={date}")
        };
        let before = self.period.around(self.span.start.plus(-1)).start;
        let turn = [(before, self.t.report_before), (self.span.end, self.t.report_after)];
        let kinds = Period::ALL.into_iter().map(|period| Choice {
            link: Link {
                href: href(period, self.span.start),
                word: period.word(self.t).to_owned(),
            },
            here: period == self.period,
        });
        let turns = turn.into_iter().map(|(at, word)| Choice {
            link: Link {
                href: href(self.period, at),
                word: word.to_owned(),
            },
            here: false,
        });
        kinds.chain(turns).collect()
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        for setup in &self.outlet.factors {
            let corrected = setup.reference_o2_pct.is_some();
            let (code, name) = (setup.code, self.names.factor(setup.code));
            let unit = self.names.unit(self.outlet.id, code);
            let limit = |judged: bool| self.limit(code).filter(|_| judged);
            let standard = if corrected { self.t.measured } else { "" };
            let mut add = |quantity, word: &str, unit: &str, limit| {
                let cells = self.cells(code, quantity);
                let head = [name.as_str(), word, unit];
                let head: Vec<&str> = head.into_iter().filter(|part| !part.is_empty()).collect();
                columns.push(Column {
                    head: head.join(" "),
                    cells,
                    limit,
                    is_total: quantity == Quantity::Total,
                });
            };
            add(Quantity::Mean(Basis::Standard), standard, &unit, limit(!corrected));
            if corrected {
                add(Quantity::Mean(Basis::Corrected), self.t.corrected, &unit, limit(true));
            }
            let is_total = |hour: &HourValue| hour.factor == code && hour.quantity == Quantity::Total;
            if self.hours.iter().any(is_total) {
                let is_flow = code.as_str() == "a00000";
                add(
                    Quantity::Total,
                    self.t.total_of,
                    if is_flow { "m³" } else { "kg" },
                    None,
                );
            }
        }
        columns
    }

    /// The limit of the rows' own length.
    fn limit(&self, factor: FactorCode) -> Option<f64> {
        let window = match self.period {
            Period::Day => LimitWindow::Hour,
            Period::Month => LimitWindow::Day,
            Period::Year => return None,
        };
        self.names.limit(self.outlet.id, factor, window, self.span.start)
    }

    fn cells(&self, factor: FactorCode, quantity: Quantity) -> Vec<Option<Number>> {
        let own = self
            .hours
            .iter()
            .filter(|hour| hour.factor == factor && hour.quantity == quantity);
        let own: Vec<&HourValue> = own.collect();
        let of = |span: Span| own.iter().copied().filter(move |hour| span.contains(hour.at));
        let is_total = quantity == Quantity::Total;
        self.period
            .rows(self.span)
            .into_iter()
            .map(|row| match self.period {
                Period::Day => of(row).next().map(|hour| Number {
                    value: hour.value,
                    counts: hour.counts,
                }),
                Period::Month => day(of(row), is_total),
                Period::Year => {
                    let days = Period::Month.rows(row).into_iter();
                    month(days.filter_map(|span| day(of(span), is_total)), is_total)
                }
            })
            .collect()
    }

    fn table(&self) -> Table {
        let t = self.t;
        let columns = self.columns();
        let digits: Vec<usize> = columns.iter().map(Column::digits).collect();
        let show = |column: &Column, digits: usize, row: usize| match column.cells.get(row).copied().flatten() {
            None => number(t.dash).class("num quiet"),
            Some(Number { value, counts: false }) => {
                number(fixed(value, digits)).class("num quiet").note(t.does_not_count)
            }
            Some(Number { value, .. }) => {
                let over = column.limit.is_some_and(|limit| value > limit);
                number(fixed(value, digits)).class(if over { "num over" } else { "num" })
            }
        };
        let spans = self.period.rows(self.span);
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (place, span) in spans.iter().enumerate() {
            let name = text(self.period.row_name(span.start));
            let cells = columns
                .iter()
                .zip(&digits)
                .map(|(column, digits)| show(column, *digits, place));
            rows.push(std::iter::once(name).chain(cells).collect());
        }
        for (word, of) in [
            (t.row_mean, Column::mean as fn(&Column) -> Option<f64>),
            (t.row_most, Column::most),
            (t.row_least, Column::least),
            (t.row_total, Column::total),
        ] {
            let cells = columns.iter().zip(&digits).map(|(column, digits)| {
                let said = of(column).map_or_else(|| t.dash.to_owned(), |value| fixed(value, *digits));
                number(said).class("num sum")
            });
            rows.push(std::iter::once(text(word).class("sum")).chain(cells).collect());
        }
        let counted = columns
            .iter()
            .map(|column| number(column.counted().count()).class("num sum"));
        rows.push(std::iter::once(text(t.row_count).class("sum")).chain(counted).collect());
        let mut heads = vec![words(t.time)];
        heads.extend(columns.iter().map(|column| numbers(column.head.clone())));
        Table {
            title: format!("{} {}", self.period.word(t), self.period.name(self.span.start)),
            note: t.report_note.to_owned(),
            heads,
            rows,
            ..Table::default()
        }
    }
}

/// A day: the mean of its valid hours, valid with twenty of them; a total is the sum.
fn day<'a>(hours: impl Iterator<Item = &'a HourValue>, is_total: bool) -> Option<Number> {
    let counted: Vec<f64> = hours.filter(|hour| hour.counts).map(|hour| hour.value).collect();
    let sum: f64 = counted.iter().sum();
    (!counted.is_empty()).then(|| Number {
        value: if is_total { sum } else { sum / counted.len() as f64 },
        counts: is_total || counted.len() >= VALID_HOURS,
    })
}

/// A month: the mean of its valid days; a total is the sum.
fn month(days: impl Iterator<Item = Number>, is_total: bool) -> Option<Number> {
    let counted: Vec<f64> = days.filter(|day| day.counts).map(|day| day.value).collect();
    let sum: f64 = counted.iter().sum();
    (!counted.is_empty()).then(|| Number {
        value: if is_total { sum } else { sum / counted.len() as f64 },
        counts: true,
    })
}

impl Column {
    fn counted(&self) -> impl Iterator<Item = f64> {
        self.cells
            .iter()
            .flatten()
            .filter(|cell| cell.counts)
            .map(|cell| cell.value)
    }

    /// Digits behind the point, alike in the whole column: three or four figures of its largest number.
    fn digits(&self) -> usize {
        let largest = self
            .cells
            .iter()
            .flatten()
            .map(|cell| cell.value.abs())
            .fold(0.0, f64::max);
        match largest {
            large if large >= 1_000.0 => 0,
            large if large >= 100.0 => 1,
            _ => 2,
        }
    }

    fn sum(&self) -> Option<f64> {
        self.counted().reduce(|sum, value| sum + value)
    }

    fn mean(&self) -> Option<f64> {
        Some(self.sum()? / self.counted().count() as f64)
    }

    fn most(&self) -> Option<f64> {
        self.counted().reduce(f64::max)
    }

    fn least(&self) -> Option<f64> {
        self.counted().reduce(f64::min)
    }

    /// A sum means something of what came out, and nothing of means.
    fn total(&self) -> Option<f64> {
        self.sum().filter(|_| self.is_total)
    }
}

#[cfg(test)]
mod tests {
    use plume_schemas::time::HOUR_MS;

    use super::*;

    #[test]
    fn a_day_needs_twenty_hours_and_a_month_valid_days() {
        let hour = |n: i64, counts| HourValue {
            factor: FactorCode::new("a21026").unwrap(),
            at: Time(n * HOUR_MS),
            quantity: Quantity::Total,
            value: 10.0 + n as f64,
            counts,
        };
        let hours: Vec<HourValue> = (0..24).map(|n| hour(n, n >= 5)).collect();
        let short = day(hours.iter(), false).unwrap();
        assert!(
            (short.value - 24.0).abs() < 1e-9 && !short.counts,
            "19 hours are too few"
        );
        let enough: Vec<HourValue> = (0..24).map(|n| hour(n, n >= 4)).collect();
        let enough = day(enough.iter(), false).unwrap();
        assert!(enough.counts);
        let of_days = month([short, enough].into_iter(), false).unwrap();
        assert!((of_days.value - enough.value).abs() < 1e-9, "only the valid day counts");
        let total = day(hours.iter(), true).unwrap();
        assert!((total.value - 24.0 * 19.0).abs() < 1e-9 && total.counts);
        assert!(day([].iter(), true).is_none());
    }
}
