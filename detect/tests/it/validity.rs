//! Validity is covered time, whatever the interval of the packets (D12).

use plume_detect::Out;
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::ids::{FactorCode, IngestId, Inline, Mn};
use plume_schemas::judgement::{NotJudged, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{MINUTE_MS, SECOND_MS};

use crate::cases::engine;
use crate::script;

/// MinInterval by HJ 212-2017 table 5.
const INTERVALS: [u8; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

/// The verdict on an hour of which the first `packets` packets came.
fn verdict(interval: u8, packets: u8) -> Verdict {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
    let mut registry = script::registry(&folder, "registry.toml");
    registry.sources[0].minute_interval_min = Some(interval);
    let (start, ingest) = (script::time("14:00"), IngestId::new("i1").unwrap());
    let mut bodies = vec![EntryBody::Registry(Box::new(registry))];
    let tick = |bodies: &mut Vec<EntryBody>, minute: i64| {
        bodies.push(EntryBody::Tick(Tick {
            ingest,
            received_at: start.plus(minute * MINUTE_MS),
        }));
    };
    for minute in 0..80 {
        tick(&mut bodies, minute);
        if minute % i64::from(interval) == 0 && minute / i64::from(interval) < i64::from(packets) {
            let reading = Reading {
                factor: FactorCode::new("a21026").unwrap(),
                statistic: Statistic::Mean,
                basis: Basis::Corrected,
                value: Value::Decimal(Decimal { mantissa: 30, scale: 0 }),
                flag: Flag::Normal,
                maker_flag: Inline::default(),
            };
            let at = start.plus(minute * MINUTE_MS);
            let (received_at, mn) = (at.plus(SECOND_MS), Mn::new("M1").unwrap());
            let report = script::make(ReportKind::Minute, at, received_at, mn, ingest, vec![reading]);
            bodies.push(EntryBody::Report(Box::new(report)));
        }
    }
    let (mut engine, mut out) = (engine(), Out::default());
    for entry in script::entries(bodies) {
        engine.step(&entry, &mut out);
    }
    let mut hours = out
        .judgements
        .iter()
        .filter(|judgement| judgement.rule == RuleCode::ExceedHour);
    hours.find(|judgement| judgement.window.start == start).unwrap().verdict
}

#[test]
fn an_hour_needs_45_covered_minutes_at_every_interval() {
    for interval in INTERVALS {
        let enough = 45_u8.div_ceil(interval);
        let few = Verdict::NotJudged(NotJudged::TooFewValid);
        assert_eq!(
            verdict(interval, enough - 1),
            few,
            "{} packets of {interval} minutes",
            enough - 1
        );
        assert_eq!(
            verdict(interval, enough),
            Verdict::Fine,
            "{enough} packets of {interval} minutes"
        );
    }
}
