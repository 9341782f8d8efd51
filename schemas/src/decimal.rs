//! A number as the device wrote it (D9): exact, with its trailing zeros, never through a float.

use std::fmt;

/// `mantissa × 10^-scale`. `12.30` is (1230, 2): what was typed can be shown again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    /// All digits, signed.
    pub mantissa: i64,
    /// Digits behind the point, 0 to 18.
    pub scale: u8,
}

/// More digits than this behind the point do not fit the archive or a window sum.
pub const MAX_SCALE: u8 = 18;

impl Decimal {
    /// A decimal from its parts; `None` where `scale` is over 18.
    pub fn new(mantissa: i64, scale: u8) -> Option<Self> {
        (scale <= MAX_SCALE).then_some(Self { mantissa, scale })
    }

    /// Parses `[+-]digits[.digits]`, with any leading zeros (`000.4` is in the field) and a bare `.5` or `5.`; no
    /// exponent, no spaces. `None` for anything else, or where the digits do not fit an i64 or the scale is over 18.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (mut mantissa, mut scale, mut point, mut any) = (0_i64, 0_u8, false, false);
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    mantissa = mantissa.checked_mul(10)?.checked_sub(i64::from(byte - b'0'))?;
                    if point {
                        scale = scale.checked_add(1).filter(|&s| s <= MAX_SCALE)?;
                    }
                }
                b'.' if !point => point = true,
                _ => return None,
            }
        }
        // Built as a negative number, so that i64::MIN fits.
        any.then_some(())?;
        let mantissa = if negative { mantissa } else { mantissa.checked_neg()? };
        Some(Self { mantissa, scale })
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        if self.scale == 0 {
            return self.mantissa as f64;
        }
        self.mantissa as f64 / pow10_f64(self.scale)
    }

    /// The same number with `scale` digits behind the point; `None` if that would lose digits or overflow.
    pub fn rescale(self, scale: u8) -> Option<i64> {
        if scale >= self.scale {
            let factor = 10_i64.checked_pow(u32::from(scale - self.scale))?;
            return self.mantissa.checked_mul(factor);
        }
        let factor = 10_i64.checked_pow(u32::from(self.scale - scale))?;
        (self.mantissa % factor == 0).then(|| self.mantissa / factor)
    }

    /// Rounds a float to `scale` digits, half to even (HJ 212-2025 clause 8, by implementations). `None` where it
    /// does not fit.
    pub fn from_f64(value: f64, scale: u8) -> Option<Self> {
        if !value.is_finite() || scale > MAX_SCALE {
            return None;
        }
        let scaled = (value * pow10_f64(scale)).round_ties_even();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked against the range of i64 just here"
        )]
        (scaled.abs() < 9.2e18).then_some(Self {
            mantissa: scaled as i64,
            scale,
        })
    }

    /// Order by value: 1.5 equals 1.50 here (but not under `==`, which compares what was typed).
    pub fn compare(self, other: Self) -> std::cmp::Ordering {
        let wide = |d: Self, to: u8| i128::from(d.mantissa) * 10_i128.pow(u32::from(to - d.scale));
        let scale = self.scale.max(other.scale);
        wide(self, scale).cmp(&wide(other, scale))
    }
}

fn pow10_f64(scale: u8) -> f64 {
    const POWERS: [f64; 19] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    ];
    POWERS.get(usize::from(scale)).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return f.pad(&self.mantissa.to_string());
        }
        let width = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.mantissa.unsigned_abs(), width = width + 1);
        let (whole, fraction) = digits.split_at(digits.len() - width);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{whole}.{fraction}"))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Decimal {
    /// From a string (`"35.0"`, kept as typed) or a plain number.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Typed;
        impl serde::de::Visitor<'_> for Typed {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number such as 35 or \"35.0\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
                Decimal::parse(text.as_bytes()).ok_or_else(|| E::custom(format!("`{text}` is not a decimal number")))
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Decimal, E> {
                Ok(Decimal { mantissa: n, scale: 0 })
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Decimal, E> {
                i64::try_from(n)
                    .map(|mantissa| Decimal { mantissa, scale: 0 })
                    .map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Decimal, E> {
                self.visit_str(&n.to_string())
            }
        }
        deserializer.deserialize_any(Typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_what_the_device_typed() {
        for text in [
            "12.30",
            "0.4",
            "-0.05",
            "0",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::parse(b"000.4").unwrap().to_string(), "0.4");
        assert_eq!(Decimal::parse(b"-0.0").unwrap().to_string(), "0.0");
        for bad in [
            "",
            "-",
            ".",
            "1e5",
            "NaN",
            "--",
            "1.2.3",
            " 1",
            "9223372036854775808",
            "0.0000000000000000001",
        ] {
            assert_eq!(Decimal::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn compares_by_value() {
        let d = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        assert!(d("1.5").compare(d("1.50")).is_eq());
        assert!(d("35").compare(d("35.0001")).is_lt());
        assert_eq!(Decimal::from_f64(0.125, 2), Decimal::new(12, 2));
    }

    proptest! {
        #[test]
        fn prints_what_it_parses(mantissa: i64, scale in 0_u8..=18) {
            let decimal = Decimal { mantissa, scale };
            prop_assert_eq!(Decimal::parse(decimal.to_string().as_bytes()), Some(decimal));
        }
    }
}
