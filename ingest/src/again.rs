//! Bytes of an archived packet, read again: its readings for one outlet and the hash that tells repeats, as they were
//! when it came. Everything else of its report is in the archive's columns, so nothing here depends on settings of the
//! day; the readings depend on the catalogue of factors and the registry that the packet was taken by.

use std::sync::Arc;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, Mn, OutletId};
use plume_schemas::reading::Reading;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Time;

use crate::hj212::complaints::Complaints;
use crate::hj212::fields::FieldReader;
use crate::hj212::frame::{Framer, Item, MAX_DECLARED_BYTES};
use crate::hj212::headers::Headers;
use crate::normalize::{Read, readings_of};

/// Whose readings, and when they were measured.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    /// The device.
    pub mn: Mn,
    /// The outlet.
    pub outlet: OutletId,
    /// The start of the period, as the report has it.
    pub measured_at: Time,
}

/// Reads packets again; keeps what it has learned of their forms, as a link does.
#[derive(Debug)]
pub struct Again {
    headers: Headers,
    reader: FieldReader,
    complaints: Complaints,
}

impl Again {
    /// A reader that knows the factors of `catalogue`.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self {
            headers: Headers::default(),
            reader: FieldReader::new(catalogue),
            complaints: Complaints::default(),
        }
    }

    /// The hash of the packet in clear, and the outlet's readings. `None` where there is no frame in the bytes, or the
    /// registry leads it to another outlet: then it is not what the report was made of.
    pub fn read(&mut self, raw: &[u8], of: Of, registry: &RegistryIndex) -> Option<(ContentId, Vec<Reading>)> {
        let mut framer = Framer::new(MAX_DECLARED_BYTES);
        framer.push(raw);
        framer.quiet();
        framer.finish();
        let Some(Item::Frame(frame)) = framer.next_item() else {
            return None;
        };
        self.complaints.clear();
        let packet = self.headers.parse(frame.segment, &mut self.complaints);
        let id = ContentId::of(&[frame.segment]);
        let fields = self.reader.read(&packet, &mut self.complaints);
        let read = Read {
            packet: &packet,
            fields,
            complaints: &self.complaints,
            mn: of.mn,
            raw,
            id,
            key_id: None,
        };
        let readings = readings_of(read, of.measured_at, of.outlet, registry)?;
        Some((id, readings))
    }
}
