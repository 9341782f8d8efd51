//! From packets to reports: which outlets, which time, which unit.

use plume_ingest::hj212::encode::{Group, Message};
use plume_schemas::reading::ReportKind;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason, Report};

use crate::bench::{Driven, MN_2005, MN_2017, config, registry, time};

fn taken(rows: &[(&str, &str, &str)], message: &Message) -> Driven {
    let mut driven = Driven::new(config(), registry(rows), "20160801091000");
    driven.bytes(&message.packets().unwrap().concat());
    driven
}

fn hour(codes: &[&str]) -> Message {
    let mut message = Message::upload(Dialect::Hj2017, MN_2017, 2061, time("20160801090000"));
    message = message.data_time(time("20160801080000"));
    for code in codes {
        message = message.with(Group::factor(code, [("Avg", "1.5"), ("Flag", "N")]));
    }
    message
}

fn shape(report: &Report) -> (String, Vec<String>, (u16, u16), bool) {
    let factors = report.readings.iter().map(|r| r.factor.to_string()).collect();
    (
        report.outlet.to_string(),
        factors,
        report.evidence.share,
        report.evidence.raw.is_empty(),
    )
}

fn owned(outlet: &str, factors: &[&str], share: (u16, u16), empty: bool) -> (String, Vec<String>, (u16, u16), bool) {
    (
        outlet.to_owned(),
        factors.iter().map(|f| (*f).to_owned()).collect(),
        share,
        empty,
    )
}

#[test]
fn one_packet_for_two_outlets_by_factor() {
    let rows = [
        (MN_2017, "E1:DA001", "factors = [\"a21026\", \"a19001\"]"),
        (MN_2017, "E1:DA002", "factors = [\"a21002\", \"a19001\"]"),
    ];
    let driven = taken(&rows, &hour(&["a21026", "a21002", "a19001", "a34013"]));
    let reports = driven.reports();
    let shapes: Vec<_> = reports.iter().map(|report| shape(report)).collect();
    assert_eq!(
        shapes,
        [
            owned("E1:DA001", &["a21026", "a19001"], (0, 2), false),
            owned("E1:DA002", &["a21002", "a19001"], (1, 2), true),
        ]
    );
    assert_eq!(reports[0].evidence.packet, reports[1].evidence.packet);
    // Nobody takes the dust: that is said, and the raw bytes have it.
    let unrouted = &reports[0].complaints[0];
    assert_eq!(
        (unrouted.code, unrouted.text.as_str()),
        (ComplaintCode::UnknownFactor, "no outlet takes it")
    );
    // Both are one append, so they are durable together.
    assert_eq!(driven.appended.len(), 1);
}

#[test]
fn electricity_and_states_are_about_every_outlet() {
    let rows = [
        (MN_2017, "E1:DA001", "st = \"31\"\nfactors = [\"a21026\"]"),
        (MN_2017, "E1:DA002", "st = \"31\""),
    ];
    let mut power = Message::upload(Dialect::Hj2025, MN_2017, 2011, time("20160801090000"));
    power.st = "44".to_owned();
    let power = power
        .data_time(time("20160801085900"))
        .with(Group::factor("d20105", [("Rtd", "220.2"), ("Flag", "N")]));
    let outlets = |driven: &Driven| {
        driven
            .reports()
            .iter()
            .map(|r| r.outlet.to_string())
            .collect::<Vec<_>>()
    };
    let driven = taken(&rows, &power);
    assert_eq!(outlets(&driven), ["E1:DA001", "E1:DA002"]);
    assert!(driven.reports().iter().all(|report| report.readings.len() == 1));
    let state = Message::upload(Dialect::Hj2017, MN_2017, 2021, time("20160801090000"))
        .data_time(time("20160801085900"))
        .with(Group::single("SB1-RS", "1"));
    assert_eq!(outlets(&taken(&rows, &state)), ["E1:DA001", "E1:DA002"]);
}

#[test]
fn rows_count_by_the_time_of_measuring() {
    let rows = [
        (MN_2017, "E1:DA001", "valid_to = \"2016-08-01T08:00\""),
        (MN_2017, "E1:DA002", "valid_from = \"2016-08-01T08:00\""),
    ];
    let driven = taken(&rows, &hour(&["a21026"]));
    assert_eq!(driven.reports()[0].outlet.as_str(), "E1:DA002");
    let before = taken(
        &[(MN_2017, "E1:DA001", "valid_from = \"2016-08-02\"")],
        &hour(&["a21026"]),
    );
    assert_eq!(before.quarantined()[0].reason, QuarantineReason::NoOutlet);
}

#[test]
fn a_wrong_system_is_forgiven_where_there_is_one_only() {
    let mut message = hour(&["a21026"]);
    message.st = "32".to_owned();
    let one = taken(&[(MN_2017, "E1:DA001", "st = \"31\"")], &message);
    assert_eq!(one.reports()[0].complaints[0].code, ComplaintCode::OtherSt);
    let two = [
        (MN_2017, "E1:DA001", "st = \"31\""),
        (MN_2017, "E1:DW001", "st = \"21\""),
    ];
    assert_eq!(
        taken(&two, &message).quarantined()[0].reason,
        QuarantineReason::NoOutlet
    );
}

#[test]
fn pressures_of_2005_become_kilopascals() {
    let mut message = Message::upload(Dialect::Hj2005, MN_2005, 2011, time("20160801090000"));
    message = message.data_time(time("20160801085900"));
    for (code, value) in [("S08", "-0.00012"), ("S04", "1"), ("01", "3.50")] {
        message = message.with(Group::factor(code, [("Rtd", value), ("Flag", "N")]));
    }
    let values = |driven: &Driven| {
        let show = |r: &plume_schemas::reading::Reading| format!("{}={}", r.factor, r.value.decimal().unwrap());
        driven.reports()[0].readings.iter().map(show).collect::<Vec<_>>()
    };
    let plain = taken(&[(MN_2005, "E2:DA001", "")], &message);
    assert_eq!(values(&plain), ["a01013=-0.12", "a01017=1000", "a34013=3.50"]);
    // The registry says they come in kPa already.
    let outlet = "[[outlet]]\nid = \"E2:DA001\"\nenterprise = \"E2\"\nnumber = \"DA001\"\n\
                  [[outlet.factor]]\ncode = \"a01013\"\nunit = \"kPa\"\n";
    let own = taken(&[(MN_2005, "E2:DA001", outlet)], &message);
    assert_eq!(values(&own), ["a01013=-0.00012", "a01017=1000", "a34013=3.50"]);
}

#[test]
fn every_command_has_its_kind() {
    use plume_ingest::normalize::kind_of;
    let kinds: Vec<ReportKind> = (0..10_000).map(kind_of).collect();
    for (cn, kind) in [
        (2011, ReportKind::RealTime),
        (2061, ReportKind::Hour),
        (2111, ReportKind::FiveMinute),
    ] {
        assert_eq!(kinds[cn], kind);
    }
    // Each kind comes from some command, and everything else is kept as other.
    for kind in ReportKind::ALL {
        assert!(kinds.contains(kind), "{kind}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind != ReportKind::Other).count(), 17);
}
