//! Transmission rates for programs.

use std::collections::HashMap;

use axum::extract::{Query, State};
use plume_schemas::ids::{EnterpriseId, OutletId};
use plume_schemas::time::{DAY_MS, Span, Time};
use serde_json::{Value, json};

use super::cases::Asked;
use super::{ApiError, Caller, Json};
use crate::Desk;
use crate::accounts::Action;
use crate::calendar::date;
use crate::rates::{RateRow, Share, seen_by};

pub(super) async fn list(
    State(desk): State<Desk>,
    Caller(viewer): Caller,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json, ApiError> {
    if !viewer.may(Action::ViewCases) {
        return Err(ApiError::NotFound);
    }
    let asked = Asked(query);
    let spans = [
        asked.get("day", "a day such as 2026-11-21", day)?,
        asked.get("month", "a month such as 2026-11", month)?,
        asked.get("quarter", "a quarter such as 2026Q4", quarter)?,
    ];
    let mut given = spans.into_iter().flatten();
    let (Some(span), None) = (given.next(), given.next()) else {
        return Err(ApiError::Parameter {
            name: "day",
            expected: "one of `day`, `month` and `quarter`",
        });
    };
    let outlet = asked.get("outlet", "an outlet's id", |text| OutletId::new(text).ok())?;
    let enterprise = asked.get("enterprise", "an enterprise's code", |text| {
        EnterpriseId::new(text).ok()
    })?;
    let counted = desk.rates(span, outlet).await.map_err(ApiError::Rates)?;
    let rows = seen_by(
        counted.ok_or(ApiError::NoArchive)?,
        &viewer,
        &desk.registry(),
        enterprise,
    );
    let sum = |of: fn(&RateRow) -> Share| rows.iter().map(of).fold(Share::default(), Share::and);
    Ok(Json(json!({
        "from": span.start.0,
        "to": span.end.0,
        "rates": rows.iter().map(row).collect::<Vec<_>>(),
        "total": { "immediate": share(sum(|row| row.immediate)), "completed": share(sum(|row| row.completed)) },
    })))
}

fn row(row: &RateRow) -> Value {
    json!({
        "outlet": row.outlet.as_str(),
        "factor": row.factor.as_str(),
        "immediate": share(row.immediate),
        "completed": share(row.completed),
        "stopped": row.stopped,
        "forecast": row.forecast.map(|forecast| json!({
            "effective_pct": forecast.effective_pct,
            "left": forecast.left,
            "spare": forecast.spare,
        })),
    })
}

fn share(share: Share) -> Value {
    json!({
        "due": share.due,
        "received": share.received,
        "valid": share.valid,
        "transmission_pct": share.transmission_pct(),
        "validity_pct": share.validity_pct(),
        "effective_pct": share.effective_pct(),
    })
}

fn day(text: &str) -> Option<Span> {
    let start = date(text)?;
    Some(Span {
        start,
        end: start.plus(DAY_MS),
    })
}

/// From the first day of a month to the first day of the month `months` later.
fn months(year: u32, month: u32, months: u32) -> Option<Span> {
    let first = |year: u32, month: u32| Time::parse_stamp(format!("{year:04}{month:02}01").as_bytes());
    let last = month - 1 + months;
    Some(Span {
        start: first(year, month)?,
        end: first(year + last / 12, last % 12 + 1)?,
    })
}

fn year_of(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn month(text: &str) -> Option<Span> {
    let (year, month) = text.split_once('-').filter(|_| text.len() == 7)?;
    let month = month.parse().ok().filter(|month| (1..=12).contains(month))?;
    months(year_of(year)?, month, 1)
}

fn quarter(text: &str) -> Option<Span> {
    let (year, quarter) = text.split_once('Q').filter(|_| text.len() == 6)?;
    let quarter: u32 = quarter.parse().ok().filter(|quarter| (1..=4).contains(quarter))?;
    months(year_of(year)?, quarter * 3 - 2, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_days_months_and_quarters_of_beijing() {
        let shown = |span: Option<Span>| span.map(|span| format!("{} {}", span.start.stamp14(), span.end.date()));
        assert_eq!(shown(day("2026-11-21")).as_deref(), Some("20261121000000 2026-11-22"));
        assert_eq!(shown(month("2026-12")).as_deref(), Some("20261201000000 2027-01-01"));
        assert_eq!(shown(quarter("2026Q4")).as_deref(), Some("20261001000000 2027-01-01"));
        assert_eq!(shown(quarter("2026Q1")).as_deref(), Some("20260101000000 2026-04-01"));
        for bad in ["2026-13", "2026-0", "202611", "2026Q5", "2026Q0", "Q1", "+026-01"] {
            let read = [day(bad), month(bad), quarter(bad)];
            assert_eq!(read.into_iter().flatten().count(), 0, "{bad}");
        }
    }
}
