//! Whether the books balance: what came against what lies in files, from the manifest alone.

use serde::Serialize;

use crate::operation::{Counts, FileEntry};
use crate::reader::Reader;
use crate::tables::Table;

/// The books of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Packets that came in: readable ones, and pieces in quarantine.
    pub packets_in: u64,
    /// Packets archived.
    pub archived: u64,
    /// Packets that repeat an earlier one.
    pub repeats: u64,
    /// Packets and pieces in quarantine.
    pub quarantined: u64,
    /// True where every sum fits: see [`Reader::stats`].
    pub balanced: bool,
    /// What the records were.
    pub counts: Counts,
    /// Rows of readings that merging found to be there already.
    pub dropped: u64,
    /// Rows in whose place later ones stand, of tables that keep only the last.
    pub superseded: u64,
    /// How far each line of the log is archived.
    pub lines: Vec<LineStats>,
    /// What lies in each table.
    pub tables: Vec<TableStats>,
    /// Operations in the manifest.
    pub operations: u64,
    /// Hash of the last one.
    pub head: String,
}

/// How far a line of the log is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineStats {
    /// `reports/0`.
    pub line: String,
    /// First offset archived.
    pub first: u64,
    /// First offset not archived.
    pub next: u64,
    /// Offsets in between that the log no longer had, half-open.
    pub gaps: Vec<(u64, u64)>,
    /// Offsets in between that never held a record: the markers of transactions on Kafka.
    pub markers: u64,
}

/// What lies in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// Its name.
    pub table: &'static str,
    /// Rows, published and not.
    pub rows: u64,
    /// Rows of these that readers see.
    pub published_rows: u64,
    /// Files that readers see.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Rows removed because they were older than is kept.
    pub expired_rows: u64,
}

impl Reader {
    /// The books. They balance when every record of the log between first and last offset is accounted for by kind,
    /// and the rows of
    /// all files, counted when each file was written, are as many as the records say.
    pub fn stats(&self) -> Stats {
        let manifest = &self.manifest;
        let counts = manifest.counts;
        let lines: Vec<LineStats> = manifest
            .lines
            .iter()
            .map(|(at, line)| LineStats {
                line: at.to_string(),
                first: line.first,
                next: line.next,
                gaps: line.gaps.clone(),
                markers: line.markers,
            })
            .collect();
        let tables: Vec<TableStats> = Table::ALL.into_iter().map(|table| self.table_stats(table)).collect();
        let rows = |table: Table| {
            let found = tables.iter().find(|stats| stats.table == table.name());
            found.map_or(0, |stats| stats.rows + stats.expired_rows)
        };
        let standing: u64 = Table::ALL
            .into_iter()
            .filter(|table| table.spec().latest > 0)
            .map(rows)
            .sum();
        let missing = |line: &LineStats| line.markers + line.gaps.iter().map(|(from, to)| to - from).sum::<u64>();
        let offsets: u64 = lines.iter().map(|line| line.next - line.first - missing(line)).sum();
        let kinds = counts.reports
            + counts.entries
            + counts.quarantined
            + counts.undecodable
            + counts.judgements
            + counts.events;
        let balanced = offsets == counts.records
            && kinds == counts.records
            && rows(Table::Packets) == counts.reports
            && rows(Table::Readings) + manifest.dropped == counts.fresh
            && rows(Table::Entries) == counts.entries
            && rows(Table::Quarantine) == counts.quarantined + counts.undecodable
            && rows(Table::Judgements) == counts.judgements
            && rows(Table::Events) == counts.events
            && standing + manifest.superseded == counts.standing;
        Stats {
            packets_in: counts.packets + counts.quarantined,
            archived: counts.packets - counts.repeats.min(counts.packets),
            repeats: counts.repeats,
            quarantined: counts.quarantined,
            balanced,
            counts,
            dropped: manifest.dropped,
            superseded: manifest.superseded,
            lines,
            tables,
            operations: manifest.seq,
            head: manifest.head.clone(),
        }
    }

    fn table_stats(&self, table: Table) -> TableStats {
        let sum = |files: &mut dyn Iterator<Item = &FileEntry>| {
            files
                .filter(|file| file.table() == table.name())
                .fold((0, 0, 0), |(files, rows, bytes), file| {
                    (files + 1, rows + file.rows, bytes + file.bytes)
                })
        };
        let (files, published_rows, bytes) = sum(&mut self.manifest.parts.values());
        let (_, waiting_rows, _) = sum(&mut self.manifest.batches.values());
        TableStats {
            table: table.name(),
            rows: published_rows + waiting_rows,
            published_rows,
            files,
            bytes,
            expired_rows: self.manifest.expired_rows.get(table.name()).copied().unwrap_or(0),
        }
    }
}
