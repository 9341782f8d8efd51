//! What the rest of an hour may bring: the mean of the coming minutes and how sure that is, learned from this outlet
//! alone.
//!
//! The model is a slow mean, a trend, and around them deviations that remember the last one (AR(1)); its parameters are
//! exponentially forgetting moments. All of it is arithmetic on a handful of numbers, so it costs nanoseconds and
//! replays exactly.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::state::persist;

/// Memory of the slow mean and of the moments, minutes. Two hours: longer than an abatement upset lasts, shorter than
/// a shift.
const SLOW_MIN: f64 = 120.0;
/// Memory of the fast mean, minutes. Against the slow one it shows the trend.
const FAST_MIN: f64 = 10.0;
/// Greatest memory of one minute to the next that is believed; at 1 there would be no level to return to.
const MAX_PHI: f64 = 0.98;
/// A gap longer than this, minutes, starts the level afresh (not the noise).
const GAP_MIN: i64 = 60;

/// What is known of one series' behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Noise {
    /// End of the last value, minutes since 1970.
    end: i64,
    /// Values seen.
    seen: u16,
    fast: f64,
    slow: f64,
    /// Mean square of the deviation from the slow mean, of its product with the last, and of one-step surprises.
    variance: f64,
    covariance: f64,
    last: f64,
    /// Minutes a value covers, as last seen.
    step: u8,
}
persist!(Noise {
    end,
    seen,
    fast,
    slow,
    variance,
    covariance,
    last,
    step
});

/// What is expected of some coming minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// Of their mean.
    pub(crate) mean: f64,
    /// Standard deviation of their mean.
    pub(crate) sd: f64,
}

impl Forecast {
    /// Probability that the mean of those minutes is above `level`.
    pub(crate) fn above(&self, level: f64) -> f64 {
        Normal::new(self.mean, self.sd).map_or(if self.mean > level { 1.0 } else { 0.0 }, |normal| normal.sf(level))
    }
}

impl Noise {
    /// End of the last value taken, minutes since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Minutes of the past that are known, as far as that matters.
    pub(crate) fn history_min(&self) -> u16 {
        self.seen.saturating_mul(u16::from(self.step.max(1)))
    }

    /// Takes the value of `[end - step, end)`. Values that do not come in order are not taken.
    pub(crate) fn take(&mut self, value: f64, end: i64, step: u8) {
        if end <= self.end && self.seen > 0 {
            return;
        }
        let gap = end.saturating_sub(self.end);
        if self.seen == 0 || gap > GAP_MIN {
            (self.fast, self.slow, self.last) = (value, value, 0.0);
        }
        let step_min = f64::from(step.max(1));
        // Early on the memory is as long as the past, so that the first value does not rule for two hours.
        let past = f64::from(self.seen);
        let weight = |memory: f64| (step_min / (step_min + memory)).max(1.0 / (past + 1.0));
        let deviation = value - self.slow;
        let (slow, fast) = (weight(SLOW_MIN), weight(FAST_MIN));
        if self.seen > 0 {
            self.variance += slow * (deviation * deviation - self.variance);
            self.covariance += slow * (deviation * self.last - self.covariance);
        }
        self.slow += slow * deviation;
        self.fast += fast * (value - self.fast);
        (self.last, self.end, self.step) = (deviation, end, step.max(1));
        self.seen = self.seen.saturating_add(1);
    }

    /// Memory from one value to the next, 0 to [`MAX_PHI`].
    pub(crate) fn phi(&self) -> f64 {
        if self.variance <= 0.0 {
            0.0
        } else {
            (self.covariance / self.variance).clamp(0.0, MAX_PHI)
        }
    }

    /// What to expect of the next `minutes` minutes. `least_sd` is the least believed standard deviation of one minute.
    pub(crate) fn forecast(&self, minutes: u8, least_sd: f64) -> Forecast {
        let step = f64::from(self.step.max(1));
        let n = (f64::from(minutes) / step).max(1.0);
        let phi = self.phi();
        let variance = self.variance.max(least_sd * least_sd);
        let lag_difference = SLOW_MIN - FAST_MIN;
        let slope = (self.fast - self.slow) / lag_difference;
        // Deviation now, without the part that the trend explains.
        let level = self.slow + slope * SLOW_MIN;
        let deviation = self.slow + self.last - level;
        let decay = phi * (1.0 - phi.powf(n)) / (n * (1.0 - phi));
        let mean = level + deviation * decay + slope * step * (n + 1.0) / 2.0;
        // Variance of the mean of n coming values of an AR(1), given the last one.
        let innovation = variance * (1.0 - phi * phi);
        let head = phi * (1.0 - phi.powf(n)) / (1.0 - phi);
        let square = phi * phi * (1.0 - phi.powf(2.0 * n)) / (1.0 - phi * phi);
        let of_sum = innovation / ((1.0 - phi) * (1.0 - phi)) * (n - 2.0 * head + square);
        Forecast {
            mean,
            sd: (of_sum.max(0.0) / (n * n)).sqrt().max(least_sd / n.sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stack_is_expected_to_stay_where_it_is() {
        let mut noise = Noise::default();
        for minute in 0..240_i32 {
            noise.take(20.0 + f64::from(minute % 3 - 1), i64::from(minute) + 1, 1);
        }
        let forecast = noise.forecast(30, 0.1);
        assert!((forecast.mean - 20.0).abs() < 0.3, "{forecast:?}");
        assert!(forecast.above(25.0) < 1e-6 && forecast.above(15.0) > 1.0 - 1e-6);
    }

    #[test]
    fn a_ramp_is_followed() {
        let mut noise = Noise::default();
        for minute in 0..120_i32 {
            let value = if minute < 90 {
                20.0
            } else {
                20.0 + f64::from(minute - 90) * 0.5
            };
            noise.take(value, i64::from(minute) + 1, 1);
        }
        assert!(noise.forecast(20, 0.35).mean > 33.0, "{:?}", noise.forecast(20, 0.35));
    }
}
