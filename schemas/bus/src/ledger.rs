//! Who is where: the next offset of each line and the committed offsets of each consumer. Pure; every carrier applies
//! the same batches to it in the same order, so they cannot disagree.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::BusError;
use crate::record::{
    ConsumerId, MAX_BATCH_BYTES, MAX_BATCH_RECORDS, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, NewRecord, Topic, TopicPartition,
};
use crate::stats::ConsumerPosition;

/// Most consumers. plume has five roles; the snapshot in every segment header lists each with all its lines.
pub(crate) const MAX_CONSUMERS: usize = 32;

/// Whether a batch fills the bus or helps to empty it; decides how much of `max_bytes` it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `append`: stops at the limit without the reserve.
    Fill,
    /// `transact`, `commit`: a consumer advances, which is what frees segments.
    Advance,
}

/// One atomic request: records, and offsets of one consumer.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) class: Class,
    pub(crate) records: Arc<Vec<NewRecord>>,
    pub(crate) commits: Option<(ConsumerId, Vec<(TopicPartition, u64)>)>,
}

impl Batch {
    pub(crate) fn append(records: Arc<Vec<NewRecord>>) -> Self {
        Self {
            class: Class::Fill,
            records,
            commits: None,
        }
    }

    pub(crate) fn transact(consumer: ConsumerId, records: Vec<NewRecord>, commits: Vec<(TopicPartition, u64)>) -> Self {
        Self {
            class: Class::Advance,
            records: Arc::new(records),
            commits: (!commits.is_empty()).then_some((consumer, commits)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.commits.is_none()
    }

    /// Bytes of keys and payloads.
    pub(crate) fn data_bytes(&self) -> usize {
        self.records.iter().map(|r| r.key.len() + r.payload.len()).sum()
    }

    /// The limits that need no knowledge of the log, checked in the caller's task.
    pub(crate) fn check_sizes(&self) -> Result<(), BusError> {
        let within = |what, found, limit| {
            if found > limit {
                return Err(BusError::TooLarge { what, found, limit });
            }
            Ok(())
        };
        for record in self.records.iter() {
            within("payload in bytes", record.payload.len(), MAX_PAYLOAD_BYTES)?;
            within("key in bytes", record.key.len(), MAX_KEY_BYTES)?;
        }
        let commits = self.commits.as_ref().map_or(0, |(_, commits)| commits.len());
        within(
            "batch in records and commits",
            self.records.len() + commits,
            MAX_BATCH_RECORDS,
        )?;
        within("batch in bytes", self.data_bytes(), MAX_BATCH_BYTES)
    }
}

/// Next offsets and committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    partitions: u32,
    next: Vec<u64>,
    committed: BTreeMap<ConsumerId, BTreeMap<TopicPartition, u64>>,
}

impl Ledger {
    pub(crate) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            next: vec![0; Topic::ALL.len() * partitions as usize],
            committed: BTreeMap::new(),
        }
    }

    /// The same with every line's first offset at `first`.
    pub(crate) fn beginning_at(partitions: u32, first: u64) -> Self {
        let mut ledger = Self::new(partitions);
        ledger.next.fill(first);
        ledger
    }

    /// Index of a line in vectors that hold one element per line.
    pub(crate) fn slot(&self, at: TopicPartition) -> Result<usize, BusError> {
        if at.partition >= self.partitions {
            return Err(BusError::UnknownPartition {
                topic: at.topic,
                partition: at.partition,
                partitions: self.partitions,
            });
        }
        Ok(usize::from(at.topic.code()) * self.partitions as usize + at.partition as usize)
    }

    /// Every line with its slot, in slot order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        let partitions = self.partitions;
        Topic::ALL
            .into_iter()
            .flat_map(move |topic| (0..partitions).map(move |partition| TopicPartition { topic, partition }))
    }

    /// Next offset of each line, by slot.
    pub(crate) fn next(&self) -> &[u64] {
        &self.next
    }

    /// Next offset of one line.
    pub(crate) fn next_at(&self, at: TopicPartition) -> Result<u64, BusError> {
        let slot = self.slot(at)?;
        Ok(self.next.get(slot).copied().unwrap_or_default())
    }

    /// Raises the next offset of a line to at least `next`.
    pub(crate) fn raise(&mut self, slot: usize, next: u64) {
        if let Some(held) = self.next.get_mut(slot) {
            *held = next.max(*held);
        }
    }

    /// This ledger with some lines set back, by slot.
    pub(crate) fn lowered_to(&self, first: &[Option<u64>]) -> Self {
        let mut lowered = self.clone();
        for (next, first) in lowered.next.iter_mut().zip(first) {
            *next = first.unwrap_or(*next);
        }
        lowered
    }

    pub(crate) fn committed(&self, consumer: &ConsumerId, at: TopicPartition) -> Option<u64> {
        self.committed.get(consumer)?.get(&at).copied()
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = ConsumerPosition> {
        self.committed.iter().flat_map(|(consumer, lines)| {
            lines.iter().map(|(&at, &committed)| ConsumerPosition {
                consumer: consumer.clone(),
                at,
                committed,
            })
        })
    }

    pub(crate) fn set_committed(&mut self, consumer: &ConsumerId, at: TopicPartition, offset: u64) {
        if let Some(lines) = self.committed.get_mut(consumer) {
            lines.insert(at, offset);
        } else {
            self.committed.insert(consumer.clone(), BTreeMap::from([(at, offset)]));
        }
    }

    /// Takes a batch in whole and returns the offsets of its records, or refuses it whole and changes nothing.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<Vec<u64>, BusError> {
        for record in batch.records.iter() {
            self.slot(record.to)?;
        }
        if let Some((consumer, commits)) = &batch.commits {
            self.check_commits(consumer, commits, &batch.records)?;
        }
        let mut offsets = Vec::with_capacity(batch.records.len());
        for record in batch.records.iter() {
            let slot = self.slot(record.to)?;
            let next = self.next.get(slot).copied().unwrap_or_default();
            offsets.push(next);
            self.raise(slot, next + 1);
        }
        if let Some((consumer, commits)) = &batch.commits {
            for &(at, offset) in commits {
                self.set_committed(consumer, at, offset);
            }
        }
        Ok(offsets)
    }

    /// Applies a batch that another ledger took with these offsets, telling `touched` the slot of each record.
    pub(crate) fn settle(&mut self, batch: &Batch, offsets: &[u64], mut touched: impl FnMut(usize)) {
        for (record, &offset) in batch.records.iter().zip(offsets) {
            if let Ok(slot) = self.slot(record.to) {
                self.raise(slot, offset + 1);
                touched(slot);
            }
        }
        if let Some((consumer, commits)) = &batch.commits {
            for &(at, offset) in commits {
                self.set_committed(consumer, at, offset);
            }
        }
    }

    /// A commit may go back (a consumer that replays) but never beyond what exists once the batch is in.
    fn check_commits(
        &self,
        consumer: &ConsumerId,
        commits: &[(TopicPartition, u64)],
        outputs: &[NewRecord],
    ) -> Result<(), BusError> {
        if self.committed.len() >= MAX_CONSUMERS && !self.committed.contains_key(consumer) {
            return Err(BusError::TooManyConsumers {
                name: consumer.to_string(),
                limit: MAX_CONSUMERS,
            });
        }
        for &(at, offset) in commits {
            let held = self.next_at(at)?;
            if offset > held {
                let next = held + outputs.iter().filter(|r| r.to == at).count() as u64;
                if offset > next {
                    return Err(BusError::BeyondEnd { at, offset, next });
                }
            }
        }
        Ok(())
    }
}
