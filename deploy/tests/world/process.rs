//! A running plume: what is gone when it is killed.

use std::collections::BTreeMap;
use std::sync::Arc;

use plume_archive::Archive;
use plume_bus::{Bus, BusError, NewRecord, Topic};
use plume_ingest::MonotoneClock;
use plume_ingest::hj212::session::Link;
use plume_schemas::entry::{ClockStep, EntryBody, Tick};
use plume_schemas::ids::Inline;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};
use plume_schemas::wire::encode_entry;

use crate::broken::Broken;
use crate::canary::Canary;
use crate::chance::Chance;
use crate::counts::Counts;
use crate::machine::Machine;
use crate::pump::{Around, Pump};
use crate::roles::at;

/// How often the ticker looks at the clock.
const TICK_POLL_MS: i64 = 2_500;

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) bus: Bus,
    clock: MonotoneClock,
    registry: Arc<RegistryIndex>,
    pub(crate) pumps: BTreeMap<u64, Pump>,
    last_tick: Option<Time>,
    tick_poll: Time,
    /// When each partition is judged next.
    pub(crate) judge_at: Vec<Time>,
    pub(crate) archive_at: Time,
    /// Open since the first round of the process.
    pub(crate) archive: Option<Archive>,
    /// The log has said that it takes no more: the process is to be ended.
    pub(crate) deaf: bool,
}

/// What a process does its work with.
pub(crate) struct Hands<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) chance: &'a mut Chance,
    pub(crate) counts: &'a mut Counts,
    pub(crate) canary: Option<Canary>,
    pub(crate) now: Time,
}

impl Process {
    /// A process whose log is open.
    pub(crate) fn new(bus: Bus, registry: Registry, hands: &mut Hands<'_>) -> Self {
        let soon = |chance: &mut Chance| hands.now.plus(chance.within(SECOND_MS..MINUTE_MS));
        let partitions = bus.partitions();
        Self {
            bus,
            clock: MonotoneClock::new(hands.machine.clock()),
            registry: Arc::new(RegistryIndex::new(registry)),
            pumps: BTreeMap::new(),
            last_tick: None,
            tick_poll: hands.now,
            judge_at: (0..partitions).map(|_| soon(hands.chance)).collect(),
            archive_at: soon(hands.chance),
            archive: None,
            deaf: false,
        }
    }

    /// When it has something to do by itself.
    pub(crate) fn due(&self, machine: &Machine) -> Time {
        let pumps = self.pumps.values().filter_map(|pump| pump.due(&machine.config));
        let judges = self.judge_at.iter().copied();
        pumps
            .chain(judges)
            .chain([self.tick_poll, self.archive_at])
            .min()
            .unwrap_or(self.tick_poll)
    }

    /// A device has connected.
    pub(crate) fn accept(&mut self, number: u64, polite: bool, hands: &Hands<'_>) {
        let link = Link {
            peer: Inline::new(&format!("192.0.2.{}:{number}", number % 250)).unwrap(),
            epoch: self.clock.next_epoch(),
        };
        let session = Pump::session(&hands.machine.config, &hands.machine.catalogue, link);
        self.pumps.insert(number, Pump::new(session, polite, hands.now));
    }

    /// Lets `act` work on a link.
    pub(crate) fn at_link<T>(
        &mut self,
        number: u64,
        hands: &mut Hands<'_>,
        act: impl FnOnce(&mut Pump, &mut Around<'_>) -> Result<T, Broken>,
    ) -> Result<Option<T>, Broken> {
        let Some(pump) = self.pumps.get_mut(&number) else {
            return Ok(None);
        };
        let (bus, machine, deaf) = (&self.bus, hands.machine, &mut self.deaf);
        let mut append = |records: Vec<NewRecord>| {
            let appended = machine.append(bus, records);
            *deaf |= appended.as_ref().is_err_and(is_final);
            appended
        };
        let mut around = Around {
            now: hands.now,
            received_at: self.clock.now(),
            config: &machine.config,
            registry: &self.registry,
            disk: &machine.disk,
            partitions: bus.partitions(),
            chance: hands.chance,
            counts: hands.counts,
            canary: hands.canary,
            append: &mut append,
        };
        act(pump, &mut around).map(Some)
    }

    /// Appends a Tick if it is time, as ingest's ticker does; a refused one is not tried again.
    pub(crate) fn tick(&mut self, hands: &Hands<'_>) {
        if self.tick_poll > hands.now {
            return;
        }
        self.tick_poll = hands.now.plus(TICK_POLL_MS);
        let now = self.clock.now();
        let config = &hands.machine.config;
        if self
            .last_tick
            .is_some_and(|last| now.since(last) < config.tick_interval_ms)
        {
            return;
        }
        let limit_ms = config.clock_step_ms + config.tick_interval_ms;
        let ingest = config.id;
        let step = self.last_tick.filter(|&last| now.since(last) > limit_ms);
        let step = step.map(|from| EntryBody::ClockStep(ClockStep { ingest, from, to: now }));
        let tick = EntryBody::Tick(Tick {
            ingest,
            received_at: now,
        });
        let records = step
            .iter()
            .chain([&tick])
            .flat_map(|entry| self.everywhere(entry, ingest.as_str()));
        let appended = hands.machine.append(&self.bus, records.collect());
        self.deaf |= appended.as_ref().is_err_and(is_final);
        self.last_tick = Some(now);
    }

    /// Records a revision of the registry, as deploy's import does.
    pub(crate) fn import(&mut self, registry: &Registry, machine: &Machine) -> Result<(), BusError> {
        let entry = EntryBody::Registry(Box::new(registry.clone()));
        let mut records = vec![NewRecord::new(at(Topic::Registry, 0), "registry", encode_entry(&entry))];
        records.extend(self.everywhere(&entry, "registry"));
        machine.append(&self.bus, records)?;
        self.registry = Arc::new(RegistryIndex::new(registry.clone()));
        Ok(())
    }

    fn everywhere(&self, entry: &EntryBody, key: &str) -> Vec<NewRecord> {
        let payload = encode_entry(entry);
        let to = (0..self.bus.partitions()).map(|partition| at(Topic::Reports, partition));
        to.map(|to| NewRecord::new(to, key, payload.clone())).collect()
    }

    /// Reads no more, and lets what was read go its way; then closes the log. Returns what was still answered.
    pub(crate) fn stop(mut self, hands: &mut Hands<'_>) -> Result<Vec<(u64, Vec<u8>)>, Broken> {
        let numbers: Vec<u64> = self.pumps.keys().copied().collect();
        let mut sent = Vec::new();
        for number in numbers {
            let answers = self.at_link(number, hands, Pump::finish)?;
            sent.extend(answers.into_iter().flatten().map(|answer| (number, answer)));
        }
        // What does not close cleanly is as good as killed.
        drop(hands.machine.runtime.block_on(self.bus.close()));
        Ok(sent)
    }
}

/// True for errors after which the log has to be opened again.
pub(crate) fn is_final(error: &BusError) -> bool {
    matches!(
        error,
        BusError::WriteFailed { .. } | BusError::Stopped { .. } | BusError::Closed
    )
}
