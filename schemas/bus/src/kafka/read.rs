//! Reading from an offset: one client a handle, one queue a line, so that a slow line holds up no other.
//!
//! A line is fetched on from where the last read ended, so a reader that goes on costs no question. Where nothing is
//! fetched, the brokers are asked for the line's ends, so that "nothing there" is known and not guessed: offsets that
//! hold a transaction's marker or an aborted record look the same as records that have not arrived yet.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::client::{
    ASK_LIMIT, blocking, bounded, consumer, failed, from_brokers, is_moving, patiently, patiently_while,
};
use super::client::{silent, to_brokers, topic_name};
use super::generation::{self, Standing};
use super::known::Known;
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ReadLimit, Record, TopicPartition};

/// How often a client is served although nothing comes: errors and closing are noticed in this time.
const SERVE: Duration = Duration::from_millis(100);
/// Whoever waits for a record looks at the line's ends this often: retention may have passed the reader.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Records that wait in a cursor for their reader, beyond what the client library holds.
const MAX_WAITING: usize = 10_000;

type Queue = PartitionQueue<DefaultConsumerContext>;

/// The cursors of one handle.
#[derive(Debug)]
pub(super) struct Reader {
    url: KafkaUrl,
    known: Arc<Known>,
    closed: Arc<AtomicBool>,
    lines: Mutex<BTreeMap<TopicPartition, Arc<Line>>>,
    client: tokio::sync::OnceCell<Arc<Client>>,
}

struct Client(Arc<BaseConsumer>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

#[derive(Debug, Default)]
struct Line {
    cursor: tokio::sync::Mutex<Cursor>,
    arrived: Arc<Notify>,
    turns: Turns,
}

/// Counts what the client was told of a line. A caller that gives up leaves its order on another thread, which may
/// carry it out late: an order that is no longer the last one is left out, and two never mix.
#[derive(Clone, Debug, Default)]
struct Turns {
    last: Arc<AtomicU64>,
    under_way: Arc<Mutex<()>>,
}

impl Turns {
    /// The next order's number; those before it are void.
    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Carries an order out, if it is the last one, behind one that is under way.
    fn carry_out(&self, turn: u64, order: impl FnOnce() -> Result<(), BusError>) -> Result<(), BusError> {
        let _alone = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if self.last.load(Ordering::Acquire) == turn {
            order()
        } else {
            Ok(())
        }
    }
}

/// Where a line is fetched, and what has come.
#[derive(Default)]
struct Cursor {
    queue: Option<Queue>,
    /// Where the line's offsets begin in its generation.
    base: u64,
    /// The client was told to fetch the line, or is just being told: whoever waited may have given up meanwhile.
    assigned: bool,
    /// The offset the next record will have at least.
    next: u64,
    /// One past the last record that came.
    seen: u64,
    waiting: VecDeque<Record>,
    /// The line's end at which nothing but markers lay between `next` and it.
    empty_to: u64,
    ended: bool,
    lost: bool,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({}, {} waiting)", self.next, self.waiting.len())
    }
}

impl Reader {
    pub(super) fn new(url: KafkaUrl, known: Arc<Known>, closed: Arc<AtomicBool>) -> Self {
        Self {
            url,
            known,
            closed,
            lines: Mutex::default(),
            client: tokio::sync::OnceCell::new(),
        }
    }

    fn line(&self, at: TopicPartition) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lines.entry(at).or_default())
    }

    /// Wakes whoever waits, so that it sees the bus closed.
    pub(super) fn wake_all(&self) {
        for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).values() {
            line.arrived.notify_waiters();
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The client, made when it is first needed; a thread serves it until the bus is closed or the handle is gone.
    async fn client(&self) -> Result<Arc<BaseConsumer>, BusError> {
        let made = self.client.get_or_try_init(|| async {
            let (url, closed) = (self.url.clone(), Arc::clone(&self.closed));
            blocking(move || {
                // Nothing is committed under this name; the library wants one.
                let group = format!("{}.reader", url.prefix);
                let made: BaseConsumer = consumer(&url, &group)
                    .create()
                    .map_err(failed("make a client for", url.brokers.clone()))?;
                let made = Arc::new(made);
                let served = Arc::downgrade(&made);
                std::thread::spawn(move || {
                    while let (Some(client), false) = (served.upgrade(), closed.load(Ordering::Acquire)) {
                        if let Some(Err(error)) = client.poll(SERVE) {
                            tracing::debug!(%error, "a reader of the brokers");
                        }
                    }
                });
                Ok(Arc::new(Client(made)))
            })
            .await
        });
        made.await.map(|client| Arc::clone(&client.0))
    }

    /// First retained offset to next offset, by the brokers: what a committed reader may see.
    pub(super) async fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        let client = self.client().await?;
        let (name, url) = (topic_name(&self.url, at.topic), self.url.clone());
        let range = bounded("ask for the ends of", at.to_string(), move || {
            let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
            let (low, high) = patiently(|| client.fetch_watermarks(&name, partition, ASK_LIMIT))
                .map_err(failed("ask for the ends of", at.to_string()))?;
            Ok(from_brokers(&url, at.topic, low)..from_brokers(&url, at.topic, high))
        })
        .await?;
        self.known.extent(at, &range);
        Ok(range)
    }

    /// Which generation is in use, where something was said of it since `seen`.
    pub(super) async fn generation_since(&self, seen: &mut u64) -> Result<Option<Standing>, BusError> {
        let (client, url, before) = (self.client().await?, self.url.clone(), *seen);
        let (end, standing) = blocking(move || {
            let topic = generation::topic(&url);
            let ends = client.fetch_watermarks(&topic, 0, ASK_LIMIT);
            let (_, end) = ends.map_err(failed("ask for the ends of", topic))?;
            let end = u64::try_from(end).unwrap_or_default();
            let standing = (end != before).then(|| generation::read(&url)).transpose()?;
            Ok((end, standing))
        })
        .await?;
        *seen = end;
        Ok(standing)
    }

    pub(super) async fn read(
        &self,
        at: TopicPartition,
        offset: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, BusError> {
        let line = self.line(at);
        let mut cursor = line.cursor.lock().await;
        self.turn_to(&mut cursor, &line, at, offset).await?;
        if cursor.drain(at, limit.records.max(1)) {
            return Ok(cursor.take(limit));
        }
        let range = self.range(at).await?;
        let Range {
            start: first,
            end: next,
        } = range;
        if offset < first {
            cursor.queue = None;
            return Err(BusError::Expired {
                at,
                offset,
                first,
                next,
            });
        }
        if offset > next {
            cursor.queue = None;
            return Err(BusError::BeyondEnd { at, offset, next });
        }
        if offset == next || cursor.empty_to == next {
            return Ok(cursor.take(limit));
        }
        self.fetch(&mut cursor, &line, at, offset).await?;
        if cursor.waiting.is_empty() {
            cursor.empty_to = next;
        }
        Ok(cursor.take(limit))
    }

    /// Waits for a record where the line's end says that something lies behind `offset`; comes back without one only
    /// where the brokers said "end" to a fetch begun after that.
    async fn fetch(&self, cursor: &mut Cursor, line: &Line, at: TopicPartition, offset: u64) -> Result<(), BusError> {
        let deadline = Instant::now() + ASK_LIMIT;
        let mut fresh = false;
        loop {
            let arrived = line.arrived.notified();
            if cursor.drain(at, 1) {
                return Ok(());
            }
            if self.is_closed() {
                return Err(BusError::Closed);
            }
            if std::mem::take(&mut cursor.ended) || cursor.lost {
                if fresh && !cursor.lost {
                    return Ok(());
                }
                // The end may have been seen before the record came: only one seen from here on counts.
                fresh = true;
                cursor.lost = false;
                self.seek(cursor, line, at, offset).await?;
                continue;
            }
            if tokio::time::timeout_at(deadline.min(Instant::now() + SERVE), arrived)
                .await
                .is_err()
                && Instant::now() >= deadline
            {
                return Err(silent("read", at.to_string(), ASK_LIMIT));
            }
        }
    }

    pub(super) async fn wait(&self, at: TopicPartition, offset: u64) {
        let line = self.line(at);
        let mut look = Instant::now() + LOOK_AGAIN;
        loop {
            let arrived = line.arrived.notified();
            if self.is_closed() {
                return;
            }
            {
                let mut cursor = line.cursor.lock().await;
                if cursor.seen > offset || (cursor.queue.is_some() && cursor.next > offset) {
                    return;
                }
                if cursor.queue.is_none() && self.turn_to(&mut cursor, &line, at, offset).await.is_err() {
                    return;
                }
                cursor.drain(at, MAX_WAITING);
                if cursor.seen > offset || std::mem::take(&mut cursor.lost) {
                    return;
                }
            }
            if tokio::time::timeout_at(look.min(Instant::now() + LOOK_AGAIN), arrived)
                .await
                .is_err()
            {
                look = Instant::now() + LOOK_AGAIN;
                // While the brokers are away there is nothing to read, so waiting goes on.
                if self.range(at).await.is_ok_and(|range| offset < range.start) {
                    return;
                }
            }
        }
    }

    /// Makes `offset` the next one the cursor gives.
    async fn turn_to(&self, cursor: &mut Cursor, line: &Line, at: TopicPartition, offset: u64) -> Result<(), BusError> {
        if cursor.queue.is_some() {
            while cursor.next <= offset && cursor.waiting.front().is_some_and(|record| record.offset < offset) {
                cursor.waiting.pop_front();
                cursor.next = offset;
            }
            if cursor.next == offset {
                return Ok(());
            }
            return self.seek(cursor, line, at, offset).await;
        }
        let client = self.client().await?;
        let name = topic_name(&self.url, at.topic);
        let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let raw = to_brokers(&self.url, at.topic, offset);
        let again = std::mem::replace(&mut cursor.assigned, true);
        let mut queue = client.split_partition_queue(&name, partition).ok_or(BusError::Broker {
            action: "read",
            place: at.to_string(),
            reason: "the client library has no queue for it".into(),
        })?;
        let arrived = Arc::clone(&line.arrived);
        queue.set_nonempty_callback(move || arrived.notify_waiters());
        let (turns, turn) = (line.turns.clone(), line.turns.next());
        bounded("read", at.to_string(), move || {
            turns.carry_out(turn, || {
                let mut list = TopicPartitionList::new();
                let place = list.add_partition_offset(&name, partition, Offset::Offset(raw));
                place.map_err(failed("read", at.to_string()))?;
                let begun = client.incremental_assign(&list);
                if again && begun.as_ref().is_err_and(is_assigned) {
                    // Taking it away and giving it anew would leave the queue behind.
                    return seek_to(&client, &name, at, raw);
                }
                begun.map_err(failed("read", at.to_string()))
            })
        })
        .await?;
        cursor.queue = Some(queue);
        cursor.base = from_brokers(&self.url, at.topic, 0);
        cursor.begin(offset);
        Ok(())
    }

    async fn seek(&self, cursor: &mut Cursor, line: &Line, at: TopicPartition, offset: u64) -> Result<(), BusError> {
        let client = self.client().await?;
        let name = topic_name(&self.url, at.topic);
        let raw = to_brokers(&self.url, at.topic, offset);
        // Until this has ended the cursor stands nowhere, also for whoever comes after a caller that gave up.
        cursor.next = u64::MAX;
        let (turns, turn) = (line.turns.clone(), line.turns.next());
        let seek = move || turns.carry_out(turn, || seek_to(&client, &name, at, raw));
        bounded("seek in", at.to_string(), seek).await?;
        cursor.begin(offset);
        Ok(())
    }
}

/// True where the client fetches the line already; the wrapper gives this error by its name alone.
fn is_assigned(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Subscription(name) if name == "_CONFLICT")
}

/// Goes on elsewhere in a line that is fetched, or is just beginning to be. Blocks.
fn seek_to(client: &BaseConsumer, name: &str, at: TopicPartition, offset: i64) -> Result<(), BusError> {
    let begins = |error: &KafkaError| error.rdkafka_error_code() == Some(RDKafkaErrorCode::State);
    let sought = patiently_while(
        |error| begins(error) || is_moving(error),
        || {
            let mut list = TopicPartitionList::new();
            let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
            list.add_partition_offset(name, partition, Offset::Offset(offset))?;
            let sought = client.seek_partitions(list, ASK_LIMIT)?;
            let refused = sought.elements().iter().find_map(|place| place.error().err());
            refused.map_or(Ok(()), Err)
        },
    );
    sought.map_err(failed("seek in", at.to_string()))
}

impl Cursor {
    fn begin(&mut self, offset: u64) {
        self.next = offset;
        self.waiting.clear();
        self.empty_to = 0;
        self.ended = false;
        self.lost = false;
    }

    /// Takes what has come, up to `most` waiting records; true where one waits.
    fn drain(&mut self, at: TopicPartition, most: usize) -> bool {
        let Some(queue) = &self.queue else { return false };
        while self.waiting.len() < most {
            match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or_default() + self.base;
                    self.ended = false;
                    self.seen = self.seen.max(offset + 1);
                    if offset >= self.next {
                        self.waiting.push_back(Record {
                            from: at,
                            offset,
                            key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
                            payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
                        });
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.ended = true,
                Some(Err(error)) => {
                    self.lost |= error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset);
                    tracing::debug!(line = %at, %error, "reading from the brokers");
                }
            }
        }
        !self.waiting.is_empty()
    }

    fn take(&mut self, limit: ReadLimit) -> Vec<Record> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(record) = self.waiting.front() {
            bytes += record.key.len() + record.payload.len();
            if records.len() == limit.records || (bytes > limit.bytes && !records.is_empty()) {
                break;
            }
            self.next = record.offset + 1;
            records.extend(self.waiting.pop_front());
        }
        records
    }
}
