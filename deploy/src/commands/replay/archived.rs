//! The entries of a partition out of the archive, in recorded order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use plume_archive::{LogRow, LogRows, Reader};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::OutletId;
use plume_schemas::reading::{Reading, ReportKind};
use plume_schemas::report::Dialect;
use plume_schemas::wire;

use super::rebuild::Rebuild;
use crate::commands::view::hinted;

/// Rows read together: with a kilobyte each, 200 MB. Packets lie by outlet in a day's file, so each reading goes
/// through the whole file.
const READ: u64 = 200_000;
/// Entries made again together, while those before are judged.
const STRETCH: usize = 10_000;

/// Readings of polled packets: of an outlet and kind, by packet.
type Polled = HashMap<(String, String), BTreeMap<u64, Vec<Reading>>>;

/// Goes through the archived entries of a partition.
pub(super) struct Archived {
    reader: Arc<Reader>,
    partition: u32,
    first: u64,
    next: u64,
    end: u64,
    /// Read and not made into entries yet; up to `read_to`, with the readings of polled packets among them.
    rows: VecDeque<(u64, LogRow)>,
    polled: Polled,
    read_to: u64,
    /// Whether offsets without a record are the rule: the markers of transactions on Kafka.
    markers: bool,
    /// Days in which the last entries were received.
    days: Option<(i64, i64)>,
    rebuild: Rebuild,
}

impl Archived {
    /// From the first entry that is still there; `None` where nothing was archived.
    pub(super) fn open(reader: Arc<Reader>, partition: u32) -> anyhow::Result<Option<Self>> {
        let first = reader.first_log_offset(partition).map_err(hinted)?;
        let (Some(first), Some((range, markers))) = (first, reader.log_range(partition)) else {
            return Ok(None);
        };
        let mut rebuild = Rebuild::new(Arc::new(Catalogue::embedded()?));
        for (_, bytes) in reader.log_entries(partition, &["registry"], u64::MAX).map_err(hinted)? {
            if let EntryBody::Registry(part) = wire::decode_entry(&bytes)? {
                rebuild.learn(&part);
            }
        }
        Ok(Some(Self {
            reader,
            partition,
            first,
            next: first,
            end: range.end,
            rows: VecDeque::new(),
            polled: Polled::new(),
            read_to: first,
            markers: markers > 0,
            days: None,
            rebuild,
        }))
    }

    /// Goes on from this offset.
    pub(super) fn seek(&mut self, offset: u64) {
        self.next = offset.max(self.first);
        self.read_to = self.next;
        self.rows.clear();
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
        while self.rows.is_empty() {
            if self.read_to >= self.end {
                return Ok(None);
            }
            self.read_on()?;
        }
        let count = self.rows.len().min(STRETCH);
        let mut entries = Vec::with_capacity(count);
        for (offset, row) in self.rows.drain(..count) {
            self.next = offset + 1;
            let readings = readings_of(&row, &self.polled);
            let body = self.rebuild.entry(row, readings);
            let at = LogPosition {
                partition: self.partition,
                offset,
            };
            let body = body.with_context(|| format!("log position {at}"))?;
            entries.extend(body.map(|body| Entry { at, body }));
        }
        Ok(Some(entries))
    }

    /// Reads the next rows.
    fn read_on(&mut self) -> anyhow::Result<()> {
        let offsets = self.read_to..self.end.min(self.read_to + READ);
        let mut found = self.read(&offsets)?;
        let expected = offsets.end - offsets.start;
        if (found.rows.len() as u64) < expected && !self.markers {
            self.pass_expired(&offsets, &mut found)?;
        }
        // What follows was received on these days or the next one: files of other days need not be opened.
        self.days = found.days.map(|(first, last)| (first - 1, last + 1));
        self.read_to = offsets.end;
        self.polled = self.polled_of(&found)?;
        self.rows = found.rows.into();
        Ok(())
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
