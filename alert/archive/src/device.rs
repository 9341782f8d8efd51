//! What came from one device, taken and set aside, in the order it came: what a report on the device is made of.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use plume_schemas::ids::Mn;
use plume_schemas::time::{Span, Time};

use crate::ArchiveError;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::{Table, moment, wall_clock_ms};

/// A packet of a device, or what was set aside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePacket {
    /// When it came.
    pub received_at: Time,
    /// The exact bytes, in clear, password included.
    pub raw: Vec<u8>,
    /// A key opened it.
    pub encrypted: bool,
    /// Code of the reason why it was set aside.
    pub set_aside: Option<String>,
}

impl Reader {
    /// What a device sent that came in this span, oldest first. What was set aside and is of a device that could not be
    /// read is not among it.
    pub fn of_device(&self, mn: Mn, received: Span) -> Result<Vec<DevicePacket>, ArchiveError> {
        let came = Want::Between(
            "received_at",
            wall_clock_ms(received.start),
            wall_clock_ms(received.end.plus(-1)),
        );
        let days = Some((received.start.beijing_day(), received.end.plus(-1).beijing_day()));
        let of_mn = || Want::Word("mn", mn.as_str().to_owned());
        let taken = Scan {
            table: Table::Packets,
            kind: None,
            days,
            // Of several outlets' reports from one packet the first carries the bytes.
            wants: vec![of_mn(), came.clone(), Want::Between("share", 0, 0)],
        };
        let aside = Scan {
            table: Table::Quarantine,
            kind: None,
            days,
            wants: vec![of_mn(), came],
        };
        let mut found = Vec::new();
        for scan in [taken, aside] {
            for batch in self.scan(scan) {
                let (_, batch) = batch?;
                found.extend((0..batch.num_rows()).map(|row| packet(&batch, row)));
            }
        }
        found.sort_by_key(|packet| packet.received_at);
        Ok(found)
    }
}

/// A packet that was taken, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePacket {
    /// The device.
    pub mn: String,
    /// When it came.
    pub received_at: Time,
    /// Offset in its partition of the log.
    pub offset: u64,
    /// The exact bytes, in clear, password included.
    pub raw: Vec<u8>,
}

impl Reader {
    /// Packets taken in this span into a partition of the log, in the order they came; of one packet for several
    /// outlets the first share alone, which has the bytes.
    pub fn of_line(&self, partition: u32, received: Span) -> Result<Vec<LinePacket>, ArchiveError> {
        let last = received.end.plus(-1);
        let came = Want::Between("received_at", wall_clock_ms(received.start), wall_clock_ms(last));
        let partition = i64::from(partition);
        let scan = Scan {
            table: Table::Packets,
            kind: None,
            days: Some((received.start.beijing_day(), last.beijing_day())),
            wants: vec![
                came,
                Want::Between("share", 0, 0),
                Want::Between("log_partition", partition, partition),
            ],
        };
        let mut found = Vec::new();
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            found.extend((0..batch.num_rows()).filter_map(|row| line_packet(&batch, row)));
        }
        found.sort_by_key(|packet| (packet.received_at, packet.offset));
        Ok(found)
    }
}

fn line_packet(batch: &RecordBatch, row: usize) -> Option<LinePacket> {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let offset = column("log_offset")?.as_primitive::<Int64Type>().value(row);
    let received = column("received_at")?
        .as_primitive::<TimestampMillisecondType>()
        .value(row);
    Some(LinePacket {
        mn: column("mn")?.as_string::<i32>().value(row).to_owned(),
        received_at: moment(received),
        offset: u64::try_from(offset).ok()?,
        raw: column("raw")?.as_binary::<i32>().value(row).to_vec(),
    })
}

fn packet(batch: &RecordBatch, row: usize) -> DevicePacket {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let received = column("received_at").map(|column| column.as_primitive::<TimestampMillisecondType>().value(row));
    DevicePacket {
        received_at: received.map(moment).unwrap_or_default(),
        raw: column("raw").map_or_else(Vec::new, |column| column.as_binary::<i32>().value(row).to_vec()),
        encrypted: column("key_id").is_some(),
        set_aside: column("reason").map(|column| column.as_string::<i32>().value(row).to_owned()),
    }
}
