//! How few bytes the values could take: the entropy of what is new in each, of the very readings that are measured.

use std::f64::consts::{E, PI};

use plume_schemas::reading::Value;
use plume_schemas::report::Report;

/// More digits than this are no decimal a maker types but a float printed out; the floor leaves those series out.
const MAX_DIGITS: u8 = 6;

/// Sums over one series of mantissas, counted from its first.
#[derive(Clone, Default)]
struct Series {
    first: Option<i64>,
    last: f64,
    count: f64,
    sum: f64,
    squares: f64,
    lagged: f64,
    float: bool,
}

impl Series {
    fn take(&mut self, mantissa: i64) {
        let value = (mantissa - *self.first.get_or_insert(mantissa)) as f64;
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
        self.lagged += value * self.last;
        self.last = value;
    }

    /// Bytes a value: without the order of the values, and given the one before. A normal distribution, rounded to
    /// whole mantissas.
    fn bytes(&self) -> (f64, f64) {
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0);
        let covariance = self.lagged / self.count - mean * mean;
        let memory = if variance > 0.0 { covariance / variance } else { 0.0 };
        let entropy = |variance: f64| (0.5 * (2.0 * PI * E * (variance + 1.0 / 12.0)).log2()).max(0.0) / 8.0;
        (entropy(variance), entropy(variance * (1.0 - memory * memory).max(0.0)))
    }
}

/// The series of all plants.
#[derive(Default)]
pub(crate) struct Floor {
    series: Vec<Vec<Series>>,
}

impl Floor {
    /// Takes a plant's readings; they come in the same order each time.
    pub(crate) fn take(&mut self, plant: usize, report: &Report) {
        if self.series.len() <= plant {
            self.series.resize(plant + 1, Vec::new());
        }
        let Some(series) = self.series.get_mut(plant) else {
            return;
        };
        series.resize(report.readings.len(), Series::default());
        for (series, reading) in series.iter_mut().zip(&report.readings) {
            match reading.value {
                Value::Decimal(decimal) if decimal.scale <= MAX_DIGITS => series.take(decimal.mantissa),
                _ => series.float = true,
            }
        }
    }

    /// Bytes a reading: without the order of a series' values, and given the one before.
    pub(crate) fn bytes(&self) -> (f64, f64) {
        let typed = self.series.iter().flatten().filter(|series| !series.float);
        let (mut count, mut unordered, mut new) = (0.0, 0.0, 0.0);
        for series in typed {
            let (one, other) = series.bytes();
            (count, unordered, new) = (count + 1.0, unordered + one, new + other);
        }
        (unordered / count, new / count)
    }
}
