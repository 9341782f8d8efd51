//! What `plume permit` and `plume keys` take.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use plume_ingest::exchange::order::GUARDED;
use plume_schemas::ids::Mn;

pub(crate) const PERMIT_EXAMPLES: &str = "\
示例 / Examples:
  plume permit ask --mn 010000A8900016F000169DC0 --order calibrate --order set-key --days 90 \\
    --consent-by 李主管 --document 环函〔2026〕12号 --consent-date 2026-11-20 --login wang < password
  plume permit agree 5f2c91c0 --login zhang < password    须由另一人 / another person
  plume permit list
  plume permit revoke 5f2c91c0 --login zhang < password

校准、清洗、留样、改参数、改密码、换密钥默认禁止：须企业书面同意，并由两名值班人员先后以本人账号登记。
Orders that touch an instrument or a secret are off until the enterprise has agreed in writing and two officers have
signed for it, each with their own account of the desk.";

/// What can be done with permits.
#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// 申请：登记企业的书面同意 / ask: record the enterprise's consent
    Ask(AskArgs),
    /// 另一人同意，自此生效 / another person agrees: from here on it counts
    Agree(StepArgs),
    /// 撤销 / take it back
    Revoke(StepArgs),
    /// 列出全部许可 / every permit
    List(ListArgs),
}

/// Who takes a step.
#[derive(Debug, Args)]
pub(crate) struct WhoArgs {
    /// 工作台账号；密码从标准输入读取一行 / account of the desk; its password is read from standard input, one line
    #[arg(long)]
    pub(crate) login: String,
    /// 密码文件，代替标准输入 / a file with the password, instead
    #[arg(long)]
    pub(crate) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Which plume.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

/// Arguments of `permit ask`.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// 设备 MN / which device
    #[arg(long)]
    pub(crate) mn: Mn,
    /// 哪些命令，可重复 / which orders, may be repeated
    #[arg(long, required = true, value_parser = PossibleValuesParser::new(GUARDED.iter().map(|order| order.name)))]
    pub(crate) order: Vec<String>,
    /// 企业签署人 / who of the enterprise signed
    #[arg(long)]
    pub(crate) consent_by: String,
    /// 同意书文号 / number of the document
    #[arg(long)]
    pub(crate) document: String,
    /// 同意书日期 / its date
    #[arg(long)]
    pub(crate) consent_date: String,
    /// 有效天数 / for how many days
    #[arg(long, default_value_t = 30)]
    pub(crate) days: i64,
    #[command(flatten)]
    pub(crate) who: WhoArgs,
}

/// Arguments of `permit agree` and `permit revoke`.
#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// 许可编号，至少前六位 / which permit, at least six characters of its id
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) who: WhoArgs,
}

/// Arguments of `permit list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

pub(crate) const KEYS_EXAMPLES: &str = "\
示例 / Examples:
  plume keys new-seal /etc/plume/seal.key       生成封存密钥，再写入 [keys] seal_file / then name it in [keys] seal_file
  plume keys list --config plume.toml           各设备密钥的年龄，不显示密钥 / how old each key is; no key is shown";

/// What can be done with the keys of devices (HJ 212-2025).
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// 生成封存密钥文件 / make the key that seals the keys of devices
    NewSeal {
        /// 写到哪个文件，不得已存在 / file to write, which must not be there
        file: PathBuf,
    },
    /// 列出各设备密钥的编号与年龄 / how old the key of each device is
    List(ListArgs),
}
