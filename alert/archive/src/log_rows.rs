//! The log of reports as the archive keeps it: `packets` and `entries` cover it without a hole, so that with the bytes
//! of the packets the log can be gone through again after it has expired (D11).
//!
//! Rows lie by outlet, the log by offset: they are read in stretches of offsets, each from the folders of the days it
//! can lie in, and sorted there. Memory is that of one stretch.

use std::ops::Range;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::layout::{self, Folder};
use crate::packet_rows::Packets;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::{Table, moment, wall_clock_ms};

/// A record of the log of reports.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRow {
    /// A report: all that is known of it but its readings, which its bytes say.
    Packet(Box<LogPacket>),
    /// An ingest's clock.
    Tick {
        /// Whose.
        ingest: String,
        /// What it showed.
        received_at: Time,
    },
    /// Anything else, as it stood in the log.
    Wire(Vec<u8>),
    /// A record that no decoder reads.
    Undecodable,
}

/// A report as the archive keeps it. Words are those of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPacket {
    /// Of which outlet, and its running number there.
    pub outlet: String,
    /// Its running number there.
    pub packet: u64,
    /// The outlet's packet that it repeats, where known.
    pub repeat_of: Option<u64>,
    /// Code of its kind.
    pub kind: String,
    /// The device.
    pub mn: String,
    /// 系统编码.
    pub st: String,
    /// 命令编码.
    pub cn: u16,
    /// Code of the dialect.
    pub dialect: String,
    /// When it was measured.
    pub measured_at: Time,
    /// When the device says it sent.
    pub sent_at: Option<Time>,
    /// When it came.
    pub received_at: Time,
    /// 请求编码.
    pub qn: String,
    /// 包号 and 总包数.
    pub part: (u16, u16),
    /// Which of how many reports from one packet.
    pub share: (u16, u16),
    /// The device says it sends again.
    pub backfill: bool,
    /// How many readings it had.
    pub readings: usize,
    /// What was wrong with it, JSON.
    pub complaints: Option<String>,
    /// The process that took it.
    pub ingest: String,
    /// The peer's address.
    pub peer: String,
    /// The registry that led to the outlet; 0 for none.
    pub registry_revision: u64,
    /// Which key opened it.
    pub key_id: Option<String>,
    /// The exact bytes, password included; of the first share's, where another outlet's report carries them.
    pub raw: Vec<u8>,
}

/// Records `offsets` of a partition, as far as they are archived.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogRows {
    /// In the log's order.
    pub rows: Vec<(u64, LogRow)>,
    /// Where packets were received: first and last Beijing day, to look there first for what follows.
    pub days: Option<(i64, i64)>,
}

/// A judge's memory in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptState {
    /// The first record that is not in it.
    pub offset: u64,
    /// The log's clock when it was archived.
    pub stood_at: Time,
    /// The memory.
    pub state: Vec<u8>,
}

impl Reader {
    /// First offset of a partition's reports that was archived, the first that was not, and how many in between never
    /// held a record; `None` where nothing was archived.
    pub fn log_range(&self, partition: u32) -> Option<(Range<u64>, u64)> {
        let line = format!("reports/{partition}");
        let stats = self.stats();
        let found = stats.lines.iter().find(|stats| stats.line == line)?;
        Some((found.first..found.next, found.markers))
    }

    /// First day of which a partition's packets and other entries are still there.
    pub fn first_log_day(&self, partition: u32) -> Option<i64> {
        let files = self.manifest.parts.keys().chain(self.manifest.batches.keys());
        let mut first = [None, None];
        for name in files {
            let Some(folder) = Folder::of_file(name) else { continue };
            let is_ours = layout::part_of(name).is_some_and(|part| part == folder.part(partition));
            let place = match folder.table {
                Table::Packets => 0,
                Table::Entries => 1,
                _ => continue,
            };
            if let (true, Some(day), Some(kept)) = (is_ours, folder.day, first.get_mut(place)) {
                *kept = Some(kept.map_or(day, |kept: i64| kept.min(day)));
            }
        }
        // Ticks come always: where there are entries and no packets yet, nothing has come.
        let [packets, entries] = first;
        entries.map(|entries| packets.map_or(entries, |packets: i64| packets.max(entries)))
    }

    /// An offset at which a partition's reports are still there: that of the first entry of the first such day.
    pub fn first_log_offset(&self, partition: u32) -> Result<Option<u64>, ArchiveError> {
        let Some((range, _)) = self.log_range(partition) else {
            return Ok(None);
        };
        let expired = |table: Table| self.manifest.expired_rows.get(table.name()).copied().unwrap_or(0) > 0;
        if !expired(Table::Packets) && !expired(Table::Entries) {
            return Ok(Some(range.start));
        }
        let Some(day) = self.first_log_day(partition) else {
            return Ok(None);
        };
        let wants = vec![Want::Between(
            "log_partition",
            i64::from(partition),
            i64::from(partition),
        )];
        let mut first = None;
        self.each(Table::Entries, Some((day, day)), wants, |batch, row| {
            let offset = Cells { batch, row }.count("log_offset");
            first = Some(first.map_or(offset, |first: u64| first.min(offset)));
        })?;
        Ok(first)
    }

    /// Records of a partition's reports with these offsets, from folders of `days` (all where none are named).
    pub fn log_rows(
        &self,
        partition: u32,
        offsets: Range<u64>,
        days: Option<(i64, i64)>,
    ) -> Result<LogRows, ArchiveError> {
        let mut found = LogRows::default();
        let wants = || {
            let last = offsets.end.saturating_sub(1);
            vec![
                Want::Between("log_partition", i64::from(partition), i64::from(partition)),
                Want::Between("log_offset", int(offsets.start), int(last)),
            ]
        };
        let mut shared = false;
        self.each_packet(days, wants(), |(offset, packet)| {
            let day = packet.received_at.beijing_day();
            found.days = Some(
                found
                    .days
                    .map_or((day, day), |(first, last)| (first.min(day), last.max(day))),
            );
            shared |= packet.share.0 > 0;
            found.rows.push((offset, LogRow::Packet(Box::new(packet))));
        })?;
        self.each(Table::Entries, days, wants(), |batch, row| {
            found.rows.push(entry(batch, row));
        })?;
        let mut undecodable = wants();
        undecodable.push(Want::Word("log_topic", "reports".to_owned()));
        self.each(Table::Quarantine, days, undecodable, |batch, row| {
            found
                .rows
                .push((Cells { batch, row }.count("log_offset"), LogRow::Undecodable));
        })?;
        found.rows.sort_by_key(|(offset, _)| *offset);
        if shared {
            self.share_bytes(&mut found.rows)?;
        }
        Ok(found)
    }

    /// Entries of these kinds (`registry`, `mark`, `presence`) of a partition's reports that stand before `offset`, as
    /// they stood in the log.
    pub fn log_entries(
        &self,
        partition: u32,
        kinds: &[&str],
        offset: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, ArchiveError> {
        let mut found = Vec::new();
        for kind in kinds {
            let wants = vec![
                Want::Word("entry", (*kind).to_owned()),
                Want::Between("log_partition", i64::from(partition), i64::from(partition)),
                Want::Between("log_offset", 0, int(offset).saturating_sub(1)),
            ];
            self.each(Table::Entries, None, wants, |batch, row| {
                let cells = Cells { batch, row };
                found.push((cells.count("log_offset"), cells.bytes("wire")));
            })?;
        }
        found.sort_by_key(|(offset, _)| *offset);
        Ok(found)
    }

    /// The judge's memories of a partition that are archived, the oldest first, without their bytes' being looked at.
    pub fn kept_states(&self, partition: u32) -> Result<Vec<KeptState>, ArchiveError> {
        let wants = vec![Want::Between(
            "log_partition",
            i64::from(partition),
            i64::from(partition),
        )];
        let mut found = Vec::new();
        self.each(Table::Checkpoints, None, wants, |batch, row| {
            let cells = Cells { batch, row };
            found.push(KeptState {
                offset: cells.count("log_offset"),
                stood_at: cells.time("stood_at").unwrap_or_default(),
                state: cells.bytes("state"),
            });
        })?;
        found.sort_by_key(|kept| kept.offset);
        Ok(found)
    }

    /// Of several outlets' reports from one packet only the first carries the bytes; it may be in another partition.
    fn share_bytes(&self, rows: &mut [(u64, LogRow)]) -> Result<(), ArchiveError> {
        let mut lacking = Vec::new();
        for (_, row) in rows.iter_mut() {
            if let LogRow::Packet(packet) = row
                && packet.share.0 > 0
            {
                lacking.push(packet);
            }
        }
        let times = lacking.iter().map(|packet| packet.received_at);
        let Some((first, last)) = times.clone().min().zip(times.max()) else {
            return Ok(());
        };
        let wants = vec![
            Want::Between("share", 0, 0),
            Want::Between("shares", 2, i64::from(u16::MAX)),
            Want::Between("received_at", wall_clock_ms(first), wall_clock_ms(last)),
        ];
        let mut carriers = std::collections::HashMap::new();
        let days = Some((first.beijing_day(), last.beijing_day()));
        self.each_packet(days, wants, |(_, packet)| {
            let key = packet.of();
            carriers.entry(key).or_insert(packet.raw);
        })?;
        for packet in lacking {
            if let Some(raw) = carriers.get(&packet.of()) {
                packet.raw.clone_from(raw);
            }
        }
        Ok(())
    }

    fn each_packet(
        &self,
        days: Option<(i64, i64)>,
        wants: Vec<Want>,
        mut take: impl FnMut((u64, LogPacket)),
    ) -> Result<(), ArchiveError> {
        let scan = Scan {
            table: Table::Packets,
            kind: None,
            days,
            wants,
        };
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            let packets = Packets::of(&batch);
            (0..batch.num_rows()).for_each(|row| take(packets.row(row)));
        }
        Ok(())
    }

    fn each(
        &self,
        table: Table,
        days: Option<(i64, i64)>,
        wants: Vec<Want>,
        mut take: impl FnMut(&RecordBatch, usize),
    ) -> Result<(), ArchiveError> {
        let scan = Scan {
            table,
            kind: None,
            days,
            wants,
        };
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            (0..batch.num_rows()).for_each(|row| take(&batch, row));
        }
        Ok(())
    }
}

/// One packet, whatever outlets it told of.
type OfPacket = (String, Time, String, Time, Option<Time>, String, (u16, u16));

impl LogPacket {
    fn of(&self) -> OfPacket {
        let kind = self.kind.clone();
        let (measured, sent) = (self.measured_at, self.sent_at);
        (
            self.mn.clone(),
            self.received_at,
            kind,
            measured,
            sent,
            self.qn.clone(),
            self.part,
        )
    }
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The cells of a row by name; what is not there is empty.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) batch: &'a RecordBatch,
    pub(crate) row: usize,
}

impl<'a> Cells<'a> {
    fn column(self, name: &str) -> Option<&'a dyn Array> {
        let column = self.batch.column_by_name(name)?;
        column.is_valid(self.row).then_some(&**column)
    }

    pub(crate) fn word(self, name: &str) -> Option<String> {
        let column = self.column(name)?;
        let Some(numbered) = column.as_dictionary_opt::<Int32Type>() else {
            return Some(column.as_string::<i32>().value(self.row).to_owned());
        };
        let word = numbered.key(self.row)?;
        Some(numbered.values().as_string::<i32>().value(word).to_owned())
    }

    pub(crate) fn text(self, name: &str) -> String {
        self.word(name).unwrap_or_default()
    }

    pub(crate) fn count(self, name: &str) -> u64 {
        let number = self
            .column(name)
            .map_or(0, |column| column.as_primitive::<Int64Type>().value(self.row));
        u64::try_from(number).unwrap_or(0)
    }

    pub(crate) fn time(self, name: &str) -> Option<Time> {
        let column = self.column(name)?;
        Some(moment(
            column.as_primitive::<TimestampMillisecondType>().value(self.row),
        ))
    }

    fn bytes(self, name: &str) -> Vec<u8> {
        self.column(name)
            .map_or_else(Vec::new, |column| column.as_binary::<i32>().value(self.row).to_vec())
    }
}

fn entry(batch: &RecordBatch, row: usize) -> (u64, LogRow) {
    let cells = Cells { batch, row };
    let kept = if cells.text("entry") == "tick" {
        LogRow::Tick {
            ingest: cells.text("ingest"),
            received_at: cells.time("received_at").unwrap_or_default(),
        }
    } else {
        LogRow::Wire(cells.bytes("wire"))
    };
    (cells.count("log_offset"), kept)
}
