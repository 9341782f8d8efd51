//! Theil–Sen (Sen 1968): the slope of checks that nothing was adjusted between, and how many days they leave until a
//! limit. Arithmetic that anybody can follow: the median of the slopes of all pairs.

/// Checks looked at: a month of daily ones, 435 pairs.
pub const MAX_POINTS: usize = 30;
const MAX_PAIRS: usize = MAX_POINTS * (MAX_POINTS - 1) / 2;
/// Fewest checks that say anything.
pub const MIN_POINTS: usize = 5;
/// Both ends of the slope's 95 % interval must have its sign.
const CONFIDENCE_SD: f64 = 1.96;

/// One check: when, in days, and how far from its reference (a drift, or the sum of all corrections so far and the
/// drift).
pub type Point = (f64, f64);

/// A robust line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Median slope, units per day.
    pub per_day: f64,
    /// The 95 % interval of the slope, by Kendall's variance.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The line's value at the last check, units.
    pub now: f64,
}

/// When a limit will be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DaysLeft {
    /// Passed already.
    Passed,
    /// In so many days, if it goes on as it did.
    Days(f64),
    /// Not decided: too few checks, or no slope that differs from none.
    Undetermined,
}

/// The median of sorted values.
pub(super) fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(half.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

/// Ranks (from 0) of the ends of the slope's interval among `pairs` slopes of `points` points.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank among at most 435 pairs"
)]
fn ranks(points: usize, pairs: usize) -> (usize, usize) {
    let n = points as f64;
    let spread = CONFIDENCE_SD * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let low = ((pairs as f64 - spread) / 2.0).max(1.0) as usize - 1;
    (low, pairs - 1 - low)
}

/// The line through the last [`MAX_POINTS`] checks. `None` with fewer than [`MIN_POINTS`], or all at one time.
pub fn theil_sen(points: &[Point]) -> Option<Slope> {
    let points = points.get(points.len().saturating_sub(MAX_POINTS)..)?;
    if points.len() < MIN_POINTS {
        return None;
    }
    let mut slopes = [0.0; MAX_PAIRS];
    let mut count = 0;
    for (at, &(day, value)) in points.iter().enumerate() {
        for &(later, next) in points.iter().skip(at + 1) {
            if let (true, Some(slot)) = (later > day, slopes.get_mut(count)) {
                *slot = (next - value) / (later - day);
                count += 1;
            }
        }
    }
    let slopes = slopes.get_mut(..count)?;
    slopes.sort_unstable_by(f64::total_cmp);
    let per_day = middle(slopes)?;
    let (low, high) = ranks(points.len(), count);
    let &(last, _) = points.last()?;
    let mut levels = [0.0; MAX_POINTS];
    let levels = levels.get_mut(..points.len())?;
    for (level, &(day, value)) in levels.iter_mut().zip(points) {
        *level = value + per_day * (last - day);
    }
    levels.sort_unstable_by(f64::total_cmp);
    Some(Slope {
        per_day,
        low: *slopes.get(low)?,
        high: *slopes.get(high)?,
        now: middle(levels)?,
    })
}

impl Slope {
    /// Days until the line passes `limit` (above 0) on either side.
    pub fn days_until(&self, limit: f64) -> DaysLeft {
        if self.now.abs() > limit {
            return DaysLeft::Passed;
        }
        if self.low <= 0.0 && self.high >= 0.0 {
            return DaysLeft::Undetermined;
        }
        let bound = if self.per_day > 0.0 { limit } else { -limit };
        DaysLeft::Days((bound - self.now) / self.per_day)
    }
}
