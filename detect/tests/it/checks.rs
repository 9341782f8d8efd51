//! Zero and span checks from a sheet: what cannot be taken is named; what drifts is found, what does not is left alone.

use std::fmt::Write as _;

use plume_detect::chart::checks::{Checked, Point, parse};
use plume_detect::chart::control::{Grade, Limits, Standing};
use plume_detect::chart::instrument::{Assessed, Instrument, WARN_DAYS, assess};
use plume_detect::chart::qal3::Finding;
use plume_detect::chart::slope::DaysLeft;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const HEAD: &str = "time,outlet,factor,point,gas,before,after,adjusted\n";

/// A gas analyser of 100 mg/m³, checked by itself, whose checks scatter by 0.5 % of full scale.
const ANALYSER: Instrument = Instrument {
    full_scale: 100.0,
    sd: Some(0.5),
    limits: Limits::GAS_AUTO,
};

fn taken(rows: &str) -> Vec<Assessed> {
    assess(&ANALYSER, &parse("checks.csv", &(HEAD.to_owned() + rows)).unwrap())
}

/// Daily span checks for four weeks about `per_day` times the day.
fn daily(per_day: f64, seed: u64) -> Vec<Assessed> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = String::new();
    for day in 0..28_u32 {
        let noise: f64 = chance.sample(StandardNormal);
        let shown = 80.0 + per_day * f64::from(day) + 0.5 * noise;
        writeln!(
            rows,
            "2026-11-{:02} 08:00,E1:DA001,a21026,span,80,{shown:.3},,",
            day + 1
        )
        .unwrap();
    }
    taken(&rows)
}

#[test]
fn a_sheet_is_read_in_either_language_in_order_of_time() {
    let text = "\u{feff}时间,排放口标识,因子编码,零点或跨度,标气值,校准前示值,校准后示值,是否调整\n\
                2026-11-21 08:10,E1:DA001,a21026,跨度,80,82.5,80.1,是\n\n\
                2026-11-21T08:00:00,E1:DA001,a21026,零点,0,-0.4,,\n";
    let checks = parse("checks.csv", text).unwrap();
    let seen: Vec<(u64, Point, Option<f64>, bool)> = checks
        .iter()
        .map(|c: &Checked| (c.line, c.point, c.after, c.adjusted))
        .collect();
    assert_eq!(
        seen,
        [(4, Point::Zero, None, false), (2, Point::Span, Some(80.1), true)]
    );
}

#[test]
fn every_problem_is_named_with_line_and_remedy() {
    let rows = "yesterday,E1:DA001,a21026,zero,0,0.1,,\n\
                2026-11-21,E1:DA001,a21026,middle,,x,NaN,perhaps\n\
                2026-11-21,E1:DA001,a21026\n\
                2026-11-21,E1:DA001,a21026,zero,0,0.1,,\n";
    let errors = parse("checks.csv", &(HEAD.to_owned() + rows)).unwrap_err();
    let said: Vec<String> = errors
        .iter()
        .map(|error| format!("{error} ({})", error.hint()))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    let errors = parse("checks.csv", "time,outlet,factor,point,gas,gas,price\n").unwrap_err();
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("a_wrong_head", said.join("\n"));
}

/// Two percent of full scale a week: found by QAL3 within days, warned of before HJ 75 is passed.
#[test]
fn a_drift_is_found_and_its_end_foreseen() {
    let assessed = daily(2.0 / 7.0, 3);
    let drifted = |one: &Assessed| matches!(one.charts.unwrap().qal3, Finding::Drifted { .. });
    let found = assessed.iter().position(drifted).unwrap();
    assert!(found <= 7, "day {found}");
    let warned = assessed.iter().position(|one| one.warns).unwrap();
    let passed = assessed.iter().position(|one| one.grade > Grade::Good).unwrap();
    assert!(warned < passed, "warned on day {warned}, passed on day {passed}");
    let DaysLeft::Days(left) = assessed[warned].days_left else {
        panic!("{:?}", assessed[warned]);
    };
    assert!((0.0..=WARN_DAYS).contains(&left), "{left}");
    assert!(
        assessed[..4].iter().all(|one| one.days_left == DaysLeft::Undetermined),
        "five checks before a slope"
    );
}

/// What scatters about its reference stays in control and warns no oftener than the budget allows: 0.1 alerts an
/// outlet-month are one in 60 months of one of its six points.
#[test]
fn an_analyser_that_stays_seldom_warns() {
    let months = 400_u64;
    let mut warned = 0;
    for seed in 0..months {
        let assessed = daily(0.0, seed);
        let in_control = |one: &Assessed| one.standing == Standing::InControl && one.grade == Grade::Good;
        assert!(assessed.iter().all(in_control), "seed {seed}");
        warned += u64::from(assessed.iter().any(|one| one.warns));
    }
    println!("{warned} of {months} months of one point with a warning");
    assert!(warned <= months / 60 + 1, "{warned}");
}

/// A warning of a line that began within the last checks says so, and ends when the analyser was put right.
#[test]
fn a_line_ends_with_an_adjustment() {
    let mut rows = String::new();
    for day in 0..24_u32 {
        let off = if day > 14 { 0.3 * f64::from(day - 14) } else { 0.0 };
        let shown = if day > 20 { 80.0 } else { 80.0 + off };
        let adjusted = if day == 20 { "80,yes" } else { "," };
        writeln!(
            rows,
            "2026-11-{:02},E1:DA001,a21026,span,80,{shown},{adjusted}",
            day + 1
        )
        .unwrap();
    }
    let assessed = taken(&rows);
    let ramp = assessed[19].ramp.unwrap();
    assert!(assessed[19].warns && (ramp.per_day - 0.3).abs() < 1e-9, "{ramp:?}");
    assert_eq!(assessed[19].days_left, DaysLeft::Days(ramp.days_until(2.5)));
    assert!(
        assessed[20..].iter().all(|one| one.ramp.is_none() && !one.warns),
        "{:?}",
        assessed[20]
    );
}

/// cems.md §3.3: out of control since the last good check of that point until one that puts it right; a good check of
/// the other point ends nothing; a check that does not come is out of control from when it was due.
#[test]
fn standing_follows_both_points() {
    let rows = "2026-11-01 08:00,E1:DA001,a21026,zero,0,0.1,,\n\
                2026-11-01 08:10,E1:DA001,a21026,span,80,80.2,,\n\
                2026-11-02 08:00,E1:DA001,a21026,zero,0,0.2,,\n\
                2026-11-02 08:05,E1:DA001,a21026,span,80,91.0,,\n\
                2026-11-02 09:00,E1:DA001,a21026,zero,0,0.1,,\n\
                2026-11-02 10:00,E1:DA001,a21026,span,80,91.0,85.0,yes\n\
                2026-11-02 11:00,E1:DA001,a21026,span,80,85.0,80.1,yes\n\
                2026-11-02 12:00,E1:DA001,a21026,zero,0,3.0,,\n\
                2026-11-04 12:00,E1:DA001,a21026,span,80,80.1,,\n";
    let assessed = taken(rows);
    let last_good = assessed[1].check.at;
    let out = Standing::OutOfControl(last_good);
    let standings: Vec<Standing> = assessed.iter().map(|one| one.standing).collect();
    let good = Standing::InControl;
    assert_eq!(
        standings[..8],
        [good, good, good, out, out, out, good, Standing::Recalibrate]
    );
    let invalid = assessed[6].invalid.unwrap();
    assert_eq!((invalid.start, invalid.end), (last_good, assessed[6].check.at));
    assert!(
        matches!(standings[8], Standing::OutOfControl(_)),
        "the zero is overdue: {:?}",
        standings[8]
    );
    assert!(
        !assessed[6].warns && assessed[5].warns,
        "an adjustment that did not help still warns"
    );
}

/// With corrections the slope goes on: it is of the drift as if nobody had adjusted anything.
#[test]
fn corrections_are_summed() {
    let mut rows = String::new();
    for day in 0..12_u32 {
        // 0.4 % a day, put back to the reference on every fourth day.
        let shown = 80.0 + 0.4 * f64::from(day % 4 + 1);
        let adjusted = if day % 4 == 3 { "80,yes" } else { "," };
        writeln!(
            rows,
            "2026-11-{:02},E1:DA001,a21026,span,80,{shown},{adjusted}",
            day + 1
        )
        .unwrap();
    }
    let last = *taken(&rows).last().unwrap();
    assert!((last.slope.unwrap().per_day - 0.4).abs() < 1e-9, "{last:?}");
    let DaysLeft::Days(left) = last.days_left else {
        panic!("{last:?}");
    };
    assert!(
        (left - 2.5 / 0.4).abs() < 1e-6,
        "just put back, all of the limit is left: {left}"
    );
}

/// A jump that is found and corrected is over: the line goes on from what the analyser was left with.
#[test]
fn a_jump_put_right_leaves_no_trend() {
    let mut rows = String::new();
    for day in 1..=6 {
        writeln!(rows, "2026-11-{day:02} 08:00,E1:DA001,a21026,zero,0,0.{day},,").unwrap();
    }
    rows += "2026-11-07 08:00,E1:DA001,a21026,zero,0,14,0.2,yes\n";
    let assessed = taken(&rows);
    let last = assessed.last().unwrap();
    assert!(last.put_right && !last.warns, "{last:?}");
    assert!((last.slope.unwrap().now - 0.2).abs() < 1e-9, "{last:?}");
}

/// A good check after a bad one that nobody adjusted: somebody did, and the charts begin anew.
#[test]
fn what_comes_back_by_itself_was_adjusted() {
    let mut rows = String::new();
    for (day, shown) in (1..).zip(["1.2", "1.5", "1.8", "2.1", "2.4", "2.7", "0.1", "0.2"]) {
        writeln!(rows, "2026-11-{day:02} 08:00,E1:DA001,a21026,zero,0,{shown},,").unwrap();
    }
    let assessed = taken(&rows);
    let [.., before, after, last] = assessed.as_slice() else {
        panic!("eight checks");
    };
    assert_eq!(
        (before.standing, after.standing),
        (Standing::Recalibrate, Standing::InControl)
    );
    assert!(before.warns && !last.warns, "{last:?}");
    let slope = last.slope.unwrap();
    assert!((0.2..0.4).contains(&slope.per_day) && slope.now < 0.5, "{slope:?}");
    assert!(
        last.charts.unwrap().sums[0].abs() < 1e-9,
        "0.1 and 0.2 in 0.5 sd steps stay below k"
    );
}
