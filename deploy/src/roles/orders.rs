//! The desk's orders to devices: those that touch neither instrument nor secret, given and recorded as `plume command`
//! does it.

use std::collections::HashMap;
use std::time::Duration;

use plume_alert::desk::{DeviceOrder, OrderGiven, OrderKind, OrderNeeds, OrderQuestion, OrderResult};
use plume_alert::words::Lang;
use plume_ingest::exchange::command::{Command, CommandResult, Outcome};
use plume_ingest::exchange::order::ORDERS;
use plume_schemas::ids::Mn;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Context;
use super::exchange::{checked, listed, recorded, result_of};
use super::stop::Stop;
use crate::commands::command::{ended, name};

/// Orders that wait for their devices at a time; the desk refuses more, the command line does not.
const MAX_WAITING: usize = 32;
/// Longest wait for a result: a history of a week comes within it, and an order to a device that is away has expired.
const RESULT_LIMIT: Duration = Duration::from_mins(10);
/// Records of the topic looked through for a device's orders, and how many of them are shown.
const LOOKED_THROUGH: u64 = 2_000;
const SHOWN: usize = 20;

/// What the desk offers: neither the intervals and timeouts, which change what is collected, nor the streams, which
/// are on as it is.
const OFFERED: [(&str, OrderNeeds); 8] = [
    ("read-time", OrderNeeds::Nothing),
    ("set-time", OrderNeeds::Nothing),
    ("read-realtime-interval", OrderNeeds::Nothing),
    ("read-minute-interval", OrderNeeds::Nothing),
    ("minutes", OrderNeeds::Span),
    ("hours", OrderNeeds::Span),
    ("days", OrderNeeds::Span),
    ("serial", OrderNeeds::Factor),
];

/// The orders that the desk offers.
pub(crate) fn kinds() -> Vec<OrderKind> {
    let offered = OFFERED.into_iter().filter_map(|(name, needs)| {
        let order = ORDERS.iter().find(|order| order.name == name)?;
        let (zh, en) = (order.zh, order.en);
        Some(OrderKind { name, zh, en, needs })
    });
    offered.collect()
}

/// Answers until told to stop. Orders wait for their devices side by side.
pub(crate) async fn answer(
    context: Context,
    mut questions: mpsc::Receiver<OrderQuestion>,
    stop: Stop,
) -> anyhow::Result<()> {
    let mut waiting = JoinSet::new();
    loop {
        let question = tokio::select! {
            question = questions.recv() => question,
            Some(_) = waiting.join_next() => continue,
            () = stop.clone().wait() => None,
        };
        match question {
            None => return Ok(()),
            Some(OrderQuestion::List { mn, lang, answer }) => {
                let given = given(&context, mn, lang).await;
                // Who asked may have left.
                drop(answer.send(given.map_err(|error| format!("{error:#}"))));
            }
            Some(OrderQuestion::Give { recorded, .. }) if waiting.len() >= MAX_WAITING => {
                drop(recorded.send(Err(format!("{MAX_WAITING} orders wait already"))));
            }
            Some(OrderQuestion::Give {
                order,
                lang,
                recorded,
                ended,
            }) => {
                waiting.spawn(give(context.clone(), order, lang, recorded, ended));
            }
        }
    }
}

async fn give(
    context: Context,
    order: DeviceOrder,
    lang: Lang,
    told: oneshot::Sender<Result<(), String>>,
    ends: oneshot::Sender<OrderResult>,
) {
    let appended = append(&context, &order).await;
    let (command, next) = match appended {
        Ok(appended) => appended,
        Err(error) => return drop(told.send(Err(format!("{error:#}")))),
    };
    drop(told.send(Ok(())));
    match result_of(&context, &command, next, RESULT_LIMIT).await {
        Ok(Some(result)) => drop(ends.send(in_words(&result, lang))),
        Ok(None) => {}
        Err(error) => tracing::warn!(mn = %order.mn, %error, "what came of an order cannot be read"),
    }
}

/// Records the order; gives it with the place its result comes after.
async fn append(context: &Context, order: &DeviceOrder) -> anyhow::Result<(Command, u64)> {
    let command = checked(context, order.mn, order.name, &order.arguments, &order.by).map_err(anyhow::Error::msg)?;
    let next = super::exchange::end_of_results(context).await?;
    context.bus.append(vec![recorded(&command)?]).await?;
    Ok((command, next))
}

fn in_words(result: &CommandResult, lang: Lang) -> OrderResult {
    let told = result.told.iter().map(|(name, value)| format!("{name}={value}"));
    let packets = match lang {
        Lang::Zh => format!("{} 个数据包", result.packets),
        Lang::En => format!("{} packets of data", result.packets),
    };
    let told: Vec<String> = told.chain((result.packets > 0).then_some(packets)).collect();
    let code = match &result.outcome {
        Outcome::Done { code } => format!("ExeRtn={code}"),
        Outcome::Refused { code } => format!("QnRtn={code}"),
        other => other.name().to_owned(),
    };
    OrderResult {
        is_success: result.outcome.is_success(),
        words: ended(result).in_lang(lang),
        code,
        told: told.join(" "),
    }
}

/// The last orders to a device, whoever gave them, the newest first.
async fn given(context: &Context, mn: Mn, lang: Lang) -> anyhow::Result<Vec<OrderGiven>> {
    let records = listed(context, LOOKED_THROUGH).await?;
    let mut results = HashMap::new();
    let mut orders = Vec::new();
    for line in records.lines().map(str::as_bytes) {
        if let Ok(order) = Command::from_record(line) {
            orders.extend((order.mn == mn).then_some(order));
        } else if let Ok(result) = CommandResult::from_record(line) {
            results.insert(result.id, result);
        }
    }
    let newest = orders.into_iter().rev().take(SHOWN);
    let shown = newest.map(|order| OrderGiven {
        at: order.at,
        what: name(order.cn).in_lang(lang),
        fields: order
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" "),
        result: results.get(&order.id).map(|result| in_words(result, lang)),
        by: order.by,
    });
    Ok(shown.collect())
}
