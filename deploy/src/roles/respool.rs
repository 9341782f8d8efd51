//! What a spool of fewer partitions still holds after `plume bus grow` (D7, D13): its devices were answered, so it goes
//! out first, each record to the partition where its outlet is now.

use std::sync::Arc;

use anyhow::Context as _;
use plume_bus::{Bus, BusConfig, BusError, NewRecord, Record, Topic, TopicPartition};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::OutletId;
use plume_schemas::partition::partition_of;
use plume_schemas::wire;

use super::spool::{CARRIED, FORWARD, SPOOL, SPOOLED, dir, open};
use super::stop::Stop;
use super::{Context, at, consumer};

/// Empties the spools of earlier generations; returns early when told to stop.
pub(super) async fn carry_earlier(context: &Context, config: &BusConfig, stop: &Stop) -> anyhow::Result<()> {
    for generation in 1..context.bus.generation() {
        if !dir(&context.data_dir, generation).is_dir() {
            continue;
        }
        let spool = match open(config, &context.data_dir, generation, config.partitions).await {
            Err(error) => match error.downcast_ref() {
                Some(&BusError::PartitionsMismatch { found, .. }) => {
                    open(config, &context.data_dir, generation, found).await?
                }
                _ => return Err(error),
            },
            opened => opened?,
        };
        let mut carried = 0;
        for topic in SPOOLED {
            for partition in 0..spool.partitions() {
                carried += empty(context, &spool, at(topic, partition), stop).await?;
            }
        }
        tracing::info!(
            generation,
            carried,
            "the spool of before the partitions became more is empty"
        );
        spool.close().await.context("close an earlier spool")?;
    }
    Ok(())
}

/// Empties a line; returns how many records went out.
async fn empty(context: &Context, spool: &Bus, line: TopicPartition, stop: &Stop) -> anyhow::Result<usize> {
    let begin = spool.range(line).await?.start;
    let done = spool.committed(consumer(FORWARD)?, line).await?;
    let (mut next, mut carried) = (done.unwrap_or(begin).max(begin), 0);
    loop {
        let records = spool.read(line, next, CARRIED).await?;
        let Some(last) = records.last() else { return Ok(carried) };
        next = last.offset + 1;
        let partitions = context.bus.partitions();
        let moved = Arc::new(records.iter().filter_map(|record| moved(record, partitions)).collect());
        while let Err(error) = context.bus.append_shared(Arc::clone(&moved)).await {
            anyhow::ensure!(!stop.told(), "told to stop before an earlier spool was empty");
            context.brokers_away(SPOOL, &error, stop).await;
        }
        context.health.well(SPOOL);
        carried += moved.len();
        let committed = spool.commit(consumer(FORWARD)?, vec![(line, next)]).await;
        committed.context("commit what an earlier spool has carried")?;
    }
}

/// A record for where its outlet is among `partitions`; none for the time of before, which every partition has heard.
fn moved(record: &Record, partitions: u32) -> Option<NewRecord> {
    let to = match record.from.topic {
        Topic::Reports => at(Topic::Reports, partition_of(outlet(record)?, partitions)),
        _ => record.from,
    };
    Some(NewRecord {
        to,
        key: String::from_utf8_lossy(&record.key).into_owned(),
        payload: record.payload.clone(),
    })
}

fn outlet(record: &Record) -> Option<OutletId> {
    match wire::decode_entry(&record.payload).ok()? {
        EntryBody::Report(report) => Some(report.outlet),
        EntryBody::Presence(presence) => Some(presence.outlet),
        EntryBody::Mark(mark) => Some(mark.outlet),
        EntryBody::Check(check) => Some(check.outlet),
        EntryBody::Recomputed(recomputed) => Some(recomputed.outlet),
        EntryBody::Tick(_) | EntryBody::ClockStep(_) | EntryBody::Registry(_) => None,
    }
}
