//! Instruments that drift: HJ 75 limits and standing, slopes and days left, and what gates and baselines let through.

use plume_detect::chart::control::{
    AppendixF, Check, Control, Federal, FederalControl, Grade, Limits, Standing, part_75_out,
};
use plume_detect::chart::hampel::Hampel;
use plume_detect::chart::level::{Level, Looked, Watching};
use plume_detect::chart::ramp::{self, Ramp};
use plume_detect::chart::residual::Ar1;
use plume_detect::chart::rivals::{Adwin, PageHinkley};
use plume_detect::chart::season::Season;
use plume_detect::chart::slope::{DaysLeft, Slope, theil_sen};
use plume_schemas::time::{HOUR_MS, Span, Time};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const DAY_MS: i64 = 24 * HOUR_MS;

fn check(day: i64, zero: f64, span: f64, adjusted: bool) -> Check {
    Check {
        at: Time(day * DAY_MS),
        drift_pct: [Some(zero), Some(span)],
        zero_absolute: None,
        adjusted,
    }
}

/// Table 4 of HJ 75-2017, both sides of each limit.
#[test]
fn drift_is_graded_by_the_table() {
    let gas = Limits::GAS_AUTO;
    for (zero, span, grade) in [
        (2.5, -2.5, Grade::Good),
        (2.51, 0.0, Grade::Poor),
        (0.0, -2.51, Grade::Poor),
        (5.0, 10.0, Grade::Poor),
        (-5.01, 0.0, Grade::Out),
        (0.0, 10.01, Grade::Out),
    ] {
        assert_eq!(gas.grade(&check(0, zero, span, false)), grade, "{zero} / {span}");
    }
    for (zero, span, grade) in [(2.0, 2.0, Grade::Good), (8.0, 2.1, Grade::Poor), (8.1, 0.0, Grade::Out)] {
        assert_eq!(
            Limits::PM_AUTO.grade(&check(0, zero, span, false)),
            grade,
            "{zero} / {span}"
        );
    }
}

/// Velocity is good by either measure, and out only by both.
#[test]
fn velocity_knows_an_absolute_drift() {
    for (pct, metres, grade) in [
        (3.5, 0.8, Grade::Good),
        (2.9, 1.0, Grade::Good),
        (3.5, 1.0, Grade::Poor),
        (9.0, 1.7, Grade::Poor),
        (9.0, 1.9, Grade::Out),
    ] {
        let check = Check {
            at: Time(0),
            drift_pct: [Some(pct), None],
            zero_absolute: Some(metres),
            adjusted: false,
        };
        assert_eq!(Limits::VELOCITY_AUTO.grade(&check), grade, "{pct} % / {metres} m/s");
    }
}

#[test]
fn out_of_control_reaches_back_to_the_last_good_check_and_ends_with_a_passed_one() {
    let (gas, mut control) = (Limits::GAS_EXTRACTIVE_MANUAL, Control::default());
    let mut take = |day, zero, adjusted| gas.check(&mut control, &check(day, zero, 0.0, adjusted)).unwrap();
    assert_eq!(take(1, 0.4, false).to, Standing::InControl);
    assert_eq!(take(3, 3.0, false).to, Standing::Recalibrate);
    // Made good at once: nothing was invalid.
    let made_good = take(4, 3.1, true);
    assert_eq!((made_good.to, made_good.invalid), (Standing::InControl, None));
    let out = take(6, -6.0, false);
    assert_eq!(
        (out.grade, out.to),
        (Some(Grade::Out), Standing::OutOfControl(Time(4 * DAY_MS)))
    );
    assert_eq!(out.invalid, None, "its end is not known yet");
    let back = take(7, 0.2, true);
    assert_eq!(back.to, Standing::InControl);
    let (start, end) = (Time(4 * DAY_MS), Time(7 * DAY_MS));
    assert_eq!(back.invalid, Some(Span { start, end }));
}

#[test]
fn an_adjustment_of_what_was_far_out_still_costs_the_hours_before_it() {
    let (gas, mut control) = (Limits::GAS_AUTO, Control::default());
    gas.check(&mut control, &check(1, 0.0, 0.0, false));
    let change = gas.check(&mut control, &check(2, 7.0, 0.0, true)).unwrap();
    let (start, end) = (Time(DAY_MS), Time(2 * DAY_MS));
    assert_eq!(
        (change.to, change.invalid),
        (Standing::InControl, Some(Span { start, end }))
    );
}

#[test]
fn a_missing_check_is_out_of_control_from_its_due_time() {
    let (gas, mut control) = (Limits::GAS_AUTO, Control::default());
    assert_eq!(
        gas.overdue(&mut control, Time(9 * DAY_MS)),
        None,
        "no check is known: nothing is due"
    );
    gas.check(&mut control, &check(1, 0.0, 0.0, false));
    assert_eq!(gas.overdue(&mut control, Time(2 * DAY_MS)), None);
    let change = gas.overdue(&mut control, Time(2 * DAY_MS + 1)).unwrap();
    assert_eq!(change.to, Standing::OutOfControl(Time(2 * DAY_MS)));
    assert_eq!(gas.overdue(&mut control, Time(3 * DAY_MS)), None, "said once");
    // The check that comes at last was good: the hours since it was due are lost, those before are not.
    let change = gas.check(&mut control, &check(5, 0.1, 0.1, false)).unwrap();
    let (start, end) = (Time(2 * DAY_MS), Time(5 * DAY_MS));
    assert_eq!(change.invalid, Some(Span { start, end }));
    // It comes late and is far out: then nothing since the last good one counts.
    let change = gas.check(&mut control, &check(9, 0.1, 11.0, true)).unwrap();
    let (start, end) = (Time(5 * DAY_MS), Time(9 * DAY_MS));
    assert_eq!(change.invalid, Some(Span { start, end }));
    assert_eq!(
        gas.check(&mut control, &check(8, 9.0, 9.0, false)),
        None,
        "an older check changes nothing"
    );
}

#[test]
fn appendix_f_counts_five_days_and_one_bad_day() {
    let mut rule = AppendixF::default();
    assert_eq!(rule.check(Time(0), 4.9, 2.5), None);
    for day in 1..5 {
        assert_eq!(rule.check(Time(day), 5.1, 2.5), None);
    }
    assert_eq!(rule.check(Time(5), -5.1, 2.5), Some(Time(5)), "from the fifth check");
    let mut rule = AppendixF::default();
    rule.check(Time(1), 0.0, 2.5);
    assert_eq!(
        rule.check(Time(2), 10.1, 2.5),
        Some(Time(1)),
        "from the last that passed"
    );
    assert!(part_75_out(-5.1, 2.5) && !part_75_out(5.0, 2.5));
    assert!(part_75_out(1.01, 0.5) && !part_75_out(1.0, 0.5));
}

#[test]
fn days_left_are_arithmetic() {
    let line = |per_day: f64| {
        (0..10)
            .map(|day| (f64::from(day), 0.2 + per_day * f64::from(day)))
            .collect::<Vec<_>>()
    };
    let slope = theil_sen(&line(0.1)).unwrap();
    assert!(
        (slope.per_day - 0.1).abs() < 1e-12 && (slope.now - 1.1).abs() < 1e-12,
        "{slope:?}"
    );
    let DaysLeft::Days(days) = slope.days_until(2.5) else {
        panic!("{slope:?}")
    };
    assert!((days - 14.0).abs() < 1e-9, "{days}");
    let DaysLeft::Days(days) = theil_sen(&line(-0.1)).unwrap().days_until(2.5) else {
        panic!()
    };
    assert!((days - 18.0).abs() < 1e-9, "down to the lower limit: {days}");
    assert_eq!(theil_sen(&line(0.5)).unwrap().days_until(2.5), DaysLeft::Passed);
    assert_eq!(theil_sen(&line(0.0)).unwrap().days_until(2.5), DaysLeft::Undetermined);
    assert_eq!(theil_sen(&line(0.1)[..4]), None);
    assert_eq!(theil_sen(&[(1.0, 2.0); 9]), None, "all at one time");
}

#[test]
fn noise_alone_has_no_days_left() {
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let decided = (0..400).filter(|_| {
        let points: Vec<(f64, f64)> = (0..14)
            .map(|day| (f64::from(day), chance.sample(StandardNormal)))
            .collect();
        theil_sen(&points).unwrap().days_until(5.0) != DaysLeft::Undetermined
    });
    let share = decided.count();
    assert!(
        (4..=36).contains(&share),
        "{share} of 400, where 20 are expected at 95 %"
    );
}

proptest! {
    /// A fifth of wild points does not move the line: that is why it is Theil–Sen.
    #[test]
    fn wild_points_do_not_move_the_slope(wild in -1e6..1e6_f64, at in 0_usize..20, slope in -3.0..3.0_f64) {
        let mut points: Vec<(f64, f64)> = (0..20).map(|day| (f64::from(day), slope * f64::from(day))).collect();
        points[at].1 = wild;
        points[(at + 7) % 20].1 = -wild;
        let Slope { per_day, .. } = theil_sen(&points).unwrap();
        prop_assert!((per_day - slope).abs() < 1e-6, "{per_day} for {slope}");
    }
}

/// Out of control lasts until a check passes, and what comes in between changes only its beginning: to the last check
/// that passed, where a drift beyond four times follows.
#[test]
fn american_rules_know_when_out_of_control_ends() {
    let day = |day: i64| Time(day * DAY_MS);
    let mut part_60 = FederalControl::new(Federal::Part60, 2.5);
    let drifts = [0.0, 5.1, 5.1, 5.1, 5.1, 5.1, 5.1, 10.1, 6.0, 5.0, 10.1, 4.0];
    let since: Vec<Option<Time>> = (0..)
        .zip(drifts)
        .map(|(n, drift)| part_60.check(day(n), drift))
        .collect();
    assert_eq!(since[..5], [None; 5], "four days in a row are not five");
    assert_eq!(since[5..7], [Some(day(5)); 2], "from the end of the fifth check on");
    assert_eq!(
        since[7..9],
        [Some(day(0)); 2],
        "beyond four times: from the last passed check on"
    );
    assert_eq!(since[9..], [None, Some(day(9)), None]);
    let mut part_75 = FederalControl::new(Federal::Part75, 2.5);
    let since: Vec<Option<Time>> = (0..)
        .zip([5.0, -5.1, 7.0, 4.9])
        .map(|(n, drift)| part_75.check(day(n), drift))
        .collect();
    assert_eq!(since, [None, Some(day(1)), Some(day(1)), None]);
}

/// A line without noise is found with its slope and its beginning; a step of the same size is none.
#[test]
fn a_drift_that_just_began_is_told_from_a_step() {
    let points = |of: fn(f64) -> f64| -> Vec<(f64, f64)> {
        let days = 0..20_u32;
        days.map(|day| (f64::from(day), of(f64::from(day) - 13.0))).collect()
    };
    let line = points(|since| 0.3 * since.max(0.0));
    let Ramp {
        per_day,
        now,
        since_days,
        checks,
        ..
    } = ramp::find(&line, 0.5).unwrap();
    assert!(
        (per_day - 0.3).abs() < 1e-9 && (now - 1.8).abs() < 1e-9,
        "{per_day} {now}"
    );
    assert!((since_days - 6.0).abs() < 1e-9 && checks == 6, "{since_days} {checks}");
    assert!((ramp::find(&line, 0.5).unwrap().days_until(2.5) - 7.0 / 3.0).abs() < 1e-9);
    // The same line seen every third day; and one that needs a smaller scatter to be believed.
    let rare: Vec<(f64, f64)> = line.iter().map(|&(day, drift)| (3.0 * day, drift)).collect();
    assert!((ramp::find(&rare, 0.5).unwrap().per_day - 0.1).abs() < 1e-9);
    assert_eq!(ramp::find(&line, 1.0), None);
    let step = points(|since| if since > 0.0 { 1.3 } else { 0.0 });
    assert_eq!(ramp::find(&step, 0.5), None, "a bias that stays runs nowhere");
    assert_eq!(ramp::find(&[], 0.5), None);
    assert_eq!(
        ramp::find(&[(1.0, 9.0), (1.0, 9.0), (1.0, 9.0)], 0.5),
        None,
        "all at one time"
    );
}

/// How often a line is seen where there is none: in one check of some hundreds, and days left are asked on top.
#[test]
fn a_drift_is_seldom_seen_where_there_is_none() {
    let mut chance = ChaCha8Rng::seed_from_u64(30);
    let (mut seen, mut before, mut points) = (0_u32, false, Vec::new());
    let checks = 100_000_u32;
    for day in 0..checks {
        points.push((f64::from(day), 0.5 * chance.sample::<f64, _>(StandardNormal)));
        if points.len() > ramp::MAX_CHECKS + 1 {
            points.remove(0);
        }
        let found = ramp::find(&points, 0.5).is_some();
        seen += u32::from(found && !before);
        before = found;
    }
    let length = f64::from(checks) / f64::from(seen);
    println!("a line where there is none: once in {length:.0} checks of one point");
    assert!((600.0..2_400.0).contains(&length), "{length}");
}

#[test]
fn a_spike_is_told_from_a_shift() {
    let mut gate: Hampel<24> = Hampel::default();
    let level = |at: u16| 20.0 + f32::from(at % 5) * 0.2;
    assert!((0..24).all(|at| !gate.is_spike(level(at), 4.0, 0.1)));
    assert!(gate.is_spike(40.0, 4.0, 0.1));
    assert!(!gate.is_spike(20.3, 4.0, 0.1), "the next usual value passes");
    let passed = (0..24).position(|_| !gate.is_spike(30.0, 4.0, 0.1));
    assert!(
        matches!(passed, Some(10..=13)),
        "believed when half of what is remembered has it: {passed:?}"
    );
}

#[test]
fn the_season_knows_the_hour_and_the_kind_of_day() {
    let mut season = Season::default();
    assert_eq!(season.usual(3, false), None);
    for _ in 0..6 {
        for hour in 0..24 {
            season.learn(hour, false, f32::from(hour));
        }
    }
    assert_eq!(season.usual(17, false), Some(17.0));
    let free = season.usual(17, true).unwrap();
    assert!(
        (8.0..16.0).contains(&free),
        "a free day is not known yet: the mean of all, {free}"
    );
}

#[test]
fn residuals_of_an_ar1_are_white_and_of_size_one() {
    let (phi, sd, mut chance, mut model) = (0.7, 3.0, ChaCha8Rng::seed_from_u64(7), Ar1::default());
    let (mut value, mut residuals) = (0.0, Vec::new());
    for hour in 0..6_000 {
        let noise: f64 = chance.sample(StandardNormal);
        value = phi * value + sd * f64::sqrt(1.0 - phi * phi) * noise;
        if let (true, Some(residual)) = (hour > 1_000, model.residual(hour, value + 50.0, 0.0)) {
            residuals.push(residual);
        }
        model.learn(hour, value + 50.0);
    }
    assert!(
        (model.phi() - phi).abs() < 0.06 && (model.sd() - sd).abs() < 0.3,
        "{model:?}"
    );
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / count;
    let variance = residuals.iter().map(|residual| residual * residual).sum::<f64>() / count;
    let follows = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / count / variance;
    assert!(
        mean.abs() < 0.1 && (variance - 1.0).abs() < 0.1 && follows.abs() < 0.06,
        "{mean} {variance} {follows}"
    );
}

/// As measured with the river library on independent stationary values: ADWIN is silent, Page–Hinkley is not.
#[test]
fn rivals_behave_as_published() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let (mut adwin, mut hinkley) = (Adwin::default(), PageHinkley::default());
    let (mut silent, mut alarms) = (0, 0);
    for _ in 0..30_000 {
        let value: f64 = chance.sample(StandardNormal);
        silent += u32::from(adwin.step(value));
        alarms += u32::from(hinkley.step(value));
    }
    assert_eq!(silent, 0, "ADWIN");
    assert!(
        (8..=40).contains(&alarms),
        "Page-Hinkley: {alarms}, where 20 are expected"
    );
    let found = (0..2_000).position(|_| adwin.step(2.0 + chance.sample::<f64, _>(StandardNormal)));
    assert!(found.is_some_and(|delay| delay < 200), "{found:?}");
}

const WATCHING: Watching = Watching {
    learn_hours: 336,
    run_length_h: 1_000.0,
    spike_sd: 5.0,
    rebase_hours: 168,
    lambda: 0.1,
    k: 0.5,
    least_sd: 0.2,
};

/// Hours of an outlet: a level with a daily swing, and noise with a memory of 0.5 and a standard deviation of 2.
struct Hours {
    chance: ChaCha8Rng,
    noise: f64,
    hour: i64,
    level: Level,
    seed: u64,
}

impl Hours {
    fn new(seed: u64) -> Self {
        Self {
            chance: ChaCha8Rng::seed_from_u64(seed),
            noise: 0.0,
            hour: 0,
            level: Level::default(),
            seed,
        }
    }

    /// The next hour, `more` above what it would have been.
    fn next(&mut self, more: f64) -> Looked {
        self.noise = 0.5 * self.noise + 2.0 * f64::sqrt(0.75) * self.chance.sample::<f64, _>(StandardNormal);
        self.hour += 1;
        let swing = if (6..18).contains(&(self.hour.rem_euclid(24))) {
            4.0
        } else {
            0.0
        };
        self.level
            .take(&WATCHING, self.hour, 30.0 + swing + self.noise + more, self.seed)
    }
}

/// Limits come from two weeks of one outlet's residuals, so that a single outlet may be off; all together keep the
/// budget: two charts, each once in 1,000 hours.
#[test]
fn false_signals_keep_the_budget() {
    let (mut hours, mut signals) = (0.0, 0.0);
    for seed in 0..30 {
        let mut outlet = Hours::new(seed);
        for _ in 0..1_440 {
            let looked = outlet.next(0.0);
            hours += f64::from(u8::from(outlet.level.is_watching()));
            signals += f64::from(u8::from(looked.found.is_some_and(|found| found.lasted_h == 1)));
        }
    }
    let per_chart = hours * 2.0 / signals;
    println!("one false signal in {per_chart:.0} hours of a chart, for a budget of one in 1000");
    assert!((500.0..3_000.0).contains(&per_chart), "{per_chart}");
}

#[test]
fn a_shift_is_found_with_its_size_and_becomes_the_baseline_at_last() {
    let (mut delays, mut sizes) = (Vec::new(), Vec::new());
    for seed in 100..121 {
        let mut outlet = Hours::new(seed);
        for _ in 0..1_000 {
            outlet.next(0.0);
        }
        let found = (0..200).find_map(|delay| outlet.next(6.0).found.map(|found| (delay, found.moved)));
        let (delay, moved) = found.unwrap();
        delays.push(delay);
        sizes.push(moved);
        let rebased = (0..400).any(|_| outlet.next(6.0).rebased);
        assert!(rebased, "a level that stays is the new baseline");
        assert!(
            !outlet.level.is_watching(),
            "and is learned before anything is said again"
        );
    }
    delays.sort_unstable();
    sizes.sort_unstable_by(f64::total_cmp);
    println!("3 sd of the hours: found after {delays:?} hours, as {sizes:.1?}");
    assert!(delays[10] <= 12, "{delays:?}");
    assert!((3.0..12.0).contains(&sizes[10]), "{sizes:?}");
}
