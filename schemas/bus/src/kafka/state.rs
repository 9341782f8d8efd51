//! Large values beside the log: what a consumer remembers of a line, with the offset it stands at.
//!
//! They lie in the compacted topic `PREFIX.checkpoints`, in the partition of their line, cut into records:
//!
//! ```text
//! CONSUMER/TOPIC/0/0, CONSUMER/TOPIC/0/1, …   the pieces of one value      (slot 0; the next value goes to slot 1)
//! CONSUMER/TOPIC                              offset, slot, pieces, length, CRC-32: written last
//! ```
//!
//! A value cut off half way leaves the one before it whole, because the two take turns in the slots; pieces of two
//! writers at once fail the checksum, and then there is no value.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{ASK_LIMIT, consumer as options, failed, generation, silent};
use crate::BusError;
use crate::kafka_url::KafkaUrl;
use crate::record::{ConsumerId, TopicPartition};

/// Largest piece: with its key and framing it stays below what a broker takes.
const PIECE_BYTES: usize = 900_000;
/// Offset, length, pieces, checksum, slot.
const HEAD_BYTES: usize = 8 + 8 + 4 + 4 + 1;

/// `plume.checkpoints`.
pub(super) fn topic(url: &KafkaUrl) -> String {
    format!("{}.{}", url.prefix, generation(url).named("checkpoints"))
}

/// The line of the list above that says which slot holds, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    offset: u64,
    length: u64,
    pieces: u32,
    crc: u32,
    slot: u8,
}

impl Head {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.pieces.to_le_bytes());
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        bytes.push(self.slot);
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (pieces, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let [slot] = rest else { return None };
        Some(Self {
            offset: u64::from_le_bytes(*offset),
            length: u64::from_le_bytes(*length),
            pieces: u32::from_le_bytes(*pieces),
            crc: u32::from_le_bytes(*crc),
            slot: *slot,
        })
    }
}

fn name(consumer: &ConsumerId, at: TopicPartition) -> String {
    format!("{consumer}/{}", at.topic)
}

/// Stores a value in the slot after `last`; returns the slot, once all in-sync replicas have it.
pub(super) async fn keep(
    producer: &FutureProducer,
    url: &KafkaUrl,
    (consumer, at): (&ConsumerId, TopicPartition),
    last: Option<u8>,
    (offset, value): (u64, &[u8]),
) -> Result<u8, BusError> {
    let (topic, name, slot) = (topic(url), name(consumer, at), last.map_or(0, |last| 1 - last.min(1)));
    let send = async |key: String, payload: &[u8]| {
        let record = FutureRecord::to(&topic).key(&key).payload(payload);
        let record = record.partition(i32::try_from(at.partition).unwrap_or(i32::MAX));
        let sent = producer.send(record, ASK_LIMIT).await;
        sent.map(drop)
            .map_err(|(error, _)| failed("keep the state of", at.to_string())(error))
    };
    let mut pieces = 0;
    for piece in value.chunks(PIECE_BYTES) {
        send(format!("{name}/{slot}/{pieces}"), piece).await?;
        pieces += 1;
    }
    let head = Head {
        offset,
        length: value.len() as u64,
        pieces,
        crc: crc32fast::hash(value),
        slot,
    };
    send(name.clone(), &head.to_bytes()).await?;
    Ok(slot)
}

/// A value that was kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) offset: u64,
    pub(super) value: Bytes,
    pub(super) slot: u8,
}

/// Reads the value of a line, if a whole one is there. Blocks.
pub(super) fn kept(url: &KafkaUrl, consumer: &ConsumerId, at: TopicPartition) -> Result<Option<Kept>, BusError> {
    let name = name(consumer, at);
    let mut records = read_all(url, at, &name)?;
    let Some(head) = records.get(&name).and_then(|head| Head::parse(head)) else {
        return Ok(None);
    };
    let mut value = Vec::new();
    for piece in 0..head.pieces {
        value.extend(
            records
                .remove(&format!("{name}/{}/{piece}", head.slot))
                .unwrap_or_default(),
        );
    }
    if value.len() as u64 != head.length || crc32fast::hash(&value) != head.crc {
        tracing::warn!(line = %at, "the kept state is not whole; it is rebuilt from the log");
        return Ok(None);
    }
    Ok(Some(Kept {
        offset: head.offset,
        value: value.into(),
        slot: head.slot,
    }))
}

/// The last record of each key of a line's partition that begins with `name`.
fn read_all(url: &KafkaUrl, at: TopicPartition, name: &str) -> Result<HashMap<String, Vec<u8>>, BusError> {
    let topic = topic(url);
    let reading = || failed("read the state of", at.to_string());
    let reader: BaseConsumer = options(url, &format!("{}.reader", url.prefix))
        .create()
        .map_err(reading())?;
    let mut list = TopicPartitionList::new();
    let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
    list.add_partition_offset(&topic, partition, Offset::Beginning)
        .map_err(reading())?;
    reader.assign(&list).map_err(reading())?;
    let mut records = HashMap::new();
    let mut heard = Instant::now();
    loop {
        match reader.poll(ASK_LIMIT) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                if key.starts_with(name) {
                    records.insert(key, message.payload().unwrap_or_default().to_vec());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
            // The library tries again by itself, and says so as often as it does; a record or the limit ends it.
            Some(Err(error)) if heard.elapsed() < ASK_LIMIT => {
                tracing::debug!(line = %at, %error, "reading kept state");
            }
            Some(Err(_)) | None => return Err(silent("read the state of", at.to_string(), ASK_LIMIT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip_and_cut_ones_are_none() {
        let head = Head {
            offset: 7,
            length: 1 << 40,
            pieces: 3,
            crc: 0xdead_beef,
            slot: 1,
        };
        let bytes = head.to_bytes();
        assert_eq!((bytes.len(), Head::parse(&bytes)), (HEAD_BYTES, Some(head)));
        for at in 0..bytes.len() {
            assert_eq!(Head::parse(&bytes[..at]), None);
        }
    }
}
