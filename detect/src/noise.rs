//! What the rest of an hour may bring: the mean of the coming minutes and how sure that is, learned from this outlet
//! alone.
//!
//! Two stories are told of every series, and each new value says which is the likelier (a hidden Markov chain of two
//! states):
//!
//! - *steady*: the values swing about a level with a memory, an AR(1). They will swing back to it.
//! - *moved*: the level itself is on its way. It is where the values are, and goes on by a trend that wears off.
//!
//! In both, an upset ends some time: with a hazard that is a setting, the level goes back to where it was for hours.
//! The memory and size of the swings come from the variogram at two lags, which a slow level, the minute's averaging
//! and an analyser's response disturb little, and only steady values feed it. The probability is that of a mixture of
//! normals.
//!
//! Everything is arithmetic on a few numbers: it costs nanoseconds, forgets exponentially and replays exactly.

use statrs::function::erf::erfc;

use crate::state::{Persist, Reader, RestoreError, persist};

/// Memory of the level, minutes: two hours steady, a third of one while moved.
const LEVEL_MIN: f64 = 120.0;
const MOVED_LEVEL_MIN: f64 = 20.0;
/// Memory of the local mean, minutes.
const LOCAL_MIN: f64 = 10.0;
/// Memory of where the level has been, minutes of steady running: a working day.
const BASE_MIN: f64 = 480.0;
/// Memory of the variogram, minutes.
const VARIOGRAM_MIN: f64 = 240.0;
/// First lag of the variogram, minutes; the second is twice that. Beyond what averaging and response smooth.
const LAG_MIN: u8 = 5;
/// Chance per minute that a steady level begins to move, and that a moving one comes to rest.
const BEGINS: f64 = 1.0 / 400.0;
const RESTS: f64 = 1.0 / 60.0;
/// How fast a trend is taken up and wears off, per minute.
const TREND_GAIN: f64 = 0.15;
const TREND_KEEP: f64 = 0.9;
/// Memory of one minute to the next before it is known: 0.9, as minute data of stacks show; it weighs like an hour of
/// values.
const PRIOR_PHI: f64 = 0.9;
const PRIOR_VALUES: f64 = 60.0;
/// Bounds of that memory.
const PHI: std::ops::RangeInclusive<f64> = 0.5..=0.97;
/// A step beyond so many standard deviations says no more about the noise than one at that distance.
const CLIP_SD: f64 = 3.5;
/// Surprise of the moved story, against that of the steady one.
const MOVED_SD: f64 = 1.1;
/// Share of the noise's variance by which the moved level is uncertain at once, and per value.
const LEVEL_UNSURE: f64 = 0.25;
const DRIFT_UNSURE: f64 = 0.01;
/// Least noise, as a share of the level, and least level, as a share of the limit.
const LEAST_SHARE: f64 = 0.002;
const LEAST_LEVEL: f64 = 0.015;
/// A gap longer than this, minutes, makes a new beginning of the level (not of the noise).
const GAP_MIN: i64 = 60;
/// Beyond so many standard deviations a normal tail is nothing.
const FAR_SD: f64 = 8.0;
/// Values needed before the noise has a size at all.
const FIRST_VALUES: u16 = 10;
/// Values kept for the variogram.
const RING: usize = 2 * LAG_MIN as usize;

/// What is known of one series' behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Noise {
    /// End of the last value, minutes since 1970.
    end: i64,
    /// Values seen; values in the ring; steps that fed the variogram.
    seen: u16,
    ringed: u8,
    /// Minutes a value covers, as last seen.
    step: u8,
    fed: u16,
    last: f64,
    level: f64,
    local: f64,
    base: f64,
    base_weight: f64,
    trend: f64,
    /// Probability of the moved story.
    moved: f64,
    /// Mean square of steps over one and two lags, relative to the level.
    near_lag: f64,
    far_lag: f64,
    ring: Ring,
}
persist!(Noise {
    end,
    seen,
    ringed,
    step,
    fed,
    last,
    level,
    local,
    base,
    base_weight,
    trend,
    moved,
    near_lag,
    far_lag,
    ring,
});

/// The last values, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Ring([f32; RING]);

impl Persist for Ring {
    fn save(&self, to: &mut Vec<u8>) {
        self.0.map(f32::to_bits).save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        <[u32; RING]>::load(from).map(|bits| Self(bits.map(f32::from_bits)))
    }
}

/// One way the rest may go.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Way {
    weight: f64,
    mean: f64,
    sd: f64,
}

/// What is expected of the mean of some coming minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    ways: [Way; 8],
}

impl Forecast {
    /// Probability that the mean of those minutes is above `bar`.
    pub(crate) fn above(&self, bar: f64) -> f64 {
        self.ways
            .iter()
            .map(|way| way.weight * upper_tail((bar - way.mean) / way.sd))
            .sum::<f64>()
            .clamp(0.0, 1.0)
    }

    /// Expected mean.
    pub(crate) fn mean(&self) -> f64 {
        self.ways.iter().map(|way| way.weight * way.mean).sum()
    }

    /// Standard deviation of that mean.
    pub(crate) fn sd(&self) -> f64 {
        let mean = self.mean();
        let square = |way: &Way| way.weight * (way.sd * way.sd + (way.mean - mean) * (way.mean - mean));
        self.ways.iter().map(square).sum::<f64>().sqrt()
    }
}

fn upper_tail(z: f64) -> f64 {
    if z > FAR_SD {
        0.0
    } else if z < -FAR_SD {
        1.0
    } else {
        erfc(z * std::f64::consts::FRAC_1_SQRT_2) / 2.0
    }
}

/// What the AR(1) of the swings is, per value.
#[derive(Clone, Copy, Debug)]
struct Swings {
    /// Memory from one value to the next.
    phi: f64,
    /// Standard deviation, in the factor's unit.
    sd: f64,
}

impl Noise {
    /// End of the last value taken, minutes since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Something of each cache line.
    pub(crate) fn touch(&self) -> u64 {
        let ring = u64::from(self.ring.0[RING - 1].to_bits());
        self.end.unsigned_abs() ^ self.far_lag.to_bits() ^ ring
    }

    /// The level it goes back to after an upset.
    pub(crate) fn base(&self) -> f64 {
        self.base
    }

    /// Minutes of the past that are known, as far as that matters.
    pub(crate) fn history_min(&self) -> u16 {
        self.seen.saturating_mul(u16::from(self.step.max(1)))
    }

    /// Values between the two ends of the first lag.
    fn lag(&self) -> usize {
        usize::from((LAG_MIN / self.step.max(1)).max(1))
    }

    /// The level that noise is relative to.
    fn scale(&self, limit: f64) -> f64 {
        self.local.abs().max(LEAST_LEVEL * limit).max(f64::MIN_POSITIVE)
    }

    fn swings(&self, limit: f64) -> Swings {
        let step = i32::from(self.step.max(1));
        let lag = i32::try_from(self.lag()).unwrap_or(1);
        let prior = PRIOR_PHI.powi(lag * step);
        let seen = f64::from(self.fed);
        let ratio = if self.near_lag > 0.0 {
            self.far_lag / self.near_lag - 1.0
        } else {
            prior
        };
        let over_lag = ((ratio * seen + prior * PRIOR_VALUES) / (seen + PRIOR_VALUES)).clamp(0.01, 0.95);
        let (low, high) = (PHI.start().powi(step), PHI.end().powi(step));
        let phi = over_lag.powf(1.0 / f64::from(lag)).clamp(low, high);
        let variance = self.near_lag / (2.0 * (1.0 - phi.powi(lag)));
        Swings {
            phi,
            sd: variance.sqrt().max(LEAST_SHARE) * self.scale(limit),
        }
    }

    /// Takes the value of `[end - step, end)`. Values that do not come in order are not taken. `limit` gives the size
    /// of things.
    pub(crate) fn take(&mut self, value: f64, end: i64, step: u8, limit: f64) {
        if end <= self.end && self.seen > 0 {
            return;
        }
        let step = step.max(1);
        let gap = end.saturating_sub(self.end) - i64::from(step);
        if self.seen == 0 || gap > GAP_MIN {
            self.begin(value);
        } else {
            if gap > 0 || step != self.step {
                self.ringed = 0;
            }
            self.weigh(value, limit, f64::from(step));
            self.feed(value, limit);
            self.follow(value, step);
        }
        self.remember(value);
        (self.last, self.end, self.step) = (value, end, step);
        self.seen = self.seen.saturating_add(1);
    }

    fn begin(&mut self, value: f64) {
        (self.level, self.local, self.trend, self.moved, self.ringed) = (value, value, 0.0, 0.5, 0);
        if self.seen == 0 {
            (self.base, self.base_weight) = (value, 1.0);
        }
    }

    /// Which story the value fits better.
    fn weigh(&mut self, value: f64, limit: f64, step: f64) {
        if self.fed < FIRST_VALUES {
            return;
        }
        let swings = self.swings(limit);
        let surprise_sd = (swings.sd * (1.0 - swings.phi * swings.phi).sqrt()).max(LEAST_SHARE * self.scale(limit));
        let steady = (value - self.level) - swings.phi * (self.last - self.level);
        let moving = value - self.last - self.trend;
        let likelihood = |surprise: f64, sd: f64| (-0.5 * (surprise / sd).powi(2).min(40.0)).exp() / sd;
        let (begins, rests) = ((BEGINS * step).min(0.5), (RESTS * step).min(0.5));
        let prior = self.moved * (1.0 - rests) + (1.0 - self.moved) * begins;
        let for_moved = prior * likelihood(moving, surprise_sd * MOVED_SD);
        let for_steady = (1.0 - prior) * likelihood(steady, surprise_sd);
        self.moved = (for_moved / (for_moved + for_steady)).clamp(1e-4, 1.0 - 1e-4);
    }

    /// Feeds the variogram, as far as the value is a steady one.
    fn feed(&mut self, value: f64, limit: f64) {
        let lag = self.lag();
        if usize::from(self.ringed) < 2 * lag {
            return;
        }
        let scale = self.scale(limit);
        // Newest first: the value `lag` before this one stands at `lag - 1`.
        let step_over = |lag: usize| (value - f64::from(self.ring.0[lag - 1])) / scale;
        let clipped = |step: f64, mean_square: f64| {
            let most = CLIP_SD * mean_square.sqrt();
            if self.fed < 2 * FIRST_VALUES {
                step
            } else {
                step.clamp(-most, most)
            }
        };
        let (near, far) = (
            clipped(step_over(lag), self.near_lag),
            clipped(step_over(2 * lag), self.far_lag),
        );
        let steady = if self.fed < FIRST_VALUES { 1.0 } else { 1.0 - self.moved };
        let memory = f64::from(self.step.max(1)) / VARIOGRAM_MIN;
        let weight = memory.max(1.0 / (f64::from(self.fed) + 1.0)) * steady;
        self.near_lag += weight * (near * near - self.near_lag);
        self.far_lag += weight * (far * far - self.far_lag);
        self.fed = self.fed.saturating_add(1);
    }

    /// Moves level, base and trend on.
    fn follow(&mut self, value: f64, step: u8) {
        let first = 1.0 / (f64::from(self.seen) + 1.0);
        let gain = 1.0 - (1.0 - TREND_GAIN).powi(i32::from(step));
        let keep = TREND_KEEP.powi(i32::from(step));
        let step = f64::from(step);
        self.trend = keep * self.trend + gain * (value - self.last - keep * self.trend);
        let steady = 1.0 - self.moved;
        let weight = (step / LEVEL_MIN).max(first) * steady + (step / MOVED_LEVEL_MIN).min(1.0) * self.moved;
        self.level += weight * (value - self.level);
        self.local += (step / LOCAL_MIN).min(1.0).max(first) * (value - self.local);
        let base = (step / BASE_MIN).max(1.0 / (self.base_weight + 1.0)) * steady;
        self.base += base * (value - self.base);
        self.base_weight = (self.base_weight + steady).min(1e6);
    }

    fn remember(&mut self, value: f64) {
        self.ring.0.rotate_right(1);
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are plenty for a variogram")]
        {
            self.ring.0[0] = value as f32;
        }
        self.ringed = (self.ringed + 1).min(u8::try_from(RING).unwrap_or(u8::MAX));
    }

    /// What to expect of the mean of the next `minutes` minutes. `least_sd` is the least believed standard deviation
    /// of one minute, `upset_min` how long an upset lasts on average.
    pub(crate) fn forecast(&self, minutes: u8, least_sd: f64, upset_min: f64, limit: f64) -> Forecast {
        let step = f64::from(self.step.max(1));
        let values = (minutes / self.step.max(1)).max(1);
        let n = f64::from(values);
        let Swings { phi, sd } = self.swings(limit);
        let sd = sd.max(least_sd);
        // How much of the last deviation is left in the mean of n values, and the variance of that mean, of an AR(1).
        let after = phi.powi(i32::from(values));
        let head = phi * (1.0 - after) / (1.0 - phi);
        let tail = phi * phi * (1.0 - after * after) / (1.0 - phi * phi);
        let left = head / n;
        let around = sd * sd * (1.0 + phi) / (1.0 - phi) * (n - 2.0 * head + tail).max(0.0) / (n * n);
        let known = (f64::from(self.seen).min(2.0 * LEVEL_MIN / step) * (1.0 - phi) / (1.0 + phi)).max(1.0);
        let steady_variance = around + sd * sd / known * (1.0 - left) * (1.0 - left);
        let steady = self.level + (self.last - self.level) * left;
        // The trend wears off: its sum over n values, per value.
        let keep = TREND_KEEP.powi(i32::from(self.step.max(1)));
        let worn = 1.0 - keep.powi(i32::from(values));
        let trend = keep / (1.0 - keep) * (1.0 - keep * worn / (n * (1.0 - keep))) * self.trend;
        let moved = self.last + trend;
        let moved_variance = around + sd * sd * (LEVEL_UNSURE + n * step * DRIFT_UNSURE) + 0.25 * trend * trend;
        let stays = (-f64::from(minutes) / upset_min.max(1.0)).exp();
        let mut ways = [Way::default(); 8];
        let stories = [
            (1.0 - self.moved, steady, steady_variance),
            (self.moved, moved, moved_variance),
        ];
        for (place, (weight, mean, variance)) in stories.into_iter().enumerate() {
            let least = least_sd * least_sd / n;
            ways[place * 4] = Way {
                weight: weight * stays,
                mean,
                sd: variance.max(least).sqrt(),
            };
            // Or it goes back to the base, early, half way, or late.
            for (i, share) in [1.0 / 6.0, 0.5, 5.0 / 6.0].into_iter().enumerate() {
                let back: f64 = 1.0 - share;
                let variance = steady_variance * back * back + variance * share * share;
                ways[place * 4 + 1 + i] = Way {
                    weight: weight * (1.0 - stays) / 3.0,
                    mean: share * mean + back * self.base,
                    sd: variance.max(least).sqrt(),
                };
            }
        }
        Forecast { ways }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f64 = 35.0;

    fn fed(values: impl Iterator<Item = f64>, step: u8) -> Noise {
        let mut noise = Noise::default();
        for (value, i) in values.zip(1_i64..) {
            noise.take(value, i * i64::from(step), step, LIMIT);
        }
        noise
    }

    /// A fixed AR(1) with memory 0.9 and standard deviation 4 % of 25 (a linear congruential generator, Box-Muller).
    fn stack(n: usize) -> Vec<f64> {
        let mut state = 12_345_u64;
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (f64::from(u32::try_from(state >> 33).unwrap()) + 0.5) / f64::from(u32::MAX / 2 + 1)
        };
        let mut deviation = 0.0;
        let mut value = || {
            let normal = (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
            deviation = 0.9 * deviation + normal * (1.0_f64 - 0.81).sqrt();
            25.0 * (1.0 + 0.04 * deviation)
        };
        (0..n).map(|_| value()).collect()
    }

    #[test]
    fn the_noise_of_a_stack_is_learned() {
        let swings = fed(stack(2_000).into_iter(), 1).swings(LIMIT);
        assert!((0.8..0.95).contains(&swings.phi), "{swings:?}");
        assert!((0.7..1.4).contains(&swings.sd), "{swings:?}");
    }

    #[test]
    fn a_steady_stack_is_expected_to_stay_where_it_is() {
        let forecast = fed(stack(600).into_iter(), 1).forecast(30, 0.35, 90.0, LIMIT);
        assert!(
            (forecast.mean() - 25.0).abs() < 1.0 && forecast.sd() < 1.0,
            "{forecast:?}"
        );
        assert!(forecast.above(30.0) < 1e-3 && forecast.above(20.0) > 0.999);
    }

    #[test]
    fn a_ramp_is_followed_and_may_end() {
        let ramp = stack(600)
            .into_iter()
            .zip(0_i32..)
            .map(|(v, i)| v + f64::from((i - 580).max(0)) * 0.7);
        let noise = fed(ramp, 1);
        let forecast = noise.forecast(20, 0.35, 90.0, LIMIT);
        assert!(
            noise.moved > 0.9 && forecast.mean() > 37.0,
            "{noise:?} {}",
            forecast.mean()
        );
        assert!(
            noise.forecast(20, 0.35, 15.0, LIMIT).mean() < forecast.mean() - 2.0,
            "short upsets end"
        );
    }

    #[test]
    fn ten_minute_packets_work_too() {
        let tens: Vec<f64> = stack(3_000)
            .chunks(10)
            .map(|ten| ten.iter().sum::<f64>() / 10.0)
            .collect();
        let forecast = fed(tens.into_iter(), 10).forecast(30, 0.35, 90.0, LIMIT);
        assert!(
            (forecast.mean() - 25.0).abs() < 1.5 && forecast.sd() < 1.5,
            "{forecast:?}"
        );
    }
}
