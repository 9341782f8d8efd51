//! Restoring a backup: all of it into an empty directory, or the desk alone into one that is there. What is restored
//! appears whole, by one rename, or not at all.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use plume_alert::store::{check_sqlite, fold_sqlite};

use super::{CONF, Card, DATA, files};
use crate::cli::ops::{Part, RestoreArgs};
use crate::commands::running;
use crate::commands::view::Ticker;
use crate::{clock, out};

/// Restores and says what to do next.
pub(crate) async fn run(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let card = Card::read(&args.backup)?;
    if running::ask(&args.data, "GET", "/healthz").await.is_some() {
        bail!(
            "{} 中的 plume 正在运行，请先停止 / is the directory of a plume that runs: stop it first",
            args.data.display()
        );
    }
    match args.only {
        None => all(args, &card),
        Some(Part::Desk) => desk(args, &card).await,
    }
}

/// Checks size and hash of every file of a part before anything is made.
fn verify(backup: &Path, card: &Card, part: &str) -> anyhow::Result<()> {
    let mut ticker = Ticker::new(false);
    let prefix = format!("{part}/");
    let of_part = || card.files.iter().filter(|file| file.name.starts_with(&prefix));
    let count = of_part().count();
    for (number, file) in of_part().enumerate() {
        ticker.tick(|| format!("核对 / checks {number}/{count}"));
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !Path::new(&file.name).components().all(plain) {
            bail!(
                "{} 中的文件名 {} 越出备份目录 / leaves the backup's directory",
                backup.display(),
                file.name
            );
        }
        let found = files::look(backup, &file.name)?;
        if found != *file {
            bail!(
                "{}/{} 与备份时不同（{} 字节，SHA-256 {}）/ is not what was backed up; nothing was restored. Use another \
                 backup, or the medium's own copy",
                backup.display(),
                file.name,
                found.bytes,
                found.sha256
            );
        }
    }
    Ok(())
}

/// Copies a part below `to`.
fn copy(backup: &Path, card: &Card, part: &str, to: &Path) -> anyhow::Result<u64> {
    let mut ticker = Ticker::new(false);
    let prefix = format!("{part}/");
    let mut bytes = 0;
    for file in &card.files {
        let Some(name) = file.name.strip_prefix(&prefix) else {
            continue;
        };
        ticker.tick(|| format!("恢复 / restores {name}"));
        let from = backup.join(&file.name);
        let open = File::open(&from).with_context(|| format!("open {}", from.display()))?;
        let entry = files::copy(open, to, name)?;
        if entry.sha256 != file.sha256 {
            bail!(
                "{} 读取时变化 / changed while it was read; nothing was restored",
                from.display()
            );
        }
        bytes += entry.bytes;
    }
    Ok(bytes)
}

fn all(args: &RestoreArgs, card: &Card) -> anyhow::Result<ExitCode> {
    let data = absolute(&args.data)?;
    let empty = fs::read_dir(&data).map(|mut entries| entries.next().is_none());
    if !empty.unwrap_or(!data.exists()) {
        bail!(
            "{} 不为空，不会覆盖 / is not empty and is not overwritten: name a new directory, or move it away",
            data.display()
        );
    }
    if let Some(conf) = &args.conf {
        refuse_overwriting(conf, card)?;
    }
    verify(&args.backup, card, DATA)?;
    verify(&args.backup, card, CONF)?;
    let name = data
        .file_name()
        .context("the data directory has no name")?
        .to_string_lossy()
        .into_owned();
    let parent = data.parent().context("the data directory has no parent")?;
    fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    let restoring = parent.join(format!(".{name}.restoring"));
    files::clear(&restoring)?;
    files::make_dir(&restoring)?;
    let bytes = copy(&args.backup, card, DATA, &restoring)?;
    keep_owner(&data, &restoring)?;
    files::sync_tree(&restoring)?;
    if let Some(conf) = &args.conf {
        place_conf(&args.backup, card, conf)?;
    }
    fs::rename(&restoring, &data).with_context(|| {
        format!(
            "put {} in place (where it is a mount point, restore into a directory below it)",
            data.display()
        )
    })?;
    files::sync_dir(parent)?;
    out::line(format_args!(
        "{}: {bytes} 字节，备份于 {} / {bytes} bytes, as of {}",
        data.display(),
        card.made_at,
        card.made_at
    ));
    for (was, name) in &card.moved {
        out::line(format_args!(
            "原在 {was} 的内容现在 {0} / what was at {was} is at {0} now: move it, or change the configuration",
            data.join(name).display()
        ));
    }
    if !card.archive_files {
        out::line(format_args!(
            "归档文件不在备份中，请复制到 {0}，再运行 plume verify / the archive's files are not in the backup: copy them to \
             {0}, then plume verify",
            data.join(&card.archive).display()
        ));
    }
    if card.data_dir != data.display().to_string() {
        out::line(format_args!(
            "请将配置 [plume] data_dir 改为 {0} / set [plume] data_dir = {0:?}",
            data.display()
        ));
    }
    out::line("下一步 / next: plume doctor; plume stats; plume run");
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("find {}", path.display()))
}

/// Puts the configuration's files in place, each whole or not at all: a restore that was killed between them is run
/// again, and finds those that it has written.
fn place_conf(backup: &Path, card: &Card, conf: &Path) -> anyhow::Result<()> {
    let restoring = conf.join(".restoring");
    files::clear(&restoring)?;
    copy(backup, card, CONF, &restoring)?;
    for name in files::below(&restoring)? {
        let to = conf.join(&name);
        if let Some(folder) = to.parent() {
            files::make_dir(folder)?;
        }
        fs::rename(restoring.join(&name), &to).with_context(|| format!("put {} in place", to.display()))?;
    }
    files::clear(&restoring)?;
    files::sync_tree(conf)
}

fn refuse_overwriting(conf: &Path, card: &Card) -> anyhow::Result<()> {
    let prefix = format!("{CONF}/");
    for file in &card.files {
        if let Some(name) = file.name.strip_prefix(&prefix)
            && conf.join(name).exists()
            && files::look(conf, name)?.sha256 != file.sha256
        {
            bail!(
                "{} 已存在且内容不同，不会覆盖 / is there already, says something else and is not overwritten: name another --conf",
                conf.join(name).display()
            );
        }
    }
    Ok(())
}

/// A directory made beforehand says whose the data is to be: root may restore for the user that runs plume.
fn keep_owner(data: &Path, restoring: &Path) -> anyhow::Result<()> {
    let (Ok(wanted), Ok(own)) = (fs::metadata(data), fs::metadata(restoring)) else {
        return Ok(());
    };
    if (wanted.uid(), wanted.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    let give = |path: &Path| {
        chown(path, Some(wanted.uid()), Some(wanted.gid()))
            .with_context(|| format!("change the owner of {}", path.display()))
    };
    give(restoring)?;
    for name in files::below(restoring)? {
        for path in restoring.join(&name).ancestors().take_while(|path| *path != restoring) {
            give(path)?;
        }
    }
    Ok(())
}

/// Puts the desk's database of a backup in the place of the one that is there, which is kept beside it. The desk reads
/// what it has missed from the log.
async fn desk(args: &RestoreArgs, card: &Card) -> anyhow::Result<ExitCode> {
    let Some(name) = &card.desk else {
        bail!("备份中没有工作台数据库 / the backup holds no database of a desk");
    };
    if !args.data.join("state").is_dir() {
        bail!(
            "{} 不是 plume 的数据目录 / is no data directory of plume",
            args.data.display()
        );
    }
    let whole = format!("{DATA}/{name}");
    let entry = card.files.iter().find(|file| file.name == whole);
    let entry = entry.with_context(|| format!("{whole} is not in the backup"))?;
    let (target, fresh) = (args.data.join(name), args.data.join(format!("{name}.restoring")));
    let from = args.backup.join(&whole);
    let open = File::open(&from).with_context(|| format!("open {}", from.display()))?;
    let copied = files::copy(open, &args.data, &format!("{name}.restoring"))?;
    if copied.sha256 != entry.sha256 {
        fs::remove_file(&fresh).with_context(|| format!("remove {}", fresh.display()))?;
        bail!(
            "{} 与备份时不同，未恢复 / is not what was backed up; nothing was restored",
            from.display()
        );
    }
    check_sqlite(&fresh)
        .await
        .with_context(|| format!("check {}", from.display()))?;
    if target.exists() {
        set_aside(&target).await?;
        let kept = fs::metadata(&target).with_context(|| format!("look at {}", target.display()))?;
        chown(&fresh, Some(kept.uid()), Some(kept.gid())).with_context(|| format!("own {}", fresh.display()))?;
    }
    fs::rename(&fresh, &target).with_context(|| format!("rename to {}", target.display()))?;
    files::sync_dir(&args.data)?;
    out::line(format_args!(
        "{}: 工作台恢复到 {}；启动后从日志补读其后的事件 / the desk as of {}; it reads what came since from the log when plume \
         starts",
        target.display(),
        card.made_at,
        card.made_at
    ));
    Ok(ExitCode::SUCCESS)
}

/// Keeps the database that is there under another name, whole: what a killed desk left in its write-ahead log goes into
/// the file first, or is kept beside it where the file cannot be read.
async fn set_aside(target: &Path) -> anyhow::Result<()> {
    let stamp: String = clock::system()
        .now()
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let with = |ending: &str| PathBuf::from(format!("{}{ending}", target.display()));
    let before = with(&format!(".before-{stamp}"));
    if let Err(error) = fold_sqlite(target).await {
        out::complain(format_args!(
            "原数据库有误，原样保留 / the old database is not whole and kept as it is: {error}"
        ));
    }
    fs::hard_link(target, &before).with_context(|| format!("keep {}", before.display()))?;
    for ending in ["-wal", "-shm"] {
        let left = with(ending);
        if left.exists() {
            let kept = PathBuf::from(format!("{}{ending}", before.display()));
            fs::rename(&left, &kept).with_context(|| format!("keep {}", kept.display()))?;
        }
    }
    out::line(format_args!(
        "原数据库保留为 / the old one is kept as {}",
        before.display()
    ));
    Ok(())
}
