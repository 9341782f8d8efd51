//! Consumers that are not plume's: Kafka's own, and confluent-kafka from PyPI.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plume_schemas::ids::ContentId;
use plume_schemas::rule::Stream;
use plume_schemas::wire;

/// The status with which a script says that it was not run.
pub(crate) const NOT_RUN: i32 = 77;

/// How often Kafka's console consumer is asked again that has read nothing.
const CONSOLE_TRIES: usize = 5;

/// A file of this crate.
pub(crate) fn crate_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Offsets of each later generation begin above all before; so far apart in these tests, whatever their numbers.
const GENERATION_STEP: u64 = 1_000_000;

fn console(brokers: &str, topic: &str) -> Output {
    Command::new(crate_file("kafka/dev-broker"))
        .args([
            "tool",
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            "--bootstrap-server",
            brokers,
        ])
        .args([
            "--topic",
            topic,
            "--from-beginning",
            "--isolation-level",
            "read_committed",
        ])
        .args([
            "--timeout-ms",
            "10000",
            "--property",
            "print.partition=true",
            "--property",
            "print.offset=true",
        ])
        .args([
            "--property",
            "value.deserializer=org.apache.kafka.common.serialization.BytesDeserializer",
        ])
        .output()
        .unwrap()
}

/// Everything a `read_committed` console consumer of Kafka's own reads from the events of these generations of topics,
/// each with another id.
pub(crate) fn events(brokers: &str, prefix: &str, generations: &[u32]) -> BTreeMap<(u32, u64), Vec<u8>> {
    let (mut ids, mut events) = (BTreeSet::new(), BTreeMap::new());
    for (&generation, before) in generations.iter().zip(0..) {
        let topic = match generation {
            1 => format!("{prefix}.events"),
            later => format!("{prefix}.g{later}.events"),
        };
        // On a busy machine its limit may be over before its first answer.
        let output = (0..CONSOLE_TRIES)
            .map(|_| console(brokers, &topic))
            .find(|output| !output.stdout.is_empty());
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        take(&text, before * GENERATION_STEP, &mut ids, &mut events);
    }
    events
}

/// Takes the events of a console consumer's lines, whose offsets count from `base`.
fn take(text: &str, base: u64, ids: &mut BTreeSet<ContentId>, events: &mut BTreeMap<(u32, u64), Vec<u8>>) {
    for line in text.lines() {
        let mut words = line.splitn(3, '\t');
        let mut number = |label: &str| {
            words
                .next()
                .unwrap()
                .strip_prefix(label)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        };
        let place = (u32::try_from(number("Partition:")).unwrap(), base + number("Offset:"));
        let content = unescape(words.next().unwrap());
        let event = wire::decode_event(&content).unwrap();
        assert!(
            ids.insert(event.id),
            "event {} was written twice, again at {place:?}",
            event.id
        );
        assert!(events.insert(place, content).is_none());
    }
}

/// Every event that is no lead stands on `PREFIX.alerts` once, as JSON that its schema allows, in the partition of its
/// outlet: read by confluent-kafka, committed records only.
pub(crate) fn check_alerts(brokers: &str, prefix: &str, events: &BTreeMap<(u32, u64), Vec<u8>>) {
    let output = Command::new(crate_file("tests/kafka/reader.py"))
        .args([brokers, &format!("{prefix}.alerts")])
        .arg(crate_file("../schemas/json/alert.schema.json"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_RUN) {
        println!("SKIPPED: alerts read by another client: {errors}");
        return;
    }
    assert!(output.status.success(), "{errors}");
    let mut found = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        let alert: serde_json::Value = serde_json::from_str(read["value"].as_str().unwrap()).unwrap();
        assert_eq!(read["key"], alert["subject"], "the key is the outlet");
        let id = alert["id"].as_str().unwrap().to_owned();
        let place = (read["partition"].as_u64().unwrap(), id);
        assert!(found.insert(place.clone()), "{place:?} was written twice");
    }
    let decoded = events
        .iter()
        .map(|((partition, _), content)| (u64::from(*partition), wire::decode_event(content).unwrap()));
    let service = decoded.filter(|(_, event)| event.judgement.rule.stream() == Stream::Service);
    let wanted = service.map(|(partition, event)| (partition, event.id.to_string()));
    assert_eq!(found, wanted.collect(), "alerts, and the events they are made of");
    println!("{} alerts read by confluent-kafka", found.len());
}

/// The bytes behind `Bytes.toString` of Kafka's client: printable ASCII as it is, everything else and the backslash as
/// `\\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        match tail {
            [b'x', high, low, after @ ..] if first == b'\\' => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}
