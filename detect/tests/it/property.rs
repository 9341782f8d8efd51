//! What must hold for any log: the order of arrival does not change what window rules finally say, and nothing panics.

use std::collections::BTreeMap;

use plume_detect::{Engine, Out};
use plume_schemas::check::{Check, CheckSource};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{ClockStep, Entry, EntryBody, LogPosition, Mark, MarkKind, Presence, PresenceState, Tick};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::judgement::{Fact, FactKey, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::report::Report;
use plume_schemas::rule::{Order, RuleCode};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use proptest::prelude::*;

use crate::cases::{engine, settings};
use crate::script;

fn code(text: &str) -> FactorCode {
    FactorCode::new(text).unwrap()
}

fn reading(factor: &str, statistic: Statistic, basis: Basis, value: i64, flag: Flag) -> Reading {
    let value = Value::Decimal(Decimal {
        mantissa: value,
        scale: 2,
    });
    Reading {
        factor: code(factor),
        statistic,
        basis,
        value,
        flag,
        maker_flag: Inline::default(),
    }
}

/// One packet of the first four hours after 10:00; several of one minute carry different factors, as split packets do.
#[derive(Clone, Debug)]
struct Packet {
    hour: bool,
    minute: i64,
    part: u8,
    value: i64,
    oxygen: i64,
    flag: Flag,
    mn: &'static str,
}

impl Packet {
    fn measured_at(&self) -> Time {
        let start = script::time("10:00");
        let step = if self.hour {
            self.minute / 60 * HOUR_MS
        } else {
            self.minute * MINUTE_MS
        };
        start.plus(step)
    }

    fn report(&self, received_at: Time) -> Report {
        let mean = |factor, basis, value| reading(factor, Statistic::Mean, basis, value, self.flag);
        let readings = match self.part {
            0 => vec![
                mean("a21026", Basis::Corrected, self.value),
                mean("a19001", Basis::Standard, self.oxygen),
            ],
            1 => vec![mean("a21026", Basis::Standard, self.value)],
            _ => vec![mean("a19001", Basis::Standard, self.oxygen)],
        };
        let kind = if self.hour {
            ReportKind::Hour
        } else {
            ReportKind::Minute
        };
        let mn = Mn::new(self.mn).unwrap();
        script::make(
            kind,
            self.measured_at(),
            received_at,
            mn,
            IngestId::new("i1").unwrap(),
            readings,
        )
    }
}

fn flag() -> impl Strategy<Value = Flag> {
    let odd = prop_oneof![Just(Flag::Calibration), Just(Flag::Stopped), Just(Flag::Fault)];
    prop_oneof![4 => Just(Flag::Normal), 1 => odd]
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let minutes = prop::collection::vec((2_000_i64..5_000, 500_i64..2_200, flag(), 0_u8..12, 0_u8..40), 240);
    let hours = prop::collection::vec(prop::option::of((2_000_i64..5_000, 500_i64..2_200, flag(), 0_u8..3)), 4);
    (minutes, hours).prop_map(|(minutes, hours)| {
        let mut packets = Vec::new();
        for (minute, (value, oxygen, flag, kind, mn)) in (0_i64..).zip(minutes) {
            let mn = if mn == 0 { "M2" } else { "M1" };
            let packet = |part| Packet {
                hour: false,
                minute,
                part,
                value,
                oxygen,
                flag,
                mn,
            };
            match kind {
                0 => {}
                1..=2 => packets.extend([packet(1), packet(2)]),
                _ => packets.push(packet(0)),
            }
        }
        for (hour, given) in (0_i64..).zip(hours) {
            if let Some((value, oxygen, flag, kind)) = given {
                let packet = |part| Packet {
                    hour: true,
                    minute: hour * 60,
                    part,
                    value,
                    oxygen,
                    flag,
                    mn: "M1",
                };
                if kind == 0 {
                    packets.extend([packet(1), packet(2)]);
                } else {
                    packets.push(packet(0));
                }
            }
        }
        packets
    })
}

type Finals = BTreeMap<(RuleCode, Option<FactorCode>, Span), (Verdict, Vec<Fact>)>;

/// What window rules finally say of each window.
fn finals(arrivals: &[(Time, Packet)]) -> Finals {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
    let registry = script::registry(&folder, "registry2.toml");
    let mut bodies = vec![(Time(0), EntryBody::Registry(Box::new(registry)))];
    let ingest = IngestId::new("i1").unwrap();
    for i in 0..(9 * 60) {
        let received_at = script::time("10:00").plus(i * MINUTE_MS);
        bodies.push((received_at, EntryBody::Tick(Tick { ingest, received_at })));
    }
    let reports = arrivals
        .iter()
        .map(|(at, packet)| (*at, EntryBody::Report(Box::new(packet.report(*at)))));
    bodies.extend(reports);
    bodies.sort_by_key(|(at, _)| *at);
    finals_of(bodies)
}

fn finals_of(bodies: Vec<(Time, EntryBody)>) -> Finals {
    let (mut engine, mut out, mut finals) = (engine(), Out::default(), Finals::new());
    for entry in script::entries(bodies.into_iter().map(|(_, body)| body)) {
        engine.step(&entry, &mut out);
    }
    for judgement in out
        .judgements
        .into_iter()
        .filter(|judgement| judgement.rule.order() == Order::Window)
    {
        // FREQ counts back from the newest hour, so its windows differ; its last word must not.
        let any = Span {
            start: Time(0),
            end: Time(0),
        };
        let window = if judgement.rule == RuleCode::Freq {
            any
        } else {
            judgement.window
        };
        let key = (judgement.rule, judgement.factor, window);
        let mut evidence = judgement.evidence;
        // Verdict and mean are what is revised; counts beside them are as of when it was said.
        evidence.retain(|fact| matches!(fact.key, FactKey::Mean | FactKey::Limit | FactKey::ExceedRatio));
        finals.insert(key, (judgement.verdict, evidence));
    }
    finals.retain(|(rule, ..), (verdict, _)| *rule != RuleCode::Freq || *verdict != Verdict::Fine);
    finals
}

fn check() -> impl Strategy<Value = EntryBody> {
    let numbers = (0_i32..200, -20_i32..220, prop::option::of(-20_i32..220));
    (time(), numbers, any::<bool>()).prop_map(|(at, (gas, before, after), adjusted)| {
        EntryBody::Check(Box::new(Check {
            outlet: OutletId::new(script::OUTLET).unwrap(),
            factor: FactorCode::new("a21026").unwrap(),
            point: None,
            at,
            gas: gas.into(),
            before: before.into(),
            after: after.map(f64::from),
            adjusted,
            source: CheckSource::Form,
            by: String::new(),
            note: String::new(),
            received_at: at,
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_ends_the_same(packets in packets(), order in prop::collection::vec(any::<u32>(), 500)) {
        // In order: each packet two seconds after what it is about has ended.
        let ended = |packet: &Packet| packet.measured_at().plus(if packet.hour { HOUR_MS } else { MINUTE_MS });
        let in_order: Vec<_> = packets.iter().map(|p| (ended(p).plus(2 * SECOND_MS), p.clone())).collect();
        // Any order: from the end of the four hours on, in three hours.
        let any: Vec<_> = packets
            .iter()
            .zip(&order)
            .map(|(p, &n)| (script::time("14:00").plus(i64::from(n) % (3 * HOUR_MS)), p.clone()))
            .collect();
        // Mixed: some in time, others late.
        let mixed: Vec<_> = in_order.iter().zip(&any).zip(&order).map(|((a, b), n)| {
            if n % 3 == 0 { b.clone() } else { a.clone() }
        }).collect();
        let expected = finals(&in_order);
        prop_assert!(expected.len() >= 4);
        prop_assert_eq!(&finals(&any), &expected);
        prop_assert_eq!(&finals(&mixed), &expected);
    }
}

/// What window rules finally say of two days of hour packets that arrive at these times.
fn day_finals(arrivals: &[(Time, usize, (i64, Flag))]) -> Finals {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
    let registry = script::registry(&folder, "registry_day.toml");
    let (ingest, start) = (IngestId::new("i1").unwrap(), script::time("20T00:00"));
    let mut bodies = vec![(Time(0), EntryBody::Registry(Box::new(registry)))];
    for i in 0..(34 * 30) {
        let received_at = start.plus(i * 2 * MINUTE_MS);
        bodies.push((received_at, EntryBody::Tick(Tick { ingest, received_at })));
    }
    for &(received_at, hour, (value, flag)) in arrivals {
        let mean = reading("a21026", Statistic::Mean, Basis::Corrected, value, flag);
        let at = start.plus(i64::try_from(hour).unwrap() * HOUR_MS);
        let report = script::make(
            ReportKind::Hour,
            at,
            received_at,
            Mn::new("M1").unwrap(),
            ingest,
            vec![mean],
        );
        bodies.push((received_at, EntryBody::Report(Box::new(report))));
    }
    bodies.sort_by_key(|(at, _)| *at);
    finals_of(bodies)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_hours_ends_in_the_same_day(
        hours in prop::collection::vec(prop::option::weighted(0.9, (7_000_i64..9_000, flag())), 24),
        order in prop::collection::vec(any::<u32>(), 24),
    ) {
        let start = script::time("20T00:00");
        let in_time = |hour: usize| start.plus((i64::try_from(hour).unwrap() + 1) * HOUR_MS + 2 * SECOND_MS);
        // From the day's end on, in nine hours.
        let late = |hour: usize| start.plus(24 * HOUR_MS + i64::from(order[hour]) % (9 * HOUR_MS));
        let packets = || hours.iter().enumerate().filter_map(|(hour, given)| Some((hour, (*given)?)));
        let in_order: Vec<_> = packets().map(|(hour, given)| (in_time(hour), hour, given)).collect();
        let any: Vec<_> = packets().map(|(hour, given)| (late(hour), hour, given)).collect();
        let mixed: Vec<_> = packets()
            .map(|(hour, given)| (if order[hour] % 4 == 0 { late(hour) } else { in_time(hour) }, hour, given))
            .collect();
        let expected = day_finals(&in_order);
        prop_assert!(expected.keys().any(|(rule, ..)| *rule == RuleCode::ExceedDay));
        prop_assert_eq!(&day_finals(&any), &expected);
        prop_assert_eq!(&day_finals(&mixed), &expected);
    }
}

fn time() -> impl Strategy<Value = Time> {
    let near = script::time("10:00").0;
    prop_oneof![
        6 => (near..near + 6 * HOUR_MS).prop_map(Time),
        1 => (near - 100 * 24 * HOUR_MS..near + 100 * 24 * HOUR_MS).prop_map(Time),
        1 => any::<i64>().prop_map(Time),
    ]
}

fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let factor = prop_oneof![Just("a21026"), Just("a19001"), Just("a01011"), Just("w01018")];
    let statistic = prop_oneof![Just(Statistic::Mean), Just(Statistic::Sample), Just(Statistic::Max)];
    let basis = prop_oneof![Just(Basis::Standard), Just(Basis::Corrected), Just(Basis::Raw)];
    let value = prop_oneof![
        (-10_000_i64..1_000_000, 0_u8..4).prop_map(|(mantissa, scale)| Value::Decimal(Decimal { mantissa, scale })),
        (any::<i64>(), 0_u8..=18).prop_map(|(mantissa, scale)| Value::Decimal(Decimal { mantissa, scale })),
        any::<f64>().prop_map(Value::Float),
        Just(Value::Empty),
    ];
    let flag = (1_u8..=12).prop_map(|n| Flag::from_number(n).unwrap());
    let one = (factor, statistic, basis, value, flag).prop_map(|(factor, statistic, basis, value, flag)| Reading {
        factor: code(factor),
        statistic,
        basis,
        value,
        flag,
        maker_flag: Inline::default(),
    });
    prop::collection::vec(one, 0..6)
}

fn body() -> impl Strategy<Value = EntryBody> {
    let ingest = prop_oneof![Just("i1"), Just("i2"), Just("i3")].prop_map(|id| IngestId::new(id).unwrap());
    let outlet = prop_oneof![5 => Just("E1:DA001"), 1 => Just("E9:DA009")].prop_map(|id| OutletId::new(id).unwrap());
    let kind = (1_u8..=16).prop_map(|n| ReportKind::from_number(n).unwrap());
    let report = (
        kind,
        time(),
        time(),
        readings(),
        ingest.clone(),
        any::<bool>(),
        outlet.clone(),
    )
        .prop_map(|(kind, at, received_at, readings, ingest, backfill, outlet)| {
            let report = script::make(kind, at, received_at, Mn::new("M1").unwrap(), ingest, readings);
            EntryBody::Report(Box::new(Report {
                backfill,
                outlet,
                ..report
            }))
        });
    let tick = (ingest.clone(), time()).prop_map(|(ingest, received_at)| EntryBody::Tick(Tick { ingest, received_at }));
    let step = (ingest.clone(), time(), time())
        .prop_map(|(ingest, from, to)| EntryBody::ClockStep(ClockStep { ingest, from, to }));
    let mark =
        (outlet.clone(), time(), time(), 1_u8..=10, any::<bool>()).prop_map(|(outlet, start, end, n, withdrawn)| {
            EntryBody::Mark(Mark {
                id: ContentId::of(&[&[n]]),
                outlet,
                factor: None,
                span: Span { start, end },
                kind: MarkKind::from_number(n).unwrap(),
                withdrawn,
                by: String::new(),
                note: String::new(),
                received_at: end,
            })
        });
    let presence = (outlet, ingest, time(), 1_u8..=4).prop_map(|(outlet, ingest, received_at, n)| {
        EntryBody::Presence(Presence {
            mn: Mn::new("M1").unwrap(),
            outlet,
            ingest,
            state: PresenceState::from_number(n).unwrap(),
            epoch: 0,
            peer: Inline::default(),
            received_at,
        })
    });
    let registry =
        prop_oneof![Just("registry.toml"), Just("registry2.toml"), Just("registry10.toml")].prop_map(|name| {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/any");
            EntryBody::Registry(Box::new(script::registry(&folder, name)))
        });
    prop_oneof![20 => report, 10 => tick, 1 => step, 2 => mark, 2 => check(), 2 => presence, 1 => registry]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_a_restart_changes_nothing(
        bodies in prop::collection::vec(body(), 1..80),
        restart in 0_usize..80,
    ) {
        let entries = script::entries(bodies);
        let (mut straight, mut restarted) = (engine(), engine());
        let (mut expected, mut out) = (Out::default(), Out::default());
        for (i, entry) in entries.iter().enumerate() {
            straight.step(entry, &mut expected);
            if i == restart {
                restarted = Engine::restore(&restarted.checkpoint(), &settings()).unwrap();
            }
            restarted.step(entry, &mut out);
        }
        prop_assert_eq!(&out, &expected);
        prop_assert_eq!(restarted.checkpoint(), straight.checkpoint());
    }

    #[test]
    fn a_damaged_checkpoint_is_an_error_or_an_engine(place in any::<prop::sample::Index>(), with: u8, cut: bool) {
        let mut bytes = crate::state::some_state();
        let place = place.index(bytes.len());
        if cut { bytes.truncate(place) } else { bytes[place] ^= with }
        if let Ok(mut engine) = Engine::restore(&bytes, &settings()) {
            let tick = Tick { ingest: IngestId::new("i1").unwrap(), received_at: script::time("16:00") };
            let at = LogPosition { partition: 0, offset: 9 };
            engine.step(&Entry { at, body: EntryBody::Tick(tick) }, &mut Out::default());
        }
    }
}
