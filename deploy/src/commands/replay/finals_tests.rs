//! Whatever came in whatever order, with corrections: what the readings that stand make window rules say is the last
//! word of the judge that heard it live.

use std::collections::BTreeMap;

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, OutletId};
use plume_schemas::judgement::{FactKey, Verdict};
use plume_schemas::reading::{ReportKind, Value};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::{Order, RuleCode};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};
use plume_schemas::wire;
use proptest::prelude::*;

use super::rebuild_tests::archive;
use super::tests::settings;
use crate::finals::Finals;

const HOURS: i64 = 3;
/// As long as ticks come: the last correction comes four hours after its packet.
const LIVE_HOURS: i64 = HOURS + 6;

/// What happens to a packet: so late it comes (s), and it is corrected by so much.
type Fate = (i64, Option<i64>);

fn start() -> Time {
    Time::parse_stamp(b"20260117210000").unwrap()
}

/// Every rule whose last word does not depend on the order of arrival; a new one has to be added here, and shown below.
const WINDOW_RULES: [RuleCode; 4] = [
    RuleCode::ExceedHour,
    RuleCode::ExceedDay,
    RuleCode::Furnace,
    RuleCode::Freq,
];

/// Rules under which all of them have something to say within three hours.
fn eager() -> Settings {
    let mut settings = settings();
    (settings.freq.hours_in_day, settings.freq.consecutive_hours) = (1, 2);
    settings.furnace.factors = vec![gas_temperature()];
    // The stream's gas has about 52 °C, five more on average for each minute of the five that was corrected upwards.
    (settings.furnace.least_celsius, settings.furnace.allowed) = (70, 10);
    settings
}

fn gas_temperature() -> FactorCode {
    FactorCode::new("a01012").unwrap()
}

/// The stream's registry, with a day limit and the gas temperature among the factors.
fn registry(stream: &Stream) -> EntryBody {
    let mut registry = stream.registry();
    let factors = &mut registry.outlets[0].factors;
    let mut day = factors[0].limits[0].clone();
    day.window = LimitWindow::Day;
    factors[0].limits.push(day);
    // Some of the second factor's hours are just above this.
    factors[1].limits[0].value = Decimal {
        mantissa: 205,
        scale: 1,
    };
    let mut temperature = factors[0].clone();
    (temperature.code, temperature.reference_o2_pct) = (gas_temperature(), None);
    temperature.limits.clear();
    factors.push(temperature);
    EntryBody::Registry(Box::new(registry))
}

/// The log of three hours over midnight: packets come as late as it is their fate, corrections after them.
fn log(fates: &[Fate]) -> Vec<EntryBody> {
    let mut stream = Stream::new(1, 2, start(), 11);
    let registry = registry(&stream);
    let (mut minute, mut due, mut fate) = (Vec::new(), Vec::new(), fates.iter().cycle());
    for _ in 0..=HOURS * 60 {
        stream.next_minute(&mut minute);
        for entry in minute.drain(..) {
            let EntryBody::Report(mut report) = entry.body else {
                continue;
            };
            if report.kind == ReportKind::Hour && report.times.received_at.hour_of_day() == 0 {
                let mut day = report.clone();
                (day.kind, day.evidence.cn) = (ReportKind::Day, 2031);
                day.times.measured_at = report.times.received_at.floor(HOUR_MS).plus(-DAY_MS);
                day.evidence.packet = ContentId::of(&[b"day"]);
                due.push((day.times.received_at, EntryBody::Report(day)));
            }
            let &(late_s, corrected) = fate.next().unwrap();
            report.times.received_at = report.times.received_at.plus(late_s * SECOND_MS);
            let mut again = report.clone();
            due.push((report.times.received_at, EntryBody::Report(report)));
            if let Some(by) = corrected {
                again.times.received_at = again.times.received_at.plus(HOUR_MS);
                again.evidence.packet = ContentId::of(&[b"again", again.evidence.packet.as_bytes()]);
                for reading in &mut again.readings {
                    if let Value::Decimal(value) = &mut reading.value {
                        value.mantissa += by;
                    }
                }
                due.push((again.times.received_at, EntryBody::Report(again)));
            }
        }
    }
    let ingest = IngestId::new("synthetic").unwrap();
    for number in 0..LIVE_HOURS * 60 {
        let received_at = start().plus(number * MINUTE_MS);
        due.push((received_at, EntryBody::Tick(Tick { ingest, received_at })));
    }
    due.sort_by_key(|(at, _)| *at);
    std::iter::once(registry)
        .chain(due.into_iter().map(|(_, body)| body))
        .collect()
}

type Last = BTreeMap<(RuleCode, OutletId, Option<FactorCode>, Option<Time>), (Verdict, Option<u64>)>;

/// The last word of window rules about the hours that the log tells of. FREQ has one word, on how things stand when the
/// live log ends: its windows end with the newest hour, so that what it said on the way depends on what was there.
fn last_words(entries: impl IntoIterator<Item = Entry>) -> Last {
    let mut engine = Engine::new(eager(), Partition { index: 0, count: 1 });
    let mut out = Out::default();
    let end = start().plus(LIVE_HOURS * HOUR_MS);
    for entry in entries.into_iter().filter(|entry| entry.body.received_at() < end) {
        engine.step(&entry, &mut out);
    }
    let told = |window: Span| window.end > start() && window.start < start().plus(HOURS * HOUR_MS);
    let said = out
        .judgements
        .into_iter()
        .filter(|said| WINDOW_RULES.contains(&said.rule));
    let said = said.filter(|said| said.rule == RuleCode::Freq || told(said.window));
    said.map(|said| {
        let mean = said.number(FactKey::Mean).map(f64::to_bits);
        let window = (said.rule != RuleCode::Freq).then_some(said.window.start);
        ((said.rule, said.outlet, said.factor, window), (said.verdict, mean))
    })
    .collect::<Last>()
    .into_iter()
    // A pile or a cold spell that came and went is none, as one that never was.
    .filter(|((rule, ..), (verdict, _))| {
        !matches!(rule, RuleCode::Freq | RuleCode::Furnace) || *verdict != Verdict::Fine
    })
    .collect()
}

/// What is heard live, and what is made of the readings that stand afterwards.
fn live_and_final(fates: &[Fate]) -> (Last, Last) {
    let bodies = log(fates);
    let live = (0..).zip(&bodies).map(|(offset, body)| Entry {
        at: LogPosition { partition: 0, offset },
        body: body.clone(),
    });
    let payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut finals = Finals::open(archive(dir.path(), &payloads), 1).unwrap().unwrap();
    let mut entries = Vec::new();
    while let Some(more) = finals.next().unwrap() {
        entries.extend(more);
    }
    (last_words(live), last_words(entries))
}

#[test]
fn the_list_of_window_rules_is_whole_and_each_has_something_to_say() {
    let declared = RuleCode::ALL.iter().filter(|rule| rule.order() == Order::Window);
    assert_eq!(declared.copied().collect::<Vec<_>>(), WINDOW_RULES);
    // Every third packet late, every fifth corrected upwards.
    let fates: Vec<Fate> = (0..45)
        .map(|n| (n % 3 * 2_000, (n % 5 == 4).then_some(2_500)))
        .collect();
    let (live, last) = live_and_final(&fates);
    assert_eq!(last, live);
    for rule in WINDOW_RULES {
        let breached = |(key, word): (&(RuleCode, _, _, _), &(Verdict, _))| {
            key.0 == rule && (rule == RuleCode::ExceedDay || matches!(word.0, Verdict::Breach(_)))
        };
        assert!(live.iter().any(breached), "{rule:?}: {live:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn the_last_word_of_window_rules_is_the_same_from_readings(
        fates in prop::collection::vec(
            (
                prop_oneof![3 => Just(0_i64), 1 => 0_i64..3 * 3_600],
                prop::option::weighted(0.2, -900_i64..2_500),
            ),
            40..80,
        ),
    ) {
        let (live, last) = live_and_final(&fates);
        prop_assert!(live.len() >= 2 * 3, "two factors, three hours: {live:?}");
        prop_assert_eq!(last, live);
    }
}
