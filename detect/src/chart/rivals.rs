//! Other detectors of change, to be measured beside plume's own. None of them is on by default.

use std::collections::VecDeque;

use statrs::function::erf::erfc;

/// Page–Hinkley with the defaults of the river library: unscaled, so observations are standardised first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkley {
    min: u32,
    delta: f64,
    threshold: f64,
    alpha: f64,
    seen: u32,
    mean: f64,
    rising: f64,
    falling: f64,
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self::new(50.0)
    }
}

impl PageHinkley {
    /// With another threshold.
    pub const fn new(threshold: f64) -> Self {
        Self {
            min: 30,
            delta: 0.005,
            threshold,
            alpha: 0.9999,
            seen: 0,
            mean: 0.0,
            rising: 0.0,
            falling: 0.0,
        }
    }

    /// Takes an observation; true on a change, after which it begins anew.
    pub fn step(&mut self, value: f64) -> bool {
        self.seen += 1;
        self.mean += (value - self.mean) / f64::from(self.seen);
        let distance = value - self.mean;
        self.rising = (self.alpha * self.rising + distance - self.delta).max(0.0);
        self.falling = (self.alpha * self.falling - distance - self.delta).max(0.0);
        let changed = self.seen >= self.min && self.rising.max(self.falling) > self.threshold;
        if changed {
            *self = Self::new(self.threshold);
        }
        changed
    }
}

/// Buckets of one size before two of them are joined.
const BUCKETS: usize = 5;
/// Observations between two looks, and before the first.
const CLOCK: u64 = 32;
const GRACE: f64 = 10.0;
const LEAST: f64 = 5.0;

/// A bucket of an exponential histogram.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: f64,
    sum: f64,
    squares: f64,
}

/// ADWIN (Bifet and Gavaldà 2007): a window that forgets its old part when the halves differ.
#[derive(Clone, Debug)]
pub struct Adwin {
    delta: f64,
    /// Oldest first; sizes never grow towards the newest.
    buckets: VecDeque<Bucket>,
    seen: u64,
}

impl Default for Adwin {
    fn default() -> Self {
        Self::new(0.002)
    }
}

impl Adwin {
    /// With another confidence.
    pub const fn new(delta: f64) -> Self {
        Self {
            delta,
            buckets: VecDeque::new(),
            seen: 0,
        }
    }

    /// Takes an observation; true on a change, after which the old part is forgotten.
    pub fn step(&mut self, value: f64) -> bool {
        self.buckets.push_back(Bucket {
            count: 1.0,
            sum: value,
            squares: 0.0,
        });
        self.join();
        self.seen += 1;
        if !self.seen.is_multiple_of(CLOCK) {
            return false;
        }
        let mut changed = false;
        while self.differs() {
            self.buckets.pop_front();
            changed = true;
        }
        changed
    }

    /// Joins the two oldest of a size wherever there are more than [`BUCKETS`] of it.
    fn join(&mut self) {
        let mut size = 1.0;
        let mut end = self.buckets.len();
        loop {
            let start = end
                - self
                    .buckets
                    .iter()
                    .take(end)
                    .rev()
                    .take_while(|bucket| bucket.count <= size)
                    .count();
            if end - start <= BUCKETS {
                return;
            }
            if let (Some(first), Some(second)) = (self.buckets.remove(start), self.buckets.get_mut(start)) {
                let gap = first.sum / first.count - second.sum / second.count;
                let spread = first.count * second.count / (first.count + second.count) * gap * gap;
                *second = Bucket {
                    count: first.count + second.count,
                    sum: first.sum + second.sum,
                    squares: first.squares + second.squares + spread,
                };
            }
            (size, end) = (size * 2.0, start + 1);
        }
    }

    /// Whether any cut leaves two parts whose means differ by more than chance allows.
    fn differs(&self) -> bool {
        let (mut count, mut sum) = (0.0, 0.0);
        for bucket in &self.buckets {
            count += bucket.count;
            sum += bucket.sum;
        }
        if count < GRACE {
            return false;
        }
        let mean = sum / count;
        let scatter = |bucket: &Bucket| bucket.squares + bucket.count * (bucket.sum / bucket.count - mean).powi(2);
        let variance = self.buckets.iter().map(scatter).sum::<f64>() / count;
        let (mut old, mut old_sum) = (0.0, 0.0);
        self.buckets.iter().any(|bucket| {
            old += bucket.count;
            old_sum += bucket.sum;
            let new = count - old;
            if old < LEAST || new < LEAST {
                return false;
            }
            let inverse = 1.0 / (old - LEAST + 1.0) + 1.0 / (new - LEAST + 1.0);
            let confidence = (2.0 * count.ln() / self.delta).ln();
            let allowed = (2.0 * inverse * variance * confidence).sqrt() + 2.0 / 3.0 * inverse * confidence;
            (old_sum / old - (sum - old_sum) / new).abs() > allowed
        })
    }
}

/// The baseline of the Numenta benchmark: how unlikely a value is under the normal of a window.
#[derive(Clone, Debug)]
pub struct WindowedGaussian {
    window: usize,
    /// Probability of the tail below which a value is an alarm.
    tail: f64,
    values: VecDeque<f64>,
}

impl WindowedGaussian {
    /// Over so many values, alarming below this probability.
    pub fn new(window: usize, tail: f64) -> Self {
        Self {
            window,
            tail,
            values: VecDeque::with_capacity(window),
        }
    }

    /// Takes an observation; true where it is that unlikely.
    pub fn step(&mut self, value: f64) -> bool {
        let full = self.values.len() == self.window;
        let alarm = full && {
            #[expect(clippy::cast_precision_loss, reason = "a window of some thousands")]
            let count = self.window as f64;
            let mean = self.values.iter().sum::<f64>() / count;
            let variance = self.values.iter().map(|seen| (seen - mean).powi(2)).sum::<f64>() / (count - 1.0);
            let sds = (value - mean).abs() / variance.sqrt().max(f64::MIN_POSITIVE);
            erfc(sds / std::f64::consts::SQRT_2) < self.tail
        };
        if full {
            self.values.pop_front();
        }
        self.values.push_back(value);
        alarm
    }
}
