//! What a device can do wrong: where the standard says otherwise, in words for both languages, with what to change.

use plume_schemas::report::{ComplaintCode, QuarantineReason};
use serde::Serialize;

use crate::hj212::explain::{Lang, Level, words};

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Both {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Both {
    pub(super) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// The text in one language.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }
}

/// One thing the standard wants, and what a departure from it is called.
#[derive(Clone, Debug)]
pub(super) struct Article {
    pub(super) code: &'static str,
    pub(super) level: Level,
    /// Where it is written.
    pub(super) clause: &'static str,
    pub(super) what: Both,
    pub(super) change: Both,
}

/// Departures that only a look at many packets shows, or that do not hinder reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    OldEdition,
    EditionMixed,
    Codes2005,
    HeaderOrder,
    MnForm,
    PwForm,
    SplitForm,
    NoAnswerWanted,
    ClockAhead,
    ClockBehind,
    Missed,
    LateWithoutRf,
    PeriodEnd,
    FieldMissing,
    FlowPerHour,
    Implausible,
    CorrectedWrong,
    HourWrong,
    Repeats,
}

/// Code, level, clause, what it is, what to change.
type Row = (
    &'static str,
    Level,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
);

impl Own {
    pub(super) fn article(self) -> Article {
        let row = OWN.iter().find(|(own, _)| *own == self);
        // A test says that each has its row.
        let (code, level, clause, what, change) =
            row.map_or(("", Level::Note, "", ("", ""), ("", "")), |(_, row)| *row);
        Article {
            code,
            level,
            clause,
            what: Both::new(what.0, what.1),
            change: Both::new(change.0, change.1),
        }
    }
}

/// Departures of our own: first how a device speaks, then what it measures and when.
const OWN: [(Own, Row); 19] = [
    (
        Own::OldEdition,
        (
            "old_edition",
            Level::Warning,
            "HJ 212-2025 6.3.3 表3 (Flag)",
            ("声明的版本早于 HJ 212-2025", "claims an edition before HJ 212-2025"),
            (
                "2026-01-01 起执行 HJ 212-2025：升级数采仪固件，Flag 版本位为 000010（8～11）",
                "HJ 212-2025 is in force since 2026-01-01: update the logger; the bits of Flag are 000010 (8 to 11)",
            ),
        ),
    ),
    (
        Own::EditionMixed,
        (
            "edition_mixed",
            Level::Warning,
            "HJ 212-2025 6.3.3 表3 (Flag)",
            (
                "用了与声明版本不同的命令、字段或标记",
                "uses commands, fields or flags of another edition than it claims",
            ),
            (
                "Flag 的版本位应与实际使用的版本一致",
                "let the version bits of Flag say what is really spoken",
            ),
        ),
    ),
    (
        Own::Codes2005,
        (
            "codes_2005",
            Level::Warning,
            "HJ 212-2025 附录B / HJ 212-2017 附录B",
            ("使用 2005 版因子编码", "factor codes of 2005"),
            (
                "改用附录 B 的 6 位编码，如 a21026（二氧化硫）、a19001（氧含量）",
                "use the codes of annex B, such as a21026 (SO2), a19001 (O2)",
            ),
        ),
    ),
    (
        Own::HeaderOrder,
        (
            "header_order",
            Level::Warning,
            "HJ 212-2025 6.3.3 表3",
            ("包头字段顺序与标准不同", "header fields in another order"),
            (
                "顺序为 QN;ST;CN;PW;MN;Flag;[PNUM;PNO;][RF;]CP",
                "the order is QN;ST;CN;PW;MN;Flag;[PNUM;PNO;][RF;]CP",
            ),
        ),
    ),
    (
        Own::MnForm,
        (
            "mn_form",
            Level::Warning,
            "HJ 212-2025 6.3.3 表3 (MN)",
            ("MN 不是 24 位 0-9、A-F", "MN is not 24 characters of 0-9 and A-F"),
            (
                "用平台经 1002 下发的 24 位 MN",
                "use the MN of 24 characters that the platform gives by 1002",
            ),
        ),
    ),
    (
        Own::PwForm,
        (
            "pw_form",
            Level::Note,
            "HJ 212-2025 6.3.3 表3 (PW)",
            ("PW 不是 6 个字符", "PW has not 6 characters"),
            ("PW 为 6 个字符", "PW has 6 characters"),
        ),
    ),
    (
        Own::SplitForm,
        (
            "split_form",
            Level::Warning,
            "HJ 212-2025 6.3.3 表3 (PNUM, PNO)",
            (
                "拆分包的 PNUM、PNO 不合规",
                "PNUM and PNO of a split message are not as they should be",
            ),
            (
                "2025 版 PNUM、PNO 各 1 位，不补零，PNO 从 1 到 PNUM",
                "2025: one digit each without zeros, PNO from 1 to PNUM",
            ),
        ),
    ),
    (
        Own::Repeats,
        (
            "repeats",
            Level::Note,
            "HJ 212-2025 表1",
            ("同一报文重复发送", "packets sent again"),
            (
                "收到 9014 后不应重发；若应答未到，检查链路与超时设置（CN=1000）",
                "send nothing again that was answered; where answers do not arrive, look at link and timeout (CN 1000)",
            ),
        ),
    ),
    (
        Own::NoAnswerWanted,
        (
            "no_answer_wanted",
            Level::Note,
            "HJ 212-2025 6.3.3 表3 (Flag)",
            (
                "上传数据不要求应答，丢失时不会重发",
                "asks for no answer to data: what is lost is not sent again",
            ),
            ("数据上传包的 Flag 最低位置 1", "set bit 0 of Flag in data"),
        ),
    ),
    (
        Own::ClockAhead,
        (
            "clock_ahead",
            Level::Error,
            "HJ 212-2025 附录C C.5 C.6 (1012, 1013)",
            ("数采仪时钟偏快", "the logger's clock is ahead"),
            CLOCK,
        ),
    ),
    (
        Own::ClockBehind,
        (
            "clock_behind",
            Level::Error,
            "HJ 212-2025 附录C C.5 C.6 (1012, 1013)",
            ("数采仪时钟偏慢", "the logger's clock is behind"),
            CLOCK,
        ),
    ),
    (
        Own::Missed,
        (
            "missed",
            Level::Warning,
            "HJ 212-2025 表5 (RtdInterval, MinInterval), 8.1.2",
            (
                "按间隔应有的数据缺失",
                "data that were due by the interval did not come",
            ),
            (
                "检查采集与链路；断线期间的数据应自动补传",
                "look at acquisition and link; what was missed while the link was down is to be sent again",
            ),
        ),
    ),
    (
        Own::LateWithoutRf,
        (
            "late_without_rf",
            Level::Warning,
            "HJ 212-2025 8.1.2, 表3 (RF)",
            ("补传数据没有 RF=1", "data sent again without RF=1"),
            ("补传的数据包加 RF=1", "mark what is sent again with RF=1"),
        ),
    ),
    (
        Own::PeriodEnd,
        (
            "period_end",
            Level::Error,
            "HJ 212-2025 表5 (DataTime)",
            (
                "分钟/小时数据的 DataTime 像是时段结束时刻",
                "DataTime of minutes or hours looks like the end of the period",
            ),
            ("DataTime 为时段开始时刻", "DataTime is the start of the period"),
        ),
    ),
    (
        Own::FieldMissing,
        (
            "field_missing",
            Level::Warning,
            "HJ 212-2025 表5, 附录C C.18–C.22",
            ("缺少子字段", "sub-fields are missing"),
            (
                "实时数据带 Rtd、Flag；分钟、小时、日数据带 Min、Avg、Max、Flag；需折算的带 Zs",
                "Rtd and Flag in real-time data; Min, Avg, Max and Flag in minutes, hours and days; Zs where corrected",
            ),
        ),
    ),
    (
        Own::FlowPerHour,
        (
            "flow_per_hour",
            Level::Error,
            "HJ 212-2025 附录B (a00000: m³/s)",
            ("废气流量像是按 m³/h 发送", "exhaust flow looks like m³/h"),
            ("a00000 的单位为 m³/s：除以 3600", "a00000 is in m³/s: divide by 3600"),
        ),
    ),
    (
        Own::CorrectedWrong,
        (
            "corrected_wrong",
            Level::Error,
            "HJ 212-2017 附录D: Zs = C·(21 − O₂基准)/(21 − O₂实测)",
            (
                "折算值与按氧含量重算的不符",
                "corrected values are not those recomputed from oxygen",
            ),
            (
                "核对基准氧含量与折算公式；用同一时段的干基氧含量",
                "check reference oxygen and formula; use the dry oxygen of the same period",
            ),
        ),
    ),
    (
        Own::HourWrong,
        (
            "hour_wrong",
            Level::Error,
            "HJ 212-2017 附录D",
            (
                "小时均值与其分钟数据的均值不符",
                "hour means are not those of their minutes",
            ),
            (
                "小时均值为该小时有效分钟值的算术平均，时段为 [hh:00, hh+1:00)",
                "an hour's mean is that of its valid minutes over [hh:00, hh+1:00)",
            ),
        ),
    ),
    (
        Own::Implausible,
        (
            "implausible",
            Level::Warning,
            "HJ 212-2025 附录B",
            ("数值超出合理范围", "values no stack has"),
            ("核对单位、量程与变送器", "check unit, range and transmitter"),
        ),
    ),
];

const CLOCK: (&str, &str) = (
    "对数采仪校时（CN=1012），并启用 1013 定时校时请求",
    "set the logger's clock (CN 1012) and let it ask by 1013",
);

/// The article of a complaint about a readable packet.
pub(super) fn of_complaint(code: ComplaintCode) -> Article {
    let clause = match code {
        ComplaintCode::WrongLength | ComplaintCode::WrongTail => "HJ 212-2025 6.3.2 表2",
        ComplaintCode::CrcVariant => "HJ 212-2025 附录A",
        ComplaintCode::MissingHeader | ComplaintCode::OddHeader | ComplaintCode::BadQn | ComplaintCode::TooLong => {
            "HJ 212-2025 6.3.3 表3"
        }
        ComplaintCode::OddGrammar | ComplaintCode::Repeated => "HJ 212-2025 6.3.4.1",
        ComplaintCode::UnknownFactor => "HJ 212-2025 附录B",
        ComplaintCode::UnknownFlag | ComplaintCode::MissingFlag => "HJ 212-2025 6.7.4 表10",
        ComplaintCode::OtherSt => "HJ 212-2025 6.7.1 表7",
        ComplaintCode::NotEncrypted => "HJ 212-2025 6.4",
        ComplaintCode::OtherEncoding => "HJ 212-2017 6.3",
        _ => "HJ 212-2025 6.3.4 表5",
    };
    let level = match code {
        ComplaintCode::CrcVariant => Level::Error,
        ComplaintCode::Sentinel | ComplaintCode::FarDataTime => Level::Note,
        _ => Level::Warning,
    };
    Article {
        code: code.code(),
        level,
        clause,
        what: Both::new(code.zh(), code.en()),
        change: Both::new(words::advice(Lang::Zh, code), words::advice(Lang::En, code)),
    }
}

/// The article of what was set aside.
pub(super) fn of_reason(reason: QuarantineReason) -> Article {
    let (level, clause, change) = match reason {
        QuarantineReason::BadCrc => (
            Level::Error,
            "HJ 212-2025 附录A",
            (
                "CRC 按附录 A 对数据段计算，4 位大写十六进制；这样的报文平台不应答",
                "the checksum is that of annex A over the data segment, four upper-case digits; these are not answered",
            ),
        ),
        QuarantineReason::NoKey => (
            Level::Error,
            "HJ 212-2025 6.4",
            (
                "核对双方密钥与密钥版本（CN=1014）",
                "compare the keys of both sides (CN 1014)",
            ),
        ),
        QuarantineReason::WrongPassword => (
            Level::Error,
            "HJ 212-2025 6.3.3 表3 (PW)",
            ("PW 与平台登记的一致", "use the password the platform has on record"),
        ),
        QuarantineReason::NoIdentity => (
            Level::Error,
            "HJ 212-2025 6.3.3 表3 (MN, CN)",
            ("每个报文带 MN 和 CN", "send MN and CN in each packet"),
        ),
        QuarantineReason::NoDataTime => (
            Level::Error,
            "HJ 212-2025 表5 (DataTime)",
            ("数据包带 14 位 DataTime", "send DataTime of 14 digits with data"),
        ),
        QuarantineReason::FutureDataTime | QuarantineReason::AncientDataTime => (
            Level::Error,
            "HJ 212-2025 表5 (DataTime)",
            ("检查数采仪时钟与后备电池", "look at the logger's clock and its battery"),
        ),
        QuarantineReason::UnknownMn | QuarantineReason::NoOutlet => {
            (Level::Note, "", ("在平台建档", "register it at the platform"))
        }
        QuarantineReason::NoReadings => (
            Level::Warning,
            "HJ 212-2025 6.3.4",
            ("数据包应有因子数据", "send values in data packets"),
        ),
        QuarantineReason::Garbage | QuarantineReason::TooLong | QuarantineReason::CutOff => (
            Level::Warning,
            "HJ 212-2025 6.3.2 表2",
            (
                "报文之间不应有其他字节；检查发送缓冲区、DTU 注册包与心跳包",
                "send nothing between packets; look at the send buffer, and at what the modem sends by itself",
            ),
        ),
    };
    // A complaint of a packet that is taken all the same has the name, too.
    let code = match reason {
        QuarantineReason::TooLong => "set_aside_too_long",
        _ => reason.code(),
    };
    Article {
        code,
        level,
        clause,
        what: Both::new(reason.zh(), reason.en()),
        change: Both::new(change.0, change.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_departure_has_one_row_in_both_languages_with_what_to_change() {
        let all = [
            Own::OldEdition,
            Own::EditionMixed,
            Own::Codes2005,
            Own::HeaderOrder,
            Own::MnForm,
            Own::PwForm,
            Own::SplitForm,
            Own::NoAnswerWanted,
            Own::ClockAhead,
            Own::ClockBehind,
            Own::Missed,
            Own::LateWithoutRf,
            Own::PeriodEnd,
            Own::FieldMissing,
            Own::FlowPerHour,
            Own::Implausible,
            Own::CorrectedWrong,
            Own::HourWrong,
            Own::Repeats,
        ];
        let own = all.map(Own::article).into_iter();
        let reasons = QuarantineReason::ALL.iter().map(|reason| of_reason(*reason));
        let complaints = ComplaintCode::ALL.iter().map(|code| of_complaint(*code));
        // Complaints about polled devices are none of HJ 212.
        let articles: Vec<Article> = own
            .chain(reasons)
            .chain(complaints.filter(|one| one.code != "missed_poll"))
            .collect();
        let mut codes = BTreeSet::new();
        for one in articles.iter().filter(|one| !one.code.is_empty()) {
            assert!(codes.insert(one.code), "two departures are called {}", one.code);
        }
        for one in &articles {
            let texts = [&one.what.zh, &one.what.en, &one.change.zh, &one.change.en];
            assert!(texts.iter().all(|text| !text.is_empty()), "{one:?}");
        }
    }
}
