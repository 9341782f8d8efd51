//! EN 14181 QAL3: is the instrument still as precise as when it was certified, and has it drifted?
//!
//! Each zero or span check gives `d`, reading less reference, in the units of `s_AMS`, the instrument's standard
//! deviation at that point from its certification (QAL1). Zero and span have a chart each. Precision is asked first: an
//! instrument that scatters is defect and its drift means nothing.
//!
//! Constants as published for an analyser by its maker (ABB EL3000 manual): 1.85 and 6.90 belong to the precision sum
//! and are in `s²`, 0.501 and 2.85 to the drift sums and are in `s`. The recursion of the precision sum, the amount of
//! an adjustment, and the Shewhart and EWMA limits are from memory and therefore settings.

use super::Side;
use super::cusum::{Cusum, CusumState};
use crate::state::persist;

/// Constants of the charts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Qal3 {
    /// Standard deviation of the instrument at this point, units of the check.
    pub sd: f64,
    /// Reference value of the precision sum, in `sd²`.
    pub precision_k: f64,
    /// Limit of the precision sum, in `sd²`.
    pub precision_h: f64,
    /// Reference value of the drift sums, in `sd`.
    pub drift_k: f64,
    /// Limit of the drift sums, in `sd`.
    pub drift_h: f64,
    /// Share of the estimated drift by which to adjust.
    pub adjust_share: f64,
}

impl Qal3 {
    /// The published constants.
    pub const fn published(sd: f64) -> Self {
        Self {
            sd,
            precision_k: 1.85,
            precision_h: 6.90,
            drift_k: 0.501,
            drift_h: 2.85,
            adjust_share: 0.7,
        }
    }
}

/// The sums of one point (zero or span).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Qal3State {
    /// The last difference, once there is one.
    pub last: Option<f64>,
    /// Precision sum, units².
    pub precision: f64,
    /// Drift sums, units, and the checks since they were 0.
    pub drift: CusumState,
}
persist!(Qal3State { last, precision, drift });

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// In control.
    Fine,
    /// It scatters more than it was certified for: a defect, take it out of service.
    PrecisionLost {
        /// The sum, in `sd²`.
        sum: f64,
    },
    /// It has drifted: recalibrate.
    Drifted {
        /// Which way.
        side: Side,
        /// The sum, in `sd`.
        sum: f64,
        /// Checks since it began.
        since: u32,
        /// By how much to adjust, in the units of the check, signed as the drift.
        adjust_by: f64,
    },
}

impl Qal3 {
    /// Takes the difference of one check. After an adjustment the caller begins anew with a default state.
    pub fn step(&self, state: &mut Qal3State, difference: f64) -> Finding {
        let step = state.last.map_or(0.0, |last| difference - last);
        if state.last.replace(difference).is_some() {
            let square = self.sd * self.sd;
            state.precision = (state.precision + step * step / 2.0 - self.precision_k * square).max(0.0);
            if state.precision > self.precision_h * square {
                return Finding::PrecisionLost {
                    sum: state.precision / square,
                };
            }
        }
        self.drift(state, difference)
    }

    fn drift(&self, state: &mut Qal3State, difference: f64) -> Finding {
        let chart = Cusum {
            k: self.drift_k * self.sd,
            h: self.drift_h * self.sd,
        };
        chart
            .step(&mut state.drift, difference)
            .map_or(Finding::Fine, |signal| Finding::Drifted {
                side: signal.side,
                sum: signal.statistic / self.sd,
                since: signal.since,
                adjust_by: self.adjust_share * signal.shift,
            })
    }
}
