//! Values inside windows: whole millionths in an `i64`, so that sums are exact and order never matters (D9).

use plume_schemas::decimal::Decimal;
use plume_schemas::reading::Value;

/// Digits behind the point that windows keep. A device's further digits are rounded half to even before anything is
/// summed.
pub(crate) const SCALE: u8 = 6;
/// One, in millionths.
pub(crate) const ONE: i64 = 1_000_000;
/// Greatest absolute value that counts, 10^9 in the factor's unit: a day of such minutes still fits an `i64` sum, and
/// no factor of a stack comes near it.
pub(crate) const MAX_ABS: i64 = 1_000_000_000 * ONE;

/// `10^n` for small `n`.
pub(crate) const fn pow10(n: u8) -> i64 {
    let (mut power, mut left) = (1_i64, n);
    while left > 0 && power < 1_000_000_000_000_000_000 {
        power *= 10;
        left -= 1;
    }
    power
}

/// A device's value in millionths; `None` where there is no number, or one beyond [`MAX_ABS`].
pub(crate) fn from_value(value: Value) -> Option<i64> {
    match value {
        Value::Decimal(decimal) => from_decimal(decimal),
        Value::Float(float) => from_decimal(Decimal::from_f64(float, SCALE)?),
        Value::Text(_) | Value::Empty => None,
    }
}

/// A decimal in millionths, rounded half to even.
pub(crate) fn from_decimal(decimal: Decimal) -> Option<i64> {
    let wide = i128::from(decimal.mantissa);
    let millionths = match decimal.scale.checked_sub(SCALE) {
        None => wide * i128::from(pow10(SCALE - decimal.scale)),
        Some(excess) => divide(wide, i128::from(pow10(excess))),
    };
    i64::try_from(millionths).ok().filter(|n| n.abs() <= MAX_ABS)
}

/// Millionths as a decimal without needless zeros.
pub(crate) fn to_decimal(millionths: i64) -> Decimal {
    let (mut mantissa, mut scale) = (millionths, SCALE);
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal { mantissa, scale }
}

/// A float in millionths; `None` where it is no number or beyond [`MAX_ABS`].
pub(crate) fn from_f64(value: f64) -> Option<i64> {
    from_decimal(Decimal::from_f64(value, SCALE)?)
}

/// Millionths as a float, for charts and probabilities only.
pub(crate) fn to_f64(millionths: i64) -> f64 {
    millionths as f64 / ONE as f64
}

/// `numerator / denominator` rounded half to even; 0 where the denominator is 0.
pub(crate) fn divide(numerator: i128, denominator: i128) -> i128 {
    if denominator == 0 {
        return 0;
    }
    let (quotient, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    match (2 * rest).cmp(&denominator.abs()) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + denominator.signum(),
        std::cmp::Ordering::Equal => quotient + (quotient & 1) * denominator.signum(),
    }
}

/// Exact sum of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    /// How many.
    pub(crate) n: u32,
    /// Their sum, millionths.
    pub(crate) sum: i64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: i64) {
        self.n += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// The mean, rounded half to even to a millionth; 0 of nothing.
    pub(crate) fn mean(self) -> i64 {
        i64::try_from(divide(i128::from(self.sum), i128::from(self.n))).unwrap_or(i64::MAX)
    }

    /// True when the exact mean is strictly greater than `limit`.
    pub(crate) fn exceeds(self, limit: i64) -> bool {
        i128::from(self.sum) > i128::from(limit) * i128::from(self.n)
    }

    /// True when the mean, rounded half to even to `digits` behind the point, is strictly greater than `limit`.
    pub(crate) fn exceeds_rounded(self, limit: i64, digits: u8) -> bool {
        let step = i128::from(pow10(SCALE - digits.min(SCALE)));
        divide(i128::from(self.sum), i128::from(self.n) * step) * step > i128::from(limit)
    }
}

/// `c × (21 − reference) / (21 − oxygen)`, all in millionths, HJ 212-2017 D.2 (28). `None` at or above 21 %, where the
/// formula has no meaning, and where the result is absurd.
pub(crate) fn corrected(c: i64, oxygen: i64, reference: i64) -> Option<i64> {
    let below_air = 21 * i128::from(ONE) - i128::from(oxygen);
    if below_air <= 0 {
        return None;
    }
    let result = divide(
        i128::from(c) * (21 * i128::from(ONE) - i128::from(reference)),
        below_air,
    );
    i64::try_from(result).ok().filter(|n| n.abs() <= MAX_ABS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> i64 {
        from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn rounds_half_to_even() {
        assert_eq!(
            [divide(5, 2), divide(7, 2), divide(-5, 2), divide(-7, 2)],
            [2, 4, -2, -4]
        );
        assert_eq!([divide(8, 3), divide(-8, 3), divide(1, 0)], [3, -3, 0]);
        assert_eq!(d("12.3050000005"), d("12.305"));
        assert_eq!(
            from_decimal(Decimal {
                mantissa: i64::MAX,
                scale: 0
            }),
            None
        );
    }

    #[test]
    fn a_mean_exceeds_only_when_strictly_greater() {
        let mut sum = Sum::default();
        for value in ["35.0", "35.1", "34.9"] {
            sum.add(d(value));
        }
        assert!(!sum.exceeds(d("35")));
        sum.add(d("35.000001"));
        assert!(sum.exceeds(d("35")) && !sum.exceeds_rounded(d("35"), 0));
        let half = Sum { n: 2, sum: d("71") };
        assert!(
            half.exceeds_rounded(d("35"), 0) && !half.exceeds_rounded(d("35.5"), 1),
            "35.5 is 36 without digits"
        );
        assert_eq!(to_decimal(sum.mean()).to_string(), "35");
    }

    /// The worked cases of the correction formula.
    #[test]
    fn corrects_to_the_reference_oxygen() {
        let c = |c: &str, o2: &str| corrected(d(c), d(o2), d("6")).map(|n| to_decimal(n).to_string());
        assert_eq!(c("30", "9").as_deref(), Some("37.5"));
        assert_eq!(c("35", "6").as_deref(), Some("35"));
        assert_eq!(c("35", "6.0001").as_deref(), Some("35.000233"));
        assert_eq!(c("20", "21"), None);
        assert_eq!(c("20", "21.3"), None);
    }
}
