//! `plume replay`: judges the recorded log again and compares what comes out with what was said then, byte by byte. The
//! same binary, rules and settings must say the same (D11); where they do not, this names the first difference.
//!
//! The entries are those of the log, or (`--source archive`) those that the archive's packets and entries make again.
//! It begins at the log's beginning, or at a checkpoint that the judge kept of a day: where one was asked for, and
//! where the log's beginning has expired.

mod archived;
mod difference;
#[cfg(test)]
mod exact_tests;
#[cfg(test)]
mod finals_tests;
mod rebuild;
#[cfg(test)]
mod rebuild_tests;
mod source;
#[cfg(test)]
mod speed_tests;
mod start;
mod table;
#[cfg(test)]
mod tests;
mod two;
mod whatif;
#[cfg(test)]
mod whatif_tests;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use plume_bus::{Bus, ReadLimit, Topic, TopicPartition};
use plume_detect::{Engine, Out};
use plume_schemas::entry::LogPosition;
use plume_schemas::wire::{self, WireError};

use self::source::Entries;
use self::start::Start;
use super::place::place;
use super::view::open_stopped;
use crate::cli::judge::{ReplayArgs, Source};
use crate::out;
use crate::roles::{DETECT, READ_LIMIT, at, consumer};

/// One record.
const ONE: ReadLimit = ReadLimit {
    records: 1,
    bytes: usize::MAX,
};

/// Replays every partition; fails at the first difference.
pub(crate) async fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    if args.diff {
        return whatif::run(args).await;
    }
    if args.source == Source::Readings {
        anyhow::bail!(
            "readings 只能给出窗口规则的最后结论，不能逐字节核对 / readings give the last word of window rules, nothing to \
             compare byte by byte: use it with --diff"
        );
    }
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let from_archive = args.source == Source::Archive;
    let reader = if from_archive {
        Some(source::reader(args).await?)
    } else {
        None
    };
    let bus = open_stopped(&config, &data_dir).await?;
    let mut total = Replayed::default();
    for partition in 0..bus.partitions() {
        let from = args.from.as_deref();
        let (start, entries) = if let Some(reader) = &reader {
            let found = start::in_archive(&bus, Arc::clone(reader), partition, &config.detect, from).await?;
            let Some(found) = found else {
                continue;
            };
            found
        } else {
            let start = start::find(&bus, &data_dir, partition, &config.detect, from).await?;
            let entries = Entries::of_log(&bus, partition, start.offset).await?;
            (start, entries)
        };
        out::line(format_args!("{start}"));
        match Replay::open(&bus, entries, partition, start).await?.run().await? {
            Ok(replayed) => total.add(&replayed),
            Err(difference) => {
                out::line(format_args!("不一致 / DIFFERENT: {difference}"));
                bus.close().await?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    bus.close().await?;
    out::line(format_args!(
        "逐字节一致 / identical to the byte: {} 条记录 records, {} 条判定 judgements, {} 个事件 events",
        total.entries, total.judgements, total.events
    ));
    Ok(ExitCode::SUCCESS)
}

/// What was compared.
#[derive(Debug, Default)]
struct Replayed {
    entries: u64,
    judgements: u64,
    events: u64,
}

impl Replayed {
    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.judgements += other.judgements;
        self.events += other.events;
    }
}

/// One partition on its way.
struct Replay<'a> {
    engine: Engine,
    entries: Entries<'a>,
    /// Up to where the judge had come.
    judged: u64,
    judgements: Recorded<'a>,
    events: Recorded<'a>,
}

impl<'a> Replay<'a> {
    async fn open(bus: &'a Bus, entries: Entries<'a>, partition: u32, start: Start) -> anyhow::Result<Self> {
        let reports = at(Topic::Reports, partition);
        let of_judgement = |bytes: &[u8]| wire::decode_judgement(bytes).map(|judgement| judgement.cause.offset);
        let of_event = |bytes: &[u8]| wire::decode_event(bytes).map(|event| event.judgement.cause.offset);
        let next = start.offset;
        Ok(Self {
            engine: start.engine,
            entries,
            judged: bus.committed(consumer(DETECT)?, reports).await?.unwrap_or(0),
            judgements: Recorded::open(bus, at(Topic::Judgements, partition), next, of_judgement).await?,
            events: Recorded::open(bus, at(Topic::Events, partition), next, of_event).await?,
        })
    }

    /// Errors: the log cannot be read. The inner error is the first difference.
    async fn run(mut self) -> anyhow::Result<Result<Replayed, String>> {
        let (mut replayed, mut out) = (Replayed::default(), Out::default());
        let judged = self.judged;
        'entries: while let Some(entries) = self.entries.next().await? {
            for entry in entries {
                if entry.at.offset >= judged {
                    break 'entries;
                }
                replayed.entries += 1;
                out.clear();
                self.engine.step(&entry, &mut out);
                if let Some(difference) = self.compare(&out, entry.at).await? {
                    return Ok(Err(difference));
                }
                replayed.judgements += out.judgements.len() as u64;
                replayed.events += out.events.len() as u64;
            }
        }
        for recorded in [&mut self.judgements, &mut self.events] {
            if recorded.next().await?.is_some() {
                let line = recorded.line;
                return Ok(Err(format!(
                    "{line} holds more than the replay said: it said {} judgements of {} entries up to {judged}",
                    replayed.judgements, replayed.entries
                )));
            }
        }
        Ok(Ok(replayed))
    }

    /// The first difference between what the entry at `position` makes the judge say and what was recorded.
    async fn compare(&mut self, out: &Out, position: LogPosition) -> anyhow::Result<Option<String>> {
        for judgement in &out.judgements {
            let recorded = self.judgements.next().await?;
            if recorded.as_deref() != Some(wire::encode_judgement(judgement).as_slice()) {
                let then = recorded.map(|bytes| format!("{:?}", wire::decode_judgement(&bytes)));
                let then = then.unwrap_or_else(|| "nothing".to_owned());
                return Ok(Some(format!("entry {position}: now {judgement:?}, then {then}")));
            }
        }
        for event in &out.events {
            let recorded = self.events.next().await?;
            if recorded.as_deref() != Some(wire::encode_event(event).as_slice()) {
                let then = recorded.map(|bytes| format!("{:?}", wire::decode_event(&bytes)));
                let then = then.unwrap_or_else(|| "nothing".to_owned());
                return Ok(Some(format!("entry {position}: now {event:?}, then {then}")));
            }
        }
        Ok(None)
    }
}

/// The recorded outputs of a line, one after the other.
struct Recorded<'a> {
    bus: &'a Bus,
    line: TopicPartition,
    next: u64,
    read: VecDeque<Bytes>,
}

impl<'a> Recorded<'a> {
    /// From the first output that an entry at `from` or later caused. Outputs stand in the order of their causes.
    async fn open(
        bus: &'a Bus,
        line: TopicPartition,
        from: u64,
        cause: impl Fn(&[u8]) -> Result<u64, WireError>,
    ) -> anyhow::Result<Self> {
        let range = bus.range(line).await?;
        let (mut low, mut high) = (range.start, range.end);
        while from > 0 && low < high {
            let middle = low + (high - low) / 2;
            // Nothing: the markers of transactions on Kafka are all that follows.
            match bus.read(line, middle, ONE).await?.pop() {
                Some(record) if cause(&record.payload)? < from => low = record.offset + 1,
                _ => high = middle,
            }
        }
        Ok(Self {
            bus,
            line,
            next: low,
            read: VecDeque::new(),
        })
    }

    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        if self.read.is_empty() {
            let records = self.bus.read(self.line, self.next, READ_LIMIT).await?;
            self.next = records.last().map_or(self.next, |record| record.offset + 1);
            self.read.extend(records.into_iter().map(|record| record.payload));
        }
        Ok(self.read.pop_front())
    }
}
