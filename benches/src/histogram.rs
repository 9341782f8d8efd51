//! Latencies in buckets of one part in 128: quantiles without keeping every value.

/// Buckets of each power of two.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Counts of values, in nanoseconds or any other unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The value below which `per_mille` of a thousand lie, within one part in 128; 0 where there are none.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let rank = (self.total * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Values below 128 have a bucket each; above, each power of two has 128.
fn bucket_of(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let bucket = u64::from(shift) * STEPS + (value >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let within = bucket - shift * STEPS;
    ((within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_part_in_128() {
        let mut histogram = Histogram::default();
        for value in 1..=100_000 {
            histogram.add(value);
        }
        for (per_mille, exact) in [(500, 50_000_u64), (990, 99_000), (999, 99_900), (1_000, 100_000)] {
            let got = histogram.quantile(per_mille);
            assert!(got >= exact && got - exact <= exact / 100, "{per_mille}: {got}");
        }
        assert_eq!(histogram.total, 100_000);
        assert_eq!(Histogram::default().quantile(999), 0);
    }

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..5_000).chain([1 << 20, (1 << 20) + 1, u64::from(u32::MAX), 1 << 50]) {
            let bucket = bucket_of(value);
            assert!(value <= upper_end(bucket), "{value}");
            assert!(bucket == 0 || value > upper_end(bucket - 1), "{value}");
        }
    }

    #[test]
    fn merging_is_adding() {
        let (mut left, mut right, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for value in 0..1_000 {
            let part = if value % 3 == 0 { &mut left } else { &mut right };
            part.add(value * value);
            both.add(value * value);
        }
        left.merge(&right);
        assert_eq!(
            (left.quantile(500), left.quantile(990)),
            (both.quantile(500), both.quantile(990))
        );
    }
}
