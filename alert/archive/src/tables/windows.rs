//! `hours` and `days`: what was said last of each hour and day of a factor with a limit. What most questions are about.

use plume_schemas::ids::{FactorCode, Inline};
use plume_schemas::judgement::{FactKey, FactValue, Judgement, Verdict};
use plume_schemas::rule::RuleCode;

use super::judgements::verdict_code;
use super::{Cell, Column, Form, Rows, Spec, Table};
use crate::memory::Place;

/// The column that publication fills in.
pub(crate) const STATUS: &str = "status";
/// Can still be marked.
pub(crate) const PRELIMINARY: &str = "preliminary";
/// The time for marks is over.
pub(crate) const CONFIRMED: &str = "confirmed";

/// The columns alike in both tables, with what is counted in the middle.
macro_rules! with_window_columns {
    ($($counted:expr),* $(,)?) => {
        &[
            Column::new("factor", Form::Word, "因子", "factor code"),
            Column::new("outlet", Form::Word, "排放口", "outlet"),
            Column::new(
                "measured_at", Form::Time, "时段起点，北京时间", "start of the hour or day, Beijing time"
            ),
            Column::new(
                "value", Form::Number, "所判均值，单位见因子", "the mean that was judged, in the factor's unit"
            ).or_null(),
            Column::new(
                "basis", Form::Word, "基准：standard 标干、corrected 折算、raw 工况", "standard, corrected or raw"
            ).or_null(),
            Column::new(
                "value_source",
                Form::Word,
                "数据来源：device_hour、device_day 设备上报，其余由 plume 计算",
                "device_hour or device_day as reported, others computed by plume"
            ).or_null(),
            $($counted,)*
            Column::new("limit_value", Form::Number, "限值", "the limit").or_null(),
            Column::new("limit_source", Form::Word, "限值来源", "where the limit comes from").or_null(),
            Column::new("clause", Form::Word, "限值条款", "the limit's clause").or_null(),
            Column::new(
                "verdict", Form::Word, "fine 达标、breach 超标、not_judged 未判定", "fine, breach or not_judged"
            ),
            Column::new("reason", Form::Word, "未判定原因", "why not judged").or_null(),
            Column::new(
                "exceed_ratio", Form::Number, "超标倍数，超标时才有", "(value - limit) / limit, of a breach"
            ).or_null(),
            Column::new(
                "mark", Form::Word, "起作用的标记或数据标志", "the mark or flag that had a say"
            ).or_null(),
            Column::new(
                STATUS,
                Form::Word,
                "preliminary 初判（尚可标记）、confirmed 已过标记期限",
                "preliminary while it can be marked, then confirmed"
            ),
            Column::new(
                "pane", Form::Word, "on_time 按时、late 修订", "on_time, or late where it was revised"
            ),
            Column::new(
                "revision",
                Form::Count,
                "修订号：引起本结论的日志位置，越大越新",
                "place in the log of what led to it: larger is later"
            ),
            Column::new("judged_at", Form::Time, "判定时间", "the judge's clock"),
            Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
            Column::new("log_offset", Form::Count, "日志位置", "offset in the log of judgements"),
        ]
    };
}

/// A (factor, outlet, time) stands once: its last judgement.
const KEY: &[&str] = &["factor", "outlet", "measured_at", "log_partition", "log_offset"];

pub(crate) const HOURS: Spec = Spec {
    name: "hours",
    columns: with_window_columns![
        Column::new(
            "valid_minutes",
            Form::Small,
            "有效分钟数，45 起有效",
            "valid minutes: 45 or more make an hour valid",
        )
        .or_null()
        .in_unit("min")
    ],
    key: KEY,
    latest: 3,
    bloom: &[],
};

pub(crate) const DAYS: Spec = Spec {
    name: "days",
    columns: with_window_columns![
        Column::new(
            "valid_hours",
            Form::Small,
            "有效小时数，20 起有效",
            "valid hours: 20 or more make a day valid",
        )
        .or_null()
        .in_unit("h"),
        Column::new("day_flag", Form::Word, "日数据标记", "the day's flag").or_null(),
    ],
    key: KEY,
    latest: 3,
    bloom: &[],
};

pub(crate) const HOURS_BRIEF: &[&str] = &[
    "measured_at",
    "outlet",
    "factor",
    "value",
    "basis",
    "valid_minutes",
    "limit_value",
    "verdict",
    "exceed_ratio",
    "mark",
    "status",
];

pub(crate) const DAYS_BRIEF: &[&str] = &[
    "measured_at",
    "outlet",
    "factor",
    "value",
    "basis",
    "valid_hours",
    "limit_value",
    "verdict",
    "exceed_ratio",
    "mark",
    "status",
];

/// The table a judgement is a row of, beside `judgements`.
pub(crate) fn table_of(judgement: &Judgement) -> Option<Table> {
    judgement.factor?;
    match judgement.rule {
        RuleCode::ExceedHour => Some(Table::Hours),
        RuleCode::ExceedDay => Some(Table::Days),
        _ => None,
    }
}

/// Adds the row of a judgement to its table.
pub(crate) fn push(rows: &mut Rows, table: Table, judgement: &Judgement, place: Place) {
    let facts = [
        FactKey::Basis,
        FactKey::ValueSource,
        FactKey::LimitSource,
        FactKey::Clause,
        FactKey::Reason,
        FactKey::DayFlag,
    ];
    let texts = facts.map(|key| match judgement.fact(key) {
        Some(FactValue::Text(text)) => Some(text),
        _ => None,
    });
    let words = texts
        .each_ref()
        .map(|text| Cell::text(text.as_ref().map(Inline::as_str)));
    let [basis, source, limit_source, clause, mark, day_flag] = words;
    let count = |key| match judgement.fact(key) {
        Some(FactValue::Int(number)) => Cell::Int(number),
        _ => Cell::Null,
    };
    let reason = match judgement.verdict {
        Verdict::NotJudged(reason) => Cell::Text(reason.code()),
        Verdict::Fine | Verdict::Breach(_) => Cell::Null,
    };
    let counted = match table {
        Table::Days => vec![count(FactKey::ValidHours), day_flag],
        _ => vec![count(FactKey::ValidMinutes)],
    };
    let subject = [
        Cell::text(judgement.factor.as_ref().map(FactorCode::as_str)),
        Cell::Text(judgement.outlet.as_str()),
        Cell::Time(judgement.window.start),
        Cell::number(judgement.number(FactKey::Mean)),
        basis,
        source,
    ];
    let said = [
        Cell::number(judgement.number(FactKey::Limit)),
        limit_source,
        clause,
        Cell::Text(verdict_code(judgement.verdict)),
        reason,
        Cell::number(judgement.number(FactKey::ExceedRatio)),
        mark,
        Cell::Text(PRELIMINARY),
        Cell::Text(judgement.pane.code()),
        Cell::int(judgement.cause.offset),
        Cell::Time(judgement.judged_at),
        Cell::Int(i64::from(place.partition)),
        Cell::int(place.offset),
    ];
    rows.push(subject.into_iter().chain(counted).chain(said));
}
