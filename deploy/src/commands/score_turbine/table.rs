//! The alerts for people.

use std::collections::BTreeMap;

use super::{Score, YEARS};
use crate::out;

/// `2012:214`: the year of a row and its place in it, both from 1 on.
fn place(row: usize) -> String {
    let [first, second] = YEARS;
    match row {
        row if row > second => format!("2013:{}", row - second),
        row if row > first => format!("2012:{}", row - first),
        row => format!("2011:{row}"),
    }
}

/// Prints all tables, in Markdown so that they can be kept.
pub(super) fn tell(score: &Score) {
    out::line(format_args!(
        "{} 小时，{:.1} 个月；行无时间戳，按连续小时处理；数据中没有故障标注 / hours; rows have no time stamps and are taken \
         as consecutive hours; nothing is labelled a fault\n\
         不计 MISS 与 COMMON_CAUSE：数据只有小时值 / rules of transmission are left out: there are only hours\n\n\
         | 规则 rule | 个案 cases | 每月 a month |\n|---|---|---|",
        score.rows, score.months
    ));
    for (rule, count) in &score.opened {
        out::line(format_args!(
            "| {rule} | {count} | {:.2} |",
            *count as f64 / score.months.max(1.0)
        ));
    }
    out::line(
        "\n| 说出 said (year:row) | 变化 changed | 因子 factor | 图 chart | 估计 est. mg/m³ | 历时 lasted, h | \
        次数 times | 实际 moved \
         | Δ负荷 load | Δ气温 °C | 负荷解释 by load | 环境解释 by weather | 两者 both | 解释 explained by |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    );
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in &score.alerts {
        let found = &alert.causes;
        *causes.entry(found.cause.words()).or_insert(0) += 1;
        out::line(format_args!(
            "| {} | {} | {} | {} | {:+.1} | {} | {} | {:+.1} | {:+.2} | {:+.1} | {:.0} % | {:.0} % | {:.0} % | {} |",
            place(alert.said_row),
            place(alert.changed_row),
            alert.factor,
            alert.chart,
            alert.moved,
            alert.lasted_h.map_or_else(|| "—".to_owned(), |hours| hours.to_string()),
            alert.opened,
            found.moved,
            found.load,
            found.ambient_c,
            found.by_load * 100.0,
            found.by_weather * 100.0,
            found.by_both * 100.0,
            found.cause.words()
        ));
    }
    out::line("\n| 解释 explained by | 个案 cases |\n|---|---|");
    for (cause, count) in causes {
        out::line(format_args!("| {cause} | {count} |"));
    }
}
