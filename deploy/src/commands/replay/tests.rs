//! Two days with restarts and late data, replayed from the beginning and from each day's checkpoint.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use plume_bus::{Bus, NewRecord, Topic};
use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::factors::Catalogue;
use plume_schemas::reading::{Reading, ReportKind, Value};
use plume_schemas::time::Time;
use plume_schemas::wire;

use super::source::Entries;
use super::{Replay, Replayed, start};
use crate::admin::Health;
use crate::config::Config;
use crate::roles::detect::{Judge, Told};
use crate::roles::signals::Signals;
use crate::roles::{READ_LIMIT, at};

const OUTLETS: u32 = 3;
/// Minutes from 20:00 of the first day to 02:00 of the third.
const MINUTES: usize = 30 * 60;

pub(super) fn settings() -> Settings {
    Config::defaults().unwrap().detect
}

/// What came: some hours of the second outlet exceed; every ninth minute packet of the first outlet comes five hours
/// late, as its logger's backfill.
pub(super) fn entries() -> Vec<EntryBody> {
    let start = Time::parse_stamp(b"20260117200000").unwrap();
    let mut stream = Stream::new(OUTLETS, 2, start, 4);
    let (mut bodies, mut minute, mut late) = (vec![stream.first().body], Vec::new(), Vec::new());
    for number in 0..MINUTES {
        stream.next_minute(&mut minute);
        for mut entry in minute.drain(..) {
            let EntryBody::Report(report) = &mut entry.body else {
                bodies.push(entry.body);
                continue;
            };
            if report.outlet.as_str() == "S00000:DA002" && report.kind == ReportKind::Hour && number / 60 % 5 == 3 {
                report.readings.iter_mut().for_each(over);
            }
            if number % 9 == 0 && report.outlet.as_str() == "S00000:DA001" {
                report.backfill = true;
                late.push((number + 300, entry.body));
            } else {
                bodies.push(entry.body);
            }
        }
        let now = bodies.iter().rev().find_map(received).unwrap();
        while late.first().is_some_and(|(due, _)| *due <= number) {
            let (_, mut body) = late.remove(0);
            if let EntryBody::Report(report) = &mut body {
                report.times.received_at = now;
            }
            bodies.push(body);
        }
    }
    bodies
}

/// Twenty more: over the limit.
fn over(reading: &mut Reading) {
    if let Value::Decimal(decimal) = &mut reading.value {
        decimal.mantissa += 2_000;
    }
}

fn received(body: &EntryBody) -> Option<Time> {
    match body {
        EntryBody::Report(report) => Some(report.times.received_at),
        EntryBody::Tick(tick) => Some(tick.received_at),
        _ => None,
    }
}

pub(super) async fn append(bus: &Bus, bodies: &[EntryBody]) {
    for some in bodies.chunks(500) {
        let records = some.iter().map(|body| NewRecord {
            to: at(Topic::Reports, 0),
            key: String::new(),
            payload: Bytes::from(wire::encode_entry(body)),
        });
        bus.append(records.collect()).await.unwrap();
    }
}

async fn judge(bus: &Bus, data: &Path, settings: &Settings) -> Judge {
    let told = Told {
        signals: Signals::new(&prometheus::Registry::new()).unwrap(),
        health: Health::default(),
        catalogue: Arc::new(Catalogue::embedded().unwrap()),
    };
    Judge::open(bus, data, 0, settings, told).await.unwrap()
}

/// Judges all that came, saving now and then, and starting anew in between: after a save, and after none.
pub(super) async fn live(bus: &Bus, data: &Path, bodies: &[EntryBody], settings: &Settings) {
    let mut judging = judge(bus, data, settings).await;
    let mut next = bus.range(at(Topic::Reports, 0)).await.unwrap().end;
    for (turn, some) in bodies.chunks(100).enumerate() {
        append(bus, some).await;
        let records = bus.read(at(Topic::Reports, 0), next, READ_LIMIT).await.unwrap();
        next += records.len() as u64;
        judging.work(&records).await.unwrap();
        if turn % 2 == 0 {
            judging.save().await.unwrap();
        }
        if turn % 7 == 5 {
            judging = judge(bus, data, settings).await;
        }
    }
    judging.save().await.unwrap();
}

pub(super) async fn replay(
    bus: &Bus,
    data: &Path,
    settings: &Settings,
    from: Option<&str>,
) -> (String, Result<Replayed, String>) {
    let start = start::find(bus, data, 0, settings, from).await.unwrap();
    let told = start.to_string();
    let entries = Entries::of_log(bus, 0, start.offset).await.unwrap();
    let replay = Replay::open(bus, entries, 0, start).await.unwrap();
    (told, replay.run().await.unwrap())
}

#[tokio::test]
async fn a_replay_from_any_days_checkpoint_says_what_was_said_live() {
    let (bus, data, settings) = (Bus::memory(1), tempfile::tempdir().unwrap(), settings());
    let bodies = entries();
    live(&bus, data.path(), &bodies, &settings).await;
    let (told, whole) = replay(&bus, data.path(), &settings, None).await;
    let whole = whole.unwrap();
    assert!(told.contains("from the beginning"), "{told}");
    assert_eq!(whole.entries, bodies.len() as u64);
    assert!(whole.judgements > 100 && whole.events > 5, "{whole:?}");
    let mut before = whole.entries;
    for day in ["2026-01-17", "2026-01-18", "2026-01-19"] {
        let (told, part) = replay(&bus, data.path(), &settings, Some(day)).await;
        let part = part.unwrap();
        assert!(told.contains(&format!("the checkpoint of {day}")), "{told}");
        assert!(part.entries > 0 && part.entries < before, "{part:?}");
        assert!(part.judgements > 0 && part.judgements <= whole.judgements, "{part:?}");
        before = part.entries;
    }
    // A day of which none was kept: the nearest before it; before all of them: the log's beginning.
    let (told, _) = replay(&bus, data.path(), &settings, Some("2026-02-01")).await;
    assert!(told.contains("the checkpoint of 2026-01-19"), "{told}");
    let (told, _) = replay(&bus, data.path(), &settings, Some("2026-01-01")).await;
    assert!(told.contains("from the beginning"), "{told}");
}

/// The check must be able to fail: something said once more, or not at all, is found, from a checkpoint too.
#[tokio::test]
async fn a_difference_is_found_from_a_checkpoint_too() {
    let (bus, data, settings) = (Bus::memory(1), tempfile::tempdir().unwrap(), settings());
    live(&bus, data.path(), &entries(), &settings).await;
    let line = at(Topic::Judgements, 0);
    let end = bus.range(line).await.unwrap().end;
    let last = bus.read(line, end - 1, READ_LIMIT).await.unwrap().pop().unwrap();
    let twice = NewRecord {
        to: line,
        key: String::new(),
        payload: last.payload,
    };
    bus.append(vec![twice]).await.unwrap();
    let (_, found) = replay(&bus, data.path(), &settings, Some("2026-01-19")).await;
    assert!(found.unwrap_err().contains("holds more than the replay said"));
}

/// Other rules: no checkpoint fits, so a replay begins at the beginning, and a judge builds its state anew from the log
/// and goes on as if it had judged by the new rules all the time.
#[tokio::test]
async fn under_other_rules_the_state_comes_from_the_log() {
    let (bus, data, old) = (Bus::memory(1), tempfile::tempdir().unwrap(), settings());
    let bodies = entries();
    let (before, after) = bodies.split_at(bodies.len() * 2 / 3);
    live(&bus, data.path(), before, &old).await;
    let mut new = settings();
    // By these, one exceeding hour is one too many.
    new.freq.consecutive_hours = 1;
    let (told, found) = replay(&bus, data.path(), &new, Some("2026-01-18")).await;
    assert!(told.contains("from the beginning"), "{told}");
    assert!(
        found.is_err(),
        "the new rules say something else, or this test shows nothing"
    );

    let said = bus.range(at(Topic::Judgements, 0)).await.unwrap().end;
    live(&bus, data.path(), after, &new).await;
    let mut expected = Vec::new();
    let (mut engine, mut out) = (Engine::new(new, Partition { index: 0, count: 1 }), Out::default());
    for (offset, body) in (0_u64..).zip(bodies.clone()) {
        let at = LogPosition { partition: 0, offset };
        engine.step(&Entry { at, body }, &mut out);
        if offset >= before.len() as u64 {
            expected.extend(out.judgements.iter().map(wire::encode_judgement));
        }
        out.clear();
    }
    let (mut found, mut next) = (Vec::new(), said);
    loop {
        let records = bus.read(at(Topic::Judgements, 0), next, READ_LIMIT).await.unwrap();
        let Some(last) = records.last() else { break };
        next = last.offset + 1;
        found.extend(records.iter().map(|record| record.payload.to_vec()));
    }
    assert!(expected.len() > 50, "{}", expected.len());
    assert_eq!(found, expected);
}
