//! Arguments of the commands that read the archive.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use plume_archive::Table;
use plume_schemas::ids::{ContentId, FactorCode, OutletId};
use plume_schemas::reading::{Basis, ReportKind, Statistic};
use plume_schemas::time::Time;

const QUERY_EXAMPLES: &str = "\
示例 / Examples:
  plume query --day 2026-11-21                                    当日各排放口逐小时判定 / what was judged of each hour
  plume query readings --kind minute --factor a21026 --day 2026-11-21 --by hour
                                                                  分钟数据按小时汇总 / minutes by hour: mean, min, max, count
  plume query readings --outlet 91330100MA27X0AB1C:DA001 --from '2026-11-21 08:00' --to '2026-11-21 09:00' --format csv
  plume query events --from 2026-11-01 --format json              一行一个 JSON / a JSON object a line
  plume query readings --kind hour --format parquet --out nox.parquet --factor a21002";

const EXPORT_EXAMPLES: &str = "\
示例 / Examples:
  plume export readings --outlet 91330100MA27X0AB1C:DA001 --day 2026-11-21      一个排放口一天 / an outlet's day, as CSV
  plume export hours --day 2026-11-21 --format xlsx --out 小时值.xlsx            供电子表格打开 / for a spreadsheet
  plume export readings --day 2026-11-21 --format parquet --float64             供 pandas 计算 / for computing";

const VERIFY_EXAMPLES: &str = "\
示例 / Examples:
  plume verify                          逐文件核对哈希、行数、表结构、缺口 / every file's hash, rows, schema; gaps
  plume verify --head 3f0c…             并证明此前记下的哈希仍在链上 / and that a hash kept earlier is still in the chain
  plume verify --archive /backup/archive --json";

const EVIDENCE_EXAMPLES: &str = "\
示例 / Examples:
  plume evidence 0f3a…（32 位）          写出证据包 / writes evidence-0f3a….zip
  plume query events --columns event_id,outlet,edge,words        先找事件编号 / find the event's id first
  plume evidence --check evidence-0f3a….zip                       验证证据包 / check one";

/// Which archive.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// 配置文件 / configuration file, to find the data directory
    #[arg(long, short, env = "PLUME_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// 数据目录 / data directory, instead of a configuration
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// 只读该归档目录（备份等），不看日志 / this archive directory alone, a copy for instance, without the log
    #[arg(long, conflicts_with_all = ["config", "data"])]
    pub(crate) archive: Option<PathBuf>,
    /// 不先归档日志中尚未归档的数据 / leave out what is still in the log
    #[arg(long)]
    pub(crate) archived_only: bool,
}

/// Which rows.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// 表 / table: hours, days, readings, packets, entries, checkpoints, judgements, events, quarantine, outlets,
    /// factors
    #[arg(default_value = "hours", value_parser = table)]
    pub(crate) table: Table,
    /// 排放口 / outlet
    #[arg(long, value_parser = outlet)]
    pub(crate) outlet: Option<OutletId>,
    /// 因子 / factor
    #[arg(long, value_parser = factor)]
    pub(crate) factor: Option<FactorCode>,
    /// 数据类型 / kind of readings: rtd, minute, hour, day…
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<ReportKind>,
    /// 统计量 / statistic of readings: rtd, avg, min, max, cou…
    #[arg(long, value_parser = statistic)]
    pub(crate) statistic: Option<Statistic>,
    /// 基准 / basis of readings: standard, corrected, raw
    #[arg(long, value_parser = basis)]
    pub(crate) basis: Option<Basis>,
    /// 某一天，北京时间 / one day, Beijing
    #[arg(long, value_parser = time, conflicts_with_all = ["from", "to"])]
    pub(crate) day: Option<Time>,
    /// 起，含，北京时间 / from, Beijing time: `2026-11-21` or `2026-11-21 08:00`
    #[arg(long, value_parser = time)]
    pub(crate) from: Option<Time>,
    /// 止，不含 / before
    #[arg(long, value_parser = time)]
    pub(crate) to: Option<Time>,
    /// 列，逗号分隔 / columns, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// 读数按小时或天汇总 / readings by hour or day: mean, min, max, count, valid share
    #[arg(long, value_enum, conflicts_with = "columns")]
    pub(crate) by: Option<By>,
    /// 最多行数 / rows at most (a table on the screen: 1000)
    #[arg(long)]
    pub(crate) limit: Option<usize>,
}

/// How long a group is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum By {
    /// Hours.
    Hour,
    /// Days.
    Day,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For the eye.
    Table,
    /// UTF-8 with a byte order mark.
    Csv,
    /// An object a line.
    Json,
    /// Parquet.
    Parquet,
    /// A workbook.
    Xlsx,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
#[command(after_help = QUERY_EXAMPLES)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) place: Place,
    /// 格式 / format
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// 写入文件，不给则为标准输出 / write to this file instead of standard output
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// 总是显示进度（默认仅在终端） / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) place: Place,
    /// 格式 / format
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: Format,
    /// 数值写成浮点数（31.1 而非 31.10），非数值留空，供程序计算 / values as doubles, not as typed; empty where no number
    #[arg(long)]
    pub(crate) float64: bool,
    /// 文件，默认以表、排放口和日期命名 / file; by default named after table, outlet and day
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// 总是显示进度 / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// 此前记下的清单哈希 / a hash of the manifest kept earlier
    #[arg(long)]
    pub(crate) head: Option<String>,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// 总是显示进度 / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
}

/// Arguments of `evidence`.
#[derive(Debug, Args)]
#[command(after_help = EVIDENCE_EXAMPLES)]
pub(crate) struct EvidenceArgs {
    /// 事件编号 / the event's id
    #[arg(value_parser = event, required_unless_present = "check")]
    pub(crate) event: Option<ContentId>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// 文件，默认 evidence-编号.zip / file, by default evidence-ID.zip
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// 验证一个证据包 / check a bundle instead
    #[arg(long, conflicts_with = "event")]
    pub(crate) check: Option<PathBuf>,
}

fn listed(what: &str, codes: impl IntoIterator<Item = &'static str>) -> String {
    let codes: Vec<&str> = codes.into_iter().collect();
    format!("{what}: try one of {}", codes.join(", "))
}

fn table(text: &str) -> Result<Table, String> {
    Table::from_name(text).ok_or_else(|| listed("no such table", Table::ALL.map(Table::name)))
}

pub(crate) fn outlet(text: &str) -> Result<OutletId, String> {
    OutletId::new(text).map_err(|error| error.to_string())
}

pub(crate) fn factor(text: &str) -> Result<FactorCode, String> {
    FactorCode::new(text).map_err(|error| error.to_string())
}

fn event(text: &str) -> Result<ContentId, String> {
    ContentId::parse(text).map_err(|error| error.to_string())
}

fn kind(text: &str) -> Result<ReportKind, String> {
    let all = ReportKind::ALL.iter().map(|kind| kind.code());
    ReportKind::from_code(text).ok_or_else(|| listed("no such kind", all))
}

fn statistic(text: &str) -> Result<Statistic, String> {
    let all = Statistic::ALL.iter().map(|statistic| statistic.code());
    Statistic::from_code(text).ok_or_else(|| listed("no such statistic", all))
}

fn basis(text: &str) -> Result<Basis, String> {
    let all = Basis::ALL.iter().map(|basis| basis.code());
    Basis::from_code(text).ok_or_else(|| listed("no such basis", all))
}

/// `2026-11-21`, `2026-11-21 08:00`, `2026-11-21T08:00:30`, or the digits alone; Beijing time.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    let mut digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let odd = text
        .bytes()
        .any(|byte| !byte.is_ascii_digit() && !b"-: T".contains(&byte));
    if !odd && matches!(digits.len(), 8 | 10 | 12 | 14) {
        digits.resize(14, b'0');
        if let Some(time) = Time::parse_stamp(&digits) {
            return Ok(time);
        }
    }
    Err("no such time: give Beijing time as 2026-11-21 or '2026-11-21 08:00'".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let eight = Time::parse_stamp(b"20261121080000");
        for text in [
            "2026-11-21 08:00",
            "2026-11-21T08:00:00",
            "2026112108",
            "20261121080000",
        ] {
            assert_eq!(time(text).ok(), eight, "{text}");
        }
        assert_eq!(time("2026-11-21").ok(), Time::parse_stamp(b"20261121000000"));
        for text in ["", "yesterday", "2026-13-01", "2026-11-21 08:00 UTC", "2026-11"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
