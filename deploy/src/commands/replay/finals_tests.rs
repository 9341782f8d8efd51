//! Whatever came in whatever order, with corrections: what the readings that stand make window rules say is the last
//! word of the judge that heard it live.

use std::collections::BTreeMap;

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition};
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, OutletId};
use plume_schemas::judgement::{FactKey, Verdict};
use plume_schemas::reading::Value;
use plume_schemas::rule::{Order, RuleCode};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use plume_schemas::wire;
use proptest::prelude::*;

use super::finals::Finals;
use super::rebuild_tests::archive;
use super::tests::settings;

const HOURS: i64 = 3;

/// What happens to a packet: so late it comes (s), and it is corrected by so much.
type Fate = (i64, Option<i64>);

fn start() -> Time {
    Time::parse_stamp(b"20260117210000").unwrap()
}

/// The log of three hours over midnight: packets come as late as it is their fate, corrections after them.
fn log(fates: &[Fate]) -> Vec<EntryBody> {
    let mut stream = Stream::new(1, 2, start(), 11);
    let registry = stream.first().body;
    let (mut minute, mut due, mut fate) = (Vec::new(), Vec::new(), fates.iter().cycle());
    for _ in 0..=HOURS * 60 {
        stream.next_minute(&mut minute);
        for entry in minute.drain(..) {
            let EntryBody::Report(mut report) = entry.body else {
                continue;
            };
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
    for number in 0..(HOURS + 6) * 60 {
        let received_at = start().plus(number * MINUTE_MS);
        due.push((received_at, EntryBody::Tick(Tick { ingest, received_at })));
    }
    due.sort_by_key(|(at, _)| *at);
    std::iter::once(registry)
        .chain(due.into_iter().map(|(_, body)| body))
        .collect()
}

type Last = BTreeMap<(RuleCode, OutletId, Option<FactorCode>, Time), (Verdict, Option<u64>)>;

/// The last word of window rules about the hours that the log tells of.
fn last_words(entries: impl IntoIterator<Item = Entry>) -> Last {
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    let mut out = Out::default();
    for entry in entries {
        engine.step(&entry, &mut out);
    }
    let told = start()..start().plus(HOURS * HOUR_MS);
    let said = out.judgements.into_iter().filter(|said| {
        said.rule.order() == Order::Window && said.rule != RuleCode::Freq && told.contains(&said.window.start)
    });
    said.map(|said| {
        let mean = said.number(FactKey::Mean).map(f64::to_bits);
        (
            (said.rule, said.outlet, said.factor, said.window.start),
            (said.verdict, mean),
        )
    })
    .collect()
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
        let bodies = log(&fates);
        let live = (0..).zip(&bodies).map(|(offset, body)| Entry {
            at: LogPosition { partition: 0, offset },
            body: body.clone(),
        });
        let live = last_words(live);
        let payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
        let dir = tempfile::tempdir().unwrap();
        let mut finals = Finals::open(archive(dir.path(), &payloads), 1).unwrap().unwrap();
        let mut entries = Vec::new();
        while let Some(more) = finals.next().unwrap() {
            entries.extend(more);
        }
        prop_assert!(live.len() >= 2 * 3, "two factors, three hours: {live:?}");
        prop_assert_eq!(last_words(entries), live);
    }
}
