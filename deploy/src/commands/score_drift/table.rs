//! The score for people.

use super::levels::Cell;
use super::{Delay, Score, TARGET_ALERTS, TARGET_DAYS, TARGET_DRIFT_PCT_WEEK, TARGET_SD_PCT};
use crate::out;

/// `5.0 (6.3)`: median and ninth decile; `> end` where so many were not found.
fn delay(delay: &Delay) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |value| format!("{value:.1}"));
    format!("{} ({})", shown(delay.median), shown(delay.p90))
}

/// Prints all tables, in Markdown so that they can be kept.
pub(super) fn tell(score: &Score, budget: f64) {
    out::line(format_args!(
        "种子 seed {}，规模 plants {}。延迟为中位数（九成分位），— 表示未发现者过多\n\
         delays are medians (ninth deciles); — where too few were found\n",
        score.seed, score.plants
    ));
    checks(score);
    levels(&score.levels, budget);
}

fn checks(score: &Score) {
    out::line(
        "## 每日零点与跨度检查 / daily zero and span checks\n\n\
         每排放口 3 台分析仪，零点与跨度各每日一次 / 3 analysers an outlet, zero and span of each once a day\n\n\
         | s, % FS | 排放口·月 outlet-months | QAL3 提示 findings /outlet-month | 预警 alerts | 预警 alerts /outlet-month |\n\
         |---|---|---|---|---|",
    );
    for quiet in &score.checks.quiet {
        out::line(format_args!(
            "| {:.2} | {:.0} | {:.2} | {} | {:.2} |",
            quiet.sd_pct,
            quiet.outlet_months,
            quiet.findings_per_outlet_month,
            quiet.alerts,
            quiet.alerts_per_outlet_month
        ));
    }
    out::line(
        "\n| s, % FS | 漂移 drift, % FS/周 week | n | QAL3 提示，天 finding, days | 预警，天 alert, days | 预警发现率 alerts found |\n\
         |---|---|---|---|---|---|",
    );
    for drift in &score.checks.drifts {
        out::line(format_args!(
            "| {:.2} | {:.1} | {} | {} | {} | {:.2} |",
            drift.sd_pct,
            drift.pct_per_week,
            drift.alert_days.n,
            delay(&drift.finding_days),
            delay(&drift.alert_days),
            drift.alert_days.found
        ));
    }
    let met = if score.targets_met {
        "达到 met"
    } else {
        "未达到 MISSED"
    };
    out::line(format_args!(
        "\n目标 target: s ≤ {TARGET_SD_PCT} % FS，漂移 drift ≥ {TARGET_DRIFT_PCT_WEEK} % FS/周 week：预警 \
        alert ≤ {TARGET_DAYS} 天 \
         days (median)，≤ {TARGET_ALERTS} 次/排放口·月 alerts per outlet-month: {met}\n"
    ));
}

fn levels(cells: &[Cell], budget: f64) {
    out::line(format_args!(
        "## 小时均值 / hour means\n\n\
         单因子排放口；阶跃 20 % 限值，缓变每天 2 % 限值；预算 {budget} 次/排放口·月，对比方法的阈值由模拟统一设定，\
         plume 的控制限由各排放口自身历史模拟\n\
         outlets of one factor; a step of 20 % of the limit, a drift of 2 % of the limit a day; \
         budget {budget} alarms an \
         outlet-month: thresholds of the others set by simulation on all outlets, plume's on the past of each\n\n\
         | sd, % 限值 limit | φ | 方法 detector | 阈值 threshold | 误报 false /outlet-month | 阶跃，小时 step, h | 发现 found \
         | 缓变，小时 drift, h | 发现 found |\n\
         |---|---|---|---|---|---|---|---|---|"
    ));
    for cell in cells {
        for row in &cell.detectors {
            out::line(format_args!(
                "| {:.0} | {:.1} | {} | {} | {:.2} | {} | {:.2} | {} | {:.2} |",
                cell.sd_pct_of_limit,
                cell.phi,
                row.detector,
                row.threshold.as_deref().unwrap_or("own history"),
                row.false_per_outlet_month,
                delay(&row.step_hours),
                row.step_hours.found,
                delay(&row.drift_hours),
                row.drift_hours.found
            ));
        }
    }
    let months = cells.first().map_or(0.0, |cell| cell.outlet_months);
    out::line(format_args!(
        "\n每格误报统计 {months:.0} 排放口·月；不设目标 / false alarms of each cell over {months:.0} outlet-months; no target"
    ));
}
