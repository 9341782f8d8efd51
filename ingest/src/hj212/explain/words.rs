//! The words of the explanation, in both languages: names of fields, meanings of codes, what to change.

use plume_schemas::reading::{Basis, Flag, Reading, Statistic};
use plume_schemas::report::ComplaintCode;

use super::Lang;

/// Both languages of one text.
pub(in crate::hj212) type Both = (&'static str, &'static str);

/// The text in this language.
pub(in crate::hj212) fn say(lang: Lang, both: Both) -> &'static str {
    match lang {
        Lang::Zh => both.0,
        Lang::En => both.1,
    }
}

/// Names of fields without a hyphen, header and CP.
const NAMES: &[(&str, Both)] = &[
    ("QN", ("请求编码", "request number")),
    ("ST", ("系统编码", "system")),
    ("CN", ("命令编码", "command")),
    ("PW", ("访问密码", "password")),
    ("MN", ("设备唯一标识", "device")),
    ("Flag", ("拆分包及应答标志", "flag")),
    ("PNUM", ("总包数", "parts")),
    ("PNO", ("包号", "part number")),
    ("RF", ("补传标志", "sent again")),
    ("CP", ("指令参数", "content")),
    ("DataTime", ("数据时间", "time of the data")),
    ("AlarmTime", ("报警时间", "time of the alarm")),
    ("BeginTime", ("开始时间", "from")),
    ("EndTime", ("截止时间", "to")),
    ("SystemTime", ("系统时间", "clock of the device")),
    ("RestartTime", ("数采仪开机时间", "logger switched on")),
    ("PolId", ("污染物编码", "factor")),
    ("InfoId", ("现场端信息编码", "site information")),
    ("QnRtn", ("请求回应代码", "answer to the request")),
    ("ExeRtn", ("执行结果回应代码", "result")),
    ("RtdInterval", ("实时数据间隔（秒）", "real-time interval (s)")),
    ("MinInterval", ("分钟数据间隔（分）", "minute interval (min)")),
    ("OverTime", ("超时时间（秒）", "timeout (s)")),
    ("ReCount", ("重发次数", "tries")),
    ("NewPW", ("新密码", "new password")),
    ("NewSK", ("新密钥", "new key")),
    ("SKCreateTime", ("密钥创建时间", "key made at")),
    ("VaseNo", ("留样瓶编号", "bottle")),
    ("CstartTime", ("采样起始时间", "first sample at")),
    ("CTime", ("采样周期（小时）", "sampling period (h)")),
    ("Stime", ("出样时间（分）", "time to result (min)")),
    ("AlarmType", ("报警类型", "kind of alarm")),
    ("CalibrationType", ("校准类型", "kind of calibration")),
    ("WarnTime", ("超标报警时间", "alarm delay")),
    ("AlarmTarget", ("报警目标", "alarm goes to")),
    ("ReportTime", ("上报时间", "report at")),
];

/// Name of a field without a hyphen, in any case.
pub(super) fn name(lang: Lang, field: &str) -> &'static str {
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(field));
    known.map_or("", |(_, both)| say(lang, *both))
}

/// What a result code means (2017 tables 6 and 7).
pub(super) fn result(lang: Lang, field: &str, code: &str) -> Option<&'static str> {
    let asked = field.eq_ignore_ascii_case("QnRtn");
    let both = match (asked, code) {
        (true, "1") => ("准备执行请求", "ready to execute"),
        (true, "2") => ("请求被拒绝", "request rejected"),
        (true, "3") => ("PW 错误", "PW wrong"),
        (true, "4") => ("MN 错误", "MN wrong"),
        (true, "5") => ("ST 错误", "ST wrong"),
        (true, "6") => ("Flag 错误", "Flag wrong"),
        (true, "7") => ("QN 错误", "QN wrong"),
        (true, "8") => ("CN 错误", "CN wrong"),
        (true, "9") => ("CRC 校验错误", "CRC wrong"),
        (true, "100") => ("未知错误", "unknown error"),
        (false, "1") => ("执行成功", "done"),
        (false, "2") => ("执行失败，原因未知", "failed, reason unknown"),
        (false, "3") => ("命令请求条件错误", "condition of the command wrong"),
        (false, "4") => ("通讯超时", "communication timeout"),
        (false, "5") => ("系统繁忙", "system busy"),
        (false, "6") => ("系统故障", "system fault"),
        (false, "100") => ("没有数据", "no data"),
        _ => return None,
    };
    let has_code = asked || field.eq_ignore_ascii_case("ExeRtn");
    has_code.then(|| say(lang, both))
}

/// Which number of a factor, and on which basis.
pub(super) fn statistic(lang: Lang, reading: &Reading) -> String {
    let name = |zh, en| match lang {
        Lang::Zh => zh,
        Lang::En => en,
    };
    let statistic = name(reading.statistic.zh(), reading.statistic.en());
    match reading.basis {
        Basis::Standard => statistic.to_owned(),
        other => format!("{}{}{statistic}", name(other.zh(), other.en()), name("", " ")),
    }
}

/// A flag with its meaning; nothing for values that have none.
pub(super) fn flag(lang: Lang, reading: &Reading) -> String {
    let meaning = match lang {
        Lang::Zh => reading.flag.zh(),
        Lang::En => reading.flag.en(),
    };
    let maker = if reading.maker_flag.is_empty() {
        String::new()
    } else {
        format!(" ({})", reading.maker_flag)
    };
    match reading.flag {
        Flag::Missing if !matches!(reading.statistic, Statistic::Sample | Statistic::Mean) => String::new(),
        Flag::Missing => format!("{meaning}{maker}"),
        flag => format!("{} {meaning}{maker}", flag.code()),
    }
}

/// States of equipment (2017 table 5, SBx-RS).
pub(super) fn state(lang: Lang, code: &str) -> Option<&'static str> {
    Some(say(
        lang,
        match code {
            "0" => ("关闭", "off"),
            "1" => ("运行", "running"),
            "2" => ("校准", "calibrating"),
            "3" => ("维护", "maintenance"),
            "4" => ("报警", "alarm"),
            "5" => ("反吹", "blow-back"),
            _ => return None,
        },
    ))
}

/// What the device's maker should change.
pub(in crate::hj212) fn advice(lang: Lang, code: ComplaintCode) -> &'static str {
    let both = match code {
        ComplaintCode::WrongLength => (
            "长度为 4 位十进制数，只计数据段的字节数（QN= 至末尾 &&），不含 ##、长度、CRC 和包尾",
            "four digits that count the bytes of the data segment only (QN= to the last &&)",
        ),
        ComplaintCode::CrcVariant => (
            "CRC 为 4 位大写十六进制数，高位在前，按附录 A 计算",
            "four upper-case hex digits, high byte first, by annex A",
        ),
        ComplaintCode::WrongTail => ("每个包以回车换行（0D 0A）结束", "end each packet with CR LF (0D 0A)"),
        ComplaintCode::MissingHeader => (
            "2017 版起 QN、ST、CN、PW、MN、Flag、CP 均不可缺少",
            "since 2017 QN, ST, CN, PW, MN, Flag and CP must all be there",
        ),
        ComplaintCode::OddHeader => (
            "包头应为 QN;ST;CN;PW;MN;Flag;[PNUM;PNO;]CP，键名大小写与标准一致，无空格",
            "the header is QN;ST;CN;PW;MN;Flag;[PNUM;PNO;]CP, spelt as in the standard, without blanks",
        ),
        ComplaintCode::BadQn => (
            "QN 为 17 位时间：年月日时分秒毫秒",
            "QN is a time of 17 digits: year to millisecond",
        ),
        ComplaintCode::OtherSt => (
            "ST 与登记不一致；废气污染源为 31",
            "differs from the registry; 31 is an air pollution source",
        ),
        ComplaintCode::TooLong => (
            "数据段不超过 1024 字节，更长时拆分为多包",
            "at most 1024 bytes in a data segment: split longer ones",
        ),
        ComplaintCode::NotEncrypted => (
            "2025 版经互联网传输的 2xxx、1014、3020 应以 SM4 加密",
            "2025 asks for SM4 over the internet for 2xxx, 1014 and 3020",
        ),
        of_content => content_advice(of_content),
    };
    say(lang, both)
}

/// The same, for what stands in CP.
fn content_advice(code: ComplaintCode) -> Both {
    match code {
        ComplaintCode::NotANumber => (
            "数值应只含数字、小数点和负号；无值时不要上传该字段",
            "write digits, a point and a sign only; leave the field out where there is no value",
        ),
        ComplaintCode::EmptyValue => (
            "等号后应有数值；无值时不要上传该字段",
            "give a value behind `=`, or leave the field out",
        ),
        ComplaintCode::UnknownField => (
            "字段名不在标准表 5 中；数据已保留，不参与判断",
            "the name is not in table 5; the value is kept and not judged",
        ),
        ComplaintCode::UnknownFactor => (
            "因子编码不在标准附录 B 中，请核对编码",
            "the code is not in annex B: check it",
        ),
        ComplaintCode::UnknownFlag => (
            "数据标记应为 N、F、M、S、D、C、T、B（2025 版：N、D、C、M、T、Td）",
            "use N, F, M, S, D, C, T or B (2025: N, D, C, M, T, Td)",
        ),
        ComplaintCode::MissingFlag => (
            "每个因子应带 xxxxxx-Flag；无标记的数据不按正常数据参与判断",
            "send xxxxxx-Flag with each factor; values without one do not count as normal",
        ),
        ComplaintCode::FarDataTime => (
            "数据时间与到达时间相差过大：请核对数采仪时钟，或确认为补传",
            "far from its arrival: check the clock of the logger, or it is sent again after a gap",
        ),
        ComplaintCode::OddGrammar => (
            "同一因子的字段用逗号、不同因子用分号分隔，末尾无分隔符，无空格",
            "commas inside a factor, semicolons between factors, none at the end, no blanks",
        ),
        ComplaintCode::Repeated => (
            "同一字段出现两次，只取第一个",
            "the same field twice: the first one counts",
        ),
        ComplaintCode::InexactNumber => ("数值位数过长或用了指数写法", "too many digits, or an exponent"),
        ComplaintCode::OtherEncoding => ("中文应为 UTF-8 编码", "Chinese text is UTF-8"),
        ComplaintCode::Sentinel => (
            "2025 版以数据类型最大值表示折算值无法计算，不参与判断",
            "the largest value of the type says `cannot be computed` in 2025; it is not judged",
        ),
        // Said by `advice`.
        _ => ("", ""),
    }
}
