//! The exchange with one platform: a window of packets in flight, resends by table 1 of the standard, pauses between
//! links, and a position that never passes a packet without an answer. Without IO: what was connected, read and what
//! time it is go in; bytes, wishes and positions come out.

use std::collections::VecDeque;

use plume_schemas::ids::{Inline, Mn};
use plume_schemas::report::Report;
use plume_schemas::time::Time;

use crate::hj212::complaints::Complaints;
use crate::hj212::frame::{Framer, Item};
use crate::hj212::packet::Packet;
use crate::hj212::tokens::Tokens;

/// First pause before a platform is tried again; it doubles up to the configured longest.
const BACK_OFF_MIN_MS: i64 = 1_000;
/// Longest answer: a reply has a hundred bytes.
const MAX_ANSWER_BYTES: usize = 2_048;

/// How packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Packets in flight at a time.
    pub window: usize,
    /// How long an answer is waited for, milliseconds.
    pub timeout_ms: i64,
    /// How often a packet is sent again on one link.
    pub resends: u32,
    /// Longest pause between two tries to connect, milliseconds.
    pub back_off_max_ms: i64,
    /// Links on which a packet stays without an answer before it is passed over for one behind it that has one.
    pub refused_after_links: u32,
}

/// A packet to be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The position behind it, which is reached once it and all before it are answered.
    pub next: u64,
    /// Its device.
    pub mn: Mn,
    /// 请求编码, by which its answer is known.
    pub qn: Inline<23>,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// Flag says that it wants an answer; one that wants none is done when it is written.
    pub wants_answer: bool,
}

impl Parcel {
    /// A packet as plume took it; `None` for what was polled, for answers of devices, and for the further reports of
    /// one packet.
    pub fn of(report: &Report, next: u64) -> Option<Self> {
        let evidence = &report.evidence;
        if evidence.cn == 0 || evidence.share.0 != 0 || (9011..=9014).contains(&evidence.cn) {
            return None;
        }
        Self::from_raw(report.origin.mn, &evidence.raw, next)
    }

    /// A packet from its bytes, as the archive has them.
    pub fn from_raw(mn: Mn, raw: &[u8], next: u64) -> Option<Self> {
        let from = raw.iter().position(u8::is_ascii_alphabetic)?;
        let to = raw.windows(2).rposition(|two| two == b"&&")? + 2;
        let packet = Packet::parse(raw.get(from..to)?, &mut Complaints::default());
        if packet.is_reply() {
            return None;
        }
        let qn = packet.qn.and_then(|qn| std::str::from_utf8(qn).ok());
        Some(Self {
            next,
            mn,
            qn: qn.and_then(Inline::new).unwrap_or_default(),
            bytes: raw.to_vec(),
            wants_answer: packet.wants_answer(),
        })
    }
}

/// What the host has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a link; then say [`Upstream::connected`] or [`Upstream::closed`].
    Connect,
    /// Write these bytes.
    Write(Vec<u8>),
    /// Close the link.
    Close,
    /// Everything before this position is with the platform: keep it.
    Done(u64),
    /// The platform leaves this device's packet without an answer and answers others: it is passed over.
    PassedOver(Mn),
}

#[derive(Debug)]
struct Flying {
    parcel: Parcel,
    state: State,
    /// Links on which it stayed without an answer.
    links: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Sent { at: Time, times: u32 },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Not before this moment.
    Resting(Time),
    Opening,
    Up,
}

/// The exchange with one platform.
#[derive(Debug)]
pub struct Upstream {
    rules: Rules,
    link: Link,
    /// Pause before the next try.
    pause_ms: i64,
    flight: VecDeque<Flying>,
    framer: Framer,
    outputs: VecDeque<Output>,
    /// Position behind everything that was handed over, packets or not.
    handed: u64,
    /// Position said last.
    done: u64,
    /// Packets with the platform since this was asked last.
    delivered: u64,
}

impl Upstream {
    /// An exchange that goes on at a position, without a link.
    pub fn new(rules: Rules, position: u64, now: Time) -> Self {
        Self {
            rules,
            link: Link::Resting(now),
            pause_ms: BACK_OFF_MIN_MS.min(rules.back_off_max_ms),
            flight: VecDeque::new(),
            framer: Framer::new(MAX_ANSWER_BYTES),
            outputs: VecDeque::new(),
            handed: position,
            done: position,
            delivered: 0,
        }
    }

    /// How many more packets it takes.
    pub fn room(&self) -> usize {
        self.rules.window.saturating_sub(self.flight.len())
    }

    /// Position behind everything that was handed over: where to read on.
    pub fn position(&self) -> u64 {
        self.handed
    }

    /// Packets that are not with the platform yet.
    pub fn waiting(&self) -> usize {
        self.flight.len()
    }

    /// Packets that have come to the platform since this was asked last.
    pub fn take_delivered(&mut self) -> u64 {
        std::mem::take(&mut self.delivered)
    }

    /// True while a link is open.
    pub fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// A packet to be passed on.
    pub fn push(&mut self, parcel: Parcel, now: Time) {
        self.handed = parcel.next;
        self.flight.push_back(Flying {
            parcel,
            state: State::Waiting,
            links: 0,
        });
        self.pump(now);
    }

    /// Nothing before this position is for the platform.
    pub fn skip(&mut self, next: u64) {
        self.handed = next;
        self.tell_done();
    }

    /// The link is open.
    pub fn connected(&mut self, now: Time) {
        self.link = Link::Up;
        self.framer = Framer::new(MAX_ANSWER_BYTES);
        self.pump(now);
    }

    /// The link could not be opened, or has ended: what has no answer is sent again on the next.
    pub fn closed(&mut self, now: Time) {
        for flying in &mut self.flight {
            if matches!(flying.state, State::Sent { .. }) {
                flying.state = State::Waiting;
            }
        }
        self.link = Link::Resting(now.plus(self.pause_ms));
        self.pause_ms = (2 * self.pause_ms).min(self.rules.back_off_max_ms);
    }

    /// Bytes from the platform.
    pub fn handle(&mut self, bytes: &[u8], now: Time) {
        self.framer.push(bytes);
        let mut answers = Vec::new();
        while let Some(item) = self.framer.next_item() {
            if let Item::Frame(frame) = item {
                answers.extend(answer(frame.segment));
            }
        }
        for (qn, mn) in answers {
            self.answered(&qn, &mn);
        }
        self.pump(now);
    }

    fn answered(&mut self, qn: &str, mn: &str) {
        // An answer of 2005 names no device.
        let is = |flying: &Flying| {
            let same = mn.is_empty() || flying.parcel.mn.as_str() == mn;
            matches!(flying.state, State::Sent { .. }) && flying.parcel.qn.as_str() == qn && same
        };
        let Some(at) = self.flight.iter().position(is) else {
            return;
        };
        if let Some(flying) = self.flight.get_mut(at) {
            flying.state = State::Done;
        }
        self.delivered += 1;
        self.pause_ms = BACK_OFF_MIN_MS.min(self.rules.back_off_max_ms);
        self.pass_over();
        self.tell_done();
    }

    /// Passes over what stayed without an answer on too many links, where one behind it has its answer: the platform is
    /// well, and does not want this one.
    fn pass_over(&mut self) {
        let last = self.flight.iter().rposition(|flying| flying.state == State::Done);
        let after = self.rules.refused_after_links;
        for flying in self.flight.iter_mut().take(last.unwrap_or(0)) {
            if flying.state != State::Done && flying.links >= after {
                flying.state = State::Done;
                self.outputs.push_back(Output::PassedOver(flying.parcel.mn));
            }
        }
    }

    /// Time has passed: connects, sends again, gives a link up.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.link {
            Link::Resting(until) if until <= now && !self.flight.is_empty() => {
                self.link = Link::Opening;
                self.outputs.push_back(Output::Connect);
            }
            Link::Up => self.send_again(now),
            Link::Resting(_) | Link::Opening => {}
        }
    }

    fn send_again(&mut self, now: Time) {
        let Rules {
            timeout_ms, resends, ..
        } = self.rules;
        let mut exhausted = false;
        for flying in &mut self.flight {
            let State::Sent { at, times } = flying.state else {
                continue;
            };
            if now.since(at) < timeout_ms {
                continue;
            }
            if times > resends {
                exhausted = true;
                flying.links = flying.links.saturating_add(1);
                continue;
            }
            flying.state = State::Sent {
                at: now,
                times: times + 1,
            };
            self.outputs.push_back(Output::Write(flying.parcel.bytes.clone()));
        }
        if exhausted {
            // Table 1: the link is unusable.
            self.outputs.push_back(Output::Close);
            self.closed(now);
            self.pass_over();
            self.tell_done();
        }
    }

    /// When [`Self::handle_timeout`] is due; `None`: not before something else happens.
    pub fn next_timeout(&self) -> Option<Time> {
        match self.link {
            Link::Resting(until) => (!self.flight.is_empty()).then_some(until),
            Link::Opening => None,
            Link::Up => {
                let sent = self.flight.iter().filter_map(|flying| match flying.state {
                    State::Sent { at, .. } => Some(at.plus(self.rules.timeout_ms)),
                    State::Waiting | State::Done => None,
                });
                sent.min()
            }
        }
    }

    /// What the host has to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Sends what waits.
    fn pump(&mut self, now: Time) {
        if self.link != Link::Up {
            return;
        }
        for flying in self.flight.iter_mut().filter(|flying| flying.state == State::Waiting) {
            flying.state = if flying.parcel.wants_answer && !flying.parcel.qn.is_empty() {
                State::Sent { at: now, times: 1 }
            } else {
                self.delivered += 1;
                State::Done
            };
            self.outputs.push_back(Output::Write(flying.parcel.bytes.clone()));
        }
        self.tell_done();
    }

    /// Lets go of what is done at the head, and says so.
    fn tell_done(&mut self) {
        let mut done = self.done;
        while let Some(first) = self.flight.front().filter(|first| first.state == State::Done) {
            done = first.parcel.next;
            self.flight.pop_front();
        }
        if self.flight.is_empty() {
            done = self.handed;
        }
        if done != self.done {
            self.done = done;
            self.outputs.push_back(Output::Done(done));
        }
    }
}

/// QN and MN of an answer: QN stands in the head, or inside CP (2005).
fn answer(segment: &[u8]) -> Option<(String, String)> {
    let packet = Packet::parse(segment, &mut Complaints::default());
    if !matches!(packet.cn, Some(9013 | 9014)) {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let inside = || Tokens::new(packet.cp).find(|token| token.name == b"QN")?.value;
    Some((
        text(packet.qn.or_else(inside)?),
        packet.mn.map(text).unwrap_or_default(),
    ))
}
