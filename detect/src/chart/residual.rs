//! AR(1) residuals: what an hour says that the hour before did not (Alwan and Roberts 1988).

use crate::state::persist;

/// Memory of the moments, values: two months of hours.
const MEMORY: f64 = 1440.0;
/// Bounds of the memory from one hour to the next: beyond, a residual says nothing, or overcorrects.
const PHI: std::ops::RangeInclusive<f64> = 0.0..=0.95;
/// Values before a residual has a size.
const TRUSTED: u16 = 48;

/// Moments of a stationary series about its baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ar1 {
    /// Hour of the last value since 1970, and the value.
    hour: i64,
    last: f64,
    mean: f64,
    variance: f64,
    covariance: f64,
    seen: u16,
    pairs: u16,
}
persist!(Ar1 {
    hour,
    last,
    mean,
    variance,
    covariance,
    seen,
    pairs
});

impl Ar1 {
    /// Memory from one hour to the next, 0 to 0.95.
    pub fn phi(&self) -> f64 {
        if self.variance > 0.0 {
            (self.covariance / self.variance).clamp(*PHI.start(), *PHI.end())
        } else {
            0.0
        }
    }

    /// Standard deviation of the series, units of the values.
    pub fn sd(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }

    /// The residual of a value at `hour` (since 1970), in its own standard deviations; `None` until enough was
    /// learned. Without the hour before, it is judged against the mean.
    pub fn residual(&self, hour: i64, value: f64, least_sd: f64) -> Option<f64> {
        if self.seen < TRUSTED {
            return None;
        }
        let sd = self.sd().max(least_sd);
        if hour != self.hour + 1 {
            return Some((value - self.mean) / sd);
        }
        let phi = self.phi();
        let expected = self.mean + phi * (self.last - self.mean);
        Some((value - expected) / (sd * (1.0 - phi * phi).sqrt()))
    }

    /// How far a value is from the mean, units of the values.
    pub fn from_mean(&self, value: f64) -> f64 {
        value - self.mean
    }

    /// Remembers a value without learning from it: the next residual still needs it.
    pub fn pass(&mut self, hour: i64, value: f64) {
        (self.hour, self.last) = (hour, value);
    }

    /// Learns a value and remembers it.
    pub fn learn(&mut self, hour: i64, value: f64) {
        let before = self.last - self.mean;
        let follows = self.seen > 0 && hour == self.hour + 1;
        self.seen = self.seen.saturating_add(1);
        let weight = 1.0 / f64::from(self.seen).min(MEMORY);
        let step = value - self.mean;
        self.mean += weight * step;
        self.variance += weight * (step * (value - self.mean) - self.variance);
        if follows {
            self.pairs = self.pairs.saturating_add(1);
            let weight = 1.0 / f64::from(self.pairs).min(MEMORY);
            self.covariance += weight * (before * (value - self.mean) - self.covariance);
        }
        self.pass(hour, value);
    }
}
