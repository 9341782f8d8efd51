//! Making a backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use plume_alert::store::{check_sqlite, copy_sqlite};
use plume_archive::{FileEntry, Location, inventory};
use plume_bus::fs::RealFs;
use plume_bus::{LOG_LOCK, Recovery};

use super::held::Holder;
use super::{CARD, Card, DATA, Entry, FORMAT, conf, files};
use crate::balance::{self, Balance};
use crate::cli::ops::BackupArgs;
use crate::commands::doctor::free_bytes;
use crate::commands::view::{self, Ticker};
use crate::config::Config;
use crate::status::LAST_BACKUP;
use crate::{clock, out, roles};

/// Held while a backup is made in a directory.
const LOCK: &str = ".plume-backup.lock";
/// How often the archive may change under a copy before it is given up. A turn copies what came since the last one, so
/// the turns become short, and what is open is not lost by being replaced: only opening it has to be quick.
const ARCHIVE_TRIES: usize = 100;
/// Files of the archive that are open together: an hour's worth of files and more, and far from the 1,024 that a
/// process may have open where nobody allows it more.
const OPEN_FILES: usize = 256;

/// Makes a backup and says where it is.
pub(crate) async fn run(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let config = view::config(Some(&args.config))?;
    let data_dir = config.plume.data_dir.clone();
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} 不是 plume 的数据目录 / is no data directory of plume",
            data_dir.display()
        );
    }
    files::make_dir(&args.to)?;
    let lock_path = args.to.join(LOCK);
    let lock = File::create(&lock_path).with_context(|| format!("make {}", lock_path.display()))?;
    if lock.try_lock().is_err() {
        bail!(
            "{} 中已有备份在进行 / holds another backup that is being made",
            args.to.display()
        );
    }
    let made_at = clock::system().now();
    let stamp: String = made_at
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(15)
        .collect();
    let name = free_name(&args.to, &stamp);
    let (partial, done) = (args.to.join(format!(".{name}.partial")), args.to.join(&name));
    clear_unfinished(&args.to)?;
    let job = Job {
        config: &config,
        data_dir: &data_dir,
        partial: &partial,
    };
    let made = job.make(args).await;
    let (card, balance) = match made {
        Ok(made) => made,
        Err(error) => {
            files::clear(&partial)?;
            return Err(error);
        }
    };
    fs::rename(&partial, &done).with_context(|| format!("rename to {}", done.display()))?;
    files::sync_dir(&args.to)?;
    drop(lock);
    let last = data_dir.join("state").join(LAST_BACKUP);
    fs::write(&last, format!("{made_at}\n")).with_context(|| format!("note the backup in {}", last.display()))?;
    let bytes: u64 = card.files.iter().map(|file| file.bytes).sum();
    out::line(format_args!("{}", done.display()));
    out::line(format_args!(
        "{} 个文件，{bytes} 字节，已核对 / {} files, {bytes} bytes, checked",
        card.files.len(),
        card.files.len()
    ));
    out::line(balance);
    out::line("恢复 / restore: plume restore DIR --data DATA --conf CONF");
    Ok(ExitCode::SUCCESS)
}

/// The name of a backup made at `stamp`, and a number behind it where that second has one already: an upgrade right
/// after a backup makes its own. The directory's lock is held, so nobody takes the name meanwhile.
fn free_name(to: &Path, stamp: &str) -> String {
    let first = format!("plume-backup-{stamp}");
    let numbered = (2_u32..).map(|nth| format!("{first}-{nth}"));
    std::iter::once(first.clone())
        .chain(numbered)
        .find(|name| !to.join(name).exists())
        .unwrap_or(first)
}

/// Removes what a backup that was cut short left: its lock is free, so nobody works on it.
fn clear_unfinished(to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(to)
        .with_context(|| format!("list {}", to.display()))?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".plume-backup-") && name.ends_with(".partial") {
            out::complain(format_args!("清除未完成的备份 / removes an unfinished backup: {name}"));
            files::clear(&entry.path())?;
        }
    }
    Ok(())
}

/// A part of the data by its configured path: where it is, and its name in the backup.
fn place(data_dir: &Path, configured: &Path, fallback: &str, moved: &mut Vec<(String, String)>) -> (PathBuf, String) {
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    if configured.components().all(plain) {
        return (data_dir.join(configured), configured.display().to_string());
    }
    moved.push((configured.display().to_string(), fallback.to_owned()));
    (data_dir.join(configured), fallback.to_owned())
}

struct Job<'a> {
    config: &'a Config,
    data_dir: &'a Path,
    partial: &'a Path,
}

impl Job<'_> {
    async fn make(&self, args: &BackupArgs) -> anyhow::Result<(Card, Balance)> {
        let (config, data) = (self.config, self.partial.join(DATA));
        files::make_dir(&data)?;
        let mut moved = Vec::new();
        let Some(log) = roles::log_dir(Path::new(""), &config.bus.url) else {
            bail!(
                "日志 {} 不在本机目录中，请备份该服务 / the log {} is no directory of this machine: back up that service",
                config.bus.url,
                config.bus.url
            );
        };
        if config.archive.is_in_store() {
            let store = config.archive.dir.display();
            bail!(
                "归档 {store} 在对象存储中，请备份该服务 / the archive {store} is no directory of this machine: back up that service"
            );
        }
        let (log, log_name) = place(self.data_dir, &log, "log", &mut moved);
        let holder = Holder::start(&log)?;

        // Whoever stands at an offset first.
        let desk = self.desk(&data, &mut moved).await?;
        let mut entries = self.state()?;
        let archive_root = PathBuf::from(&config.archive.dir);
        let (archive_root, archive) = place(self.data_dir, &archive_root, "archive", &mut moved);
        let with_files = !args.without_archive_files;
        Self::room(args, &archive_root, with_files, holder.bytes())?;
        entries.extend(self.archive(&archive_root, &archive, with_files)?);
        entries.extend(conf::copy(&args.config, config, self.partial)?);

        // The log after them: it holds all that they have still to read.
        let names = holder.finish()?.copy(&log, &self.partial.join(DATA), &log_name)?;
        let balance = self.prove(&data, &log_name, &archive).await?;
        for name in names
            .iter()
            .map(|name| format!("{log_name}/{name}"))
            .chain(desk.clone())
        {
            entries.push(files::look(self.partial, &format!("{DATA}/{name}"))?);
        }
        let card = Card {
            format: FORMAT,
            plume: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: clock::system().now(),
            data_dir: self.data_dir.display().to_string(),
            desk,
            archive,
            archive_files: with_files,
            moved,
            files: entries,
        };
        files::copy(serde_json::to_string_pretty(&card)?.as_bytes(), self.partial, CARD)?;
        files::sync_tree(self.partial)?;
        Ok((card, balance))
    }

    /// Refuses before an hour of copying what would not fit.
    fn room(args: &BackupArgs, archive: &Path, with_files: bool, log_bytes: u64) -> anyhow::Result<()> {
        let mut needed = log_bytes;
        if with_files && archive.is_dir() {
            needed += inventory(archive, Arc::new(RealFs))
                .map_err(view::hinted)?
                .files
                .iter()
                .map(|file| file.bytes)
                .sum::<u64>();
        }
        match free_bytes(&args.to) {
            Some(free) if free < needed => bail!(
                "{} 只余 {free} 字节，备份约需 {needed} 字节 / has {free} bytes, the backup needs about {needed}; \
                 --without-archive-files needs {}",
                args.to.display(),
                log_bytes
            ),
            _ => Ok(()),
        }
    }

    /// The desk's database as it is at one moment; its name.
    async fn desk(&self, data: &Path, moved: &mut Vec<(String, String)>) -> anyhow::Result<Option<String>> {
        let Some(configured) = roles::desk::sqlite_path(&self.config.alert.store, Path::new("")) else {
            out::complain(
                "工作台数据库在 PostgreSQL 上，不在本备份中：请先用 pg_dump --format=custom 备份它 / the desk's database \
                 is PostgreSQL's and not in this backup: run pg_dump --format=custom before it",
            );
            return Ok(None);
        };
        let (from, name) = place(self.data_dir, &configured, "desk.db", moved);
        if !from.exists() {
            return Ok(None);
        }
        let to = data.join(&name);
        if let Some(folder) = to.parent() {
            files::make_dir(folder)?;
        }
        copy_sqlite(&from, &to)
            .await
            .with_context(|| format!("copy {}", from.display()))?;
        check_sqlite(&to)
            .await
            .with_context(|| format!("check {}", to.display()))?;
        close_to_others(&to)?;
        Ok(Some(name))
    }

    /// The judge's checkpoints, the registry in force, keys. Where plume runs is no part of it.
    fn state(&self) -> anyhow::Result<Vec<Entry>> {
        let dir = self.data_dir.join("state");
        let mut entries = Vec::new();
        for name in files::below(&dir)? {
            let name = name.display().to_string();
            if name == "run.json" || Path::new(&name).extension().is_some_and(|ending| ending == "new") {
                continue;
            }
            let path = dir.join(&name);
            let file = match File::open(&path) {
                Ok(file) => file,
                // A checkpoint of a day long past, removed since it was listed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
            };
            entries.push(files::copy(file, self.partial, &format!("{DATA}/state/{name}"))?);
        }
        Ok(entries)
    }

    /// The archive at one line of its manifest. A file that was replaced meanwhile is what a later line says.
    fn archive(&self, root: &Path, name: &str, with_files: bool) -> anyhow::Result<Vec<Entry>> {
        if !root.join("manifest.jsonl").exists() {
            return Ok(Vec::new());
        }
        let mut copied: BTreeMap<String, Entry> = BTreeMap::new();
        let mut ticker = Ticker::new(false);
        for _ in 0..ARCHIVE_TRIES {
            let now = inventory(root, Arc::new(RealFs)).map_err(view::hinted)?;
            let wanted = |file: &&FileEntry| with_files || file.name.starts_with("state/");
            let files: Vec<&FileEntry> = now.files.iter().filter(wanted).collect();
            let mut whole = true;
            let known = |file: &FileEntry| copied.get(&file.name).is_some_and(|entry| entry.sha256 == file.sha256);
            let lacking: Vec<&FileEntry> = files.iter().copied().filter(|file| !known(file)).collect();
            for (number, group) in lacking.chunks(OPEN_FILES).enumerate() {
                ticker.tick(|| format!("归档 / archive {}/{}", number * OPEN_FILES, lacking.len()));
                let mut open = Vec::with_capacity(group.len());
                for file in group {
                    let source = root.join(&file.name);
                    match File::open(&source) {
                        Ok(found) => open.push((*file, found)),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => whole = false,
                        Err(error) => return Err(error).with_context(|| format!("open {}", source.display())),
                    }
                }
                for (file, found) in open {
                    let entry = files::copy(found, self.partial, &format!("{DATA}/{name}/{}", file.name))?;
                    whole &= entry.sha256 == file.sha256;
                    copied.insert(file.name.clone(), entry);
                }
            }
            if !whole {
                continue;
            }
            self.forget_others(&mut copied, &files)?;
            let manifest = format!("{DATA}/{name}/{}", now.manifest_name);
            let mut entries = vec![files::copy(&*now.manifest, self.partial, &manifest)?];
            entries.extend(copied.into_values());
            return Ok(entries);
        }
        bail!(
            "归档清单与文件 {ARCHIVE_TRIES} 次均不一致，请运行 plume verify / the archive's files are not what its manifest \
             says after {ARCHIVE_TRIES} tries: run plume verify"
        )
    }

    /// Removes copies of files that the archive has merged into others since.
    fn forget_others(&self, copied: &mut BTreeMap<String, Entry>, files: &[&FileEntry]) -> anyhow::Result<()> {
        let gone: Vec<String> = copied
            .keys()
            .filter(|name| !files.iter().any(|file| file.name == **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(entry) = copied.remove(&name) {
                let path = self.partial.join(&entry.name);
                fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Opens the copy as a plume on another host would and balances its books.
    async fn prove(&self, data: &Path, log: &str, archive: &str) -> anyhow::Result<Balance> {
        let mut config = self.config.clone();
        config.bus.url = format!("file:{log}");
        config.bus.recovery = Recovery::Refuse;
        let bus = view::open_stopped(&config, data)
            .await
            .context("open the copy of the log")?;
        let balance = balance::of(&bus, &Location::directory(data.join(archive))).await;
        bus.close().await?;
        let balance = balance.context("balance the copy")?;
        // Left by opening the log; no part of the data.
        let lock = data.join(log).join(LOG_LOCK);
        fs::remove_file(&lock).with_context(|| format!("remove {}", lock.display()))?;
        if !balance.balanced {
            bail!("备份的收支不平衡 / the books of the copy do not balance:\n{balance}");
        }
        Ok(balance)
    }
}

fn close_to_others(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let closed = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    let synced = closed.and_then(|()| File::open(path)).and_then(|file| file.sync_all());
    synced.with_context(|| format!("sync {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::free_name;

    #[test]
    fn two_backups_of_one_second_have_two_names() {
        let to = tempfile::tempdir().unwrap();
        for expected in [
            "plume-backup-20261123T030956",
            "plume-backup-20261123T030956-2",
            "plume-backup-20261123T030956-3",
        ] {
            let name = free_name(to.path(), "20261123T030956");
            assert_eq!(name, expected);
            std::fs::create_dir(to.path().join(name)).unwrap();
        }
    }
}
