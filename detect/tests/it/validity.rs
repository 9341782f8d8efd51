//! Validity is covered time, whatever the interval of the packets (D12).

use plume_detect::Out;
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::ids::{FactorCode, IngestId, Inline, Mn};
use plume_schemas::judgement::{NotJudged, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};

use crate::cases::engine;
use crate::script;

/// MinInterval by HJ 212-2017 table 5.
const INTERVALS: [u8; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

/// The verdict of `rule` on the window that begins at `start`, of minute packets of `interval` that cover the moments
/// at which `comes` says so, counted in packets from the start. Ticks go on for so many minutes.
fn verdict(
    (registry, rule): (&str, RuleCode),
    (start, minutes): (Time, i64),
    interval: u8,
    comes: impl Fn(i64) -> bool,
) -> Verdict {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
    let mut registry = script::registry(&folder, registry);
    registry.sources[0].minute_interval_min = Some(interval);
    let ingest = IngestId::new("i1").unwrap();
    let mut bodies = vec![EntryBody::Registry(Box::new(registry))];
    for minute in 0..minutes {
        bodies.push(EntryBody::Tick(Tick {
            ingest,
            received_at: start.plus(minute * MINUTE_MS),
        }));
        if minute % i64::from(interval) == 0 && comes(minute / i64::from(interval)) {
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
    let mut windows = out.judgements.iter().filter(|judgement| judgement.rule == rule);
    windows
        .find(|judgement| judgement.window.start == start)
        .unwrap()
        .verdict
}

/// The verdict on an hour of which the first `packets` packets came.
fn hour(interval: u8, packets: u8) -> Verdict {
    let comes = |packet| packet < i64::from(packets);
    let rule = ("registry.toml", RuleCode::ExceedHour);
    verdict(rule, (script::time("14:00"), 80), interval, comes)
}

/// The verdict on a day of which the first `hours` hours have just enough packets, and all others one too few.
fn day(interval: u8, hours: i64) -> Verdict {
    let (an_hour, enough) = (60 / i64::from(interval), i64::from(45_u8.div_ceil(interval)));
    let comes = |packet: i64| {
        let (hour, place) = (packet / an_hour, packet % an_hour);
        hour < 24 && place < enough - i64::from(hour >= hours)
    };
    let rule = ("registry_day.toml", RuleCode::ExceedDay);
    verdict(rule, (script::time("20T00:00"), 30 * 60), interval, comes)
}

#[test]
fn an_hour_needs_45_covered_minutes_at_every_interval() {
    for interval in INTERVALS {
        let enough = 45_u8.div_ceil(interval);
        let few = Verdict::NotJudged(NotJudged::TooFewValid);
        assert_eq!(
            hour(interval, enough - 1),
            few,
            "{} packets of {interval} minutes",
            enough - 1
        );
        assert_eq!(
            hour(interval, enough),
            Verdict::Fine,
            "{enough} packets of {interval} minutes"
        );
    }
}

#[test]
fn a_day_needs_20_valid_hours_at_every_interval() {
    for interval in INTERVALS {
        let few = Verdict::NotJudged(NotJudged::TooFewValid);
        assert_eq!(day(interval, 19), few, "19 hours of {interval}-minute packets");
        assert_eq!(
            day(interval, 20),
            Verdict::Fine,
            "20 hours of {interval}-minute packets"
        );
    }
}
