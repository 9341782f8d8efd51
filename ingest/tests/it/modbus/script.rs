//! A bus driven by hand: devices are tables of words, time is a number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plume_ingest::config::PollConfig;
use plume_ingest::modbus::bus::{BusCore, Output, Step};
use plume_ingest::modbus::map::{Site, load_site};
use plume_ingest::modbus::read::{Miss, Read, Table};
use plume_ingest::modbus::report::Polled;
use plume_schemas::time::Time;

use crate::bench::{catalogue, time};

/// The `[modbus]` section as in `deploy/default.toml`.
pub(super) fn poll_config() -> PollConfig {
    toml::from_str(include_str!("../../data/modbus.toml")).unwrap()
}

/// A site of one model, checked.
pub(super) fn site(site: &str, map: &str) -> Site {
    let models = BTreeMap::from([("model".to_owned(), map.to_owned())]);
    load_site(site, &models, &catalogue()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// One unit for each MN, all of one model, on one bus.
pub(super) fn units(mns: &[&str]) -> String {
    let unit =
        |(number, mn): (usize, &&str)| format!("[[bus.unit]]\nunit = {}\nmn = \"{mn}\"\nuse = \"model\"\n", number + 1);
    let all: Vec<String> = mns.iter().enumerate().map(unit).collect();
    format!(
        "[[bus]]\nname = \"b\"\nconnect = \"tcp://127.0.0.1:502\"\n{}",
        all.concat()
    )
}

/// What a unit answers: words by table and address, or a miss to everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    pub(super) words: HashMap<(Table, u16), u16>,
    pub(super) miss: Option<Miss>,
}

impl Unit {
    pub(super) fn put(&mut self, table: Table, address: u16, words: &[u16]) {
        for (at, &word) in (address..).zip(words) {
            self.words.insert((table, at), word);
        }
    }

    pub(super) fn answer(&self, read: Read) -> Result<Vec<u16>, Miss> {
        if let Some(miss) = self.miss {
            return Err(miss);
        }
        let word = |address: u32| self.words.get(&(read.table, u16::try_from(address).unwrap())).copied();
        let words: Option<Vec<u16>> = (u32::from(read.address)..read.end()).map(word).collect();
        words.ok_or(Miss::Exception(2))
    }
}

/// A core, its devices and its clock.
pub(super) struct Script {
    pub(super) core: BusCore,
    pub(super) now: Time,
    pub(super) units: HashMap<u8, Unit>,
    /// False: the bus cannot be opened.
    pub(super) reachable: bool,
    /// Milliseconds of an answer, of a timeout, of a refused connection.
    pub(super) answer_ms: i64,
    pub(super) timeout_ms: i64,
    pub(super) connects: Vec<Time>,
    /// What was asked, when, and what came.
    pub(super) asked: Vec<(Time, u8, Read, Result<(), Miss>)>,
    pub(super) outputs: Vec<(Time, Output)>,
}

impl Script {
    pub(super) fn new(site: &Site, config: PollConfig, now: &str) -> Self {
        let bus = &site.buses[0];
        let devices = bus.units.iter().map(|unit| Polled::new(unit, &catalogue())).collect();
        let now = time(now);
        Self {
            core: BusCore::new(bus, devices, Arc::new(config), now, 1),
            now,
            units: bus.units.iter().map(|unit| (unit.unit, Unit::default())).collect(),
            reachable: true,
            answer_ms: 10,
            timeout_ms: 1_000,
            connects: Vec::new(),
            asked: Vec::new(),
            outputs: Vec::new(),
        }
    }

    pub(super) fn unit(&mut self, unit: u8) -> &mut Unit {
        self.units.get_mut(&unit).unwrap()
    }

    /// Runs until `end`; nothing may take longer than a step a millisecond.
    pub(super) fn run(&mut self, end: Time) {
        let mut steps = 0;
        while self.now < end {
            steps += 1;
            assert!(steps < 1_000_000, "the core never rests at {}", self.now);
            match self.core.step(self.now) {
                Step::Wait(until) => self.now = until.max(self.now).min(end),
                Step::Connect => self.connect(),
                Step::Ask { unit, read } => self.ask(unit, read),
            }
            while let Some(output) = self.core.poll_output() {
                self.outputs.push((self.now, output));
            }
        }
    }

    fn connect(&mut self) {
        self.connects.push(self.now);
        self.now = self.now.plus(1);
        if self.reachable {
            self.core.connected();
        } else {
            self.core.refused(self.now);
        }
    }

    fn ask(&mut self, unit: u8, read: Read) {
        let asked_at = self.now;
        let answer = if self.reachable {
            self.units[&unit].answer(read)
        } else {
            Err(Miss::Broken)
        };
        let took = if answer == Err(Miss::Timeout) {
            self.timeout_ms
        } else {
            self.answer_ms
        };
        self.now = self.now.plus(took);
        self.asked
            .push((asked_at, unit, read, answer.as_ref().map(|_| ()).map_err(|miss| *miss)));
        self.core.answered(answer, self.now);
    }

    pub(super) fn stop(&mut self) {
        self.core.stop();
        while let Some(output) = self.core.poll_output() {
            self.outputs.push((self.now, output));
        }
    }
}
