//! Numbers and stamps in ASCII digits, eight at a time in one machine word, without floats.
//!
//! A word holds eight characters, the first in its lowest byte. Turned over with `0`, a digit is its own value and
//! every other character is more than nine, so one addition tells which bytes are digits, and three multiplications
//! add up all eight of them.

use plume_schemas::decimal::Decimal;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};

/// Eight times `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// Characters in a word.
const WORD: usize = 8;

/// Eight characters from `at`, each turned over with `0`; what lies behind the end is no digit.
#[inline]
fn word(text: &[u8], at: usize) -> u64 {
    if let Some(eight) = text.get(at..).and_then(|behind| behind.first_chunk::<WORD>()) {
        return u64::from_le_bytes(*eight) ^ ZEROS;
    }
    near_end(text, at) ^ ZEROS
}

/// The last characters of the text from `at` on, fewer than eight.
#[cold]
fn near_end(text: &[u8], at: usize) -> u64 {
    let behind = text.get(at..).unwrap_or_default();
    behind.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The high bit of each byte of the word that is no digit.
#[inline]
fn others(word: u64) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    (((word & LOW) + 0x7676_7676_7676_7676) | word) & !LOW
}

/// How many bytes of the word are digits before the first that is none.
#[inline]
fn run(word: u64) -> usize {
    (others(word).trailing_zeros() / 8) as usize
}

/// The number its first `count` digits make, 1 to 8 of them.
#[inline]
fn value(word: u64, count: usize) -> i64 {
    const PAIRS: u64 = 0x0000_00FF_0000_00FF;
    // Shifted up, zeros stand before them.
    let eight = word << (64 - 8 * count);
    let pairs = eight.wrapping_mul(10).wrapping_add(eight >> 8);
    let high = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let low = (pairs >> 16 & PAIRS).wrapping_mul(1 + (10_000 << 32));
    i64::from((high.wrapping_add(low) >> 32) as u32)
}

/// The number that stands at `at`, as [`Decimal::parse`] reads it, and where it ends. What follows it is for the caller
/// to look at. `None` where none stands there, or where it does not fit.
#[inline]
pub(super) fn decimal(text: &[u8], at: usize) -> Option<(Decimal, usize)> {
    const MINUS: u64 = (b'-' ^ b'0') as u64;
    const PLUS: u64 = (b'+' ^ b'0') as u64;
    let first = word(text, at);
    match first & 0xFF {
        MINUS => {
            let (Decimal { mantissa, scale }, end) = plain_decimal(text, at + 1, word(text, at + 1))?;
            let mantissa = -mantissa;
            Some((Decimal { mantissa, scale }, end))
        }
        PLUS => plain_decimal(text, at + 1, word(text, at + 1)),
        _ => plain_decimal(text, at, first),
    }
}

/// A number without a sign, of which this is the first word.
#[inline]
fn plain_decimal(text: &[u8], at: usize, word: u64) -> Option<(Decimal, usize)> {
    const POINT: u64 = (b'.' ^ b'0') as u64;
    let others = others(word);
    if others == 0 {
        return long_decimal(text, at);
    }
    let whole = others.trailing_zeros() & !7;
    if word >> whole & 0xFF != POINT {
        let count = (whole / 8) as usize;
        let mantissa = (count > 0).then(|| value(word, count))?;
        return Some((Decimal { mantissa, scale: 0 }, at + count));
    }
    // Where the number ends: at the next byte that is no digit.
    let rest = others & others.wrapping_sub(1);
    if rest == 0 {
        return long_decimal(text, at);
    }
    let end = rest.trailing_zeros() / 8;
    // The digits behind the point move up to those before it.
    let below = (1 << whole) - 1;
    let mantissa = (end > 1).then(|| value(word & below | word >> 8 & !below, end as usize - 1))?;
    let scale = u8::try_from(end - 1 - whole / 8).ok()?;
    Some((Decimal { mantissa, scale }, at + end as usize))
}

/// A number of eight characters or more, without a sign.
fn long_decimal(text: &[u8], at: usize) -> Option<(Decimal, usize)> {
    let part = |b: &u8| b.is_ascii_digit() || *b == b'.';
    let behind = text.get(at..)?;
    let length = behind.iter().position(|b| !part(b)).unwrap_or(behind.len());
    Some((Decimal::parse(behind.get(..length)?)?, at + length))
}

/// Reads stamps of a second or a millisecond one after the other. Most are of the day of the one before, so the
/// calendar is asked once a day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    day: u64,
    midnight: Time,
}

impl Stamps {
    /// The moment of 14 or 17 digits, as [`Time::parse_stamp`] has it; nothing for other lengths.
    #[inline]
    pub(super) fn read(&mut self, digits: &[u8]) -> Option<Time> {
        if !matches!(digits.len(), 14 | 17) {
            return None;
        }
        let day = word(digits, 0);
        if day != self.day || day == 0 {
            self.midnight = Time::parse_stamp(digits.get(..WORD)?)?;
            self.day = day;
        }
        // The last two digits of the day, then hour, minute and second.
        let clock = word(digits, 6);
        if run(clock) != WORD {
            return None;
        }
        let [_, _, hour, _, minute, _, second, _] = clock.wrapping_mul(10).wrapping_add(clock >> 8).to_le_bytes();
        let milliseconds = match digits.get(14..)? {
            [] => 0,
            rest if rest.iter().all(u8::is_ascii_digit) => rest.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')),
            _ => return None,
        };
        let real = hour < 24 && minute < 60 && second < 60;
        let of_day = i64::from(hour) * HOUR_MS + i64::from(minute) * MINUTE_MS + i64::from(second) * SECOND_MS;
        real.then(|| self.midnight.plus(of_day + milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_what_follows_them() {
        let parse = |text: &str| decimal(text.as_bytes(), 0).map(|(number, end)| (number.to_string(), end));
        let is = |number: &str, end| Some((number.to_owned(), end));
        assert_eq!(parse("22.95,a21026-Flag=N"), is("22.95", 5));
        assert_eq!(parse("-0.088;"), is("-0.088", 6));
        assert_eq!(parse("1234567.1234567"), is("1234567.1234567", 15));
        assert_eq!(parse("123456789012.5;"), is("123456789012.5", 14));
        assert_eq!(parse("000.4"), is("0.4", 5));
        assert_eq!(parse(".5"), is("0.5", 2));
        assert_eq!(parse("5."), is("5", 2));
        assert_eq!(parse("+1"), is("1", 2));
        assert_eq!(parse("1.2.3"), is("1.2", 3));
        assert_eq!(
            decimal(b"a=1.5", 2).map(|(number, end)| (number.to_string(), end)),
            is("1.5", 5)
        );
        for none in ["", "-", ".", "--", "-.", "N", "99999999999999999999", "--123456789"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn as_decimal_parse(text in "[+-]?[0-9]{0,20}[.]?[0-9]{0,20}", tail in "([;,N ].{0,9})?") {
            let line = format!("{text}{tail}");
            let whole = decimal(line.as_bytes(), 0).filter(|(_, end)| *end == text.len());
            prop_assert_eq!(whole.map(|(number, _)| number), Decimal::parse(text.as_bytes()), "{}", line);
        }

        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..24)) {
            for at in 0..text.len() {
                if let Some((number, end)) = decimal(&text, at) {
                    prop_assert_eq!(Some(number), Decimal::parse(&text[at..end]));
                }
            }
        }

        #[test]
        fn as_parse_stamp(stamps in proptest::collection::vec(
            prop_oneof!["20260[1-3][0-3][0-9][0-2][0-9][0-5][0-9][0-6][0-9]([0-9]{3})?", "[0-9]{13,18}", ".{14}"],
            1..6,
        )) {
            let mut reader = Stamps::default();
            for stamp in stamps {
                let expected = Time::parse_stamp(stamp.as_bytes()).filter(|_| matches!(stamp.len(), 14 | 17));
                prop_assert_eq!(reader.read(stamp.as_bytes()), expected, "{}", stamp);
            }
        }
    }
}
