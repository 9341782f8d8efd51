//! `plume upgrade --check`: whether this plume can go on with the data that another version left, and whether that one
//! could go on afterwards. Every format on disk carries its version; nothing is changed here.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use plume_alert::store::{KNOWN_SCHEMA, schema_version};
use plume_archive::{Location, Reader};
use plume_bus::LOG_FORMAT;

use crate::cli::ops::UpgradeArgs;
use crate::config::Config;
use crate::finding::{self, Finding, Grade};
use crate::{clock, roles, status};

/// Bytes of a segment up to its version.
const SEGMENT_HEAD: usize = 10;

/// Looks and prints; fails where this plume cannot go on.
pub(crate) async fn run(args: &UpgradeArgs) -> anyhow::Result<ExitCode> {
    let findings = match Config::load(&args.config) {
        Ok(config) => check(&config).await,
        Err(problems) => problems
            .iter()
            .map(|problem| {
                let said = problem.to_string();
                Finding::error("upgrade_config", said.clone(), said).todo(
                    "此版本不认识该配置：改正后再升级",
                    "this version does not know it: correct it first",
                )
            })
            .collect(),
    };
    finding::print(&findings, args.json)?;
    let ill = finding::gravest(&findings) == Some(Grade::Error);
    Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The format of every part of a data directory.
pub(crate) async fn check(config: &Config) -> Vec<Finding> {
    let data = &config.plume.data_dir;
    let mut found = Vec::new();
    if let Some(dir) = roles::log_dir(data, &config.bus.url) {
        log(&dir, &mut found);
    }
    for path in roles::checkpoint::all(data) {
        let fits = roles::checkpoint::load(&path).is_ok_and(|state| state.is_some());
        if !fits {
            let path = path.display();
            found.push(
                Finding::warning(
                    "upgrade_checkpoint",
                    format!("{path} 为其他版本所写或有误"),
                    format!("{path} is of another version or damaged"),
                )
                .todo(
                    "无需处理：判定状态会从日志重建，启动稍慢",
                    "nothing: the judge is rebuilt from the log, the start takes longer",
                ),
            );
        }
    }
    let archive = &config.archive;
    if archive.is_in_store() || data.join(&archive.dir).join("manifest.jsonl").exists() {
        match Location::of(archive, data).and_then(|location| Reader::open(&location.root, location.fs)) {
            Ok(_) => found.push(known(
                "upgrade_archive",
                "归档清单",
                "the archive's manifest",
                plume_archive::FORMAT,
            )),
            Err(error) => found.push(unknown("upgrade_archive", &error.to_string(), &error.hint())),
        }
    }
    if let Some(desk) = roles::desk::sqlite_path(&config.alert.store, data)
        && desk.exists()
    {
        found.push(match schema_version(&desk).await {
            Ok(version) => schema(version.unwrap_or(0)),
            Err(error) => unknown("upgrade_desk", &error.to_string(), &error.hint()),
        });
    }
    found.extend(status::backup_age(data, clock::system().now()));
    found
}

fn known(code: &'static str, zh: &str, en: &str, version: u32) -> Finding {
    Finding::note(
        code,
        format!("{zh}格式 {version}，与本程序一致"),
        format!("{en} has format {version}, which this plume writes too"),
    )
}

fn unknown(code: &'static str, why: &str, hint: &str) -> Finding {
    Finding::error(
        code,
        format!("无法沿用：{why}"),
        format!("this plume cannot go on with it: {why}"),
    )
    .todo(
        format!("使用写入它的版本，或从备份恢复（{hint}）"),
        format!("use the version that wrote it, or restore ({hint})"),
    )
}

fn log(dir: &Path, found: &mut Vec<Finding>) {
    let mut versions: Vec<Option<u16>> = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "log") {
            versions.push(segment_version(&path));
        }
    }
    if versions.is_empty() {
        return;
    }
    match versions.iter().find(|version| **version != Some(LOG_FORMAT)) {
        None => found.push(known("upgrade_log", "日志", "the log", LOG_FORMAT.into())),
        Some(other) => {
            let other = other.map_or_else(|| "?".to_owned(), |version| version.to_string());
            found.push(unknown(
                "upgrade_log",
                &format!("log format {other}, known is {LOG_FORMAT}"),
                "stop the old plume cleanly, so that all is judged and archived, then begin a new data directory",
            ));
        }
    }
}

fn segment_version(path: &Path) -> Option<u16> {
    let mut head = [0; SEGMENT_HEAD];
    std::fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    let version = head.strip_prefix(b"PLUMELOG")?;
    Some(u16::from_le_bytes(version.try_into().ok()?))
}

fn schema(version: i64) -> Finding {
    match version.cmp(&KNOWN_SCHEMA) {
        std::cmp::Ordering::Equal => Finding::note(
            "upgrade_desk",
            format!("工作台数据库版本 {version}，与本程序一致"),
            format!("the desk's database has schema {version}, as this plume"),
        ),
        std::cmp::Ordering::Less => Finding::warning(
            "upgrade_desk",
            format!("工作台数据库版本 {version}，启动时升级到 {KNOWN_SCHEMA}，旧程序随后不能打开它"),
            format!(
                "the desk's database has schema {version}; a start brings it to {KNOWN_SCHEMA}, and the old plume will \
                     not open it then"
            ),
        )
        .todo(
            "先运行 plume backup；回退时用 plume restore --only desk",
            "run plume backup first; to go back, plume restore --only desk",
        ),
        std::cmp::Ordering::Greater => unknown(
            "upgrade_desk",
            &format!("schema {version}, this plume knows {KNOWN_SCHEMA}"),
            "or plume restore --only desk from a backup of before the upgrade",
        ),
    }
}
