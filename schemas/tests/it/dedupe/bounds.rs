//! The limits, and what happens at them.

use plume_schemas::dedupe::{
    Dedupe, DedupeError, Horizons, MAX_PACKETS_PER_TIME, MAX_REPORTS_PER_STREAM, Packet, SILENT_MS, Seen,
};
use plume_schemas::ids::Mn;
use plume_schemas::reading::{Basis, Reading, ReportKind, Statistic};
use plume_schemas::time::{DAY_MS, MINUTE_MS, SECOND_MS};

use super::{reading, report};

/// What a minute packet of a stack holds: 40 readings.
fn minute_packet(value: &str) -> Vec<Reading> {
    let mut readings = Vec::new();
    for factor in ["a21026", "a21002", "a34013"] {
        for basis in [Basis::Standard, Basis::Corrected] {
            for statistic in [Statistic::Min, Statistic::Mean, Statistic::Max] {
                readings.push(Reading {
                    statistic,
                    basis,
                    ..reading(factor, value)
                });
            }
        }
    }
    for factor in ["a00000", "a01011", "a01012", "a01013", "a01014", "a19001"] {
        for statistic in [Statistic::Min, Statistic::Mean, Statistic::Max] {
            readings.push(Reading {
                statistic,
                ..reading(factor, value)
            });
        }
    }
    for factor in ["a21026", "a21002", "a34013", "a00000"] {
        readings.push(Reading {
            statistic: Statistic::Total,
            ..reading(factor, value)
        });
    }
    readings
}

#[test]
fn forty_bytes_for_a_report() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let minutes = 4 * 24 * 60;
    for minute in 0..minutes {
        let readings = minute_packet(&minute.to_string());
        let packet = u64::try_from(minute).unwrap();
        dedupe.see(&report(ReportKind::Minute, minute * MINUTE_MS, packet, &readings));
    }
    let remembered = dedupe.remembered();
    assert_eq!(remembered.reports, 48 * 60 + 1);
    let each = remembered.bytes.div_ceil(remembered.reports);
    assert!(each <= 40, "{each} bytes for each of {} reports", remembered.reports);
    let stored = dedupe.checkpoint().len().div_ceil(remembered.reports);
    assert!(stored <= 26, "{stored} bytes for each stored");
}

#[test]
fn of_one_time_the_oldest_packets_go_first() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let packets = u64::try_from(MAX_PACKETS_PER_TIME).unwrap();
    let send = |number: u64| report(ReportKind::Hour, 0, number, &[reading("a21026", "1")]);
    for number in 0..packets {
        dedupe.see(&send(number));
    }
    assert_eq!(dedupe.see(&send(0)).packet, Packet::Repeat);
    dedupe.see(&send(packets));
    assert_eq!(dedupe.remembered().reports, MAX_PACKETS_PER_TIME);
    let again = dedupe.see(&send(0));
    assert_eq!((again.packet, again.readings), (Packet::New, vec![Seen::Identical]));
}

#[test]
fn a_stream_drops_its_oldest_and_says_so() {
    let horizons = Horizons {
        realtime_ms: DAY_MS,
        ..Horizons::USUAL
    };
    let mut dedupe = Dedupe::new(horizons);
    let send = |second: i64| {
        let packet = u64::try_from(second).unwrap();
        report(
            ReportKind::RealTime,
            second * SECOND_MS,
            packet,
            &[reading("a21026", "1")],
        )
    };
    let most = i64::try_from(MAX_REPORTS_PER_STREAM).unwrap();
    for second in 0..=most {
        dedupe.see(&send(second));
    }
    assert_eq!(dedupe.remembered().reports, MAX_REPORTS_PER_STREAM);
    assert_eq!(dedupe.see(&send(0)).packet, Packet::Forgotten);
    assert_eq!(dedupe.see(&send(1)).packet, Packet::Repeat);
    let mut restored = Dedupe::restore(horizons, &dedupe.checkpoint()).unwrap();
    assert_eq!(restored.see(&send(0)).packet, Packet::Forgotten);
}

#[test]
fn a_silent_device_is_forgotten_after_two_months() {
    let mut dedupe = Dedupe::new(Horizons::USUAL);
    let silent = report(ReportKind::Hour, 0, 1, &[reading("a21026", "1")]);
    dedupe.see(&silent);
    let other = |after| {
        let mut other = report(ReportKind::Hour, after, 2, &[reading("a21002", "1")]);
        other.origin.mn = Mn::new("other").unwrap();
        other
    };
    dedupe.see(&other(SILENT_MS));
    assert_eq!(dedupe.remembered().reports, 2);
    dedupe.see(&other(SILENT_MS + DAY_MS));
    assert_eq!(
        dedupe.remembered().reports,
        2,
        "the other's two; the silent one's is gone"
    );
    assert_eq!(dedupe.see(&silent).packet, Packet::New);
}

#[test]
fn other_formats_are_refused() {
    assert_eq!(
        Dedupe::restore(Horizons::USUAL, &[7]).unwrap_err(),
        DedupeError::Format { found: 7 }
    );
    assert!(matches!(
        Dedupe::restore(Horizons::USUAL, &[]).unwrap_err(),
        DedupeError::Damaged { at: 0, .. }
    ));
    let mut longer = Dedupe::new(Horizons::USUAL).checkpoint();
    longer.push(0);
    assert!(Dedupe::restore(Horizons::USUAL, &longer).is_err());
}
