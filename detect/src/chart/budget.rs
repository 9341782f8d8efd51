//! A chart's limit from a budget of false alarms, by simulation on what the outlet itself did.
//!
//! Tables of limits assume normal, independent observations; residuals of real hours are neither. So the outlet's own
//! residuals are drawn again in blocks (which keeps what memory they have left), the chart runs over them, and for a
//! ladder of limits the mean number of observations to the first false alarm is counted. It grows exponentially with
//! the limit (Siegmund 1985), so beyond what was simulated its logarithm is drawn on as a straight line.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cusum::{Cusum, CusumState};
use super::ewma::{Ewma, EwmaState};

/// Hours of residuals drawn at once.
const BLOCK: usize = 6;
/// Steps of the ladder of limits.
const LADDER: usize = 24;
/// Signals at a step before its mean is believed.
const ENOUGH: u32 = 25;

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Runs from a fresh chart.
    pub runs: u32,
    /// Observations after which a run ends without a signal.
    pub longest: u32,
}

/// The chart whose limit is sought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Chart {
    /// A CUSUM with this reference value.
    Cusum {
        /// See [`Cusum::k`].
        k: f64,
    },
    /// An EWMA with this weight.
    Ewma {
        /// See [`Ewma::lambda`].
        lambda: f64,
    },
}

impl Chart {
    /// The ladder of limits, in the units of [`Cusum::h`] or [`Ewma::limit_sd`].
    fn rung(self, step: usize) -> f64 {
        let step = f64::from(u8::try_from(step).unwrap_or(u8::MAX));
        match self {
            Self::Cusum { .. } => 1.0 + 0.5 * step,
            Self::Ewma { .. } => 1.5 + 0.15 * step,
        }
    }
}

/// A chart that runs without a limit, and says how far it is.
enum Running {
    Cusum(Cusum, CusumState),
    Ewma(Ewma, EwmaState),
}

impl Running {
    fn new(chart: Chart) -> Self {
        match chart {
            Chart::Cusum { k } => Self::Cusum(Cusum { k, h: f64::INFINITY }, CusumState::default()),
            Chart::Ewma { lambda } => {
                let ewma = Ewma { lambda, limit_sd: 1.0 };
                Self::Ewma(ewma, EwmaState::default())
            }
        }
    }

    /// The limit that this observation would just not have passed.
    fn step(&mut self, distance: f64) -> f64 {
        match self {
            Self::Cusum(chart, state) => {
                chart.step(state, distance);
                state.high.max(state.low)
            }
            Self::Ewma(chart, state) => {
                chart.step(state, distance);
                state.mean.abs() / chart.limit()
            }
        }
    }
}

/// Observations and signals of one rung.
#[derive(Clone, Copy, Default)]
struct Rung {
    observations: u64,
    signals: u32,
}

/// Blocks of a history, drawn with replacement.
struct Blocks<'a> {
    history: &'a [f32],
    chance: ChaCha8Rng,
    at: usize,
    left: usize,
}

impl Blocks<'_> {
    fn next(&mut self) -> f64 {
        if self.left == 0 {
            (self.at, self.left) = (self.chance.random_range(0..self.history.len()), BLOCK);
        }
        let value = self.history.get(self.at).copied().unwrap_or_default();
        self.at = (self.at + 1) % self.history.len();
        self.left -= 1;
        f64::from(value)
    }
}

fn simulate(chart: Chart, history: &[f32], effort: Effort, seed: u64) -> [Rung; LADDER] {
    let mut rungs = [Rung::default(); LADDER];
    let chance = ChaCha8Rng::seed_from_u64(seed);
    let mut blocks = Blocks {
        history,
        chance,
        at: 0,
        left: 0,
    };
    for _ in 0..effort.runs {
        let mut running = Running::new(chart);
        // Rungs below have signalled in this run; an unlimited chart passes them in turn.
        let mut passed = 0;
        for count in 1..=effort.longest {
            let reached = running.step(blocks.next());
            while passed < LADDER && reached > chart.rung(passed) {
                if let Some(rung) = rungs.get_mut(passed) {
                    rung.observations += u64::from(count);
                    rung.signals += 1;
                }
                passed += 1;
            }
            if passed == LADDER {
                break;
            }
        }
        for rung in rungs.iter_mut().skip(passed) {
            rung.observations += u64::from(effort.longest);
        }
    }
    rungs
}

/// The limit at which `chart` signals falsely once in `observations` on average, when its observations are as those
/// of `history` (residuals, in standard deviations). `None` where the history is too short to say.
pub fn limit_for(chart: Chart, observations: f64, history: &[f32], effort: Effort, seed: u64) -> Option<f64> {
    if history.len() < 8 * BLOCK {
        return None;
    }
    let goal = observations.ln();
    let rungs = simulate(chart, history, effort, seed);
    let mut known: Option<(f64, f64)> = None;
    let mut slope = None;
    for (step, rung) in rungs.iter().enumerate() {
        if rung.signals < ENOUGH {
            break;
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 observations")]
        let length = (rung.observations as f64 / f64::from(rung.signals)).ln();
        let at = chart.rung(step);
        if let Some((before, shorter)) = known.filter(|&(_, shorter)| length > shorter) {
            let per_limit = (length - shorter) / (at - before);
            if length >= goal {
                return Some(before + (goal - shorter) / per_limit);
            }
            slope = Some(per_limit);
        } else if length >= goal {
            return Some(at);
        }
        known = Some((at, length));
    }
    let ((at, length), per_limit) = (known?, slope?);
    Some(at + (goal - length) / per_limit)
}
