//! The two-sided tabular CUSUM (Page 1954; Montgomery, *Introduction to Statistical Quality Control*, 9.1): sums of
//! what exceeds a reference value, up and down apart.

use super::{Side, Signal};
use crate::state::persist;

/// Reference value and limit, in the units of the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    /// Half the shift that is to be found soonest.
    pub k: f64,
    /// Sum beyond which the chart signals.
    pub h: f64,
}

/// The two sums, and for how many observations each has been above zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CusumState {
    /// Sum of what was above target, never below 0.
    pub high: f64,
    /// Sum of what was below target, never below 0.
    pub low: f64,
    /// Observations since `high` was last 0.
    pub since_high: u32,
    /// Observations since `low` was last 0.
    pub since_low: u32,
}
persist!(CusumState {
    high,
    low,
    since_high,
    since_low
});

/// One side: the sum after an observation, and how long it has been above zero.
fn add(sum: f64, since: u32, excess: f64) -> (f64, u32) {
    let sum = (sum + excess).max(0.0);
    let since = if sum > 0.0 { since.saturating_add(1) } else { 0 };
    (sum, since)
}

impl Cusum {
    /// Takes one observation (its distance from target). Signals where a sum is beyond `h`; the larger one, where both
    /// are. The shift is `k` plus the mean of what was summed.
    pub fn step(&self, state: &mut CusumState, distance: f64) -> Option<Signal> {
        (state.high, state.since_high) = add(state.high, state.since_high, distance - self.k);
        (state.low, state.since_low) = add(state.low, state.since_low, -distance - self.k);
        let (side, statistic, since, sign) = if state.high >= state.low {
            (Side::High, state.high, state.since_high, 1.0)
        } else {
            (Side::Low, state.low, state.since_low, -1.0)
        };
        let shift = || sign * (self.k + statistic / f64::from(since.max(1)));
        (statistic > self.h).then(|| Signal {
            side,
            statistic,
            since,
            shift: shift(),
        })
    }
}
