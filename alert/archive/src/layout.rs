//! Where files lie.
//!
//! ```text
//! archive/
//!   readings/kind=minute/date=2026-11-21/part-0.parquet     what readers glob: fixed names, replaced whole
//!   packets/date=2026-11-21/part-0.parquet
//!   outlets/part-0.parquet                                  how things stand, of no day
//!   log/readings/kind=minute/date=2026-11-21/reports-g0-p0-000000001234-000000005678.parquet      batches not yet
//! merged
//!   state/reports-0-5679.bin     what a line of the log has shown so far, as of the end of its last batch
//!   plan.json                    what is being written
//!   manifest.jsonl               what was written, chained by hashes
//! ```
//!
//! The part number is the partition of the log, so a row belongs to one part for ever.

use std::fmt;

use plume_bus::TopicPartition;
use plume_schemas::reading::ReportKind;
use plume_schemas::time::{DAY_MS, HOUR_MS, Time};

use crate::tables::Table;

/// Generation of partitioning (D7); a larger one begins behind a barrier when the log gets more partitions.
const GENERATION: u32 = 0;

/// A table's folder of one day, and for readings of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Folder {
    pub(crate) table: Table,
    pub(crate) kind: Option<ReportKind>,
    /// Beijing days since 1970-01-01; none where a table is not dated.
    pub(crate) day: Option<i64>,
}

impl Folder {
    pub(crate) fn new(table: Table, kind: Option<ReportKind>, at: Time) -> Self {
        Self {
            table,
            kind,
            day: table.is_dated().then(|| at.beijing_day()),
        }
    }

    /// The folder of a file, batches included.
    pub(crate) fn of_file(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("log/").unwrap_or(name).split('/');
        let table = Table::from_name(parts.next()?)?;
        let mut part = parts.next()?;
        let kind = match part.strip_prefix("kind=") {
            Some(code) => {
                part = parts.next()?;
                Some(ReportKind::from_code(code)?)
            }
            None => None,
        };
        if !table.is_dated() {
            let day = None;
            return Some(Self { table, kind, day });
        }
        let mut digits = part.strip_prefix("date=")?.split('-');
        let mut number = || digits.next()?.parse::<u16>().ok();
        let (year, month, day) = (number()?, number()?, number()?);
        let stamp = format!("{year:04}{month:02}{day:02}");
        Some(Self {
            table,
            kind,
            day: Some(Time::parse_stamp(stamp.as_bytes())?.beijing_day()),
        })
    }

    /// The first moment of its day.
    pub(crate) fn start(self) -> Option<Time> {
        self.day.map(|day| Time(day * DAY_MS - 8 * HOUR_MS))
    }

    /// Whether its day is over when the log shows this time.
    pub(crate) fn is_over(self, now: Option<Time>) -> bool {
        let today = now.map(Time::beijing_day);
        matches!((self.day, today), (Some(day), Some(today)) if day < today)
    }

    /// The file readers see.
    pub(crate) fn part(self, partition: u32) -> String {
        format!("{self}/part-{partition}.parquet")
    }

    /// A batch's file.
    pub(crate) fn batch(self, at: TopicPartition, first: u64, next: u64) -> String {
        let TopicPartition { topic, partition } = at;
        let last = next.saturating_sub(1);
        format!("log/{self}/{topic}-g{GENERATION}-p{partition}-{first:012}-{last:012}.parquet")
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table.name())?;
        if let Some(kind) = self.kind {
            write!(f, "/kind={}", kind.code())?;
        }
        match self.start() {
            Some(start) => write!(f, "/date={}", start.date()),
            None => Ok(()),
        }
    }
}

/// The part a file belongs to: what it is, or what it will be merged into.
pub(crate) fn part_of(name: &str) -> Option<String> {
    let folder = Folder::of_file(name)?;
    let file = name.rsplit('/').next()?;
    let partition = match file.strip_prefix("part-") {
        Some(rest) => rest.strip_suffix(".parquet")?.parse().ok()?,
        None => file.split("-p").nth(1)?.split('-').next()?.parse().ok()?,
    };
    Some(folder.part(partition))
}

/// The memory of a line of the log behind `next`.
pub(crate) fn state(at: TopicPartition, next: u64) -> String {
    format!("state/{}-{}-{next}.bin", at.topic, at.partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_bus::Topic;

    #[test]
    fn names_lead_back() {
        let noon = Time::parse_stamp(b"20261121120000").unwrap();
        let at = TopicPartition::new(Topic::Reports, 3);
        let minute = Folder::new(Table::Readings, Some(ReportKind::Minute), noon);
        assert_eq!(minute.part(3), "readings/kind=minute/date=2026-11-21/part-3.parquet");
        assert_eq!(
            minute.batch(at, 5, 9),
            "log/readings/kind=minute/date=2026-11-21/reports-g0-p3-000000000005-000000000008.parquet"
        );
        let packets = Folder::new(Table::Packets, None, noon);
        let outlets = Folder::new(Table::Outlets, None, noon);
        assert_eq!(outlets.part(0), "outlets/part-0.parquet");
        for folder in [minute, packets, outlets] {
            for name in [folder.part(3), folder.batch(at, 5, 9)] {
                assert_eq!(Folder::of_file(&name), Some(folder), "{name}");
                assert_eq!(part_of(&name), Some(folder.part(3)), "{name}");
            }
        }
        assert_eq!(minute.start(), Time::parse_stamp(b"20261121"));
        for other in [
            "manifest.jsonl",
            "log/x/date=2026-11-21/a",
            "readings/date=2026-13-01/part-0.parquet",
            "readings/kind=x/date=2026-01-01/part-0.parquet",
        ] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }
}
