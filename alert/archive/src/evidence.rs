//! The packets behind a number: exact bytes, with where and when they came.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use plume_schemas::entry::LogPosition;
use plume_schemas::ids::OutletId;
use plume_schemas::time::{DAY_MS, Span, Time};

use crate::ArchiveError;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::{Table, moment, wall_clock_ms};
use plume_schemas::mask::masked;

/// Which packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceSpec {
    /// All of an outlet that tell of a span of time.
    Span {
        /// Which outlet.
        outlet: OutletId,
        /// Measured in it.
        span: Span,
    },
    /// The packets of an outlet by their numbers, as the column `packet` of readings names them.
    Packets {
        /// Which outlet.
        outlet: OutletId,
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// What stands at a place of the log, as judgements name their cause.
    Position(LogPosition),
}

/// A packet as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketEvidence {
    /// Of which outlet.
    pub outlet: String,
    /// Its running number there.
    pub packet: u64,
    /// The device.
    pub mn: String,
    /// Its kind.
    pub kind: String,
    /// When it was measured.
    pub measured_at: Time,
    /// When the device says it sent.
    pub sent_at: Option<Time>,
    /// When it came.
    pub received_at: Time,
    /// The peer's address.
    pub peer: String,
    /// `accepted` or `repeat`.
    pub verdict: String,
    /// Where it stands in the log.
    pub position: LogPosition,
    /// The exact bytes, password included. Empty where another outlet's report of the same packet carries them and is
    /// gone.
    pub raw: Vec<u8>,
}

impl PacketEvidence {
    /// The bytes with passwords masked: what may be shown.
    pub fn masked(&self) -> Vec<u8> {
        masked(&self.raw)
    }
}

impl Reader {
    /// The packets behind a number, in the log's order of each partition.
    pub fn evidence(&self, spec: &EvidenceSpec) -> Result<Vec<PacketEvidence>, ArchiveError> {
        let outlet_is = |outlet: &OutletId| Want::Word("outlet", outlet.as_str().to_owned());
        let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (wants, days) = match spec {
            EvidenceSpec::Span { outlet, span } => {
                let measured = Want::Between(
                    "measured_at",
                    wall_clock_ms(span.start),
                    wall_clock_ms(span.end.plus(-1)),
                );
                // Packets are dated by arrival: after measuring, but for a device whose clock is ahead.
                let days = (span.start.plus(-DAY_MS).beijing_day(), i64::MAX);
                (vec![outlet_is(outlet), measured], Some(days))
            }
            EvidenceSpec::Packets { outlet, numbers } => {
                let (first, last) = (numbers.iter().min(), numbers.iter().max());
                let Some((first, last)) = first.zip(last) else {
                    return Ok(Vec::new());
                };
                (
                    vec![outlet_is(outlet), Want::Between("packet", int(*first), int(*last))],
                    None,
                )
            }
            EvidenceSpec::Position(at) => {
                let (partition, offset) = (i64::from(at.partition), int(at.offset));
                let partition = Want::Between("log_partition", partition, partition);
                (vec![partition, Want::Between("log_offset", offset, offset)], None)
            }
        };
        let mut found = self.packets(wants, days)?;
        if let EvidenceSpec::Packets { numbers, .. } = spec {
            found.retain(|packet| numbers.contains(&packet.packet));
        }
        for packet in found.iter_mut().filter(|packet| packet.raw.is_empty()) {
            packet.raw = self.raw_of_share(packet)?;
        }
        found.sort_by_key(|packet| packet.position);
        Ok(found)
    }

    /// Of several outlets' reports from one packet only the first carries the bytes.
    fn raw_of_share(&self, packet: &PacketEvidence) -> Result<Vec<u8>, ArchiveError> {
        let received = wall_clock_ms(packet.received_at);
        let wants = vec![
            Want::Word("mn", packet.mn.clone()),
            Want::Between("received_at", received, received),
            Want::Between("share", 0, 0),
        ];
        let day = packet.received_at.beijing_day();
        let same = self.packets(wants, Some((day, day)))?;
        let first = same.into_iter().find(|other| {
            (other.sent_at, other.measured_at, other.kind.as_str())
                == (packet.sent_at, packet.measured_at, packet.kind.as_str())
        });
        Ok(first.map(|first| first.raw).unwrap_or_default())
    }

    fn packets(&self, wants: Vec<Want>, days: Option<(i64, i64)>) -> Result<Vec<PacketEvidence>, ArchiveError> {
        let scan = Scan {
            table: Table::Packets,
            kind: None,
            days,
            wants,
        };
        let mut found = Vec::new();
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            found.extend((0..batch.num_rows()).map(|row| packet(&batch, row)));
        }
        Ok(found)
    }
}

fn packet(batch: &RecordBatch, row: usize) -> PacketEvidence {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let text = |name| column(name).map_or_else(String::new, |column| column.as_string::<i32>().value(row).to_owned());
    let int = |name| column(name).map_or(0, |column| column.as_primitive::<Int64Type>().value(row));
    let time = |name| column(name).map(|column| moment(column.as_primitive::<TimestampMillisecondType>().value(row)));
    let partition = column("log_partition").map_or(0, |column| column.as_primitive::<Int32Type>().value(row));
    PacketEvidence {
        outlet: text("outlet"),
        packet: u64::try_from(int("packet")).unwrap_or(0),
        mn: text("mn"),
        kind: text("kind"),
        measured_at: time("measured_at").unwrap_or_default(),
        sent_at: time("sent_at"),
        received_at: time("received_at").unwrap_or_default(),
        peer: text("peer"),
        verdict: text("verdict"),
        position: LogPosition {
            partition: u32::try_from(partition).unwrap_or(0),
            offset: u64::try_from(int("log_offset")).unwrap_or(0),
        },
        raw: column("raw").map_or_else(Vec::new, |column| column.as_binary::<i32>().value(row).to_vec()),
    }
}
