//! `plume command`: asks something of a device through the running plume, and says what came of it.

use std::collections::HashMap;
use std::fmt;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_alert::words::Lang as DeskLang;
use plume_ingest::exchange::command::{Command, CommandResult, Outcome};
use plume_ingest::exchange::order::of_cn;
use plume_ingest::hj212::explain::{Lang, result_name};
use serde_json::json;

use super::place::{ask, place};
use crate::cli::orders::CommandArgs;
use crate::out;

/// Gives the order, or lists those given.
pub(crate) async fn run(args: &CommandArgs) -> anyhow::Result<ExitCode> {
    let (_, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let not_running = || {
        format!(
            "没有运行中的 plume / no plume runs in {}; start it with `plume run`",
            data_dir.display()
        )
    };
    if args.list {
        let listed = ask(&data_dir, "GET", "/commands", "")
            .await
            .with_context(not_running)??;
        out::line(if args.json { listed } else { listing(&listed) }.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(order), Some(mn)) = (&args.order, args.mn) else {
        bail!("which order, and --mn of which device?");
    };
    let given = [
        ("value", &args.value),
        ("count", &args.count),
        ("factor", &args.factor),
        ("info", &args.info),
        ("from", &args.from),
        ("to", &args.to),
    ];
    let given: serde_json::Map<String, serde_json::Value> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
        .collect();
    let asked = json!({"mn": mn, "order": order, "arguments": given, "by": args.by, "wait_s": args.wait});
    let answer = ask(&data_dir, "POST", "/command", &asked.to_string())
        .await
        .with_context(not_running)??;
    if args.json {
        out::line(answer.trim_end());
    }
    let Ok(result) = CommandResult::from_record(answer.trim().as_bytes()) else {
        if !args.json {
            out::line(format_args!(
                "{} 秒内没有结果，稍后见 plume command --list / no result within {} s; see `plume command --list`",
                args.wait, args.wait
            ));
        }
        return Ok(ExitCode::FAILURE);
    };
    if !args.json {
        out::line(said(&result));
    }
    Ok(if result.outcome.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Words in both languages, behind what is the same in both.
pub(crate) struct Said {
    code: String,
    zh: String,
    en: String,
}

impl Said {
    fn new(code: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// In one of them.
    pub(crate) fn in_lang(&self, lang: DeskLang) -> String {
        format!("{}{}", self.code, lang.pick(&self.zh, &self.en))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} / {}", self.code, self.zh, self.en)
    }
}

/// Name of an order.
pub(crate) fn name(cn: u16) -> Said {
    let (zh, en) = of_cn(cn).map_or(("其他命令", "another command"), |order| (order.zh, order.en));
    Said::new(format!("CN {cn} "), zh, en)
}

/// One line for the result, and one for each thing the device told.
fn said(result: &CommandResult) -> String {
    let mut lines = vec![format!("{} {}: {}", result.mn, name(result.cn), ended(result))];
    lines.extend(result.told.iter().map(|(name, value)| format!("  {name} = {value}")));
    if result.packets > 0 {
        lines.push(format!("  {} 个数据包 / packets of data", result.packets));
    }
    lines.join("\n")
}

/// How an order ended, in words.
pub(crate) fn ended(result: &CommandResult) -> Said {
    let code = |field: &str, of_request, code| {
        let name = |lang| result_name(lang, of_request, code).unwrap_or("?");
        Said::new(format!("{field}={code} "), name(Lang::Zh), name(Lang::En))
    };
    let plain = |zh: &str, en: &str| Said::new("", zh, en);
    match &result.outcome {
        Outcome::Done { code: 1 } if matches!(result.cn, 2012 | 2022) => plain("已应答 9013", "noticed (9013)"),
        Outcome::Done { code: done } => code("ExeRtn", false, *done),
        Outcome::Refused { code: refused } => code("QnRtn", true, *refused),
        Outcome::NoAnswer { sent } => Said::new(
            "",
            format!("设备无应答，已发送 {sent} 次"),
            format!("no answer, sent {sent} times"),
        ),
        Outcome::NoResult => plain("设备已接收但未返回执行结果 9012", "taken, but no 9012 in time"),
        Outcome::Unreachable => plain("设备不在线", "the device has no link"),
        Outcome::TooMany => plain("等待的命令过多", "too many orders wait for this device"),
        Outcome::NotPermitted => plain("没有许可，未发送", "not permitted, not sent"),
        Outcome::Unwritable { why } => Said::new("", format!("无法发送: {why}"), format!("cannot be sent: {why}")),
    }
}

/// A line for each order: when, who, what, and what came of it.
fn listing(records: &str) -> String {
    let mut results = HashMap::new();
    let mut orders = Vec::new();
    for line in records.lines().map(str::as_bytes) {
        if let Ok(order) = Command::from_record(line) {
            orders.push(order);
        } else if let Ok(result) = CommandResult::from_record(line) {
            results.insert(result.id, result);
        }
    }
    let lines = orders.iter().map(|order| {
        let at: String = order.at.to_string().replace('T', " ").chars().take(19).collect();
        let fields: Vec<String> = order
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let result = results
            .get(&order.id)
            .map_or_else(|| "等待中 / waiting".to_owned(), |result| ended(result).to_string());
        let (by, mn, what) = (&order.by, order.mn, name(order.cn));
        format!("{at}  {by}  {mn}  {what}  {}\n    → {result}", fields.join(";"))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        "没有命令 / no orders yet".to_owned()
    } else {
        lines.join("\n")
    }
}
