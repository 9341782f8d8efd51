//! Hour means of an outlet: a daily swing, noise with memory, and a level that moves at once or slowly, or not at all.
//! plume's watch and three other detectors see the same hours.

use plume_detect::chart::level::{Level, Watching};
use plume_detect::config::ShiftSettings;
use serde::Serialize;

use super::rivals::{Rival, Tuned};
use super::{Chance, Delay, rounded};

/// Values are in percent of the limit: a level at half of it, and a swing between day and night.
const LIMIT: f64 = 100.0;
const LEVEL: f64 = 50.0;
const SWING: f64 = 4.0;
/// Standard deviations of the hour means about their level, and their memory from hour to hour.
const SDS: [f64; 3] = [2.0, 5.0, 10.0];
const PHIS: [f64; 3] = [0.0, 0.5, 0.9];
/// How the level moves: by so much at once, or by so much a day.
const STEP: f64 = 20.0;
const DRIFT_A_DAY: f64 = 2.0;
/// Hours that are counted where nothing moves: three months behind the weeks of learning.
const QUIET_H: usize = 2_160;
/// Hours behind the weeks of learning before the level moves, and hours after which nobody waits any more.
const BEFORE_H: usize = 480;
const AFTER_H: usize = 720;
const MONTH_H: f64 = 720.0;
/// Hours before plume's residuals have a size; then it learns for as long as the settings say.
const SIZE_H: usize = 48;
/// Alarms closer together than this are one, whoever raises them.
const EPISODE_H: usize = 24;
/// 2026-03-02 00:00 in Beijing, hours since 1970.
const START_HOUR: i64 = 492_328;

/// Noise of a cell of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    sd: f64,
    phi: f64,
}

/// One cell: noise, and what each detector made of it.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) sd_pct_of_limit: f64,
    pub(super) phi: f64,
    pub(super) outlet_months: f64,
    pub(super) detectors: Vec<Row>,
}

/// One detector.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) detector: &'static str,
    /// Its threshold, where one was set by simulation for all outlets together.
    pub(super) threshold: Option<String>,
    /// Alarms where nothing moved, on outlets that no threshold was set on.
    pub(super) false_per_outlet_month: f64,
    pub(super) step_hours: Delay,
    pub(super) drift_hours: Delay,
}

/// All cells.
pub(super) fn grid() -> Vec<Noise> {
    let pairs = SDS.iter().flat_map(|&sd| PHIS.map(|phi| Noise { sd, phi }));
    pairs.collect()
}

/// How the level of a series moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    None,
    Step,
    Drift,
}

/// Hour means of one outlet, from the first hour of learning on.
struct Series {
    values: Vec<f64>,
    learn: usize,
    seed: u64,
}

impl Series {
    fn new(noise: Noise, learn: usize, moves: Move, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let begun = learn + BEFORE_H;
        let hours = learn
            + if moves == Move::None {
                QUIET_H
            } else {
                BEFORE_H + AFTER_H
            };
        let mut off = noise.sd * chance.normal();
        let mut values = Vec::with_capacity(hours);
        for hour in 0..hours {
            let swing = if (6..18).contains(&(hour % 24)) { SWING } else { -SWING };
            let moved = match moves {
                Move::Step if hour >= begun => STEP,
                Move::Drift if hour >= begun => DRIFT_A_DAY * (hour + 1 - begun) as f64 / 24.0,
                _ => 0.0,
            };
            values.push(LEVEL + swing + off + moved);
            off = noise.phi * off + noise.sd * (1.0 - noise.phi * noise.phi).sqrt() * chance.normal();
        }
        Self { values, learn, seed }
    }

    /// The hours behind the weeks of learning in standard deviations: less the mean of their hour of the day, by the
    /// standard deviation, both of the weeks of learning.
    fn standardised(&self) -> Vec<f64> {
        let (learning, rest) = self.values.split_at(self.learn.min(self.values.len()));
        let mut sums = [(0.0, 0.0); 24];
        for (hour, value) in learning.iter().enumerate() {
            let (sum, count) = &mut sums[hour % 24];
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
        let usual = |hour: usize| sums[hour % 24].0 / f64::max(sums[hour % 24].1, 1.0);
        let off = learning.iter().enumerate().map(|(hour, value)| value - usual(hour));
        // One mean for each hour of the day has been taken out.
        let free = (learning.len() as f64 - 24.0).max(1.0);
        let sd = (off.map(|off| off * off).sum::<f64>() / free).sqrt();
        let rest = rest.iter().enumerate();
        rest.map(|(hour, value)| (value - usual(hour + self.learn)) / sd)
            .collect()
    }

    /// Hours behind the weeks of learning at which plume's charts begin to signal, and at which SHIFT would be said.
    fn watched(&self, by: &Watching, settings: &ShiftSettings) -> [Vec<usize>; 2] {
        let mut level = Box::<Level>::default();
        let (mut signals, mut said) = (Vec::new(), Vec::new());
        for (at, (hour, value)) in (START_HOUR..).zip(&self.values).enumerate() {
            let found = level.take(by, hour, *value, self.seed).found;
            let Some(found) = found.filter(|_| at >= self.learn) else {
                continue;
            };
            signals.push(at - self.learn);
            if found.is_said(settings, LIMIT) {
                said.push(at - self.learn);
            }
        }
        [starts(&signals), starts(&said)]
    }
}

/// The first of each run of alarms.
pub(super) fn starts(alarms: &[usize]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut before: Option<usize> = None;
    for &alarm in alarms {
        if before.is_none_or(|before| alarm - before > EPISODE_H) {
            starts.push(alarm);
        }
        before = Some(alarm);
    }
    starts
}

/// Hours from the move until the first alarm that begins behind it; nothing where one was going on.
#[expect(
    clippy::option_option,
    reason = "left out, not found, or found after so long are three things"
)]
fn delay(starts: &[usize]) -> Option<Option<f64>> {
    let recent = BEFORE_H.saturating_sub(EPISODE_H)..BEFORE_H;
    if starts.iter().any(|start| recent.contains(start)) {
        return None;
    }
    let first = starts.iter().find(|&&start| start >= BEFORE_H);
    Some(first.map(|&start| (start + 1 - BEFORE_H) as f64))
}

/// What one detector said of all series.
#[derive(Default)]
struct Said {
    alarms: usize,
    steps: Vec<Option<f64>>,
    drifts: Vec<Option<f64>>,
}

impl Said {
    fn row(self, detector: &'static str, threshold: Option<String>, outlet_months: f64) -> Row {
        Row {
            detector,
            threshold,
            false_per_outlet_month: rounded(self.alarms as f64 / outlet_months),
            step_hours: Delay::of(self.steps),
            drift_hours: Delay::of(self.drifts),
        }
    }

    fn add(&mut self, moves: Move, starts: &[usize]) {
        match moves {
            Move::None => self.alarms += starts.len(),
            Move::Step => self.steps.extend(delay(starts)),
            Move::Drift => self.drifts.extend(delay(starts)),
        }
    }
}

/// Measures one cell on `outlets` outlets of one factor.
pub(super) fn measure(settings: &ShiftSettings, noise: Noise, seed: u64, outlets: u32) -> Cell {
    let learn = SIZE_H + usize::from(settings.learn_hours);
    let by = Watching::new(settings, 1, LIMIT);
    let outlet_months = f64::from(outlets) * QUIET_H as f64 / MONTH_H;
    let series = |moves: Move, group: u64| {
        (0..u64::from(outlets)).map(move |n| {
            let seed = seed.wrapping_mul(3_000_017).wrapping_add(group * 1_000_003 + n);
            (moves, Series::new(noise, learn, moves, seed))
        })
    };
    // Thresholds of the others are set where nothing moves; all are measured on other outlets.
    let quiet: Vec<Vec<f64>> = series(Move::None, 0).map(|(_, one)| one.standardised()).collect();
    let tuned: Vec<Tuned> = Rival::ALL
        .map(|rival| rival.tuned(&quiet, outlet_months * settings.false_alarms))
        .to_vec();
    let mut charts = [Said::default(), Said::default()];
    let mut others: Vec<Said> = tuned.iter().map(|_| Said::default()).collect();
    let measured = series(Move::None, 1)
        .chain(series(Move::Step, 2))
        .chain(series(Move::Drift, 3));
    for (moves, one) in measured {
        for (said, starts) in charts.iter_mut().zip(one.watched(&by, settings)) {
            said.add(moves, &starts);
        }
        let values = one.standardised();
        for (said, tuned) in others.iter_mut().zip(&tuned) {
            said.add(moves, &tuned.starts(&values));
        }
    }
    let [signals, said] = charts;
    let mut detectors = vec![
        signals.row("plume charts", None, outlet_months),
        said.row("plume SHIFT", None, outlet_months),
    ];
    let rest = others.into_iter().zip(&tuned);
    detectors.extend(rest.map(|(said, tuned)| said.row(tuned.rival.name(), Some(tuned.threshold()), outlet_months)));
    Cell {
        sd_pct_of_limit: noise.sd,
        phi: noise.phi,
        outlet_months,
        detectors,
    }
}
