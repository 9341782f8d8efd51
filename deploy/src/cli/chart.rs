//! Arguments of `plume chart`.

use std::path::PathBuf;

use clap::Args;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Time;

use super::archive::{Place, factor, outlet, time};

const CHART_EXAMPLES: &str = "\
示例 / Examples:
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21026            最近 30 天，写入 SVG / the last 30 days
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21026 --from 2026-10-01 --to 2026-11-01 --out so2.svg
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21002 --json     只列出信号 / the signals alone, no picture

  图中为归档中现行的小时均值（修订后），控制图参数取配置 [detect.shift]，判定时所用为按时值
  drawn are hour means as they stand in the archive (revised); the rule itself took them as they were on time";

/// Arguments of `chart`.
#[derive(Debug, Args)]
#[command(after_help = CHART_EXAMPLES)]
pub(crate) struct ChartArgs {
    /// 排放口 / outlet
    #[arg(long, value_parser = outlet)]
    pub(crate) outlet: OutletId,
    /// 因子 / factor
    #[arg(long, value_parser = factor)]
    pub(crate) factor: FactorCode,
    /// 图的起点，北京时间，默认末端前 30 天 / drawn from, Beijing time; by default 30 days before the end
    #[arg(long, value_parser = time)]
    pub(crate) from: Option<Time>,
    /// 止，不含，默认至最新 / before; by default up to the newest
    #[arg(long, value_parser = time)]
    pub(crate) to: Option<Time>,
    /// SVG 文件，默认以排放口和因子命名 / file; by default named after outlet and factor
    #[arg(long, conflicts_with = "json")]
    pub(crate) out: Option<PathBuf>,
    /// 语言：zh 或 en / language of picture and words
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    pub(crate) lang: String,
    /// 不画图，输出信号的 JSON，一行一个 / no picture: the signals as JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// 总是显示进度 / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}
