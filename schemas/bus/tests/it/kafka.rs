//! The contract on a real broker, and what only brokers do. `deploy/kafka/dev-broker -- cargo test …` brings one;
//! without it these tests are skipped, aloud.

use std::sync::atomic::{AtomicU32, Ordering};

use plume_bus::{Bus, BusError, BusUrl, Change, KafkaTopics, KafkaUrl, ReadLimit, Topic, TopicAdmin, TopicPartition};

use crate::support::{EVENTS, Home, REPORTS, REPORTS_1, consumer, options, record, records, text, texts};

/// Each test has topics of its own.
static TOPICS: AtomicU32 = AtomicU32::new(0);

/// With the judges' memory, and which generation is in use.
const ALL_TOPICS: usize = Topic::ALL.len() + 2;

pub(crate) const TWO_PARTITIONS: KafkaTopics = KafkaTopics {
    partitions: 2,
    replication: 1,
    retention_days: 7,
};

/// The brokers to test against, if any.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
pub(crate) fn brokers() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the broker of a test run is named by its environment"
    )]
    let found = std::env::var("KAFKA_BOOTSTRAP").ok();
    if found.is_none() {
        println!("SKIPPED: no Apache Kafka; run it as `deploy/kafka/dev-broker -- cargo test -p plume-bus -F kafka`");
    }
    found
}

pub(crate) fn fresh(brokers: &str) -> KafkaUrl {
    let number = TOPICS.fetch_add(1, Ordering::Relaxed);
    KafkaUrl::parse(&format!(
        "kafka://{brokers}/t{}-{number}?session.timeout.ms=6000",
        std::process::id()
    ))
    .unwrap()
}

/// Fresh topics on the broker.
async fn home() -> Option<(Home, KafkaUrl)> {
    let url = fresh(&brokers()?);
    TopicAdmin::new(&url, TWO_PARTITIONS).unwrap().init().await.unwrap();
    Some((Home::Kafka(BusUrl::Kafka(url.clone())), url))
}

macro_rules! on_a_broker {
    ($($of:ident::$name:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some((home, _)) = home().await {
                crate::$of::$name(home).await;
            }
        })*
    };
}

on_a_broker!(
    contract::offsets_count_each_line_alone,
    contract::an_empty_append_is_nothing,
    contract::reading_starts_anywhere_and_keeps_its_limits,
    contract::the_end_is_empty_and_beyond_it_is_an_error,
    contract::unknown_partitions_are_refused_everywhere,
    contract::consumers_commit_apart_and_may_go_back,
    contract::a_refused_transact_leaves_nothing,
    contract::a_transact_leaves_outputs_and_offsets,
    contract::reopening_shows_what_was_acknowledged,
    contract::concurrent_appenders_get_their_own_offsets,
    contract::waiting_ends_when_the_record_is_readable,
    contract::closing_ends_everything,
    contract::statistics_count,
    contract_limits::batches_over_a_named_size_are_refused,
);

/// Between the records of two transactions lies a marker: readers pass over it and know the end for the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markers_are_passed_over() {
    let Some((home, _)) = home().await else { return };
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "r", 3, 0)).await.unwrap();
    let detect = consumer("detect");
    for n in 0..3_u64 {
        let outputs = records(EVENTS, &format!("e{n}"), 2, 0);
        let offsets = bus
            .transact(detect.clone(), outputs, vec![(REPORTS, n + 1)])
            .await
            .unwrap();
        assert_eq!(offsets, [3 * n, 3 * n + 1], "two records and a marker each time");
    }
    assert_eq!(
        texts(&bus, EVENTS).await,
        ["e0-0", "e0-1", "e1-0", "e1-1", "e2-0", "e2-1"]
    );
    assert_eq!(bus.range(EVENTS).await.unwrap(), 0..9);
    assert!(bus.read(EVENTS, 8, ReadLimit::records(9)).await.unwrap().is_empty());
    assert!(bus.read(EVENTS, 8, ReadLimit::records(9)).await.unwrap().is_empty());
    let from_a_marker = bus.read(EVENTS, 2, ReadLimit::records(1)).await.unwrap();
    assert_eq!(
        (from_a_marker[0].offset, text(&from_a_marker[0])),
        (3, "e1-0".to_owned())
    );
    let other = bus.reader();
    bus.append(records(EVENTS, "plain", 1, 0)).await.unwrap();
    other.wait(EVENTS, 8).await;
    assert_eq!(other.read(EVENTS, 8, ReadLimit::records(9)).await.unwrap()[0].offset, 9);
    assert_eq!(bus.read(EVENTS, 8, ReadLimit::records(9)).await.unwrap()[0].offset, 9);
}

/// Loops wait for a record or for something else, whichever comes first: a wait that was given up at any moment leaves
/// the line readable, from its beginning and from elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_is_given_up_does_no_harm() {
    let Some((home, _)) = home().await else { return };
    let bus = home.open(options()).await;
    bus.append(records(REPORTS, "r", 9, 0)).await.unwrap();
    for given_up in 0..50_u32 {
        let reader = bus.reader();
        for _ in 0..given_up {
            tokio::select! {
                biased;
                () = reader.wait(REPORTS, 0) => {}
                () = tokio::task::yield_now() => {}
            }
        }
        for from in [0, 5, 2] {
            let read = reader.read(REPORTS, from, ReadLimit::records(1)).await.unwrap();
            assert_eq!(read[0].offset, from, "after {given_up}");
        }
    }
}

/// Whoever takes a line over has its predecessor refused, outputs and offsets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_taken_over_is_closed_to_its_predecessor() {
    let Some((home, _)) = home().await else { return };
    let (old, new) = (home.open(options()).await, home.open(options()).await);
    old.append(records(REPORTS, "r", 5, 0)).await.unwrap();
    let detect = consumer("detect");
    old.claim(detect.clone(), REPORTS).await.unwrap();
    old.transact(detect.clone(), records(EVENTS, "old", 1, 0), vec![(REPORTS, 2)])
        .await
        .unwrap();
    new.claim(detect.clone(), REPORTS).await.unwrap();
    assert_eq!(new.committed(detect.clone(), REPORTS).await.unwrap(), Some(2));
    let late = old
        .transact(detect.clone(), records(EVENTS, "late", 1, 0), vec![(REPORTS, 4)])
        .await;
    assert!(matches!(late, Err(BusError::Fenced { .. })), "{late:?}");
    new.transact(detect.clone(), records(EVENTS, "new", 1, 0), vec![(REPORTS, 3)])
        .await
        .unwrap();
    assert_eq!(texts(&new, EVENTS).await, ["old-0", "new-0"]);
    assert_eq!(new.committed(detect, REPORTS).await.unwrap(), Some(3));
}

/// Two processes share the partitions; when one leaves, the other has them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_shared_and_come_back() {
    let Some((home, _)) = home().await else { return };
    let (first, second) = (home.open(options()).await, home.open(options()).await);
    let detect = consumer("detect");
    let mut alone = first.join(detect.clone(), Topic::Reports).await.unwrap();
    let Some(Change::Assigned(mut mine)) = alone.next().await else {
        panic!("not assigned")
    };
    mine.sort_unstable();
    assert_eq!(mine, [0, 1]);
    first.commit(detect.clone(), vec![(REPORTS, 0)]).await.unwrap();
    let mut joined = second.join(detect.clone(), Topic::Reports).await.unwrap();
    let Some(Change::Revoked(given, released)) = alone.next().await else {
        panic!("nothing taken away")
    };
    assert_eq!(given.len(), 1);
    let at = TopicPartition::new(Topic::Reports, given[0]);
    first.commit(detect.clone(), vec![(at, 0)]).await.unwrap();
    drop(released);
    let Some(Change::Assigned(theirs)) = joined.next().await else {
        panic!("not assigned")
    };
    assert_eq!(theirs, given);
    second.commit(detect.clone(), vec![(at, 0)]).await.unwrap();
    second.close().await.unwrap();
    let Some(Change::Assigned(back)) = alone.next().await else {
        panic!("not given back")
    };
    assert_eq!(back, given);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_once_and_compared() {
    let Some(brokers) = brokers() else { return };
    let url = fresh(&brokers);
    let bus_url = BusUrl::Kafka(url.clone());
    let missing = Bus::open(&bus_url, options()).await.unwrap_err();
    assert!(
        matches!(&missing, BusError::Topics { problems } if problems.len() == ALL_TOPICS),
        "{missing}"
    );
    let admin = TopicAdmin::new(&url, TWO_PARTITIONS).unwrap();
    assert_eq!(admin.check().await.unwrap().len(), ALL_TOPICS);
    assert_eq!(admin.init().await.unwrap().len(), ALL_TOPICS);
    assert_eq!(
        (admin.init().await.unwrap(), admin.check().await.unwrap()),
        (vec![], vec![])
    );
    for (wrong, word) in [
        (
            KafkaTopics {
                partitions: 3,
                ..TWO_PARTITIONS
            },
            "2 partitions",
        ),
        (
            KafkaTopics {
                replication: 3,
                ..TWO_PARTITIONS
            },
            "1 copies",
        ),
        (
            KafkaTopics {
                retention_days: 30,
                ..TWO_PARTITIONS
            },
            "retention.ms=604800000",
        ),
    ] {
        let admin = TopicAdmin::new(&url, wrong).unwrap();
        let refused = admin.init().await.unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
        assert!(
            admin
                .check()
                .await
                .unwrap()
                .iter()
                .any(|problem| problem.contains(word))
        );
    }
    let short = KafkaTopics {
        retention_days: 6,
        ..TWO_PARTITIONS
    };
    assert!(matches!(TopicAdmin::new(&url, short), Err(BusError::Option { .. })));
}

/// How far a consumer is behind, by number and by how much of the retention that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_unread_grows_old() {
    let Some((home, url)) = home().await else { return };
    let admin = TopicAdmin::new(&url, TWO_PARTITIONS).unwrap();
    let bus = home.open(options()).await;
    bus.append(vec![
        record(REPORTS, "a", 0),
        record(REPORTS, "b", 0),
        record(REPORTS_1, "c", 0),
    ])
    .await
    .unwrap();
    bus.commit(consumer("archive"), vec![(REPORTS, 1)]).await.unwrap();
    let now_ms = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let aged = |days: i64| {
        let ends = admin
            .ends(&consumer("archive"), &[Topic::Reports], now_ms + days * 24 * 3_600_000)
            .unwrap();
        ends.iter()
            .map(|ends| (ends.behind(), ends.aged_percent))
            .collect::<Vec<_>>()
    };
    assert_eq!(aged(0), [(1, 0), (1, 0)]);
    assert_eq!(aged(4), [(1, 50), (1, 50)], "four days of seven");
    assert_eq!(aged(6), [(1, 80), (1, 80)]);
}

/// The judge's memory: replaced whole, larger than a record may be, and found again by another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_state_is_replaced_whole() {
    let Some((home, _)) = home().await else { return };
    let bus = home.open(options()).await;
    let detect = consumer("detect");
    assert_eq!(bus.kept(detect.clone(), REPORTS).await.unwrap(), None);
    for (offset, size) in [(3_u64, 2_500_000), (9, 1), (12, 0), (20, 900_001)] {
        let state: Vec<u8> = (0..size)
            .map(|n: u64| u8::try_from((n + offset) % 251).unwrap())
            .collect();
        assert!(bus.keep(detect.clone(), REPORTS, offset, &state).await.unwrap());
        let other = home.open(options()).await;
        assert_eq!(
            other.kept(detect.clone(), REPORTS).await.unwrap(),
            Some((offset, state.into()))
        );
        assert_eq!(other.kept(detect.clone(), REPORTS_1).await.unwrap(), None);
        assert_eq!(other.kept(consumer("archive"), REPORTS).await.unwrap(), None);
    }
}
