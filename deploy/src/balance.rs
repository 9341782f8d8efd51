//! The balance an operator can trust: packets in = archived + repeats + quarantined, and what still waits in the log.

use std::fmt;

use plume_archive::{Location, Stats};
use plume_bus::Bus;
use serde::Serialize;

use crate::roles::{self, ARCHIVED, at};

/// What came in and where it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Balance {
    /// Packets and pieces of packets that came in, as far as the archive has worked them off.
    pub(crate) packets_in: u64,
    /// Packets whose readings are rows.
    pub(crate) archived: u64,
    /// Packets kept and marked as repeats of earlier ones.
    pub(crate) repeats: u64,
    /// Packets and bytes kept in quarantine with a reason.
    pub(crate) quarantined: u64,
    /// Records of the log that are not in the archive yet.
    pub(crate) waiting: u64,
    /// The books fit: every record is accounted for, every row was counted, no line of the archive is ahead of the log.
    pub(crate) balanced: bool,
    /// The archive's books.
    pub(crate) archive: Stats,
}

/// The balance of a log and its archive.
pub(crate) async fn of(bus: &Bus, archive: &Location) -> anyhow::Result<Balance> {
    let reader = roles::archive::reader(archive)?;
    let stats = reader.stats();
    let (mut waiting, mut behind) = (0, true);
    for partition in 0..bus.partitions() {
        for topic in ARCHIVED {
            let line = at(topic, partition);
            let range = bus.range(line).await?;
            let end = range.end;
            let done = stats
                .lines
                .iter()
                .find(|stats| stats.line == line.to_string())
                .map_or(0, |stats| stats.next);
            waiting += end.saturating_sub(done.max(range.start));
            behind &= done <= end;
        }
    }
    Ok(Balance {
        packets_in: stats.packets_in,
        archived: stats.archived,
        repeats: stats.repeats,
        quarantined: stats.quarantined,
        waiting,
        balanced: stats.balanced && behind && stats.packets_in == stats.archived + stats.repeats + stats.quarantined,
        archive: stats,
    })
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.balanced {
            "平衡 / balanced"
        } else {
            "不平衡 / NOT balanced"
        };
        writeln!(f, "收到 packets in      {:>12}", self.packets_in)?;
        writeln!(f, "= 归档 archived      {:>12}", self.archived)?;
        writeln!(f, "+ 重复 repeats       {:>12}", self.repeats)?;
        writeln!(f, "+ 隔离 quarantined   {:>12}   {verdict}", self.quarantined)?;
        let hint = if self.waiting > 0 {
            "，plume stats --now 先归档 / --now has them archived first"
        } else {
            ""
        };
        writeln!(
            f,
            "待归档 waiting       {:>12}   日志记录 / records of the log{hint}",
            self.waiting
        )?;
        for table in self.archive.tables.iter().filter(|table| table.rows > 0) {
            let bytes = table.bytes;
            writeln!(
                f,
                "  {:<12} {:>12} 行 / rows, {} 文件 / files, {bytes} B",
                table.table, table.rows, table.files
            )?;
        }
        write!(f, "清单 manifest {} · {}", self.archive.operations, self.archive.head)
    }
}
