//! What can only be checked when a world has ended.

use std::collections::{HashMap, HashSet};

use plume_bus::Topic;
use plume_detect::{Engine, Out, Partition};
use plume_schemas::dedupe::{Dedupe, Horizons, Packet, Seen};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{ContentId, FactorCode, Mn, OutletId};
use plume_schemas::reading::{Basis, Reading, ReportKind, Statistic};
use plume_schemas::report::Report;
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};
use plume_schemas::wire::{decode_event, encode_event, encode_judgement};

use crate::broken::{Held, Promise, hold};
use crate::canary::Canary;
use crate::machine::{Manner, Round};
use crate::roles::at;
use crate::witness::identity;
use crate::world::World;

/// Far enough back, and sharp enough, for a naive memory to agree in every case.
const HORIZONS: Horizons = Horizons {
    realtime_ms: 30 * DAY_MS,
    day_ms: 30 * DAY_MS,
    other_ms: 30 * DAY_MS,
    sharp_reports: 100_000,
};

/// A packet's place in the world: device, CN, QN, part, bytes, outlet.
pub(crate) type PacketKey = (Mn, u16, String, (u16, u16), ContentId, OutletId);
/// A reading's place in the world, with which one it is of several with the same name in one report.
pub(crate) type ReadingKey = (
    Mn,
    String,
    ReportKind,
    OutletId,
    Time,
    FactorCode,
    Statistic,
    Basis,
    usize,
);

impl World {
    /// The end: everything is worked off, then every promise about the whole is checked.
    pub(crate) fn finish(&mut self) -> Held {
        self.look(false)?;
        let Some(process) = &self.process else {
            return hold(false, Promise::Heals, self.now, || {
                "plume is down though nothing troubles it".to_owned()
            });
        };
        for partition in 0..process.bus.partitions() {
            let round = self.machine.judge(&process.bus, partition, Manner::Orderly);
            hold(round == Round::Done, Promise::Heals, self.now, || {
                format!("the judge does not finish: {round:?}")
            })?;
        }
        self.look(true)?;
        self.check_healed()?;
        self.check_origin()?;
        self.check_readings()?;
        self.check_repeats()?;
        self.check_values()?;
        self.check_events()?;
        self.check_judge()?;
        self.check_archive()?;
        self.count_up();
        Ok(())
    }

    fn check_healed(&self) -> Held {
        for station in self.stations.iter().filter(|station| station.is_polite()) {
            let behind_ms = self.now.since(station.last_empty);
            hold(behind_ms <= 3 * MINUTE_MS, Promise::Heals, self.now, || {
                let device = &station.role.device;
                format!(
                    "{} has {} messages undelivered since {}",
                    device.mn(),
                    device.undelivered(),
                    station.last_empty
                )
            })?;
        }
        Ok(())
    }

    /// Every packet of a polite device in the log is one it wrote.
    fn check_origin(&self) -> Held {
        let written: HashSet<ContentId> = self
            .stations
            .iter()
            .flat_map(|station| &station.written)
            .copied()
            .collect();
        let polite = self.polite();
        for report in self
            .reports()
            .filter(|report| report.evidence.share.0 == 0 && polite.contains(&report.origin.mn))
        {
            let packet = identity(&report.evidence.raw);
            hold(written.contains(&packet), Promise::NothingInvented, self.now, || {
                format!("{report:?}")
            })?;
        }
        Ok(())
    }

    pub(crate) fn reports(&self) -> impl Iterator<Item = &Report> {
        let entries = self.witness.entries.values().flatten();
        entries.filter_map(|entry| match &entry.body {
            EntryBody::Report(report) => Some(&**report),
            _ => None,
        })
    }

    /// The shared dedupe against a memory that simply keeps everything.
    fn check_readings(&mut self) -> Held {
        let mut dedupe = Dedupe::new(HORIZONS);
        let mut packets: HashMap<PacketKey, u32> = HashMap::new();
        let mut standing: HashMap<ReadingKey, Reading> = HashMap::new();
        let (mut repeats, mut revised) = (0, 0);
        let now = self.now;
        let forgetful = self.canary == Some(Canary::NoDedupe);
        for report in self.reports() {
            let seen = if forgetful {
                Dedupe::new(HORIZONS).see(report)
            } else {
                dedupe.see(report)
            };
            let known = packets.entry(packet_key(report)).or_default();
            let expected = if *known == 0 { Packet::New } else { Packet::Repeat };
            *known += 1;
            hold(seen.packet == expected, Promise::ReadingsOnce, now, || {
                format!(
                    "{:?} is {:?}, and should be {expected:?}",
                    packet_key(report),
                    seen.packet
                )
            })?;
            if expected == Packet::Repeat {
                repeats += 1;
                continue;
            }
            for (place, (reading, seen)) in report.readings.iter().zip(&seen.readings).enumerate() {
                let key = reading_key(report, place);
                let expected = match standing.insert(key.clone(), *reading) {
                    None => "new",
                    Some(before) if before == *reading => "identical",
                    Some(_) => "revised",
                };
                let said = match seen {
                    Seen::New => "new",
                    Seen::Identical => "identical",
                    Seen::Revised(_) => "revised",
                };
                revised += u64::from(said == "revised");
                hold(said == expected, Promise::ReadingsOnce, now, || {
                    format!("{key:?} is {said}, should be {expected}")
                })?;
            }
        }
        self.counts.repeats += repeats;
        self.counts.revised += revised;
        Ok(())
    }

    /// A polite device's packet is one packet, whichever way its copies came.
    fn check_repeats(&self) -> Held {
        let polite = self.polite();
        let mut known: HashMap<(ContentId, OutletId), ContentId> = HashMap::new();
        let mut packet = ContentId::default();
        for report in self.reports().filter(|report| polite.contains(&report.origin.mn)) {
            if report.evidence.share.0 == 0 {
                packet = identity(&report.evidence.raw);
            }
            let id = report.evidence.packet;
            let first = *known.entry((packet, report.outlet)).or_insert(id);
            hold(first == id, Promise::RepeatsKnown, self.now, || {
                format!(
                    "{first} and {id} are the same packet: {}",
                    String::from_utf8_lossy(&report.evidence.raw)
                )
            })?;
        }
        Ok(())
    }

    fn polite(&self) -> HashSet<Mn> {
        let polite = self.stations.iter().filter(|station| station.is_polite());
        polite.map(|station| station.role.device.mn()).collect()
    }

    /// Values of polite devices arrive digit by digit: the text of the packet, cut apart here, against the readings.
    fn check_values(&self) -> Held {
        let polite = self.polite();
        for report in self
            .reports()
            .filter(|report| report.evidence.share.0 == 0 && polite.contains(&report.origin.mn))
        {
            for (name, text) in values_in(&report.evidence.raw) {
                let Some((factor, statistic, basis)) = name_of(name) else {
                    continue;
                };
                let found = report.readings.iter().any(|reading| {
                    (reading.factor.as_str(), reading.statistic, reading.basis) == (factor, statistic, basis)
                        && reading
                            .value
                            .decimal()
                            .is_some_and(|decimal| decimal.to_string() == text)
                });
                hold(found, Promise::ValuesAsSent, self.now, || {
                    format!("{name}={text} is not in {report:?}")
                })?;
            }
        }
        Ok(())
    }

    fn check_events(&self) -> Held {
        let mut ids = HashSet::new();
        for partition in 0..self.machine.options.partitions {
            for record in self
                .witness
                .lines
                .get(&at(Topic::Events, partition))
                .into_iter()
                .flatten()
            {
                let event = decode_event(&record.payload).unwrap();
                hold(ids.insert(event.id), Promise::EventsOnce, self.now, || {
                    format!("twice: {event:?}")
                })?;
            }
        }
        Ok(())
    }

    /// What was said, with all the restarts in between, is what one judge says who reads the log from end to end.
    fn check_judge(&self) -> Held {
        let count = self.machine.options.partitions;
        for (&partition, entries) in &self.witness.entries {
            let mut engine = Engine::new(
                self.machine.settings.clone(),
                Partition {
                    index: partition,
                    count,
                },
            );
            let mut out = Out::default();
            for entry in entries {
                engine.step(entry, &mut out);
            }
            let judgements: Vec<Vec<u8>> = out.judgements.iter().map(encode_judgement).collect();
            let events: Vec<Vec<u8>> = out.events.iter().map(encode_event).collect();
            self.compare(Topic::Judgements, partition, &judgements)?;
            self.compare(Topic::Events, partition, &events)?;
        }
        Ok(())
    }

    fn compare(&self, topic: Topic, partition: u32, expected: &[Vec<u8>]) -> Held {
        let line = at(topic, partition);
        let said = self.witness.lines.get(&line).map(Vec::as_slice).unwrap_or_default();
        let differs = said
            .iter()
            .zip(expected)
            .position(|(said, expected)| said.payload != *expected);
        hold(differs.is_none(), Promise::JudgeRepeats, self.now, || {
            format!("{line} differs at {differs:?}")
        })?;
        hold(said.len() == expected.len(), Promise::JudgeRepeats, self.now, || {
            format!(
                "{line} has {} records, an uninterrupted judge says {}",
                said.len(),
                expected.len()
            )
        })
    }

    fn count_up(&mut self) {
        let lines = |topic: Topic| {
            let of_topic = self.witness.lines.iter().filter(move |(line, _)| line.topic == topic);
            of_topic.map(|(_, records)| records.len() as u64).sum::<u64>()
        };
        let (judgements, events) = (lines(Topic::Judgements), lines(Topic::Events));
        let records = self.witness.lines.values().map(|records| records.len() as u64).sum();
        self.counts.judgements = judgements;
        self.counts.events = events;
        self.counts.records = records;
        self.counts.acked = self.stations.iter().map(|station| station.acked.len() as u64).sum();
        let released = self
            .process
            .as_ref()
            .map(|process| process.bus.stats().released_segments);
        self.counts.released_segments += released.unwrap_or(0);
    }
}

pub(crate) fn packet_key(report: &Report) -> PacketKey {
    let evidence = &report.evidence;
    let qn = evidence.qn.as_str().to_owned();
    (
        report.origin.mn,
        evidence.cn,
        qn,
        evidence.part,
        evidence.packet,
        report.outlet,
    )
}

pub(crate) fn reading_key(report: &Report, place: usize) -> ReadingKey {
    let reading = &report.readings[place];
    let same = |other: &&Reading| {
        (other.factor, other.statistic, other.basis) == (reading.factor, reading.statistic, reading.basis)
    };
    let nth = report.readings[..place].iter().filter(same).count();
    (
        report.origin.mn,
        report.origin.st.as_str().to_owned(),
        report.kind,
        report.outlet,
        report.times.measured_at,
        reading.factor,
        reading.statistic,
        reading.basis,
        nth,
    )
}

/// `a21026-Avg`, `23.61` … of a packet.
fn values_in(packet: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let text = std::str::from_utf8(packet).unwrap_or_default();
    let cp = text.split_once("CP=&&").map_or("", |(_, cp)| cp);
    let cp = cp.split_once("&&").map_or("", |(cp, _)| cp);
    cp.split([';', ',']).filter_map(|field| field.split_once('='))
}

/// What a field's name means, for those the world checks.
fn name_of(name: &str) -> Option<(&str, Statistic, Basis)> {
    let (factor, sub) = name.split_once('-')?;
    let is_air = factor.len() == 6 && factor.starts_with('a');
    let (basis, sub) = match sub.strip_prefix("Zs") {
        Some(sub) => (Basis::Corrected, sub),
        None => (Basis::Standard, sub),
    };
    let statistic = match sub {
        "Rtd" => Statistic::Sample,
        "Min" => Statistic::Min,
        "Avg" => Statistic::Mean,
        "Max" => Statistic::Max,
        "Cou" => Statistic::Total,
        _ => return None,
    };
    is_air.then_some((factor, statistic, basis))
}
