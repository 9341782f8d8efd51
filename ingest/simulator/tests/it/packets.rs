//! What plants send, word by word.

use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS};
use plume_simulator::plant::PlantSpec;

use crate::world::{World, at, device};

const SEED: u64 = 42;

/// The first packet of each CN that a plant sends within a bit more than a day.
fn first_packets(plant: PlantSpec, dialect: Dialect) -> String {
    let origin = plant.origin;
    let mut world = World::new(device(plant, SEED, dialect), origin);
    world.run(origin.plus(2 * HOUR_MS + MINUTE_MS), |_| true);
    [2011, 2051, 2061, 2031]
        .iter()
        .filter_map(|cn| {
            let first = world.texts(*cn).into_iter().next()?;
            // One factor a line, for the reader.
            Some(format!(
                "{}\n",
                first.trim_end().replace(';', ";\n  ").replace("&&", "&&\n  ")
            ))
        })
        .collect()
}

#[test]
fn coal_boiler_in_each_edition() {
    for (name, dialect) in [
        ("2005", Dialect::Hj2005),
        ("2017", Dialect::Hj2017),
        ("2025", Dialect::Hj2025),
    ] {
        // An hour before midnight, so that an hour and a day end.
        let plant = PlantSpec::coal_boiler("锅炉", at("20260116230000"));
        insta::assert_snapshot!(format!("coal_boiler_{name}"), first_packets(plant, dialect));
    }
}

#[test]
fn incinerator_minutes_go_in_parts() {
    let origin = at("20260117080000");
    let mut world = World::new(
        device(PlantSpec::incinerator("焚烧炉", origin), SEED, Dialect::Hj2025),
        origin,
    );
    world.run(origin.plus(70_000), |_| true);
    let parts = world.texts(2051);
    assert_eq!(parts.len(), 2, "one minute in two parts");
    for (number, part) in (1..).zip(&parts) {
        assert!(
            part.contains(&format!(";Flag=11;PNUM=2;PNO={number};CP=&&DataTime=20260117080000;")),
            "{part}"
        );
        assert!(part.len() <= 1_036);
    }
    assert_eq!(world.device.undelivered(), 0);
    let count = |key: &str| parts.iter().map(|part| part.matches(key).count()).sum::<usize>();
    assert_eq!((count("-Avg="), count("-ZsAvg=")), (12, 6));
}

#[test]
fn a_seed_is_a_plant() {
    let origin = at("20260117080000");
    let packets = |seed| {
        let mut world = World::new(
            device(PlantSpec::coal_boiler("锅炉", origin), seed, Dialect::Hj2017),
            origin,
        );
        world.run(origin.plus(10 * MINUTE_MS), |_| true);
        world.written
    };
    assert_eq!(packets(1), packets(1));
    assert_ne!(packets(1), packets(2));
}

#[test]
fn packets_say_when_and_in_which_order() {
    let origin = at("20260117135800");
    let mut world = World::new(
        device(PlantSpec::coal_boiler("锅炉", origin), SEED, Dialect::Hj2017),
        origin,
    );
    world.run(at("20260117140020"), |_| true);
    let order: Vec<String> = world
        .written
        .iter()
        .map(|(_, frame)| {
            let text = String::from_utf8_lossy(frame);
            format!(
                "{} {}",
                crate::world::field(&text, "CN="),
                crate::world::field(&text, "DataTime=")
            )
        })
        .collect();
    assert_eq!(
        order,
        [
            "2011 20260117135800",
            "2011 20260117135830",
            "2051 20260117135800",
            "2011 20260117135900",
            "2011 20260117135930",
            "2051 20260117135900",
            "2061 20260117130000",
            "2011 20260117140000",
        ],
        "a period has the START of the period, and comes when it has ended"
    );
    let hour = world.texts(2061).remove(0);
    assert!(
        hour.contains("a21026-Flag=D"),
        "2 of 60 minutes make no valid hour: {hour}"
    );
}
