//! Packets that were set aside because nobody knew their device, read again once the registry does (D17).

use std::sync::Arc;

use plume_bus::NewRecord;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::Mn;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::{QuarantineReason, Quarantined};

use crate::config::IngestConfig;
use crate::hj212::frame::{Framer, Item};
use crate::hj212::intake::{Intake, Verdict};
use crate::quarantine::Arrival;
use crate::store::place;

/// Reads packets of one device again, one after the other.
#[derive(Debug)]
pub struct Readmission {
    mn: Mn,
    config: Arc<IngestConfig>,
    intake: Intake,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Readmitted {
    /// Its reports, for the log.
    Taken(Vec<NewRecord>),
    /// It stays where it is, for this reason.
    Still(QuarantineReason),
}

impl Readmission {
    /// For the packets of this device.
    pub fn of(mn: Mn, config: Arc<IngestConfig>, catalogue: Arc<Catalogue>) -> Self {
        Self {
            mn,
            intake: Intake::new(Arc::clone(&config), catalogue),
            config,
        }
    }

    /// A record of the quarantine, with the time and peer it came with; `None` where it is not a packet of this device
    /// that waited for its registration.
    pub fn again(&mut self, record: &Quarantined, registry: &RegistryIndex, partitions: u32) -> Option<Readmitted> {
        if record.mn != Some(self.mn) || record.reason != QuarantineReason::UnknownMn {
            return None;
        }
        let mut framer = Framer::new(self.config.max_segment_bytes);
        framer.push(&record.raw);
        framer.quiet();
        framer.finish();
        let arrival = Arrival {
            received_at: record.received_at,
            ingest: record.ingest,
            peer: record.peer,
            stream_offset: record.stream_offset,
        };
        let Some(Item::Frame(frame)) = framer.next_item() else {
            return Some(Readmitted::Still(QuarantineReason::Garbage));
        };
        let taken = self.intake.take(&frame, &arrival, registry);
        Some(match taken.verdict {
            Verdict::Accepted | Verdict::Answer => {
                Readmitted::Taken(taken.records.iter().map(|record| place(record, partitions)).collect())
            }
            Verdict::Quarantined(reason) => Readmitted::Still(reason),
            Verdict::Refused => Readmitted::Still(record.reason),
        })
    }
}
