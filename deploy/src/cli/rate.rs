//! Arguments of `plume rate`.

use clap::{Args, ValueEnum};
use plume_detect::rate::Policy;
use plume_schemas::ids::OutletId;
use plume_schemas::time::{DAY_MS, Span, Time};

use super::archive::{Place, outlet, time};

const RATE_EXAMPLES: &str = "\
示例 / Examples:
  plume rate --day 2026-11-21                         某日各排放口各污染物 / each pollutant of each outlet of a day
  plume rate --month 2026-11 --outlet 91330100MA27X0AB1C:DA001
  plume rate --quarter 2026Q4                         季度，含期末预测 / a quarter, with how it will end
  plume rate --quarter 2026Q4 --pass 90 --check       低于 90% 返回非零 / non-zero below 90 %";

/// What the second denominator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyArg {
    /// 收到数：缺一次只计一次 / what was received: a loss counts once
    Received,
    /// 应传数：缺一次计两次 / what was due: a loss counts twice
    Due,
}

/// Arguments of `rate`.
#[derive(Debug, Args)]
#[command(after_help = RATE_EXAMPLES)]
#[command(group = clap::ArgGroup::new("span").required(true).args(["day", "month", "quarter"]))]
pub(crate) struct RateArgs {
    /// 某一天，北京时间 / one day, Beijing
    #[arg(long, value_parser = time)]
    day: Option<Time>,
    /// 某一月 / one month: 2026-11
    #[arg(long, value_parser = month)]
    month: Option<Span>,
    /// 某一季度 / one quarter: 2026Q4
    #[arg(long, value_parser = quarter)]
    quarter: Option<Span>,
    /// 排放口 / outlet
    #[arg(long, value_parser = outlet)]
    pub(crate) outlet: Option<OutletId>,
    /// 有效率的分母（各地口径不一，未能核实） / denominator of the validity; bureaus differ
    #[arg(long, value_enum, default_value = "received")]
    policy: PolicyArg,
    /// 合格线（%）：国家 75，部分省 90 / pass mark, percent: 75 nationally, 90 in some provinces
    #[arg(long, default_value_t = 75.0, value_parser = percent)]
    pub(crate) pass: f64,
    /// 小时数据在结束后多少分钟内到达算即时 / minutes after its end in which an hour value is in time
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=1440))]
    pub(crate) in_time_minutes: i64,
    /// 日数据在结束后多少小时内到达算即时 / hours after its end in which a day value is in time
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i64).range(1..=240))]
    pub(crate) day_in_time_hours: i64,
    /// 低于合格线则返回非零 / fail below the pass mark
    #[arg(long)]
    pub(crate) check: bool,
    /// 输出 JSON，一行一个 / print JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// 总是显示进度 / show progress even where standard error is no terminal
    #[arg(long)]
    pub(crate) progress: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl RateArgs {
    /// The span asked for; one of the three is always given.
    pub(crate) fn span(&self) -> Span {
        let day = self.day.map(|day| Span {
            start: day.floor(DAY_MS),
            end: day.floor(DAY_MS).plus(DAY_MS),
        });
        let span = day.or(self.month).or(self.quarter);
        span.unwrap_or(Span {
            start: Time(0),
            end: Time(0),
        })
    }

    pub(crate) fn policy(&self) -> Policy {
        match self.policy {
            PolicyArg::Received => Policy::Received,
            PolicyArg::Due => Policy::Due,
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err("give 0 to 100".to_owned())
    }
}

/// The first moment of a month; months beyond December are of the next year.
fn first_of(year: i32, month: u8) -> Option<Time> {
    let (year, month) = if month > 12 {
        (year + 1, month - 12)
    } else {
        (year, month)
    };
    Time::first_of_month(year, month)
}

fn months(year: &str, month: u8, count: u8) -> Option<Span> {
    let year = year.parse().ok().filter(|year| (2000..=2100).contains(year))?;
    Some(Span {
        start: first_of(year, month)?,
        end: first_of(year, month + count)?,
    })
}

fn month(text: &str) -> Result<Span, String> {
    let found = text.split_once('-').and_then(|(year, month)| {
        let month: u8 = month.parse().ok().filter(|month| (1..=12).contains(month))?;
        months(year, month, 1)
    });
    found.ok_or_else(|| format!("`{text}` is no month: give 2026-11"))
}

pub(super) fn quarter(text: &str) -> Result<Span, String> {
    let found = text.split_once(['Q', 'q']).and_then(|(year, quarter)| {
        let quarter: u8 = quarter.parse().ok().filter(|quarter| (1..=4).contains(quarter))?;
        months(year, 3 * quarter - 2, 3)
    });
    found.ok_or_else(|| format!("`{text}` is no quarter: give 2026Q4"))
}
