//! The exchange engine, driven by hand: when it answers, in which order, and when it keeps silent.

use plume_ingest::config::{IngestConfig, UnknownMn};
use plume_ingest::hj212::encode::{Group, Message, frame};
use plume_ingest::hj212::intake::{LogRecord, Verdict};
use plume_ingest::hj212::session::{CloseReason, Note};
use plume_schemas::entry::EntryBody;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason};

use crate::bench::{Driven, MN_2005, MN_2017, config, registry, time};

/// A real-time packet of a device, the `n`th of the day.
fn packet(mn: &str, n: u32) -> Vec<u8> {
    let sent = time("20160801090000").plus(i64::from(n) * 1000);
    let message = Message::upload(Dialect::Hj2017, mn, 2011, sent)
        .data_time(sent)
        .with(Group::factor(
            "a21026",
            [("Rtd", n.to_string()), ("Flag", "N".to_owned())],
        ));
    message.packets().unwrap().concat()
}

fn open(config: IngestConfig, rows: &[(&str, &str, &str)]) -> Driven {
    Driven::new(config, registry(rows), "20160801091000")
}

fn two_devices() -> Driven {
    open(config(), &[(MN_2017, "E1:DA001", ""), (MN_2005, "E2:DA001", "")])
}

fn qns(driven: &Driven) -> Vec<String> {
    let qn = |sent: &String| sent.split("QN=").nth(1).unwrap().chars().skip(10).take(4).collect();
    driven.sent.iter().map(qn).collect()
}

#[test]
fn answers_wait_for_those_before_them_on_the_same_device_only() {
    let mut driven = two_devices();
    driven.bytes(
        &[
            packet(MN_2017, 1),
            packet(MN_2017, 2),
            packet(MN_2005, 3),
            packet(MN_2017, 4),
        ]
        .concat(),
    );
    let tickets: Vec<_> = driven.appended.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets.len(), 4);
    driven.durable(tickets[1]);
    assert!(driven.sent.is_empty());
    driven.durable(tickets[2]);
    assert_eq!(qns(&driven), ["0003"]);
    driven.durable(tickets[0]);
    assert_eq!(qns(&driven), ["0003", "0001", "0002"]);
    driven.durable(tickets[3]);
    assert_eq!(qns(&driven), ["0003", "0001", "0002", "0004"]);
    assert_eq!(driven.session.pending(), (0, 0));
}

#[test]
fn a_repeat_joins_its_first_copy_and_is_answered_again() {
    let mut driven = two_devices();
    driven.bytes(&[packet(MN_2017, 1), packet(MN_2017, 1)].concat());
    assert_eq!(driven.appended.len(), 1);
    assert!(matches!(driven.notes.last(), Some(Note::Packet { repeat: true, .. })));
    driven.all_durable();
    assert_eq!(qns(&driven), ["0001", "0001"]);
    // Later it is a packet like any other: the log may hold repeats.
    driven.bytes(&packet(MN_2017, 1));
    assert_eq!(driven.appended.len(), 2);
}

#[test]
fn a_flood_of_repeats_is_bounded_too() {
    let mut driven = open(
        IngestConfig {
            max_in_flight_packets: 8,
            ..config()
        },
        &[(MN_2017, "E1:DA001", "")],
    );
    for _ in 0..8 {
        assert!(driven.session.wants_bytes());
        driven.bytes(&packet(MN_2017, 1));
    }
    assert!(!driven.session.wants_bytes());
    assert_eq!(driven.session.pending(), (1, 8));
    driven.all_durable();
    assert!(driven.session.wants_bytes());
}

#[test]
fn an_unknown_device_by_each_policy() {
    let unknown = packet("STRANGER", 1);
    let under = |policy| {
        let mut driven = open(
            IngestConfig {
                unknown_mn: policy,
                ..config()
            },
            &[(MN_2017, "E1:DA001", "")],
        );
        driven.bytes(&unknown);
        driven.all_durable();
        driven
    };
    let kept = under(UnknownMn::Quarantine);
    assert_eq!(kept.quarantined()[0].reason, QuarantineReason::UnknownMn);
    assert_eq!(kept.answered(), ["9014"]);
    let flagged = under(UnknownMn::AcceptAndFlag);
    let report = flagged.reports()[0];
    assert_eq!(
        (report.outlet.as_str(), report.origin.registry_revision),
        ("unregistered:STRANGER", 0)
    );
    assert_eq!(report.complaints[0].code, ComplaintCode::OddHeader);
    assert_eq!(flagged.answered(), ["9014"]);
    let mut refused = under(UnknownMn::Refuse);
    assert!(refused.appended.is_empty() && refused.sent.is_empty() && refused.closed.is_none());
    refused.bytes(&[packet("STRANGER", 2), packet("STRANGER", 3)].concat());
    assert_eq!(refused.closed, Some(CloseReason::Refused));
    let refusals = refused.notes.iter().filter(|n| {
        matches!(
            n,
            Note::Packet {
                verdict: Verdict::Refused,
                ..
            }
        )
    });
    assert_eq!(refusals.count(), 3);
}

#[test]
fn a_wrong_password_meets_silence_and_then_a_closed_link() {
    let mut driven = open(config(), &[(MN_2017, "E1:DA001", "password = \"secret\"")]);
    driven.bytes(&packet(MN_2017, 1));
    driven.all_durable();
    assert_eq!(driven.quarantined()[0].reason, QuarantineReason::WrongPassword);
    assert!(driven.sent.is_empty() && !driven.session.is_identified());
    driven.bytes(&[packet(MN_2017, 2), packet(MN_2017, 3), packet(MN_2017, 4)].concat());
    assert_eq!(driven.closed, Some(CloseReason::Refused));
    assert_eq!(driven.quarantined().len(), 3);
}

#[test]
fn one_refused_device_behind_a_gateway_does_not_cut_off_the_others() {
    let mut driven = open(
        config(),
        &[
            (MN_2017, "E1:DA001", "password = \"secret\""),
            (MN_2005, "E2:DA001", ""),
        ],
    );
    for n in 0..10 {
        driven.bytes(&[packet(MN_2017, 2 * n), packet(MN_2005, 2 * n + 1)].concat());
        driven.all_durable();
    }
    assert_eq!((driven.closed, driven.sent.len()), (None, 10));
}

#[test]
fn an_outlet_registered_later_hears_that_its_device_is_there() {
    let mut driven = two_devices();
    driven.bytes(&packet(MN_2017, 1));
    let mut more = plume_schemas::registry::Registry::clone(
        registry(&[(MN_2017, "E1:DA001", ""), (MN_2017, "E1:DA002", "")]).registry(),
    );
    more.revision += 1;
    driven.registry = plume_schemas::registry::RegistryIndex::new(more);
    driven.bytes(&[packet(MN_2017, 2), packet(MN_2017, 3)].concat());
    driven.end();
    let states: Vec<String> = driven
        .records()
        .filter_map(|record| match record {
            LogRecord::Entry(EntryBody::Presence(p)) => Some(format!("{} {}", p.outlet, p.state)),
            _ => None,
        })
        .collect();
    assert_eq!(
        states,
        ["E1:DA001 came", "E1:DA002 came", "E1:DA001 gone", "E1:DA002 gone"]
    );
}

#[test]
fn parts_are_answered_alone() {
    let mut message = Message::upload(Dialect::Hj2017, MN_2017, 2061, time("20160801090000"));
    message = message.data_time(time("20160801080000"));
    for n in 0..40 {
        let code = format!("a21{n:03}");
        message = message.with(Group::factor(
            &code,
            [("Min", "1.0"), ("Avg", "2.0"), ("Max", "3.0"), ("Flag", "N")],
        ));
    }
    let parts = message.packets().unwrap();
    assert_eq!(parts.len(), 3);
    let mut driven = two_devices();
    // The second part alone, the first lost: it is stored and answered all the same.
    driven.bytes(&parts[1]);
    driven.all_durable();
    assert_eq!(driven.answered(), ["9014"]);
    assert_eq!(driven.reports()[0].evidence.part, (2, 3));
    assert_eq!(driven.reports()[0].times.measured_at, time("20160801080000"));
}

#[test]
fn several_devices_on_one_link_come_and_go() {
    let mut driven = two_devices();
    driven.bytes(&[packet(MN_2017, 1), packet(MN_2005, 2), packet(MN_2017, 3)].concat());
    let came = driven.notes.iter().filter(|note| matches!(note, Note::Came(_))).count();
    assert_eq!(came, 2);
    driven.end();
    let (_, gone) = driven.appended.last().unwrap();
    assert_eq!(gone.len(), 2);
}

#[test]
fn too_many_devices_on_one_link() {
    let rows = [("A", "E1:A", ""), ("B", "E1:B", ""), ("C", "E1:C", "")];
    let mut driven = open(
        IngestConfig {
            max_mns_per_link: 2,
            ..config()
        },
        &rows,
    );
    driven.bytes(&[packet("A", 1), packet("B", 2), packet("C", 3)].concat());
    assert_eq!(driven.closed, Some(CloseReason::TooManyMns));
    // What was read is kept and answered.
    driven.all_durable();
    assert_eq!(qns(&driven), ["0001", "0002", "0003"]);
}

#[test]
fn wrong_checksums_without_end_are_noise() {
    let mut driven = open(
        IngestConfig {
            max_garbage_bytes: 1000,
            ..config()
        },
        &[(MN_2017, "E1:DA001", "")],
    );
    let mut bad = packet(MN_2017, 1);
    let at = bad.len() - 3;
    bad[at] = b'7';
    for _ in 0..10 {
        driven.bytes(&bad);
    }
    assert_eq!(driven.closed, Some(CloseReason::Garbage));
    assert!(driven.sent.is_empty());
}

#[test]
fn a_tolerance_that_is_switched_on_lets_in_and_says_so() {
    let segment = format!("QN=20160801090000001;ST=31;CN=9015;PW=123456;MN={MN_2017};Flag=5;CP=&&&&");
    let right = String::from_utf8(frame(segment.as_bytes())).unwrap();
    let modbus = plume_ingest::hj212::crc::modbus(segment.as_bytes());
    let packet = format!("{}{modbus:04X}\r\n", right.get(..right.len() - 6).unwrap());
    let mut strict = two_devices();
    strict.bytes(packet.as_bytes());
    assert_eq!(strict.quarantined()[0].reason, QuarantineReason::BadCrc);
    let tolerate = toml::from_str::<IngestConfig>(
        &include_str!("../data/ingest.toml").replace("\"other_tail\"", "\"modbus_crc\""),
    );
    let mut lenient = open(tolerate.unwrap(), &[(MN_2017, "E1:DA001", "")]);
    lenient.bytes(packet.as_bytes());
    lenient.all_durable();
    assert_eq!(lenient.answered(), ["9013"]);
    assert_eq!(lenient.reports()[0].complaints[0].code, ComplaintCode::CrcVariant);
    // And one that is switched off keeps out.
    lenient.bytes(frame(segment.as_bytes()).trim_ascii_end());
    lenient.quiet();
    assert_eq!(lenient.quarantined()[0].detail, "needs the tolerance other_tail");
}
