//! The entries of a partition out of the archive, in recorded order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, bail, ensure};
use plume_archive::{LogRow, LogRows, Reader};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::OutletId;
use plume_schemas::reading::{Reading, ReportKind};
use plume_schemas::report::Dialect;
use plume_schemas::wire;

use super::rebuild::{Rebuild, Registries};
use crate::commands::view::hinted;

/// Rows read together: with a kilobyte each, 200 MB, and as much again of those before, which are made into entries
/// meanwhile. Packets lie by outlet in a day's file, so each reading goes through the whole file.
const READ: u64 = 200_000;
/// Entries made again together, while those before are judged.
const STRETCH: usize = 10_000;

/// Readings of polled packets: of an outlet and kind, by packet.
type Polled = HashMap<(String, String), BTreeMap<u64, Vec<Reading>>>;

/// Goes through the archived entries of a partition: one thread reads ahead, all cores make entries of what was read.
pub(super) struct Archived {
    rows: Coming,
    partition: u32,
    first: u64,
    next: u64,
    end: u64,
    /// Read and not made into entries yet.
    read: Stretch,
    /// One for each core.
    rebuild: Vec<Rebuild>,
}

/// Rows that follow each other, and where the partition is known to begin since.
#[derive(Default)]
struct Stretch {
    rows: VecDeque<(u64, LogRow)>,
    /// The readings of polled packets among them.
    polled: Polled,
    first: u64,
    /// The offset behind them.
    end: u64,
}

/// Where rows come from.
enum Coming {
    /// Nothing was asked for yet.
    Idle(Rows),
    /// From the thread that reads ahead; it ends with this.
    Ahead(Receiver<anyhow::Result<Stretch>>),
    /// No more.
    Ended,
}

/// Reads rows in stretches.
struct Rows {
    reader: Arc<Reader>,
    partition: u32,
    first: u64,
    read_to: u64,
    end: u64,
    /// Whether offsets without a record are the rule: the markers of transactions on Kafka.
    markers: bool,
    /// Days in which the last entries were received.
    days: Option<(i64, i64)>,
}

impl Archived {
    /// From the first entry that is still there; `None` where nothing was archived.
    pub(super) fn open(reader: Arc<Reader>, partition: u32) -> anyhow::Result<Option<Self>> {
        let first = reader.first_log_offset(partition).map_err(hinted)?;
        let (Some(first), Some((range, markers))) = (first, reader.log_range(partition)) else {
            return Ok(None);
        };
        let mut registries = Registries::default();
        for (_, bytes) in reader.log_entries(partition, &["registry"], u64::MAX).map_err(hinted)? {
            if let EntryBody::Registry(part) = wire::decode_entry(&bytes)? {
                registries.learn(&part);
            }
        }
        let (catalogue, registries) = (Arc::new(Catalogue::embedded()?), Arc::new(registries));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let rebuild = || Rebuild::new(Arc::clone(&catalogue), Arc::clone(&registries));
        Ok(Some(Self {
            rows: Coming::Idle(Rows {
                reader,
                partition,
                first,
                read_to: first,
                end: range.end,
                markers: markers > 0,
                days: None,
            }),
            partition,
            first,
            next: first,
            end: range.end,
            read: Stretch::default(),
            rebuild: std::iter::repeat_with(rebuild).take(cores).collect(),
        }))
    }

    /// Begins at this offset. What was taken already is not gone back to.
    pub(super) fn seek(&mut self, offset: u64) {
        if let Coming::Idle(rows) = &mut self.rows {
            self.next = offset.max(self.first);
            rows.read_to = self.next;
        }
    }

    /// Offset of the first entry that is there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Entries taken, and all there are.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.next - self.first, self.end - self.first)
    }

    /// The next entries; `None` at the end. Errors: one that cannot be made again as it was, or is missing.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        while self.read.rows.is_empty() {
            match std::mem::replace(&mut self.rows, Coming::Ended) {
                Coming::Idle(rows) => {
                    self.read.end = rows.read_to;
                    // One stretch is used, one is read, and none waits.
                    let (sender, coming) = sync_channel(0);
                    std::thread::spawn(move || rows.read_ahead(&sender));
                    self.rows = Coming::Ahead(coming);
                }
                Coming::Ahead(coming) => {
                    let Ok(stretch) = coming.recv() else {
                        let (read, end) = (self.read.end, self.end);
                        ensure!(
                            read >= end,
                            "the thread that reads the archive ended at {read} of {end}"
                        );
                        continue;
                    };
                    self.read = stretch?;
                    self.first = self.read.first;
                    self.rows = Coming::Ahead(coming);
                }
                Coming::Ended => return Ok(None),
            }
        }
        let count = self.read.rows.len().min(STRETCH);
        let rows: Vec<(u64, LogRow)> = self.read.rows.drain(..count).collect();
        self.next = rows.last().map_or(self.next, |(offset, _)| offset + 1);
        self.entries(rows).map(Some)
    }

    /// Makes entries, each core some that follow each other.
    fn entries(&mut self, mut rows: Vec<(u64, LogRow)>) -> anyhow::Result<Vec<Entry>> {
        let (partition, polled) = (self.partition, &self.read.polled);
        let all = rows.len();
        let share = all.div_ceil(self.rebuild.len().max(1));
        let made = std::thread::scope(|scope| {
            let mut working = Vec::new();
            // The last ones first: what is split off needs no moving.
            for (number, rebuild) in self.rebuild.iter_mut().enumerate().rev() {
                let some = rows.split_off(rows.len().min(number * share));
                working.push(scope.spawn(move || entries_of(some, (partition, polled), rebuild)));
            }
            let made = working.into_iter().rev().map(std::thread::ScopedJoinHandle::join);
            made.collect::<Vec<_>>()
        });
        let mut entries = Vec::with_capacity(all);
        for some in made {
            let some = some.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            entries.append(&mut some?);
        }
        Ok(entries)
    }
}

/// Makes the entries of some rows.
fn entries_of(
    rows: Vec<(u64, LogRow)>,
    (partition, polled): (u32, &Polled),
    rebuild: &mut Rebuild,
) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(rows.len());
    for (offset, row) in rows {
        let readings = readings_of(&row, polled);
        let body = rebuild.entry(row, readings);
        let at = LogPosition { partition, offset };
        let body = body.with_context(|| format!("log position {at}"))?;
        entries.extend(body.map(|body| Entry { at, body }));
    }
    Ok(entries)
}

impl Rows {
    /// Reads for as long as somebody takes it.
    fn read_ahead(mut self, to: &SyncSender<anyhow::Result<Stretch>>) {
        while self.read_to < self.end {
            let stretch = self.stretch();
            let failed = stretch.is_err();
            if to.send(stretch).is_err() || failed {
                return;
            }
        }
    }

    /// Reads the next rows.
    fn stretch(&mut self) -> anyhow::Result<Stretch> {
        let offsets = self.read_to..self.end.min(self.read_to + READ);
        let mut found = self.read(&offsets)?;
        let expected = offsets.end - offsets.start;
        if (found.rows.len() as u64) < expected && !self.markers {
            self.pass_expired(&offsets, &mut found)?;
        }
        // What follows was received on these days or the next one: files of other days need not be opened.
        self.days = found.days.map(|(first, last)| (first - 1, last + 1));
        self.read_to = offsets.end;
        let polled = self.polled_of(&found)?;
        Ok(Stretch {
            rows: found.rows.into(),
            polled,
            first: self.first,
            end: offsets.end,
        })
    }

    fn read(&self, offsets: &Range<u64>) -> anyhow::Result<LogRows> {
        let rows = |days| {
            self.reader
                .log_rows(self.partition, offsets.clone(), days)
                .map_err(hinted)
        };
        let found = rows(self.days)?;
        if self.days.is_some() && (found.rows.len() as u64) < offsets.end - offsets.start {
            // plume stood still for days, or a clock was off.
            return rows(None);
        }
        Ok(found)
    }

    /// At the edge of what has expired rows of the same day lie on both sides: it begins behind the last one missing.
    fn pass_expired(&mut self, offsets: &Range<u64>, found: &mut LogRows) -> anyhow::Result<()> {
        let mut expected = offsets.end;
        let dense = found.rows.iter().rev().take_while(|(offset, _)| {
            expected -= 1;
            *offset == expected
        });
        let from = offsets.end - dense.count() as u64;
        if offsets.start != self.first || from == offsets.end {
            bail!(
                "归档在分区 {} 的 {}..{} 中缺少记录，无法精确重放 / the archive lacks entries of partition {} between {} \
                 and {}: no exact replay from it; `plume verify` names the gaps",
                self.partition,
                offsets.start,
                from,
                self.partition,
                offsets.start,
                from
            );
        }
        found.rows.retain(|(offset, _)| *offset >= from);
        self.first = from;
        Ok(())
    }

    /// Readings of the stretch's polled packets: their bytes are samples, their means lie in `readings`.
    fn polled_of(&self, found: &LogRows) -> anyhow::Result<Polled> {
        let mut wanted: HashMap<(String, String), (u64, u64, i64, i64)> = HashMap::new();
        for (_, row) in &found.rows {
            let LogRow::Packet(packet) = row else { continue };
            if packet.dialect != Dialect::Modbus.code() {
                continue;
            }
            let number = packet.repeat_of.unwrap_or(packet.packet);
            let day = packet.measured_at.beijing_day();
            let of = wanted
                .entry((packet.outlet.clone(), packet.kind.clone()))
                .or_insert((number, number, day, day));
            *of = (of.0.min(number), of.1.max(number), of.2.min(day), of.3.max(day));
        }
        let mut polled = Polled::new();
        for ((outlet, kind), (first, last, from, to)) in wanted {
            let id = OutletId::new(&outlet)?;
            let of_kind = ReportKind::from_code(&kind).context("a kind of this version")?;
            let readings = self
                .reader
                .readings_of_packets(id, of_kind, (first, last), Some((from, to)));
            polled.insert((outlet, kind), readings.map_err(hinted)?);
        }
        Ok(polled)
    }
}

fn readings_of(row: &LogRow, polled: &Polled) -> Option<Vec<Reading>> {
    let LogRow::Packet(packet) = row else { return None };
    if packet.dialect != Dialect::Modbus.code() {
        return None;
    }
    let of = polled.get(&(packet.outlet.clone(), packet.kind.clone()))?;
    let number = packet.repeat_of.unwrap_or(packet.packet);
    Some(of.get(&number).cloned().unwrap_or_default())
}
