//! An engine as bytes, and back.

use plume_schemas::dedupe::Dedupe;
use plume_schemas::entry::EntryBody;
use plume_schemas::registry::Registry;
use plume_schemas::time::Time;
use plume_schemas::wire::{decode_entry, encode_entry};

use super::{Counts, Engine, Partition, horizons};
use crate::clock::JudgeClock;
use crate::config::Settings;
use crate::outlet::Outlet;
use crate::plan::{OutletPlan, Plan};
use crate::rules::common_cause::CommonCause;
use crate::state::{Header, Persist, Reader, RestoreError, list_len};

impl Engine {
    /// The whole state as bytes: format and rules in front, the registry, then every outlet.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut to = Vec::new();
        let Partition { index, count } = self.partition;
        Header {
            rules: self.settings.rules_hash(),
            index,
            count,
        }
        .save(&mut to);
        self.clock.save(&mut to);
        self.counts.save(&mut to);
        self.common.save(&mut to);
        blob(&self.dedupe.checkpoint(), &mut to);
        (self.assembly.parts().len() as u64).save(&mut to);
        blob(&self.registry, &mut to);
        for part in self.assembly.parts() {
            blob(&registry_record(part), &mut to);
        }
        self.outlets.save(&mut to);
        self.scheduled.save(&mut to);
        to
    }

    /// Whether a checkpoint was written by this format under the same rules and settings; of its content only the
    /// header is read. Errors: as of [`Self::restore`].
    pub fn fits(bytes: &[u8], settings: &Settings) -> Result<(), RestoreError> {
        Header::load(&mut Reader::new(bytes), settings.rules_hash()).map(drop)
    }

    /// An engine from a checkpoint written under the same rules and settings. Any error means: begin empty, read the
    /// log.
    pub fn restore(bytes: &[u8], settings: &Settings) -> Result<Self, RestoreError> {
        let mut from = Reader::new(bytes);
        let header = Header::load(&mut from, settings.rules_hash())?;
        let mut engine = Self::new(
            settings.clone(),
            Partition {
                index: header.index,
                count: header.count,
            },
        );
        engine.clock = JudgeClock::load(&mut from)?;
        engine.counts = Counts::load(&mut from)?;
        engine.common = CommonCause::load(&mut from)?;
        let seen = unblob(&mut from)?;
        engine.dedupe = Dedupe::restore(horizons(settings), seen).map_err(|_| from.damaged("what was seen"))?;
        let parts = u64::load(&mut from)?;
        let record = unblob(&mut from)?;
        let registry = registry_of(record, &from)?;
        engine.registry = record.to_vec();
        for _ in 0..parts {
            let part = registry_of(unblob(&mut from)?, &from)?;
            // What was whole already is no part of what is still to come.
            if engine.assembly.take(&part).is_some() {
                return Err(from.damaged("a part of a registry"));
            }
        }
        engine.plan = Plan::new(&registry, header.index, header.count);
        engine.outlets.reserve_exact(engine.plan.outlets.len());
        for _ in 0..list_len(&mut from)? {
            let mut outlet = Outlet::load(&mut from)?;
            engine.unheard.share(&mut outlet);
            engine.outlets.push(outlet);
        }
        let scheduled: Vec<Time> = Vec::load(&mut from)?;
        from.end()?;
        let fits = |(plan, outlet): (&OutletPlan, &Outlet)| {
            plan.factors
                .iter()
                .map(|factor| factor.code)
                .eq(outlet.factors.iter().map(|factor| factor.code))
        };
        let same = engine.plan.outlets.len() == engine.outlets.len() && scheduled.len() == engine.outlets.len();
        if !same || !engine.plan.outlets.iter().zip(&engine.outlets).all(fits) {
            return Err(from.damaged("the outlets of its registry"));
        }
        engine.resume(&scheduled);
        Ok(engine)
    }

    /// Lets time pass for the outlets of the plan at these moments.
    pub(super) fn resume(&mut self, scheduled: &[Time]) {
        self.index();
        self.due.clear();
        for (place, &at) in scheduled.iter().enumerate() {
            self.scheduled[place] = Time(i64::MAX);
            self.schedule(place, at);
        }
    }
}

fn blob(bytes: &[u8], to: &mut Vec<u8>) {
    (bytes.len() as u64).save(to);
    to.extend_from_slice(bytes);
}

/// A registry as the log has it: a judge keeps this, its plan has what it asks about.
pub(super) fn registry_record(registry: &Registry) -> Vec<u8> {
    encode_entry(&EntryBody::Registry(Box::new(registry.clone())))
}

fn registry_of(record: &[u8], from: &Reader<'_>) -> Result<Registry, RestoreError> {
    match decode_entry(record) {
        Ok(EntryBody::Registry(registry)) => Ok(*registry),
        _ => Err(from.damaged("a registry")),
    }
}

fn unblob<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], RestoreError> {
    let len = usize::try_from(u64::load(from)?).unwrap_or(usize::MAX);
    from.take(len, "as many bytes as it says")
}
