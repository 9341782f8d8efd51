//! `readings`: one row a reading.

use plume_schemas::decimal::Decimal;
use plume_schemas::dedupe::Seen;
use plume_schemas::ids::EnterpriseId;
use plume_schemas::reading::{Reading, Value};
use plume_schemas::report::Report;

use super::{Cell, Column, Form, Rows, Spec};

/// Where the columns lie that merging looks at.
pub(crate) const REVISION: &str = "revision";

/// What a person wants to see first.
pub(crate) const BRIEF: &[&str] = &[
    "kind",
    "outlet",
    "factor",
    "statistic",
    "basis",
    "measured_at",
    "value",
    "flag",
];

pub(crate) const SPEC: Spec = Spec {
    name: "readings",
    columns: &[
        Column::new(
            "factor",
            Form::Word,
            "污染物或参数编码（HJ 212-2017）",
            "factor code (HJ 212-2017)",
        ),
        Column::new("outlet", Form::Word, "排放口", "outlet"),
        Column::new("enterprise", Form::Word, "排污单位", "enterprise").or_null(),
        Column::new("mn", Form::Word, "设备唯一标识 MN", "device (MN)"),
        Column::new(
            "statistic",
            Form::Word,
            "统计量：rtd 实时、avg 均值、min、max、cou 累计",
            "which number: rtd, avg, min, max, cou…",
        ),
        Column::new(
            "basis",
            Form::Word,
            "基准：standard 标干、corrected 折算、raw 工况",
            "basis: standard, corrected, raw",
        ),
        Column::new(
            "measured_at",
            Form::Time,
            "数据时间（时段起点，北京时间）",
            "time of measuring, start of the period, Beijing time",
        ),
        Column::new(
            "value",
            Form::Value,
            "数值，与上报一致；单位见因子",
            "value as typed by the device, in the factor's unit",
        )
        .or_null(),
        Column::new(
            "decimals",
            Form::Small,
            "上报的小数位数",
            "digits typed behind the point",
        )
        .or_null(),
        Column::new(
            "text",
            Form::Text,
            "无法用 value 准确表示的原文",
            "the text where `value` cannot show it exactly",
        )
        .or_mostly_null(),
        Column::new("flag", Form::Word, "数据标记，N 为正常", "data flag, N is normal"),
        Column::new(
            "maker_flag",
            Form::Word,
            "厂家标记 EFlag 或未知标记原文",
            "the maker's own flag",
        )
        .or_mostly_null(),
        Column::new(
            REVISION,
            Form::Small,
            "修订号，0 为首次；同一数据取最大者",
            "0 first, then counting corrections; the largest stands",
        )
        .or_null(),
        Column::new(
            "backfill",
            Form::Bool,
            "设备声明为补传",
            "the device says it sends again",
        ),
        Column::new(
            "packet",
            Form::Count,
            "该排放口的第几个数据包（见 packets）",
            "number of the outlet's packet, as in `packets`",
        ),
    ],
    key: &["factor", "outlet", "statistic", "basis", "measured_at", "packet"],
    latest: 0,
    bloom: &[],
};

/// The readings of a report that are new, one row each.
pub(crate) fn push(
    rows: &mut Rows,
    report: &Report,
    enterprise: Option<EnterpriseId>,
    packet: u64,
    seen: &[Option<Seen>],
) -> u64 {
    let mut pushed = 0;
    for (reading, seen) in report.readings.iter().zip(seen) {
        let revision = match *seen {
            Some(Seen::Identical) => continue,
            Some(Seen::New) => Cell::Int(0),
            Some(Seen::Revised(number)) => Cell::int(number),
            None => Cell::Null,
        };
        let Typed { value, decimals, text } = Typed::of(reading);
        rows.push([
            Cell::Text(reading.factor.as_str()),
            Cell::Text(report.outlet.as_str()),
            Cell::text(enterprise.as_ref().map(EnterpriseId::as_str)),
            Cell::Text(report.origin.mn.as_str()),
            Cell::Text(reading.statistic.code()),
            Cell::Text(reading.basis.code()),
            Cell::Time(report.times.measured_at),
            Cell::number(value),
            decimals.map_or(Cell::Null, |decimals| Cell::Int(i64::from(decimals))),
            Cell::text(text.as_deref()),
            Cell::Text(reading.flag.code()),
            Cell::filled(reading.maker_flag.as_str()),
            revision,
            Cell::Bool(report.backfill),
            Cell::int(packet),
        ]);
        pushed += 1;
    }
    pushed
}

/// A value as it is stored: together the three say exactly what the device typed.
#[derive(Debug, PartialEq)]
pub(crate) struct Typed {
    /// The nearest double.
    pub(crate) value: Option<f64>,
    /// Digits behind the point.
    pub(crate) decimals: Option<u8>,
    /// What was typed, where printing `value` with `decimals` digits does not give it back.
    pub(crate) text: Option<String>,
}

/// A double shows any decimal of fifteen digits again.
const SURELY_SHOWN: u64 = 1_000_000_000_000_000;
/// Powers of ten, which up to here are doubles themselves.
const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

impl Typed {
    fn of(reading: &Reading) -> Self {
        match reading.value {
            Value::Decimal(decimal) => Self::of_decimal(decimal),
            Value::Float(value) if value.is_finite() => Self {
                value: Some(value),
                decimals: None,
                text: None,
            },
            Value::Float(value) => Self {
                value: None,
                decimals: None,
                text: Some(value.to_string()),
            },
            Value::Text(text) => Self {
                value: None,
                decimals: None,
                text: Some(text.as_str().to_owned()),
            },
            Value::Empty => Self {
                value: None,
                decimals: None,
                text: None,
            },
        }
    }

    fn of_decimal(decimal: Decimal) -> Self {
        if decimal.mantissa.unsigned_abs() < SURELY_SHOWN
            && let Some(power) = POWERS_OF_TEN.get(usize::from(decimal.scale))
        {
            // Both are exact, so the quotient is rounded once: it is the nearest double.
            return Self {
                value: Some(decimal.mantissa as f64 / power),
                decimals: Some(decimal.scale),
                text: None,
            };
        }
        let text = decimal.to_string();
        // Through the text, which rounds once; dividing the mantissa would round twice from 2^53 on.
        let value = text.parse().unwrap_or_else(|_| decimal.to_f64());
        let shown = show(value, decimal.scale);
        Self {
            value: Some(value),
            decimals: Some(decimal.scale),
            text: (shown != text).then_some(text),
        }
    }
}

/// The whole number that a value typed with so many digits is made of; `None` where only its text says it.
#[expect(clippy::cast_possible_truncation, reason = "fewer than sixteen digits")]
pub(crate) fn mantissa_of(value: f64, decimals: u8) -> Option<i64> {
    // Off by two roundings at most, a quarter for the largest: the nearest whole number is what was typed.
    let whole = (value * POWERS_OF_TEN.get(usize::from(decimals))?).round();
    (whole.abs() < SURELY_SHOWN as f64).then_some(whole as i64)
}

/// A value with the digits that were typed.
pub(crate) fn show(value: f64, decimals: u8) -> String {
    format!("{value:.places$}", places = usize::from(decimals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(text: &str) -> Typed {
        Typed::of_decimal(Decimal::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_a_double_shows_needs_no_text() {
        let shown = typed("12.30");
        assert_eq!((shown.value, shown.decimals, shown.text), (Some(12.3), Some(2), None));
        assert_eq!(typed("2.90000009536743").text, None);
        assert_eq!(typed("0.0").text, None);
        let long = typed("9223372036854775807");
        assert_eq!(long.text.as_deref(), Some("9223372036854775807"));
        assert_eq!(
            typed("0.123456789012345678").text.as_deref(),
            Some("0.123456789012345678")
        );
    }

    proptest! {
        #[test]
        fn every_decimal_comes_back(mantissa: i64, scale in 0_u8..=18) {
            let decimal = Decimal { mantissa, scale };
            let Typed { value, decimals, text } = Typed::of_decimal(decimal);
            let back = text.unwrap_or_else(|| show(value.unwrap(), decimals.unwrap()));
            prop_assert_eq!(Decimal::parse(back.as_bytes()), Some(decimal));
        }

        #[test]
        fn fifteen_digits_never_need_text(
            mantissa in -999_999_999_999_999_i64..=999_999_999_999_999,
            scale in 0_u8..=18) {
            let decimal = Decimal { mantissa, scale };
            let typed = Typed::of_decimal(decimal);
            prop_assert_eq!(typed.text, None);
            let nearest: f64 = decimal.to_string().parse().unwrap();
            prop_assert_eq!(typed.value, Some(nearest));
            prop_assert!(scale > 15 || mantissa_of(nearest, scale) == Some(mantissa));
            prop_assert_eq!(show(nearest, scale), decimal.to_string());
        }
    }
}
