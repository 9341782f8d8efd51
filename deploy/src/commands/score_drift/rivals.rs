//! Other detectors on the same hours, each with its threshold set by simulation to the same budget of false alarms.

use plume_detect::chart::rivals::{Adwin, PageHinkley, WindowedGaussian};

use super::levels::starts;

/// Hours of the windowed Gaussian: two weeks, as long as plume learns.
const WINDOW_H: usize = 336;
/// Halvings of the interval of thresholds.
const HALVINGS: u32 = 14;

/// Which detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    Adwin,
    PageHinkley,
    Gaussian,
}

/// A detector with its threshold, as how strict it is: the logarithm of one over the probability, or of the sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuned {
    pub(super) rival: Rival,
    strict: f64,
}

impl Rival {
    pub(super) const ALL: [Self; 3] = [Self::Adwin, Self::PageHinkley, Self::Gaussian];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Adwin => "ADWIN",
            Self::PageHinkley => "Page-Hinkley",
            Self::Gaussian => "Gaussian 336 h",
        }
    }

    /// Least and most strict.
    fn range(self) -> (f64, f64) {
        match self {
            // Probabilities from one half to what a double can still hold.
            Self::Adwin | Self::Gaussian => (0.7, 700.0),
            // Sums from 1 to a million standard deviations.
            Self::PageHinkley => (0.0, 14.0),
        }
    }

    /// The least strict threshold at which the detector alarms at most `allowed` times on all `quiet` series.
    pub(super) fn tuned(self, quiet: &[Vec<f64>], allowed: f64) -> Tuned {
        let (mut low, mut high) = self.range();
        for _ in 0..HALVINGS {
            let strict = f64::midpoint(low, high);
            let tuned = Tuned { rival: self, strict };
            let alarms: usize = quiet.iter().map(|values| tuned.starts(values).len()).sum();
            if alarms as f64 <= allowed {
                high = strict;
            } else {
                low = strict;
            }
        }
        Tuned {
            rival: self,
            strict: high,
        }
    }
}

impl Tuned {
    /// The threshold in the detector's own terms.
    pub(super) fn threshold(&self) -> String {
        match self.rival {
            Rival::Adwin => format!("delta {:.1e}", (-self.strict).exp()),
            Rival::PageHinkley => format!("threshold {:.0}", self.strict.exp()),
            Rival::Gaussian => format!("tail {:.1e}", (-self.strict).exp()),
        }
    }

    /// Places at which alarms begin.
    pub(super) fn starts(&self, values: &[f64]) -> Vec<usize> {
        match self.rival {
            Rival::Adwin => {
                let mut detector = Adwin::new((-self.strict).exp());
                alarms(values, |value| detector.step(value))
            }
            Rival::PageHinkley => {
                let mut detector = PageHinkley::new(self.strict.exp());
                alarms(values, |value| detector.step(value))
            }
            Rival::Gaussian => {
                let mut detector = WindowedGaussian::new(WINDOW_H, (-self.strict).exp());
                alarms(values, |value| detector.step(value))
            }
        }
    }
}

fn alarms(values: &[f64], mut step: impl FnMut(f64) -> bool) -> Vec<usize> {
    let all = values.iter().enumerate();
    let alarms: Vec<usize> = all.filter(|&(_, &value)| step(value)).map(|(place, _)| place).collect();
    starts(&alarms)
}
