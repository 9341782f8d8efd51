//! The Hampel gate: a value far from the median of its neighbours is a spike and must not teach a baseline.

use crate::state::{Persist, Reader, RestoreError};

/// Makes the median absolute deviation of normal values their standard deviation: 1 / Φ⁻¹(3/4).
const MAD_TO_SD: f32 = 1.4826;

/// The last `N` values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hampel<const N: usize> {
    values: [f32; N],
    /// Values taken so far, at most `N`, and where the next goes.
    len: u16,
    next: u16,
}

impl<const N: usize> Default for Hampel<N> {
    fn default() -> Self {
        Self {
            values: [0.0; N],
            len: 0,
            next: 0,
        }
    }
}

impl<const N: usize> Persist for Hampel<N> {
    fn save(&self, to: &mut Vec<u8>) {
        self.values.save(to);
        self.len.save(to);
        self.next.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let values = <[f32; N]>::load(from)?;
        let (len, next) = (u16::load(from)?, u16::load(from)?);
        if usize::from(len) > N || usize::from(next) >= N {
            return Err(from.damaged("ring of values"));
        }
        Ok(Self { values, len, next })
    }
}

/// The median of `values`, which are reordered.
fn median(values: &mut [f32]) -> f32 {
    let (odd, middle) = (values.len() % 2 == 1, values.len() / 2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if odd {
        return *upper;
    }
    f32::midpoint(below.iter().copied().fold(f32::NEG_INFINITY, f32::max), *upper)
}

impl<const N: usize> Hampel<N> {
    /// Takes a value and says whether it is a spike: more than `sds` robust standard deviations from the median of
    /// those before it. False until half the ring is full, and where the neighbours are all alike within `least_sd`
    /// only what is beyond `sds · least_sd` is one.
    pub fn is_spike(&mut self, value: f32, sds: f32, least_sd: f32) -> bool {
        let spike = self.far(value, sds, least_sd);
        if let Some(slot) = self.values.get_mut(usize::from(self.next)) {
            *slot = value;
        }
        let size = u16::try_from(N).unwrap_or(u16::MAX);
        self.next = (self.next + 1) % size;
        self.len = (self.len + 1).min(size);
        spike
    }

    /// The values of the ring, newest first.
    pub fn newest(&self) -> impl Iterator<Item = f32> {
        let next = usize::from(self.next);
        (1..=usize::from(self.len)).filter_map(move |back| self.values.get((next + N - back) % N).copied())
    }

    fn far(&self, value: f32, sds: f32, least_sd: f32) -> bool {
        if usize::from(self.len) < N / 2 {
            return false;
        }
        let mut scratch = self.values;
        let Some(seen) = scratch.get_mut(..usize::from(self.len)) else {
            return false;
        };
        let centre = median(seen);
        for seen in seen.iter_mut() {
            *seen = (*seen - centre).abs();
        }
        let sd = (median(seen) * MAD_TO_SD).max(least_sd);
        (value - centre).abs() > sds * sd
    }
}
