//! What the commands about judging take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use plume_schemas::ids::OutletId;
use plume_schemas::time::Time;

const EXPLAIN_EXAMPLES: &str = "\
示例 / Examples:
  plume explain 5f2c90aa17b84d0e9c41d7be20f3a6c5
  plume explain 5f2c90aa17b84d0e9c41d7be20f3a6c5 --lang en --data /var/lib/plume";

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// 事件编号（工作台、接口或归档 events 表中） / id of the event, as desk, API and archive show it
    pub(crate) event: String,
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 输出语言 / language: zh, en or both
    #[arg(long, default_value = "both", value_parser = ["zh", "en", "both"])]
    pub(crate) lang: String,
}

/// What can be done with marks.
#[derive(Debug, Subcommand)]
pub(crate) enum MarksCommand {
    /// 从 CSV 录入或撤销人工标记 / enter or withdraw manual marks from a CSV file
    Import(MarksArgs),
}

const MARKS_EXAMPLES: &str = "\
文件示例 / The file:
  outlet,factor,start,end,kind,by,note,withdrawn
  91330100MA27X0AB1C:DA001,,2026-11-21T10:00,2026-11-21T11:30,calibration,李主管,季度校准,

  kind: stopped 停运, stop_work 停产/停运报备, start_up 启炉, shut_down 停炉, plant_fault 故障/事故, maintenance CEMS维护,
        calibration 校准, instrument_fault CEMS故障, link_down 通讯中断, invalid 数据无效
  factor 留空为整个排放口 / empty: the whole outlet; withdrawn 是/yes: 撤销同样内容的标记 / takes the same mark back";

/// Arguments of `marks import`.
#[derive(Debug, Args)]
#[command(after_help = MARKS_EXAMPLES)]
pub(crate) struct MarksArgs {
    /// CSV 文件 / CSV file
    pub(crate) file: PathBuf,
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

/// What can be done with zero and span checks.
#[derive(Debug, Subcommand)]
pub(crate) enum ChecksCommand {
    /// 从 CSV 录入零点、跨度检查 / enter zero and span checks from a CSV file
    Import(ChecksArgs),
}

const CHECKS_EXAMPLES: &str = "\
示例 / Example:
  plume checks import checks.csv --data /var/lib/plume

文件示例 / The file:
  time,outlet,factor,point,gas,before,after,adjusted
  2026-11-21 08:30,91330100MA27X0AB1C:DA001,a21026,zero,0,4.8,0.1,yes

  point: zero 零点, span 跨度; 标气值与示值同因子单位 / gas and readings in the factor's unit; 末两列可省 / the last two may be
  left out. 同一次检查录入两次只计一次，早于最近一次的只归档 / told twice it counts once; older than the last: archived only";

/// Arguments of `checks import`.
#[derive(Debug, Args)]
#[command(after_help = CHECKS_EXAMPLES)]
pub(crate) struct ChecksArgs {
    /// CSV 文件 / CSV file
    pub(crate) file: PathBuf,
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

const REPLAY_EXAMPLES: &str = "\
示例 / Examples:
  plume replay --data plume-live                    从头（或最早的检查点）起 / from the beginning, or the oldest checkpoint
  plume replay --data plume-live --from 2026-01-17  从当日或之前最近的检查点起 / from the checkpoint of that day or before
  plume replay --diff --from 2025-01-01 --to 2026-01-01 --registry 新限值.toml --csv 影响.csv
                                                    去年的数据按新限值 / last year's data under the new limit
  plume replay --diff --from 2026-03-01 --rules other.toml --outlet 91330100MA27X0AB1C:DA001

返回值 / Exit codes: 0 一致 / the same; 3 有不同（--diff） / something differs (--diff); 1 不一致或出错 / a difference \
that must not be, or an error";

/// Where a replay takes its entries from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// The log where it still has all and no plume runs on it, else the archive.
    Auto,
    /// The log.
    Log,
    /// The archive: packets and entries make the log again, exactly.
    Archive,
    /// The archive's readings as they stand, where packets have expired: window rules alone.
    Readings,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// 配置文件 / configuration file it was judged under
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录（须已停止） / data directory of a plume that is stopped
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 从此日（北京时间）或之前最近的检查点起 / begin at the nearest checkpoint of this day (Beijing) or before
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) from: Option<String>,
    /// 按其他档案或规则重判，并列出不同 / judge by another registry or other rules too, and say what differs
    #[arg(long, requires = "from")]
    pub(crate) diff: bool,
    /// 到此日之前 / before this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, requires = "diff")]
    pub(crate) to: Option<String>,
    /// 只比较该排放口，可重复 / only this outlet; may be repeated
    #[arg(long = "outlet", value_parser = super::archive::outlet, requires = "diff")]
    pub(crate) outlets: Vec<OutletId>,
    /// 数据来源 / where entries come from
    #[arg(long, value_enum, default_value_t = Source::Auto)]
    pub(crate) source: Source,
    /// 另一份档案：TOML 文件或 CSV 目录，自预热起代替原档案 / another registry: a TOML file or a directory of CSV sheets,
    /// in the place of the recorded one from the warm-up on
    #[arg(long, requires = "diff")]
    pub(crate) registry: Option<PathBuf>,
    /// 另一份配置，取其 detect 一节 / another configuration whose section `detect` is judged by
    #[arg(long, requires = "diff")]
    pub(crate) rules: Option<PathBuf>,
    /// 逐排放口逐因子的影响表写入 CSV / the table of outlets and factors, as CSV
    #[arg(long, value_name = "FILE", requires = "diff")]
    pub(crate) csv: Option<PathBuf>,
    /// 输出 JSON / print JSON
    #[arg(long, requires = "diff")]
    pub(crate) json: bool,
    /// 最多列出多少项单个不同 / single differences to be listed
    #[arg(long, default_value_t = 50, requires = "diff")]
    pub(crate) lines: usize,
    /// 标准错误不是终端时也显示进度 / show progress even where standard error is no terminal
    #[arg(long, requires = "diff")]
    pub(crate) progress: bool,
}

const RECOMPUTE_EXAMPLES: &str = "\
示例 / Examples:
  plume recompute --outlet 91330100MA27X0AB1C:DA001 --from 2026-01-05 --to 2026-01-08 --dry-run
                                                    只看会改判什么 / only what would be said otherwise
  plume recompute --outlet 91330100MA27X0AB1C:DA001 --from 2026-01-05 --to 2026-01-08 --data plume-live
                                                    请正在运行的 plume 重判 / has the running plume do it";

/// Arguments of `recompute`.
#[derive(Debug, Args)]
#[command(after_help = RECOMPUTE_EXAMPLES)]
pub(crate) struct RecomputeArgs {
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 排放口，可重复 / this outlet; may be repeated
    #[arg(long = "outlet", value_parser = super::archive::outlet, required = true)]
    pub(crate) outlets: Vec<OutletId>,
    /// 自此日（北京时间）起 / from this day (Beijing) on
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) from: String,
    /// 到此日之前 / before this day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(crate) to: String,
    /// 只显示，不写入 / say what would be said, and leave it at that
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const SCORE_EXAMPLES: &str = "\
示例 / Examples:
  plume score                         100 座电厂 × 2 天，留出种子 / held-out seeds
  plume score --training              调参所用种子 / the seeds the method was tuned on
  plume score --desk                  辖区一周的报警负荷 / a week's load of a bureau
  plume score --quality --plants 360  数据质量规则与线索 / rules of data quality and leads, on planted faults
  plume score --drift --plants 30     零点跨度漂移与水平偏移：时延与误报 / drifts and shifts: delays and false alarms
  plume score --turbine gas_turbine_2011_2013.csv  真实燃气轮机三年的报警及解释 / alerts on three real years, explained
  plume score --plants 400 --check    达不到目标则返回非零 / non-zero where a target is missed";

/// Arguments of `score`.
#[derive(Debug, Args)]
#[command(after_help = SCORE_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct ScoreArgs {
    /// 改为模拟整个辖区的报警负荷 / instead, simulate a bureau and count what its officers would see
    #[arg(long)]
    pub(crate) desk: bool,
    /// 改为评测数据质量规则与线索：召回、时延、误报 / instead, score the rules of data quality and the leads on planted faults
    #[arg(long, conflicts_with = "desk")]
    pub(crate) quality: bool,
    /// 改为评测漂移：零点跨度检查与小时均值，与 ADWIN 等同表 / instead, score drifts of checks and levels, beside ADWIN and others
    #[arg(long, conflicts_with_all = ["desk", "quality", "days", "training"])]
    pub(crate) drift: bool,
    /// 改为判定真实燃气轮机数据（UCI，CSV），逐条解释报警 / instead, judge the UCI gas turbine table and explain each alert
    #[arg(
        long,
        value_name = "CSV",
        conflicts_with_all = ["desk", "quality", "drift", "days", "training", "seed", "check"]
    )]
    pub(crate) turbine: Option<PathBuf>,
    /// 排放口数，与 --desk 同用 / outlets, with --desk
    #[arg(long, default_value_t = 3_000, value_parser = outlets, requires = "desk")]
    pub(crate) outlets: usize,
    /// 模拟电厂数 / simulated plants
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) plants: u32,
    /// 天数，默认 2，与 --desk 同用时为 7 / days: 2, with --desk 7
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=31))]
    pub(crate) days: Option<u32>,
    /// 随机种子，代替留出的种子 / seed, instead of the held-out ones; with --desk 1 by default
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// 使用调参种子 / the seeds the method was tuned on
    #[arg(long, conflicts_with_all = ["seed", "desk"])]
    pub(crate) training: bool,
    /// 配置文件，取其 detect 一节 / configuration whose section `detect` is scored; the defaults without one
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 达不到目标则返回非零 / fail where a target is missed
    #[arg(long, conflicts_with = "desk")]
    pub(crate) check: bool,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ScoreArgs {
    /// Days of a bureau: a week, because its load has a week's rhythm.
    pub(crate) fn desk_days(&self) -> u32 {
        self.days.unwrap_or(7)
    }

    /// Seed of a bureau.
    pub(crate) fn desk_seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

fn outlets(text: &str) -> Result<usize, String> {
    let outlets: usize = text.parse().map_err(|_| format!("`{text}` is no whole number"))?;
    if (30..=30_000).contains(&outlets) {
        Ok(outlets)
    } else {
        Err("give 30 to 30000 outlets".to_owned())
    }
}

/// A day that there is, `2026-01-17`.
fn day(text: &str) -> Result<String, String> {
    let day = Time::parse_stamp(text.replace('-', "").as_bytes()).map(Time::date);
    day.filter(|day| day == text)
        .ok_or_else(|| "expected a day such as 2026-01-17".to_owned())
}
