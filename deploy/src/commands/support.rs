//! `plume support`: one text file with what somebody who helps needs to know, and without anything that only the bureau
//! may know. It is text so that whoever sends it can read it first.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::Registry;
use toml::Table;

use super::{check, doctor, running, upgrade};
use crate::cli::ops::SupportArgs;
use crate::config::Config;
use crate::finding::Finding;
use crate::secrets::{self, Secrets};
use crate::{clock, out};

/// Lines from the end of each log.
const LOG_LINES: usize = 2_000;
/// Files of the host that say what it is.
const HOST: [&str; 3] = ["/etc/os-release", "/proc/version", "/proc/meminfo"];
/// Lines of each.
const HOST_LINES: usize = 12;

/// Writes the file.
pub(crate) async fn run(args: &SupportArgs) -> anyhow::Result<ExitCode> {
    let mut text = format!(
        "plume {} support\n{}\n",
        env!("CARGO_PKG_VERSION"),
        clock::system().now()
    );
    let loaded = Config::load(&args.config);
    let registry = loaded.as_ref().ok().and_then(|config| {
        let path = check::registry_path(&args.config, config);
        let catalogue = Catalogue::embedded().ok()?;
        check::load_registry(&path, &catalogue)
            .ok()
            .map(|(registry, _)| registry)
    });
    host(&mut text)?;
    section(&mut text, "configuration", &configuration(&args.config, loaded.is_ok()))?;
    let findings = doctor::examine(&args.config, clock::system().now()).await?;
    section(&mut text, "doctor", &lines(&findings))?;
    if let Ok(config) = &loaded {
        let data = &config.plume.data_dir;
        section(&mut text, "formats", &lines(&upgrade::check(config).await))?;
        for page in ["/status", "/readyz", "/stats?text", "/metrics"] {
            let answer = match running::ask(data, "GET", page).await {
                Some(Ok((_, body))) => body,
                Some(Err(error)) => format!("{error:#}"),
                None => "plume is not running".to_owned(),
            };
            section(&mut text, page, &answer)?;
        }
        section(&mut text, "files", &listing(data))?;
    }
    if let Some(registry) = &registry {
        section(&mut text, "registry", &counts(registry))?;
    }
    if loaded.is_err() && !args.log.is_empty() {
        anyhow::bail!(
            "配置有错，无从得知日志中哪些是密码 / the configuration has errors, so nobody knows what in a log is a password: \
             correct it, or leave --log out"
        );
    }
    for log in &args.log {
        let content = std::fs::read(log).with_context(|| format!("read {}", log.display()))?;
        let content = String::from_utf8_lossy(&content).into_owned();
        let skip = content.lines().count().saturating_sub(LOG_LINES);
        let tail: Vec<&str> = content.lines().skip(skip).collect();
        section(&mut text, &log.display().to_string(), &tail.join("\n"))?;
    }
    let clean = match &loaded {
        Ok(config) => Secrets::of(&args.config, config, registry.as_ref()).without(&text),
        // Nothing was read of what the configuration names, and nothing of it is shown.
        Err(_) => Secrets::unknown().without(&text),
    };
    std::fs::write(&args.out, &clean).with_context(|| format!("write {}", args.out.display()))?;
    out::line(format_args!(
        "{}: {} 字节，密码、密钥、电话和邮箱已去除；发送前请过目 / {} bytes without passwords, keys, phones and addresses; read it \
         before you send it",
        args.out.display(),
        clean.len(),
        clean.len()
    ));
    Ok(ExitCode::SUCCESS)
}

fn section(text: &mut String, title: &str, body: &str) -> anyhow::Result<()> {
    Ok(writeln!(text, "\n===== {title}\n{}", body.trim_end())?)
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn host(text: &mut String) -> anyhow::Result<()> {
    for path in HOST {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        let head: Vec<&str> = content.lines().take(HOST_LINES).collect();
        section(text, path, &head.join("\n"))?;
    }
    Ok(())
}

/// What the configuration's file says, without comments and with every secret key masked. One that does not load is not
/// shown at all: a password may stand under a mistyped key.
fn configuration(path: &Path, loads: bool) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match text.parse::<Table>() {
        Ok(mut table) if loads => {
            secrets::masked(&mut table);
            table.to_string()
        }
        _ => "does not load and is not shown; see doctor".to_owned(),
    }
}

fn counts(registry: &Registry) -> String {
    format!(
        "{} enterprises, {} outlets, {} sources",
        registry.enterprises.len(),
        registry.outlets.len(),
        registry.sources.len()
    )
}

/// Names and sizes of what lies in the data directory, two levels deep.
fn listing(data: &Path) -> String {
    let mut lines = Vec::new();
    let mut open = vec![(data.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth < 2 {
                open.push((path, depth + 1));
            } else if let Ok(meta) = entry.metadata() {
                lines.push(format!("{:>14} {}", meta.len(), path.display()));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}
