//! The sending side of a logger, without IO: a window of packets in flight, resends by table 1 of the standard, and a
//! store for what could not be delivered, which is sent again behind live data (HJ 212-2025 8.1.2; the older editions
//! leave it open).

mod spec;

pub use spec::{Answered, LinkSpec, Parcel, SendCounts};

use std::collections::VecDeque;

use plume_ingest::hj212::encode::{self, EncodeError, Group, MAX_SEGMENT_BYTES};
use plume_ingest::hj212::sm4::{self, CipherForm};
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::Time;

use crate::answers::value;
use crate::message::Keep;
use crate::misbehave::{Habit, Spoken};

/// Most messages kept while there is no link: 35 days of minutes. Beyond it the oldest go, and are counted.
pub const MAX_STORED: usize = 50_000;
/// Most packets in flight: more is not a device but a load test, and every answer is looked up among them.
pub const MAX_WINDOW: usize = 64;

#[derive(Clone, Debug)]
struct Item {
    parcel: Parcel,
    parts: Vec<Part>,
    backfill: bool,
    links: u32,
}

#[derive(Clone, Debug)]
struct Part {
    qn: String,
    cn: u16,
    spoken: Spoken,
    wants_answer: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Sent { at: Time, times: u32 },
    Done,
}

/// The sending side of one device.
#[derive(Clone, Debug)]
pub struct Sender {
    spec: LinkSpec,
    up: bool,
    live: VecDeque<Item>,
    store: VecDeque<Item>,
    flight: Vec<Item>,
    writes: VecDeque<Vec<u8>>,
    answered: VecDeque<Answered>,
    close: bool,
    last_qn: Time,
    spoken: u64,
    counts: SendCounts,
}

impl Sender {
    /// A sender without a link.
    pub fn new(mut spec: LinkSpec) -> Self {
        spec.window = spec.window.clamp(1, MAX_WINDOW);
        Self {
            spec,
            up: false,
            live: VecDeque::new(),
            store: VecDeque::new(),
            flight: Vec::new(),
            writes: VecDeque::new(),
            answered: VecDeque::new(),
            close: false,
            last_qn: Time(i64::MIN),
            spoken: 0,
            counts: SendCounts::default(),
        }
    }

    /// The platform has given it this MN.
    pub(crate) fn activated(&mut self, mn: Mn) {
        self.spec.mn = mn;
        self.spec.serial = None;
    }

    /// The platform has given it this key. What was encrypted before goes out as it is.
    pub(crate) fn rekeyed(&mut self, key: sm4::Key) {
        let form = self.spec.cipher.as_ref().map_or(CipherForm::Raw, |(_, form)| *form);
        self.spec.cipher = Some((key, form));
    }

    /// How it speaks.
    pub fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// What it has done.
    pub fn counts(&self) -> SendCounts {
        self.counts
    }

    pub(crate) fn counts_mut(&mut self) -> &mut SendCounts {
        &mut self.counts
    }

    /// Messages not yet delivered.
    pub fn undelivered(&self) -> usize {
        self.live.len() + self.store.len() + self.flight.len()
    }

    /// True while it can take more without a queue growing.
    pub(crate) fn hungry(&self) -> bool {
        self.live.len() < self.spec.window
    }

    /// Something to say.
    pub fn push(&mut self, parcel: Parcel) {
        let item = Item {
            parcel,
            parts: Vec::new(),
            backfill: false,
            links: 0,
        };
        if self.up {
            self.live.push_back(item);
        } else {
            self.put_away(item);
        }
    }

    /// The link is up.
    pub fn link_up(&mut self) {
        self.up = true;
        self.close = false;
    }

    /// The link is gone: what was not answered goes to the store.
    pub fn link_down(&mut self) {
        self.up = false;
        self.close = false;
        self.writes.clear();
        let flight = std::mem::take(&mut self.flight);
        let live = std::mem::take(&mut self.live);
        let older = std::mem::take(&mut self.store);
        for item in flight.into_iter().chain(older).chain(live) {
            self.put_away(item);
        }
    }

    fn put_away(&mut self, mut item: Item) {
        if !item.parts.is_empty() {
            item.links += 1;
        }
        if self.spec.give_up_after_links.is_some_and(|most| item.links >= most) {
            self.counts.dropped_unanswered += 1;
            return;
        }
        if matches!(item.parcel, Parcel::Reply(_)) {
            self.counts.dropped_moment += 1;
            return;
        }
        if let Parcel::Message(message) = &item.parcel {
            if message.keep == Keep::Drop || self.spec.forgets {
                self.counts.dropped_moment += 1;
                return;
            }
            // RF=1 stands in the packet itself, so 2025 writes it anew; the older editions send the same bytes again.
            if self.spec.dialect == Dialect::Hj2025 {
                item.parts.clear();
            }
        }
        item.backfill = true;
        for part in &mut item.parts {
            if part.state != State::Done {
                part.state = State::Waiting;
            }
        }
        if self.store.len() >= MAX_STORED {
            self.store.pop_front();
            self.counts.dropped_full += 1;
        }
        self.store.push_back(item);
    }

    /// Sends what the window allows. `local` is the device's clock (for QN), `wire` the link's (for timeouts).
    pub fn pump(&mut self, local: Time, wire: Time) {
        while self.up && self.in_flight() < self.spec.window {
            if let Some((item, part)) = self.next_part() {
                self.send(item, part, wire);
                continue;
            }
            let Some(mut item) = self.live.pop_front().or_else(|| self.store.pop_front()) else {
                break;
            };
            if item.parts.is_empty() {
                match self.write(&item, local) {
                    Ok(parts) => item.parts = parts,
                    Err(error) => {
                        self.counts.unwritable += 1;
                        tracing::warn!(mn = %self.spec.mn, %error, hint = error.hint(), "message cannot be written");
                        continue;
                    }
                }
            }
            self.counts.backfilled += u64::from(item.backfill);
            self.flight.push(item);
        }
        self.flight
            .retain(|item| item.parts.iter().any(|part| part.state != State::Done));
    }

    /// Packets sent and not yet answered.
    pub(crate) fn in_flight(&self) -> usize {
        let parts = self.flight.iter().flat_map(|item| &item.parts);
        parts.filter(|part| matches!(part.state, State::Sent { .. })).count()
    }

    fn next_part(&self) -> Option<(usize, usize)> {
        self.flight.iter().enumerate().find_map(|(place, item)| {
            let part = item.parts.iter().position(|part| part.state == State::Waiting)?;
            Some((place, part))
        })
    }

    fn send(&mut self, item: usize, part: usize, wire: Time) {
        let Some(part) = self.flight.get_mut(item).and_then(|item| item.parts.get_mut(part)) else {
            return;
        };
        let times = match part.state {
            State::Sent { times, .. } => {
                self.counts.resent += 1;
                times + 1
            }
            State::Waiting | State::Done => {
                self.counts.packets += 1;
                1
            }
        };
        part.state = if part.wants_answer {
            State::Sent { at: wire, times }
        } else {
            State::Done
        };
        for write in &part.spoken.writes {
            self.counts.bytes += write.len() as u64;
            self.writes.push_back(write.clone());
        }
    }

    /// The packets of an item, with fresh QNs.
    fn write(&mut self, item: &Item, local: Time) -> Result<Vec<Part>, EncodeError> {
        let message = match &item.parcel {
            Parcel::Raw(frame) | Parcel::Reply(frame) => return Ok(vec![raw_part(frame)]),
            Parcel::Message(message) => message,
        };
        // QN names one exchange: never the same twice, though two packets leave within a millisecond.
        self.last_qn = local.max(self.last_qn.plus(1));
        let mut outgoing = encode::Message {
            dialect: self.spec.dialect,
            qn: self.last_qn.stamp17(),
            st: self.spec.st.clone(),
            cn: message.cn,
            pw: self.spec.password.clone(),
            mn: self.spec.mn.to_string(),
            wants_answer: self.spec.wants_answer,
            backfill: item.backfill && self.spec.dialect == Dialect::Hj2025,
            body: vec![Group::single("DataTime", message.data_time.stamp14())],
        };
        outgoing.body.extend(message.groups.iter().cloned());
        self.spoken += 1;
        let habit = self.spec.habits.iter().find(|habit| habit.shows(self.spoken)).copied();
        let limit = habit.map_or(MAX_SEGMENT_BYTES, |habit| habit.kind.segment_limit());
        if let Some(habit) = habit {
            habit.kind.on_message(&mut outgoing, message.data_time);
        }
        let frames = outgoing.packets_within(limit)?;
        let count = i64::try_from(frames.len()).unwrap_or(1);
        self.last_qn = self.last_qn.plus(count - 1);
        Ok(frames
            .into_iter()
            .map(|frame| Part {
                qn: value(&frame, b"QN=").unwrap_or_default(),
                cn: message.cn,
                wants_answer: self.spec.wants_answer,
                spoken: self.spoken_as(&frame, habit, message.cn),
                state: State::Waiting,
            })
            .collect())
    }

    /// A frame as it leaves: encrypted where it should be, unless a habit has spoilt its bytes.
    fn spoken_as(&self, frame: &[u8], habit: Option<Habit>, cn: u16) -> Spoken {
        let spoken = habit.map_or_else(|| Spoken::plain(frame.to_vec()), |habit| habit.kind.speak(frame));
        match &self.spec.cipher {
            Some((key, form)) if must_be_encrypted(cn) && spoken == Spoken::plain(frame.to_vec()) => {
                Spoken::plain(sm4::seal(frame, key, *form))
            }
            _ => spoken,
        }
    }

    /// An answer came.
    pub fn on_answer(&mut self, qn: &str, wire: Time) {
        let mut parts = self.flight.iter_mut().flat_map(|item| &mut item.parts);
        // An answer without a QN is for the packet that has waited longest.
        let found = parts.find_map(|part| match part.state {
            State::Sent { at, times } if qn.is_empty() || part.qn.is_empty() || part.qn == qn => {
                Some((part, at, times))
            }
            _ => None,
        });
        let Some((part, at, times)) = found else {
            self.counts.stray_answers += 1;
            return;
        };
        part.state = State::Done;
        self.counts.answered += 1;
        self.answered.push_back(Answered {
            mn: self.spec.mn,
            qn: part.qn.clone(),
            cn: part.cn,
            frame: part.spoken.frame.clone(),
            latency_ms: wire.since(at),
            sent_times: times,
        });
    }

    /// Resends what has waited too long; asks to close the link when resends are exhausted.
    pub fn on_timeout(&mut self, wire: Time) {
        let timeout_ms = self.spec.answer_timeout_ms;
        let late: Vec<(usize, usize, u32)> = self
            .flight
            .iter()
            .enumerate()
            .flat_map(|(item, flying)| {
                flying
                    .parts
                    .iter()
                    .enumerate()
                    .map(move |(part, own)| (item, part, own.state))
            })
            .filter_map(|(item, part, state)| match state {
                State::Sent { at, times } if wire.since(at) >= timeout_ms => Some((item, part, times)),
                _ => None,
            })
            .collect();
        if late.iter().any(|(_, _, times)| *times > self.spec.resends) {
            self.counts.given_up_links += 1;
            self.close = true;
            return;
        }
        for (item, part, _) in late {
            self.send(item, part, wire);
        }
    }

    /// When [`Self::on_timeout`] is due, by the wire's time.
    pub fn next_timeout(&self) -> Option<Time> {
        let parts = self.flight.iter().flat_map(|item| &item.parts);
        parts
            .filter_map(|part| match part.state {
                State::Sent { at, .. } => Some(at.plus(self.spec.answer_timeout_ms)),
                State::Waiting | State::Done => None,
            })
            .min()
    }

    /// Bytes to write, one write at a time.
    pub fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.writes.pop_front()
    }

    /// What was answered since last asked.
    pub fn poll_answered(&mut self) -> Option<Answered> {
        self.answered.pop_front()
    }

    /// True when the device wants to drop the link.
    pub fn wants_close(&self) -> bool {
        self.close
    }
}

/// Data commands, the exchange of keys and information of the site (HJ 212-2025 6.4.4).
fn must_be_encrypted(cn: u16) -> bool {
    matches!(cn, 1014 | 2000..=2999 | 3020)
}

/// A packet from a file: its own QN and Flag decide what answer is awaited.
fn raw_part(frame: &[u8]) -> Part {
    let flag = value(frame, b"Flag=").and_then(|text| text.parse::<u8>().ok());
    Part {
        qn: value(frame, b"QN=").unwrap_or_default(),
        cn: value(frame, b"CN=")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        spoken: Spoken::plain(frame.to_vec()),
        wants_answer: flag.is_some_and(|flag| flag & 1 == 1),
        state: State::Waiting,
    }
}
