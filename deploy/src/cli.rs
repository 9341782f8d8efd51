//! The command line: one binary, a subcommand for each errand.

pub(crate) mod amounts;
pub(crate) mod archive;
pub(crate) mod bus;
pub(crate) mod chart;
pub(crate) mod conformance;
pub(crate) mod judge;
pub(crate) mod ops;
pub(crate) mod orders;
pub(crate) mod permits;
pub(crate) mod rate;

pub(crate) use bus::{BusCommand, Role, StartArgs};
pub(crate) use judge::{ChecksCommand, MarksCommand, ScoreArgs};

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use plume_schemas::ids::Mn;
use plume_simulator::misbehave::Misbehaviour;

const EXAMPLES: &str = "\
示例 / Examples:
  plume demo                                   四座模拟电厂，两分钟看懂 / four simulated plants, two minutes
  plume check --config plume.toml              检查配置与基础档案 / explain every error with file and line
  plume init                                   为本机生成配置 / a configuration for this host
  plume doctor                                 为何不正常、怎么办 / what is wrong and what to do
  plume run --config plume.toml                接入真实设备 / collect from real devices
  plume decode '##0101QN=2016…&&1C80'          解析一条报文 / one packet as a table
  plume simulate --registry registry.toml      扮演设备 / play the registry's devices
  plume command read-time --mn 0100…           读设备时间，见 --help / ask a device for its time
  plume conformance --mn 0100…                 设备是否符合新标准 / does a device conform to the new standard
  plume cases                                  当前预警 / alerts in the terminal
  plume query --day 2026-11-21                 每小时判定结果 / what was judged of each hour
  plume chart --outlet … --factor a21026       漂移与突变的控制图 / control charts of drifts and shifts
  plume modbus probe 192.168.1.20:502 --map m.toml  现场查看 Modbus 设备 / look at a Modbus device
  plume explain 5f2c…                          逐步说明一次预警的依据 / why an event was said, step by step
  plume marks import marks.csv                 录入人工标记 / enter manual marks
  plume checks import checks.csv               录入零点、跨度检查 / enter zero and span checks
  plume score                                  预警质量评分 / how good the warnings are, on held-out seeds
  plume stats                                  收支平衡 / packets in = archived + quarantined + repeats";

const CASES_EXAMPLES: &str = "\
示例 / Examples:
  plume cases --data plume-live
  plume cases show 3f2a91c0
  plume cases act 3f2a91c0 acknowledge --name 钱值班
  plume cases act 3f2a91c0 comment --text 已电话联系中控室
  plume cases act 3f2a91c0 answer --role enterprise --text 浆液泵跳停 --measures 已启用备用泵
  plume cases --state closed --json";

/// 从烟囱到预警工作台：采集 HJ 212 数据，小时结束前预警，全部归档为 Parquet。
///
/// From the stack to the warning desk: collects HJ 212, warns before the hour is lost, archives everything to Parquet.
#[derive(Debug, Parser)]
#[command(name = "plume", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// 要做的事 / what to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What plume can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// 四座模拟电厂在虚拟时钟上运行 / four simulated plants on a virtual clock
    Demo(DemoArgs),
    /// 接入真实设备，运行全部或部分角色 / collect from real devices: all roles in one process, or some over Kafka
    #[command(after_help = bus::RUN_EXAMPLES)]
    Run(StartArgs),
    /// 为本机生成带注释的配置与基础档案 / write a commented configuration for this host, and a registry to start from
    Init(ops::InitArgs),
    /// 检查本机、配置、数据与外部服务，逐项给出处理办法 / examine host, configuration, data and peers, with what to do
    Doctor(ops::DoctorArgs),
    /// 运行状况：什么落后、自何时、怎么办 / how plume is: what is behind, since when, what to do
    Status(ops::StatusArgs),
    /// 备份（运行中即可） / back up, while plume runs
    Backup(ops::BackupArgs),
    /// 从备份恢复 / restore a backup
    Restore(ops::RestoreArgs),
    /// 升级前检查数据格式 / whether this plume can go on with the data of another
    Upgrade(ops::UpgradeArgs),
    /// 生成不含密码的故障信息文件 / a file for support, without secrets
    Support(ops::SupportArgs),
    /// 检查配置与基础档案，列出每一个问题 / check configuration and registry, every problem with file and line
    Check(RunArgs),
    /// 打印登录工作台的链接 / print a link that signs in to the desk of a running plume
    Enter(EnterArgs),
    /// 在终端查看和处置预警 / alerts in the terminal
    #[command(after_help = CASES_EXAMPLES)]
    Cases(CasesArgs),
    /// 通知通道 / channels of notices
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// 给提前预警评分，或评测工作台的报警负荷 / score the early warnings, or measure the load of the desk
    Score(ScoreArgs),
    /// 扮演设备发送数据 / play devices against a listening plume
    Simulate(SimulateArgs),
    /// 隔离的报文 / packets that were set aside
    #[command(subcommand)]
    Quarantine(orders::QuarantineCommand),
    /// 解析报文，逐字段说明 / explain packets field by field
    Decode(DecodeArgs),
    /// 向设备下达命令：校时、间隔、补数 / ask something of a device: its clock, intervals, missing data
    #[command(name = "command")]
    Order(orders::CommandArgs),
    /// 对涉及仪器或密钥的命令的许可：企业书面同意，两人登记 / permits for orders that touch an instrument or a secret
    #[command(subcommand, after_help = permits::PERMIT_EXAMPLES)]
    Permit(permits::PermitCommand),
    /// 设备密钥（2025）的封存与年龄 / keys of devices (2025): sealing, age
    #[command(subcommand, after_help = permits::KEYS_EXAMPLES)]
    Keys(permits::KeysCommand),
    /// 设备是否符合 HJ 212-2025：逐项核对并给出改法 / does a device conform: each departure with what to change
    Conformance(conformance::ConformanceArgs),
    /// 收支平衡：收到 = 归档 + 隔离 + 重复 / balance of packets
    Stats(StatsArgs),
    /// 查询归档与日志中的数据 / rows of the archive and of what is still in the log
    Query(archive::QueryArgs),
    /// 导出为 CSV、XLSX 等文件 / rows as a file: CSV, XLSX, JSON, Parquet
    Export(archive::ExportArgs),
    /// 传输有效率：按小时和日、即时与补全 / effective transmission rate, by hours and days, immediate and completed
    Rate(rate::RateArgs),
    /// 季度排放量：实测、替代与合计 / amounts emitted in a quarter: measured, filled in, in all
    Amounts(amounts::AmountsArgs),
    /// 控制图：小时均值、常态基线、EWMA 与 CUSUM，SVG / control charts of a factor of an outlet as SVG
    Chart(chart::ChartArgs),
    /// 核对归档：哈希、行数、表结构、缺口 / check the archive byte by byte
    Verify(archive::VerifyArgs),
    /// 导出或验证某一事件的证据包 / the signed evidence behind an event, or check one
    Evidence(archive::EvidenceArgs),
    /// Modbus 设备现场排查 / look at a Modbus device on site
    Modbus(ModbusArgs),
    /// 逐步说明一次预警的依据：数值、计数、公式、条款 / why an event was said: values, counts, formula and clause
    Explain(judge::ExplainArgs),
    /// 人工标记 / manual marks
    #[command(subcommand)]
    Marks(MarksCommand),
    /// 零点、跨度检查 / zero and span checks
    #[command(subcommand)]
    Checks(ChecksCommand),
    /// Kafka 主题：创建、检查、消费滞后 / topics on Kafka: make, check, lag
    #[command(subcommand)]
    Bus(BusCommand),
    /// 从头重放日志，与当时的判定逐字节比较 / judge the recorded log again and compare with what was said, byte by byte
    Replay(judge::ReplayArgs),
    /// 由归档重判实时判定已不记得的时段 / judge days again, out of the archive, that the judge no longer remembers
    Recompute(judge::RecomputeArgs),
    /// 打印全部配置项及默认值 / print every option with its default
    Config,
}

/// Arguments of `modbus`.
#[derive(Debug, Args)]
pub(crate) struct ModbusArgs {
    /// 要做的事 / what to do
    #[command(subcommand)]
    pub(crate) command: ModbusCommand,
}

const PROBE_EXAMPLES: &str = "\
示例 / Examples:
  plume modbus probe 192.168.1.20:502 --unit 1 --map modbus/example-cems.toml
  plume modbus probe rtu+tcp://192.168.1.30:4001 --unit 3 --map meter.toml --once
  plume modbus probe 'serial:/dev/ttyUSB0?baud=9600&parity=even' --unit 1 --map meter.toml";

/// What can be done with a Modbus device. All of it only reads.
#[derive(Debug, Subcommand)]
pub(crate) enum ModbusCommand {
    /// 实时显示各寄存器的值、原始字与四种字节顺序，并提示可疑之处 / a live table of values, raw words, all four orders, and hints
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(ProbeArgs),
}

/// Arguments of `modbus probe`.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// 地址 / where it is: HOST:PORT, tcp://…, rtu+tcp://HOST:PORT or serial:/dev/ttyS0?baud=9600
    pub(crate) device: String,
    /// 单元号 / address on the bus
    #[arg(long, default_value_t = 1)]
    pub(crate) unit: u8,
    /// 寄存器映射文件 / register map of the model
    #[arg(long)]
    pub(crate) map: PathBuf,
    /// 应答时限（毫秒） / milliseconds for one answer
    #[arg(long, default_value_t = 1000)]
    pub(crate) timeout_ms: u64,
    /// 刷新间隔（毫秒） / milliseconds between rounds
    #[arg(long, default_value_t = 2000)]
    pub(crate) interval_ms: u64,
    /// 只读一遍 / one round, then stop
    #[arg(long)]
    pub(crate) once: bool,
}

/// Arguments of `run` and `check`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
}

/// Arguments of `cases`.
#[derive(Debug, Args)]
pub(crate) struct CasesArgs {
    /// 数据目录 / data directory of the running plume
    #[arg(long, default_value = "plume-live", global = true)]
    pub(crate) data: PathBuf,
    /// 配置文件，数据库不在数据目录时需要 / configuration file, where the desk's database is elsewhere
    #[arg(long, short, env = "PLUME_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// 姓名，写入操作记录 / name shown in the trace
    #[arg(long, default_value = "终端", global = true)]
    pub(crate) name: String,
    /// 角色 / role
    #[arg(long, default_value = "city_duty", global = true)]
    pub(crate) role: String,
    /// 状态，可用逗号分隔 / states: open, resolved, retracting, retracted, closed between
    #[arg(long, default_value = "open,resolved,retracting")]
    pub(crate) state: String,
    /// 区县 / district
    #[arg(long)]
    pub(crate) district: Option<String>,
    /// 企业统一社会信用代码 / an enterprise's code
    #[arg(long)]
    pub(crate) enterprise: Option<String>,
    /// 语言：zh 或 en / language of what is printed
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"], global = true)]
    pub(crate) lang: String,
    /// 输出 JSON / print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// 做什么，不给则列表 / what to do; without it, list
    #[command(subcommand)]
    pub(crate) command: Option<CasesCommand>,
}

/// What `cases` can do besides listing.
#[derive(Debug, Subcommand)]
pub(crate) enum CasesCommand {
    /// 显示一条预警及处置记录 / one alert with its trace
    Show {
        /// 编号或其开头 / id or its beginning
        id: String,
    },
    /// 处置一条预警 / do something to an alert
    Act {
        /// 编号或其开头 / id or its beginning
        id: String,
        /// 动作 / acknowledge, withdraw, comment, phone, assign, answer, close, close_false, reopen, confirm_retraction…
        kind: String,
        /// 说明 / words
        #[arg(long, default_value = "")]
        text: String,
        /// 措施 / measures, for an answer
        #[arg(long, default_value = "")]
        measures: String,
    },
}

/// What `notify` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// 发送一条测试消息 / send one test message
    #[command(
        after_help = "示例 / Example:\n  plume notify test --config plume.toml --channel mail --to you@example.com"
    )]
    Test(NotifyTestArgs),
}

/// Arguments of `notify test`.
#[derive(Debug, Args)]
pub(crate) struct NotifyTestArgs {
    /// 配置文件 / configuration file
    #[arg(long, short, env = "PLUME_CONFIG", default_value = "plume.toml")]
    pub(crate) config: PathBuf,
    /// 通道 / mail, sms, voice or ring
    #[arg(long, default_value = "mail")]
    pub(crate) channel: String,
    /// 收件地址或号码 / address or number
    #[arg(long)]
    pub(crate) to: String,
}

/// Arguments of `enter`.
#[derive(Debug, Args)]
pub(crate) struct EnterArgs {
    /// 数据目录 / data directory of the running plume
    #[arg(long, default_value = "plume-live")]
    pub(crate) data: PathBuf,
    /// 配置文件，数据库不在数据目录时需要 / configuration file, where the desk's database is elsewhere
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 姓名，写入操作记录 / name shown in the trace
    #[arg(long, default_value = "值班员")]
    pub(crate) name: String,
    /// 角色 / role: city_duty, read_only, audit, system…
    #[arg(long, default_value = "city_duty")]
    pub(crate) role: String,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// 数据目录 / data directory (an earlier demo's data in it is replaced)
    #[arg(long, default_value = "plume-data")]
    pub(crate) data: PathBuf,
    /// 虚拟时钟倍速 / how many times faster than real time
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// 工作台地址 / address of the desk's pages
    #[arg(long, default_value = "127.0.0.1:8212")]
    pub(crate) listen: SocketAddr,
    /// 故事结束即退出，不符合预期则返回非零 / stop when the story is over, non-zero if it did not come out
    #[arg(long)]
    pub(crate) headless: bool,
    /// 随机种子 / seed of the plants' noise
    #[arg(long, default_value_t = plume_simulator::story::SEED)]
    pub(crate) seed: u64,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// 平台地址 / where plume listens
    #[arg(long, default_value = "127.0.0.1:9212", conflicts_with = "data")]
    pub(crate) to: SocketAddr,
    /// 设备 MN，可重复 / which device to play, may be repeated; without one, every device of --registry
    #[arg(long)]
    pub(crate) mn: Vec<Mn>,
    /// 基础档案，从中取设备 / registry whose devices are played
    #[arg(long)]
    pub(crate) registry: Option<PathBuf>,
    /// 按原样发送文件中的报文，或将 CSV 映射为因子（需 --map） / raw packets as they are, or a CSV mapped to factors
    #[arg(long)]
    pub(crate) from: Option<PathBuf>,
    /// CSV 列与因子的对应（TOML） / which column is which factor
    #[arg(long, requires = "from")]
    pub(crate) map: Option<PathBuf>,
    /// 在该目录以虚拟时钟运行整个 plume，快放 --from / run all of plume in this directory on a virtual clock, playing --from
    #[arg(long, requires_all = ["from", "registry"])]
    pub(crate) data: Option<PathBuf>,
    /// 版本：2005、2017 或 2025 / edition spoken
    #[arg(long, default_value = "2017", value_parser = ["2005", "2017", "2025"])]
    pub(crate) edition: String,
    /// 不规范行为，可重复 / a misbehaviour, may be repeated
    #[arg(long, value_name = "NAME", value_parser = misbehaviours())]
    pub(crate) misbehave: Vec<String>,
    /// 用该 SM4 密钥加密（2025） / encrypt with this SM4 key (2025)
    #[arg(long, env = "PLUME_SM4_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// 随机种子 / seed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// 运行多少秒后停止，0 为直到 Ctrl-C / stop after this many seconds (0: until Ctrl-C or the file's end)
    #[arg(long, default_value_t = 0)]
    pub(crate) seconds: u64,
}

/// Examples of `decode`, by what a technician has at hand.
const DECODE_EXAMPLES: &str = "\
例 / examples:
  plume decode '##0101QN=2016…&&1C80'           一条报文，回车换行可省略 / one packet, CR LF may be missing
  plume decode --file logger.log                日志中的全部报文，GBK 亦可 / every packet in a log, GBK too
  plume decode '23 23 30 31 30 31 …'            十六进制 / hex
  cat logger.log | plume decode                 标准输入 / standard input
  plume decode --key 0123456789abcdef --file x  SM4 加密的报文 / encrypted packets (or PLUME_SM4_KEY)
  plume decode --json --lang en '##…'           供程序读取 / for programs

有报文平台不会接收时返回非零 / fails when a platform would not take one of them";

/// Arguments of `decode`.
#[derive(Debug, Args)]
#[command(after_help = DECODE_EXAMPLES)]
pub(crate) struct DecodeArgs {
    /// 报文；不给则读标准输入 / packets; standard input if none
    pub(crate) packets: Vec<String>,
    /// 从文件读取 / read from a file
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// 输出语言 / language: zh or en
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    pub(crate) lang: String,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// SM4 密钥：16 字符或 32 位十六进制 / SM4 key: 16 characters or 32 hex digits
    #[arg(long, env = "PLUME_SM4_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// 配置文件 / configuration file, to find data directory and admin address
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// 先让运行中的 plume 把等待的记录写入归档 / first have the running plume archive what waits
    #[arg(long)]
    pub(crate) now: bool,
}

/// The simulator's misbehaviours, each with what it is.
fn misbehaviours() -> PossibleValuesParser {
    let value = |kind: &Misbehaviour| {
        let help = format!("{} / {}", kind.zh(), kind.en());
        PossibleValue::new(kind.code()).help(help)
    };
    PossibleValuesParser::new(Misbehaviour::ALL.iter().map(value))
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (1.0..=600.0).contains(&speed) {
        Ok(speed)
    } else {
        Err("give a speed from 1 to 600".to_owned())
    }
}
