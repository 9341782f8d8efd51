//! How long a judge takes to come back, and what it holds in memory: state of many outlets, kept on the brokers and
//! read back. Prints its numbers; what it checks is that the judge that came back is the same to the byte.

use std::time::Instant;

use plume_bus::{Bus, BusOptions, BusUrl, ClockKind, ConsumerId, KafkaTopics, KafkaUrl, Recovery, Topic};
use plume_bus::{TopicAdmin, TopicPartition};
use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings};

use crate::{brokers, now, number};

/// Outlets and minutes of an ordinary run; `.ci/soak.d/kafka` asks for more of both.
const USUAL: (u64, u64) = (5_000, 3);
/// Sulphur dioxide, nitrogen oxides, dust.
const POLLUTANTS: usize = 3;

/// Bytes in MiB, for people.
fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Memory of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn settings() -> Settings {
    let defaults: toml::Table = include_str!("../../default.toml").parse().unwrap();
    defaults["detect"].clone().try_into().unwrap()
}

async fn fresh(brokers: &str) -> Bus {
    let url = KafkaUrl::parse(&format!("kafka://{brokers}/restore{}", std::process::id())).unwrap();
    let topics = KafkaTopics {
        partitions: 1,
        replication: u16::try_from(brokers.split(',').count()).unwrap(),
        retention_days: 7,
    };
    TopicAdmin::new(&url, topics).unwrap().init().await.unwrap();
    open_bus(url, 1).await
}

/// Topics that are there, as a role opens them.
pub(crate) async fn open_bus(url: KafkaUrl, partitions: u32) -> Bus {
    let options = BusOptions {
        partitions,
        clock: ClockKind::System,
        segment_bytes: 64 << 20,
        keep_bytes: 1 << 30,
        max_bytes: 2 << 30,
        pinning: Vec::new(),
        ahead_bytes: 0,
        recovery: Recovery::Refuse,
    };
    Bus::open(&BusUrl::Kafka(url), options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_judge_comes_back_from_the_brokers() {
    let Some(brokers) = brokers("a judge that comes back") else {
        return;
    };
    let (outlets, minutes) = (number("KAFKA_OUTLETS", USUAL.0), number("KAFKA_MINUTES", USUAL.1));
    let settings = settings();
    let before = resident();
    let mut engine = Engine::new(settings.clone(), Partition { index: 0, count: 1 });
    let (mut entries, mut out) = (Vec::new(), Out::default());
    let mut stream = Stream::new(u32::try_from(outlets).unwrap(), POLLUTANTS, now(), 7);
    entries.push(stream.first());
    for _ in 0..minutes {
        stream.next_minute(&mut entries);
        for entry in entries.drain(..) {
            engine.step(&entry, &mut out);
            out.clear();
        }
    }
    assert_eq!(engine.outlet_count() as u64, outlets);
    let held = resident().saturating_sub(before);
    let began = Instant::now();
    let state = engine.checkpoint();
    let written = began.elapsed();

    let bus = fresh(&brokers).await;
    let (detect, line) = (
        ConsumerId::new("detect").unwrap(),
        TopicPartition::new(Topic::Reports, 0),
    );
    let began = Instant::now();
    bus.keep(detect.clone(), line, 7, &state).await.unwrap();
    let kept = began.elapsed();
    let began = Instant::now();
    let (offset, read) = bus.kept(detect, line).await.unwrap().unwrap();
    let fetched = began.elapsed();
    let began = Instant::now();
    let restored = Engine::restore(&read, &settings).unwrap();
    let rebuilt = began.elapsed();
    assert_eq!(offset, 7);
    assert!(
        restored.checkpoint() == state,
        "the judge that came back is another one"
    );
    println!(
        "{outlets} outlets x {POLLUTANTS} pollutants after {minutes} min: {} MiB in memory, state {} MiB; \
         written in {written:.1?}, kept in {kept:.1?}; back in {:.1?} ({fetched:.1?} of it the brokers')",
        mib(held),
        mib(state.len() as u64),
        fetched + rebuilt,
    );
    bus.close().await.unwrap();
}
