//! Rows of `packets` as they were before they became rows. Columns are looked up once a batch: a packet has more than
//! twenty of them.

use arrow::array::{Array, AsArray, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;

use crate::log_rows::LogPacket;
use crate::tables::moment;

/// The columns of a batch of packets; what is not there is empty.
pub(crate) struct Packets<'a> {
    log_offset: Option<&'a PrimitiveArray<Int64Type>>,
    packet: Option<&'a PrimitiveArray<Int64Type>>,
    repeat_of: Option<&'a PrimitiveArray<Int64Type>>,
    outlet: Option<&'a StringArray>,
    kind: Option<&'a StringArray>,
    mn: Option<&'a StringArray>,
    st: Option<&'a StringArray>,
    dialect: Option<&'a StringArray>,
    qn: Option<&'a StringArray>,
    complaints: Option<&'a StringArray>,
    ingest: Option<&'a StringArray>,
    peer: Option<&'a StringArray>,
    key_id: Option<&'a StringArray>,
    cn: Option<&'a PrimitiveArray<Int32Type>>,
    part: [Option<&'a PrimitiveArray<Int32Type>>; 2],
    share: [Option<&'a PrimitiveArray<Int32Type>>; 2],
    readings: Option<&'a PrimitiveArray<Int32Type>>,
    registry_revision: Option<&'a PrimitiveArray<Int32Type>>,
    measured_at: Option<&'a PrimitiveArray<TimestampMillisecondType>>,
    sent_at: Option<&'a PrimitiveArray<TimestampMillisecondType>>,
    received_at: Option<&'a PrimitiveArray<TimestampMillisecondType>>,
    backfill: Option<&'a BooleanArray>,
    raw: Option<&'a BinaryArray>,
}

impl<'a> Packets<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Self {
        let words = |name| batch.column_by_name(name)?.as_string_opt::<i32>();
        let counts = |name| numbers::<Int64Type>(batch, name);
        let smalls = |name| numbers::<Int32Type>(batch, name);
        let times = |name| numbers::<TimestampMillisecondType>(batch, name);
        Self {
            log_offset: counts("log_offset"),
            packet: counts("packet"),
            repeat_of: counts("repeat_of"),
            outlet: words("outlet"),
            kind: words("kind"),
            mn: words("mn"),
            st: words("st"),
            dialect: words("dialect"),
            qn: words("qn"),
            complaints: words("complaints"),
            ingest: words("ingest"),
            peer: words("peer"),
            key_id: words("key_id"),
            cn: smalls("cn"),
            part: ["part", "parts"].map(smalls),
            share: ["share", "shares"].map(smalls),
            readings: smalls("readings"),
            registry_revision: smalls("registry_revision"),
            measured_at: times("measured_at"),
            sent_at: times("sent_at"),
            received_at: times("received_at"),
            backfill: batch
                .column_by_name("backfill")
                .and_then(|column| column.as_boolean_opt()),
            raw: batch
                .column_by_name("raw")
                .and_then(|column| column.as_binary_opt::<i32>()),
        }
    }

    /// A packet and its place in the log.
    pub(crate) fn row(&self, row: usize) -> (u64, LogPacket) {
        let short = |column| number(column, row).and_then(|number: i32| u16::try_from(number).ok());
        let pair = |[first, second]: [_; 2]| (short(first).unwrap_or(0), short(second).unwrap_or(0));
        let count = |column| number(column, row).and_then(|number: i64| u64::try_from(number).ok());
        let time = |column| number(column, row).map(moment);
        let packet = LogPacket {
            outlet: text(self.outlet, row),
            packet: count(self.packet).unwrap_or(0),
            repeat_of: count(self.repeat_of),
            kind: text(self.kind, row),
            mn: text(self.mn, row),
            st: text(self.st, row),
            cn: short(self.cn).unwrap_or(0),
            dialect: text(self.dialect, row),
            measured_at: time(self.measured_at).unwrap_or_default(),
            sent_at: time(self.sent_at),
            received_at: time(self.received_at).unwrap_or_default(),
            qn: text(self.qn, row),
            part: pair(self.part),
            share: pair(self.share),
            backfill: self
                .backfill
                .is_some_and(|column| column.is_valid(row) && column.value(row)),
            readings: number(self.readings, row).map_or(0, |count: i32| usize::try_from(count).unwrap_or(0)),
            complaints: word(self.complaints, row),
            ingest: text(self.ingest, row),
            peer: text(self.peer, row),
            registry_revision: number(self.registry_revision, row)
                .map_or(0, |revision: i32| u64::try_from(revision).unwrap_or(0)),
            key_id: word(self.key_id, row),
            raw: self
                .raw
                .filter(|column| column.is_valid(row))
                .map_or_else(Vec::new, |column| column.value(row).to_vec()),
        };
        (count(self.log_offset).unwrap_or(0), packet)
    }
}

fn numbers<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, name: &str) -> Option<&'a PrimitiveArray<T>> {
    batch.column_by_name(name)?.as_primitive_opt::<T>()
}

fn number<T: ArrowPrimitiveType>(column: Option<&PrimitiveArray<T>>, row: usize) -> Option<T::Native> {
    let column = column?;
    column.is_valid(row).then(|| column.value(row))
}

fn word(column: Option<&StringArray>, row: usize) -> Option<String> {
    let column = column?;
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn text(column: Option<&StringArray>, row: usize) -> String {
    word(column, row).unwrap_or_default()
}
