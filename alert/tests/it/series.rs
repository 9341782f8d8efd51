//! Minute values for the charts.

use plume_alert::series::SeriesStore;
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{MINUTE_MS, Span, Time};

use crate::world::{OUTLET, at, config};

pub(crate) fn report(kind: ReportKind, measured_at: Time, values: &[(Basis, &str, Flag)]) -> Report {
    let statistic = if kind == ReportKind::RealTime {
        Statistic::Sample
    } else {
        Statistic::Mean
    };
    Report {
        outlet: OutletId::new(OUTLET).unwrap(),
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
            ingest: IngestId::new("i1").unwrap(),
            peer: Inline::default(),
            registry_revision: 1,
        },
        backfill: false,
        readings: values
            .iter()
            .map(|(basis, value, flag)| Reading {
                factor: FactorCode::new("a21026").unwrap(),
                statistic,
                basis: *basis,
                value: Decimal::parse(value.as_bytes()).map_or(Value::Empty, Value::Decimal),
                flag: *flag,
                maker_flag: Inline::default(),
            })
            .collect(),
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::default(),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2051,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    }
}

fn all(store: &SeriesStore) -> Vec<String> {
    let span = Span {
        start: Time(0),
        end: Time(i64::MAX),
    };
    let points = store.points(OutletId::new(OUTLET).unwrap(), FactorCode::new("a21026").unwrap(), span);
    points
        .iter()
        .map(|p| {
            format!(
                "{} {}min {:?} {:?} {}",
                p.at.hour_minute(),
                p.minutes,
                p.standard,
                p.corrected,
                p.flag
            )
        })
        .collect()
}

#[test]
fn minutes_replace_samples_and_keep_basis_and_flag() {
    let mut store = SeriesStore::new(config().series);
    let minute = at("20261121142500");
    for value in ["30", "32"] {
        store.observe(&report(
            ReportKind::RealTime,
            minute.plus(5_000),
            &[(Basis::Standard, value, Flag::Normal)],
        ));
    }
    assert_eq!(all(&store), ["14:25 1min Some(31.0) None N"]);
    let means = [
        (Basis::Standard, "31.2", Flag::Normal),
        (Basis::Corrected, "36.5", Flag::Normal),
    ];
    store.observe(&report(ReportKind::Minute, minute, &means));
    store.observe(&report(
        ReportKind::RealTime,
        minute,
        &[(Basis::Standard, "99", Flag::Fault)],
    ));
    store.observe(&report(
        ReportKind::Minute,
        minute.plus(10 * MINUTE_MS),
        &[(Basis::Raw, "12", Flag::Normal)],
    ));
    store.observe(&report(
        ReportKind::Minute,
        minute.plus(10 * MINUTE_MS),
        &[(Basis::Standard, "0", Flag::Calibration)],
    ));
    assert_eq!(
        all(&store),
        ["14:25 1min Some(31.2) Some(36.5) N", "14:35 10min Some(0.0) None C"]
    );
}

#[test]
fn old_minutes_go_and_memory_is_bounded() {
    let mut settings = config().series;
    settings.hours = 1;
    settings.max_points = 100;
    let mut store = SeriesStore::new(settings);
    for minute in 0..200 {
        let at = at("20261121000000").plus(minute * MINUTE_MS);
        store.observe(&report(ReportKind::Minute, at, &[(Basis::Standard, "1", Flag::Normal)]));
    }
    assert_eq!(store.load(), (61, 0));
    // A second series would pass the bound: the one longest without news goes.
    for minute in 200..260 {
        let mut other = report(
            ReportKind::Minute,
            at("20261121000000").plus(minute * MINUTE_MS),
            &[(Basis::Standard, "2", Flag::Normal)],
        );
        other.outlet = OutletId::new("e:DA002").unwrap();
        store.observe(&other);
    }
    assert!(all(&store).is_empty());
    assert_eq!(store.load(), (60, 1));
}
