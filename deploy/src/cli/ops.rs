//! Arguments of the commands of whoever looks after plume.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const INIT_EXAMPLES: &str = "\
示例 / Examples:
  plume init                                    在当前目录写 plume.toml 与 registry.toml / write both here
  plume init --dir /etc/plume --data /var/lib/plume";

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = INIT_EXAMPLES)]
pub(crate) struct InitArgs {
    /// 写入哪个目录 / where to write
    #[arg(long, default_value = ".")]
    pub(crate) dir: PathBuf,
    /// 数据目录 / data directory that the configuration names
    #[arg(long, default_value = "plume-live")]
    pub(crate) data: PathBuf,
}

const DOCTOR_EXAMPLES: &str = "\
示例 / Examples:
  plume doctor --config /etc/plume/plume.toml
  plume doctor --strict                         有警告也返回非零 / fail on warnings too
  plume doctor --json";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
    /// 有警告也返回非零 / fail on warnings too
    #[arg(long)]
    pub(crate) strict: bool,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "示例 / Examples:\n  plume status --config /etc/plume/plume.toml\n  plume status --json")]
pub(crate) struct StatusArgs {
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const BACKUP_EXAMPLES: &str = "\
示例 / Examples:
  plume backup --config /etc/plume/plume.toml --to /backup      运行中即可 / while plume runs
  plume backup --to /backup --without-archive-files             归档文件另行复制 / Parquet files copied by other means
备份含密钥与密码，请妥善保管 / a backup holds keys and passwords: keep it safe";

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(crate) struct BackupArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
    /// 备份存放目录，其中新建一个以时间命名的目录 / where to put it: a directory named by the moment is made in it
    #[arg(long)]
    pub(crate) to: PathBuf,
    /// 不含归档的 Parquet 文件，只含清单 / without the archive's Parquet files, only its manifest
    #[arg(long)]
    pub(crate) without_archive_files: bool,
}

const RESTORE_EXAMPLES: &str = "\
示例 / Examples:
  plume restore /backup/plume-backup-20261121T031500 --data /var/lib/plume --conf /etc/plume
  plume restore /backup/plume-backup-20261121T031500 --data /var/lib/plume --only desk";

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// 备份目录 / the backup's directory
    pub(crate) backup: PathBuf,
    /// 恢复到哪个数据目录，须为空或不存在 / data directory to make: empty or not there
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// 配置文件恢复到哪个目录，不给则不恢复 / where to put the configuration's files; without it they stay in the backup
    #[arg(long)]
    pub(crate) conf: Option<PathBuf>,
    /// 只恢复一部分 / only a part
    #[arg(long)]
    pub(crate) only: Option<Part>,
}

/// What can be restored alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// 工作台数据库 / the desk's database
    Desk,
}

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
#[command(after_help = "示例 / Example:\n  plume upgrade --check --config /etc/plume/plume.toml")]
pub(crate) struct UpgradeArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
    /// 只检查，不改动任何文件 / look only, change nothing (there is nothing else yet: a start upgrades by itself)
    #[arg(long, required = true)]
    pub(crate) check: bool,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `support`.
#[derive(Debug, Args)]
#[command(after_help = "示例 / Example:\n  plume support --config /etc/plume/plume.toml --log plume.log")]
pub(crate) struct SupportArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
    /// 附上该日志文件的末尾，可重复（如 journalctl -u plume 的输出） / add the end of this log, may be repeated
    #[arg(long)]
    pub(crate) log: Vec<PathBuf>,
    /// 写到哪个文件 / file to write
    #[arg(long, default_value = "plume-support.txt")]
    pub(crate) out: PathBuf,
}
