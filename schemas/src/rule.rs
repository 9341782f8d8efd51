//! The rules there are: a closed list, so that adding one breaks the build in every place that must know it.

crate::reading::closed! {
    /// One rule of the judge. The code is its name everywhere: in cases, metrics, docs/rules.md.
    RuleCode {
        /// Hour mean over the limit.
        ExceedHour = 1, "EXCEED_HOUR", "小时均值超标", "hour mean exceeds the limit";
        /// Day mean over the limit.
        ExceedDay = 2, "EXCEED_DAY", "日均值超标", "day mean exceeds the limit";
        /// Furnace temperature below 850 °C by five-minute means.
        Furnace = 3, "FURNACE", "炉膛温度偏低", "furnace temperature low";
        /// The hour will probably exceed, said while it runs.
        NearHour = 4, "NEAR_HOUR", "小时均值可能超标", "hour mean about to exceed";
        /// The day will probably exceed.
        NearDay = 5, "NEAR_DAY", "日均值可能超标", "day mean about to exceed";
        /// Exceeding hours or days pile up.
        Freq = 6, "FREQ", "超标频次", "frequent exceedance";
        /// Value zero while running.
        Zero = 7, "ZERO", "零值", "zero value";
        /// Value does not move.
        Const = 8, "CONST", "数据恒值", "constant value";
        /// Negative beyond zero noise.
        Neg = 9, "NEG", "负值", "negative value";
        /// Nothing comes.
        Miss = 10, "MISS", "数据缺失", "missing data";
        /// Beyond the measuring range.
        Range = 11, "RANGE", "超量程", "over range";
        /// A jump against the last hour's median.
        Jump = 12, "JUMP", "突变", "jump";
        /// Oxygen near air while concentrations flow.
        O2Hi = 13, "O2HI", "含氧量偏高", "oxygen high";
        /// No flow though the stack is warm or polluted.
        Flow0 = 14, "FLOW0", "流量为零", "zero flow";
        /// Reported corrected value differs from the recomputed one.
        ZsDev = 15, "ZSDEV", "折算值不符", "corrected value differs";
        /// Reported amount differs from concentration times flow.
        Amount = 16, "AMOUNT", "排放量不符", "amount differs";
        /// Reported hour differs from the mean of its minutes.
        HourMin = 17, "HOURMIN", "小时值与分钟值不符", "hour differs from its minutes";
        /// The device's clock is off.
        Clock = 18, "CLOCK", "时钟偏差", "clock skew";
        /// Values pile up just under the limit. A lead.
        Cap = 19, "CAP", "疑似封顶", "values capped";
        /// Too smooth to be measured. A lead.
        Smooth = 20, "SMOOTH", "疑似平滑", "too smooth";
        /// Proportions between factors break. A lead.
        Ratio = 21, "RATIO", "疑似比值异常", "ratio breaks";
        /// Two outlets equal minute by minute. A lead.
        Twin = 22, "TWIN", "疑似数据雷同", "twin data";
        /// Calibration marks follow exceedances. A lead.
        CalGap = 23, "CALGAP", "疑似以校准规避", "calibration after exceedance";
        /// Marks longer than what they mark. A lead.
        MarkAbuse = 24, "MARKABUSE", "疑似不实标记", "doubtful marks";
        /// Production on while treatment is off. A lead.
        Power = 25, "POWER", "疑似治理设施停运", "treatment power off";
        /// Calibration, mark or silence begins right after a warning. A lead.
        NearMark = 26, "NEARMARK", "疑似预警后标记", "mark after warning";
        /// Exempt hours run out.
        Budget = 27, "BUDGET", "豁免时长", "exempt-hours budget";
        /// Zero or span drifts.
        Drift = 28, "DRIFT", "零点/量程漂移", "zero or span drift";
        /// The level shifts without a change of the plant.
        Shift = 29, "SHIFT", "数据漂移", "data drift";
        /// Many devices silent at once: ours or the carrier's fault.
        CommonCause = 30, "COMMON_CAUSE", "平台或线路故障", "platform or line fault";
    }
}

crate::reading::closed! {
    /// Whose eyes a rule's events are for. The two streams never mix.
    Stream {
        /// 服务提醒: to the enterprise first.
        Service = 1, "service", "服务提醒", "service warning";
        /// 线索: to named officers only, never to the enterprise or its contractor.
        Lead = 2, "lead", "线索", "lead";
    }
}

crate::reading::closed! {
    /// How a rule depends on order (D11).
    Order {
        /// Same final revisions whatever the order of arrival.
        Window = 1, "window", "按数据时间", "window";
        /// Depends on arrival (silence, charts); not rewound.
        Arrival = 2, "arrival", "按到达顺序", "arrival";
    }
}

crate::reading::closed! {
    /// How grave. Colour, shape and word in the desk come from this.
    Severity {
        /// 提示.
        Notice = 1, "notice", "提示", "notice";
        /// 关注.
        Attention = 2, "attention", "关注", "attention";
        /// 紧急.
        Urgent = 3, "urgent", "紧急", "urgent";
        /// 超标（初判 or 已确认).
        Exceeded = 4, "exceeded", "超标", "exceeded";
    }
}

impl RuleCode {
    /// Which stream its events belong to.
    pub const fn stream(self) -> Stream {
        match self {
            Self::Cap
            | Self::Smooth
            | Self::Ratio
            | Self::Twin
            | Self::CalGap
            | Self::MarkAbuse
            | Self::Power
            | Self::NearMark => Stream::Lead,
            _ => Stream::Service,
        }
    }

    /// How it depends on order.
    pub const fn order(self) -> Order {
        match self {
            Self::ExceedHour | Self::ExceedDay | Self::Furnace | Self::Freq => Order::Window,
            _ => Order::Arrival,
        }
    }
}
