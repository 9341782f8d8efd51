//! What a line of reports has shown so far: what the archive must remember to call a repeat a repeat and to number
//! packets.
//!
//! It is stored with each batch, as of the batch's end, so that a batch done again after a crash comes out the same.

use std::collections::{HashMap, VecDeque};

use plume_schemas::dedupe::{Dedupe, Horizons, Packet, Seen};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{EnterpriseId, OutletId};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::report::Report;
use plume_schemas::wire;

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
}

/// So many packets are remembered by their bytes, to name the one that is repeated. A device repeats what was not
/// answered within
/// a minute; this is a minute of 3,000 outlets. A later repeat is known as one all the same, without saying of which.
const RECENT_PACKETS: usize = 16_384;
/// First bytes of the stored form; the digit is its version.
const MAGIC: &[u8] = b"plume-archive-memory-0\n";

/// Of one partition of reports.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    dedupe: Dedupe,
    outlets: Vec<Outlet>,
    by_id: HashMap<OutletId, usize>,
    recent: VecDeque<Recent>,
    by_packet: HashMap<(usize, [u8; 16]), u64>,
    /// Packets are numbered behind this: no earlier number is given again. Not stored: it is the log's.
    base: u64,
    /// Parts of a registry revision of which others are still to come.
    assembly: Assembly,
}

#[derive(Clone, Debug, PartialEq)]
struct Outlet {
    id: OutletId,
    enterprise: Option<EnterpriseId>,
    /// Packets seen.
    packets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Recent {
    outlet: usize,
    bytes: [u8; 16],
}

/// What a report turned out to be.
#[derive(Debug)]
pub(crate) struct Sighting {
    /// Running number of the outlet, from 1; behind the base of the log where partitions became more.
    pub(crate) packet: u64,
    pub(crate) repeat: bool,
    pub(crate) repeat_of: Option<u64>,
    pub(crate) enterprise: Option<EnterpriseId>,
    /// Of each reading; `None` where it was measured before the time up to which repeats are known.
    pub(crate) seen: Vec<Option<Seen>>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            dedupe: Dedupe::new(Horizons::USUAL),
            outlets: Vec::new(),
            by_id: HashMap::new(),
            recent: VecDeque::new(),
            by_packet: HashMap::new(),
            base: 0,
            assembly: Assembly::default(),
        }
    }

    /// An empty one that numbers packets behind `base`.
    pub(crate) fn behind(base: u64) -> Self {
        let mut memory = Self::new();
        memory.number_from(base);
        memory
    }

    /// Numbers packets behind `base` from here on.
    pub(crate) fn number_from(&mut self, base: u64) {
        self.base = base;
    }

    /// Says what a report brings, and remembers it.
    pub(crate) fn see(&mut self, report: &Report) -> Sighting {
        let outcome = self.dedupe.see(report);
        let place = self.place(report.outlet);
        let bytes = *report.evidence.packet.as_bytes();
        let (packet, enterprise) = match self.outlets.get_mut(place) {
            Some(outlet) => {
                outlet.packets = outlet.packets.max(self.base) + 1;
                (outlet.packets, outlet.enterprise)
            }
            None => (0, None),
        };
        let repeat = outcome.packet == Packet::Repeat;
        let repeat_of = self.by_packet.get(&(place, bytes)).copied().filter(|_| repeat);
        if !repeat {
            self.remember(Recent { outlet: place, bytes }, packet);
        }
        let known = outcome.packet != Packet::Forgotten;
        Sighting {
            packet,
            repeat,
            repeat_of,
            enterprise,
            seen: outcome.readings.into_iter().map(|seen| known.then_some(seen)).collect(),
        }
    }

    /// Takes over which outlet is whose; gives the whole revision once its last part is here.
    pub(crate) fn learn(&mut self, registry: &Registry) -> Option<Registry> {
        for outlet in &registry.outlets {
            let place = self.place(outlet.id);
            if let Some(known) = self.outlets.get_mut(place) {
                known.enterprise = Some(outlet.enterprise);
            }
        }
        self.assembly.take(registry)
    }

    /// Takes over whose the outlets are of which nothing is known yet.
    pub(crate) fn introduce(&mut self, registry: &Registry) {
        for outlet in &registry.outlets {
            let place = self.place(outlet.id);
            if let Some(known) = self.outlets.get_mut(place) {
                known.enterprise = known.enterprise.or(Some(outlet.enterprise));
            }
        }
    }

    fn place(&mut self, id: OutletId) -> usize {
        let outlets = &mut self.outlets;
        *self.by_id.entry(id).or_insert_with(|| {
            outlets.push(Outlet {
                id,
                enterprise: None,
                packets: 0,
            });
            outlets.len() - 1
        })
    }

    fn remember(&mut self, recent: Recent, packet: u64) {
        // The same bytes again after the horizon: the later one is the one a further repeat repeats.
        if self.by_packet.insert((recent.outlet, recent.bytes), packet).is_none() {
            self.recent.push_back(recent);
        }
        while self.recent.len() > RECENT_PACKETS {
            if let Some(oldest) = self.recent.pop_front() {
                self.by_packet.remove(&(oldest.outlet, oldest.bytes));
            }
        }
    }

    /// The memory as bytes: equal memories have equal bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let count = |out: &mut Vec<u8>, count: usize| out.extend_from_slice(&(count as u64).to_le_bytes());
        count(&mut out, self.outlets.len());
        for outlet in &self.outlets {
            let enterprise = outlet.enterprise.as_ref().map_or("", EnterpriseId::as_str);
            for text in [outlet.id.as_str(), enterprise] {
                count(&mut out, text.len());
                out.extend_from_slice(text.as_bytes());
            }
            out.extend_from_slice(&outlet.packets.to_le_bytes());
        }
        count(&mut out, self.recent.len());
        for recent in &self.recent {
            count(&mut out, recent.outlet);
            out.extend_from_slice(&recent.bytes);
            let packet = self.by_packet.get(&(recent.outlet, recent.bytes)).copied().unwrap_or(0);
            out.extend_from_slice(&packet.to_le_bytes());
        }
        count(&mut out, self.assembly.parts().len());
        for part in self.assembly.parts() {
            let part = wire::encode_entry(&EntryBody::Registry(Box::new(part.clone())));
            count(&mut out, part.len());
            out.extend_from_slice(&part);
        }
        out.extend_from_slice(&self.dedupe.checkpoint());
        out
    }

    /// The memory from bytes; the error says what is wrong with them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC).ok_or("it is not a memory of this version")?);
        let mut memory = Self::new();
        for _ in 0..rest.number()? {
            let id = OutletId::new(rest.text()?).map_err(|error| error.to_string())?;
            let enterprise = match rest.text()? {
                "" => None,
                text => Some(EnterpriseId::new(text).map_err(|error| error.to_string())?),
            };
            let place = memory.place(id);
            if let Some(outlet) = memory.outlets.get_mut(place) {
                (outlet.enterprise, outlet.packets) = (enterprise, rest.number()?);
            }
        }
        for _ in 0..rest.number()? {
            let outlet = usize::try_from(rest.number()?).map_err(|error| error.to_string())?;
            let bytes = *rest.take(16)?.first_chunk().ok_or("it is cut off")?;
            memory.remember(Recent { outlet, bytes }, rest.number()?);
        }
        for _ in 0..rest.number()? {
            let len = usize::try_from(rest.number()?).map_err(|error| error.to_string())?;
            match wire::decode_entry(rest.take(len)?) {
                Ok(EntryBody::Registry(part)) => drop(memory.assembly.take(&part)),
                Ok(_) => return Err("a part of a registry is none".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
        memory.dedupe = Dedupe::restore(Horizons::USUAL, rest.0).map_err(|error| error.to_string())?;
        Ok(memory)
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(*bytes.first_chunk().ok_or("it is cut off")?))
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        let len = usize::try_from(self.number()?).map_err(|_| "it has an impossible length")?;
        std::str::from_utf8(self.take(len)?).map_err(|_| "it has text that is none")
    }
}
