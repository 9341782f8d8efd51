//! Arguments of `run` and `bus`.

use clap::{Args, Subcommand, ValueEnum};
use plume_schemas::ids::IngestId;

use super::RunArgs;

pub(super) const RUN_EXAMPLES: &str = "\
示例 / Examples:
  plume run --config plume.toml                                      一台机器 / one machine, all roles
  plume run --role ingest --bus kafka://k1:9092,k2:9092/plume        只接入 / devices only
  plume run --role detect,archive --config plume.toml                两个角色 / two roles in one process";

const BUS_EXAMPLES: &str = "\
示例 / Examples:
  plume bus init --config plume.toml      创建主题 / make the topics
  plume bus check --config plume.toml     与配置比较 / compare them with the configuration
  plume bus lag --config plume.toml       各角色还差多少 / how far each role is behind
  plume bus grow --partitions 48 --config plume.toml      增加到 48 个分区 / 48 partitions from now on";

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The configuration.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// 只运行这些角色，需要 Kafka / only these roles, with commas between; needs a bus that processes can share
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) role: Vec<Role>,
    /// 日志所在，覆盖配置 / where the log lies, instead of the configuration's `bus.url`
    #[arg(long, env = "PLUME_BUS")]
    pub(crate) bus: Option<String>,
    /// 本接入进程的名称，覆盖 `ingest.id` / name of this process in what it takes in, instead of `ingest.id`
    #[arg(long, env = "PLUME_INGEST_ID")]
    pub(crate) ingest_id: Option<IngestId>,
}

/// A part of plume that can be a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    /// 接入设备 / takes packets from devices, and polls them
    Ingest,
    /// 判定 / judges
    Detect,
    /// 归档 / writes Parquet
    Archive,
    /// 工作台 / cases, notices and pages
    Desk,
}

impl Role {
    /// All of them, as on one machine.
    pub(crate) const ALL: [Self; 4] = [Self::Ingest, Self::Detect, Self::Archive, Self::Desk];
}

/// What can be done with topics on Kafka.
#[derive(Debug, Subcommand)]
pub(crate) enum BusCommand {
    /// 创建缺少的主题 / make the topics that are missing
    #[command(after_help = BUS_EXAMPLES)]
    Init(BusArgs),
    /// 检查主题是否符合配置 / say what is missing or differs from the configuration
    #[command(after_help = BUS_EXAMPLES)]
    Check(BusArgs),
    /// 各角色的滞后 / how far the judge and the archive are behind
    #[command(after_help = BUS_EXAMPLES)]
    Lag(BusArgs),
    /// 增加分区：暂停接收上报，等各角色处理完，迁移判定状态后启用新主题 / more partitions: reports wait until every role has
    /// read to the end, what the judges remember is moved, and new topics are in use; processes end and are to be
    /// started again
    #[command(after_help = BUS_EXAMPLES)]
    Grow(GrowArgs),
}

/// Arguments of `bus grow`.
#[derive(Debug, Args)]
pub(crate) struct GrowArgs {
    /// Which bus.
    #[command(flatten)]
    pub(crate) bus: BusArgs,
    /// 新的分区数，须大于现有 / how many partitions there shall be, more than there are
    #[arg(long)]
    pub(crate) partitions: u32,
}

/// Arguments of the commands of `bus`.
#[derive(Debug, Args)]
pub(crate) struct BusArgs {
    /// The configuration.
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// 日志所在，覆盖配置 / where the log lies, instead of the configuration's `bus.url`
    #[arg(long, env = "PLUME_BUS")]
    pub(crate) bus: Option<String>,
}
