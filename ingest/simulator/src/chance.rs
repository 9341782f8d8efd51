//! Seeded chance. The generator is named (ChaCha with 8 rounds), so a seed means the same on every machine and
//! version.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// One stream of random numbers of a seed. Streams of one seed do not depend on each other: a plant with one analyser
/// more draws the same load.
#[derive(Clone, Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream number `stream` of `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A standard normal number.
    pub(crate) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }
}

/// Autocorrelated noise: `x ← phi·x + innovation`, with a chosen standard deviation of x itself.
#[derive(Clone, Debug)]
pub(crate) struct Ar1 {
    phi: f64,
    innovation_sd: f64,
    value: f64,
    chance: Chance,
}

impl Ar1 {
    /// Noise whose correlation after one minute is `phi_minute`, stepped every `step_s` seconds, started in its
    /// steady state.
    pub(crate) fn new(phi_minute: f64, step_s: f64, sd: f64, mut chance: Chance) -> Self {
        let phi = phi_minute.clamp(0.0, 0.999_999).powf(step_s / 60.0);
        Self {
            phi,
            innovation_sd: sd * (1.0 - phi * phi).sqrt(),
            value: sd * chance.normal(),
            chance,
        }
    }

    /// The next value.
    pub(crate) fn step(&mut self) -> f64 {
        self.value = self.phi * self.value + self.innovation_sd * self.chance.normal();
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_deviation_and_correlation_asked_for() {
        let mut noise = Ar1::new(0.9, 60.0, 2.0, Chance::new(7, 1));
        let values: Vec<f64> = (0..40_000).map(|_| noise.step()).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let lag: f64 = values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / n;
        assert!((variance.sqrt() - 2.0).abs() < 0.15, "sd {}", variance.sqrt());
        assert!((lag / variance - 0.9).abs() < 0.02, "phi {}", lag / variance);
    }

    #[test]
    fn streams_of_a_seed_are_apart_and_repeat() {
        let draw = |seed, stream| Chance::new(seed, stream).normal().to_bits();
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }
}
