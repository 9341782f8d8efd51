//! What `plume command` and `plume quarantine` take.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::builder::{PossibleValue, TypedValueParser as _};
use clap::{Args, Subcommand};
use plume_ingest::exchange::order::{GUARDED, ORDERS};
use plume_schemas::ids::Mn;

const EXAMPLES: &str = "\
示例 / Examples:
  plume command read-time --mn 010000A8900016F000169DC0
  plume command set-time --mn 010000A8900016F000169DC0 --by 王工
  plume command set-realtime-interval --mn 010000A8900016F000169DC0 --value 60
  plume command hours --mn 010000A8900016F000169DC0 --from 2026-01-17T08:00 --to 2026-01-17T10:00
  plume command activate --mn 010000A8900016F000169DC0 --value 6970000000001ABCDEFG1234
  plume command serial --mn 010000A8900016F000169DC0 --factor a21026
  plume command --list                          最近的命令及结果 / the latest orders and what came of them

命令走该设备最新的连接，逐条记入日志 / orders go to the device's newest link and are recorded: who, when, what, result.
涉及仪器或密钥的命令（校准、清洗、留样、改参数、改密码、换密钥）默认禁止，见 plume permit。
Orders that touch the instrument or a secret are off; see plume permit.
失败时返回非零 / fails where the device did not do it";

/// Arguments of `command`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CommandArgs {
    /// 命令 / what to ask
    #[arg(required_unless_present = "list", value_parser = orders())]
    pub(crate) order: Option<String>,
    /// 设备 MN / which device
    #[arg(long, required_unless_present = "list")]
    pub(crate) mn: Option<Mn>,
    /// 设定值：秒、分、数采仪序列号或参数 / the value to set: seconds, minutes, a serial number, a parameter
    #[arg(long)]
    pub(crate) value: Option<String>,
    /// 重发次数 / resends
    #[arg(long)]
    pub(crate) count: Option<String>,
    /// 因子（PolId） / which analyser
    #[arg(long)]
    pub(crate) factor: Option<String>,
    /// 信息编码：i11001 日志、i12… 状态、i13… 参数 / which information: log, state, parameter
    #[arg(long)]
    pub(crate) info: Option<String>,
    /// 起始数据时间 / first DataTime
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// 截止数据时间（含） / last DataTime, inclusive
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// 下令人，写入记录 / who asks, for the record
    #[arg(long, default_value = "终端")]
    pub(crate) by: String,
    /// 最多等待结果的秒数 / seconds to wait for the result
    #[arg(long, default_value_t = 60)]
    pub(crate) wait: u64,
    /// 列出最近的命令及结果 / list the latest orders and results
    #[arg(long)]
    pub(crate) list: bool,
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

/// Every order by name, with what it does.
fn orders() -> impl clap::builder::TypedValueParser<Value = String> {
    let known = ORDERS
        .iter()
        .chain(GUARDED)
        .map(|order| PossibleValue::new(order.name).help(format!("CN {} {} / {}", order.cn, order.zh, order.en)));
    PossibleValuesParser::new(known).map(|name| name)
}

/// What can be done with packets that were set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// 设备建档后，重新接收其等待中的报文 / take the packets that waited for their device's registration
    #[command(after_help = "\
示例 / Examples:
  plume query quarantine                        查看隔离的报文 / what was set aside, and why
  plume quarantine readmit --mn 010000A8900016F000169DC0")]
    Readmit(ReadmitArgs),
    /// 列出未建档、有报文等待的设备及其报文所示 / devices that wait for their registration, and what their packets say
    Waiting(WaitingArgs),
    /// 一键建档：登记等待中的设备并接收其报文 / register a waiting device and take its packets
    #[command(after_help = "\
示例 / Examples:
  plume quarantine waiting
  plume quarantine register --mn 010000A8900016F000169DC0 --enterprise 91330100MA27X0AB1C --outlet DA002 --by 王工")]
    Register(RegisterArgs),
}

/// Arguments of `quarantine waiting`.
#[derive(Debug, Args)]
pub(crate) struct WaitingArgs {
    #[command(flatten)]
    pub(crate) place: super::permits::PlaceArgs,
}

/// Arguments of `quarantine register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// 设备 MN / which device
    #[arg(long)]
    pub(crate) mn: Mn,
    /// 企业统一社会信用代码 / the enterprise's code
    #[arg(long)]
    pub(crate) enterprise: String,
    /// 企业名称，未建档时必填 / its name, where it is not in the registry yet
    #[arg(long, default_value = "")]
    pub(crate) enterprise_name: String,
    /// 排放口编号，如 DA001 / number of the outlet in the permit
    #[arg(long)]
    pub(crate) outlet: String,
    /// 排放口名称 / its name, where it is not in the registry yet
    #[arg(long, default_value = "")]
    pub(crate) outlet_name: String,
    /// 以报文中的密码为该设备的密码 / its password is from now on what its packets showed
    #[arg(long)]
    pub(crate) keep_password: bool,
    /// 登记人 / who registers it, for the record
    #[arg(long, default_value = "终端")]
    pub(crate) by: String,
    #[command(flatten)]
    pub(crate) place: super::permits::PlaceArgs,
}

/// Arguments of `quarantine readmit`.
#[derive(Debug, Args)]
pub(crate) struct ReadmitArgs {
    /// 设备 MN，可重复 / which device, may be repeated
    #[arg(long, required = true)]
    pub(crate) mn: Vec<Mn>,
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}
