//! A reading: one (outlet, factor, statistic, kind, time) value, with the flag the device gave it.

use crate::decimal::Decimal;
use crate::ids::{FactorCode, Inline};

/// Declares a closed set of names with stable wire numbers, a short code and both languages.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $number:literal, $code:literal, $zh:literal, $en:literal;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $code)] $variant = $number,)+
        }

        impl $name {
            /// Every one of them, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The short code used in files, metrics and messages.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The name in Chinese.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }

            /// The name in English.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$variant => $en,)+ }
            }

            /// The number on the wire and in checkpoints; never reused.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The one with this number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The one with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.code())
            }
        }
    };
}
pub(crate) use closed;

closed! {
    /// What a report is about (CN of HJ 212, or the poller's own).
    ReportKind {
        /// 2011: a sample at DataTime.
        RealTime = 1, "rtd", "实时数据", "real-time";
        /// 2051: over the minutes that start at DataTime; how many is the source's MinInterval.
        Minute = 2, "minute", "分钟数据", "minute";
        /// 2111: furnace temperature over five minutes (2025).
        FiveMinute = 3, "5min", "5分钟数据", "five-minute";
        /// 2061: over the hour that starts at DataTime.
        Hour = 4, "hour", "小时数据", "hour";
        /// 2031: over the day that starts at DataTime.
        Day = 5, "day", "日数据", "day";
        /// 2021: state of treatment equipment.
        Status = 6, "status", "设备运行状态", "equipment state";
        /// 2041: running time of treatment equipment over a day.
        RunTime = 7, "runtime", "设备运行时间", "equipment running time";
        /// 2081: the logger was switched on.
        Restart = 8, "restart", "数采仪开机", "logger restart";
        /// 3019: serial number of an instrument.
        Serial = 9, "serial", "设备唯一标识", "instrument serial number";
        /// 3020: log, state or parameter of the site.
        Info = 10, "info", "现场机信息", "site information";
        /// 2062 and the poller's own: result of a zero or span check.
        Calibration = 11, "calibration", "标样核查", "zero/span check";
        /// 2013: raw data of periodic analysers (2025).
        RawCycle = 12, "raw", "周期监测原始数据", "raw periodic data";
        /// 2052: one noise measurement (2025).
        Noise = 13, "noise", "噪声单次", "single noise measurement";
        /// 2072 and 2071 of 2005: the device's own alarm record.
        DeviceAlarm = 14, "alarm", "现场报警", "device alarm";
        /// 9015 and vendors' heartbeats: a sign of life without readings.
        Heartbeat = 15, "heartbeat", "心跳", "heartbeat";
        /// Any other readable upload: kept and answered, not judged.
        Other = 16, "other", "其他", "other";
    }
}

closed! {
    /// Which number of a factor this is (the sub-field behind the hyphen, without its basis).
    Statistic {
        /// Rtd, RawRtd, ZsRtd: at the moment.
        Sample = 1, "rtd", "实时值", "sample";
        /// Min.
        Min = 2, "min", "最小值", "minimum";
        /// Avg.
        Mean = 3, "avg", "平均值", "mean";
        /// Max.
        Max = 4, "max", "最大值", "maximum";
        /// Cou: emitted mass or volume of the period.
        Total = 5, "cou", "累计值", "total";
        /// SBx-RS: state of equipment.
        State = 6, "rs", "运行状态", "state";
        /// SBx-RT: hours of running.
        Hours = 7, "rt", "运行时间", "running hours";
        /// Data, DayData, NightData and other single values.
        Data = 8, "data", "数据", "value";
        /// SampleRd of 2062: what the analyser showed for the gas.
        CheckReading = 9, "sample_rd", "标样测量值", "check reading";
        /// StandardValue of 2062: what the gas holds.
        CheckStandard = 10, "standard", "标样标准值", "check standard";
        /// i…-Info: a site parameter, state or log line.
        Info = 11, "info", "信息", "information";
        /// x-SN: an instrument's serial number.
        Serial = 12, "sn", "序列号", "serial number";
        /// Anything else, kept with its own text.
        Other = 13, "other", "其他", "other";
    }
}

closed! {
    /// On which basis a concentration is given.
    Basis {
        /// As reported without prefix: dry, standard state by the standard's definition of Rtd and Avg in air sources.
        Standard = 1, "standard", "标干", "dry standard state";
        /// Zs…: converted to the reference oxygen.
        Corrected = 2, "corrected", "折算", "corrected to reference O2";
        /// Raw…: as measured at stack conditions (2025).
        Raw = 3, "raw", "工况", "stack conditions";
    }
}

closed! {
    /// A data flag (数据标记; HJ 212-2017 table 8, HJ/T 212-2005, HJ 212-2025 table 10). Only `Normal` is fit for
    /// statistics.
    Flag {
        /// N.
        Normal = 1, "N", "正常", "normal";
        /// F: the source or the instrument is stopped.
        Stopped = 2, "F", "停运", "stopped";
        /// M.
        Maintenance = 3, "M", "维护", "maintenance";
        /// S: set by hand.
        Manual = 4, "S", "手工输入", "set by hand";
        /// D.
        Fault = 5, "D", "故障", "fault";
        /// C.
        Calibration = 6, "C", "校准", "calibration";
        /// T: over the measuring range.
        OverRange = 7, "T", "超测量上限", "over range";
        /// B: link between instrument and logger.
        LinkFault = 8, "B", "通讯异常", "instrument link fault";
        /// P of 2005.
        PowerFault = 9, "P", "电源故障", "power fault";
        /// Td of 2025: a key working-condition parameter is faulty.
        ConditionFault = 10, "Td", "关键工况参数故障", "key condition parameter fault";
        /// No flag was sent: quality unknown, not normal (a setting may say otherwise, per source).
        Missing = 11, "-", "无标记", "no flag";
        /// A flag outside the tables; its text is kept in the reading.
        Unknown = 12, "?", "未知标记", "unknown flag";
    }
}

/// Longest text kept as a value: a serial number has 24 characters and a MAC address twelve (HJ 212-2017 table 5,
/// HJ 212-2025 C.2). Log lines are longer; the whole of them is in the raw packet.
pub const MAX_TEXT_BYTES: usize = 31;

/// What the device gave as the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// The device's own decimal, digit by digit.
    Decimal(Decimal),
    /// A number that does not fit a [`Decimal`]: kept as a float and so marked.
    Float(f64),
    /// Letters (working conditions of ST 45), or text that is no number: kept, never counted as a value.
    Text(Inline<MAX_TEXT_BYTES>),
    /// The field was there and empty.
    Empty,
}

impl Value {
    /// As a float, where it is a number.
    pub fn to_f64(self) -> Option<f64> {
        match self {
            Self::Decimal(decimal) => Some(decimal.to_f64()),
            Self::Float(value) => Some(value).filter(|v| v.is_finite()),
            Self::Text(_) | Self::Empty => None,
        }
    }

    /// As a decimal, where the device's digits fit one.
    pub fn decimal(self) -> Option<Decimal> {
        match self {
            Self::Decimal(decimal) => Some(decimal),
            Self::Float(_) | Self::Text(_) | Self::Empty => None,
        }
    }
}

/// One value of one factor in a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Of what: always the 2017 code where the catalogue knows one for what was sent.
    pub factor: FactorCode,
    /// Which number of it.
    pub statistic: Statistic,
    /// On which basis.
    pub basis: Basis,
    /// The value in the unit of the registry's factor setup, else of the factor catalogue.
    pub value: Value,
    /// The flag sent beside it; the flag of a factor goes to each of its readings.
    pub flag: Flag,
    /// EFlag, the maker's own state (C4), or the text of an unknown flag; empty where neither was sent.
    pub maker_flag: Inline<7>,
}
