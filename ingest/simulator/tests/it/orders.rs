//! plume orders and simulated devices obey, in each edition, in virtual time.

use std::collections::BTreeSet;

use plume_ingest::exchange::command::Outcome;
use plume_ingest::exchange::order::{ORDERS, span_fields};
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use crate::platform::Platform;
use crate::world::{World, at, mn};

const EDITIONS: [Dialect; 3] = [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025];

fn world(dialect: Dialect, forgets: bool) -> World {
    let origin = at("20260117060000");
    let link = LinkSpec {
        forgets,
        ..LinkSpec::usual(mn(), dialect)
    };
    let logger = Logger::new(
        LoggerSpec::usual(dialect),
        Plant::new(PlantSpec::coal_boiler("1号炉", origin), 4),
        origin,
    );
    World::new(Device::logger(link, logger, origin), origin).with_plume(Platform::new())
}

#[test]
fn every_order_is_obeyed() {
    for dialect in EDITIONS {
        let mut world = world(dialect, false);
        let start = world.now;
        world.run(start.plus(HOUR_MS + MINUTE_MS), |_| true);
        let hour = span_fields(Span { start, end: start });
        for order in ORDERS {
            let fields = match order.cn {
                2031 | 2041 | 2051 | 2061 => hour.clone(),
                1062 => vec![("RtdInterval".to_owned(), "60".to_owned())],
                _ => Vec::new(),
            };
            let now = world.now;
            world.platform_mut().order((order.cn, fields), now);
            world.run(now.plus(2 * MINUTE_MS), |_| true);
            let result = world.platform().results.last().unwrap();
            let nothing = matches!(order.cn, 2031 | 2041);
            let code = if nothing { 100 } else { 1 };
            assert_eq!(
                (result.cn, &result.outcome),
                (order.cn, &Outcome::Done { code }),
                "{} {dialect}",
                order.name
            );
            let told = |name: &str| {
                result
                    .told
                    .iter()
                    .find(|(told, _)| told == name)
                    .map(|(_, value)| value.as_str())
            };
            match order.cn {
                1011 => assert!(told("SystemTime").unwrap().starts_with("2026011707"), "{result:?}"),
                1061 => assert_eq!(told("RtdInterval"), Some("30")),
                1063 => assert_eq!(told("MinInterval"), Some("1")),
                2051 | 2061 => assert_eq!(result.packets, 1, "{result:?}"),
                _ => {}
            }
        }
        assert_eq!(world.platform().results.len(), ORDERS.len());
        // The order to send real-time data every minute took effect.
        let (now, before) = (world.now, world.texts(2011).len());
        world.run(now.plus(10 * MINUTE_MS), |_| true);
        let samples = world.texts(2011).len() - before;
        assert!((10..=11).contains(&samples), "{samples}");
    }
}

/// The hours that were measured and are with plume.
fn hours(world: &World) -> BTreeSet<Time> {
    let reports = world.platform().reports.iter();
    reports
        .filter(|report| report.evidence.cn == 2061)
        .map(|report| report.times.measured_at)
        .collect()
}

/// A device that sends nothing again by itself is asked after a stop of two hours, once it has had time to.
#[test]
fn the_hours_of_a_stop_are_asked_for_and_restored() {
    for dialect in EDITIONS {
        let mut kept = Vec::new();
        for asks in [false, true] {
            let mut world = world(dialect, true);
            world.platform_mut().asks_for_gaps = asks;
            let start = world.now;
            let stopped = Span {
                start: start.plus(2 * HOUR_MS + 30 * MINUTE_MS),
                end: start.plus(4 * HOUR_MS + 30 * MINUTE_MS),
            };
            world.run(start.plus(6 * HOUR_MS + 30 * MINUTE_MS), |now| !stopped.contains(now));
            kept.push(hours(&world).len());
            let results = &world.platform().results;
            assert!(results.iter().all(|result| result.outcome.is_success()), "{results:?}");
            assert_eq!(
                results.len(),
                usize::from(asks),
                "one query for both hours: {results:?}"
            );
        }
        assert_eq!(kept, [4, 6], "hours without and with asking, {dialect}");
    }
}
