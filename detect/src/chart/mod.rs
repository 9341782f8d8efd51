//! Control charts: drift and shifts found by arithmetic a statistician would sign.
//!
//! ```text
//! zero and span checks ─▶ qal3 (still as precise? drifted?) · control (HJ 75) · slope, ramp (days left)
//! hour means ─▶ hampel (a spike?) ─▶ season (what is usual at this hour) ─▶ residual (AR(1)) ─▶ ewma, cusum
//! ```
//!
//! Every chart is a pair: parameters, and a small state of plain numbers that a step takes from one observation to the
//! next. Observations are in standard deviations from target unless said otherwise. A signal leaves the state as it
//! is; whoever acts on it resets it.
//!
//! Textbook limits hold for independent observations only: with a memory of 0.9 from one minute to the next a CUSUM
//! made for one false alarm in 465 observations gives one in 29. So raw minutes are never charted, and limits come
//! from [`budget`], by simulation.

pub mod budget;
pub mod checks;
pub mod control;
pub mod cusum;
pub mod draw;
pub mod ewma;
pub mod hampel;
pub mod instrument;
pub mod level;
pub(crate) mod plateau;
pub mod qal3;
pub mod ramp;
pub mod residual;
pub mod rivals;
pub mod season;
pub mod shewhart;
pub mod slope;
pub mod trace;

/// Where a chart points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Above target.
    High,
    /// Below target.
    Low,
}

/// A chart beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// Which way.
    pub side: Side,
    /// The statistic that passed the limit, in the units of the observations.
    pub statistic: f64,
    /// Observations since the change, by the chart's own estimate: 1 means that this one was the first.
    pub since: u32,
    /// Estimated shift from target, in the units of the observations.
    pub shift: f64,
}
