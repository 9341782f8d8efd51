//! `plume permit`: steps of two persons towards orders that touch an instrument or a secret.

use std::io::BufRead as _;
use std::process::ExitCode;

use anyhow::Context as _;
use plume_ingest::exchange::order::of_cn;
use plume_schemas::time::Time;
use serde_json::json;

use super::place::{ask, place};
use crate::cli::permits::{PermitCommand, PlaceArgs, WhoArgs};
use crate::out;
use crate::permits::{Consent, Permit};

/// Takes a step, or lists what there is.
pub(crate) async fn run(command: &PermitCommand) -> anyhow::Result<ExitCode> {
    let (step, who) = match command {
        PermitCommand::List(args) => return list(&args.place).await,
        PermitCommand::Ask(args) => {
            let consent = json!({
                "person": args.consent_by,
                "document": args.document,
                "date": args.consent_date,
            });
            let wish = json!({"mn": args.mn, "orders": args.order, "consent": consent, "days": args.days});
            (json!({"ask": wish}), &args.who)
        }
        PermitCommand::Agree(args) => (json!({"agree": args.id}), &args.who),
        PermitCommand::Revoke(args) => (json!({"revoke": args.id}), &args.who),
    };
    let asked = json!({"login": who.login, "password": password(who)?, "step": step});
    let answer = tell(&who.place, "POST", "/permit", &asked.to_string()).await?;
    let permit: Permit = serde_json::from_str(&answer).context("the running plume gave no permit")?;
    if who.place.json {
        out::line(answer.trim_end());
    } else {
        out::line(line(&permit));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(at: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let answer = tell(at, "GET", "/permits", "").await?;
    if at.json {
        out::line(answer.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let permits: Vec<Permit> = serde_json::from_str(&answer).context("the running plume gave no permits")?;
    let lines: Vec<String> = permits.iter().map(line).collect();
    out::line(if lines.is_empty() {
        "没有许可：涉及仪器或密钥的命令一律禁止 / no permits: orders that touch an instrument or a secret are off"
            .to_owned()
    } else {
        lines.join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// What the running plume says; an error where none runs, or it refuses.
pub(crate) async fn tell(at: &PlaceArgs, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
    let (_, data_dir) = place(at.config.as_deref(), at.data.as_deref())?;
    let answer = ask(&data_dir, method, path, body).await;
    answer.with_context(|| {
        format!(
            "没有运行中的 plume / no plume runs in {}; start it with `plume run`",
            data_dir.display()
        )
    })?
}

/// The password of an account: from a file, or a line of standard input. Never an argument, which everybody on the host
/// could read.
fn password(who: &WhoArgs) -> anyhow::Result<String> {
    let text = if let Some(file) = &who.password_file {
        std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?
    } else {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.context("read the password from standard input")?;
        line
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A permit as a person reads it.
fn line(permit: &Permit) -> String {
    let minute = |moment: Time| {
        moment
            .to_string()
            .replace('T', " ")
            .chars()
            .take(16)
            .collect::<String>()
    };
    let named = |cn: &u16| of_cn(*cn).map_or_else(String::new, |order| format!("{} {}", order.name, order.zh));
    let orders: Vec<String> = permit.cns.iter().map(named).collect();
    let id: String = permit.id.to_string().chars().take(8).collect();
    let state = match (&permit.revoked, &permit.agreed) {
        (Some((by, at)), _) => format!("已撤销 / revoked: {} {}", by.login, minute(*at)),
        (None, Some((by, at))) => format!("同意 / agreed: {} {}", by.login, minute(*at)),
        (None, None) => "待另一人同意 / waits for another person".to_owned(),
    };
    let Consent { person, document, date } = &permit.consent;
    format!(
        "{id}  {}  {}\n    企业同意 / consent: {person} {document} {date}\n    申请 / asked: {} {}  {state}  至 / until {}",
        permit.mn,
        orders.join("、"),
        permit.asked_by.login,
        minute(permit.asked_at),
        minute(permit.until),
    )
}
