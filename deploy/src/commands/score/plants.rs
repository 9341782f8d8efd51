//! Plants nobody steers, drawn from a seed, and beside each value what one who knows the generator expects.
//!
//! Each is a coal boiler with three pollutants of its own level (55 to 97 % of the limit), noise and upsets. What is
//! measured comes from the simulator's analysers; minutes are corrected as loggers do it. The oracle knows the level to
//! come, because the same plant is run beside it without noise, and the state the noise is in; what it cannot know is
//! the noise to come.

use plume_schemas::ids::FactorCode;
use plume_schemas::time::{DAY_MS, MINUTE_MS, SECOND_MS, Span, Time};
use plume_simulator::plant::{Plant, PlantSpec, SAMPLE_STEP_MS, Sample, Upset};

use crate::commands::seeded::Chance;

/// Pollutants with their hour limits, whole mg/m³ at the reference oxygen (ultra-low emission of coal power).
pub(super) const POLLUTANTS: [(&str, i64); 3] = [("a34013", 10), ("a21026", 35), ("a21002", 50)];
/// 2026-03-02 00:00 in Beijing, a Monday.
pub(super) const START: Time = Time(1_772_380_800_000);
/// Oxygen.
const OXYGEN: &str = "a19001";
/// Oxygen of air and reference oxygen, percent.
const AIR_O2: f64 = 21.0;
const REFERENCE_O2: f64 = 6.0;
/// Samples of a minute.
const SAMPLES: i64 = MINUTE_MS / SAMPLE_STEP_MS;
/// What is left of a deviation after a minute; the simulator's, as minute data of real stacks show.
const PHI: f64 = 0.9;
/// Times of a day at which an upset may come, each with the chance of one half.
const CHANCES_A_DAY: u32 = 2;

/// One pollutant, minute by minute.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) factor: FactorCode,
    /// Hundredths of mg/m³.
    pub(super) limit: i64,
    pub(super) minutes: Vec<Minute>,
    noise_share: f64,
}

/// One minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Minute {
    /// Corrected mean as the logger sends it, hundredths of mg/m³.
    pub(super) sent: i64,
    /// Level without noise, mg/m³ at the reference oxygen.
    level: f64,
    /// State of the noise at the minute's end.
    deviation: f64,
}

impl Series {
    fn hour(&self, hour: usize) -> &[Minute] {
        self.minutes.get(hour * 60..(hour + 1) * 60).unwrap_or_default()
    }

    /// Whether the hour's mean exceeds the limit.
    pub(super) fn exceeds(&self, hour: usize) -> bool {
        self.hour(hour).iter().map(|minute| minute.sent).sum::<i64>() > self.limit * 60
    }

    /// Whether one who knows the generator expects at minute 50 that the hour will exceed.
    pub(super) fn foreseeable(&self, hour: usize) -> bool {
        let Some((past, coming)) = self.hour(hour).split_at_checked(50) else {
            return false;
        };
        let so_far = past.iter().map(|minute| minute.sent as f64 / 100.0).sum::<f64>();
        let state = past.last().map_or(0.0, |minute| minute.deviation);
        let variance = self.noise_share * self.noise_share;
        let expected = coming.iter().zip(1..).map(|(minute, k)| {
            let left = PHI.powi(k);
            // Mean of a log-normal whose deviation is on its way back to zero.
            minute.level * (left * state - variance * left * left / 2.0).exp()
        });
        so_far + expected.sum::<f64>() > self.limit as f64 / 100.0 * 60.0
    }
}

/// Runs the plant of a seed.
pub(super) fn run(seed: u64, days: u32) -> Vec<Series> {
    let spec = draw(seed, days);
    let mut quiet = spec.clone();
    quiet.load.noise_sd = 0.0;
    quiet
        .pollutants
        .iter_mut()
        .for_each(|pollutant| pollutant.noise_share = 0.0);
    let mut series: Vec<Series> = POLLUTANTS
        .iter()
        .filter_map(|&(code, limit)| {
            let factor = FactorCode::new(code).ok()?;
            Some(Series {
                factor,
                limit: limit * 100,
                minutes: Vec::new(),
                noise_share: spec.pollutant(factor)?.noise_share,
            })
        })
        .collect();
    let (mut plant, mut quiet) = (Plant::new(spec, seed), Plant::new(quiet, seed));
    for minute in 0..i64::from(days) * DAY_MS / MINUTE_MS {
        one_minute(&mut plant, &mut quiet, &mut series, START.plus(minute * MINUTE_MS));
    }
    series
}

/// Adds the minute that begins at `start` to every series.
fn one_minute(plant: &mut Plant, quiet: &mut Plant, series: &mut [Series], start: Time) {
    let mut sums = [0.0; POLLUTANTS.len()];
    let mut levels = [0.0; POLLUTANTS.len()];
    let (mut oxygen, mut deviations) = (0.0, [0.0; POLLUTANTS.len()]);
    for sample in 0..SAMPLES {
        let at = start.plus(sample * SAMPLE_STEP_MS);
        let (shown, level) = (plant.at(at), quiet.at(at));
        oxygen += channel(shown, OXYGEN);
        for (i, one) in series.iter().enumerate() {
            let (now, alone) = (at_reference(shown, one.factor), at_reference(level, one.factor));
            sums[i] += channel(shown, one.factor.as_str());
            levels[i] += alone;
            deviations[i] = (now / alone).ln() + one.noise_share * one.noise_share / 2.0;
        }
    }
    let n = SAMPLES as f64;
    for (i, one) in series.iter_mut().enumerate() {
        let corrected = sums[i] / n * (AIR_O2 - REFERENCE_O2) / (AIR_O2 - oxygen / n);
        #[expect(clippy::cast_possible_truncation, reason = "a concentration in hundredths is small")]
        let sent = (corrected * 100.0).round() as i64;
        one.minutes.push(Minute {
            sent,
            level: levels[i] / n,
            deviation: deviations[i],
        });
    }
}

/// What the instrument of a factor shows.
fn channel(sample: &Sample, code: &str) -> f64 {
    let found = sample.channels.iter().find(|channel| channel.factor.as_str() == code);
    found.map_or(0.0, |channel| channel.value.to_f64())
}

/// What is in the stack, at the reference oxygen.
fn at_reference(sample: &Sample, factor: FactorCode) -> f64 {
    let value = sample.truth.value(factor).unwrap_or(0.0);
    value * (AIR_O2 - REFERENCE_O2) / (AIR_O2 - sample.truth.o2_pct)
}

/// Draws a plant.
fn draw(seed: u64, days: u32) -> PlantSpec {
    let mut chance = Chance(seed);
    let mut spec = PlantSpec::coal_boiler("score", START);
    let wanted = |code: &str| code == OXYGEN || POLLUTANTS.iter().any(|&(own, _)| own == code);
    spec.analysers.retain(|analyser| wanted(analyser.factor.as_str()));
    spec.load.swing = chance.between(0.0, 0.15);
    let mut upsets = Vec::new();
    for pollutant in &mut spec.pollutants {
        let limit = POLLUTANTS.iter().find(|(code, _)| *code == pollutant.factor.as_str());
        let level = limit.map_or(0.0, |&(_, limit)| limit as f64) * chance.between(0.55, 0.97);
        let penetration = level / pollutant.inlet_mg_m3;
        pollutant.efficiency = 1.0 - penetration;
        pollutant.noise_share = chance.between(0.015, 0.08);
        pollutant.load_gain = chance.between(0.0, 0.5);
        for _ in 0..days * CHANCES_A_DAY {
            let (comes, begins) = (
                chance.share() < 0.5,
                chance.between(0.0, f64::from(days) * DAY_MS as f64),
            );
            let lasts = chance.between(20.0, 150.0) * MINUTE_MS as f64;
            let height = chance.between(1.1_f64.ln(), 2.2_f64.ln()).exp();
            let lag_s = chance.between(60.0, 900.0);
            if comes {
                upsets.push(Upset {
                    factor: pollutant.factor,
                    span: span(begins, lasts),
                    efficiency: 1.0 - (penetration * height).min(1.0),
                    lag_s,
                });
            }
        }
    }
    spec.upsets = upsets;
    spec
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of a month")]
fn span(begins_ms: f64, lasts_ms: f64) -> Span {
    let start = START.plus(begins_ms as i64).floor(SECOND_MS);
    Span {
        start,
        end: start.plus(lasts_ms as i64),
    }
}
