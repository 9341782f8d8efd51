//! What every client of the brokers has in common: its options, its errors in plume's words, its names.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::generation::Generation;
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ConsumerId, Topic};

/// How long one question to the brokers may take. A leader change or a broker that starts again takes less.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(30);
/// What the client library is asked to do comes back by its own limits; after so long it is not waited for any more.
/// The longest is a transaction: its offsets, its end tried three times, and its abort, 30 s each.
const CALL_LIMIT: Duration = Duration::from_mins(3);
/// A request that a broker does not answer for so long counts as lost, milliseconds: as long as one question.
const REQUEST_LIMIT_MS: &str = "30000";
/// Brokers that came back are found within this time, milliseconds: sooner than the shortest session that is sensible
/// ends, so that a restart costs no member its place.
const RECONNECT_LIMIT_MS: &str = "2000";
/// The brokers are asked anew what topics they have within this time, milliseconds. One that is just starting says that
/// it has none; the library believes it, and would ask again in five minutes only: nothing is written, read or given to
/// a member of a group until then.
const TOPICS_AGAIN_MS: &str = "10000";
/// Pause before a partition without a leader is asked again.
const LEADER_PAUSE: Duration = Duration::from_millis(100);
/// A record that is not in all in-sync replicas after so long is given back to the caller as an error, milliseconds.
/// Ingest then tries again; the device has not been answered.
const DELIVERY_LIMIT_MS: &str = "30000";
/// Largest message, key and framing included: what Apache Kafka takes by default.
const MAX_MESSAGE_BYTES: &str = "1048588";
/// How long the producer collects for a batch, milliseconds; what a device waits longer for its answer at most.
/// Chosen by measurement (`docs/scale.md`).
const LINGER_MS: &str = "2";
/// A member that is silent for so long has lost its partitions, milliseconds: three heartbeats and a garbage
/// collection of the broker, and what a crashed judge costs its outlets.
const SESSION_LIMIT_MS: &str = "10000";
/// How long a broker holds an empty fetch, milliseconds: bounds how late the end of a topic is noticed.
const FETCH_WAIT_MS: &str = "100";
/// Records fetched ahead of the readers of one handle, KiB.
const FETCH_AHEAD_KIB: &str = "16384";

/// The options all clients share; the URL's come last, so that they win.
fn common(url: &KafkaUrl, own: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &url.brokers);
    config.set("client.id", "plume");
    config.set("socket.timeout.ms", REQUEST_LIMIT_MS);
    config.set("reconnect.backoff.max.ms", RECONNECT_LIMIT_MS);
    config.set("topic.metadata.refresh.interval.ms", TOPICS_AGAIN_MS);
    for (name, value) in own {
        config.set(*name, *value);
    }
    for (name, value) in url.options.iter().filter(|(name, _)| fits(name, own)) {
        config.set(name, value);
    }
    config
}

/// Options of the other kind of client would be refused with a warning at every start.
fn fits(option: &str, own: &[(&str, &str)]) -> bool {
    const PRODUCER: [&str; 6] = [
        "linger.ms",
        "batch.",
        "compression.",
        "queue.buffering.",
        "message.timeout.ms",
        "retries",
    ];
    const CONSUMER: [&str; 6] = [
        "fetch.",
        "session.timeout.ms",
        "heartbeat.",
        "max.poll.",
        "queued.",
        "group.instance",
    ];
    let produces = own.iter().any(|(name, _)| *name == "acks");
    let other = if produces { CONSUMER } else { PRODUCER };
    !other.iter().any(|prefix| option.starts_with(prefix))
}

/// An idempotent producer's options: once per record and in order, on all in-sync replicas.
pub(super) fn producer(url: &KafkaUrl) -> ClientConfig {
    common(
        url,
        &[
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("compression.type", "zstd"),
            ("linger.ms", LINGER_MS),
            ("message.timeout.ms", DELIVERY_LIMIT_MS),
            ("message.max.bytes", MAX_MESSAGE_BYTES),
        ],
    )
}

/// A transactional producer's options.
pub(super) fn transactional(url: &KafkaUrl, id: &str) -> ClientConfig {
    let mut config = producer(url);
    config.set("transactional.id", id);
    config.set("transaction.timeout.ms", "60000");
    config
}

/// A consumer's options: committed records only, no offset moved behind the caller's back.
pub(super) fn consumer(url: &KafkaUrl, group: &str) -> ClientConfig {
    common(
        url,
        &[
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", SESSION_LIMIT_MS),
            ("fetch.wait.max.ms", FETCH_WAIT_MS),
            ("queued.max.messages.kbytes", FETCH_AHEAD_KIB),
        ],
    )
}

/// An administrator's options.
pub(super) fn admin(url: &KafkaUrl) -> ClientConfig {
    common(url, &[])
}

/// `plume.reports`, in a later generation `plume.g2.reports`.
pub(super) fn topic_name(url: &KafkaUrl, topic: Topic) -> String {
    format!("{}.{}", url.prefix, generation(url).name(topic))
}

/// The generation a settled URL stands for.
pub(super) fn generation(url: &KafkaUrl) -> Generation {
    url.generation.unwrap_or(Generation::FIRST)
}

/// plume's offset of the brokers' one.
pub(super) fn from_brokers(url: &KafkaUrl, topic: Topic, offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default() + generation(url).base_of(topic)
}

/// The brokers' offset of plume's one; the first where it lies in an earlier generation.
pub(super) fn to_brokers(url: &KafkaUrl, topic: Topic, offset: u64) -> i64 {
    i64::try_from(offset.saturating_sub(generation(url).base_of(topic))).unwrap_or(i64::MAX)
}

/// `plume.detect`.
pub(super) fn group_name(url: &KafkaUrl, consumer: &ConsumerId) -> String {
    format!("{}.{consumer}", url.prefix)
}

/// The library's error with what was tried and where.
pub(super) fn failed(action: &'static str, place: impl Into<String>) -> impl FnOnce(KafkaError) -> BusError {
    let place = place.into();
    move |error| BusError::Broker {
        action,
        place,
        reason: error.to_string(),
    }
}

/// Asks again while a partition changes its leader, for as long as one question may take. Blocks.
pub(super) fn patiently<T>(ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    patiently_while(is_moving, ask)
}

/// [`patiently`], with a say in what may pass.
pub(super) fn patiently_while<T>(
    may_pass: impl Fn(&KafkaError) -> bool,
    mut ask: impl FnMut() -> KafkaResult<T>,
) -> KafkaResult<T> {
    let until = Instant::now() + ASK_LIMIT;
    loop {
        match ask() {
            Err(error) if Instant::now() < until && may_pass(&error) => std::thread::sleep(LEADER_PAUSE),
            answered => return answered,
        }
    }
}

/// True of answers that another broker, or the same a moment later, gives better.
pub(super) fn is_moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::OffsetNotAvailable
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    )
}

/// Runs what blocks apart from the runtime's own threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    // A panic or a runtime that shuts down: either way the bus is no more.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BusError::Closed))
}

/// [`blocking`], for what the client library bounds by itself: whoever asked does not wait for ever where it does not
/// come back all the same. What is left behind on its thread ends by itself, and claims nothing when it does.
pub(super) async fn bounded<T: Send + 'static>(
    action: &'static str,
    place: impl Into<String>,
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::time::timeout(CALL_LIMIT, blocking(work)).await {
        Ok(done) => done,
        Err(_) => Err(silent(action, place, CALL_LIMIT)),
    }
}

/// The brokers were waited for, and nothing came.
pub(super) fn silent(action: &'static str, place: impl Into<String>, limit: Duration) -> BusError {
    BusError::Broker {
        action,
        place: place.into(),
        reason: format!("nothing came within {} s", limit.as_secs()),
    }
}
