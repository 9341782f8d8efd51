//! The Shewhart chart with the Western Electric run rules, all but the first off unless asked for: each rule multiplies
//! false alarms (Champ and Woodall 1987: one in 370 observations without, one in 92 with all four).

use super::{Side, Signal};
use crate::state::persist;

/// Which rules are asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shewhart {
    /// One observation beyond so many standard deviations.
    pub limit_sd: f64,
    /// Two of the last three beyond 2, on one side.
    pub two_of_three: bool,
    /// Four of the last five beyond 1, on one side.
    pub four_of_five: bool,
    /// The last eight on one side.
    pub eight: bool,
}

/// The last eight observations, a bit each, the newest lowest: beyond 2, beyond 1, beyond 0, above and below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShewhartState {
    high: [u8; 3],
    low: [u8; 3],
}
persist!(ShewhartState { high, low });

/// Counts of the last observations of one side.
fn push(bits: &mut [u8; 3], distance: f64) {
    for (bits, beyond) in bits.iter_mut().zip([2.0, 1.0, 0.0]) {
        *bits = *bits << 1 | u8::from(distance > beyond);
    }
}

impl Shewhart {
    /// The first rule alone.
    pub const fn plain(limit_sd: f64) -> Self {
        Self {
            limit_sd,
            two_of_three: false,
            four_of_five: false,
            eight: false,
        }
    }

    fn run(&self, bits: [u8; 3]) -> Option<u32> {
        let [two, one, zero] = bits;
        if self.two_of_three && (two & 0b111).count_ones() >= 2 {
            return Some(3);
        }
        if self.four_of_five && (one & 0b1_1111).count_ones() >= 4 {
            return Some(5);
        }
        (self.eight && zero == u8::MAX).then_some(8)
    }

    /// Takes one observation (its distance from target, in standard deviations).
    pub fn step(&self, state: &mut ShewhartState, distance: f64) -> Option<Signal> {
        push(&mut state.high, distance);
        push(&mut state.low, -distance);
        let side = if distance > 0.0 { Side::High } else { Side::Low };
        let run = if distance.abs() > self.limit_sd {
            Some((side, 1))
        } else {
            let high = self.run(state.high).map(|since| (Side::High, since));
            high.or_else(|| self.run(state.low).map(|since| (Side::Low, since)))
        };
        run.map(|(side, since)| Signal {
            side,
            statistic: distance,
            since,
            shift: distance,
        })
    }
}
