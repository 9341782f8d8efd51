//! Arguments of `plume chart`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Time;

use super::archive::{Place, factor, outlet, time};

const CHART_EXAMPLES: &str = "\
示例 / Examples:
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21026            最近 30 天，写入 SVG / the last 30 days
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21026 --from 2026-10-01 --to 2026-11-01 --out so2.png
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21002 --json     只列出信号 / the signals alone, no picture
  plume chart --outlet 91330100MA27X0AB1C:DA001 --factor a21026 --checks checks.csv --full-scale 100 --sd-pct 0.5

  plume chart --outlet … --factor a21026 --checks checks.csv --full-scale 100 --standard cfr60 --spec-pct 2.5

  checks.csv：零点与跨度检查，标气值与示值同单位，末两列可省 / zero and span checks; the last two columns may be left out
    time,outlet,factor,point,gas,before,after,adjusted
    2026-11-21 08:00,91330100MA27X0AB1C:DA001,a21026,span,80,82.1,80.0,yes

  图中为归档中现行的小时均值（修订后），控制图参数取配置 [detect.shift]，判定时所用为按时值
  drawn are hour means as they stand in the archive (revised); the rule itself took them as they were on time";

/// What kind of analyser is checked: which limits of HJ 75-2017, table 4, hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// 气态，自动校准，每 24 小时 / gas, by itself, every 24 hours
    GasAuto,
    /// 气态，抽取式手工校准，每 7 天 / gas, extractive, by hand, every 7 days
    GasExtractive,
    /// 气态，直接测量式手工校准，每 15 天 / gas, in the stack, by hand, every 15 days
    GasDirect,
    /// 颗粒物，自动校准，每 24 小时 / particulate matter, by itself, every 24 hours
    PmAuto,
    /// 颗粒物，手工校准，每 15 天 / particulate matter, by hand, every 15 days
    PmManual,
}

/// Which rule says when an analyser is out of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Standard {
    /// HJ 75-2017 11.2，表 4 / table 4
    Hj75,
    /// 40 CFR 60 附录 F 程序 1：连续 5 天超 2 倍或一次超 4 倍 / five days beyond 2 times or one beyond 4 times the specification
    Cfr60,
    /// 40 CFR 75 附录 B 2.1.4：一次超 2 倍 / one beyond twice the specification
    Cfr75,
}

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
    /// 改画零点与跨度检查：QAL3、HJ 75 状态、距限值天数 / instead, zero and span checks of a CSV file
    #[arg(long, requires = "full_scale")]
    pub(crate) checks: Option<PathBuf>,
    /// 满量程，与标气值同单位 / full scale, in the unit of the checks
    #[arg(long, requires = "checks", value_parser = positive)]
    pub(crate) full_scale: Option<f64>,
    /// QAL1 的 s_AMS，满量程的百分数；不给则不作 QAL3 / s_AMS of the certification, % of full scale; without it no QAL3
    #[arg(long, requires = "checks", value_parser = positive)]
    pub(crate) sd_pct: Option<f64>,
    /// 仪器类型 / kind of analyser
    #[arg(long, value_enum, default_value = "gas-auto", requires = "checks")]
    pub(crate) kind: Kind,
    /// 另按何种标准判失控，HJ 75 始终给出 / also judge by this rule; HJ 75 is always given
    #[arg(long, value_enum, default_value = "hj75", requires = "checks")]
    pub(crate) standard: Standard,
    /// 漂移性能指标，跨度的百分数，用于 40 CFR / specification of the drift, % of span, for 40 CFR
    #[arg(long, default_value_t = 2.5, requires = "checks", value_parser = positive)]
    pub(crate) spec_pct: f64,
    /// 图文件，.svg 或 .png，默认 SVG，以排放口和因子命名 / picture, .svg or .png; by default an SVG named after outlet and factor
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

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err("give a number above 0".to_owned())
    }
}
