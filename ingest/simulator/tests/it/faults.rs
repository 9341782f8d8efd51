//! Labelled faults show in the data as they should, and nothing else does.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use plume_simulator::plant::{Action, Fault, FaultKind, Plant, PlantSpec, Upset};
use proptest::prelude::*;

use crate::world::at;

fn code(text: &str) -> FactorCode {
    FactorCode::new(text).unwrap()
}

fn origin() -> Time {
    at("20260117080000")
}

fn span(from_min: i64, to_min: i64) -> Span {
    Span {
        start: origin().plus(from_min * MINUTE_MS),
        end: origin().plus(to_min * MINUTE_MS),
    }
}

fn boiler(faults: Vec<Fault>) -> Plant {
    let mut spec = PlantSpec::coal_boiler("锅炉", origin());
    spec.faults = faults;
    Plant::new(spec, 7)
}

/// One factor's readings over a span of minutes.
fn shown(plant: &mut Plant, factor: &str, from_min: i64, to_min: i64) -> Vec<(f64, Flag)> {
    let samples = (from_min * 12..to_min * 12).map(|step| origin().plus(step * 5 * SECOND_MS));
    samples
        .map(|at| {
            let sample = plant.at(at);
            let channel = sample.channels.iter().find(|c| c.factor.as_str() == factor).unwrap();
            (channel.value.to_f64(), channel.flag)
        })
        .collect()
}

fn mean(values: &[(f64, Flag)]) -> f64 {
    values.iter().map(|(value, _)| value).sum::<f64>() / values.len() as f64
}

fn spread(values: &[(f64, Flag)]) -> f64 {
    let least = values.iter().map(|(v, _)| *v).fold(f64::MAX, f64::min);
    values.iter().map(|(v, _)| *v).fold(f64::MIN, f64::max) - least
}

#[test]
fn a_quiet_plant_is_what_its_spec_says() {
    let mut plant = boiler(Vec::new());
    for (factor, low, high) in [
        ("a21026", 20.0, 28.0),
        ("a21002", 33.0, 43.0),
        ("a34013", 1.8, 3.4),
        ("a19001", 5.5, 8.0),
        ("a01011", 8.0, 14.0),
        ("a01012", 44.0, 56.0),
        ("a01013", -0.3, 0.1),
        ("a01014", 10.0, 15.0),
        ("a00000", 190.0, 270.0),
    ] {
        let day = shown(&mut plant, factor, 0, 60);
        assert!((low..high).contains(&mean(&day)), "{factor}: {}", mean(&day));
        assert!(spread(&day) > 0.0 && day.iter().all(|(_, flag)| *flag == Flag::Normal));
    }
    assert_eq!(plant.labels(), []);
}

#[test]
fn each_fault_shows_within_its_span_alone() {
    let so2 = code("a21026");
    let cases = [
        FaultKind::Stuck,
        FaultKind::Drift { per_hour: 120.0 },
        FaultKind::Spike { height: 60.0 },
        FaultKind::Zero,
        FaultKind::Negative { depth: 5.0 },
        FaultKind::OverRange,
        FaultKind::Calibration,
    ];
    for kind in cases {
        let mut healthy = boiler(Vec::new());
        let mut faulty = boiler(vec![Fault::on(so2, kind, span(10, 20))]);
        let pair = |from, to, healthy: &mut Plant, faulty: &mut Plant| {
            (shown(healthy, "a21026", from, to), shown(faulty, "a21026", from, to))
        };
        for (from, to) in [(0, 10), (20, 30)] {
            let (well, ill) = pair(from, to, &mut healthy, &mut faulty);
            assert_eq!(well, ill, "{} outside its span", kind.code());
        }
        let (well, ill) = pair(10, 20, &mut healthy, &mut faulty);
        assert_ne!(well, ill, "{}", kind.code());
        assert_eq!(
            shown(&mut healthy, "a21002", 0, 30),
            shown(&mut faulty, "a21002", 0, 30)
        );
        let label = &faulty.labels()[0];
        assert_eq!(
            (label.factor, label.code, label.span),
            (Some(so2), kind.code(), span(10, 20))
        );
    }
}

#[test]
fn faults_look_like_what_they_are() {
    let so2 = code("a21026");
    let during = |kind, from, to| {
        shown(
            &mut boiler(vec![Fault::on(so2, kind, span(10, 20))]),
            "a21026",
            from,
            to,
        )
    };
    assert!(spread(&during(FaultKind::Stuck, 10, 20)) == 0.0);
    assert!(during(FaultKind::Zero, 10, 20).iter().all(|(value, _)| *value == 0.0));
    assert!(
        during(FaultKind::Negative { depth: 5.0 }, 10, 20)
            .iter()
            .all(|(value, _)| *value < -4.0)
    );
    let over = during(FaultKind::OverRange, 10, 20);
    assert!(over.iter().all(|reading| *reading == (200.0, Flag::OverRange)));
    let zero_gas = during(FaultKind::Calibration, 10, 15);
    let span_gas = during(FaultKind::Calibration, 15, 20);
    assert!(mean(&zero_gas).abs() < 0.2 && (mean(&span_gas) - 160.0).abs() < 0.2);
    assert!(
        zero_gas
            .iter()
            .chain(&span_gas)
            .all(|(_, flag)| *flag == Flag::Calibration)
    );
}

#[test]
fn a_leak_thins_gases_and_lifts_oxygen() {
    let leak = Fault::whole(FaultKind::Leak { air_fraction: 0.5 }, span(10, 30));
    let (mut well, mut ill) = (boiler(Vec::new()), boiler(vec![leak]));
    // The analysers need some minutes to follow.
    let ratio = |factor, well: &mut Plant, ill: &mut Plant| {
        mean(&shown(ill, factor, 15, 30)) / mean(&shown(well, factor, 15, 30))
    };
    assert!((ratio("a21026", &mut well, &mut ill) - 0.5).abs() < 0.02);
    assert!(
        (ratio("a01012", &mut well, &mut ill) - 1.0).abs() < 0.001,
        "in the stack, not in the line"
    );
    assert!(mean(&shown(&mut ill, "a19001", 15, 30)) > 12.0);
    assert_eq!(ill.labels()[0].factor, None);
}

#[test]
fn acting_brings_an_upset_down() {
    let so2 = code("a21026");
    let mut spec = PlantSpec::coal_boiler("锅炉", origin());
    spec.upsets.push(Upset {
        factor: so2,
        span: span(10, 300),
        efficiency: 0.97,
        lag_s: 300.0,
    });
    let mut left_alone = Plant::new(spec.clone(), 7);
    let mut helped = Plant::new(spec, 7);
    helped.at(span(30, 30).start);
    helped.steer(Action::DoseMore { factor: so2 }, span(30, 30).start);
    let hour = |plant: &mut Plant| mean(&shown(plant, "a21026", 50, 60));
    assert!(mean(&shown(&mut left_alone, "a21026", 0, 10)) < 28.0);
    assert!(hour(&mut left_alone) > 50.0, "{}", hour(&mut left_alone));
    assert!(hour(&mut helped) < 25.0, "{}", hour(&mut helped));
    assert_eq!(left_alone.labels()[0].code, "upset");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What a plant shows does not depend on when, how often or in which order it is asked.
    #[test]
    fn asking_changes_nothing(
        seed: u64,
        steps in prop::collection::vec(0_i64..HOUR_MS, 1..12),
        act_at in 0_i64..HOUR_MS,
    ) {
        let fault = Fault::on(code("a21026"), FaultKind::Stuck, span(5, 25));
        let mut spec = PlantSpec::coal_boiler("锅炉", origin());
        spec.faults.push(fault);
        let act = |plant: &mut Plant| plant.steer(Action::ReduceLoad { to: 0.5 }, origin().plus(act_at + 1));
        let mut fresh = Plant::new(spec.clone(), seed);
        act(&mut fresh);
        for step in steps {
            let mut direct = Plant::new(spec.clone(), seed);
            act(&mut direct);
            let at = origin().plus(step);
            prop_assert_eq!(fresh.at(at), direct.at(at));
        }
    }
}
