//! The link: answers awaited, packets sent again, data kept while it is down and sent behind live data.

use std::collections::BTreeSet;

use plume_ingest::hj212::encode::Group;
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Span, Time};
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::message::Message;
use plume_simulator::plant::{Fault, FaultKind, Plant, PlantSpec};
use plume_simulator::sender::{LinkSpec, MAX_STORED, MAX_WINDOW, Parcel, Sender};
use proptest::prelude::*;

use crate::world::{Answers, World, at, device, field, mn};

fn origin() -> Time {
    at("20260117080000")
}

fn world(dialect: Dialect) -> World {
    World::new(device(PlantSpec::coal_boiler("锅炉", origin()), 3, dialect), origin())
}

#[test]
fn waits_ten_seconds_sends_three_times_more_and_drops_the_link() {
    let mut world = world(Dialect::Hj2017);
    world.answers = Answers::Never;
    world.run(origin().plus(41 * SECOND_MS), |_| true);
    let first = &world.written[0].1;
    let moments: Vec<i64> = world
        .written
        .iter()
        .filter(|(_, frame)| frame == first)
        .map(|(moment, _)| moment.since(world.written[0].0) / SECOND_MS)
        .collect();
    assert_eq!(moments, [0, 10, 20, 30], "10 s, three resends, byte for byte the same");
    assert_eq!(world.closed.len(), 1);
    assert_eq!(world.closed[0].since(world.written[0].0), 40 * SECOND_MS);
    let counts = world.device.counts();
    assert_eq!((counts.resent, counts.given_up_links, counts.answered), (3, 1, 0));
}

#[test]
fn answers_are_recorded_with_the_exact_frame() {
    let mut world = world(Dialect::Hj2017);
    world.run(origin().plus(5 * MINUTE_MS), |_| true);
    let written: Vec<&Vec<u8>> = world.written.iter().map(|(_, frame)| frame).collect();
    let answered: Vec<&Vec<u8>> = world.answered.iter().map(|answered| &answered.frame).collect();
    assert_eq!(written, answered);
    assert!(
        world
            .answered
            .iter()
            .all(|answered| answered.sent_times == 1 && answered.mn == mn())
    );
    let qns: BTreeSet<&String> = world.answered.iter().map(|answered| &answered.qn).collect();
    assert_eq!(qns.len(), answered.len(), "no QN twice");
}

/// Minutes measured during an outage, and how the packets that bring them look.
fn after_outage(dialect: Dialect) -> World {
    let mut world = world(dialect);
    let (from, to) = (origin().plus(10 * MINUTE_MS), origin().plus(20 * MINUTE_MS));
    world.run(origin().plus(25 * MINUTE_MS + SECOND_MS), |now| now < from || now >= to);
    let minutes: BTreeSet<String> = world.texts(2051).iter().map(|text| field(text, "DataTime=")).collect();
    assert_eq!(minutes.len(), 25, "no minute is lost");
    assert_eq!(world.device.undelivered(), 0);
    world
}

#[test]
fn an_outage_is_filled_in_behind_live_data() {
    let world = after_outage(Dialect::Hj2025);
    let late: Vec<String> = world
        .texts(2051)
        .into_iter()
        .filter(|text| text.contains(";RF=1;"))
        .collect();
    assert_eq!(late.len(), 10);
    assert!(
        late.iter().all(|text| field(text, "QN=").as_str() > "20260117082000"),
        "fresh QNs"
    );
    assert_eq!(world.device.counts().backfilled, 10);
    // Real-time data of the outage are of no interest any more.
    assert!(world.device.counts().dropped_moment >= 19);
    assert!(world.texts(2011).iter().all(|text| !text.contains("RF=1")));
}

#[test]
fn live_data_goes_first() {
    let mut sender = Sender::new(LinkSpec::usual(mn(), Dialect::Hj2025));
    let message = |minute: i64| {
        let groups = vec![Group::factor("a21026", [("Avg", "1.0")])];
        Parcel::Message(Message::new(2051, origin().plus(minute * MINUTE_MS), groups))
    };
    sender.push(message(1));
    sender.push(message(2));
    sender.link_up();
    sender.push(message(3));
    let mut sent = Vec::new();
    for round in 0..3 {
        let now = origin().plus(round);
        sender.pump(now, now);
        let text = String::from_utf8(sender.poll_write().unwrap()).unwrap();
        sent.push(format!("{} {}", field(&text, "DataTime="), text.contains(";RF=1;")));
        sender.on_answer(&field(&text, "QN="), now);
    }
    assert_eq!(
        sent,
        ["20260117080300 false", "20260117080100 true", "20260117080200 true"]
    );
}

#[test]
fn the_older_editions_have_no_mark_for_it() {
    for dialect in [Dialect::Hj2005, Dialect::Hj2017] {
        let world = after_outage(dialect);
        assert!(world.texts(2051).iter().all(|text| !text.contains("RF=1")));
        assert_eq!(world.device.counts().backfilled, 10);
    }
}

#[test]
fn a_planned_outage_drops_the_link_and_power_off_measures_nothing() {
    let span = |from: i64, to: i64| Span {
        start: origin().plus(from * MINUTE_MS),
        end: origin().plus(to * MINUTE_MS),
    };
    let mut spec = PlantSpec::coal_boiler("锅炉", origin());
    spec.faults = vec![
        Fault::whole(FaultKind::LinkDown, span(5, 10)),
        Fault::whole(FaultKind::PowerOff, span(15, 20)),
    ];
    let mut world = World::new(device(spec, 3, Dialect::Hj2017), origin());
    world.run(origin().plus(26 * MINUTE_MS), |_| true);
    assert_eq!(world.closed.len(), 2);
    let minutes: BTreeSet<String> = world.texts(2051).iter().map(|text| field(text, "DataTime=")).collect();
    for minute in 0..25 {
        let stamp = origin().plus(minute * MINUTE_MS).stamp14();
        assert_eq!(minutes.contains(&stamp), !(15..20).contains(&minute), "minute {minute}");
    }
}

#[test]
fn a_clock_that_is_off_stamps_what_it_shows() {
    let mut spec = PlantSpec::coal_boiler("锅炉", origin());
    spec.faults = vec![Fault::whole(
        FaultKind::ClockSkew {
            ahead_ms: 7 * MINUTE_MS,
        },
        Span {
            start: origin().plus(2 * MINUTE_MS),
            end: Time(i64::MAX),
        },
    )];
    let mut world = World::new(device(spec, 3, Dialect::Hj2017), origin());
    world.run(origin().plus(5 * MINUTE_MS + SECOND_MS), |_| true);
    let minutes: Vec<String> = world.texts(2051).iter().map(|text| field(text, "DataTime=")).collect();
    assert_eq!(
        minutes,
        [
            "20260117080000",
            "20260117080100",
            "20260117080900",
            "20260117081000",
            "20260117081100"
        ]
    );
    let last = world.written.last().unwrap();
    // QNs of one burst are a millisecond apart.
    let ahead_ms = at(&field(&String::from_utf8_lossy(&last.1), "QN=")).since(last.0) - 7 * MINUTE_MS;
    assert!((0..10).contains(&ahead_ms), "{ahead_ms}");
}

#[test]
fn many_in_flight_are_answered_in_any_order() {
    let plant = Plant::new(PlantSpec::incinerator("焚烧炉", origin()), 3);
    let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2025), plant, origin());
    let link = LinkSpec {
        window: 8,
        ..LinkSpec::usual(mn(), Dialect::Hj2025)
    };
    let mut world = World::new(Device::logger(link, logger, origin()), origin());
    world.run(origin().plus(10 * MINUTE_MS), |_| true);
    assert_eq!(world.answered.len(), world.written.len());
    assert_eq!(world.device.counts().stray_answers, 0);
}

#[test]
fn a_full_store_drops_the_oldest_and_says_so() {
    let mut sender = Sender::new(LinkSpec::usual(mn(), Dialect::Hj2017));
    let stored = i64::try_from(MAX_STORED).unwrap();
    for minute in 0..stored + 2 {
        sender.push(Parcel::Message(Message::new(
            2051,
            origin().plus(minute * MINUTE_MS),
            Vec::new(),
        )));
    }
    assert_eq!((sender.undelivered(), sender.counts().dropped_full), (MAX_STORED, 2));
    sender.link_up();
    sender.pump(origin(), origin());
    let first = String::from_utf8(sender.poll_write().unwrap()).unwrap();
    assert_eq!(field(&first, "DataTime="), origin().plus(2 * MINUTE_MS).stamp14());
}

#[test]
fn a_window_has_its_limits() {
    for (asked, granted) in [(0, 1), (3, 3), (10_000, MAX_WINDOW)] {
        let link = LinkSpec {
            window: asked,
            ..LinkSpec::usual(mn(), Dialect::Hj2017)
        };
        assert_eq!(Sender::new(link).spec().window, granted);
    }
}

#[test]
fn a_message_that_fits_no_packet_is_counted_and_left_out() {
    let mut sender = Sender::new(LinkSpec::usual(mn(), Dialect::Hj2017));
    sender.link_up();
    sender.push(Parcel::Message(Message::log_line(
        origin(),
        "a21026",
        &"x".repeat(2_000),
    )));
    sender.push(Parcel::Message(Message::log_line(origin(), "a21026", "零点校准完成")));
    sender.pump(origin(), origin());
    assert_eq!((sender.counts().unwritable, sender.counts().packets), (1, 1));
}

#[test]
fn a_device_that_gives_up_says_what_it_dropped() {
    let plant = Plant::new(PlantSpec::coal_boiler("锅炉", origin()), 3);
    let spec = LoggerSpec {
        realtime_interval_s: None,
        hours: false,
        days: false,
        ..LoggerSpec::usual(Dialect::Hj2017)
    };
    let link = LinkSpec {
        give_up_after_links: Some(2),
        ..LinkSpec::usual(mn(), Dialect::Hj2017)
    };
    let logger = Logger::new(spec, plant, origin());
    let mut world = World::new(Device::logger(link, logger, origin()), origin());
    world.answers = Answers::Never;
    world.run(origin().plus(5 * MINUTE_MS), |_| true);
    let counts = world.device.counts();
    assert!(counts.dropped_unanswered >= 1, "{counts:?}");
    assert_eq!(counts.answered, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever outages there are, every minute arrives once the link is back, and is answered.
    #[test]
    fn outages_lose_no_minute(outages in prop::collection::vec((0_i64..50, 1_i64..20), 0..4), window in 1_usize..5) {
        let plant = Plant::new(PlantSpec::coal_boiler("锅炉", origin()), 3);
        let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2025), plant, origin());
        let link = LinkSpec { window, ..LinkSpec::usual(mn(), Dialect::Hj2025) };
        let mut world = World::new(Device::logger(link, logger, origin()), origin());
        let down = |now: Time| outages.iter().any(|(from, length)| {
            let minute = now.since(origin()) / MINUTE_MS;
            (*from..from + length).contains(&minute)
        });
        world.run(origin().plus(80 * MINUTE_MS), |now| !down(now));
        let minutes: BTreeSet<String> = world
            .answered
            .iter()
            .filter(|answered| answered.cn == 2051)
            .map(|answered| field(&String::from_utf8_lossy(&answered.frame), "DataTime="))
            .collect();
        prop_assert!(minutes.len() >= 79, "{} minutes", minutes.len());
        prop_assert_eq!(world.device.undelivered(), 0);
    }
}
