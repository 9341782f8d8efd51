//! `plume chart` through the real binary: a step of the level is found, dated and drawn; a level that stays is not.

use std::sync::Arc;

use plume_bus::fs::RealFs;
use plume_schemas::decimal::Decimal;
use plume_schemas::judgement::{FactValue, Verdict};
use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::make;
use crate::support::Site;

const HOURS: i64 = 600;
const STEP: i64 = 560;

fn start() -> Time {
    make::at("20261001000000")
}

/// An archive of judged hours about 30 mg/m³, 8 more from [`STEP`] on.
fn site() -> Site {
    let site = Site::new("");
    let mut archive = make::open(&site.data().join("archive"), Arc::new(RealFs), &make::config()).unwrap();
    let mut records = vec![make::entry(0, &make::registry(1, start()))];
    let mut chance = 1_u64;
    for n in 0..HOURS {
        // Knuth's generator; the mean of four draws is near enough to normal.
        let mut draw = || {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            chance >> 48
        };
        let noise = (draw() + draw() + draw() + draw()) * 10 / 262_144;
        let cents = 2_500 + 100 * noise + if n >= STEP { 800 } else { 0 };
        let at = start().plus(n * HOUR_MS);
        let mut judgement = make::judgement(1, Span::hour_of(at), n.unsigned_abs() + 1);
        judgement.verdict = Verdict::Fine;
        let mean = format!("{}.{:02}", cents / 100, cents % 100);
        judgement.evidence[0].value = FactValue::Decimal(Decimal::parse(mean.as_bytes()).unwrap());
        records.push(make::of_judgement(n.unsigned_abs(), &judgement));
    }
    make::drive(&mut archive, &records).unwrap();
    archive.flush().unwrap();
    site
}

fn chart(site: &Site, more: &[&str]) -> (bool, String) {
    let outlet = make::outlet(1).to_string();
    let args = ["chart", "--archive", "data/archive", "--outlet", outlet.as_str()];
    site.plume(&[&args[..], more].concat())
}

/// Sheets of daily span checks: one that drifts by 0.3 % of full scale a day, and one that does not.
fn sheets() -> Site {
    let site = Site::new("");
    for (name, per_day) in [("drift.csv", 0.3), ("still.csv", 0.0)] {
        let row = |day: u32| {
            let shown = 80.0 + per_day * f64::from(day) + if day.is_multiple_of(2) { 0.1 } else { -0.1 };
            format!(
                "2026-11-{:02} 08:00,{},a21002,span,80,{shown:.2},,\n",
                day + 1,
                make::outlet(1)
            )
        };
        let rows = (0..20).map(row).collect::<Vec<String>>().concat();
        std::fs::write(
            site.dir.path().join(name),
            format!("time,outlet,factor,point,gas,before,after,adjusted\n{rows}"),
        )
        .unwrap();
    }
    site
}

fn checks(site: &Site, more: &[&str]) -> (bool, String) {
    let outlet = make::outlet(1).to_string();
    let asked = [
        "chart",
        "--outlet",
        &outlet,
        "--factor",
        "a21002",
        "--full-scale",
        "100",
        "--sd-pct",
        "0.5",
    ];
    site.plume(&[&asked[..], more].concat())
}

#[test]
fn checks_of_a_sheet_are_judged_and_drawn() {
    let site = sheets();
    let plume = |more: &[&str]| checks(&site, more);
    let judged = |name: &str| -> Vec<serde_json::Value> {
        let (fine, text) = plume(&["--checks", name, "--json"]);
        assert!(fine, "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let drifting = judged("drift.csv");
    let first = |what: &dyn Fn(&serde_json::Value) -> bool| drifting.iter().position(what).unwrap();
    let found = first(&|row| row["qal3"] == "drifted_high");
    let warned = first(&|row| row["warns"] == true);
    let passed = first(&|row| row["standing"] == "recalibrate");
    assert!(found < passed && warned < passed, "{found} {warned} {passed}");
    let still = judged("still.csv");
    assert!(
        still
            .iter()
            .all(|row| row["warns"] == false && row["left"] == "undetermined"),
        "{still:?}"
    );

    let (fine, text) = plume(&["--checks", "drift.csv", "--out", "checks.svg"]);
    assert!(
        fine && text.contains("向上漂移") && text.contains("预警") && text.contains("未判定"),
        "{text}"
    );
    let svg = std::fs::read_to_string(site.dir.path().join("checks.svg")).unwrap();
    assert!(
        svg.contains("要求") && svg.contains("失控") && svg.contains("<circle"),
        "{svg}"
    );
    std::fs::write(site.dir.path().join("bad.csv"), "time,outlet\n").unwrap();
    let (fine, text) = plume(&["--checks", "bad.csv"]);
    assert!(!fine && text.contains("bad.csv:1") && text.contains("hint"), "{text}");
}

/// Which American rule is asked stands beside HJ 75.
#[test]
fn checks_are_judged_by_american_rules_too() {
    let site = sheets();
    let plume = |more: &[&str]| checks(&site, more);
    // 40 CFR 60, Appendix F: twice 1 % is passed on day 7, so the fifth check in a row is that of day 11 (the 12th);
    // four times 1 % on day 13 or 14 leads back to the last check that passed.
    let (fine, text) = plume(&[
        "--checks",
        "drift.csv",
        "--json",
        "--standard",
        "cfr60",
        "--spec-pct",
        "1",
    ]);
    assert!(fine, "{text}");
    let since: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["standard_out_since"].to_string())
        .collect();
    let first = since.iter().position(|since| since != "null").unwrap();
    assert!(
        (10..=12).contains(&first) && since[first].contains("2026-11-"),
        "{since:?}"
    );
    assert!(since[19] < since[first], "back to the last passed check: {since:?}");
    let (fine, text) = plume(&["--checks", "drift.csv", "--standard", "cfr75", "--lang", "en"]);
    assert!(fine && text.contains("40 CFR 75: out of control since"), "{text}");
}

#[test]
fn a_step_is_found_dated_and_drawn() {
    let site = site();
    let factor = ["--factor", "a21002"];
    let (fine, text) = chart(&site, &[&factor[..], &["--json"]].concat());
    assert!(fine, "{text}");
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [row] = rows.as_slice() else {
        panic!("{text}");
    };
    let step = start().plus(STEP * HOUR_MS);
    // The EWMA's estimate is its last crossing of the target: early by some hours, where noise was on that side before.
    let near: Vec<String> = (-24..=3).map(|hours| step.plus(hours * HOUR_MS).to_string()).collect();
    assert!(near.contains(&row["changed_at"].as_str().unwrap().to_owned()), "{row}");
    assert!((row["moved"].as_f64().unwrap() - 8.0).abs() < 4.0, "{row}");

    let (fine, text) = chart(&site, &[&factor[..], &["--out", "step.svg"]].concat());
    assert!(
        fine && text.contains("变化估计始于") && text.contains("step.svg"),
        "{text}"
    );
    let svg = std::fs::read_to_string(site.dir.path().join("step.svg")).unwrap();
    for part in [
        "<svg ",
        "常态基线",
        "双侧CUSUM",
        "EWMA",
        "控制限",
        "信号点",
        "估计变化时刻",
        "mg/m",
    ] {
        assert!(svg.contains(part), "{part} is missing:\n{svg}");
    }
    let (fine, text) = chart(&site, &[&factor[..], &["--lang", "en", "--out", "en.svg"]].concat());
    assert!(fine && text.contains("the change began about"), "{text}");

    // Before the step there is nothing to say.
    let before = step.date();
    let (fine, text) = chart(&site, &[&factor[..], &["--to", &before, "--json"]].concat());
    assert_eq!((fine, text.as_str()), (true, ""));
    let (fine, text) = chart(&site, &[&factor[..], &["--to", &before]].concat());
    assert!(fine && text.contains("未发出信号"), "{text}");

    let (fine, text) = chart(&site, &["--factor", "a21026"]);
    assert!(!fine && text.contains("plume query hours"), "{text}");
}
