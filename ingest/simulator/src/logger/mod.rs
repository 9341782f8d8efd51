//! The logger (数采仪): reads the instruments every 5 s and makes messages of them, by its own clock.

mod print;
mod stats;

pub use stats::PeriodFlag;

use plume_schemas::reading::Flag;
use plume_schemas::report::Dialect;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Time};

use crate::message::{Keep, Message};
use crate::plant::{Action, Plant, SAMPLE_STEP_MS, Sample};
use print::Printer;
use stats::{Stat, Tally, corrected};

/// What a logger reports, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggerSpec {
    /// The edition it speaks.
    pub dialect: Dialect,
    /// Seconds between real-time packets (RtdInterval, 30 to 3600); `None`: none are sent.
    pub realtime_interval_s: Option<u32>,
    /// Minutes covered by one minute packet (MinInterval: 1 2 3 4 5 6 10 12 15 20 30); `None`: none are sent.
    pub minute_interval_min: Option<u8>,
    /// Sends hour packets.
    pub hours: bool,
    /// Sends day packets.
    pub days: bool,
    /// How a period that is not normal is flagged.
    pub period_flag: PeriodFlag,
    /// Treatment equipment (`SB1`): its state is sent every hour, its running time every day.
    pub equipment: Vec<String>,
    /// Sends 2081 when it starts.
    pub reports_restart: bool,
    /// From the end of a period until its packet is made, milliseconds.
    pub send_delay_ms: i64,
}

impl LoggerSpec {
    /// Real-time every 30 s, minutes, hours and days, in this edition.
    pub fn usual(dialect: Dialect) -> Self {
        Self {
            dialect,
            realtime_interval_s: Some(30),
            minute_interval_min: Some(1),
            hours: true,
            days: true,
            period_flag: PeriodFlag::Standard,
            equipment: Vec::new(),
            reports_restart: false,
            send_delay_ms: 500,
        }
    }
}

/// A logger at a plant.
#[derive(Clone, Debug)]
pub struct Logger {
    spec: LoggerSpec,
    plant: Plant,
    printer: Printer,
    /// The next sample to read, on the plant's grid.
    next: Time,
    running: bool,
    realtime_from: Option<Time>,
    minute: Level,
    packet: Level,
    hour: Level,
    day: Level,
}

/// A period being filled.
#[derive(Clone, Debug)]
struct Level {
    /// Length of a period, milliseconds.
    length_ms: i64,
    /// Sub-values due in one.
    due: u32,
    /// Start of the open one, by the logger's clock.
    start: Option<Time>,
    tallies: Vec<Tally>,
}

impl Level {
    fn new(length_ms: i64, sub_ms: i64, channels: usize) -> Self {
        Self {
            length_ms,
            due: u32::try_from(length_ms / sub_ms).unwrap_or(1),
            start: None,
            tallies: vec![Tally::default(); channels],
        }
    }

    fn add(&mut self, at: Time, subs: &[Option<Stat>]) {
        self.start.get_or_insert(at.floor(self.length_ms));
        for (tally, sub) in self.tallies.iter_mut().zip(subs) {
            if let Some(sub) = sub {
                tally.add(sub);
            }
        }
    }

    /// Closes the open period if `now` is in another one.
    fn close(&mut self, now: Time, rule: PeriodFlag) -> Option<(Time, Vec<Option<Stat>>)> {
        let start = self.start.filter(|start| now.floor(self.length_ms) != *start)?;
        self.start = None;
        let channels = self.tallies.len();
        let tallies = std::mem::replace(&mut self.tallies, vec![Tally::default(); channels]);
        Some((start, tallies.iter().map(|tally| tally.close(self.due, rule)).collect()))
    }
}

impl Logger {
    /// A logger that begins to read at `since` (on the plant's 5 s grid, rounded up).
    pub fn new(spec: LoggerSpec, plant: Plant, since: Time) -> Self {
        let channels = plant.spec().analysers.len();
        let packet_ms = i64::from(spec.minute_interval_min.unwrap_or(1)) * MINUTE_MS;
        let origin = plant.spec().origin;
        let behind = since.since(origin).rem_euclid(SAMPLE_STEP_MS);
        let next = if behind == 0 {
            since
        } else {
            since.plus(SAMPLE_STEP_MS - behind)
        };
        Self {
            printer: Printer::new(spec.dialect, plant.spec()),
            next,
            running: false,
            realtime_from: None,
            minute: Level::new(MINUTE_MS, SAMPLE_STEP_MS, channels),
            packet: Level::new(packet_ms, MINUTE_MS, channels),
            hour: Level::new(HOUR_MS, MINUTE_MS, channels),
            day: Level::new(DAY_MS, HOUR_MS, channels),
            spec,
            plant,
        }
    }

    /// The logger's clock at `now`.
    pub fn local(&self, now: Time) -> Time {
        now.plus(self.plant.clock_ahead_ms(now))
    }

    /// True while it has no link.
    pub fn link_down(&self, now: Time) -> bool {
        self.plant.link_down(now)
    }

    /// What it reports, and how.
    pub fn spec(&self) -> &LoggerSpec {
        &self.spec
    }

    /// The platform wants real-time data so often (1062).
    pub fn set_realtime_interval(&mut self, seconds: u32) {
        self.spec.realtime_interval_s = Some(seconds.max(1));
    }

    /// The plant it is at.
    pub fn plant(&self) -> &Plant {
        &self.plant
    }

    /// The enterprise acts.
    pub fn steer(&mut self, action: Action, at: Time) {
        self.plant.steer(action, at);
    }

    /// The next moment at which it may have something to say.
    pub fn next_due(&self) -> Time {
        let step = match self.spec.realtime_interval_s {
            Some(seconds) => (i64::from(seconds.max(1)) * SECOND_MS).min(MINUTE_MS),
            None => MINUTE_MS,
        };
        let local = self.local(self.next);
        let boundary = local.floor(step);
        let wait = if boundary == local {
            0
        } else {
            boundary.plus(step).since(local)
        };
        self.next.plus(wait + self.spec.send_delay_ms)
    }

    /// Reads all samples up to `now` and gives the messages they complete, in order.
    pub fn run(&mut self, now: Time, out: &mut Vec<Message>) {
        while self.next.plus(self.spec.send_delay_ms) <= now {
            let at = self.next;
            self.next = at.plus(SAMPLE_STEP_MS);
            if self.plant.power_off(at) {
                self.running = false;
                continue;
            }
            let local = self.local(at);
            if !self.running {
                self.running = true;
                if self.spec.reports_restart {
                    out.push(Message::restarted(local));
                }
            }
            self.read(at, local, out);
        }
    }

    fn read(&mut self, at: Time, local: Time, out: &mut Vec<Message>) {
        self.close_periods(local, out);
        let subs = self.samples(at);
        self.minute.add(local, &subs);
        let Some(seconds) = self.spec.realtime_interval_s else {
            return;
        };
        let interval = local.floor(i64::from(seconds.max(1)) * SECOND_MS);
        let first = self.realtime_from.is_none();
        if self.realtime_from.replace(interval) != Some(interval) && !(first && interval != local) {
            let mut message = self.printer.realtime(local, &subs);
            message.keep = Keep::Drop;
            out.push(message);
        }
    }

    /// What the instruments show, each with its corrected value.
    fn samples(&mut self, at: Time) -> Vec<Option<Stat>> {
        let Sample { channels, .. } = self.plant.at(at);
        let o2 = channels
            .iter()
            .find(|channel| channel.factor.as_str() == crate::codes::OXYGEN)
            .map(|channel| channel.value.to_f64());
        let printer = &self.printer;
        channels
            .iter()
            .map(|channel| {
                let reference = printer.reference_o2(channel.factor);
                let converted = reference.zip(o2).and_then(|(to, o2)| corrected(channel.value, o2, to));
                Some(Stat::sample(channel.value.mantissa, converted, channel.flag))
            })
            .collect()
    }

    fn close_periods(&mut self, local: Time, out: &mut Vec<Message>) {
        let rule = self.spec.period_flag;
        if let Some((start, minute)) = self.minute.close(local, rule) {
            self.packet.add(start, &minute);
            self.hour.add(start, &minute);
        }
        let packet = self.packet.close(local, rule);
        if let Some((start, mut stats)) = packet.filter(|_| self.spec.minute_interval_min.is_some()) {
            self.printer.fill_totals(self.packet.length_ms, &mut stats);
            out.push(self.printer.period(2051, start, &stats));
        }
        if let Some((start, mut stats)) = self.hour.close(local, rule) {
            self.printer.fill_totals(HOUR_MS, &mut stats);
            self.day.add(start, &stats);
            if self.spec.hours {
                out.push(self.printer.period(2061, start, &stats));
            }
            if !self.spec.equipment.is_empty() {
                out.push(Message::equipment_state(local, &self.spec.equipment, 1));
            }
        }
        if let Some((start, stats)) = self.day.close(local, rule) {
            if self.spec.days {
                out.push(self.printer.period(2031, start, &stats));
            }
            if !self.spec.equipment.is_empty() {
                let hours = running_hours(&stats);
                out.push(Message::equipment_hours(start, &self.spec.equipment, &hours));
            }
        }
    }
}

/// Equipment runs whenever the plant does: a whole day when its data are, else unknown and given as none.
fn running_hours(stats: &[Option<Stat>]) -> String {
    let whole = stats.iter().flatten().any(|stat| stat.flag == Flag::Normal);
    if whole { "24.00".to_owned() } else { "0.00".to_owned() }
}
