//! A straight drift that has just begun: the generalised likelihood ratio of a linear trend from zero (Fahmy and
//! Elsayed 2006, *Detection of linear trends in process mean*), over every start among the last checks.
//!
//! A slope through a month of checks sees a drift of five days as a month of quiet and five wild points. This asks
//! instead for which of the last checks a line that starts there, at the reference, explains what followed best. It
//! needs the standard deviation of a check, which the analyser's certification gives.

use super::slope::Point;

/// Checks that a line may span: a slower drift is for [`super::slope`] to find.
pub const MAX_CHECKS: usize = 10;
/// Fewest checks on the line: two noisy ones make none.
const MIN_CHECKS: usize = 2;
/// Limit of the likelihood ratio, standard deviations. By simulation (`plume score --drift`): with six points an outlet
/// (zero and span of three analysers), checked daily, and days left asked on top, fewer than one false alert in ten
/// outlet-months.
pub const LIMIT_SD: f64 = 3.6;

/// A step explains the checks so much better than the best line (difference of the squared statistics, twice the
/// logarithm of the ratio of likelihoods) that it is no drift: a bias that stays does not run towards a limit.
const STEP_BETTER: f64 = 3.0;

/// A drift that began within the last checks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Slope of the line, units per day.
    pub per_day: f64,
    /// Its value at the last check, units.
    pub now: f64,
    /// Days since the line began.
    pub since_days: f64,
    /// Checks on it.
    pub checks: usize,
    /// The statistic, standard deviations.
    pub statistic_sd: f64,
}

/// The line that explains the last checks best. `points`: day and drift since the last adjustment, in order of time; a
/// line begins at one of them and passes through those behind it. `sd`: standard deviation of a check, units. `None`
/// where no line is beyond [`LIMIT_SD`], or a step that stayed is the better explanation.
pub fn find(points: &[Point], sd: f64) -> Option<Ramp> {
    let &(last, _) = points.last()?;
    let most = MAX_CHECKS.min(points.len().saturating_sub(1));
    let line = |checks: usize| {
        let (&(start, _), on_line) = points.get(points.len() - checks - 1..)?.split_first()?;
        let (mut product, mut square) = (0.0, 0.0);
        for &(day, drift) in on_line {
            product += (day - start) * drift;
            square += (day - start) * (day - start);
        }
        (square > 0.0).then(|| Ramp {
            per_day: product / square,
            now: product / square * (last - start),
            since_days: last - start,
            checks,
            statistic_sd: product.abs() / square.sqrt() / sd,
        })
    };
    let lines = (MIN_CHECKS..=most).filter_map(line);
    let best = lines.max_by(|one, other| one.statistic_sd.total_cmp(&other.statistic_sd))?;
    let (mut sum, mut count, mut step_sd) = (0.0_f64, 0.0_f64, 0.0_f64);
    for &(_, drift) in points.iter().rev().take(most) {
        (sum, count) = (sum + drift, count + 1.0);
        step_sd = step_sd.max(sum.abs() / count.sqrt() / sd);
    }
    let is_step = step_sd * step_sd - best.statistic_sd * best.statistic_sd > STEP_BETTER;
    (best.statistic_sd > LIMIT_SD && !is_step).then_some(best)
}

impl Ramp {
    /// Days until the line passes `limit` (above 0) on its side; 0 where it has.
    pub fn days_until(&self, limit: f64) -> f64 {
        ((limit - self.now.abs()) / self.per_day.abs()).max(0.0)
    }
}
