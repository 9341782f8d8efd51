//! What stands around the data segment: length, checksum, tail, encryption; verdicts in words.

use plume_schemas::mask;
use plume_schemas::reading::{Reading, Statistic};
use plume_schemas::report::QuarantineReason;

use super::words::{self, say};
use super::{Finding, Lang, Level, Named};
use crate::hj212::crc;
use crate::hj212::ending::{Check, CheckKind};
use crate::hj212::sm4::{self, DeviceKeys};
use crate::hj212::tolerance::{Tolerance, Tolerances};

/// A frame, as far as the verdicts need it.
pub(super) struct FrameFacts<'a> {
    /// The length field.
    pub(super) digits: String,
    /// What it says.
    pub(super) declared: usize,
    /// The segment, in clear if a key opened it.
    pub(super) segment: &'a [u8],
    /// The checksum, against the segment in clear.
    pub(super) check: Check,
    /// Departures of the frame.
    pub(super) needs: Tolerances,
    /// Which key opened it.
    pub(super) key_id: Option<String>,
}

impl FrameFacts<'_> {
    /// Rows of the table.
    pub(super) fn rows(&self, lang: Lang) -> Vec<Named> {
        let row = |field: (&'static str, &'static str), value: String, meaning: String| Named {
            field: say(lang, field).to_owned(),
            name: String::new(),
            value,
            meaning,
        };
        let real = self.segment.len();
        let encrypted = self.is_encrypted();
        let closed = say(
            lang,
            (
                "按明文计，解密后才能判断",
                "that of the plain text: can be judged once it is opened",
            ),
        );
        let length = match (lang, self.declared == real) {
            (_, false) if encrypted => closed.to_owned(),
            (Lang::Zh, true) => format!("正确：数据段 {real} 字节"),
            (Lang::Zh, false) => format!("错误：数据段实际 {real} 字节"),
            (Lang::En, true) => format!("right: {real} bytes"),
            (Lang::En, false) => format!("wrong: {real} bytes"),
        };
        let right = match (self.check.kind, lang) {
            (CheckKind::Standard, _) => String::new(),
            (_, Lang::Zh) => format!("，应为 {:04X}", self.check.right),
            (_, Lang::En) => format!(", should be {:04X}", self.check.right),
        };
        let sum = if encrypted {
            closed.to_owned()
        } else {
            format!("{}{right}", verdict(lang, self.check.kind))
        };
        let odd_tail = self.needs.iter().any(|one| one == Tolerance::OtherTail);
        let tail = if odd_tail {
            ("缺少或不是回车换行", "missing, or not CR LF")
        } else {
            ("回车换行", "CR LF")
        };
        let mut rows = vec![
            row(("数据段长度", "length"), self.digits.clone(), length),
            row(("CRC校验", "checksum"), format!("{:04X}", self.check.given), sum),
            row(("包尾", "tail"), String::new(), say(lang, tail).to_owned()),
        ];
        if let Some(key_id) = &self.key_id {
            let meaning = match lang {
                Lang::Zh => format!("已用密钥 {key_id} 解密"),
                Lang::En => format!("opened with key {key_id}"),
            };
            rows.push(row(("加密", "encryption"), "SM4-ECB".to_owned(), meaning));
        }
        rows
    }

    /// What is wrong with the frame.
    pub(super) fn findings(&self, lang: Lang) -> Vec<Finding> {
        let mut findings = Vec::new();
        // Length and checksum are those of the plain text, so of a cipher that nothing opened nothing can be said.
        if !self.is_encrypted() {
            findings.extend(length(lang, self.declared, self.segment.len()));
            findings.extend(checksum(lang, self.check));
        }
        for tolerance in self.needs.iter() {
            let what = match tolerance {
                Tolerance::ShortLength => (
                    "长度不足 4 位，前面应补 0",
                    "the length has fewer than four digits: fill with zeros",
                ),
                Tolerance::LowerCaseCrc => ("CRC 用了小写字母", "the checksum is in lower case"),
                Tolerance::ShortCrc => (
                    "CRC 不足 4 位，前面应补 0",
                    "the checksum has fewer than four digits: fill with zeros",
                ),
                // Said above, or beside the tail, which logs and copying strip.
                Tolerance::WrongLength | Tolerance::ModbusCrc | Tolerance::SwappedModbusCrc | Tolerance::OtherTail => {
                    continue;
                }
            };
            let what = say(lang, what).to_owned();
            findings.push(Finding {
                level: Level::Warning,
                what,
                advice: String::new(),
            });
        }
        findings
    }

    /// The content is a cipher that nothing opened.
    pub(super) fn is_encrypted(&self) -> bool {
        self.check.kind == CheckKind::Wrong && sm4::looks_encrypted(self.segment)
    }

    /// What to say about the key given, or missing.
    pub(super) fn key_finding(&self, lang: Lang, keys: Option<&Result<DeviceKeys, String>>) -> Option<Finding> {
        let encrypted = self.is_encrypted();
        let (what, advice) = match keys {
            Some(Err(error)) => (
                error.as_str(),
                (
                    "密钥为 16 个字符或 32 位十六进制",
                    "a key is 16 characters or 32 hex digits",
                ),
            ),
            Some(Ok(_)) if encrypted => (
                say(
                    lang,
                    (
                        "内容像是加密的，但所给密钥解不开，平台也不会应答",
                        "it looks encrypted, and this key does not open it: a platform would not answer either",
                    ),
                ),
                (
                    "请核对密钥，或试前一个密钥；密钥无误时，则是报文被改动过",
                    "check the key, or try the one before; if it is right, the packet was changed on its way",
                ),
            ),
            None if encrypted => (
                say(lang, ("内容像是加密的（SM4）", "it looks encrypted (SM4)")),
                ("用 --key 给出该设备的密钥", "give the device's key with --key"),
            ),
            _ => return None,
        };
        Some(Finding {
            level: Level::Error,
            what: what.to_owned(),
            advice: say(lang, advice).to_owned(),
        })
    }
}

/// A segment came without its frame, which would have been `right`.
pub(super) fn bare_segment(lang: Lang, right: &[u8]) -> Finding {
    let right = String::from_utf8_lossy(right).trim_end().to_owned();
    let head: String = right.chars().take(6).collect();
    let sum: String = right.chars().skip(right.chars().count().saturating_sub(4)).collect();
    let what = (
        "只有数据段，没有包头、长度和 CRC",
        "a data segment without header, length and checksum",
    );
    Finding {
        level: Level::Note,
        what: say(lang, what).to_owned(),
        advice: match lang {
            Lang::Zh => format!("完整的包以 {head} 开头，以 {sum} 和回车换行结尾"),
            Lang::En => format!("the whole packet begins with {head} and ends with {sum} CR LF"),
        },
    }
}

/// What is wrong with the declared length, if something is.
fn length(lang: Lang, declared: usize, real: usize) -> Option<Finding> {
    if declared == real {
        return None;
    }
    let guess = match declared.saturating_sub(real) {
        2 => (
            "多出 2：把 ## 或回车换行也计入了",
            "2 too many: ## or CR LF was counted",
        ),
        4 => ("多出 4：把 CRC 也计入了", "4 too many: the checksum was counted"),
        6 => (
            "多出 6：把 CRC 和回车换行（或 ## 和长度）也计入了",
            "6 too many: checksum and CR LF, or ## and length, were counted",
        ),
        10 | 12 => ("把整个包都计入了", "the whole packet was counted"),
        _ => ("", ""),
    };
    let what = match lang {
        Lang::Zh => format!("数据段长度写 {declared:04}，实际 {real} 字节，应写 {real:04}"),
        Lang::En => format!("the length says {declared:04}, the segment has {real} bytes: it should say {real:04}"),
    };
    let rule = (
        "长度只计数据段（QN= 至末尾 &&）的字节数，不含 ##、长度、CRC 和包尾",
        "count the bytes of the data segment only (QN= to the last &&), not ##, length, checksum and tail",
    );
    let colon = if guess.0.is_empty() {
        ""
    } else {
        say(lang, ("；", "; "))
    };
    let advice = format!("{}{colon}{}", say(lang, guess), say(lang, rule));
    Some(Finding {
        level: Level::Warning,
        what,
        advice,
    })
}

/// The checksum in a word, for the table.
fn verdict(lang: Lang, kind: CheckKind) -> &'static str {
    let both = match kind {
        CheckKind::Standard => ("正确", "right"),
        CheckKind::Modbus => ("错误：Modbus CRC", "wrong: the Modbus CRC"),
        CheckKind::SwappedModbus => (
            "错误：Modbus CRC，且高低字节颠倒",
            "wrong: the Modbus CRC with its bytes exchanged",
        ),
        CheckKind::Wrong => ("错误", "wrong"),
    };
    say(lang, both)
}

/// What is wrong with the checksum, and what to change in the device.
fn checksum(lang: Lang, check: Check) -> Option<Finding> {
    let Check { given, right, kind } = check;
    let (modbus, tolerance) = match kind {
        CheckKind::Standard => return None,
        CheckKind::Modbus => (Some(("", "")), "modbus_crc"),
        CheckKind::SwappedModbus => (
            Some(("（高低字节颠倒）", " with its bytes exchanged")),
            "swapped_modbus_crc",
        ),
        CheckKind::Wrong => (None, ""),
    };
    let same = match (modbus, lang) {
        (None, _) => String::new(),
        (Some(how), Lang::Zh) => format!(
            "{given:04X} 正是该数据段的 Modbus CRC16{}：数采仪用错了 CRC 算法",
            how.0
        ),
        (Some(how), Lang::En) => format!(
            " {given:04X} is its Modbus CRC16{}: the logger uses the wrong algorithm",
            how.1
        ),
    };
    let what = match lang {
        Lang::Zh => format!("CRC 为 {given:04X}，应为 {right:04X}，平台不会应答。{same}"),
        Lang::En => format!("the checksum is {given:04X} and should be {right:04X}: a platform does not answer.{same}"),
    };
    let advice = match modbus {
        Some(_) => modbus_advice(lang, tolerance),
        None if crc::possible(given) => say(
            lang,
            (
                "数据段在计算 CRC 之后被改动过（手工编辑、字符转换、丢字节），或内容是加密的；\
                 CRC 只对数据段计算，不含 ## 和长度",
                "the segment was changed after its checksum was made (edited by hand, converted, a byte lost), or is \
                 encrypted; the checksum covers the data segment only, not ## and length",
            ),
        )
        .to_owned(),
        None => say(
            lang,
            (
                "HJ 212 的 CRC 低字节只可能是 00 01 40 41 80 81 C0 C1，此值不是按附录 A 算出的：\
                 请检查数采仪的 CRC 程序",
                "the low byte of an HJ 212 checksum is always one of 00 01 40 41 80 81 C0 C1, so this one was not \
                 made by annex A: check the checksum routine of the logger",
            ),
        )
        .to_owned(),
    };
    Some(Finding {
        level: Level::Error,
        what,
        advice,
    })
}

fn modbus_advice(lang: Lang, tolerance: &str) -> String {
    match lang {
        Lang::Zh => format!(
            "按附录 A 修改：每个字节之前先把寄存器右移 8 位，再与该字节异或，即 reg = (reg >> 8) ^ 字节，\
             然后移位 8 次（多项式 A001）；Modbus 是 reg = reg ^ 字节，少了这次右移。结果高位字节在前。\
             改好之前，可在配置 [ingest] tolerate 中加入 \"{tolerance}\" 暂时接收"
        ),
        Lang::En => format!(
            "as in annex A: before each byte the register is shifted right by 8 and then xored with the byte, \
             reg = (reg >> 8) ^ byte, then shifted 8 times (polynomial A001); Modbus does reg = reg ^ byte without \
             that shift. High byte first. Until it is changed, \"{tolerance}\" in [ingest] tolerate accepts it"
        ),
    }
}
/// Factor, least and largest value a stack can have in the unit of the standard, and what a value outside usually is.
/// The largest stacks pass some 1500 m³/s; the rest is physics.
const PLAUSIBLE: [(&str, f64, f64, &str, &str); 5] = [
    (
        "a00000",
        0.0,
        3_000.0,
        "标准单位为 m³/s，像是按 m³/h 发送",
        "the standard has m³/s, this looks like m³/h",
    ),
    ("a01011", 0.0, 100.0, "标准单位为 m/s", "the standard has m/s"),
    (
        "a01012",
        -50.0,
        2_000.0,
        "标准单位为 ℃，检查测温信号是否断线",
        "the standard has °C; is the sensor broken?",
    ),
    ("a01014", 0.0, 100.0, "湿度为百分数", "moisture is a percentage"),
    (
        "a19001",
        0.0,
        25.0,
        "空气中氧为 20.9 %，检查量程和校准",
        "air has 20.9 % of oxygen; look at range and calibration",
    ),
];

/// A value that no stack has.
pub(in crate::hj212) struct Outside {
    pub(in crate::hj212) factor: &'static str,
    pub(in crate::hj212) value: f64,
    pub(in crate::hj212) least: f64,
    pub(in crate::hj212) most: f64,
    advice: words::Both,
}

/// Values that no stack has, the first of each factor.
pub(in crate::hj212) fn outside(readings: &[Reading]) -> impl Iterator<Item = Outside> {
    PLAUSIBLE.iter().filter_map(|&(factor, least, most, zh, en)| {
        // The largest number of a type stands for "cannot be computed" in 2025, and is complained of as that.
        let outside = |value: f64| !(least..=most).contains(&value) && !is_all_nines(value);
        let value = readings
            .iter()
            .filter(|r| r.factor.as_str() == factor && r.statistic != Statistic::Total)
            .filter_map(|reading| reading.value.to_f64())
            .find(|&value| outside(value))?;
        Some(Outside {
            factor,
            value,
            least,
            most,
            advice: (zh, en),
        })
    })
}

/// A value that no stack has, the first of each factor.
pub(super) fn implausible(lang: Lang, readings: &[Reading]) -> Vec<Finding> {
    let found = outside(readings).map(|found| {
        let Outside {
            factor,
            value,
            least,
            most,
            advice,
        } = found;
        let what = match lang {
            Lang::Zh => format!("{factor} 的值 {value} 超出合理范围 {least}～{most}"),
            Lang::En => format!("{factor} is {value}, plausible is {least} to {most}"),
        };
        Finding {
            level: Level::Warning,
            what,
            advice: say(lang, advice).to_owned(),
        }
    });
    found.collect()
}

fn is_all_nines(value: f64) -> bool {
    value.abs().to_string().bytes().all(|byte| byte == b'9' || byte == b'.')
}

/// Characters of what is no frame that are shown.
const SHOWN_CHARS: usize = 60;

/// Why bytes are no frame; of half a frame, what is missing.
pub(super) fn no_frame(lang: Lang, reason: QuarantineReason, bytes: &[u8], half: Option<(usize, &[u8])>) -> Finding {
    if let Some((declared, segment)) = half {
        let have = segment.len();
        let what = match lang {
            Lang::Zh if have < declared => format!("报文不完整：长度字段为 {declared} 字节，之后只有 {have} 字节。"),
            Lang::Zh => "报文不完整：缺少 4 位 CRC。".to_owned(),
            Lang::En if have < declared => format!("cut off: {declared} bytes declared, {have} came"),
            Lang::En => "cut off: four digits of checksum are missing".to_owned(),
        };
        let advice = say(
            lang,
            (
                "取完整报文再看（从 ## 到 CRC）；若设备就是这样发的，检查其发送缓冲区和断线重连",
                "take the packet from ## to its checksum; if the device sends it so, look at its buffer and its link",
            ),
        );
        return Finding {
            level: Level::Error,
            what,
            advice: advice.to_owned(),
        };
    }
    let about = match lang {
        Lang::Zh => reason.zh(),
        Lang::En => reason.en(),
    };
    let shown: String = mask::shown(bytes).chars().take(SHOWN_CHARS).collect();
    Finding {
        level: Level::Error,
        what: format!("{about}: {shown}").trim_end_matches(": ").to_owned(),
        advice: say(
            lang,
            (
                "包的格式为 ##、4 位长度、数据段（…CP=&&…&&）、4 位 CRC、回车换行",
                "a packet is ##, four digits of length, the data segment (…CP=&&…&&), checksum, CR LF",
            ),
        )
        .to_owned(),
    }
}
