//! From when to when something in the registry is in force.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Civil, Span, Time};

/// `[valid_from, valid_to)`, either side open. Written as `2026-01-01` (midnight, Beijing) or `2026-01-01T12:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// Parses `2026-01-01`, `2026-01-01T12:30` or `2026-01-01T12:30:00` (with or without `+08:00`; a space may stand for `T`).
pub(crate) fn parse_moment(text: &str) -> Option<Time> {
    let text = text.trim().strip_suffix("+08:00").unwrap_or(text.trim());
    let text = text.strip_suffix(".000").unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut date = date.split('-');
    let mut clock = clock.split(':');
    let mut next = |part: Option<&str>| part.and_then(|digits| digits.parse::<u16>().ok());
    let (year, month, day) = (next(date.next())?, next(date.next())?, next(date.next())?);
    let (hour, minute) = (next(clock.next())?, next(clock.next())?);
    let second = match clock.next() {
        Some(digits) => next(Some(digits))?,
        None => 0,
    };
    if date.next().is_some() || clock.next().is_some() {
        return None;
    }
    Time::from_civil(Civil {
        year: i32::from(year),
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        hour: u8::try_from(hour).ok()?,
        minute: u8::try_from(minute).ok()?,
        second: u8::try_from(second).ok()?,
        millisecond: 0,
    })
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
        for bad in [
            "",
            "2026-13-01",
            "2026-01-01T25:00",
            "01/02/2026",
            "2026-01-01T12:30:00:00",
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
