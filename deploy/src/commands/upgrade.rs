//! `plume upgrade --check`: whether this plume can go on with the data that another version left, what a start would
//! bring to another format, and how the old plume could go on afterwards. Every format on disk carries its version;
//! nothing is changed here.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use plume_alert::store::{KNOWN_SCHEMA, schema_version};
use plume_archive::{Location, Reader};
use plume_bus::LOG_FORMAT;
use plume_detect::{Engine, RestoreError};

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
    let judge_stays = judge(config, &mut found);
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
    let mut desk_stays = true;
    if let Some(desk) = roles::desk::sqlite_path(&config.alert.store, data)
        && desk.exists()
    {
        found.push(match schema_version(&desk).await {
            Ok(version) => {
                let version = version.unwrap_or(0);
                desk_stays = version == KNOWN_SCHEMA;
                schema(version)
            }
            Err(error) => unknown("upgrade_desk", &error.to_string(), &error.hint()),
        });
    }
    if found.is_empty() {
        let (zh, en) = (
            "还没有数据，无需升级",
            "there is no data yet, nothing is to be upgraded",
        );
        return vec![Finding::note("upgrade_nothing", zh, en)];
    }
    // What cannot go on is not upgraded, and has nothing to come back from.
    if finding::gravest(&found) != Some(Grade::Error) {
        found.push(way_back(desk_stays, judge_stays));
    }
    found.extend(status::backup_age(data, clock::system().now()));
    found
}

/// The checkpoints of the judge, one finding for all that fare alike; true where this plume and the one that wrote them
/// can use each other's.
fn judge(config: &Config, found: &mut Vec<Finding>) -> bool {
    let mut kinds: BTreeMap<String, (usize, Finding)> = BTreeMap::new();
    for path in roles::checkpoint::all(&config.plume.data_dir) {
        let finding = match roles::checkpoint::load(&path) {
            Ok(Some((_, state))) => memory(Engine::fits(&state, &config.detect)),
            Ok(None) => damaged(&path.display().to_string()),
            Err(error) => damaged(&format!("{}: {error:#}", path.display())),
        };
        kinds.entry(finding.en.clone()).or_insert((0, finding)).0 += 1;
    }
    let stays = kinds.values().all(|(_, finding)| finding.grade == Grade::Note);
    found.extend(kinds.into_values().map(|(count, mut finding)| {
        if count > 1 {
            finding.zh = format!("{}（{count} 个分区）", finding.zh);
            finding.en = format!("{} ({count} partitions)", finding.en);
        }
        finding
    }));
    stays
}

/// How a checkpoint that is whole fares.
fn memory(fits: Result<(), RestoreError>) -> Finding {
    let (zh, en) = match fits {
        Ok(()) => {
            return known(
                "upgrade_checkpoint",
                "判定状态",
                "the judge's memory",
                plume_detect::FORMAT,
            );
        }
        Err(RestoreError::OtherFormat { found, expected }) => (
            format!("判定状态格式 {found}，本程序为 {expected}：启动时从日志重建"),
            format!(
                "the judge's memory has format {found}, this plume writes {expected}: a start rebuilds it from the log"
            ),
        ),
        Err(RestoreError::OtherRules { .. }) => (
            "判定规则或参数与写入时不同：启动时从日志重建判定状态".to_owned(),
            "rules or settings are not those the judge's memory was written under: a start rebuilds it from the log"
                .to_owned(),
        ),
        Err(error) => return damaged(&error.to_string()),
    };
    Finding::warning("upgrade_checkpoint", zh, en).todo(
        "无需处理，启动稍慢；日志中已删除的时段不再计入控制图等长期状态",
        "nothing, the start takes longer; charts and the like begin anew with what the log still holds",
    )
}

fn damaged(what: &str) -> Finding {
    Finding::warning(
        "upgrade_checkpoint",
        format!("判定状态有误：{what}"),
        format!("the judge's memory is damaged: {what}"),
    )
    .todo(
        "无需处理：判定状态会从日志重建，启动稍慢",
        "nothing: the judge is rebuilt from the log, the start takes longer",
    )
}

/// How the old plume goes on once this one has worked on the data.
fn way_back(desk_stays: bool, judge_stays: bool) -> Finding {
    if !desk_stays {
        return Finding::warning(
            "upgrade_back",
            "本程序启动后，旧程序不能再打开工作台数据库",
            "once this plume has started, the old one will not open the desk's database",
        )
        .todo(
            "升级前备份；回退：停止，装回旧程序，plume restore 备份 --only desk，启动，其后的事件从日志补读",
            "back up before; to go back: stop, put the old plume back, plume restore BACKUP --only desk, start: it \
             reads from the log what came since",
        );
    }
    let (zh, en) = if judge_stays {
        (
            "可回退：格式未变，停止后装回旧程序即可",
            "the way back is open: formats stay, stop and put the old plume back",
        )
    } else {
        (
            "可回退：停止后装回旧程序即可，它会从日志重建判定状态",
            "the way back is open: stop and put the old plume back, it rebuilds the judge's memory from the log",
        )
    };
    Finding::note("upgrade_back", zh, en)
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
        .todo("先运行 plume backup", "run plume backup first"),
        std::cmp::Ordering::Greater => unknown(
            "upgrade_desk",
            &format!("schema {version}, this plume knows {KNOWN_SCHEMA}"),
            "or plume restore --only desk from a backup of before the upgrade",
        ),
    }
}
