//! One bus: whose turn it is, what to ask next, and what to do when no answer comes. Without IO and clock.
//!
//! ```text
//! step(now) ─▶ Wait | Connect | Ask      connected / refused / answered(…) ─▶ step again      poll_output ─▶ minutes
//! ```
//!
//! A round reads all of one unit, request by request. A request that gets no answer is tried again on a new connection,
//! at most `retries` times; then the round is over and the unit rests, longer each time, so that a dead unit costs its
//! neighbours little. Samples that come to nothing are kept as missing, with the reason.

use std::collections::VecDeque;
use std::sync::Arc;

use plume_schemas::time::{MINUTE_MS, Time};

use super::decode::{Image, Snapshot, decode};
use super::map::{Bus, Check, Model, Standard};
use super::minute::{Minute, Sample};
use super::plan::plan;
use super::read::{Miss, Read};
use super::report::{CheckSeen, Polled};
use crate::config::PollConfig;

/// What the caller shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this moment.
    Wait(Time),
    /// Open the connection; say [`BusCore::connected`] or [`BusCore::refused`].
    Connect,
    /// Ask; say [`BusCore::answered`]. After a miss that [`Miss::spoils_link`] the connection is to be dropped.
    Ask {
        /// Which unit.
        unit: u8,
        /// What.
        read: Read,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A unit answers, for the first time or again.
    Came(usize),
    /// A unit has not answered for some rounds.
    Gone(usize, Miss),
    /// A minute is over.
    Minute(usize, Box<Minute>),
    /// A zero or span check was made.
    Check(usize, CheckSeen),
    /// A round is over: for counting.
    Round {
        /// Of which unit.
        turn: usize,
        /// How it ended.
        outcome: Result<(), Miss>,
        /// How long after its due moment it began, milliseconds.
        late_ms: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Up,
    Down { retry_at: Time },
}

/// A unit and where it stands.
#[derive(Clone, Debug)]
struct Turn {
    device: Polled,
    reads: Vec<Read>,
    /// Next moment a sample is due.
    next: Time,
    /// Start of the minute being sampled; samples before the first whole or nearly whole minute are not reported.
    minute: Time,
    first: bool,
    samples: Vec<Sample>,
    /// Rounds in a row without an answer, and until when it rests for it.
    failures: u32,
    rests_until: Time,
    why: Miss,
    present: bool,
    silent_minutes: u32,
    triggers: Vec<Option<f64>>,
}

/// The round under way.
#[derive(Clone, Debug)]
struct Round {
    turn: usize,
    /// The sample it is for.
    slot: Time,
    next: usize,
    tries: u32,
    image: Image,
    late_ms: i64,
}

/// One bus.
#[derive(Clone, Debug)]
pub struct BusCore {
    config: Arc<PollConfig>,
    turns: Vec<Turn>,
    line: Line,
    /// Connections in a row that brought nothing.
    fruitless: u32,
    round: Option<Round>,
    outputs: VecDeque<Output>,
    chance: u64,
}

impl BusCore {
    /// A bus that begins now. `seed` spreads buses over the sampling interval and their retries in time.
    pub fn new(bus: &Bus, devices: Vec<Polled>, config: Arc<PollConfig>, now: Time, seed: u64) -> Self {
        let mut chance = seed
            ^ bus.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let interval = config.sample_interval_ms;
        let phase = i64::try_from(random(&mut chance) % interval.unsigned_abs().max(1)).unwrap_or(0);
        let minute = now.floor(MINUTE_MS);
        // The first moment of the grid that is not past.
        let passed = now.since(minute.plus(phase)).max(0);
        let next = minute.plus(phase + (passed + interval - 1) / interval * interval);
        let turn = |device: Polled| Turn {
            reads: plan(&device.model.reads(), device.model.limits),
            triggers: vec![None; device.model.checks.len()],
            device,
            next,
            minute,
            first: true,
            samples: Vec::new(),
            failures: 0,
            rests_until: now,
            why: Miss::NoLink,
            present: false,
            silent_minutes: 0,
        };
        Self {
            turns: devices.into_iter().map(turn).collect(),
            line: Line::Down { retry_at: now },
            fruitless: 0,
            round: None,
            outputs: VecDeque::new(),
            chance,
            config,
        }
    }

    /// The devices, in the order outputs number them.
    pub fn device(&self, turn: usize) -> Option<&Polled> {
        self.turns.get(turn).map(|turn| &turn.device)
    }

    /// What to do next.
    pub fn step(&mut self, now: Time) -> Step {
        self.close_minutes(now);
        if self.round.is_none() {
            self.begin_round(now);
        }
        let Some((turn, next, slot)) = self.round.as_ref().map(|round| (round.turn, round.next, round.slot)) else {
            return Step::Wait(self.due());
        };
        if let Line::Down { retry_at } = self.line {
            if retry_at <= now {
                return Step::Connect;
            }
            if retry_at >= slot.plus(self.config.sample_interval_ms) {
                self.end_round(now, Err(Miss::NoLink));
                return Step::Wait(self.due().min(retry_at));
            }
            return Step::Wait(retry_at);
        }
        let ask = self.turns.get(turn).and_then(|turn| {
            let read = *turn.reads.get(next)?;
            Some((turn.device.unit, read))
        });
        if let Some((unit, read)) = ask {
            return Step::Ask { unit, read };
        }
        self.end_round(now, Ok(()));
        Step::Wait(now)
    }

    /// The connection stands.
    pub fn connected(&mut self) {
        self.line = Line::Up;
    }

    /// It could not be opened.
    pub fn refused(&mut self, now: Time) {
        self.fruitless = self.fruitless.saturating_add(1);
        self.line = Line::Down {
            retry_at: now.plus(self.reconnect_pause()),
        };
        if self.round.is_some() {
            self.end_round(now, Err(Miss::NoLink));
        }
        if self.fruitless >= self.config.gone_after {
            self.all_gone(Miss::NoLink);
        }
    }

    /// What came of the last [`Step::Ask`]; bits are words of 0 and 1.
    pub fn answered(&mut self, answer: Result<Vec<u16>, Miss>, now: Time) {
        let Some(round) = &mut self.round else { return };
        let Some(read) = self
            .turns
            .get(round.turn)
            .and_then(|turn| turn.reads.get(round.next).copied())
        else {
            return;
        };
        match answer {
            Ok(words) => {
                self.fruitless = 0;
                round.image.put(read, Ok(words));
                (round.next, round.tries) = (round.next + 1, 0);
            }
            Err(miss) if miss.spoils_link() => self.lost(read, miss, now),
            // Busy, or still at it: worth another try. Any other no is an answer.
            Err(Miss::Exception(5 | 6)) if round.tries < self.config.retries => round.tries += 1,
            Err(miss) => {
                self.fruitless = 0;
                round.image.put(read, Err(miss));
                (round.next, round.tries) = (round.next + 1, 0);
                if miss.is_silence() {
                    self.end_round(now, Err(miss));
                }
            }
        }
    }

    /// What came of it so far.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// plume is stopping: who is there leaves. A minute that is not over is not reported, so that it is never told
    /// twice.
    pub fn stop(&mut self) {
        self.all_gone(Miss::Late);
    }

    fn all_gone(&mut self, why: Miss) {
        for (place, turn) in self.turns.iter_mut().enumerate().filter(|(_, turn)| turn.present) {
            turn.present = false;
            self.outputs.push_back(Output::Gone(place, why));
        }
    }

    /// The connection is lost in the middle of a request: asked again on a new one, or given up for this round.
    fn lost(&mut self, read: Read, miss: Miss, now: Time) {
        let silent_peer = miss == Miss::Timeout;
        if !silent_peer {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        let pause = if silent_peer || self.fruitless <= 1 {
            0
        } else {
            self.reconnect_pause()
        };
        self.line = Line::Down {
            retry_at: now.plus(pause),
        };
        let (retries, interval) = (self.config.retries, self.config.sample_interval_ms);
        let Some(round) = &mut self.round else { return };
        if round.tries < retries && now < round.slot.plus(interval) {
            round.tries += 1;
        } else {
            round.image.put(read, Err(miss));
            self.end_round(now, Err(miss));
        }
    }

    /// Reports of minutes that are over and no longer sampled.
    fn close_minutes(&mut self, now: Time) {
        let sampling = self.round.as_ref().map(|round| round.turn);
        let due = self.samples_due();
        for (place, turn) in self.turns.iter_mut().enumerate() {
            while sampling != Some(place) && now >= turn.minute.plus(MINUTE_MS) {
                turn.close_minute(place, now, due, &mut self.outputs);
            }
        }
    }

    fn samples_due(&self) -> usize {
        usize::try_from(MINUTE_MS / self.config.sample_interval_ms.max(1)).unwrap_or(1)
    }

    /// Takes the sample that has been due longest; those of units at rest, or without a line, are missing at once.
    fn begin_round(&mut self, now: Time) {
        let interval = self.config.sample_interval_ms;
        loop {
            let due = (0..self.turns.len()).filter(|&i| self.turns.get(i).is_some_and(|turn| turn.next <= now));
            let Some(place) = due.min_by_key(|&i| self.turns.get(i).map(|turn| turn.next)) else {
                return;
            };
            let waits = matches!(self.line, Line::Down { retry_at } if retry_at > now);
            let Some(turn) = self.turns.get_mut(place) else { return };
            let slot = turn.next;
            // Slots that are wholly past are not made up for: nobody gains by a burst.
            let behind = now.since(slot) / interval.max(1);
            turn.next = slot.plus((behind + 1) * interval);
            let slot = slot.plus(behind * interval);
            if slot < turn.minute {
                continue;
            }
            if waits || now < turn.rests_until {
                let why = if waits { Miss::NoLink } else { turn.why };
                turn.miss(now, why);
                continue;
            }
            self.round = Some(Round {
                turn: place,
                slot,
                next: 0,
                tries: 0,
                image: Image::default(),
                late_ms: now.since(slot),
            });
            return;
        }
    }

    fn end_round(&mut self, now: Time, outcome: Result<(), Miss>) {
        let Some(round) = self.round.take() else { return };
        let pause = self.rest_pause(round.turn);
        let gone_after = self.config.gone_after;
        let Some(turn) = self.turns.get_mut(round.turn) else {
            return;
        };
        match outcome {
            Ok(()) if round.image.heard() => {
                (turn.failures, turn.rests_until) = (0, now);
                if !turn.present {
                    turn.present = true;
                    self.outputs.push_back(Output::Came(round.turn));
                }
                let snapshot = decode(&turn.device.model, &round.image);
                turn.look_for_checks(round.turn, &snapshot, now, &mut self.outputs);
                turn.keep(now, &snapshot, round.image.why());
            }
            outcome => {
                let why = outcome.err().or(round.image.why()).unwrap_or(Miss::Late);
                turn.failures = turn.failures.saturating_add(1);
                turn.why = why;
                // Where there is no line, the pauses between tries to connect are rest enough.
                if why != Miss::NoLink {
                    turn.rests_until = now.plus(pause);
                }
                turn.miss(now, why);
                if turn.present && turn.failures >= gone_after {
                    turn.present = false;
                    self.outputs.push_back(Output::Gone(round.turn, why));
                }
            }
        }
        self.outputs.push_back(Output::Round {
            turn: round.turn,
            outcome,
            late_ms: round.late_ms,
        });
        self.close_minutes(now);
    }

    /// How long a unit rests after a round without an answer: not at all after the first, then doubling.
    fn rest_pause(&mut self, turn: usize) -> i64 {
        let failures = self.turns.get(turn).map_or(0, |turn| turn.failures);
        if failures == 0 {
            return 0;
        }
        let pause = self.config.sample_interval_ms.saturating_mul(1 << failures.min(16));
        self.jittered(pause.min(self.config.rest_max_ms))
    }

    fn reconnect_pause(&mut self) -> i64 {
        let doubled = self
            .config
            .reconnect_min_ms
            .saturating_mul(1 << self.fruitless.saturating_sub(1).min(16));
        self.jittered(doubled.min(self.config.reconnect_max_ms))
    }

    /// Between three quarters and five quarters, so that what broke together does not come back together.
    fn jittered(&mut self, pause: i64) -> i64 {
        let spread = (pause / 2).unsigned_abs().max(1);
        pause - pause / 4 + i64::try_from(random(&mut self.chance) % spread).unwrap_or(0)
    }

    /// When something is due.
    fn due(&self) -> Time {
        let turns = self.turns.iter();
        let next = turns.map(|turn| turn.next.min(turn.minute.plus(MINUTE_MS))).min();
        next.unwrap_or(Time(i64::MAX))
    }
}

impl Turn {
    fn miss(&mut self, at: Time, why: Miss) {
        self.samples.push(Sample {
            at,
            points: Err(why),
            partly: None,
            maker_flag: plume_schemas::ids::Inline::default(),
            clock: None,
        });
    }

    fn keep(&mut self, at: Time, snapshot: &Snapshot, partly: Option<Miss>) {
        self.samples.push(Sample {
            at,
            points: Ok(self.device.series.points(&self.device.model, snapshot)),
            partly,
            maker_flag: snapshot.maker_flag,
            clock: snapshot.clock,
        });
    }

    fn close_minute(&mut self, place: usize, now: Time, due: usize, outputs: &mut VecDeque<Output>) {
        let mut minute = Minute {
            start: self.minute,
            due,
            samples: std::mem::take(&mut self.samples),
            silent_before: None,
        };
        // A minute that began before plume did is told only if it is whole enough to count.
        let begun_late = std::mem::take(&mut self.first) && minute.samples.len() * 4 < due * 3;
        // After a jump of the clock the minutes in between have no samples.
        self.minute = self.minute.plus(MINUTE_MS).max(if minute.samples.is_empty() {
            now.floor(MINUTE_MS)
        } else {
            minute.start.plus(MINUTE_MS)
        });
        if minute.heard() && !begun_late {
            minute.silent_before = (self.silent_minutes > 0).then_some((self.silent_minutes, self.why));
            self.silent_minutes = 0;
            outputs.push_back(Output::Minute(place, Box::new(minute)));
        } else if !begun_late {
            let minutes = self.minute.since(minute.start) / MINUTE_MS;
            self.silent_minutes = self.silent_minutes.saturating_add(u32::try_from(minutes).unwrap_or(1));
        }
    }

    /// Tells of checks whose trigger has changed since it was last seen.
    fn look_for_checks(&mut self, place: usize, snapshot: &Snapshot, at: Time, outputs: &mut VecDeque<Output>) {
        let model = Arc::clone(&self.device.model);
        for (check, last) in model.checks.iter().zip(&mut self.triggers) {
            let number = |place: usize| snapshot.cells.get(place).and_then(super::value::Cell::number);
            let Some(trigger) = number(check.trigger) else { continue };
            let before = last.replace(trigger);
            let changed = before.is_some_and(|before| before.total_cmp(&trigger).is_ne());
            if changed && let Some(seen) = check_seen(&model, check, number, at) {
                outputs.push_back(Output::Check(place, seen));
            }
        }
    }
}

fn check_seen(model: &Model, check: &Check, number: impl Fn(usize) -> Option<f64>, at: Time) -> Option<CheckSeen> {
    Some(CheckSeen {
        at,
        factor: check.factor,
        reading: number(check.reading)?,
        standard: match check.standard {
            Standard::Value(value) => value,
            Standard::Register(place) => number(place)?,
        },
        unit: model.registers.get(check.reading)?.unit,
        decimals: model.registers.get(check.reading)?.decimals,
    })
}

/// The next number of a splitmix64 generator (Steele, Lea, Flood 2014): enough to spread retries.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
