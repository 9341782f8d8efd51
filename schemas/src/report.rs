//! Report (上报): what one device said at one moment about one outlet. Nothing after it knows which protocol it came by.

use crate::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use crate::reading::{Reading, ReportKind};
use crate::time::Time;

/// The three times of a report, never one (design: three times).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// DataTime: the sample's moment, or the START of the minute, hour or day. Windows use this one.
    pub measured_at: Time,
    /// QN: when the device says it sent. Never event time; missing where the packet has none.
    pub sent_at: Option<Time>,
    /// Our clock at the ingest that took it; monotone per ingest id.
    pub received_at: Time,
}

crate::reading::closed! {
    /// The dialect a packet was spoken in.
    Dialect {
        /// HJ/T 212-2005.
        Hj2005 = 1, "HJ/T 212-2005", "HJ/T 212-2005", "HJ/T 212-2005";
        /// HJ 212-2017.
        Hj2017 = 2, "HJ 212-2017", "HJ 212-2017", "HJ 212-2017";
        /// HJ 212-2025.
        Hj2025 = 3, "HJ 212-2025", "HJ 212-2025", "HJ 212-2025";
        /// Modbus, polled by plume.
        Modbus = 4, "Modbus", "Modbus", "Modbus";
    }
}

/// Where a report came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The device.
    pub mn: Mn,
    /// 系统编码: `31` air pollution source, `32` water source…
    pub st: Inline<3>,
    /// How it spoke.
    pub dialect: Dialect,
    /// The process that took it.
    pub ingest: IngestId,
    /// The peer's address.
    pub peer: Inline<47>,
    /// The registry revision by which (MN, ST) led to this outlet; 0 where the MN is not registered.
    pub registry_revision: u64,
}

/// The packet behind a report: enough to answer "why do you say so" and to know a repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Hash of the packet's content in clear, without length, checksum and tail: two copies are one packet, however
    /// their tails came.
    pub packet: ContentId,
    /// The exact bytes. With several reports from one packet only the first (`share.0 == 0`) carries them.
    pub raw: Vec<u8>,
    /// This report is number `share.0` of `share.1` from the packet.
    pub share: (u16, u16),
    /// 命令编码, e.g. 2051; 0 for a poll.
    pub cn: u16,
    /// 请求编码 as sent (17 digits in a conformant packet).
    pub qn: Inline<23>,
    /// 包号 and 总包数 of a split message; (0, 0) where it is whole.
    pub part: (u16, u16),
    /// Which key opened it, where it was encrypted: never the key.
    pub key_id: Option<Inline<15>>,
}

/// One thing that was wrong with what the device sent, though the rest was readable (value plus complaints).
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    /// What.
    pub code: ComplaintCode,
    /// The factor it is about, if one.
    pub factor: Option<FactorCode>,
    /// The text at fault, cut to what fits.
    pub text: Inline<47>,
}

crate::reading::closed! {
    /// What can be wrong with a readable packet. One metric label each; conformance reports count them by device.
    ComplaintCode {
        /// A value that is no number.
        NotANumber = 1, "not_a_number", "数值不可读", "value is not a number";
        /// A key without a value.
        EmptyValue = 2, "empty_value", "值为空", "empty value";
        /// A sub-field the standard does not know.
        UnknownField = 3, "unknown_field", "未知字段", "unknown field";
        /// A factor code outside the catalogue.
        UnknownFactor = 4, "unknown_factor", "未知因子编码", "unknown factor code";
        /// A flag outside the tables.
        UnknownFlag = 5, "unknown_flag", "未知数据标记", "unknown data flag";
        /// Readings without a flag.
        MissingFlag = 6, "missing_flag", "缺少数据标记", "missing data flag";
        /// The declared length was not the real one; the frame was found all the same.
        WrongLength = 7, "wrong_length", "长度不符", "wrong length";
        /// The checksum was of another kind (named in the text) and accepted by a setting.
        CrcVariant = 8, "crc_variant", "CRC 算法不符", "other checksum";
        /// CR LF was missing or different.
        WrongTail = 9, "wrong_tail", "包尾不符", "wrong tail";
        /// A header field was missing.
        MissingHeader = 10, "missing_header", "缺少包头字段", "missing header field";
        /// A header field was not as the standard wants it.
        OddHeader = 11, "odd_header", "包头字段不规范", "odd header field";
        /// QN is not a readable time.
        BadQn = 12, "bad_qn", "QN 不可读", "unreadable QN";
        /// DataTime is far from the time of arrival.
        FarDataTime = 13, "far_data_time", "数据时间异常", "DataTime far from arrival";
        /// Separators are not where the grammar wants them.
        OddGrammar = 14, "odd_grammar", "分隔符不规范", "odd separators";
        /// The same field was given twice; the first one counts.
        Repeated = 15, "repeated", "字段重复", "repeated field";
        /// ST is not the registry's.
        OtherSt = 16, "other_st", "ST 与登记不符", "ST differs from registry";
        /// A number too long for exact storage; kept as a float.
        InexactNumber = 17, "inexact_number", "数值位数过长", "number too long to keep exactly";
        /// Text was not UTF-8 (read as GBK where possible).
        OtherEncoding = 18, "other_encoding", "字符编码不符", "other text encoding";
        /// Longer than the standard's 1024 bytes.
        TooLong = 19, "too_long", "数据段超长", "segment too long";
        /// 2025: a sentinel that says "cannot be computed" was sent as the value.
        Sentinel = 20, "sentinel", "无法折算标识值", "sentinel for not computable";
        /// 2025 data commands in clear where encryption is required.
        NotEncrypted = 21, "not_encrypted", "未加密", "not encrypted";
        /// Polled devices: samples of the minute are missing, with the reason.
        MissedPoll = 22, "missed_poll", "采样缺失", "missed samples";
    }
}

/// What one device said at one moment about one outlet.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// About which outlet.
    pub outlet: OutletId,
    /// What kind.
    pub kind: ReportKind,
    /// When: measured, sent, received.
    pub times: Times,
    /// From where.
    pub origin: Origin,
    /// RF=1 of 2025: the device says it sends again.
    pub backfill: bool,
    /// The values, in the order sent.
    pub readings: Vec<Reading>,
    /// What was wrong with it.
    pub complaints: Vec<Complaint>,
    /// The packet behind it.
    pub evidence: Evidence,
}

/// A packet or a piece of one that could not become a report: kept with the reason, peer and position, counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantined {
    /// Why.
    pub reason: QuarantineReason,
    /// What the decoder said, for a person.
    pub detail: String,
    /// Our clock when it came.
    pub received_at: Time,
    /// The process that took it.
    pub ingest: IngestId,
    /// The peer's address.
    pub peer: Inline<47>,
    /// The device, as far as it could be read.
    pub mn: Option<Mn>,
    /// 命令编码, as far as it could be read.
    pub cn: Option<u16>,
    /// Byte offset in the connection's stream where it began.
    pub stream_offset: u64,
    /// The bytes.
    pub raw: Vec<u8>,
}

crate::reading::closed! {
    /// Why bytes went to quarantine.
    QuarantineReason {
        /// Bytes between frames that belong to none.
        Garbage = 1, "garbage", "无法识别的字节", "bytes outside any frame";
        /// The checksum does not fit, under no accepted variant. Not answered, so the device sends again.
        BadCrc = 2, "bad_crc", "CRC 校验错误", "wrong checksum";
        /// The frame says it is longer than the limit.
        TooLong = 3, "too_long", "超过长度上限", "longer than the limit";
        /// The frame was cut off by the end of the connection.
        CutOff = 4, "cut_off", "数据中断", "cut off by disconnect";
        /// A frame without a readable MN or CN.
        NoIdentity = 5, "no_identity", "缺少 MN 或 CN", "no readable MN or CN";
        /// The MN is not in the registry: waits to be admitted, answered once durable.
        UnknownMn = 6, "unknown_mn", "MN 未登记", "MN not registered";
        /// The password is not the registry's. Not answered.
        WrongPassword = 7, "wrong_password", "访问密码错误", "wrong password";
        /// No readable DataTime where the kind needs one.
        NoDataTime = 8, "no_data_time", "缺少数据时间", "no readable DataTime";
        /// DataTime lies further ahead than the limit allows.
        FutureDataTime = 9, "future_data_time", "数据时间超前", "DataTime in the future";
        /// DataTime lies before the limit (1970 and the like).
        AncientDataTime = 10, "ancient_data_time", "数据时间过早", "DataTime too old";
        /// Encrypted, and no key opens it.
        NoKey = 11, "no_key", "无法解密", "no key opens it";
        /// The MN is registered but leads to no outlet at that time.
        NoOutlet = 12, "no_outlet", "无对应排放口", "no outlet for it at that time";
        /// A readable packet with nothing in it that could be kept as a reading.
        NoReadings = 13, "no_readings", "无数据内容", "no readings in it";
    }
}
