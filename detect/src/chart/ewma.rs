//! The EWMA chart (Roberts 1959; Lucas and Saccucci 1990), with fixed limits: slow drifts before a CUSUM finds them.

use super::{Side, Signal};
use crate::state::persist;

/// Weight of the newest observation, and the limit in standard deviations of the statistic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    /// Weight of the newest observation, above 0 and at most 1.
    pub lambda: f64,
    /// Limit in standard deviations of the statistic once it has settled.
    pub limit_sd: f64,
}

/// The weighted mean, and for how many observations it has been on one side of target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EwmaState {
    /// Weighted mean of the distances from target.
    pub mean: f64,
    /// Observations since it last crossed the target.
    pub since: u32,
}
persist!(EwmaState { mean, since });

impl Ewma {
    /// The limit, for observations with standard deviation 1: `limit_sd · √(λ / (2 − λ))`.
    pub fn limit(&self) -> f64 {
        self.limit_sd * (self.lambda / (2.0 - self.lambda)).sqrt()
    }

    /// Takes one observation (its distance from target, in standard deviations). Signals where the mean is beyond the
    /// limit; the shift is the mean corrected for the observations it has not forgotten yet.
    pub fn step(&self, state: &mut EwmaState, distance: f64) -> Option<Signal> {
        let before = state.mean;
        state.mean += self.lambda * (distance - before);
        let crossed = before == 0.0 || (before > 0.0) != (state.mean > 0.0);
        state.since = if crossed { 1 } else { state.since.saturating_add(1) };
        let side = if state.mean > 0.0 { Side::High } else { Side::Low };
        (state.mean.abs() > self.limit()).then(|| Signal {
            side,
            statistic: state.mean,
            since: state.since,
            shift: state.mean / (1.0 - (1.0 - self.lambda).powi(state.since.try_into().unwrap_or(i32::MAX))),
        })
    }
}
