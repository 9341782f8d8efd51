//! What devices in the field do wrong, by name: each was seen on a real link or is a known trap of the standards. A
//! test plays each against the decoder and says what must become of it.

mod bytes;
mod fields;

use std::num::NonZeroU32;

use plume_ingest::hj212::encode::{self, MAX_SEGMENT_BYTES};
use plume_schemas::time::Time;

/// A packet as it leaves the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The frame itself.
    pub frame: Vec<u8>,
    /// What is written, one write after the other: usually the frame and nothing else.
    pub writes: Vec<Vec<u8>>,
}

impl Spoken {
    /// The frame in one write.
    pub fn plain(frame: Vec<u8>) -> Self {
        Self {
            writes: vec![frame.clone()],
            frame,
        }
    }
}

/// A misbehaviour and how often it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// What.
    pub kind: Misbehaviour,
    /// On every so-manieth message.
    pub every: NonZeroU32,
}

impl Habit {
    /// On every message.
    pub fn always(kind: Misbehaviour) -> Self {
        Self {
            kind,
            every: NonZeroU32::MIN,
        }
    }

    /// True for message number `spoken`, counted from 1.
    pub(crate) fn shows(self, spoken: u64) -> bool {
        spoken.is_multiple_of(u64::from(self.every.get()))
    }
}

macro_rules! misbehaviours {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal, $en:literal;)+) => {
        /// One thing a device does wrong. The doc comment says what exactly, and where it comes from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Misbehaviour {
            $($(#[$doc])* $variant,)+
        }

        impl Misbehaviour {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the command line: `plume simulate --misbehave crc_modbus`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What it does, in Chinese.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }

            /// What it does, in English.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$variant => $en,)+ }
            }

            /// The one with this name.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

misbehaviours! {
    /// Length without leading zeros: `##81`, `##453`.
    LengthUnpadded = "length_unpadded", "长度字段不补零（2～3位）", "length without leading zeros (2 or 3 digits)";
    /// Length too large by three.
    LengthOff = "length_off", "长度字段偏大3字节", "length too large by 3";
    /// Length too small by three.
    LengthUnder = "length_under", "长度字段偏小3字节", "length too small by 3";
    /// Length counts checksum and tail too (Java and Python clients).
    LengthCountsTail = "length_counts_tail", "长度把CRC和包尾也算入", "length counts checksum and tail";
    /// Checksum in lower case.
    CrcLowerCase = "crc_lower_case", "CRC用小写", "checksum in lower case";
    /// Checksum without leading zeros.
    CrcUnpadded = "crc_unpadded", "CRC不补零", "checksum without leading zeros";
    /// CRC-16/MODBUS instead of the standard's.
    CrcModbus = "crc_modbus", "误用Modbus的CRC", "checksum of Modbus";
    /// CRC-16/MODBUS with its bytes swapped.
    CrcModbusSwapped = "crc_modbus_swapped", "误用Modbus的CRC且高低字节颠倒", "checksum of Modbus, bytes swapped";
    /// A digit changed after the checksum was made.
    CrcStale = "crc_stale", "改动内容后未重算CRC", "content changed after the checksum";
    /// No CR LF.
    TailMissing = "tail_missing", "缺少包尾回车换行", "no CR LF";
    /// Only LF.
    TailLf = "tail_lf", "包尾只有换行", "LF alone";
    /// The text `<CR><LF>`.
    TailLiteral = "tail_literal", "包尾写成文字<CR><LF>", "the text <CR><LF> as tail";
    /// The frame in two writes.
    Halved = "halved", "半包：一帧分两次发送", "frame in two writes";
    /// A vendor's empty registration packet (CN=9021) glued before the frame, in one write.
    Glued = "glued", "粘包：与9021注册包一次发出", "glued behind a 9021 registration in one write";
    /// The same frame twice, as after a lost answer.
    Duplicated = "duplicated", "同一帧发送两次", "frame sent twice";
    /// Bytes of no protocol before the frame.
    Garbage = "garbage", "帧前夹杂乱码", "noise before the frame";
    /// An HTTP request before the frame.
    Http = "http", "帧前出现HTTP请求", "an HTTP request before the frame";
    /// A Modbus request before the frame.
    Modbus = "modbus", "帧前出现Modbus请求", "a Modbus request before the frame";
    /// No QN.
    QnMissing = "qn_missing", "缺少QN", "no QN";
    /// QN as milliseconds since 1970, 13 digits.
    QnEpoch = "qn_epoch", "QN为13位毫秒时间戳", "QN as 13 digits of epoch milliseconds";
    /// No Flag.
    FlagMissing = "flag_missing", "缺少Flag", "no Flag";
    /// `FLAG=`.
    FlagUpperCase = "flag_upper_case", "Flag写成FLAG", "FLAG in capitals";
    /// No PW.
    PwMissing = "pw_missing", "缺少PW", "no PW";
    /// Not the registered password.
    PwWrong = "pw_wrong", "访问密码错误", "wrong password";
    /// `MN=;`.
    MnEmpty = "mn_empty", "MN为空", "empty MN";
    /// An MN nobody registered.
    MnUnknown = "mn_unknown", "MN未登记", "MN not registered";
    /// QN behind CN, as in the examples of 2005.
    HeaderReordered = "header_reordered", "包头字段顺序不同（QN在CN之后）", "header fields in another order";
    /// `,MN=` instead of `;MN=`.
    HeaderComma = "header_comma", "MN前用逗号分隔", "a comma before MN";
    /// Stack gas under the system code of waste water.
    StOther = "st_other", "废气数据用ST=32上报", "stack gas sent as ST=32";
    /// `;` before the closing `&&`.
    TrailingSemicolon = "trailing_semicolon", "数据区末尾多一个分号", "semicolon before the closing &&";
    /// Spaces behind separators.
    Spaces = "spaces", "分隔符后有空格", "spaces behind separators";
    /// Factors separated by commas.
    Commas = "commas", "因子之间用逗号分隔", "commas between factors";
    /// The value and its corrected value in two groups of one factor.
    GroupsApart = "groups_apart", "同一因子分成两组", "one factor in two groups";
    /// The same factor given twice.
    FactorRepeated = "factor_repeated", "因子重复", "a factor given twice";
    /// A key without factor or sub-field: `FANSTATUS=1`.
    BareKey = "bare_key", "无因子前缀的自定义字段", "a bare vendor key";
    /// A key without a value.
    EmptyValue = "empty_value", "字段值为空", "a key without a value";
    /// More than 1024 bytes in one frame instead of parts.
    Oversized = "oversized", "超过1024字节不拆包", "over 1024 bytes without splitting";
    /// `000.4`.
    ZeroPadded = "zero_padded", "数值前补零", "numbers padded with zeros";
    /// `--` where a number should be.
    NotANumber = "not_a_number", "数值写成--", "-- for a number";
    /// `1.2e1`.
    Exponent = "exponent", "数值用科学计数法", "number with an exponent";
    /// Values without their flags.
    FlagsMissing = "flags_missing", "缺少数据标记", "values without flags";
    /// A flag outside the tables.
    FlagUnknown = "flag_unknown", "数据标记不在表中", "a flag outside the tables";
    /// DataTime with milliseconds.
    DataTimeMs = "data_time_ms", "DataTime带毫秒（17位）", "DataTime with milliseconds";
    /// DataTime is the end of the period.
    DataTimeEnd = "data_time_end", "DataTime为时段结束时刻", "DataTime at the end of the period";
    /// DataTime a year ahead.
    DataTimeAhead = "data_time_ahead", "DataTime超前一年", "DataTime a year ahead";
    /// DataTime of 1970.
    DataTime1970 = "data_time_1970", "DataTime为1970年", "DataTime of 1970";
    /// No DataTime.
    DataTimeMissing = "data_time_missing", "缺少DataTime", "no DataTime";
    /// Codes of 2005 under a newer header.
    Codes2005 = "codes_2005", "新版包头配2005版因子编码", "2005 codes under a newer header";
    /// A maker's own factor code.
    VendorCode = "vendor_code", "自定义因子编码", "a maker's own factor code";
    /// A maker's own sub-field.
    VendorField = "vendor_field", "自定义子字段", "a maker's own sub-field";
    /// PNO before PNUM.
    PnoFirst = "pno_first", "PNO在PNUM之前", "PNO before PNUM";
    /// Split bit of Flag without PNUM and PNO.
    SplitBitAlone = "split_bit_alone", "Flag置拆分位但无PNUM、PNO", "split bit of Flag without PNUM and PNO";
    /// `PNUM=0002`.
    PnumPadded = "pnum_padded", "PNUM补零", "PNUM padded with zeros";
    /// Exhaust flow in m³/h instead of m³/s, the volumes right.
    FlowPerHour = "flow_per_hour", "废气流量按m³/h发送", "exhaust flow in m³/h";
    /// Corrected values are the measured ones: no correction at all.
    ZsPlain = "zs_plain", "折算值等于实测值", "corrected values not corrected";
    /// Hour means are a tenth above those of their minutes.
    HourHigh = "hour_high", "小时均值比分钟数据高10%", "hour means a tenth above their minutes";
    /// What is sent again lacks RF=1.
    RfMissing = "rf_missing", "补传数据缺少RF=1", "sent again without RF=1";
    /// Text in GBK.
    GbkText = "gbk_text", "文字用GBK编码", "text in GBK";
}

impl Misbehaviour {
    /// The longest data segment a device with this habit writes in one frame.
    pub(crate) fn segment_limit(self) -> usize {
        match self {
            Self::Oversized => 9_999,
            // Small enough that a real-time packet of a usual stack is split, so that the habit can show at all.
            Self::PnoFirst | Self::PnumPadded => 320,
            _ => MAX_SEGMENT_BYTES,
        }
    }

    /// What it does to the fields.
    pub(crate) fn on_message(self, message: &mut encode::Message, data_time: Time) {
        fields::spoil(self, message, data_time);
    }

    /// What it does to the bytes of a well-made frame.
    pub(crate) fn speak(self, frame: &[u8]) -> Spoken {
        bytes::speak(self, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for (place, kind) in Misbehaviour::ALL.iter().enumerate() {
            assert_eq!(Misbehaviour::from_code(kind.code()), Some(*kind));
            assert!(!kind.zh().is_empty() && !kind.en().is_empty());
            let earlier = Misbehaviour::ALL.iter().take(place);
            assert!(
                earlier
                    .clone()
                    .all(|other| other.zh() != kind.zh() && other.en() != kind.en())
            );
        }
        assert_eq!(Misbehaviour::from_code("no_such_habit"), None);
    }

    #[test]
    fn a_habit_shows_as_often_as_it_says() {
        let habit = Habit {
            kind: Misbehaviour::Garbage,
            every: NonZeroU32::new(3).unwrap(),
        };
        let shown: Vec<u64> = (1..=9).filter(|n| habit.shows(*n)).collect();
        assert_eq!(shown, [3, 6, 9]);
        assert!(Habit::always(Misbehaviour::Http).shows(1));
    }
}
