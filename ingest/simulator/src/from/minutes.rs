//! Minutes drawn around an hour's value, so that their mean is that value to the last printed digit.

use plume_schemas::decimal::Decimal;

use crate::chance::{Ar1, Chance};

/// `count` values at the scale of `mean` whose exact mean is `mean`: autocorrelated noise (`phi` from one to the
/// next) with a standard deviation of `share` of the mean, less where a value would otherwise cross zero. The same
/// `seed` and `stream` draw the same values.
pub fn minutes_with_mean(mean: Decimal, count: usize, phi: f64, share: f64, seed: u64, stream: u64) -> Vec<Decimal> {
    let noise = centred_noise(count, phi, seed, stream);
    let lowest = noise.iter().fold(0.0_f64, |least, z| least.min(*z));
    let share = if lowest < 0.0 { share.min(-1.0 / lowest) } else { share };
    let centre = mean.mantissa as f64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within a small factor of an i64 mantissa"
    )]
    let mut mantissas: Vec<i64> = noise
        .iter()
        .map(|z| (centre * (1.0 + share * z)).round() as i64)
        .collect();
    settle(&mut mantissas, mean.mantissa);
    let scale = mean.scale;
    mantissas
        .into_iter()
        .map(|mantissa| Decimal { mantissa, scale })
        .collect()
}

/// Autocorrelated noise of unit deviation with its own mean taken out.
fn centred_noise(count: usize, phi: f64, seed: u64, stream: u64) -> Vec<f64> {
    let mut source = Ar1::new(phi, 60.0, 1.0, Chance::new(seed, stream));
    let noise: Vec<f64> = (0..count).map(|_| source.step()).collect();
    let mean = noise.iter().sum::<f64>() / (count.max(1)) as f64;
    noise.iter().map(|z| z - mean).collect()
}

/// Moves values by single last digits, spread over the hour, until their sum is `count × mean`; none crosses zero by
/// it.
fn settle(mantissas: &mut [i64], mean: i64) {
    let count = mantissas.len();
    if count == 0 {
        return;
    }
    let sum: i128 = mantissas.iter().map(|m| i128::from(*m)).sum();
    let mut missing = i128::from(mean) * count as i128 - sum;
    let step: i64 = if missing > 0 { 1 } else { -1 };
    // A stride that shares no factor with the length visits every value once a round.
    let stride = (count / 2 + 1..=count + 1).find(|s| coprime(*s, count)).unwrap_or(1);
    let mut at = 0;
    while missing != 0 {
        at = (at + stride) % count;
        let away_from_zero = mean.signum() == step;
        if let Some(value) = mantissas
            .get_mut(at)
            .filter(|value| away_from_zero || **value != 0 || mean == 0)
        {
            *value += step;
            missing -= i128::from(step);
        }
    }
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn draws_are_noisy_and_repeat() {
        let mean = Decimal::parse(b"81.952").unwrap();
        let drawn = minutes_with_mean(mean, 60, 0.9, 0.05, 11, 1);
        assert_eq!(drawn, minutes_with_mean(mean, 60, 0.9, 0.05, 11, 1));
        assert_ne!(drawn, minutes_with_mean(mean, 60, 0.9, 0.05, 12, 1));
        assert!(drawn.windows(2).filter(|pair| pair[0] != pair[1]).count() > 50);
    }

    proptest! {
        #[test]
        fn the_mean_is_kept_to_the_last_digit(
            mantissa in -2_000_000_000_i64..2_000_000_000,
            scale in 0_u8..6,
            count in 1_usize..61,
            share in 0.0_f64..3.0,
            seed: u64,
        ) {
            let mean = Decimal { mantissa, scale };
            let drawn = minutes_with_mean(mean, count, 0.9, share, seed, 3);
            prop_assert_eq!(drawn.len(), count);
            let sum: i128 = drawn.iter().map(|d| i128::from(d.mantissa)).sum();
            prop_assert_eq!(sum, i128::from(mantissa) * count as i128);
            prop_assert!(drawn.iter().all(|d| d.scale == scale && d.mantissa.signum() * mantissa.signum() >= 0));
        }
    }
}
