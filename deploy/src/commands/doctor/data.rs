//! The data directory: the log opens, the archive's books are whole, the desk's database is whole, formats are known.

use std::fs;
use std::path::{Path, PathBuf};

use plume_alert::store::{check_sqlite, schema_version};
use plume_archive::{Location, Reader};
use plume_bus::Recovery;

use super::Case;
use crate::commands::view;
use crate::finding::Finding;
use crate::roles;

/// Segments of the log with their sizes; none where the log is elsewhere or not there yet.
pub(super) fn log_files(case: &Case) -> Vec<(PathBuf, u64)> {
    let Some(dir) = roles::log_dir(case.data_dir(), &case.config.bus.url) else {
        return Vec::new();
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect()
}

pub(super) async fn examine(case: &Case, findings: &mut Vec<Finding>) {
    if let Some((false, words)) = &case.running {
        findings.push(
            Finding::error(
                "unwell",
                format!("运行中的 plume 报告：{}", words.trim()),
                format!("the plume that runs says: {}", words.trim()),
            )
            .todo(
                "按其提示处理；详见 plume status",
                "do as it says; plume status has more",
            ),
        );
    }
    if case.running.is_none() && !log_files(case).is_empty() {
        the_log(case, findings).await;
    }
    let archive = &case.config.archive;
    let there = archive.is_in_store() || case.data_dir().join(&archive.dir).join("manifest.jsonl").exists();
    if there
        && let Err(error) =
            Location::of(archive, case.data_dir()).and_then(|location| Reader::open(&location.root, location.fs))
    {
        findings.push(
            Finding::error(
                "archive_damaged",
                format!("归档清单有误：{error}"),
                format!("the archive's manifest is not what was written: {error}"),
            )
            .todo(
                format!("先备份现状，再运行 plume verify；{}", error.hint()),
                format!("keep a copy as it is, then plume verify; {}", error.hint()),
            ),
        );
    }
    if let Some(desk) = roles::desk::sqlite_path(&case.config.alert.store, case.data_dir())
        && desk.exists()
        && let Err(why) = whole(&desk).await
    {
        let desk = desk.display();
        findings.push(
            Finding::error(
                "desk_damaged",
                format!("工作台数据库 {desk} 有误：{why}"),
                format!("the desk's database {desk} is not whole: {why}"),
            )
            .todo(
                "停止 plume，用 plume restore --only desk 恢复最近的备份",
                "stop plume, then plume restore --only desk from the latest backup",
            ),
        );
    }
}

/// Whether a database has all its pages and the desk's schema: a file cut to its first page passes for an empty one.
async fn whole(desk: &Path) -> Result<(), String> {
    check_sqlite(desk).await.map_err(|error| error.to_string())?;
    match schema_version(desk).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("it holds no schema".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Opens the log of a stopped plume as a start would, never mending.
async fn the_log(case: &Case, findings: &mut Vec<Finding>) {
    let mut config = case.config.clone();
    config.bus.recovery = Recovery::Refuse;
    let opened = view::open_stopped(&config, case.data_dir()).await;
    let closed = match opened {
        Ok(bus) => bus.close().await.map_err(anyhow::Error::new),
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        findings.push(
            Finding::error(
                "log_damaged",
                format!("日志打不开：{error:#}"),
                format!("the log does not open: {error:#}"),
            )
            .todo(
                "先将日志目录复制一份，再按上面的提示处理（docs/corruption.md）",
                "copy the log's directory first, then do as the hint says (docs/corruption.md)",
            ),
        );
    }
}
