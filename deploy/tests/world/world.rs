//! The world: devices, network, server, disk and clocks in one loop over one virtual time.

use std::collections::BTreeMap;

use plume_bus::fs::Loss;
use plume_schemas::registry::Registry;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};

use crate::broken::{Broken, Held, Promise, hold};
use crate::canary::Canary;
use crate::cast::{cast, stricter};
use crate::chance::Chance;
use crate::counts::Counts;
use crate::machine::Machine;
use crate::net::{Link, Weather};
use crate::process::{Hands, Process};
use crate::station::Station;
use crate::witness::{Witness, identity};

/// How long there are troubles.
pub(crate) const TROUBLED_MS: i64 = 110 * MINUTE_MS;
/// How long there are none afterwards: time to deliver everything, and for an idle link to end.
const CALM_MS: i64 = 25 * MINUTE_MS;
/// Steps at one moment beyond which the world does not move any more.
const MAX_STEPS_AT_ONCE: u32 = 20_000;

/// A world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) canary: Option<Canary>,
    pub(crate) now: Time,
    pub(crate) start: Time,
    pub(crate) calm_from: Time,
    pub(crate) machine: Machine,
    pub(crate) process: Option<Process>,
    /// When a process that is down starts, and what the crash took with it.
    pub(crate) boot: Option<(Time, Option<Loss>)>,
    pub(crate) stations: Vec<Station>,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) next_link: u64,
    pub(crate) weather: Weather,
    pub(crate) chance: Chance,
    pub(crate) counts: Counts,
    pub(crate) witness: Witness,
    /// The registry as it should be, and as it was last recorded.
    pub(crate) registry: Registry,
    pub(crate) recorded: Option<Registry>,
    pub(crate) trouble_at: Time,
    pub(crate) full_until: Option<Time>,
    pub(crate) clock_right_at: Option<Time>,
    pub(crate) archive_not_before: Time,
    pub(crate) judge_not_before: Time,
    look_at: Time,
    /// The disk was interfered with, so opening may fail for that.
    pub(crate) disk_troubled: bool,
}

impl World {
    pub(crate) fn new(seed: u64, canary: Option<Canary>) -> Self {
        let mut chance = Chance::new(seed, "world");
        let day = Time::parse_stamp(b"20260117000000").unwrap();
        let origin = day.plus(chance.within(0..24) * HOUR_MS + chance.within(0..60) * MINUTE_MS);
        let start = origin.plus(HOUR_MS);
        let (roles, registry) = cast(seed, origin, TROUBLED_MS);
        Self {
            canary,
            now: start,
            start,
            calm_from: start.plus(TROUBLED_MS),
            machine: Machine::new(seed, canary),
            process: None,
            boot: Some((start, None)),
            stations: roles.into_iter().map(|role| Station::new(role, start)).collect(),
            links: BTreeMap::new(),
            next_link: 1,
            weather: Weather::new(seed),
            trouble_at: start.plus(chance.within(0..5 * MINUTE_MS)),
            chance,
            counts: Counts::default(),
            witness: Witness::default(),
            registry,
            recorded: None,
            full_until: None,
            clock_right_at: None,
            archive_not_before: start,
            judge_not_before: start,
            look_at: start,
            disk_troubled: false,
        }
    }

    /// Lets the world run to its end, then checks what can only be checked then.
    pub(crate) fn run(mut self) -> Result<Self, Broken> {
        let end = self.calm_from.plus(CALM_MS);
        let mut stricter_at = Some(self.start.plus(TROUBLED_MS / 2));
        let mut steps_at_once = 0;
        while self.now < end {
            let next = self.next_moment().max(self.now);
            steps_at_once = if next == self.now { steps_at_once + 1 } else { 0 };
            assert!(
                steps_at_once < MAX_STEPS_AT_ONCE,
                "the world stands still: {}",
                self.who_is_due()
            );
            self.now = next;
            self.machine.pass(self.now, self.now.since(self.start));
            if stricter_at.is_some_and(|at| at <= self.now) {
                stricter_at = None;
                self.registry = stricter(self.registry);
            }
            self.step()?;
        }
        self.finish()?;
        Ok(self)
    }

    fn next_moment(&self) -> Time {
        let stations = self.stations.iter().map(Station::due);
        let links = self.links.iter().flat_map(|(number, link)| self.due_of(*number, link));
        let process = self.process.iter().map(|process| process.due(&self.machine));
        let boot = self.boot.iter().map(|(at, _)| *at);
        let others = [self.trouble_at, self.look_at]
            .into_iter()
            .chain(self.full_until)
            .chain(self.clock_right_at);
        stations
            .chain(links)
            .chain(process)
            .chain(boot)
            .chain(others)
            .min()
            .unwrap_or(self.now)
    }

    /// Who wants something now, for a world that stands still.
    fn who_is_due(&self) -> String {
        let stations = self
            .stations
            .iter()
            .enumerate()
            .map(|(place, station)| (format!("station {place}"), station.due()));
        let links = self
            .links
            .iter()
            .flat_map(|(number, link)| self.due_of(*number, link).map(move |at| (format!("link {number}"), at)));
        let process = self
            .process
            .iter()
            .map(|process| ("process".to_owned(), process.due(&self.machine)));
        let all = stations.chain(links).chain(process).filter(|(_, at)| *at <= self.now);
        format!("{} {:?} {:?}", self.now, all.collect::<Vec<_>>(), self.boot)
    }

    fn due_of(&self, number: u64, link: &Link) -> impl Iterator<Item = Time> {
        let pump = self.process.as_ref().and_then(|process| process.pumps.get(&number));
        let reading = link.server_open && pump.is_some_and(crate::pump::Pump::wants_bytes);
        let up = link.up.next().filter(|_| reading);
        let down = link.down.next().filter(|_| link.device_open);
        let server_hears = link
            .server_hears
            .filter(|_| link.server_open && (link.up.next().is_none() || link.is_cut));
        let device_hears = link.device_hears.filter(|_| link.device_open);
        [up, down, server_hears, device_hears].into_iter().flatten()
    }

    fn step(&mut self) -> Held {
        if self.trouble_at <= self.now {
            self.trouble()?;
        }
        if self.full_until.is_some_and(|until| until <= self.now) {
            self.full_until = None;
            self.machine.disk.leave_room(None);
        }
        if self.clock_right_at.is_some_and(|at| at <= self.now) {
            self.clock_right_at = None;
            self.machine.wrong_by_ms = 0;
        }
        if self.boot.is_some_and(|(at, _)| at <= self.now) {
            self.start_process()?;
        }
        self.serve_stations()?;
        self.serve_links()?;
        self.serve_roles()?;
        if self.process.as_ref().is_some_and(|process| process.deaf) {
            self.counts.disk_failures += 1;
            let loss = self.draw_loss();
            self.kill(Some(loss))?;
        }
        if self.look_at <= self.now {
            self.look_at = self.now.plus(MINUTE_MS);
            self.look(false)?;
        }
        Ok(())
    }

    /// What a failing disk takes with it when the machine is started again.
    pub(crate) fn draw_loss(&mut self) -> Loss {
        match self.chance.below(3) {
            0 => Loss::Process,
            1 => Loss::Power,
            _ => Loss::PowerPartly(self.chance.draw()),
        }
    }

    /// Reads what is new in the log; with `again`, everything. What devices saw answered must be there.
    pub(crate) fn look(&mut self, again: bool) -> Held {
        let Some(process) = &self.process else {
            return Ok(());
        };
        if !self
            .witness
            .look(&self.machine.runtime, &process.bus, again, self.now)?
        {
            return Ok(());
        }
        for station in &mut self.stations {
            for answered in &station.acked[station.checked..] {
                let packet = identity(&answered.frame);
                // An answer without QN may be for any packet: the device only believes that it was this one.
                let known = answered.qn.is_empty() || self.witness.packets.contains(&packet);
                hold(known, Promise::NothingAckedIsLost, self.now, || {
                    let frame = String::from_utf8_lossy(&answered.frame);
                    format!("{} CN {}: {frame}", answered.mn, answered.cn)
                })?;
            }
            station.checked = station.acked.len();
        }
        Ok(())
    }

    pub(crate) fn hands(&mut self) -> (Option<&mut Process>, Hands<'_>) {
        let hands = Hands {
            machine: &self.machine,
            chance: &mut self.chance,
            counts: &mut self.counts,
            canary: self.canary,
            now: self.now,
        };
        (self.process.as_mut(), hands)
    }

    /// A device without a link tries again after so long.
    pub(crate) fn retry_at(&mut self) -> Time {
        self.now.plus(self.chance.within(SECOND_MS..5 * SECOND_MS))
    }
}
