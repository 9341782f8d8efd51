//! The chain that SHIFT charts an hour by: gate, frozen baseline, limits of its own, the change dated, the second
//! stage. Each link is shown here by what it changes.

use std::collections::BTreeMap;

use plume_detect::chart::level::{Level, Looked, Watching};
use plume_detect::config::ShiftSettings;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::cases::settings;

const LIMIT: f64 = 100.0;
const LEVEL: f64 = 40.0;

fn shift() -> ShiftSettings {
    settings().shift
}

/// Hours of one factor: a level without a swing, independent noise of 2.
struct Hours {
    by: Watching,
    level: Box<Level>,
    chance: ChaCha8Rng,
    hour: i64,
    seed: u64,
}

impl Hours {
    fn new(by: Watching, seed: u64) -> Self {
        Self {
            by,
            level: Box::default(),
            chance: ChaCha8Rng::seed_from_u64(seed),
            hour: 0,
            seed,
        }
    }

    /// An outlet that has been learned for five weeks.
    fn learned(seed: u64) -> Self {
        let mut hours = Self::new(Watching::new(&shift(), 1, LIMIT), seed);
        for _ in 0..840 {
            hours.next(0.0);
        }
        assert!(hours.level.is_watching());
        hours
    }

    fn next(&mut self, more: f64) -> Looked {
        let noise: f64 = self.chance.sample(StandardNormal);
        self.at(LEVEL + 2.0 * noise + more)
    }

    fn at(&mut self, value: f64) -> Looked {
        self.hour += 1;
        self.level.take(&self.by, self.hour, value, self.seed)
    }

    /// What is usual for each hour of the week, without taking any of them.
    fn usual(&self) -> BTreeMap<i64, Option<f64>> {
        let week = (1..=168).map(|ahead| self.hour + ahead);
        week.map(|hour| {
            let mut level = self.level.clone();
            (hour.rem_euclid(168), level.take(&self.by, hour, LEVEL, self.seed).usual)
        })
        .collect()
    }
}

/// A level that has moved by six standard deviations signals until it is the new baseline; not one hour of it is
/// learned before.
#[test]
fn the_baseline_stands_still_while_a_chart_signals() {
    let mut hours = Hours::learned(1);
    let first = (0..24).find(|_| hours.next(12.0).found.is_some());
    assert!(first.is_some_and(|delay| delay <= 6), "{first:?}");
    let before = hours.usual();
    assert!(before.len() == 168 && before.values().all(Option::is_some));
    for _ in 0..100 {
        assert!(hours.next(12.0).found.is_some(), "it goes on signalling");
    }
    assert_eq!(hours.usual(), before);
    // What is no signal is learned again at once.
    let mut quiet = Hours::learned(1);
    let before = quiet.usual();
    for _ in 0..24 {
        quiet.next(0.0);
    }
    assert_ne!(quiet.usual(), before);
}

/// Hours that are marked, invalid or stopped never come to the charts: they stand as they stood, and a signal has to
/// last anew.
#[test]
fn the_baseline_stands_still_while_hours_do_not_count() {
    let mut hours = Hours::learned(2);
    let (usual, charts) = (hours.usual(), hours.level.statistics());
    hours.level.skip();
    assert_eq!((hours.usual(), hours.level.statistics()), (usual, charts));
    let lasted = |looked: Looked| looked.found.map(|found| found.lasted_h);
    while lasted(hours.next(12.0)) != Some(5) {}
    hours.level.skip();
    assert_eq!(lasted(hours.next(12.0)), Some(1), "counted anew behind a mark");
}

/// One hour of ten standard deviations neither alarms nor teaches: the gate is in front of the baseline.
#[test]
fn a_spike_teaches_nothing() {
    let mut hours = Hours::learned(3);
    let before = hours.usual();
    let looked = hours.at(LEVEL + 20.0);
    assert_eq!(looked.found, None, "{looked:?}");
    assert_eq!(hours.usual(), before);
    // With the gate wide open the same hour does teach.
    let mut open = Hours::learned(3);
    open.by.spike_sd = f32::MAX;
    open.at(LEVEL + 20.0);
    assert_ne!(open.usual(), before);
}

/// Limits are the outlet's own: wilder residuals, and a smaller budget, get wider ones.
#[test]
fn limits_come_from_the_budget_and_the_outlets_own_past() {
    let learned = |false_alarms: f64, wild: bool| {
        let settings = ShiftSettings {
            false_alarms,
            ..shift()
        };
        let mut hours = Hours::new(Watching::new(&settings, 1, LIMIT), 4);
        for hour in 0..600 {
            // Every twentieth hour four times as noisy: heavier tails than the normal's.
            let noise: f64 = hours.chance.sample(StandardNormal);
            let size = if wild && hour % 20 == 0 { 8.0 } else { 2.0 };
            hours.at(LEVEL + size * noise);
        }
        hours.level.limits().unwrap()
    };
    let (usual, rare, wild) = (learned(0.1, false), learned(0.01, false), learned(0.1, true));
    println!("EWMA and CUSUM limits: {usual:.2?}, a tenth of the budget {rare:.2?}, heavy tails {wild:.2?}");
    assert!(rare.0 > usual.0 * 1.05 && rare.1 > usual.1 * 1.1);
    assert!(wild.1 > usual.1 * 1.02, "heavy tails need a wider limit");
}

/// The time of the change is estimated to within some hours, whichever chart speaks.
#[test]
fn the_change_is_dated() {
    let mut off = Vec::new();
    for seed in 10..41 {
        let mut hours = Hours::learned(seed);
        let found = (0..48).find_map(|hour| hours.next(6.0).found.map(|found| (hour, found)));
        let (hour, found) = found.unwrap();
        // The first hour of the new level is hour 0, and `since_h` counts the hour that signals.
        off.push(i64::from(hour) + 1 - i64::from(found.since_h));
    }
    off.sort_unstable();
    println!("estimated less true hour of the change: {off:?}");
    assert!((-6..=1).contains(&off[15]), "{off:?}");
}

/// The second stage: a signal that has not lasted, and a move too small against the limit, are not said.
#[test]
fn what_does_not_last_or_matter_is_not_said() {
    let settings = shift();
    let mut hours = Hours::learned(5);
    let mut said = Vec::new();
    for _ in 0..24 {
        let found = hours.next(15.0).found;
        said.extend(found.map(|found| (found.lasted_h, found.is_said(&settings, LIMIT))));
    }
    let first = said.iter().find(|(_, said)| *said).unwrap().0;
    let soon = settings.lasting_hours..=settings.lasting_hours + 3;
    assert!(soon.contains(&first), "not before it lasted, and soon then: {said:?}");
    let mut small = Hours::learned(5);
    let signals: Vec<bool> = (0..72)
        .filter_map(|_| small.next(4.0).found.map(|found| found.is_said(&settings, LIMIT)))
        .collect();
    assert!(signals.len() > 24, "two standard deviations are a signal");
    let said = signals.iter().filter(|&&said| said).count();
    assert!(
        said * 10 < signals.len(),
        "4 % of the limit is not material: said in {said} of {} hours",
        signals.len()
    );
}

/// A move of fifteen standard deviations is said with its size, though a single residual counts for four at most.
#[test]
fn a_move_far_beyond_the_noise_is_said_with_its_size() {
    for (seed, step) in [(6, 30.0), (7, -30.0), (8, 15.0)] {
        let mut hours = Hours::learned(seed);
        let found = (0..24).find_map(|_| hours.next(step).found.filter(|found| found.is_said(&shift(), LIMIT)));
        let moved = found.unwrap().moved;
        assert!((moved - step).abs() < 4.0, "{moved} for {step}");
    }
}
