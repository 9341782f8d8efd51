//! Charts against published numbers: worked examples to the digit, mean run lengths within three standard errors.

use std::collections::BTreeMap;

use plume_detect::chart::budget::{self, Chart, Effort};
use plume_detect::chart::cusum::{Cusum, CusumState};
use plume_detect::chart::ewma::{Ewma, EwmaState};
use plume_detect::chart::qal3::{Finding, Qal3, Qal3State};
use plume_detect::chart::shewhart::{Shewhart, ShewhartState};
use plume_detect::chart::{Side, Signal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::Deserialize;

#[derive(Deserialize)]
struct Nist {
    cusum: NistCusum,
    ewma: NistEwma,
}

#[derive(Deserialize)]
struct NistCusum {
    target: f64,
    k: f64,
    h: f64,
    data: Vec<f64>,
    s_hi: Vec<f64>,
    s_lo: Vec<f64>,
    first_signal_index: usize,
}

#[derive(Deserialize)]
struct NistEwma {
    lambda: f64,
    target: f64,
    sigma: f64,
    limit_sd: f64,
    data: Vec<f64>,
    ewma_2dp: Vec<f64>,
    ucl_published: f64,
    lcl_published: f64,
}

fn nist() -> Nist {
    toml::from_str(include_str!("../data/charts/nist.toml")).unwrap()
}

#[test]
fn the_nist_cusum_is_exact() {
    let case = nist().cusum;
    let chart = Cusum { k: case.k, h: case.h };
    let mut state = CusumState::default();
    let mut first = None;
    for (at, value) in case.data.iter().enumerate() {
        let signal = chart.step(&mut state, value - case.target);
        let (high, low) = (case.s_hi[at], case.s_lo[at]);
        assert!((state.high - high).abs() < 1e-9, "{at}: {} for {high}", state.high);
        assert!((state.low - low).abs() < 1e-9, "{at}: {} for {low}", state.low);
        if let (None, Some(signal)) = (first, signal) {
            first = Some((at + 1, signal));
        }
    }
    let (at, Signal { side, since, .. }) = first.unwrap();
    assert_eq!((at, side, since), (case.first_signal_index, Side::High, 2));
}

#[test]
fn the_nist_ewma_is_exact() {
    let case = nist().ewma;
    let chart = Ewma {
        lambda: case.lambda,
        limit_sd: case.limit_sd,
    };
    // Published to four places, from limits that were rounded before.
    assert!((case.target + case.sigma * chart.limit() - case.ucl_published).abs() < 1e-4);
    assert!((case.target - case.sigma * chart.limit() - case.lcl_published).abs() < 1e-4);
    let mut state = EwmaState::default();
    for (value, published) in case.data.iter().zip(case.ewma_2dp.iter().skip(1)) {
        let signal = chart.step(&mut state, (value - case.target) / case.sigma);
        let mean = case.target + state.mean * case.sigma;
        assert!((mean - published).abs() <= 0.005 + 1e-9, "{mean} for {published}");
        assert_eq!(signal, None);
    }
}

/// Chance of a test: the seed stands in the test.
struct Chance(ChaCha8Rng);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
    fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }
}

/// Mean run length and its standard error over `runs` runs of `step`, which says whether this observation signals.
fn run_length(runs: u32, mut fresh: impl FnMut() -> Box<dyn FnMut() -> bool>) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..runs {
        let mut step = fresh();
        let mut count = 1.0;
        while !step() {
            count += 1.0;
        }
        sum += count;
        squares += count * count;
    }
    let runs = f64::from(runs);
    let mean = sum / runs;
    (mean, ((squares / runs - mean * mean) / (runs - 1.0)).sqrt())
}

fn normals(seed: &mut u64, shift: f64) -> impl FnMut() -> f64 + use<> {
    *seed += 1;
    let mut chance = Chance::new(*seed);
    move || chance.normal() + shift
}

fn shewhart(rules: &str) -> Shewhart {
    Shewhart {
        limit_sd: 3.0,
        two_of_three: rules.contains("2of3"),
        four_of_five: rules.contains("4of5"),
        eight: rules.contains("8of8"),
    }
}

/// A fresh chart of a row, fed with `next`.
fn chart_of(row: &[&str], mut next: impl FnMut() -> f64 + 'static) -> Box<dyn FnMut() -> bool> {
    let number = |at: usize| row[at].parse::<f64>().unwrap_or_default();
    let (first, second) = (number(2), number(3));
    match row[1] {
        "cusum_two_sided" => {
            let (chart, mut state) = (Cusum { k: first, h: second }, CusumState::default());
            Box::new(move || chart.step(&mut state, next()).is_some())
        }
        "cusum_one_sided" => {
            let (chart, mut state) = (Cusum { k: first, h: second }, CusumState::default());
            Box::new(move || {
                chart.step(&mut state, next());
                state.high > second
            })
        }
        "ewma_two_sided" => {
            let (lambda, limit_sd) = (first, second);
            let (chart, mut state) = (Ewma { lambda, limit_sd }, EwmaState::default());
            Box::new(move || chart.step(&mut state, next()).is_some())
        }
        "shewhart_runs" => {
            let (chart, mut state) = (shewhart(row[4]), ShewhartState::default());
            Box::new(move || chart.step(&mut state, next()).is_some())
        }
        other => panic!("no chart `{other}`"),
    }
}

/// Three standard errors, and what the source itself is off by.
fn assert_near(what: &str, mean: f64, error: f64, expected: f64, source_error: f64) {
    let off = (mean - expected).abs();
    let allowed = 3.0 * error.hypot(source_error);
    assert!(off <= allowed, "{what}: {mean:.3} ± {error:.3}, published {expected}");
    assert!(
        error < 0.04 * expected,
        "{what}: ± {error:.3} says too little about {expected}"
    );
}

#[test]
fn run_lengths_are_those_of_the_tables() {
    let mut seed = 212;
    let mut used = BTreeMap::new();
    for line in include_str!("../data/charts/arl.csv").lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        *used.entry(row[1]).or_insert(0) += 1;
        let (shift, computed): (f64, f64) = (row[5].parse().unwrap(), row[7].parse().unwrap());
        let (mean, error) = run_length(3_000, || chart_of(&row, normals(&mut seed, shift)));
        println!(
            "{:14} {:16} shift {shift:6.3}: {mean:8.3} ± {error:.3} for {computed}",
            row[0], row[1]
        );
        assert_near(row[0], mean, error, computed, 0.0);
    }
    // A row that is dropped from the data, or a kind that none has, is a hole in this test.
    let expected = [
        ("cusum_one_sided", 3),
        ("cusum_two_sided", 4),
        ("ewma_two_sided", 8),
        ("shewhart_runs", 9),
    ];
    assert_eq!(used, BTreeMap::from(expected));
}

/// The classic bug is to take one for the other.
#[test]
fn two_sided_is_half_of_one_sided() {
    let mut seed = 9_000;
    let both = ["", "cusum_two_sided", "0.5", "4", ""];
    let one = ["", "cusum_one_sided", "0.5", "4", ""];
    let (both, _) = run_length(4_000, || chart_of(&both, normals(&mut seed, 0.0)));
    let (one, _) = run_length(4_000, || chart_of(&one, normals(&mut seed, 0.0)));
    assert!((one / both - 2.0).abs() < 0.12, "{one} / {both}");
}

/// Published rows of EN 14181: precision sum in s², drift sums in s.
#[test]
fn qal3_has_its_published_run_lengths() {
    let both = Qal3::published(2.0);
    let drift = Qal3 {
        precision_h: f64::INFINITY,
        ..both
    };
    let mut seed = 14_181;
    let mut length = |chart: Qal3, sd: f64, shift: f64, wanted: fn(&Qal3State, &Finding) -> bool| {
        run_length(8_000, || {
            let (mut state, mut next) = (Qal3State::default(), normals(&mut seed, 0.0));
            Box::new(move || {
                let finding = chart.step(&mut state, 2.0 * (next() * sd + shift));
                wanted(&state, &finding)
            })
        })
    };
    let precision = |_: &Qal3State, finding: &Finding| matches!(finding, Finding::PrecisionLost { .. });
    for (sd, published) in [(1.0, 105.0), (1.5, 13.1), (2.0, 6.1)] {
        let (mean, error) = length(both, sd, 0.0, precision);
        // The sum is of differences, and the table counts those: the first check has none.
        let mean = mean - 1.0;
        println!("precision, sd x {sd}: {mean:.2} ± {error:.2} for {published}");
        // How its source begins is not said, which is worth a hundredth.
        assert_near("precision", mean, error, published, 0.01 * published);
    }
    let one_sided = |state: &Qal3State, _: &Finding| state.drift.high > 2.85 * 2.0;
    let two_sided = |state: &Qal3State, _: &Finding| state.drift.high.max(state.drift.low) > 2.85 * 2.0;
    for (what, shift, published, wanted) in [
        ("one-sided", 0.0, 100.5, one_sided as fn(&Qal3State, &Finding) -> bool),
        ("two-sided", 0.0, 50.3, two_sided),
        ("one-sided", 1.0, 6.12, one_sided),
        ("one-sided", 2.0, 2.58, one_sided),
    ] {
        let (mean, error) = length(drift, 1.0, shift, wanted);
        println!("drift {what}, shift {shift}: {mean:.3} ± {error:.3} for {published}");
        assert_near(what, mean, error, published, 0.02);
    }
}

/// An AR(1) with marginal variance 1, from its stationary distribution.
fn ar1(seed: &mut u64, phi: f64) -> impl FnMut() -> f64 + use<> {
    *seed += 1;
    let mut chance = Chance::new(*seed);
    let mut value = chance.normal();
    move || {
        let now = value;
        value = phi * value + (1.0 - phi * phi).sqrt() * chance.normal();
        now
    }
}

/// Why raw minutes are never charted: run lengths of charts made for independent observations.
#[test]
fn memory_ruins_charts_made_for_independent_values() {
    let mut seed = 3;
    for line in include_str!("../data/charts/autocorrelation.csv").lines().skip(1) {
        let row: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let phi = row[0];
        for (chart, published) in [
            (["", "cusum_two_sided", "0.5", "5", ""], row[1]),
            (["", "ewma_two_sided", "0.2", "2.962", ""], row[2]),
            (["", "shewhart_runs", "", "", "1"], row[3]),
        ] {
            let (mean, error) = run_length(2_500, || chart_of(&chart, ar1(&mut seed, phi)));
            println!("phi {phi}: {:16} {mean:8.1} ± {error:.1} for {published}", chart[1]);
            // The published row was simulated too, and is rounded: its error is as large as ours.
            assert_near(chart[1], mean, error, published, error);
        }
    }
}

/// On normal residuals a limit from the budget is that of the table.
#[test]
fn the_budget_finds_the_limits_of_the_tables() {
    let mut chance = Chance::new(77);
    #[expect(clippy::cast_possible_truncation, reason = "residuals are kept in f32")]
    let history: Vec<f32> = (0..20_000).map(|_| chance.normal() as f32).collect();
    let effort = Effort {
        runs: 1_500,
        longest: 2_000,
    };
    for (chart, goal, table) in [
        (Chart::Cusum { k: 0.5 }, 370.4, 4.7749),
        (Chart::Cusum { k: 0.5 }, 1_000.0, 5.7574),
        (Chart::Ewma { lambda: 0.1 }, 500.0, 2.814),
        (Chart::Ewma { lambda: 0.2 }, 370.4, 2.8593),
    ] {
        let limit = budget::limit_for(chart, goal, &history, effort, 1).unwrap();
        println!("{chart:?} once in {goal}: {limit:.3} for {table}");
        assert!((limit / table - 1.0).abs() < 0.03, "{chart:?}: {limit} for {table}");
    }
    let short = budget::limit_for(Chart::Cusum { k: 0.5 }, 500.0, &history[..20], effort, 1);
    assert_eq!(short, None);
}
