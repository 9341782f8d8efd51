//! `plume recompute`: has the running plume judge days again that its judge no longer remembers, or says what would be
//! said. Beside a plume that is stopped it only looks.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use plume_archive::Reader;
use plume_schemas::ids::OutletId;
use plume_schemas::judgement::Verdict;
use plume_schemas::time::{Span, Time};
use serde::{Deserialize, Serialize};

use super::place::{ask, place};
use super::view;
use crate::cli::archive::Place;
use crate::cli::judge::RecomputeArgs;
use crate::config::Config;
use crate::roles::recompute::{Said, days_of, said_otherwise};
use crate::{clock, out};

/// What the running plume is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) outlet: OutletId,
    /// Days of Beijing, the last one not part of it.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) dry_run: bool,
}

impl Wish {
    /// From the first moment of the first day.
    pub(crate) fn span(&self) -> anyhow::Result<Span> {
        let day = |text: &str| Time::parse_stamp(text.replace('-', "").as_bytes());
        match (day(&self.from), day(&self.to)) {
            (Some(start), Some(end)) if start < end => Ok(Span { start, end }),
            _ => bail!("--to 须晚于 --from / --to must be a day after --from; the day of --to is not part of it"),
        }
    }
}

/// Asks for each outlet.
pub(crate) async fn run(args: &RecomputeArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    for &outlet in &args.outlets {
        let wish = Wish {
            outlet,
            from: args.from.clone(),
            to: args.to.clone(),
            dry_run: args.dry_run,
        };
        wish.span()?;
        let answer = ask(&data_dir, "POST", "/recompute", &serde_json::to_string(&wish)?).await;
        let said = match answer {
            Some(answer) => answer?,
            None if args.dry_run => alone(args, &config, &wish).await?,
            None => bail!(
                "plume 未在运行：只能加 --dry-run 查看 / no plume runs here: what is found is said by the judge, so start \
                 `plume run` first, or look with --dry-run"
            ),
        };
        out::line(said.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What would be said, by the archive of a plume that is stopped.
async fn alone(args: &RecomputeArgs, config: &Config, wish: &Wish) -> anyhow::Result<String> {
    let place = Place {
        config: args.config.clone(),
        data: args.data.clone(),
        archive: None,
        archived_only: false,
    };
    let (settings, span, outlet) = (config.detect.clone(), wish.span()?, wish.outlet);
    let look = move || {
        let reader: Arc<Reader> = Arc::new(view::open(&place)?);
        let lines = reader.stats().lines;
        let partitions = lines.iter().filter(|line| line.line.starts_with("reports/")).count();
        let partition = plume_schemas::partition::partition_of(outlet, u32::try_from(partitions)?.max(1));
        let now = clock::system().now();
        said_otherwise(&reader, &settings, (partition, days_of(outlet, span, now)), now)
    };
    let said = tokio::task::spawn_blocking(look).await??;
    Ok(text(&said, true))
}

/// The answer as people read it.
pub(crate) fn text(said: &[Said], trial: bool) -> String {
    let mut lines: Vec<String> = said.iter().flat_map(lines_of).collect();
    let count = said.iter().map(|said| said.revisions.len()).sum::<usize>();
    lines.push(match (count, trial) {
        (0, _) => "结论不变 / nothing is said otherwise".to_owned(),
        (_, true) => {
            format!("{count} 个时段将改判（未写入） / {count} window(s) would be said otherwise; nothing written")
        }
        (_, false) => format!("{count} 个时段已改判 / {count} window(s) are said otherwise"),
    });
    lines.join("\n") + "\n"
}

fn lines_of(said: &Said) -> Vec<String> {
    let line = |revision: &plume_schemas::recompute::Revision| {
        let judgement = &revision.judgement;
        let (zh, en) = words(Some(judgement.verdict));
        let (was_zh, was_en) = words(judgement.previous);
        let edges: Vec<String> = revision
            .turns
            .iter()
            .map(|turn| format!("；{} {}", turn.edge.zh(), turn.edge.en()))
            .collect();
        format!(
            "{} {} {} {} {}：{was_zh} → {zh} / {was_en} → {en}{}",
            judgement.outlet,
            judgement.factor.as_ref().map_or("", |factor| factor.as_str()),
            judgement.rule.code(),
            judgement.window.start.date(),
            judgement.window.start.hour_minute(),
            edges.concat()
        )
    };
    said.revisions.iter().map(line).collect()
}

fn words(verdict: Option<Verdict>) -> (String, String) {
    match verdict {
        None => ("无".to_owned(), "nothing".to_owned()),
        Some(Verdict::Fine) => ("达标".to_owned(), "fine".to_owned()),
        Some(Verdict::Breach(severity)) => (severity.zh().to_owned(), severity.en().to_owned()),
        Some(Verdict::NotJudged(reason)) => (
            format!("未判定（{}）", reason.zh()),
            format!("not judged ({})", reason.en()),
        ),
    }
}
