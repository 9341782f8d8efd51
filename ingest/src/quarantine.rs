//! What could not become a report is kept with reason, peer and place, so that it can be readmitted or explained.

use plume_schemas::ids::{IngestId, Inline, Mn};
use plume_schemas::report::{QuarantineReason, Quarantined};
use plume_schemas::time::Time;

/// Where and when bytes came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Our clock; monotone per ingest.
    pub received_at: Time,
    /// The process that took it.
    pub ingest: IngestId,
    /// The peer's address.
    pub peer: Inline<47>,
    /// Where it began in the link's stream.
    pub stream_offset: u64,
}

/// As much of the header as could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The device.
    pub mn: Option<Mn>,
    /// 命令编码.
    pub cn: Option<u16>,
}

/// The record of something set aside.
pub fn quarantined(
    reason: QuarantineReason,
    detail: String,
    arrival: &Arrival,
    sender: Sender,
    raw: Vec<u8>,
) -> Quarantined {
    Quarantined {
        reason,
        detail,
        received_at: arrival.received_at,
        ingest: arrival.ingest,
        peer: arrival.peer,
        mn: sender.mn,
        cn: sender.cn,
        stream_offset: arrival.stream_offset,
        raw,
    }
}
