//! SCRAM over TLS, on a real broker:
//! `deploy/kafka/dev-broker --secure -- cargo test -p plume-bus --features kafka-tls --test it kafka_tls`.

use plume_bus::{BusError, BusUrl, KafkaTopics, KafkaUrl, TopicAdmin};

use crate::support::{EVENTS, Home, REPORTS, consumer, options, records, texts};

const TOPICS: KafkaTopics = KafkaTopics {
    partitions: 2,
    replication: 1,
    retention_days: 7,
};

#[expect(
    clippy::disallowed_methods,
    reason = "the broker of a test run is named by its environment"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The broker's secure listener, if there is one, for who knows this password.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn url(password: &str) -> Option<KafkaUrl> {
    let (Some(brokers), Some(ca)) = (setting("KAFKA_SECURE"), setting("KAFKA_CA")) else {
        println!("SKIPPED: no broker with TLS; run it as `deploy/kafka/dev-broker --secure -- cargo test …`");
        return None;
    };
    let prefix = format!("tls{}", std::process::id());
    let url = format!(
        "kafka://{brokers}/{prefix}?security.protocol=SASL_SSL&sasl.mechanism=SCRAM-SHA-512&sasl.username=plume\
         &sasl.password={password}&ssl.ca.location={ca}"
    );
    Some(KafkaUrl::parse(&url).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_transactions_go_over_tls() {
    let Some(url) = url("secret") else { return };
    TopicAdmin::new(&url, TOPICS).unwrap().init().await.unwrap();
    let bus = Home::Kafka(BusUrl::Kafka(url)).open(options()).await;
    bus.append(records(REPORTS, "r", 3, 0)).await.unwrap();
    let outputs = records(EVENTS, "e", 2, 0);
    bus.transact(consumer("detect"), outputs, vec![(REPORTS, 3)])
        .await
        .unwrap();
    assert_eq!(texts(&bus, REPORTS).await, ["r-0", "r-1", "r-2"]);
    assert_eq!(texts(&bus, EVENTS).await, ["e-0", "e-1"]);
    assert_eq!(bus.committed(consumer("detect"), REPORTS).await.unwrap(), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_gets_nowhere_and_is_not_shown() {
    let Some(url) = url("wrong-one") else { return };
    let refused = TopicAdmin::new(&url, TOPICS).unwrap_err();
    assert!(matches!(refused, BusError::Broker { .. }), "{refused}");
    assert!(!format!("{refused} {url}").contains("wrong-one"), "{refused}");
}
