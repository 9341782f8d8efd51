//! The checks that a device's report is about.

use plume_schemas::check::{Check, CheckSource};
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::Time;

fn reading(factor: &str, statistic: Statistic, text: &str) -> Reading {
    Reading {
        factor: FactorCode::new(factor).unwrap(),
        statistic,
        basis: Basis::Standard,
        value: Decimal::parse(text.as_bytes()).map_or(Value::Empty, Value::Decimal),
        flag: Flag::Missing,
        maker_flag: Inline::default(),
    }
}

fn report(kind: ReportKind, dialect: Dialect, readings: Vec<Reading>) -> Report {
    Report {
        outlet: OutletId::new("E1:DA001").unwrap(),
        kind,
        times: Times {
            measured_at: Time(8),
            sent_at: None,
            received_at: Time(9),
        },
        origin: Origin {
            mn: Mn::new("M1").unwrap(),
            st: Inline::new("31").unwrap(),
            dialect,
            ingest: IngestId::new("i1").unwrap(),
            peer: Inline::default(),
            registry_revision: 1,
        },
        backfill: false,
        readings,
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::default(),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2062,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    }
}

#[test]
fn a_report_gives_a_check_for_each_factor_with_both_numbers() {
    let readings = vec![
        reading("a21026", Statistic::CheckReading, "1.2"),
        reading("a21026", Statistic::CheckStandard, "0"),
        reading("a21026", Statistic::CheckReading, "9"),
        reading("a21002", Statistic::CheckStandard, "160"),
        reading("a21002", Statistic::CheckReading, "161.5"),
        reading("a21005", Statistic::CheckReading, "3"),
        reading("a19001", Statistic::CheckReading, ""),
        reading("a19001", Statistic::CheckStandard, "20.9"),
    ];
    let checks = Check::of_report(&report(ReportKind::Calibration, Dialect::Hj2025, readings.clone()));
    let seen: Vec<(&str, f64, f64)> = checks
        .iter()
        .map(|check| (check.factor.as_str(), check.before, check.gas))
        .collect();
    assert_eq!(seen, [("a21026", 1.2, 0.0), ("a21002", 161.5, 160.0)]);
    assert!(
        checks
            .iter()
            .all(|check| check.source == CheckSource::Device && check.source.is_automatic())
    );
    assert_eq!(
        (checks[0].at, checks[0].received_at, checks[0].point),
        (Time(8), Time(9), None)
    );
    let polled = Check::of_report(&report(ReportKind::Calibration, Dialect::Modbus, readings.clone()));
    assert_eq!(polled[0].source, CheckSource::Polled);
    let minute = report(ReportKind::Minute, Dialect::Hj2025, readings);
    assert!(
        Check::of_report(&minute).is_empty(),
        "only calibration reports are checks"
    );
}
