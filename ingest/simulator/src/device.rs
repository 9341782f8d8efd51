//! One device: something that makes messages (a logger at a plant, or a file played back) and something that delivers
//! them. Without IO: `link_up`, `handle`, `handle_timeout`, then `poll_output` until it is empty.

use plume_schemas::ids::Mn;
use plume_schemas::time::Time;

use crate::answers::AnswerReader;
use crate::from::Script;
use crate::logger::Logger;
use crate::message::Message;
use crate::obey::{Memory, Own, obey};
use crate::plant::Action;
use crate::secret::{activation, asks_for_key, given_key, given_mn};
use crate::sender::{Answered, LinkSpec, Parcel, SendCounts, Sender};

/// Two clocks. A demo runs its world at 60 times the speed, while a socket stays as slow as it is; for real devices
/// both are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The clock plants live on and packets are stamped with.
    pub world: Time,
    /// The clock of the link: for timeouts and resends. Only its differences count.
    pub wire: Time,
}

impl Moment {
    /// Both clocks are one.
    pub fn real(now: Time) -> Self {
        Self { world: now, wire: now }
    }
}

/// When a device wants to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Due {
    /// For something new to say, by the world's clock. `None`: it has nothing more to say, or must first get rid of
    /// what it has.
    pub world: Option<Time>,
    /// For a resend, by the wire's clock.
    pub wire: Option<Time>,
}

/// What a device wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes, in one write.
    Write(Vec<u8>),
    /// The platform answered this packet.
    Answered(Answered),
    /// Drop the link: resends are exhausted, or the link is down by plan.
    Close,
}

/// What a device says.
#[derive(Clone, Debug)]
enum Feed {
    Logger(Box<Logger>),
    Script(Box<Script>),
}

/// One device.
#[derive(Clone, Debug)]
pub struct Device {
    feed: Feed,
    sender: Sender,
    reader: AnswerReader,
    memory: Memory,
    up: bool,
    silent: bool,
}

impl Device {
    /// A logger at a plant. What it made before `online_from` was delivered elsewhere and is not sent.
    pub fn logger(link: LinkSpec, mut logger: Logger, online_from: Time) -> Self {
        let mut before = Vec::new();
        logger.run(online_from, &mut before);
        let mut device = Self::new(link, Feed::Logger(Box::new(logger)));
        for message in &before {
            device.memory.keep(message);
        }
        device
    }

    /// A file played back.
    pub fn script(link: LinkSpec, script: Script) -> Self {
        Self::new(link, Feed::Script(Box::new(script)))
    }

    fn new(link: LinkSpec, feed: Feed) -> Self {
        Self {
            feed,
            sender: Sender::new(link),
            reader: AnswerReader::default(),
            memory: Memory::default(),
            up: false,
            silent: false,
        }
    }

    /// 设备唯一标识.
    pub fn mn(&self) -> Mn {
        self.sender.spec().mn
    }

    /// What it has sent and what came of it.
    pub fn counts(&self) -> SendCounts {
        self.sender.counts()
    }

    /// Messages made and not yet delivered.
    pub fn undelivered(&self) -> usize {
        self.sender.undelivered()
    }

    /// The logger, if it is one.
    pub fn as_logger(&self) -> Option<&Logger> {
        match &self.feed {
            Feed::Logger(logger) => Some(logger),
            Feed::Script(_) => None,
        }
    }

    /// True when it has said everything and all of it was delivered.
    pub fn finished(&self) -> bool {
        match &self.feed {
            Feed::Logger(_) => false,
            Feed::Script(script) => script.finished() && self.sender.undelivered() == 0,
        }
    }

    /// True when it would use a link now.
    pub fn wants_link(&self, now: Time) -> bool {
        match &self.feed {
            Feed::Logger(logger) => !logger.link_down(now),
            Feed::Script(_) => true,
        }
    }

    /// Nothing new is said from now on; answers to what is in flight still count.
    pub fn stop_talking(&mut self) {
        self.silent = true;
    }

    /// True when nothing is in flight.
    pub fn settled(&self) -> bool {
        self.sender.in_flight() == 0
    }

    /// The enterprise acts (a file cannot).
    pub fn steer(&mut self, action: Action, at: Time) {
        if let Feed::Logger(logger) = &mut self.feed {
            logger.steer(action, at);
        }
    }

    /// Says something beside its data: a serial number, a line of the log.
    pub fn say(&mut self, message: Message, now: Moment) {
        self.sender.push(Parcel::Message(message));
        self.pump(now);
    }

    /// Asks the platform for a new key (1014 of 2025), saying when the one it has was made.
    pub fn ask_for_key(&mut self, created_at: Time, now: Moment) {
        let frame = asks_for_key(self.sender.spec(), created_at, now.world);
        self.sender.push(Parcel::Raw(frame));
        self.pump(now);
    }

    /// How it speaks now: the platform may have given it an MN and a key.
    pub fn spec(&self) -> &LinkSpec {
        self.sender.spec()
    }

    /// True until the platform has given it an MN: it says nothing but that it is there.
    fn is_new(&self) -> bool {
        self.sender.spec().serial.is_some()
    }

    /// The link is up.
    pub fn link_up(&mut self, now: Moment) {
        self.up = true;
        self.reader.reset();
        self.sender.link_up();
        if let Some(hello) = activation(self.sender.spec(), now.world) {
            self.sender.push(Parcel::Raw(hello));
        }
        self.handle_timeout(now);
    }

    /// The link is gone.
    pub fn link_down(&mut self) {
        self.up = false;
        self.sender.link_down();
    }

    /// Bytes came from the platform.
    pub fn handle(&mut self, bytes: &[u8], now: Moment) {
        let key = self.sender.spec().cipher.as_ref().map(|(key, _)| key.clone());
        for answer in self.reader.read(bytes, key.as_ref()) {
            match answer.cn {
                9013 | 9014 => self.sender.on_answer(&answer.qn, now.wire),
                _ => {
                    self.sender.counts_mut().commands += 1;
                    self.obey(&answer.segment, now);
                }
            }
        }
        self.sender.counts_mut().garbage_bytes = self.reader.garbage_bytes;
        self.handle_timeout(now);
    }

    /// Does what the platform orders, if a logger is there to do it.
    fn obey(&mut self, segment: &[u8], now: Moment) {
        if let Some(mn) = given_mn(segment, self.sender.spec()) {
            self.sender.activated(mn);
        }
        let Feed::Logger(logger) = &mut self.feed else {
            return;
        };
        let mn = self.sender.spec().mn;
        let own = Own {
            mn: mn.as_str(),
            local: logger.local(now.world),
            realtime_interval_s: logger.spec().realtime_interval_s,
            minute_interval_min: logger.spec().minute_interval_min,
            memory: &self.memory,
        };
        let obeyed = obey(segment, &own);
        if let Some(seconds) = obeyed.realtime_interval_s {
            logger.set_realtime_interval(seconds);
        }
        for parcel in obeyed.parcels {
            self.sender.push(parcel);
        }
        if let Some(key) = given_key(segment, mn) {
            self.sender.rekeyed(key);
        }
    }

    /// Time has passed: reads instruments, sends what is due, resends what was not answered.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.silent {
            return;
        }
        if self.is_new() {
            self.sender.on_timeout(now.wire);
            self.pump(now);
            return;
        }
        match &mut self.feed {
            Feed::Logger(logger) => {
                let mut messages = Vec::new();
                logger.run(now.world, &mut messages);
                for message in messages {
                    self.memory.keep(&message);
                    self.sender.push(Parcel::Message(message));
                }
            }
            Feed::Script(script) => {
                while self.up && self.sender.hungry() {
                    let Some(parcel) = script.next(now.world) else {
                        break;
                    };
                    self.sender.push(parcel);
                }
            }
        }
        self.sender.on_timeout(now.wire);
        self.pump(now);
    }

    fn pump(&mut self, now: Moment) {
        let local = match &self.feed {
            Feed::Logger(logger) => logger.local(now.world),
            Feed::Script(_) => now.world,
        };
        self.sender.pump(local, now.wire);
    }

    /// When to call [`Self::handle_timeout`] again.
    pub fn due(&self) -> Due {
        let world = match &self.feed {
            Feed::Logger(logger) => Some(logger.next_due()),
            Feed::Script(script) if self.up && self.sender.hungry() => script.due(),
            Feed::Script(_) => None,
        };
        Due {
            world,
            wire: self.sender.next_timeout(),
        }
    }

    /// What it wants done next.
    pub fn poll_output(&mut self, now: Time) -> Option<Output> {
        if let Some(answered) = self.sender.poll_answered() {
            return Some(Output::Answered(answered));
        }
        if self.up && (self.sender.wants_close() || !self.wants_link(now)) {
            return Some(Output::Close);
        }
        self.sender.poll_write().map(Output::Write)
    }
}
