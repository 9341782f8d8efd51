//! The state machine of orders: one at a time for each device, on its newest link, with the timeouts and resends of
//! table 1 of the standard. Without IO: what was heard, ordered and what time it is go in; bytes and results come out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use plume_schemas::ids::{Inline, Mn};
use plume_schemas::report::Dialect;
use plume_schemas::time::Time;

use super::command::{Command, CommandResult, Outcome};
use super::heard::Heard;
use super::leaving::{is_notice, leaving};
use super::order::{guarded, is_given};
use crate::hj212::sm4::KeyRing;

/// Devices kept in mind: more than any bureau has, so that unregistered ones cannot fill the memory.
pub const MAX_DEVICES: usize = 100_000;
/// Links of one device kept in mind, the newest: a device behind a flapping link leaves dead ones behind.
const MAX_LINKS: usize = 8;
/// Fields a device told that are kept of one order.
const MAX_TOLD: usize = 64;
/// Who asks for the time to be set when a device did (1013).
pub const BY_DEVICE: &str = "device (1013)";
/// Who asks for a new key when a device did (1014).
pub const BY_DEVICE_FOR_KEY: &str = "device (1014)";
/// The system code of orders to a device that has not said its own: air pollution source.
const USUAL_ST: &str = "31";

/// How orders are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long an answer is waited for, milliseconds (table 1: 10 s on mobile networks).
    pub timeout_ms: i64,
    /// How often an order is sent again (table 1: 3).
    pub resends: u32,
    /// The longest one order may take, milliseconds: a device that goes on sending holds up the others.
    pub longest_ms: i64,
    /// Orders waiting for one device.
    pub max_waiting: usize,
    /// 1013 is followed by 1012.
    pub set_time_when_asked: bool,
}

/// What the host has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes to the link with this epoch.
    Send {
        /// For whom they are.
        mn: Mn,
        /// Which link.
        epoch: u64,
        /// One frame.
        bytes: Vec<u8>,
    },
    /// Record what came of an order.
    Ended(CommandResult),
    /// Record this order, which plume gives by itself; it comes back like any other.
    Wanted(Command),
}

/// What was sent, and what is waited for.
#[derive(Debug)]
struct Running {
    command: Command,
    epoch: u64,
    qn: String,
    bytes: Vec<u8>,
    sent: u32,
    /// 9011 or data came.
    taken: bool,
    deadline: Time,
    last: Time,
    packets: u32,
    told: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Device {
    links: BTreeSet<u64>,
    /// Those of `links` that another process holds.
    elsewhere: BTreeSet<u64>,
    speaks: Option<(Dialect, Inline<15>)>,
    /// It has spoken since its newest link was opened.
    fresh: bool,
    st: Inline<3>,
    waiting: VecDeque<Command>,
    running: Option<Running>,
}

impl Device {
    /// True where another process holds the newest link: then that one carries out the orders.
    fn is_elsewhere(&self) -> bool {
        self.links.last().is_some_and(|newest| self.elsewhere.contains(newest))
    }

    /// True while an order of this number runs or waits.
    fn awaits(&self, cn: u16) -> bool {
        let running = self.running.iter().map(|running| &running.command);
        running.chain(&self.waiting).any(|command| command.cn == cn)
    }

    /// When an order that waits is given up. One that another process should carry out waits until that one must have
    /// said what came of it: only where it did not, for it is no more, does this one.
    fn gives_up_at(&self, command: &Command, rules: &Rules) -> Time {
        let theirs_ms = if self.is_elsewhere() { rules.longest_ms } else { 0 };
        command.expires_at.plus(theirs_ms)
    }
}

/// The exchange with all devices.
#[derive(Debug)]
pub struct Exchange {
    rules: Rules,
    devices: BTreeMap<Mn, Device>,
    /// Devices with an order.
    busy: BTreeSet<Mn>,
    outputs: VecDeque<Output>,
    last_qn: Time,
    keys: Arc<KeyRing>,
}

impl Exchange {
    /// An exchange that knows no device yet. New keys and passwords that devices are to be told lie ready in `keys`
    /// before the order is given.
    pub fn new(rules: Rules, keys: Arc<KeyRing>) -> Self {
        Self {
            rules,
            keys,
            devices: BTreeMap::new(),
            busy: BTreeSet::new(),
            outputs: VecDeque::new(),
            last_qn: Time(i64::MIN),
        }
    }

    /// A device was seen on a link.
    pub fn came(&mut self, mn: Mn, epoch: u64, now: Time) {
        let known = self.devices.contains_key(&mn);
        if !known && self.devices.len() >= MAX_DEVICES {
            return;
        }
        let device = self.devices.entry(mn).or_default();
        device.fresh &= !device.links.insert(epoch);
        if device.links.len() > MAX_LINKS
            && let Some(oldest) = device.links.pop_first()
        {
            device.elsewhere.remove(&oldest);
        }
        self.start(mn, now);
    }

    /// A logger without an MN of its own is to be given this one: it is reached on the link it asked on.
    pub fn introduce(&mut self, mn: Mn, epoch: u64, (password, st): (Inline<15>, Inline<3>), now: Time) {
        if self.devices.contains_key(&mn) || self.devices.len() < MAX_DEVICES {
            let device = self.devices.entry(mn).or_default();
            device.speaks = Some((Dialect::Hj2025, password));
            device.st = st;
            self.came(mn, epoch, now);
        }
    }

    /// A device was seen on a link that another process holds: that one carries out its orders while it is the newest.
    pub fn came_elsewhere(&mut self, mn: Mn, epoch: u64, now: Time) {
        if let Some(device) = self.devices.get_mut(&mn) {
            device.elsewhere.insert(epoch);
        } else if self.devices.len() < MAX_DEVICES {
            self.devices.entry(mn).or_default().elsewhere.insert(epoch);
        }
        self.came(mn, epoch, now);
    }

    /// Another process has said what came of an order.
    pub fn settled(&mut self, result: &CommandResult) {
        if let Some(device) = self.devices.get_mut(&result.mn) {
            device.waiting.retain(|command| command.id != result.id);
            self.rest(result.mn);
        }
    }

    /// A link of a device has ended, or this process does not hold it. What ran on it begins again on the next one.
    pub fn gone(&mut self, mn: Mn, epoch: u64, now: Time) {
        let Some(device) = self.devices.get_mut(&mn) else {
            return;
        };
        device.links.remove(&epoch);
        device.elsewhere.remove(&epoch);
        if let Some(running) = device.running.take_if(|running| running.epoch == epoch) {
            device.waiting.push_front(running.command);
        }
        if device.links.is_empty() && device.waiting.is_empty() && device.running.is_none() {
            self.devices.remove(&mn);
        }
        self.start(mn, now);
    }

    /// Something is to be asked of a device.
    pub fn order(&mut self, command: Command, now: Time) {
        let mn = command.mn;
        // Whatever stands in the log: what is no order is not sent, least of all an answer.
        if guarded(command.cn).is_some() {
            if command.permit.is_none() {
                return self.ended(&command, Outcome::NotPermitted, now, 0, Vec::new());
            }
        } else if !is_given(command.cn) {
            let why = format!("CN {} is no order that plume gives", command.cn);
            return self.ended(&command, Outcome::Unwritable { why }, now, 0, Vec::new());
        }
        if !self.devices.contains_key(&mn) && self.devices.len() >= MAX_DEVICES {
            return self.ended(&command, Outcome::Unreachable, now, 0, Vec::new());
        }
        let device = self.devices.entry(mn).or_default();
        let running = device.running.iter().map(|running| &running.command);
        if running.chain(&device.waiting).any(|other| other.id == command.id) {
            return;
        }
        if device.waiting.len() >= self.rules.max_waiting {
            return self.ended(&command, Outcome::TooMany, now, 0, Vec::new());
        }
        device.waiting.push_back(command);
        self.busy.insert(mn);
        self.start(mn, now);
    }

    /// True while the device has a link.
    pub fn has_link(&self, mn: Mn) -> bool {
        self.devices.get(&mn).is_some_and(|device| !device.links.is_empty())
    }

    /// True while data of the device matter: an order runs, or how it speaks on its newest link is not known yet.
    pub fn listens(&self, mn: Mn) -> bool {
        self.busy.contains(&mn) || self.devices.get(&mn).is_some_and(|device| !device.fresh)
    }

    /// True while an order for the device runs or waits.
    pub fn is_busy(&self, mn: Mn) -> bool {
        self.busy.contains(&mn)
    }

    /// A packet of a device is in the log.
    pub fn heard(&mut self, heard: &Heard, now: Time) {
        let Some(device) = self.devices.get_mut(&heard.mn) else {
            return;
        };
        if !heard.st.is_empty() {
            device.st = heard.st;
        }
        // A terse answer of 2005 shows neither Flag nor password.
        if !matches!(heard.cn, 9011..=9014) || device.speaks.is_none() {
            device.speaks = Some((heard.dialect, heard.password));
            device.fresh = true;
        }
        if heard.cn == 1013 && self.rules.set_time_when_asked && !device.is_elsewhere() {
            let fields = heard.told.iter().filter(|(name, _)| name == "PolId").cloned().collect();
            let patience = self.rules.longest_ms;
            let command = Command::new(heard.mn, (1012, fields), BY_DEVICE, now, patience);
            self.outputs.push_back(Output::Wanted(command));
        }
        if heard.cn == 1014 && heard.dialect == Dialect::Hj2025 && !device.is_elsewhere() && !device.awaits(1014) {
            let patience = self.rules.longest_ms;
            let command = Command::new(heard.mn, (1014, Vec::new()), BY_DEVICE_FOR_KEY, now, patience);
            self.outputs.push_back(Output::Wanted(command));
        }
        self.advance(heard, now);
        self.start(heard.mn, now);
    }

    /// What was heard, for the order that runs.
    fn advance(&mut self, heard: &Heard, now: Time) {
        let Some(device) = self.devices.get_mut(&heard.mn) else {
            return;
        };
        let Some(running) = &mut device.running else { return };
        let command = &running.command;
        let outcome = match heard.cn {
            9011..=9013 if !heard.qn.is_empty() && heard.qn != running.qn => return,
            9011 if heard.code.is_none_or(|code| code == 1) => None,
            9011 => heard.code.map(|code| Outcome::Refused { code }),
            9012 => Some(Outcome::Done {
                code: heard.code.unwrap_or(1),
            }),
            9013 if is_notice(command.cn) => Some(Outcome::Done { code: 1 }),
            // What the device says under 1014 is a question of its own.
            cn if cn == command.cn && cn != 1014 => {
                running.packets = running.packets.saturating_add(1);
                let room = MAX_TOLD.saturating_sub(running.told.len());
                running.told.extend(heard.told.iter().take(room).cloned());
                None
            }
            _ => return,
        };
        running.taken = true;
        running.deadline = now.plus(self.rules.timeout_ms).min(running.last);
        if let Some(outcome) = outcome {
            self.end(heard.mn, outcome, now);
        }
    }

    /// Time has passed: sends again, gives up, lets orders expire.
    pub fn handle_timeout(&mut self, now: Time) {
        for mn in self.busy.clone() {
            self.expire(mn, now);
            let Some(device) = self.devices.get_mut(&mn) else {
                continue;
            };
            let Some(running) = device.running.as_mut().filter(|running| running.deadline <= now) else {
                self.start(mn, now);
                continue;
            };
            if !running.taken && running.sent <= self.rules.resends {
                running.sent += 1;
                running.deadline = now.plus(self.rules.timeout_ms);
                let (epoch, bytes) = (running.epoch, running.bytes.clone());
                self.outputs.push_back(Output::Send { mn, epoch, bytes });
                continue;
            }
            let outcome = if running.taken {
                Outcome::NoResult
            } else {
                Outcome::NoAnswer { sent: running.sent }
            };
            self.end(mn, outcome, now);
            self.start(mn, now);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Time> {
        let busy = self.busy.iter().filter_map(|mn| self.devices.get(mn));
        let due = busy.flat_map(|device| {
            let waiting = device
                .waiting
                .iter()
                .map(|command| device.gives_up_at(command, &self.rules));
            device.running.iter().map(|running| running.deadline).chain(waiting)
        });
        due.min()
    }

    /// What the host has to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Devices kept in mind, and orders that run or wait.
    pub fn held(&self) -> (usize, usize) {
        let orders = |device: &Device| device.waiting.len() + usize::from(device.running.is_some());
        (self.devices.len(), self.devices.values().map(orders).sum())
    }

    fn expire(&mut self, mn: Mn, now: Time) {
        let Some(device) = self.devices.get_mut(&mn) else {
            return;
        };
        let waiting = std::mem::take(&mut device.waiting);
        let is_late = |command: &Command| device.gives_up_at(command, &self.rules) <= now;
        let (late, waiting): (VecDeque<_>, _) = waiting.into_iter().partition(is_late);
        device.waiting = waiting;
        for command in late {
            self.ended(&command, Outcome::Unreachable, now, 0, Vec::new());
        }
        self.rest(mn);
    }

    /// Sends the next order of a device, where none runs and there is a link that has spoken.
    fn start(&mut self, mn: Mn, now: Time) {
        let Some(device) = self.devices.get_mut(&mn) else {
            return;
        };
        let (None, Some(&epoch), Some((dialect, password))) = (&device.running, device.links.last(), device.speaks)
        else {
            return;
        };
        if device.is_elsewhere() {
            return;
        }
        let Some(command) = device.waiting.pop_front_if(|command| command.expires_at > now) else {
            return;
        };
        // QN names one exchange: never the same twice, though two orders leave within a millisecond.
        self.last_qn = now.max(self.last_qn.plus(1));
        let st = if device.st.is_empty() {
            USUAL_ST
        } else {
            device.st.as_str()
        };
        let (qn, st) = (self.last_qn.stamp17(), st.to_owned());
        let speaks = (dialect, password.as_str());
        let bytes = match leaving(&command, (&qn, &st), speaks, &self.keys, now) {
            Ok(bytes) => bytes,
            Err(why) => return self.ended(&command, Outcome::Unwritable { why }, now, 0, Vec::new()),
        };
        self.outputs.push_back(Output::Send {
            mn,
            epoch,
            bytes: bytes.clone(),
        });
        device.running = Some(Running {
            command,
            epoch,
            qn,
            bytes,
            sent: 1,
            taken: false,
            deadline: now.plus(self.rules.timeout_ms),
            last: now.plus(self.rules.longest_ms),
            packets: 0,
            told: Vec::new(),
        });
    }

    fn end(&mut self, mn: Mn, outcome: Outcome, now: Time) {
        let running = self.devices.get_mut(&mn).and_then(|device| device.running.take());
        if let Some(Running {
            command, packets, told, ..
        }) = running
        {
            self.ended(&command, outcome, now, packets, told);
        }
    }

    fn ended(&mut self, command: &Command, outcome: Outcome, at: Time, packets: u32, told: Vec<(String, String)>) {
        let &Command { id, mn, cn, .. } = command;
        self.outputs.push_back(Output::Ended(CommandResult {
            id,
            mn,
            cn,
            at,
            outcome,
            packets,
            told,
        }));
        self.rest(mn);
    }

    /// A device without orders is not busy, and without a link forgotten.
    fn rest(&mut self, mn: Mn) {
        let Some(device) = self.devices.get(&mn) else { return };
        if device.waiting.is_empty() && device.running.is_none() {
            self.busy.remove(&mn);
            if device.links.is_empty() {
                self.devices.remove(&mn);
            }
        }
    }
}
