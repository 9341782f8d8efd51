//! Once: repeats, parts, corrections, and what is forgotten.

mod bounds;
mod model;

use plume_schemas::decimal::Decimal;
use plume_schemas::dedupe::{Dedupe, Horizons, Outcome, Packet, Seen};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

/// 2026-11-21T08:00 in Beijing.
pub const START: Time = Time(1_795_219_200_000);

/// `a21026-Avg=12.3,a21026-Flag=N`, written `("a21026", "12.3")`.
pub fn reading(factor: &str, value: &str) -> Reading {
    Reading {
        factor: FactorCode::new(factor).unwrap(),
        statistic: Statistic::Mean,
        basis: Basis::Standard,
        value: Value::Decimal(Decimal::parse(value.as_bytes()).unwrap()),
        flag: Flag::Normal,
        maker_flag: Inline::default(),
    }
}

/// A report measured `after` milliseconds behind [`START`]; equal `packet`s are equal bytes.
pub fn report(kind: ReportKind, after: i64, packet: u64, readings: &[Reading]) -> Report {
    let measured_at = START.plus(after);
    Report {
        outlet: OutletId::new("91330100MA27X0AB1C:DA001").unwrap(),
        kind,
        times: Times {
            measured_at,
            sent_at: None,
            received_at: measured_at.plus(MINUTE_MS),
        },
        origin: Origin {
            mn: Mn::new("010000A8900016F000169DC0").unwrap(),
            st: Inline::new("31").unwrap(),
            dialect: Dialect::Hj2017,
            ingest: IngestId::new("one").unwrap(),
            peer: Inline::default(),
            registry_revision: 1,
        },
        backfill: false,
        readings: readings.to_vec(),
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::of(&[&packet.to_le_bytes()]),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2061,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    }
}

fn hour(packet: u64, readings: &[Reading]) -> Report {
    report(ReportKind::Hour, 0, packet, readings)
}

fn new(readings: &[Seen]) -> Outcome {
    Outcome {
        packet: Packet::New,
        readings: readings.to_vec(),
    }
}

#[test]
fn the_same_bytes_are_a_repeat() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let sent = hour(1, &[reading("a21026", "12.3")]);
    assert_eq!(dedupe.see(&sent), new(&[Seen::New]));
    let again = dedupe.see(&sent);
    assert_eq!((again.packet, again.is_no_op()), (Packet::Repeat, true));
    // Sent again under another QN: other bytes, the same values, one of them with a zero more.
    let resent = dedupe.see(&hour(2, &[reading("a21026", "12.30")]));
    assert_eq!(resent, new(&[Seen::Identical]));
    assert!(resent.is_no_op() && resent.fresh().next().is_none());
}

#[test]
fn parts_of_one_message_add_up() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let part = |number, factors: &[&str]| {
        let readings: Vec<Reading> = factors.iter().map(|factor| reading(factor, "1")).collect();
        let mut part = hour(number, &readings);
        part.evidence.part = (u16::try_from(number).unwrap(), 2);
        part
    };
    assert_eq!(dedupe.see(&part(1, &["a21026", "a21002"])), new(&[Seen::New; 2]));
    assert_eq!(
        dedupe.see(&part(2, &["a34013", "a21026", "a19001"])),
        new(&[Seen::New, Seen::Identical, Seen::New])
    );
    assert_eq!(dedupe.see(&part(1, &["a21026", "a21002"])).packet, Packet::Repeat);
    // The whole of it, answering a history query.
    assert_eq!(
        dedupe.see(&part(3, &["a19001", "a34013", "a21002", "a21026"])),
        new(&[Seen::Identical; 4])
    );
}

#[test]
fn a_correction_is_a_revision_and_a_late_repeat_of_the_first_is_none() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let first = hour(1, &[reading("a21026", "36"), reading("a21002", "40")]);
    dedupe.see(&first);
    let corrected = dedupe.see(&hour(2, &[reading("a21026", "34"), reading("a21002", "40")]));
    assert_eq!(corrected, new(&[Seen::Revised(1), Seen::Identical]));
    assert_eq!(
        (corrected.revision(), corrected.fresh().collect::<Vec<_>>()),
        (1, vec![0])
    );
    assert!(
        dedupe.see(&first).is_no_op(),
        "the first packet again must not undo the correction"
    );
    // Back to 36 in a new packet is a correction again; so is another flag with the same value.
    assert_eq!(
        dedupe.see(&hour(3, &[reading("a21026", "36")])),
        new(&[Seen::Revised(2)])
    );
    let mut faulty = reading("a21026", "36");
    faulty.flag = Flag::Fault;
    assert_eq!(dedupe.see(&hour(4, &[faulty])), new(&[Seen::Revised(3)]));
    assert_eq!(
        dedupe.see(&hour(5, &[faulty, reading("a21002", "41"), reading("a34013", "5")])),
        new(&[Seen::Identical, Seen::Revised(4), Seen::New])
    );
}

#[test]
fn kinds_systems_devices_and_outlets_are_apart() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let one = hour(1, &[reading("a21026", "36")]);
    let (mut st, mut mn, mut outlet, mut kind) = (one.clone(), one.clone(), one.clone(), one.clone());
    st.origin.st = Inline::new("45").unwrap();
    mn.origin.mn = Mn::new("other").unwrap();
    outlet.outlet = OutletId::new("91330100MA27X0AB1C:DA002").unwrap();
    kind.kind = ReportKind::Minute;
    for report in [&one, &st, &mn, &outlet, &kind] {
        assert_eq!(dedupe.see(report), new(&[Seen::New]));
    }
    for report in [&one, &st, &mn, &outlet, &kind] {
        assert_eq!(dedupe.see(report).packet, Packet::Repeat);
    }
    // Not the dialect: a logger that was updated between two tries says the same thing.
    let mut other = hour(2, &[reading("a21026", "36")]);
    other.origin.dialect = Dialect::Hj2025;
    assert_eq!(dedupe.see(&other), new(&[Seen::Identical]));
}

#[test]
fn several_readings_of_one_name_are_told_apart_by_place() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let own = |value| Reading {
        statistic: Statistic::Other,
        ..reading("a21026", value)
    };
    assert_eq!(dedupe.see(&hour(1, &[own("1"), own("2")])), new(&[Seen::New; 2]));
    assert_eq!(
        dedupe.see(&hour(2, &[own("1"), own("3"), own("2")])),
        new(&[Seen::Identical, Seen::Revised(1), Seen::New])
    );
}

#[test]
fn a_report_without_readings_is_news_once() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let restart = report(ReportKind::Restart, 0, 1, &[]);
    assert!(!dedupe.see(&restart).is_no_op());
    assert!(dedupe.see(&restart).is_no_op());
}

#[test]
fn beyond_the_horizon_it_says_so() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let sample = |after, packet| report(ReportKind::RealTime, after, packet, &[reading("a21026", "1")]);
    dedupe.see(&sample(0, 1));
    dedupe.see(&sample(2 * HOUR_MS, 2));
    assert_eq!(
        dedupe.see(&sample(0, 1)).packet,
        Packet::Repeat,
        "exactly two hours back"
    );
    dedupe.see(&sample(2 * HOUR_MS + 1, 3));
    let forgotten = dedupe.see(&sample(0, 1));
    assert_eq!((forgotten.packet, forgotten.is_no_op()), (Packet::Forgotten, false));
    // Hours are remembered for two days.
    let hour = report(ReportKind::Hour, 0, 4, &[reading("a21026", "1")]);
    dedupe.see(&hour);
    dedupe.see(&report(ReportKind::Hour, 48 * HOUR_MS, 5, &[reading("a21026", "1")]));
    assert_eq!(dedupe.see(&hour).packet, Packet::Repeat);
    // And days for five weeks.
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let day = report(ReportKind::Day, 0, 6, &[reading("a21026", "1")]);
    dedupe.see(&day);
    dedupe.see(&report(ReportKind::Hour, 35 * DAY_MS, 7, &[reading("a21026", "1")]));
    assert_eq!(dedupe.see(&day).packet, Packet::Repeat);
    dedupe.see(&report(ReportKind::Hour, 35 * DAY_MS + 1, 8, &[reading("a21026", "1")]));
    assert_eq!(dedupe.see(&day).packet, Packet::Forgotten);
}

#[test]
fn two_shares_of_one_packet_for_one_outlet_are_both_taken() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let share = |number, factor| {
        let mut share = hour(1, &[reading(factor, "1")]);
        share.evidence.share = (number, 2);
        share
    };
    let shares = [share(0, "a21026"), share(1, "a21002")];
    assert!(shares.iter().all(|share| dedupe.see(share) == new(&[Seen::New])));
    assert!(shares.iter().all(|share| dedupe.see(share).packet == Packet::Repeat));
}

#[test]
fn a_time_in_the_future_pushes_nothing_out() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let now = hour(1, &[reading("a21026", "1")]);
    dedupe.see(&now);
    let mut ahead = report(ReportKind::Hour, 10_000 * HOUR_MS, 2, &[reading("a21026", "1")]);
    ahead.times.received_at = now.times.received_at;
    assert_eq!(dedupe.see(&ahead), new(&[Seen::New]));
    assert_eq!(dedupe.see(&ahead).packet, Packet::Repeat);
    assert_eq!(dedupe.see(&now).packet, Packet::Repeat);
}
