//! `plume doctor`: looks at this host, the configuration, the data and the peers, and says of everything that is not as
//! it should be what it is and what to do.

pub(crate) use host::free_bytes;

mod certificates;
mod data;
mod host;
mod keys;
mod peers;
mod registry;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plume_schemas::factors::Catalogue;
use plume_schemas::registry::Registry;
use plume_schemas::time::Time;

use super::{check, running};
use crate::cli::ops::DoctorArgs;
use crate::clock;
use crate::config::{Config, Problem};
use crate::finding::{self, Finding, Grade};

/// Problems of the configuration or the registry that are listed one by one; `plume check` lists all.
const MAX_PROBLEMS: usize = 20;

/// What the checks look at.
struct Case {
    config_path: PathBuf,
    config: Config,
    registry: Option<Registry>,
    /// What a plume that runs in the data directory says of itself: well, and its words.
    running: Option<(bool, String)>,
    now: Time,
}

impl Case {
    fn data_dir(&self) -> &Path {
        &self.config.plume.data_dir
    }
}

/// Examines and prints; fails where something does not work (with `--strict` also where it will not for ever).
pub(crate) async fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = examine(&args.config, clock::system().now()).await?;
    finding::print(&findings, args.json)?;
    let limit = if args.strict { Grade::Warning } else { Grade::Error };
    let ill = finding::gravest(&findings).is_some_and(|grade| grade >= limit);
    Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything there is to find.
pub(crate) async fn examine(config_path: &Path, now: Time) -> anyhow::Result<Vec<Finding>> {
    let config = match Config::load(config_path) {
        Ok(config) => config,
        Err(problems) => {
            let mut findings = listed("config", &problems);
            findings.push(
                Finding::note(
                    "unfinished",
                    "配置有错，其余项目未检查",
                    "the rest was not examined: the configuration has errors",
                )
                .todo("改正后再运行 plume doctor", "correct it, then run plume doctor again"),
            );
            return Ok(findings);
        }
    };
    let catalogue = Catalogue::embedded()?;
    let mut findings = Vec::new();
    let registry = match check::load_registry(&check::registry_path(config_path, &config), &catalogue) {
        Ok((registry, warnings)) => {
            findings.extend(listed("registry", &warnings));
            Some(registry)
        }
        Err(problems) => {
            findings.extend(listed("registry", &problems));
            None
        }
    };
    let running = match running::ask(&config.plume.data_dir, "GET", "/readyz").await {
        Some(answer) => answer.ok(),
        None => None,
    };
    let case = Case {
        config_path: config_path.to_owned(),
        config,
        registry,
        running,
        now,
    };
    host::examine(&case, &mut findings);
    data::examine(&case, &mut findings).await;
    registry::examine(&case, &mut findings);
    certificates::examine(&case, &mut findings);
    keys::examine(&case, &mut findings);
    peers::examine(&case, &mut findings).await;
    Ok(findings)
}

/// Problems of a file, each with its line.
fn listed(code: &'static str, problems: &[Problem]) -> Vec<Finding> {
    let one = |problem: &Problem| {
        let place = match problem.place {
            Some((line, column)) => format!("{}:{line}:{column}", problem.file),
            None => problem.file.clone(),
        };
        let (zh, en) = (
            format!("{place} 有误：{}", problem.message),
            format!("{place}: {}", problem.message),
        );
        let found = if problem.warning {
            Finding::warning(code, zh, en)
        } else {
            Finding::error(code, zh, en)
        };
        found.todo(format!("改正该处：{}", problem.hint), problem.hint.clone())
    };
    problems.iter().take(MAX_PROBLEMS).map(one).collect()
}

/// The first few of many names.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += " …";
    }
    text
}
