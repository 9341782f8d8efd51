//! `plume score --drift`: how soon the charts find a drift of an analyser and a move of a level, and how often they
//! speak where nothing drifted. Both are simulated, run through the charts that the judge uses, and counted. Same seed,
//! same numbers.

mod checks;
mod levels;
mod rivals;
mod table;

use std::process::ExitCode;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::Serialize;

use crate::cli::ScoreArgs;
use crate::commands::view;
use crate::out;

/// First seed, where nobody says otherwise.
const SEED: u64 = 11;
/// Days to the warning (median), and warnings an outlet-month without a drift, at this scatter and drift.
const TARGET_DAYS: f64 = 5.0;
const TARGET_ALERTS: f64 = 0.1;
const TARGET_SD_PCT: f64 = 0.5;
const TARGET_DRIFT_PCT_WEEK: f64 = 2.0;

/// Everything measured.
#[derive(Debug, Serialize)]
struct Score {
    seed: u64,
    plants: u32,
    checks: checks::Measured,
    levels: Vec<levels::Cell>,
    targets_met: bool,
}

/// How soon something was found.
#[derive(Clone, Copy, Debug, Serialize)]
struct Delay {
    /// How many there were to find.
    n: usize,
    /// Share that was found before the end.
    found: f64,
    /// Median and ninth decile, where so many were found.
    median: Option<f64>,
    p90: Option<f64>,
}

impl Delay {
    /// From the delay of each, `None` for one that was not found.
    fn of(mut delays: Vec<Option<f64>>) -> Self {
        let n = delays.len();
        delays.sort_by(|one, other| {
            let key = |delay: &Option<f64>| delay.unwrap_or(f64::INFINITY);
            key(one).total_cmp(&key(other))
        });
        let at = |place: usize| delays.get(place).copied().flatten().map(rounded);
        let found = delays.iter().flatten().count();
        Self {
            n,
            found: rounded(found as f64 / n.max(1) as f64),
            median: at(n / 2),
            p90: at(n * 9 / 10),
        }
    }
}

/// To hundredths: finer digits are chance.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Normal chance from a seed.
struct Chance(ChaCha8Rng);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0.random()
    }
}

/// Measures and prints; with `--check` it fails where a target is missed.
pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<ExitCode> {
    let config = view::config(args.config.as_deref())?;
    let seed = args.seed.unwrap_or(SEED);
    out::complain(format_args!("零点与跨度检查 / zero and span checks"));
    let checks = checks::measure(seed, args.plants);
    let mut measured = Vec::new();
    let cells = levels::grid();
    for (done, &grid) in cells.iter().enumerate() {
        out::complain(format_args!("小时均值 / hour means: {done} / {}", cells.len()));
        measured.push(levels::measure(&config.detect.shift, grid, seed, args.plants));
    }
    let score = Score {
        seed,
        plants: args.plants,
        targets_met: checks.meets(TARGET_SD_PCT, TARGET_DRIFT_PCT_WEEK, TARGET_DAYS, TARGET_ALERTS),
        checks,
        levels: measured,
    };
    if args.json {
        out::line(serde_json::to_string_pretty(&score)?);
    } else {
        table::tell(&score, config.detect.shift.false_alarms);
    }
    Ok(if args.check && !score.targets_met {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
