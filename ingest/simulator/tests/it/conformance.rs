//! What the conformance report says of devices in the field, each simulated for some hours: golden reports.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use plume_ingest::hj212::conformance::{Conformance, Heard, Inspector, Setup, Verdict};
use plume_ingest::hj212::explain::Lang;
use plume_ingest::hj212::sm4::{CipherForm, DeviceKeys, Key, KeyRing};
use plume_schemas::factors::Catalogue;
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Fault, FaultKind, Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use crate::platform::Platform;
use crate::world::{World, at, mn};

const KEY: &str = "k3yOfTheSimulat0";
/// So long, that two whole hours come with all their minutes.
const WATCHED_MS: i64 = 2 * HOUR_MS + 10 * MINUTE_MS;

/// One device and how it is looked at.
struct Case {
    name: &'static str,
    dialect: Dialect,
    encrypts: bool,
    habits: &'static [Misbehaviour],
    clock_ahead_ms: i64,
    /// Minutes without a link, from and for how long.
    outage: Option<(i64, i64)>,
}

/// A device without fault.
const EXEMPLARY: Case = Case {
    name: "exemplary",
    dialect: Dialect::Hj2025,
    encrypts: true,
    habits: &[],
    clock_ahead_ms: 0,
    outage: None,
};

/// Ten that misbehave, each in its own way.
const CASES: [Case; 12] = [
    EXEMPLARY,
    Case {
        name: "old_edition",
        dialect: Dialect::Hj2017,
        encrypts: false,
        ..EXEMPLARY
    },
    Case {
        name: "in_clear",
        encrypts: false,
        ..EXEMPLARY
    },
    Case {
        name: "modbus_checksum",
        habits: &[Misbehaviour::CrcModbus],
        encrypts: false,
        ..EXEMPLARY
    },
    Case {
        name: "old_firmware",
        dialect: Dialect::Hj2017,
        encrypts: false,
        habits: &[
            Misbehaviour::LengthCountsTail,
            Misbehaviour::Codes2005,
            Misbehaviour::HeaderReordered,
        ],
        ..EXEMPLARY
    },
    Case {
        name: "careless_fields",
        habits: &[
            Misbehaviour::FlagsMissing,
            Misbehaviour::EmptyValue,
            Misbehaviour::TrailingSemicolon,
            Misbehaviour::VendorCode,
        ],
        ..EXEMPLARY
    },
    Case {
        name: "end_of_period",
        habits: &[Misbehaviour::DataTimeEnd],
        ..EXEMPLARY
    },
    Case {
        name: "flow_per_hour",
        habits: &[Misbehaviour::FlowPerHour],
        ..EXEMPLARY
    },
    Case {
        name: "no_correction",
        habits: &[Misbehaviour::ZsPlain],
        ..EXEMPLARY
    },
    Case {
        name: "hours_high",
        habits: &[Misbehaviour::HourHigh],
        ..EXEMPLARY
    },
    Case {
        name: "clock_ahead",
        clock_ahead_ms: 200 * SECOND_MS,
        ..EXEMPLARY
    },
    Case {
        name: "gap_unmarked",
        habits: &[Misbehaviour::RfMissing],
        outage: Some((30, 40)),
        ..EXEMPLARY
    },
];

/// A message has one habit: the last on every message, those before it in between.
fn in_turn(kinds: &[Misbehaviour]) -> Vec<Habit> {
    let last = u32::try_from(kinds.len()).unwrap();
    let every = (1..=last).rev().filter_map(NonZeroU32::new);
    kinds
        .iter()
        .zip(every)
        .map(|(&kind, every)| Habit { kind, every })
        .collect()
}

/// The device, plume at the other end, and what the inspector says of what plume kept.
fn inspected(case: &Case) -> Conformance {
    let origin = at("20260117080000");
    let end = origin.plus(WATCHED_MS);
    let key = Key::parse(KEY).unwrap();
    let mut plant = PlantSpec::coal_boiler("锅炉", origin);
    if case.clock_ahead_ms != 0 {
        plant.faults.push(Fault {
            flag: None,
            kind: FaultKind::ClockSkew {
                ahead_ms: case.clock_ahead_ms,
            },
            factor: None,
            span: Span {
                start: origin,
                end: end.plus(HOUR_MS),
            },
        });
    }
    let link = LinkSpec {
        resends: 0,
        give_up_after_links: Some(3),
        cipher: case.encrypts.then(|| (key.clone(), CipherForm::Raw)),
        habits: in_turn(case.habits),
        ..LinkSpec::usual(mn(), case.dialect)
    };
    let keys = KeyRing::default();
    keys.insert(mn(), DeviceKeys::of(key));
    let logger = Logger::new(LoggerSpec::usual(case.dialect), Plant::new(plant, 9), origin);
    let device = Device::logger(link, logger, origin);
    let mut world = World::new(device, origin).with_plume(Platform::with_keys(keys));
    let down = |now: Time| {
        case.outage
            .is_some_and(|(from, length)| (from..from + length).contains(&(now.since(origin) / MINUTE_MS)))
    };
    world.run(end, |now| !down(now));
    let setup = Setup {
        mn: Some(mn()),
        st: Some("31".to_owned()),
        realtime_interval_s: Some(30),
        minute_interval_min: Some(1),
        reference_o2_pct: ["a34013", "a21026", "a21002"]
            .map(|code| (plume_schemas::ids::FactorCode::new(code).unwrap(), 6.0))
            .into(),
        expect_encryption: true,
        ..Setup::default()
    };
    let mut inspector = Inspector::new(setup, Arc::new(Catalogue::embedded().unwrap()));
    hear(&mut inspector, world.platform());
    inspector.report(end)
}

/// What is in the log, in the order it came.
fn hear(inspector: &mut Inspector, platform: &Platform) {
    let taken = platform.reports.iter().map(|report| Heard {
        raw: &report.evidence.raw,
        received_at: report.times.received_at,
        encrypted: report.evidence.key_id.is_some(),
        set_aside: None,
    });
    let aside = platform.quarantined.iter().map(|record| Heard {
        raw: &record.raw,
        received_at: record.received_at,
        encrypted: false,
        set_aside: Some(record.reason),
    });
    let mut all: Vec<Heard<'_>> = taken.chain(aside).collect();
    all.sort_by_key(|heard| heard.received_at);
    for heard in all {
        inspector.hear(heard);
    }
}

#[test]
fn golden_reports_of_ten_that_misbehave_and_one_that_does_not() {
    let mut verdicts = String::new();
    for case in &CASES {
        let report = inspected(case);
        let codes: Vec<&str> = report.departures.iter().map(|one| one.code).collect();
        writeln!(verdicts, "{:<16} {:?}: {}", case.name, report.verdict, codes.join(" ")).unwrap();
        insta::assert_snapshot!(format!("conformance_{}", case.name), report.page(Lang::Zh).to_string());
        assert!(!report.to_json().contains("123456"), "the password is in {}", case.name);
    }
    insta::assert_snapshot!(verdicts);
}

#[test]
fn a_device_without_fault_conforms_and_the_report_is_there_in_english_and_json() {
    let report = inspected(&EXEMPLARY);
    assert_eq!(report.verdict, Verdict::Conforms, "{:?}", report.departures);
    assert!(report.hours.iter().all(|hour| hour.checked == 2), "{:?}", report.hours);
    insta::assert_snapshot!("conformance_en", report.page(Lang::En).to_string());
    insta::assert_snapshot!("conformance_json", report.to_json());
}

#[test]
fn nothing_heard_is_no_verdict() {
    let inspector = Inspector::new(Setup::default(), Arc::new(Catalogue::embedded().unwrap()));
    let report = inspector.report(at("20260117080000"));
    assert_eq!((report.verdict, report.packets), (Verdict::TooFew, 0));
    assert!(report.page(Lang::En).to_string().contains("nothing to check"));
}
