//! A judgement in words: its steps in the order in which they were taken, with values, counts, formula and clause.
//! Nothing is computed here that is not in the evidence, but for the comparison a reader would make.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::MarkKind;
use plume_schemas::event::Event;
use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Verdict};
use plume_schemas::reading::{Basis, Flag};

/// The language of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 中文.
    Zh,
    /// English.
    En,
}

impl Lang {
    pub(crate) fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// The steps of a judgement and the facts each rests on.
const STEPS: [(&str, &str, &[FactKey]); 9] = [
    (
        "取值",
        "value",
        &[
            FactKey::Mean,
            FactKey::MeanSoFar,
            FactKey::Projected,
            FactKey::ProjectedBand,
            FactKey::Value,
            FactKey::Basis,
            FactKey::ValueSource,
            FactKey::Formula,
            FactKey::Reported,
            FactKey::Recomputed,
            FactKey::DifferencePct,
            FactKey::Usual,
            FactKey::Moved,
        ],
    ),
    (
        "检查",
        "check",
        &[
            FactKey::Point,
            FactKey::Gas,
            FactKey::AsFound,
            FactKey::AsLeft,
            FactKey::Adjusted,
            FactKey::FullScale,
            FactKey::DriftPct,
            FactKey::OutLimit,
            FactKey::DueHours,
        ],
    ),
    (
        "控制图",
        "charts",
        &[
            FactKey::Standing,
            FactKey::Qal3,
            FactKey::AdjustBy,
            FactKey::SumHigh,
            FactKey::SumLow,
            FactKey::PrecisionSum,
            FactKey::Ewma,
            FactKey::SlopePerDay,
        ],
    ),
    ("折算", "correction", &[FactKey::OxygenMean, FactKey::ReferenceOxygen]),
    (
        "有效性",
        "validity",
        &[FactKey::ValidMinutes, FactKey::ValidHours, FactKey::DayFlag],
    ),
    (
        "限值",
        "limit",
        &[FactKey::Limit, FactKey::LimitSource, FactKey::Clause],
    ),
    (
        "余量",
        "what is left",
        &[FactKey::Headroom, FactKey::MinutesLeft, FactKey::Probability],
    ),
    (
        "次数与时长",
        "counts and durations",
        &[
            FactKey::Name,
            FactKey::Count,
            FactKey::Of,
            FactKey::Statistic,
            FactKey::Threshold,
            FactKey::LastedMinutes,
            FactKey::Since,
            FactKey::FlowChange,
            FactKey::Days,
            FactKey::Score,
        ],
    ),
    (
        "依据",
        "reasons",
        &[
            FactKey::Reason,
            FactKey::Inhibited,
            FactKey::Previous,
            FactKey::RecomputedFor,
        ],
    ),
];

/// Words of the evidence that are no code of a closed set.
const WORDS: [(&str, &str, &str); 70] = [
    ("device_hour", "设备上报小时值", "the device's hour value"),
    ("device_minutes", "分钟数据", "minute packets"),
    (
        "device_samples",
        "分钟数据，不足部分由实时数据补充",
        "minute packets, and real-time samples where there are none",
    ),
    ("device_day", "设备上报日值", "the device's day value"),
    ("device_hours", "有效小时值", "valid hours"),
    ("permit", "排污许可证", "permit"),
    ("equal", "数值完全相同", "equal values"),
    ("narrow_range", "波动极小", "narrow range"),
    ("moves", "恢复变化", "it moves again"),
    ("minute", "无分钟或更细数据", "no minute or finer data"),
    ("hour", "无小时数据", "no hour packet"),
    ("offline", "完全无数据", "nothing at all"),
    ("data_again", "数据恢复", "data come again"),
    (
        "excused",
        "已报备或不在登记有效期内",
        "filed stop-work, or not in the registry then",
    ),
    (
        "hour_within_limit",
        "小时均值未超限值",
        "the hour stayed within the limit",
    ),
    ("hour_exceeded", "小时均值超限值", "the hour exceeded"),
    ("day_within_limit", "日均值未超限值", "the day stayed within the limit"),
    ("day_exceeded", "日均值超限值", "the day exceeded"),
    ("consecutive", "连续超标小时", "exceeding hours in a row"),
    ("hours_in_day", "24小时内超标小时", "exceeding hours within 24 h"),
    ("hours_in_week", "7天内超标小时", "exceeding hours within 7 days"),
    ("days_in_month", "30天内超标天数", "exceeding days within 30 days"),
    ("ewma", "缓慢漂移（EWMA控制图）", "slow drift (EWMA chart)"),
    ("cusum", "突然偏移（CUSUM控制图）", "shift (CUSUM chart)"),
    ("level_back", "恢复常态", "the level is back"),
    ("rebased", "已按新水平重建基线", "taken as the new baseline"),
    ("unreadable", "数值不可读", "unreadable value"),
    ("trial_run", "试运行", "trial run"),
    ("platform", "平台", "the platform"),
    ("ticks", "平台自身中断", "the platform itself was not listening"),
    ("all_zero", "全部污染物为零", "all pollutants read zero"),
    ("one_zero", "该污染物为零", "this pollutant reads zero"),
    ("jump", "一分钟内跳变", "a jump within one minute"),
    (
        "unit_slip",
        "前后之比恰为单位换算系数",
        "the levels stand to each other as two units",
    ),
    ("level_again", "恢复或已成为新的水平", "back, or the new level"),
    ("gas_flows", "烟气仍在流动", "gas flows"),
    (
        "pollutant_there",
        "污染物浓度明显不为零",
        "a pollutant is clearly there",
    ),
    ("gas_warm", "烟温高于环境", "the gas is warm"),
    ("clock_ahead", "时钟超前", "the clock is ahead"),
    ("clock_behind", "时钟滞后", "the clock is behind"),
    ("cut_off", "数值在限值处被截断", "values are cut off at the limit"),
    (
        "sign_flips",
        "与含氧量的变化方向反转",
        "goes against the oxygen where it went with it, or the other way round",
    ),
    (
        "treatment_draws_nothing",
        "生产设施用电而治理设施不用电",
        "production draws power while treatment draws none",
    ),
    ("irregularity_gone", "细小波动消失", "small irregularities are gone"),
    (
        "calibration_after_exceedance",
        "超标之后紧接校准",
        "calibration right after exceedance",
    ),
    (
        "runs_while_marked_stopped",
        "标记停运而仍在运行",
        "running while marked as stopped",
    ),
    ("silence", "中断上传", "nothing came"),
    ("zero", "零点", "zero"),
    ("span", "跨度", "span"),
    ("yes", "是", "yes"),
    ("no", "否", "no"),
    ("in_control", "受控", "in control"),
    ("recalibrate", "需校准", "to be recalibrated"),
    ("out_of_control", "失控", "out of control"),
    ("fine", "正常", "in control"),
    ("precision_lost", "精密度丧失", "precision lost"),
    ("drifted_up", "向上漂移", "drifted up"),
    ("drifted_down", "向下漂移", "drifted down"),
    ("check_device", "设备上报的核查", "check sent by the device"),
    ("check_polled", "寄存器轮询的核查", "check read from registers"),
    ("check_plateau", "校准时段分钟数据", "minutes flagged as calibration"),
    ("check_form", "人工填报的核查", "check entered on the desk"),
    ("check_sheet", "表格导入的核查", "check imported from a sheet"),
    ("beyond_out_limit", "漂移超出失控限", "beyond the out-of-control limit"),
    ("beyond_required", "漂移超出要求", "beyond what is required"),
    (
        "trend_beyond",
        "趋势线已超出要求",
        "its trend is beyond what is required",
    ),
    (
        "trend_soon",
        "按趋势一周内超出要求",
        "its trend leads there within a week",
    ),
    ("adjusted", "已调整并合格", "adjusted, and good afterwards"),
    ("within_required", "漂移符合要求", "within what is required"),
    ("no_range", "未登记量程", "no measuring range registered"),
];

/// Explains a judgement, one numbered step a line.
pub fn explain(judgement: &Judgement, catalogue: &Catalogue, lang: Lang) -> String {
    let mut text = String::new();
    let rule = judgement.rule;
    let mut line = |words: String| text.extend([words.as_str(), "\n"]);
    line(format!("{} ({})", lang.pick(rule.zh(), rule.en()), rule.code()));
    let mut number = 0;
    let mut step = |name: &str, words: &str| {
        number += 1;
        line(format!("{number}. {name}{}{words}", lang.pick("：", ": ")));
    };
    step(lang.pick("对象", "subject"), &subject(judgement, catalogue, lang));
    for (zh, en, keys) in STEPS {
        let facts = keys
            .iter()
            .filter_map(|&key| judgement.evidence.iter().find(|fact| fact.key == key));
        let words: Vec<String> = facts.map(|fact| of_fact(fact, judgement, catalogue, lang)).collect();
        if !words.is_empty() {
            step(lang.pick(zh, en), &words.join(lang.pick("；", "; ")));
        }
    }
    if let Some(words) = comparison(judgement, lang) {
        step(lang.pick("比较", "comparison"), &words);
    }
    step(lang.pick("结论", "verdict"), &conclusion(judgement, lang));
    step(
        lang.pick("判定", "judged"),
        &format!(
            "{}, {} {}",
            judgement.judged_at,
            lang.pick("日志位置", "log position"),
            judgement.cause
        ),
    );
    text
}

/// Explains an event: what changed, then the judgement that changed it.
pub fn explain_event(event: &Event, catalogue: &Catalogue, lang: Lang) -> String {
    let edge = lang.pick(event.edge.zh(), event.edge.en());
    let (name, case) = (lang.pick("事件", "event"), lang.pick("案件", "case"));
    let preliminary = if event.preliminary {
        lang.pick("（初判）", " (preliminary)")
    } else {
        ""
    };
    let head = format!("{name} {}: {edge}{preliminary}, {case} {}\n", event.id, event.case);
    head + &explain(&event.judgement, catalogue, lang)
}

fn subject(judgement: &Judgement, catalogue: &Catalogue, lang: Lang) -> String {
    let factor = judgement.factor.map(|code| match lang {
        Lang::Zh => format!("{}（{code}）", catalogue.name_zh(code)),
        Lang::En => format!("{} ({code})", catalogue.name_en(code)),
    });
    let (start, end) = (judgement.window.start, judgement.window.end);
    let to = if start.date() == end.date() {
        end.hour_minute()
    } else {
        format!("{} {}", end.date(), end.hour_minute())
    };
    let window = format!("{} {}—{to}", start.date(), start.hour_minute());
    [Some(judgement.outlet.to_string()), factor, Some(window)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

fn of_fact(fact: &Fact, judgement: &Judgement, catalogue: &Catalogue, lang: Lang) -> String {
    let name = lang.pick(fact.key.zh(), fact.key.en());
    let unit = unit(fact.key, judgement, catalogue, lang);
    let value = match fact.value {
        FactValue::Decimal(decimal) => decimal.to_string(),
        FactValue::Float(value) => short_float(value),
        FactValue::Int(value) => value.to_string(),
        FactValue::Time(at) => format!("{} {}", at.date(), at.hour_minute()),
        FactValue::Text(text) => word(fact.key, text.as_str(), lang),
    };
    if unit.is_empty() {
        format!("{name} {value}")
    } else {
        format!("{name} {value} {unit}")
    }
}

/// Four significant digits are what a projection can bear.
fn short_float(value: f64) -> String {
    let digits = match value.abs() {
        0.0..1.0 => 4,
        1.0..100.0 => 2,
        _ => 1,
    };
    Decimal::from_f64(value, digits).map_or_else(|| value.to_string(), |decimal| decimal.to_string())
}

fn unit(key: FactKey, judgement: &Judgement, catalogue: &Catalogue, lang: Lang) -> String {
    match key {
        FactKey::Mean
        | FactKey::MeanSoFar
        | FactKey::Projected
        | FactKey::ProjectedBand
        | FactKey::Value
        | FactKey::Limit
        | FactKey::Headroom
        | FactKey::Reported
        | FactKey::Recomputed
        | FactKey::Usual
        | FactKey::Moved
        | FactKey::Gas
        | FactKey::AsFound
        | FactKey::AsLeft
        | FactKey::AdjustBy
        | FactKey::FullScale
        | FactKey::Previous => {
            let unit = judgement.factor.and_then(|code| catalogue.unit(code));
            unit.map(|unit| lang.pick(unit.zh(), unit.en()).to_owned())
                .unwrap_or_default()
        }
        FactKey::OxygenMean | FactKey::ReferenceOxygen | FactKey::DifferencePct | FactKey::FlowChange => "%".to_owned(),
        FactKey::MinutesLeft | FactKey::LastedMinutes | FactKey::ValidMinutes => lang.pick("分钟", "min").to_owned(),
        FactKey::ValidHours => lang.pick("小时", "h").to_owned(),
        _ => String::new(),
    }
}

/// A word of the evidence for people; what no table knows stays as it is.
fn word(key: FactKey, text: &str, lang: Lang) -> String {
    let known = WORDS
        .iter()
        .find(|(code, ..)| *code == text)
        .map(|(_, zh, en)| lang.pick(zh, en));
    let closed = || match key {
        FactKey::Basis => Basis::from_code(text).map(|basis| lang.pick(basis.zh(), basis.en())),
        FactKey::Reason => None
            .or(NotJudged::from_code(text).map(|reason| lang.pick(reason.zh(), reason.en())))
            .or(MarkKind::from_code(text).map(|mark| lang.pick(mark.zh(), mark.en())))
            .or(Flag::from_code(text).map(|flag| lang.pick(flag.zh(), flag.en()))),
        _ => None,
    };
    known.or_else(closed).unwrap_or(text).to_owned()
}

/// What a reader would compare.
fn comparison(judgement: &Judgement, lang: Lang) -> Option<String> {
    let decimal = |key| match judgement.fact(key)? {
        FactValue::Decimal(decimal) => Some(decimal),
        _ => None,
    };
    let limit = decimal(FactKey::Limit)?;
    if let Some(mean) = decimal(FactKey::Mean) {
        let exceeds = mean.compare(limit).is_gt();
        let sign = if exceeds { ">" } else { "≤" };
        let ratio = judgement
            .number(FactKey::ExceedRatio)
            .map(|ratio| format!("{} {}", lang.pick("，超标倍数", ", exceed ratio"), short_float(ratio)));
        return Some(format!("{mean} {sign} {limit}{}", ratio.unwrap_or_default()));
    }
    let headroom = decimal(FactKey::Headroom)?;
    let left = judgement.number(FactKey::MinutesLeft)?;
    Some(match lang {
        Lang::Zh => format!("余下 {left} 分钟均值不高于 {headroom} 时，均值可不超 {limit}"),
        Lang::En => {
            format!("if the {left} minutes left average no more than {headroom}, the mean stays at or below {limit}")
        }
    })
}

fn conclusion(judgement: &Judgement, lang: Lang) -> String {
    let verdict = |verdict: Verdict| match verdict {
        Verdict::Fine => lang.pick("未发现异常", "nothing wrong").to_owned(),
        Verdict::Breach(severity) => lang.pick(severity.zh(), severity.en()).to_owned(),
        Verdict::NotJudged(reason) => {
            format!(
                "{} {}",
                lang.pick("未判定：", "not judged:"),
                lang.pick(reason.zh(), reason.en())
            )
        }
    };
    let mut words = verdict(judgement.verdict);
    if let Some(previous) = judgement.previous {
        let said = verdict(previous);
        words.extend([lang.pick("（此前：", " (before: "), &said, lang.pick("）", ")")]);
    }
    words += lang.pick("，", ", ");
    words += lang.pick(judgement.pane.zh(), judgement.pane.en());
    if judgement.late {
        words += lang.pick("，补传数据，不作即时提醒", ", late: no alert of now");
    }
    words
}
