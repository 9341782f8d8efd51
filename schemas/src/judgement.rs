//! Judgement: what one rule says of one window, with the evidence a person can check by hand.

use crate::decimal::Decimal;
use crate::entry::LogPosition;
use crate::ids::{FactorCode, Inline, OutletId};
use crate::rule::{RuleCode, Severity};
use crate::time::{Span, Time};

crate::reading::closed! {
    /// When in the life of a window this was said.
    Pane {
        /// While the window still runs.
        Early = 1, "early", "进行中", "early";
        /// When it was complete or its grace time was over.
        OnTime = 2, "on_time", "按时", "on time";
        /// After that, because data, a mark or the registry changed it.
        Late = 3, "late", "修订", "late";
    }
}

/// The verdict of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Judged, and nothing wrong.
    Fine,
    /// Judged, and wrong, this gravely.
    Breach(Severity),
    /// Not judged, and why. A result of its own, neither fine nor wrong.
    NotJudged(NotJudged),
}

crate::reading::closed! {
    /// Why a window was not judged.
    NotJudged {
        /// Nothing came.
        NoData = 1, "no_data", "无数据", "no data";
        /// Less than 45 covered minutes (or 20 valid hours).
        TooFewValid = 2, "too_few_valid", "有效数据不足", "too little valid data";
        /// The outlet was stopped, by flag or mark.
        Stopped = 3, "stopped", "停运", "stopped";
        /// A mark takes it out of judgement.
        Marked = 4, "marked", "已标记", "marked";
        /// No limit is in force for it.
        NoLimit = 5, "no_limit", "无适用限值", "no limit in force";
        /// O2 at or above 21 %, or the 2025 sentinel: the corrected value cannot be computed.
        NoCorrection = 6, "no_correction", "无法折算", "correction cannot be computed";
        /// The oxygen (or another value needed) is missing.
        MissingInput = 7, "missing_input", "缺少折算参数", "a needed value is missing";
        /// Filed stop-work.
        StopWork = 8, "stop_work", "停产报备", "filed stop-work";
        /// plume or the line was at fault, not the device.
        PlatformSide = 9, "platform_side", "平台侧原因", "platform side";
        /// Waste water is archived, not judged, unless switched on.
        WaterOff = 10, "water_off", "废水未启用", "waste water not enabled";
        /// Too early to say.
        TooEarly = 11, "too_early", "数据尚少", "too early";
        /// The outlet or factor is no longer in the registry.
        NotRegistered = 12, "not_registered", "未登记", "not in the registry";
    }
}

crate::reading::closed! {
    /// The name of one fact in a judgement's evidence. The unit stands with the name, or is the factor's own.
    FactKey {
        /// The mean judged, in the factor's unit.
        Mean = 1, "mean", "均值", "mean";
        /// The limit, in the factor's unit.
        Limit = 2, "limit", "限值", "limit";
        /// (value − limit) / limit.
        ExceedRatio = 3, "exceed_ratio", "超标倍数", "exceed ratio";
        /// Covered valid minutes of the window.
        ValidMinutes = 4, "valid_minutes", "有效分钟数", "valid minutes";
        /// Valid hours of the day.
        ValidHours = 5, "valid_hours", "有效小时数", "valid hours";
        /// Basis code of the value judged.
        Basis = 6, "basis", "基准", "basis";
        /// Where the limit comes from: permit, catalogue id, clause.
        LimitSource = 7, "limit_source", "限值来源", "limit source";
        /// `device_hour`, `device_minutes` or `device_samples`: which data gave the value (D12).
        ValueSource = 8, "value_source", "数据来源", "value source";
        /// Projected mean of the whole window.
        Projected = 9, "projected_mean", "预计均值", "projected mean";
        /// Half width of the projection's 80 % band.
        ProjectedBand = 10, "projected_band", "预计区间半宽", "projection half band";
        /// Probability that the window's mean exceeds, 0 to 1.
        Probability = 11, "probability", "超标概率", "probability of exceeding";
        /// What the remaining valid minutes may average.
        Headroom = 12, "headroom", "余下均值上限", "headroom";
        /// Minutes left of the window.
        MinutesLeft = 13, "minutes_left", "剩余分钟", "minutes left";
        /// Minutes the value has not moved, or nothing came.
        LastedMinutes = 14, "lasted_minutes", "持续分钟", "lasted minutes";
        /// The value that does not move, or the last one that came.
        Value = 15, "value", "数值", "value";
        /// Change of the gas flow over the same time, percent.
        FlowChange = 16, "flow_change_pct", "烟气流量变化", "gas flow change";
        /// When it began, or the last data came.
        Since = 17, "since", "起始时间", "since";
        /// Reported value that another is compared with.
        Reported = 18, "reported", "上报值", "reported value";
        /// The value plume computed.
        Recomputed = 19, "recomputed", "复算值", "recomputed value";
        /// Difference of the two, percent.
        DifferencePct = 20, "difference_pct", "偏差", "difference";
        /// Mean of the oxygen over the window, percent.
        OxygenMean = 21, "oxygen_mean", "含氧量均值", "oxygen mean";
        /// Reference oxygen, percent.
        ReferenceOxygen = 22, "reference_oxygen", "基准含氧量", "reference oxygen";
        /// A count: exceeding hours, devices silent, transitions.
        Count = 23, "count", "次数", "count";
        /// What the count is out of.
        Of = 24, "of", "总数", "out of";
        /// A threshold of the rule that was passed.
        Threshold = 25, "threshold", "阈值", "threshold";
        /// The formula used, by name and clause.
        Formula = 26, "formula", "公式", "formula";
        /// The mark or flag that decided.
        Reason = 27, "reason", "依据", "reason";
        /// The mean before this revision.
        Previous = 28, "previous_mean", "修订前均值", "previous mean";
        /// Days, e.g. until a limit is reached.
        Days = 29, "days", "天数", "days";
        /// Slope per day.
        SlopePerDay = 30, "slope_per_day", "每日变化", "slope per day";
        /// A score, 0 to 1.
        Score = 31, "score", "评分", "score";
        /// Mean of the window so far.
        MeanSoFar = 32, "mean_so_far", "当前均值", "mean so far";
        /// A device, outlet or other name.
        Name = 33, "name", "名称", "name";
        /// The clause of the standard or permit behind the limit.
        Clause = 34, "clause", "条款", "clause";
        /// Why nobody is to be told: `trial_run`, `stop_work`, `common_cause`.
        Inhibited = 35, "inhibited", "不提醒原因", "not notified because";
        /// The day's flag: N with 18 valid hours or more, else D.
        DayFlag = 36, "day_flag", "日数据标记", "day flag";
        /// What is usual for the hour, in the factor's unit.
        Usual = 37, "usual", "常态值", "usual value";
        /// How far the level has moved, in the factor's unit.
        Moved = 38, "moved", "水平偏移", "level moved by";
        /// The statistic of a control chart, in standard deviations.
        Statistic = 39, "statistic", "控制图统计量", "chart statistic";
        /// Which end of the range was checked: `zero`, `span`.
        Point = 40, "point", "检查点", "point checked";
        /// What the gas of a check holds, in the factor's unit.
        Gas = 41, "gas", "标气值", "gas value";
        /// What the analyser showed for it, in the factor's unit.
        AsFound = 42, "as_found", "校准前示值", "as found";
        /// What it showed afterwards, in the factor's unit.
        AsLeft = 43, "as_left", "校准后示值", "as left";
        /// Whether it was adjusted in between: `yes`, `no`.
        Adjusted = 44, "adjusted", "是否调整", "adjusted";
        /// (as found − gas) / full scale, percent.
        DriftPct = 45, "drift_pct", "漂移（%FS）", "drift (% FS)";
        /// Drift beyond which the instrument is out of control, percent of full scale.
        OutLimit = 46, "out_limit_pct", "失控限（%FS）", "out-of-control limit (% FS)";
        /// Where the instrument stands by HJ 75: `in_control`, `recalibrate`, `out_of_control`.
        Standing = 47, "standing", "受控状态", "standing";
        /// What QAL3 says of it: `fine`, `precision_lost`, `drifted_up`, `drifted_down`.
        Qal3 = 48, "qal3", "QAL3结论", "QAL3 finding";
        /// CUSUM upwards, in standard deviations.
        SumHigh = 49, "sum_high_sd", "向上累积和", "upward sum";
        /// CUSUM downwards, in standard deviations.
        SumLow = 50, "sum_low_sd", "向下累积和", "downward sum";
        /// Sum of QAL3's precision chart, in squared standard deviations.
        PrecisionSum = 51, "precision_sum_sd2", "精密度累积和", "precision sum";
        /// EWMA of the drifts, in standard deviations.
        Ewma = 52, "ewma_sd", "EWMA", "EWMA";
        /// By how much QAL3 would adjust, in the factor's unit.
        AdjustBy = 53, "adjust_by", "建议调整量", "adjustment proposed";
        /// The measuring range, in the factor's unit.
        FullScale = 54, "full_scale", "满量程", "full scale";
        /// Hours after a check until the next one is due.
        DueHours = 55, "due_hours", "检查间隔（小时）", "next check due after (h)";
        /// One character for each sampled minute: equal characters stand for equal values (TWIN).
        Print = 56, "print", "分钟指纹", "fingerprint";
        /// One character for each sampled minute: its level between the least and the largest (TWIN).
        Shape = 57, "shape", "曲线形状", "shape of the curve";
        /// Correlation of two series, -1 to 1.
        Correlation = 58, "correlation", "相关系数", "correlation";
        /// Why the window was judged again out of the archive: a [`crate::recompute::RecomputeCause`].
        RecomputedFor = 59, "recomputed_for", "重算原因", "recomputed because of";
    }
}

/// The value of a fact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FactValue {
    /// An exact number.
    Decimal(Decimal),
    /// A computed number.
    Float(f64),
    /// A whole number.
    Int(i64),
    /// A moment.
    Time(Time),
    /// A word.
    Text(Inline<63>),
}

/// One fact of the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// Its name.
    pub key: FactKey,
    /// Its value.
    pub value: FactValue,
}

/// What one rule says of one window of one (outlet, factor).
///
/// Said when the verdict, its reason or its level changes, at the on-time pane, and on revision (D10).
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Which rule.
    pub rule: RuleCode,
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of which factor, or the outlet as a whole.
    pub factor: Option<FactorCode>,
    /// Over which time of measuring.
    pub window: Span,
    /// When in the window's life.
    pub pane: Pane,
    /// What it says.
    pub verdict: Verdict,
    /// What it said before of the same window, if it did.
    pub previous: Option<Verdict>,
    /// Log position of the entry that caused it: also its revision (D1).
    pub cause: LogPosition,
    /// Ordinal among the judgements of that entry.
    pub ordinal: u32,
    /// The judge's clock (D2).
    pub judged_at: Time,
    /// Caused by backfill: never a "now" alert.
    pub late: bool,
    /// The facts a person needs to check it.
    pub evidence: Vec<Fact>,
}

impl Judgement {
    /// The fact of that name.
    pub fn fact(&self, key: FactKey) -> Option<FactValue> {
        self.evidence.iter().find(|fact| fact.key == key).map(|fact| fact.value)
    }

    /// The fact of that name as a float.
    pub fn number(&self, key: FactKey) -> Option<f64> {
        match self.fact(key)? {
            FactValue::Decimal(decimal) => Some(decimal.to_f64()),
            FactValue::Float(value) => Some(value),
            FactValue::Int(value) => Some(value as f64),
            FactValue::Time(_) | FactValue::Text(_) => None,
        }
    }
}
