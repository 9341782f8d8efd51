//! 下达命令: an officer asks a device for its time, its data or a serial number, confirms, and reads what came of it.
//! Nothing here touches an instrument.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::time::{DAY_MS, HOUR_MS, Time};
use serde::Deserialize;

use super::device::theirs;
use crate::desk::auth::{Signed, Visitor};
use crate::desk::orders::{DeviceOrder, OrderError, OrderKind, OrderNeeds};
use crate::desk::problem::{Problem, html};
use crate::desk::shell::Shell;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::desk::view::case::Link;
use crate::desk::view::number::when;
use crate::desk::view::sheet::{Cell, text};
use crate::words::Lang;

/// Longest period asked for at once: what a device sends for it must come within minutes. The command line takes 31
/// days.
const MAX_SPAN_MS: i64 = 7 * DAY_MS;

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    shell: Shell,
    mn: Mn,
    device: String,
    said: Option<(bool, String)>,
    /// The order to be confirmed: what it says, and the fields it is sent with.
    confirm: Option<(String, Vec<(&'static str, String)>)>,
    groups: Vec<Group>,
    factors: Vec<Link>,
    from: String,
    to: String,
    rows: Vec<Vec<Cell>>,
}

/// Orders that need the same.
struct Group {
    title: &'static str,
    span: bool,
    factor: bool,
    orders: Vec<Link>,
}

/// What was done just before.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
}

/// `GET /devices/{mn}/orders`.
pub(crate) async fn page(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
    Query(query): Query<Done>,
) -> Result<Response, Problem> {
    let mn = theirs(&state, &visitor, &mn)?;
    let t = visitor.lang.texts();
    let said = match query.done.as_deref() {
        Some("ended") => Some((false, t.order_ended.to_owned())),
        Some("waiting") => Some((false, t.order_waiting_long.to_owned())),
        _ => None,
    };
    show(&state, &visitor, mn, said).await
}

/// The form of an order.
#[derive(Debug, Deserialize)]
pub(crate) struct OrderForm {
    order: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    factor: String,
    /// `yes` from the page that asked again.
    #[serde(default)]
    confirmed: String,
}

/// `POST /devices/{mn}/orders`: asks again first, and gives the order once that is answered.
pub(crate) async fn give(
    State(state): State<DeskState>,
    visitor: Visitor,
    Path(mn): Path<String>,
    Signed(form): Signed<OrderForm>,
) -> Result<Response, Problem> {
    let mn = theirs(&state, &visitor, &mn)?;
    let t = visitor.lang.texts();
    let kind = state.order_kinds().iter().find(|kind| kind.name == form.order);
    let kind = *kind.ok_or(Problem::BadRequest)?;
    let Some(arguments) = arguments(kind, &form) else {
        let days = MAX_SPAN_MS / DAY_MS;
        let said = put(t.order_span_wrong, &[&days]);
        return show(&state, &visitor, mn, Some((true, said))).await;
    };
    if form.confirmed != "yes" {
        return ask_again(&visitor, mn, kind, &arguments);
    }
    let order = DeviceOrder {
        mn,
        name: kind.name,
        arguments,
        by: visitor.viewer.name.clone(),
    };
    match state.give(&visitor.viewer, order, visitor.lang).await {
        Ok(result) => {
            let done = if result.is_some() { "ended" } else { "waiting" };
            Ok(Redirect::to(&format!("/devices/{mn}/orders?done={done}")).into_response())
        }
        Err(OrderError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%mn, order = kind.name, %error, hint = error.hint(), "an order is not given");
            Err(Problem::Refused(t.order_refused.to_owned()))
        }
    }
}

/// What the order is told, by what it needs; `None` where that is missing or wrong.
fn arguments(kind: OrderKind, form: &OrderForm) -> Option<BTreeMap<String, String>> {
    let pairs = match kind.needs {
        OrderNeeds::Nothing => Vec::new(),
        OrderNeeds::Span => {
            let (from, to) = (crate::duty::moment(&form.from)?, crate::duty::moment(&form.to)?);
            let length = to.since(from);
            (0..=MAX_SPAN_MS).contains(&length).then_some(())?;
            vec![("from", &form.from), ("to", &form.to)]
        }
        OrderNeeds::Factor => {
            FactorCode::new(&form.factor).ok()?;
            vec![("factor", &form.factor)]
        }
    };
    let pairs = pairs.into_iter();
    Some(pairs.map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

fn name_of(kind: OrderKind, lang: Lang) -> &'static str {
    lang.pick(kind.zh, kind.en)
}

fn ask_again(
    visitor: &Visitor,
    mn: Mn,
    kind: OrderKind,
    arguments: &BTreeMap<String, String>,
) -> Result<Response, Problem> {
    let t = visitor.lang.texts();
    let said: Vec<String> = arguments.values().map(|value| value.replace('T', " ")).collect();
    let words = format!("{} {}", name_of(kind, visitor.lang), said.join(" — "));
    let mut fields = vec![("order", kind.name.to_owned()), ("confirmed", "yes".to_owned())];
    for name in ["from", "to", "factor"] {
        fields.extend(arguments.get(name).map(|value| (name, value.clone())));
    }
    html(&OrdersPage {
        shell: Shell::new(visitor, t.orders),
        mn,
        device: format!("MN {mn}"),
        said: None,
        confirm: Some((words.trim_end().to_owned(), fields)),
        groups: Vec::new(),
        factors: Vec::new(),
        from: String::new(),
        to: String::new(),
        rows: Vec::new(),
    })
}

async fn show(state: &DeskState, visitor: &Visitor, mn: Mn, said: Option<(bool, String)>) -> Result<Response, Problem> {
    let (t, lang, now) = (visitor.lang.texts(), visitor.lang, state.now());
    let given = state.orders(mn, lang).await.map_err(|error| {
        tracing::warn!(%mn, %error, hint = error.hint(), "the orders of a device cannot be shown");
        Problem::Refused(t.no_orders.to_owned())
    })?;
    let rows = given.into_iter().map(|one| {
        let result = one.result;
        let waiting = || text(t.order_waiting).class("quiet");
        vec![
            text(when(one.at, now)),
            text(one.by),
            text(one.what).note(one.fields),
            result.map_or_else(waiting, |result| {
                let class = if result.is_success { "good" } else { "over" };
                text(result.words).class(class).note(result.told)
            }),
        ]
    });
    let hour = now.floor(HOUR_MS);
    html(&OrdersPage {
        shell: Shell::new(visitor, t.orders),
        mn,
        device: format!("MN {mn}"),
        said,
        confirm: None,
        groups: groups(state.order_kinds(), lang, t),
        factors: factors(state, visitor, mn),
        from: minute(hour.plus(-DAY_MS)),
        to: minute(hour),
        rows: rows.collect(),
    })
}

/// As a browser's field for a moment has it.
fn minute(at: Time) -> String {
    format!("{}T{}", at.date(), at.hour_minute())
}

fn groups(kinds: &[OrderKind], lang: Lang, t: &'static Texts) -> Vec<Group> {
    let group = |needs: OrderNeeds, title: &'static str| Group {
        title,
        span: needs == OrderNeeds::Span,
        factor: needs == OrderNeeds::Factor,
        orders: kinds
            .iter()
            .filter(|kind| kind.needs == needs)
            .map(|kind| Link {
                href: kind.name.to_owned(),
                word: name_of(*kind, lang).to_owned(),
            })
            .collect(),
    };
    let groups = [
        group(OrderNeeds::Nothing, t.order_settings),
        group(OrderNeeds::Span, t.order_history),
        group(OrderNeeds::Factor, t.order_serial),
    ];
    groups.into_iter().filter(|group| !group.orders.is_empty()).collect()
}

/// The factors measured where this device reports from.
fn factors(state: &DeskState, visitor: &Visitor, mn: Mn) -> Vec<Link> {
    let registry = state.desk().registry();
    let names = state.names(visitor.lang);
    let sources = registry.registry().sources.iter().filter(|source| source.mn == mn);
    let outlets = sources.filter(|source| state.sees(&visitor.viewer, source.outlet));
    let mut codes: Vec<FactorCode> = outlets
        .filter_map(|source| registry.outlet(source.outlet))
        .flat_map(|outlet| outlet.factors.iter().map(|factor| factor.code))
        .collect();
    codes.sort();
    codes.dedup();
    let codes = codes.into_iter();
    codes
        .map(|code| Link {
            href: code.to_string(),
            word: format!("{code} {}", names.factor(code)),
        })
        .collect()
}
