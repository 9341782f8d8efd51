//! Numbers and times as people read them.

use plume_schemas::judgement::{FactKey, FactValue, Judgement};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use crate::desk::text::Texts;

/// Most digits behind the point.
const MOST_DIGITS: usize = 4;

/// Digits that a number compared with the limit is shown to: one more than the limit is written with, as in the
/// sentences.
pub(crate) fn digits(judgement: &Judgement) -> usize {
    match judgement.fact(FactKey::Limit) {
        Some(FactValue::Decimal(limit)) => (usize::from(limit.scale) + 1).min(MOST_DIGITS),
        _ => 2,
    }
}

/// A mean compared with the limit: where rounding would hide that it is above, more digits are shown.
pub(crate) fn compared(judgement: &Judgement, key: FactKey) -> Option<String> {
    let value = judgement.number(key).filter(|value| value.is_finite())?;
    let limit = judgement.number(FactKey::Limit).unwrap_or(f64::INFINITY);
    let least = digits(judgement);
    let hidden = |text: &String| value > limit && text.parse::<f64>().is_ok_and(|shown| shown <= limit);
    let shown = (least..=MOST_DIGITS).map(|digits| format!("{value:.digits$}"));
    let mut longest = None;
    for text in shown {
        if !hidden(&text) {
            return Some(text);
        }
        longest = Some(text);
    }
    longest
}

/// What the rest may average, rounded down: what is promised to be enough must be enough. Nothing where even zero is
/// too much.
pub(crate) fn headroom(judgement: &Judgement) -> Option<String> {
    let value = judgement
        .number(FactKey::Headroom)
        .filter(|value| value.is_finite() && *value > 0.0)?;
    let digits = digits(judgement);
    let step = 10_f64.powi(i32::try_from(digits).unwrap_or_default());
    Some(fixed((value * step + 1e-6).floor() / step, digits))
}

/// A float with that many digits; a minus that rounds to nothing is dropped.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A fact as shown: a device's or registry's decimal as typed (a computed one is longer and cut), a float to `digits`.
pub(crate) fn shown(value: FactValue, digits: usize) -> String {
    match value {
        FactValue::Decimal(decimal) if usize::from(decimal.scale) > MOST_DIGITS => fixed(decimal.to_f64(), MOST_DIGITS),
        FactValue::Decimal(decimal) => decimal.to_string().replace('-', "−"),
        FactValue::Float(value) => fixed(value, digits),
        FactValue::Int(value) => value.to_string().replace('-', "−"),
        FactValue::Time(at) => stamp(at),
        FactValue::Text(text) => text.as_str().to_owned(),
    }
}

/// A fact of a judgement, as shown to the digits of its limit.
pub(crate) fn fact(judgement: &Judgement, key: FactKey) -> Option<String> {
    judgement.fact(key).map(|value| shown(value, digits(judgement)))
}

/// `2026-11-21 14:42`.
pub(crate) fn stamp(at: Time) -> String {
    format!("{} {}", at.date(), at.hour_minute())
}

/// `14:42` on the same Beijing day, `11-20 14:42` in the same year, else the whole date.
pub(crate) fn when(at: Time, now: Time) -> String {
    let (then, today) = (at.civil(), now.civil());
    if at.beijing_day() == now.beijing_day() {
        at.hour_minute()
    } else if then.year == today.year {
        format!("{:02}-{:02} {}", then.month, then.day, at.hour_minute())
    } else {
        stamp(at)
    }
}

/// `14:00—15:00`, with the date in front where it is not today; a day is its date.
pub(crate) fn window(span: plume_schemas::time::Span, now: Time) -> String {
    if span.end.since(span.start) >= DAY_MS {
        return span.start.date();
    }
    let end = if span.end == span.start.floor(DAY_MS).plus(DAY_MS) {
        "24:00".to_owned()
    } else {
        span.end.hour_minute()
    };
    format!("{}—{end}", when(span.start, now))
}

/// A length of time in the unit a person would use: minutes to two hours, hours to two days, then days. Rounded down.
pub(crate) fn lasting(ms: i64, t: &Texts) -> (String, &'static str) {
    let ms = ms.max(0);
    if ms < 2 * HOUR_MS {
        ((ms / MINUTE_MS).to_string(), t.minutes)
    } else if ms < 2 * DAY_MS {
        ((ms / HOUR_MS).to_string(), t.hours)
    } else {
        ((ms / DAY_MS).to_string(), t.days)
    }
}

/// [`lasting`] in one text.
pub(crate) fn lasting_text(ms: i64, t: &Texts) -> String {
    let (number, unit) = lasting(ms, t);
    format!("{number} {unit}")
}

/// Per cent of a probability, never 0 or 100 where it is neither.
pub(crate) fn percent(probability: f64) -> String {
    let percent = (probability * 100.0).clamp(0.0, 100.0);
    if percent > 0.0 && percent < 1.0 {
        "<1".into()
    } else if percent > 99.0 && percent < 100.0 {
        ">99".into()
    } else {
        format!("{percent:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::text::Speaks;
    use crate::words::Lang;
    use plume_schemas::time::Span;

    fn at(stamp: &[u8]) -> Time {
        Time::parse_stamp(stamp).unwrap()
    }

    #[test]
    fn numbers_keep_what_says_something() {
        assert_eq!(fixed(37.249, 1), "37.2");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!(fixed(-1.25, 2), "−1.25");
        assert_eq!(
            (percent(0.004), percent(0.998), percent(1.0)),
            ("<1".into(), ">99".into(), "100".into())
        );
    }

    #[test]
    fn times_say_only_what_is_not_known() {
        let now = at(b"20261121144200");
        assert_eq!(when(at(b"20261121140000"), now), "14:00");
        assert_eq!(when(at(b"20261120140000"), now), "11-20 14:00");
        assert_eq!(when(at(b"20251120140000"), now), "2025-11-20 14:00");
        let hour = |start| Span {
            start,
            end: start.plus(HOUR_MS),
        };
        assert_eq!(window(hour(at(b"20261121140000")), now), "14:00—15:00");
        assert_eq!(window(hour(at(b"20261120230000")), now), "11-20 23:00—24:00");
        let day = Span {
            start: at(b"20261120"),
            end: at(b"20261121"),
        };
        assert_eq!(window(day, now), "2026-11-20");
    }

    #[test]
    fn lengths_use_the_unit_a_person_would() {
        let t = Lang::Zh.texts();
        assert_eq!(lasting_text(119 * MINUTE_MS, t), "119 分钟");
        assert_eq!(lasting_text(120 * MINUTE_MS, t), "2 小时");
        assert_eq!(lasting_text(49 * HOUR_MS, t), "2 天");
        assert_eq!(lasting_text(-5, t), "0 分钟");
    }
}
