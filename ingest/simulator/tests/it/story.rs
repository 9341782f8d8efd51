//! The demo's story comes out of the physics as it is told.

use plume_schemas::ids::FactorCode;
use plume_schemas::registry::{LimitWindow, RegistryIndex};
use plume_schemas::time::MINUTE_MS;
use plume_simulator::device::Device;
use plume_simulator::story::{self, Part, SEED};

use crate::world::{World, field};

fn run(part: Part, acts_at_min: Option<i64>) -> World {
    let start = story::start();
    let place = Part::ALL.iter().position(|other| *other == part).unwrap();
    let device = story::devices(start, SEED).swap_remove(place);
    let mut world = World::new(device, start);
    let hour = start.plus(10 * MINUTE_MS);
    if let Some(minute) = acts_at_min {
        let at = hour.plus(minute * MINUTE_MS);
        world.run(at, |_| true);
        world.device.steer(story::remedy(), at);
    }
    world.run(start.plus(story::LENGTH_MIN * MINUTE_MS), |_| true);
    world
}

/// The corrected SO2 mean of the hour that begins at `stamp`, from the device's hour packet, and its flag.
fn hour_mean(world: &World, stamp: &str) -> (f64, String) {
    let hours = world.texts(2061);
    let hour = hours.iter().find(|text| field(text, "DataTime=") == stamp).unwrap();
    (
        field(hour, "a21026-ZsAvg=").parse().unwrap(),
        field(hour, "a21026-Flag="),
    )
}

const HOUR: &str = "20260117140000";

#[test]
fn jia_complies_when_it_acts_and_not_when_it_does_not() {
    for minute in [25, 26, 27, 28, 29, 30] {
        let (mean, flag) = hour_mean(&run(Part::Jia, Some(minute)), HOUR);
        assert!((32.5..35.0).contains(&mean), "acting at minute {minute} ends at {mean}");
        assert!(
            minute != 28 || (33.8..34.0).contains(&mean),
            "as the story tells it: {mean}"
        );
        assert_eq!(flag, "N");
    }
    let (mean, _) = hour_mean(&run(Part::Jia, None), HOUR);
    assert!(mean > 36.5, "left alone it ends at {mean}");
}

#[test]
fn yi_exceeds_by_six_percent() {
    let (mean, flag) = hour_mean(&run(Part::Yi, None), HOUR);
    let ratio = (mean - 35.0) / 35.0;
    assert!((0.055..0.065).contains(&ratio), "{mean} is {ratio} times over");
    assert_eq!(flag, "N");
}

#[test]
fn the_hour_before_is_whole_and_below_the_limit() {
    for part in Part::ALL {
        let (mean, flag) = hour_mean(&run(part, None), "20260117130000");
        assert!((20.0..32.0).contains(&mean), "{}: {mean}", part.name());
        assert_eq!(flag, "N", "the loggers have been running since 13:00");
    }
}

#[test]
fn bing_stands_still_while_its_flow_moves() {
    let world = run(Part::Bing, None);
    let mut minutes = world.texts(2051);
    // The last minute before the story is made, and sent, when the story has begun.
    assert_eq!(field(&minutes.remove(0), "DataTime="), "20260117134900");
    let distinct = |key: &str| {
        let mut values: Vec<String> = minutes.iter().map(|text| field(text, key)).collect();
        values.sort();
        values.dedup();
        values.len()
    };
    assert_eq!(distinct("a21026-Avg="), 1);
    assert!(distinct("a00000-Avg=") > 30 && distinct("a21002-Avg=") > 30 && distinct("a34013-Avg=") > 20);
    assert_eq!(field(&minutes[0], "DataTime="), "20260117135000");
}

#[test]
fn the_registry_knows_what_the_devices_send() {
    let index = RegistryIndex::new(story::registry());
    for part in Part::ALL {
        let routes: Vec<_> = index
            .routes(part.mn(), "31", story::start())
            .map(|route| route.outlet)
            .collect();
        assert_eq!(routes, [part.outlet()]);
        assert!(index.outlet(part.outlet()).is_some() && index.enterprise(part.enterprise()).is_some());
        let so2 = FactorCode::new("a21026").unwrap();
        let limit = index
            .limit(part.outlet(), so2, LimitWindow::Hour, story::start())
            .unwrap();
        assert_eq!((limit.value, limit.source.as_str()), (story::LIMIT_MG_M3, "permit"));
    }
    let devices: Vec<_> = story::devices(story::start(), SEED).iter().map(Device::mn).collect();
    assert_eq!(devices, Part::ALL.map(Part::mn));
    let toml = toml::to_string(&story::registry()).unwrap();
    assert_eq!(
        toml::from_str::<plume_schemas::registry::Registry>(&toml).unwrap(),
        story::registry()
    );
}
