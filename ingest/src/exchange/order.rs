//! What may be asked of a device, by name: the fields each order takes and their ranges (HJ 212-2017 6.6.5, annex C;
//! HJ 212-2025 annex C).

use std::collections::BTreeMap;

use plume_schemas::time::{DAY_MS, Span, Time};

use crate::hj212::intake::{SERIAL, is_serial};

/// Longest period asked for at once, milliseconds: a day of minutes is 1440 packets.
const MAX_SPAN_MS: i64 = 31 * DAY_MS;

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name on the command line.
    pub name: &'static str,
    /// 命令编码.
    pub cn: u16,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    takes: &'static [Takes],
}

/// A field of CP and the argument it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// A number in a range.
    Number(&'static str, &'static str, (u32, u32)),
    /// Any short text without separators.
    Text(&'static str, &'static str),
    /// The same, and may be missing.
    Maybe(&'static str, &'static str),
    /// `from` and `to`.
    Span,
    /// `from` and `to`, or neither.
    MaybeSpan,
    /// `value`: the serial number of a logger's hardware.
    Serial,
    /// `value` for the information that `info` names.
    InfoValue,
    /// `value`: six letters and digits that nobody may read again.
    Password,
}

macro_rules! orders {
    ($(#[$doc:meta])* $list:ident: $($name:literal = $cn:literal, $zh:literal, $en:literal, [$($takes:expr),*];)+) => {
        $(#[$doc])*
        pub const $list: &[Order] = &[$(Order {
            name: $name,
            cn: $cn,
            zh: $zh,
            en: $en,
            takes: &[$($takes),*],
        }),+];
    };
}

const POL_ID: Takes = Takes::Maybe("factor", "PolId");

orders! {
    /// Every order that may be given.
    ORDERS:
    "read-time" = 1011, "提取现场机时间", "read the device's time", [POL_ID];
    "set-time" = 1012, "设置现场机时间", "set the device's time to plume's", [POL_ID];
    "read-realtime-interval" = 1061, "提取实时数据间隔", "read the interval of real-time data", [];
    "set-realtime-interval" = 1062, "设置实时数据间隔（秒）", "set the interval of real-time data (s)",
        [Takes::Number("value", "RtdInterval", (30, 3600))];
    "read-minute-interval" = 1063, "提取分钟数据间隔", "read the interval of minute data", [];
    "set-minute-interval" = 1064, "设置分钟数据间隔（分）", "set the interval of minute data (min)",
        [Takes::Number("value", "MinInterval", (1, 30))];
    "set-timeout" = 1000, "设置超时时间（秒）及重发次数", "set timeout (s) and resends",
        [Takes::Number("value", "OverTime", (1, 99)), Takes::Number("count", "ReCount", (1, 99))];
    "realtime-on" = 2011, "取污染物实时数据", "start real-time data", [];
    "realtime-off" = 2012, "停止察看实时数据", "stop real-time data", [];
    "status-on" = 2021, "取设备运行状态数据", "start states of equipment", [];
    "status-off" = 2022, "停止察看设备运行状态", "stop states of equipment", [];
    "minutes" = 2051, "取分钟数据", "ask for minute data", [Takes::Span];
    "hours" = 2061, "取小时数据", "ask for hour data", [Takes::Span];
    "days" = 2031, "取日历史数据", "ask for day data", [Takes::Span];
    "run-times" = 2041, "取设备运行时间日历史数据", "ask for running times of equipment", [Takes::Span];
    "serial" = 3019, "提取设备唯一标识", "read an analyser's serial number", [Takes::Text("factor", "PolId")];
    "info" = 3020, "提取现场机信息（日志、状态、参数）", "read logs, states or parameters",
        [POL_ID, Takes::Text("info", "InfoId"), Takes::MaybeSpan];
    "activate" = 1002, "设置数采仪MN编码（激活）", "give a new logger (2025) its MN; value is its serial number",
        [Takes::Serial];
}

orders! {
    /// Orders that touch the instrument, or the secret between device and platform: given only under a permit of two
    /// persons with the enterprise's consent. What is secret is in no argument that is recorded: a new key is made when
    /// the order is given, a new password is kept sealed.
    GUARDED:
    "calibrate" = 3011, "零点（量程）校准与调整", "calibrate zero (value 0) or span (value 1)",
        [Takes::Text("factor", "PolId"), Takes::Maybe("value", "CalibrationType")];
    "sample-now" = 3012, "即时采样", "sample now", [Takes::Text("factor", "PolId")];
    "clean" = 3013, "启动清洗/反吹", "start cleaning or blowing back", [Takes::Text("factor", "PolId")];
    "compare" = 3014, "比对采样", "take a sample for comparison", [Takes::Text("factor", "PolId")];
    "keep-sample" = 3015, "超标留样", "keep a sample of an exceedance", [];
    "set-sampling" = 3016, "设置采样时间周期", "set when sampling begins (hhmmss) and its cycle (h)",
        [Takes::Text("factor", "PolId"), Takes::Text("value", "CstartTime"), Takes::Number("count", "Ctime", (1, 24))];
    "read-sampling" = 3017, "提取采样时间周期", "read when sampling begins and its cycle", [Takes::Text("factor", "PolId")];
    "read-sample-out" = 3018, "提取出样时间", "read how long a sample takes", [Takes::Text("factor", "PolId")];
    "set-parameter" = 3021, "设置现场机参数", "set a parameter of the site",
        [POL_ID, Takes::Text("info", "InfoId"), Takes::InfoValue];
    "order-sample" = 3022, "下发即时留样任务", "keep a sample now", [Takes::Text("factor", "PolId")];
    "check-standard" = 3024, "启动自动标样核查", "start a check against a standard sample",
        [Takes::Text("factor", "PolId")];
    "set-password" = 1072, "设置现场机访问密码", "set the device's password", [Takes::Password];
    "set-key" = 1014, "设置新密钥", "give the device a new key (2025)", [];
}

/// An order that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No order of this name.
    #[error("there is no order `{name}`")]
    Unknown {
        /// As given.
        name: String,
    },
    /// An argument is missing.
    #[error("`{order}` needs `{argument}`")]
    Missing {
        /// Of which order.
        order: &'static str,
        /// Which.
        argument: &'static str,
    },
    /// An argument is out of range, or not what it should be.
    #[error("`{order}`: `{argument}` is `{value}`, expected {expected}")]
    Wrong {
        /// Of which order.
        order: &'static str,
        /// Which.
        argument: String,
        /// As given.
        value: String,
        /// What would be right.
        expected: String,
    },
}

impl OrderError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { .. } => {
                let names: Vec<&str> = ORDERS.iter().map(|order| order.name).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Missing { argument, .. } => format!("say it with --{argument}"),
            Self::Wrong { argument, expected, .. } => format!("set {argument} to {expected}"),
        }
    }
}

/// CN and fields of an order, from its name and arguments.
pub fn order(name: &str, given: &BTreeMap<String, String>) -> Result<(u16, Vec<(String, String)>), OrderError> {
    let unknown = || OrderError::Unknown {
        name: name.chars().take(40).collect(),
    };
    let mut all = ORDERS.iter().chain(GUARDED);
    let order = all.find(|order| order.name == name).ok_or_else(unknown)?;
    let mut fields = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for takes in order.takes {
        order.take(*takes, given, &mut fields, &mut used)?;
    }
    if let Some((argument, value)) = given.iter().find(|(argument, _)| !used.contains(&argument.as_str())) {
        return Err(order.wrong(argument, value, "nothing: this order does not take it"));
    }
    Ok((order.cn, fields))
}

/// True for the 命令编码 of an order that anybody who orders may give.
pub fn is_given(cn: u16) -> bool {
    ORDERS.iter().any(|order| order.cn == cn)
}

/// The order of this 命令编码 that needs a permit.
pub fn guarded(cn: u16) -> Option<&'static Order> {
    GUARDED.iter().find(|order| order.cn == cn)
}

/// The order of this 命令编码.
pub fn of_cn(cn: u16) -> Option<&'static Order> {
    ORDERS.iter().chain(GUARDED).find(|order| order.cn == cn)
}

/// Fields that ask for a period; the standard's windows are closed.
pub fn span_fields(span: Span) -> Vec<(String, String)> {
    let field = |name: &str, at: Time| (name.to_owned(), at.stamp14());
    vec![field("BeginTime", span.start), field("EndTime", span.end)]
}

impl Order {
    fn wrong(&self, argument: &str, value: &str, expected: impl Into<String>) -> OrderError {
        OrderError::Wrong {
            order: self.name,
            argument: argument.to_owned(),
            value: value.to_owned(),
            expected: expected.into(),
        }
    }

    fn take(
        &self,
        takes: Takes,
        given: &BTreeMap<String, String>,
        fields: &mut Vec<(String, String)>,
        used: &mut Vec<&'static str>,
    ) -> Result<(), OrderError> {
        let mut get = |argument: &'static str| {
            used.push(argument);
            given.get(argument)
        };
        let missing = |argument| OrderError::Missing {
            order: self.name,
            argument,
        };
        match takes {
            Takes::Number(argument, field, (least, most)) => {
                let text = get(argument).ok_or_else(|| missing(argument))?;
                let number = text.parse().ok().filter(|number: &u32| (least..=most).contains(number));
                let wrong = || self.wrong(argument, text, format!("a whole number from {least} to {most}"));
                fields.push((field.to_owned(), number.ok_or_else(wrong)?.to_string()));
            }
            Takes::Text(argument, field) | Takes::Maybe(argument, field) => match get(argument) {
                Some(text) if is_plain(text) => fields.push((field.to_owned(), text.clone())),
                Some(text) => return Err(self.wrong(argument, text, "up to 10 letters and digits, such as a21026")),
                None if matches!(takes, Takes::Text(..)) => return Err(missing(argument)),
                None => {}
            },
            Takes::Serial => {
                let text = get("value").ok_or_else(|| missing("value"))?;
                if !is_serial(text) {
                    return Err(self.wrong("value", text, "up to 32 letters, digits and dashes"));
                }
                fields.push((SERIAL.to_owned(), text.clone()));
            }
            Takes::InfoValue => {
                let text = get("value").ok_or_else(|| missing("value"))?;
                let info = given.get("info").map(String::as_str).unwrap_or_default();
                if !is_parameter(text) {
                    return Err(self.wrong("value", text, "up to 40 letters, digits, dots and dashes"));
                }
                fields.push((format!("{info}-Info"), text.clone()));
            }
            Takes::Password => {
                let text = get("value").ok_or_else(|| missing("value"))?;
                if text.len() != 6 || !is_plain(text) {
                    return Err(self.wrong("value", "******", "six letters and digits"));
                }
                fields.push((NEW_PW.to_owned(), text.clone()));
            }
            Takes::Span | Takes::MaybeSpan => match (get("from"), get("to")) {
                (Some(from), Some(to)) => fields.extend(span_fields(self.span(from, to)?)),
                (None, None) if takes == Takes::MaybeSpan => {}
                (None, _) => return Err(missing("from")),
                (_, None) => return Err(missing("to")),
            },
        }
        Ok(())
    }

    fn span(&self, from: &str, to: &str) -> Result<Span, OrderError> {
        let moment = |argument: &str, text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let whole = format!("{digits:0<14}");
            let fits = matches!(digits.len(), 8 | 10 | 12 | 14);
            let at = Time::parse_stamp(whole.as_bytes()).filter(|_| fits);
            at.ok_or_else(|| self.wrong(argument, text, "a moment such as 2026-01-01T08:00"))
        };
        let span = Span {
            start: moment("from", from)?,
            end: moment("to", to)?,
        };
        let length = span.end.since(span.start);
        if !(0..=MAX_SPAN_MS).contains(&length) {
            return Err(self.wrong("to", to, format!("up to {} days after `from`", MAX_SPAN_MS / DAY_MS)));
        }
        Ok(span)
    }
}

/// Name of the field that holds a new password.
pub const NEW_PW: &str = "NewPW";

fn is_parameter(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte);
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}

fn is_plain(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, given: &[(&str, &str)]) -> Result<String, String> {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let fields = |fields: Vec<(String, String)>| {
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            fields.join(";")
        };
        order(name, &given)
            .map(|(cn, told)| format!("{cn} {}", fields(told)))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn orders_are_checked_before_they_are_given() {
        let fine = |name, given: &[_]| asked(name, given).unwrap();
        assert_eq!(fine("set-realtime-interval", &[("value", "30")]), "1062 RtdInterval=30");
        assert_eq!(
            fine("hours", &[("from", "2026-01-17T08:00"), ("to", "2026-01-17T10:00")]),
            "2061 BeginTime=20260117080000;EndTime=20260117100000"
        );
        assert_eq!(
            fine("set-timeout", &[("value", "5"), ("count", "3")]),
            "1000 OverTime=5;ReCount=3"
        );
        assert_eq!(fine("info", &[("info", "i11001")]), "3020 InfoId=i11001");
        let wrong = |name, given: &[_]| asked(name, given).unwrap_err();
        assert!(wrong("set-realtime-interval", &[("value", "29")]).contains("30 to 3600"));
        assert!(wrong("set-realtime-interval", &[]).contains("needs `value`"));
        assert!(wrong("hours", &[("from", "2026-01-01"), ("to", "2026-03-01")]).contains("31 days"));
        assert!(wrong("serial", &[("factor", "a;CN=1072")]).contains("letters and digits"));
        assert!(wrong("read-time", &[("value", "1")]).contains("does not take it"));
        assert!(wrong("reboot", &[]).contains("no order"));
        let activate = [("value", "6970000000001ABCDEFG1234")];
        assert_eq!(fine("activate", &activate), "1002 i23005-Info=6970000000001ABCDEFG1234");
        assert!(wrong("activate", &[("value", "a;CN=3011")]).contains("letters, digits and dashes"));
        let set = [("info", "i13004"), ("value", "168.0")];
        assert_eq!(fine("set-parameter", &set), "3021 InfoId=i13004;i13004-Info=168.0");
        assert!(wrong("set-parameter", &[("info", "i13004"), ("value", "1;2")]).contains("dots and dashes"));
        let secret = wrong("set-password", &[("value", "4711")]);
        assert!(
            secret.contains("six letters and digits") && !secret.contains("4711"),
            "{secret}"
        );
        for order in GUARDED {
            assert!(
                !is_given(order.cn) && guarded(order.cn) == Some(order),
                "{}",
                order.name
            );
        }
    }
}
