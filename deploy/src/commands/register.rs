//! `plume quarantine waiting` and `register`: 一键建档 in the terminal.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::permit::tell;
use crate::cli::orders::{RegisterArgs, WaitingArgs};
use crate::out;

/// Lists who waits.
pub(crate) async fn waiting(args: &WaitingArgs) -> anyhow::Result<ExitCode> {
    let answer = tell(&args.place, "GET", "/quarantine/waiting", "").await?;
    if args.place.json {
        out::line(answer.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let all: Vec<Value> = serde_json::from_str(&answer).context("the running plume gave no list")?;
    for one in &all {
        out::line(line(one));
    }
    if all.is_empty() {
        out::line("没有等待建档的设备 / no device waits for its registration");
    }
    Ok(ExitCode::SUCCESS)
}

/// Registers one.
pub(crate) async fn run(args: &RegisterArgs) -> anyhow::Result<ExitCode> {
    let wish = json!({
        "mn": args.mn,
        "enterprise": args.enterprise,
        "enterprise_name": args.enterprise_name,
        "outlet": args.outlet,
        "outlet_name": args.outlet_name,
        "keep_password": args.keep_password,
        "by": args.by,
    });
    let said = tell(&args.place, "POST", "/quarantine/register", &wish.to_string()).await?;
    out::line(said.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// What the packets of a device say of it.
fn line(one: &Value) -> String {
    let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| one.get(key).and_then(Value::as_u64);
    let factors = one
        .get("factors")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let factors: Vec<&str> = factors.iter().filter_map(Value::as_str).collect();
    let cns = one.get("cns").and_then(Value::as_object).cloned().unwrap_or_default();
    let cns: Vec<String> = cns.iter().map(|(cn, count)| format!("{cn}×{count}")).collect();
    let minutes = number("minute_interval_min").map(|minutes| format!("  每 / every {minutes} min"));
    format!(
        "{}  {}  ST={}  {} 包 / packets  {}{}\n    因子 / factors: {}",
        text("mn"),
        text("dialect"),
        text("st"),
        number("packets").unwrap_or(0),
        cns.join(" "),
        minutes.unwrap_or_default(),
        factors.join(" "),
    )
}
