//! From when to when something in the registry is in force.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Civil, Span, Time};

/// `[valid_from, valid_to)`, either side open. Written as `2026-01-01` (midnight, Beijing) or `2026-01-01T12:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// First moment in force; always, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment")]
    pub valid_from: Option<Time>,
    /// First moment no longer in force; never, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment")]
    pub valid_to: Option<Time>,
}

impl Validity {
    /// True while in force.
    pub fn covers(&self, at: Time) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_to.is_none_or(|to| at < to)
    }

    /// True when any moment of `span` is in force.
    pub fn touches(&self, span: Span) -> bool {
        self.valid_from.is_none_or(|from| from < span.end) && self.valid_to.is_none_or(|to| span.start < to)
    }
}

/// Parses `2026-01-01`, `2026-01-01T12:30`, `2026-01-01T12:30:00` or with `.000` behind (with or without `+08:00`; a
/// space may stand for `T`): what people write, and what [`Time`] prints.
pub(crate) fn parse_moment(text: &str) -> Option<Time> {
    let text = text.trim();
    let text = text.strip_suffix("+08:00").unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let (clock, millisecond) = clock.split_once('.').unwrap_or((clock, "000"));
    let number = |digits: &str| {
        let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| all_digits)
    };
    let small = |digits: &str| number(digits).and_then(|n| u8::try_from(n).ok());
    let mut date = date.split('-');
    let mut clock = clock.split(':');
    let civil = Civil {
        year: i32::from(number(date.next()?)?),
        month: small(date.next()?)?,
        day: small(date.next()?)?,
        hour: small(clock.next()?)?,
        minute: small(clock.next()?)?,
        second: small(clock.next().unwrap_or("00"))?,
        millisecond: number(millisecond).filter(|_| millisecond.len() == 3)?,
    };
    if date.next().is_some() || clock.next().is_some() {
        return None;
    }
    Time::from_civil(civil)
}

/// Serde of a moment as text a person writes.
pub(crate) mod moment {
    use super::{Deserialize, Deserializer, Serializer, Time, parse_moment};

    #[expect(clippy::ref_option, reason = "serde's `with` asks for this signature")]
    pub(crate) fn serialize<S: Serializer>(at: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.collect_str(at),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_moment(&text).map(Some).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a moment; write 2026-01-01 or 2026-01-01T12:30"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_write_them() {
        let at = |text: &str| parse_moment(text).map(|at| at.to_string());
        assert_eq!(at("2026-01-01").as_deref(), Some("2026-01-01T00:00:00.000+08:00"));
        assert_eq!(at("2026-01-01T12:30"), at("2026-01-01 12:30:00"));
        assert_eq!(at("2026-01-01T12:30:00.000+08:00"), at("2026-01-01T12:30"));
        let printed = "2026-01-01T12:30:00.123+08:00";
        assert_eq!(at(printed).as_deref(), Some(printed));
        for bad in [
            "",
            "2026-13-01",
            "2026-01-01T25:00",
            "01/02/2026",
            "2026-01-01T12:30:00:00",
            "2026-+1-01",
            "2026-01-01T12:30:00.5",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn half_open() {
        let validity = Validity {
            valid_from: parse_moment("2026-01-01"),
            valid_to: parse_moment("2026-02-01"),
        };
        assert!(validity.covers(parse_moment("2026-01-01").unwrap()));
        assert!(!validity.covers(parse_moment("2026-02-01").unwrap()));
    }
}
