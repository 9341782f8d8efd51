//! Arguments of `plume amounts`.

use clap::Args;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::Span;

use super::archive::{Place, outlet};
use super::rate::quarter;

const AMOUNTS_EXAMPLES: &str = "\
示例 / Examples:
  plume amounts --quarter 2026Q4                      各排放口 SO2、NOx、颗粒物排放量 / of all outlets
  plume amounts --quarter 2026Q4 --outlet 91330100MA27X0AB1C:DA001 --gaps
                                                      并列出每段缺失及其替代值 / with each gap and what stands for it
  plume amounts --quarter 2026Q4 --json > amounts.json";

/// Arguments of `amounts`.
#[derive(Debug, Args)]
#[command(after_help = AMOUNTS_EXAMPLES)]
pub(crate) struct AmountsArgs {
    /// 季度：捕集率按季度计 / the quarter, of which the capture rate is: 2026Q4
    #[arg(long, value_parser = quarter)]
    pub(crate) quarter: Span,
    /// 排放口 / outlet
    #[arg(long, value_parser = outlet)]
    pub(crate) outlet: Option<OutletId>,
    /// 因子，逗号分隔 / factors: SO2, NOx and particulates are those that HJ 75 fills
    #[arg(long = "factor", value_delimiter = ',', value_parser = factor)]
    #[arg(default_values = ["a21026", "a21002", "a34013"])]
    pub(crate) factors: Vec<FactorCode>,
    /// 列出每段缺失 / list each gap
    #[arg(long)]
    pub(crate) gaps: bool,
    /// 输出 JSON，一行一个 / print JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// 总是显示进度 / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

fn factor(text: &str) -> Result<FactorCode, String> {
    FactorCode::new(text).map_err(|error| error.to_string())
}
