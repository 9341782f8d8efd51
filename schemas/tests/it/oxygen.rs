//! The oxygen correction against cases computed elsewhere (`tests/data/oxygen.json`).

use plume_schemas::formulas::{FormulaError, corrected, excess_air, mean_of_valid};
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("../data/oxygen.json")).unwrap()
}

fn number(case: &Value, name: &str) -> f64 {
    case[name].as_f64().unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64) {
    // The cases are given with six digits behind the point.
    assert!((found - expected).abs() <= 5e-7, "{found} is not {expected}");
}

#[test]
fn corrected_values() {
    let cases = cases();
    let rows = cases["cases"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let (c, o2, reference) = (number(row, "c_dry_std"), number(row, "o2_dry"), number(row, "o2_ref"));
        near(corrected(c, o2, reference).unwrap(), number(row, "c_ref"));
        near(excess_air(o2).unwrap(), number(row, "alpha"));
    }
}

#[test]
fn oxygen_of_air_is_refused() {
    let cases = cases();
    let rows = cases["must_reject"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let refused = corrected(30.0, number(row, "o2_dry"), 6.0);
        assert!(matches!(refused, Err(FormulaError::OxygenOfAir { .. })), "{refused:?}");
    }
}

/// Which of the two an hour's corrected mean is, no text says: both are pinned here, so that neither changes unseen.
#[test]
fn order_of_mean_and_correction_matters() {
    let cases = cases();
    let order = &cases["hour_order_matters"];
    let reference = number(order, "o2_ref");
    let minutes: Vec<(f64, f64)> = order["minutes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|minute| (number(minute, "c"), number(minute, "o2")))
        .collect();
    let each: Vec<f64> = minutes
        .iter()
        .map(|&(c, o2)| corrected(c, o2, reference).unwrap())
        .collect();
    near(
        mean_of_valid(&each, 2).unwrap(),
        number(order, "mean_of_minute_corrected"),
    );
    let mean = |pick: fn(&(f64, f64)) -> f64| mean_of_valid(&minutes.iter().map(pick).collect::<Vec<_>>(), 2).unwrap();
    near(
        corrected(mean(|m| m.0), mean(|m| m.1), reference).unwrap(),
        number(order, "corrected_mean"),
    );
}
