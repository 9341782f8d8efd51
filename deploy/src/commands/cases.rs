//! `plume cases`: the desk in a terminal, by the same interface that other programs use.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_schemas::time::Time;
use serde_json::{Value, json};

use super::client::{Client, Person};
use crate::cli::{CasesArgs, CasesCommand};
use crate::out;

/// Most cases one list prints: what the interface gives at once.
const MOST: usize = 500;

/// Lists, shows, or does something to a case.
pub(crate) async fn run(args: &CasesArgs) -> anyhow::Result<ExitCode> {
    let person = Person {
        name: &args.name,
        role: &args.role,
    };
    let client = Client::sign_in(&args.data, args.config.as_deref(), &person).await?;
    match &args.command {
        None => list(&client, args).await?,
        Some(CasesCommand::Show { id }) => show(&client, id, args).await?,
        Some(CasesCommand::Act {
            id,
            kind,
            text,
            measures,
        }) => {
            let case = find(&client, id).await?;
            let path = format!("/api/v1/cases/{}/acts", word(&case, "/id"));
            let act = json!({
                "kind": kind,
                "version": case.get("version"),
                "text": text,
                "measures": measures,
            });
            print(&client.ask("POST", &path, Some(&act)).await?, args);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, args: &CasesArgs) -> anyhow::Result<()> {
    let mut query = format!("state={}&order=gravest&limit={MOST}", escaped(&args.state));
    for (name, value) in [("district", &args.district), ("enterprise", &args.enterprise)] {
        if let Some(value) = value {
            query.extend(["&", name, "=", &escaped(value)]);
        }
    }
    let page = client.ask("GET", &format!("/api/v1/cases?{query}"), None).await?;
    if args.json {
        out::line(&page);
        return Ok(());
    }
    let cases = page
        .get("cases")
        .and_then(Value::as_array)
        .context("no list in the answer")?;
    for case in cases {
        tell(case, &args.lang);
    }
    let total = page.get("total").and_then(Value::as_u64).unwrap_or(0);
    out::line(format_args!("{} / {total}", cases.len()));
    Ok(())
}

async fn show(client: &Client, id: &str, args: &CasesArgs) -> anyhow::Result<()> {
    let case = find(client, id).await?;
    let path = format!("/api/v1/cases/{}/trace", word(&case, "/id"));
    let trace = client.ask("GET", &path, None).await?;
    if args.json {
        out::line(json!({ "case": case, "trace": trace.get("trace") }));
        return Ok(());
    }
    tell(&case, &args.lang);
    let kind = if args.lang == "en" { "/kind" } else { "/kind_word" };
    for line in trace.get("trace").and_then(Value::as_array).into_iter().flatten() {
        out::line(format_args!(
            "  {}  {}  {}  {}",
            moment(line, "/at"),
            word(line, kind),
            word(line, "/actor"),
            word(line, "/text").replace('\n', " · ")
        ));
    }
    Ok(())
}

/// A case by its id or the beginning of one.
async fn find(client: &Client, id: &str) -> anyhow::Result<Value> {
    if !id.chars().all(|c| c.is_ascii_hexdigit()) || id.is_empty() {
        bail!("`{id}` 不是预警编号 / is no case id; `plume cases` lists them");
    }
    if id.len() == 32 {
        return client.ask("GET", &format!("/api/v1/cases/{id}"), None).await;
    }
    let path = format!("/api/v1/cases?order=latest&limit={MOST}");
    let page = client.ask("GET", &path, None).await?;
    let cases = page.get("cases").and_then(Value::as_array).into_iter().flatten();
    let found: Vec<&Value> = cases.filter(|case| word(case, "/id").starts_with(id)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => bail!(
            "最近 {MOST} 条预警中没有以 `{id}` 开头的，请给出完整编号 / none of the latest {MOST} cases begins with `{id}`; \
             give the whole id"
        ),
        _ => bail!(
            "{} 条预警以 `{id}` 开头，请多给几位 / cases begin with `{id}`; give more of it",
            found.len()
        ),
    }
}

fn print(case: &Value, args: &CasesArgs) {
    if args.json {
        out::line(case);
    } else {
        tell(case, &args.lang);
    }
}

/// `3f2a91c0  2026-01-17 14:22  紧急  open  甲热电 DA001  预计本小时……`.
fn tell(case: &Value, lang: &str) {
    let signed = case.pointer("/acknowledged/name").and_then(Value::as_str);
    let severity = if lang == "en" { "/severity" } else { "/severity_word" };
    out::line(format_args!(
        "{}  {}  {}  {}{}  {} {}  {}",
        word(case, "/id").chars().take(8).collect::<String>(),
        moment(case, "/opened_at"),
        word(case, severity),
        word(case, "/state"),
        signed.map_or_else(String::new, |name| format!(" ({name})")),
        word(case, "/enterprise/name"),
        word(case, "/outlet/name"),
        word(case, &format!("/headline/{lang}")),
    ));
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn moment(value: &Value, pointer: &str) -> String {
    let at = Time(value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0));
    format!("{} {}", at.date(), at.hour_minute())
}

/// A value of a query, with everything but letters and digits escaped.
fn escaped(text: &str) -> String {
    let escaped = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escaped("a b&东"), "a%20b%26%E4%B8%9C");
    }
}
