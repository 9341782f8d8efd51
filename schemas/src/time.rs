//! Time on the wire and in windows: milliseconds since 1970 UTC, shown in Beijing time (fixed +08:00, no daylight
//! saving).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Milliseconds of one second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds of one minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds of one hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds of one day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Beijing is this far ahead of UTC, always.
const BEIJING_MS: i64 = 8 * HOUR_MS;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// A moment taken apart in Beijing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, e.g. 2026.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
    /// Millisecond, 0 to 999.
    pub millisecond: u16,
}

impl Time {
    /// Parses the protocol's stamps (HJ 212-2017 6.3.4): 8 digits (a day), 10 (an hour), 12 (a minute), 14 (a second)
    /// or 17 (a millisecond), Beijing time. Anything else, an impossible date included, is `None`.
    pub fn parse_stamp(digits: &[u8]) -> Option<Self> {
        if !matches!(digits.len(), 8 | 10 | 12 | 14 | 17) || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let field = |from: usize, to: usize| {
            digits
                .get(from..to)
                .map_or(0, |part| part.iter().fold(0_u16, |n, b| n * 10 + u16::from(b - b'0')))
        };
        let small = |from, to| u8::try_from(field(from, to)).unwrap_or(u8::MAX);
        Self::from_civil(Civil {
            year: i32::from(field(0, 4)),
            month: small(4, 6),
            day: small(6, 8),
            hour: small(8, 10),
            minute: small(10, 12),
            second: small(12, 14),
            millisecond: field(14, 17),
        })
    }

    /// The first moment of a Beijing month, or `None` where there is no such month.
    pub fn first_of_month(year: i32, month: u8) -> Option<Self> {
        Self::from_civil(Civil {
            year,
            month,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            millisecond: 0,
        })
    }

    /// The moment of a Beijing calendar time, or `None` where there is no such time.
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            millisecond,
        } = civil;
        if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 || millisecond > 999 {
            return None;
        }
        let of_day = i64::from(hour) * HOUR_MS
            + i64::from(minute) * MINUTE_MS
            + i64::from(second) * SECOND_MS
            + i64::from(millisecond);
        Some(Self(days_from_civil(year, month, day) * DAY_MS + of_day - BEIJING_MS))
    }

    /// The moment taken apart in Beijing time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each field is reduced by its modulus"
    )]
    pub fn civil(self) -> Civil {
        let local = self.0 + BEIJING_MS;
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_MS));
        let of_day = local.rem_euclid(DAY_MS);
        Civil {
            year,
            month,
            day,
            hour: (of_day / HOUR_MS) as u8,
            minute: (of_day / MINUTE_MS % 60) as u8,
            second: (of_day / SECOND_MS % 60) as u8,
            millisecond: (of_day % SECOND_MS) as u16,
        }
    }

    /// Start of the Beijing minute, hour or day this moment lies in, for a `step_ms` that divides a day.
    #[must_use]
    pub fn floor(self, step_ms: i64) -> Self {
        let local = self.0 + BEIJING_MS;
        Self(local - local.rem_euclid(step_ms) - BEIJING_MS)
    }

    /// This moment and `ms` more (or less).
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative if it is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Hour of the Beijing day, 0 to 23.
    pub fn hour_of_day(self) -> u8 {
        self.civil().hour
    }

    /// Days since 1970-01-01 of the Beijing date: the number of an archive partition.
    pub fn beijing_day(self) -> i64 {
        (self.0 + BEIJING_MS).div_euclid(DAY_MS)
    }

    /// `yyyyMMddHHmmss`, as DataTime.
    pub fn stamp14(self) -> String {
        let c = self.civil();
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        )
    }

    /// `yyyyMMddHHmmssSSS`, as QN.
    pub fn stamp17(self) -> String {
        format!("{}{:03}", self.stamp14(), self.civil().millisecond)
    }

    /// `yyyy-MM-dd`, Beijing.
    pub fn date(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}", c.year, c.month, c.day)
    }

    /// `HH:mm`, Beijing.
    pub fn hour_minute(self) -> String {
        let c = self.civil();
        format!("{:02}:{:02}", c.hour, c.minute)
    }
}

impl fmt::Display for Time {
    /// `2026-11-21T14:42:00.000+08:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+08:00",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
        )
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A half-open span of time, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// First moment inside.
    pub start: Time,
    /// First moment outside.
    pub end: Time,
}

impl Span {
    /// The hour that contains `at`.
    pub fn hour_of(at: Time) -> Self {
        let start = at.floor(HOUR_MS);
        Self {
            start,
            end: start.plus(HOUR_MS),
        }
    }

    /// True for `start <= at < end`.
    pub fn contains(&self, at: Time) -> bool {
        self.start <= at && at < self.end
    }
}

/// Where "now" comes from: an argument of everything that needs it, made in `deploy` alone (D3).
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Time + Send + Sync>);

impl Clock {
    /// A clock from a function: the system's, a virtual one, or a test's.
    pub fn new(now: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The moment it is.
    pub fn now(&self) -> Time {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by the calendar"
)]
fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8;
    let month = ((month_from_march + 2) % 12 + 1) as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month, day)
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stamps_of_the_standard() {
        let hour = Time::parse_stamp(b"20160801080000").unwrap();
        assert_eq!(hour.to_string(), "2016-08-01T08:00:00.000+08:00");
        assert_eq!(hour, hour.floor(HOUR_MS));
        assert_eq!(
            Time::parse_stamp(b"20240601085857223").unwrap().stamp17(),
            "20240601085857223"
        );
        for bad in [
            "",
            "2016",
            "20160230000000",
            "20161301000000",
            "20160801250000",
            "2016080108000x",
            "99999999999999",
        ] {
            assert_eq!(Time::parse_stamp(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn calendar_agrees_with_a_kept_library(ms in -2_208_988_800_000_i64..7_258_118_400_000) {
            let ours = Time(ms).civil();
            let beijing = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
            let theirs = jiff::Timestamp::from_millisecond(ms).unwrap().to_zoned(beijing);
            prop_assert_eq!(i32::from(theirs.year()), ours.year);
            prop_assert_eq!(theirs.month(), i8::try_from(ours.month).unwrap());
            prop_assert_eq!(theirs.day(), i8::try_from(ours.day).unwrap());
            prop_assert_eq!(theirs.hour(), i8::try_from(ours.hour).unwrap());
            prop_assert_eq!(theirs.millisecond(), i16::try_from(ours.millisecond).unwrap());
            prop_assert_eq!(Time::from_civil(ours), Some(Time(ms)));
        }
    }
}
