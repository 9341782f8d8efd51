//! `judgements` and `events`: what was said, with the facts in columns where most rules have them, and all of them as
//! JSON.

use plume_schemas::event::Event;
use plume_schemas::ids::FactorCode;
use plume_schemas::judgement::{FactKey, FactValue, Judgement, Verdict};
use serde_json::{Map, Value as Json};

use super::{Cell, Column, Form, Rows, Spec};
use crate::memory::Place;

/// The columns of a judgement, alike in both tables.
macro_rules! with_judgement_columns {
    ($($before:expr),* $(,)?) => {
        &[
            $($before,)*
            Column::new("outlet", Form::Word, "排放口", "outlet"),
            Column::new("factor", Form::Word, "因子，空为整个排放口", "factor, empty for the whole outlet").or_null(),
            Column::new("rule", Form::Word, "规则", "rule"),
            Column::new("stream", Form::Word, "service 服务提醒、lead 线索", "service warning or lead"),
            Column::new("window_start", Form::Time, "时段起点", "start of the window"),
            Column::new("window_end", Form::Time, "时段终点", "end of the window"),
            Column::new("pane", Form::Word, "early 进行中、on_time 按时、late 修订", "early, on_time or late"),
            Column::new("verdict", Form::Word, "fine 正常、breach 异常、not_judged 未判定", "fine, breach or not_judged"),
            Column::new("severity", Form::Word, "程度", "how grave").or_null(),
            Column::new("reason", Form::Word, "未判定原因", "why not judged").or_null(),
            Column::new("mean", Form::Number, "所判均值", "the mean judged").or_null(),
            Column::new("limit_value", Form::Number, "限值", "the limit").or_null(),
            Column::new("exceed_ratio", Form::Number, "超标倍数（均值减限值，除以限值）", "(mean - limit) / limit").or_null(),
            Column::new("valid_minutes", Form::Number, "有效分钟数", "valid minutes").or_null().in_unit("min"),
            Column::new("evidence", Form::Text, "全部依据（JSON）", "all facts (JSON)"),
            Column::new("words", Form::Text, "一句话说明", "in one Chinese sentence"),
            Column::new("late", Form::Bool, "由补传数据引起", "caused by backfilled data"),
            Column::new("judged_at", Form::Time, "判定时间", "the judge's clock"),
            Column::new("cause_partition", Form::Small, "引起判定的记录：日志分区", "partition of the entry that caused it"),
            Column::new("cause_offset", Form::Count, "引起判定的记录：日志位置", "offset of the entry that caused it"),
            Column::new("ordinal", Form::Small, "同一记录引起的第几个判定", "ordinal among the judgements of that entry"),
            Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
            Column::new("log_offset", Form::Count, "日志位置", "offset in the log"),
        ]
    };
}

pub(crate) const JUDGEMENTS: Spec = Spec {
    name: "judgements",
    columns: with_judgement_columns![
        Column::new(
            "previous",
            Form::Word,
            "同一时段此前的结论",
            "verdict before, of the same window"
        )
        .or_null()
    ],
    key: &[
        "rule",
        "outlet",
        "factor",
        "window_start",
        "log_partition",
        "log_offset",
    ],
    latest: 0,
    bloom: &[],
};

pub(crate) const EVENTS: Spec = Spec {
    name: "events",
    columns: with_judgement_columns![
        Column::new("event_id", Form::Text, "事件编号", "id of the event"),
        Column::new("case_id", Form::Text, "预警编号", "id of the case"),
        Column::new(
            "edge",
            Form::Word,
            "opened 发生、worsened 加重、cleared 恢复、retracted 撤回、confirmed 确认",
            "what changed"
        ),
        Column::new(
            "happened_at",
            Form::Time,
            "变化时间",
            "the judge's clock when it changed"
        ),
        Column::new("preliminary", Form::Bool, "初判（尚可标记）", "can still be marked"),
    ],
    key: &["outlet", "rule", "log_partition", "log_offset"],
    latest: 0,
    bloom: &["event_id", "case_id"],
};

pub(crate) fn push_judgement(rows: &mut Rows, judgement: &Judgement, place: Place) {
    let said = Said::of(judgement);
    let previous = judgement.previous.map(verdict_code);
    rows.push([Cell::text(previous)].into_iter().chain(said.cells(judgement, place)));
}

pub(crate) fn push_event(rows: &mut Rows, event: &Event, place: Place) {
    let mut said = Said::of(&event.judgement);
    said.words = format!("{}：{}", event.edge.zh(), said.words);
    let (id, case) = (event.id.to_string(), event.case.to_string());
    let own = [
        Cell::Text(&id),
        Cell::Text(&case),
        Cell::Text(event.edge.code()),
        Cell::Time(event.at),
        Cell::Bool(event.preliminary),
    ];
    rows.push(own.into_iter().chain(said.cells(&event.judgement, place)));
}

struct Said {
    evidence: String,
    words: String,
}

impl Said {
    fn of(judgement: &Judgement) -> Self {
        Self {
            evidence: evidence(judgement),
            words: words(judgement),
        }
    }

    fn cells<'a>(&'a self, judgement: &'a Judgement, place: Place) -> [Cell<'a>; 23] {
        let (severity, reason) = match judgement.verdict {
            Verdict::Fine => (Cell::Null, Cell::Null),
            Verdict::Breach(severity) => (Cell::Text(severity.code()), Cell::Null),
            Verdict::NotJudged(reason) => (Cell::Null, Cell::Text(reason.code())),
        };
        [
            Cell::Text(judgement.outlet.as_str()),
            Cell::text(judgement.factor.as_ref().map(FactorCode::as_str)),
            Cell::Text(judgement.rule.code()),
            Cell::Text(judgement.rule.stream().code()),
            Cell::Time(judgement.window.start),
            Cell::Time(judgement.window.end),
            Cell::Text(judgement.pane.code()),
            Cell::Text(verdict_code(judgement.verdict)),
            severity,
            reason,
            Cell::number(judgement.number(FactKey::Mean)),
            Cell::number(judgement.number(FactKey::Limit)),
            Cell::number(judgement.number(FactKey::ExceedRatio)),
            Cell::number(judgement.number(FactKey::ValidMinutes)),
            Cell::Text(&self.evidence),
            Cell::Text(&self.words),
            Cell::Bool(judgement.late),
            Cell::Time(judgement.judged_at),
            Cell::Int(i64::from(judgement.cause.partition)),
            Cell::int(judgement.cause.offset),
            Cell::Int(i64::from(judgement.ordinal)),
            Cell::Int(i64::from(place.partition)),
            Cell::int(place.offset),
        ]
    }
}

pub(crate) fn verdict_code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fine => "fine",
        Verdict::Breach(_) => "breach",
        Verdict::NotJudged(_) => "not_judged",
    }
}

/// All facts under their codes; decimals as typed, so as text.
fn evidence(judgement: &Judgement) -> String {
    let facts = judgement.evidence.iter().map(|fact| {
        let value = match fact.value {
            FactValue::Decimal(decimal) => Json::from(decimal.to_string()),
            FactValue::Float(value) => Json::from(value),
            FactValue::Int(value) => Json::from(value),
            FactValue::Time(at) => Json::from(at.to_string()),
            FactValue::Text(text) => Json::from(text.as_str()),
        };
        (fact.key.code().to_owned(), value)
    });
    Json::Object(facts.collect::<Map<_, _>>()).to_string()
}

/// What a person would say: rule, verdict, and the two numbers it is about.
fn words(judgement: &Judgement) -> String {
    let mut words = judgement.rule.zh().to_owned();
    match judgement.verdict {
        Verdict::Fine => words += "：正常",
        Verdict::Breach(severity) => {
            words += "：";
            words += severity.zh();
        }
        Verdict::NotJudged(reason) => {
            words += "：未判定（";
            words += reason.zh();
            words += "）";
        }
    }
    let shown = |key| {
        judgement.fact(key).map(|value| match value {
            FactValue::Decimal(decimal) => decimal.to_string(),
            FactValue::Float(value) => format!("{value:.3}"),
            FactValue::Int(value) => value.to_string(),
            FactValue::Time(at) => at.to_string(),
            FactValue::Text(text) => text.as_str().to_owned(),
        })
    };
    for key in [FactKey::Mean, FactKey::Projected, FactKey::Limit] {
        if let Some(value) = shown(key) {
            words += "，";
            words += key.zh();
            words += &value;
        }
    }
    words
}
