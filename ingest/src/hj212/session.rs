//! One link with one or more devices, without IO: bytes in; records to keep, answers to send and things to count out.
//!
//! An answer leaves only after [`Session::handle_durable`] said that its packet is safe, in the order of arrival for
//! each MN on the link. A packet that comes again while its first copy is on its way to disk joins it. Answers of
//! devices are never answered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use plume_schemas::entry::{EntryBody, Presence, PresenceState};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, Inline, Mn, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason};
use plume_schemas::time::Time;

use super::frame::{Framer, Item};
use super::intake::{Intake, LogRecord, Newcomer, Taken, Verdict};
use super::tolerance::Tolerances;
use crate::config::IngestConfig;
use crate::quarantine::{Arrival, Sender, quarantined};

/// Names a batch of records on its way to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What the host has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Make these durable, all or none, in this order; then say [`Session::handle_durable`].
    Append {
        /// To be given back.
        ticket: Ticket,
        /// What to append.
        records: Vec<LogRecord>,
    },
    /// Send these bytes to the peer.
    Send(Vec<u8>),
    /// Count and log this.
    Note(Note),
    /// Close the link.
    Close(CloseReason),
}

/// Something to be counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A frame was decided about.
    Packet {
        /// From whom.
        sender: Sender,
        /// How it was spoken.
        dialect: Option<Dialect>,
        /// What became of it.
        verdict: Verdict,
        /// What was wrong with it.
        complaints: Vec<ComplaintCode>,
        /// Departures of its frame that had to be tolerated.
        tolerated: Tolerances,
        /// It came again while its first copy was on its way to disk.
        repeat: bool,
    },
    /// Bytes outside any frame.
    Garbage {
        /// Which kind.
        reason: QuarantineReason,
        /// How many.
        bytes: usize,
    },
    /// A device was seen on this link for the first time.
    Came(Mn),
    /// A logger without an MN asks to be activated.
    Newcomer(Box<Newcomer>),
}

/// Why a link is closed from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// More than `max_garbage_bytes` of garbage since the last good packet.
    Garbage,
    /// `refuse_after` packets were refused.
    Refused,
    /// More than `max_mns_per_link` devices on one link.
    TooManyMns,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Garbage, Self::Refused, Self::TooManyMns];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Refused => "refused",
            Self::TooManyMns => "too_many_mns",
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The peer's address.
    pub peer: Inline<47>,
    /// Counts links upward: a device's newest link has its highest epoch (D16).
    pub epoch: u64,
}

/// An answer that waits for its packet to be durable, or for those before it.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    reply: Vec<u8>,
    durable: bool,
}

/// A packet on its way to disk.
#[derive(Debug)]
struct InFlight {
    ticket: Ticket,
    id: ContentId,
    mn: Option<Mn>,
}

/// A device seen on the link.
#[derive(Debug, Default)]
struct Met {
    /// The registry by which its outlets were found.
    revision: u64,
    /// Outlets that were told it came.
    outlets: Vec<OutletId>,
}

/// The exchange engine of one link.
#[derive(Debug)]
pub struct Session {
    config: Arc<IngestConfig>,
    link: Link,
    framer: Framer,
    intake: Intake,
    outputs: VecDeque<Output>,
    waiting: HashMap<Option<Mn>, VecDeque<Waiting>>,
    in_flight: VecDeque<InFlight>,
    next_ticket: u64,
    came: HashMap<Mn, Met>,
    garbage_bytes: usize,
    refused: u32,
    closing: bool,
    identified: bool,
}

impl Session {
    /// The engine of a new link.
    pub fn new(config: Arc<IngestConfig>, catalogue: Arc<Catalogue>, link: Link) -> Self {
        Self {
            framer: Framer::new(config.max_segment_bytes),
            intake: Intake::new(Arc::clone(&config), catalogue),
            config,
            link,
            outputs: VecDeque::new(),
            waiting: HashMap::new(),
            in_flight: VecDeque::new(),
            next_ticket: 0,
            came: HashMap::new(),
            garbage_bytes: 0,
            refused: 0,
            closing: false,
            identified: false,
        }
    }

    /// Takes what was read from the link.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Time, registry: &RegistryIndex) {
        if !self.closing {
            self.framer.push(bytes);
            self.take_items(now, registry);
        }
    }

    /// The link has been quiet for `tail_wait_ms`: a frame that lacks only its tail is complete.
    pub fn handle_quiet(&mut self, now: Time, registry: &RegistryIndex) {
        self.framer.quiet();
        self.take_items(now, registry);
    }

    /// True when [`Self::handle_quiet`] would make a difference.
    pub fn wants_quiet(&self) -> bool {
        !self.closing && self.framer.wants_quiet()
    }

    /// The link has ended: half frames go to quarantine, and the devices seen on it are gone.
    pub fn handle_end(&mut self, now: Time, registry: &RegistryIndex) {
        self.framer.finish();
        self.take_items(now, registry);
        let gone: Vec<LogRecord> = self
            .came
            .drain()
            .flat_map(|(mn, met)| met.outlets.into_iter().map(move |outlet| (mn, outlet)))
            .map(|(mn, outlet)| presence(&self.config, self.link, PresenceState::Gone, (mn, outlet), now))
            .collect();
        if !gone.is_empty() {
            let ticket = self.ticket();
            self.outputs.push_back(Output::Append { ticket, records: gone });
        }
    }

    /// The records of a ticket are durable: answers that waited for them, and for nothing before them, can leave.
    pub fn handle_durable(&mut self, ticket: Ticket) {
        self.in_flight.retain(|packet| packet.ticket != ticket);
        let outputs = &mut self.outputs;
        self.waiting.retain(|_, queue| {
            for waiting in queue.iter_mut().filter(|waiting| waiting.ticket == ticket) {
                waiting.durable = true;
            }
            while queue.front().is_some_and(|first| first.durable) {
                outputs.extend(queue.pop_front().map(|first| Output::Send(first.reply)));
            }
            !queue.is_empty()
        });
    }

    /// What the host has to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// False while so many packets are on their way to disk that the link should not be read.
    pub fn wants_bytes(&self) -> bool {
        let (packets, answers) = self.pending();
        !self.closing && packets.max(answers) < self.config.max_in_flight_packets
    }

    /// The link is quiet: gives back memory that only traffic needs.
    pub fn rest(&mut self) {
        self.framer.give_back();
        self.intake.rest();
        self.outputs.shrink_to_fit();
        self.in_flight.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    /// True once a valid packet has come.
    pub fn is_identified(&self) -> bool {
        self.identified
    }

    /// Packets on their way to disk, and answers that wait for them.
    pub fn pending(&self) -> (usize, usize) {
        (self.in_flight.len(), self.waiting.values().map(VecDeque::len).sum())
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn take_items(&mut self, now: Time, registry: &RegistryIndex) {
        let mut arrival = Arrival {
            received_at: now,
            ingest: self.config.id,
            peer: self.link.peer,
            stream_offset: 0,
        };
        while !self.closing {
            let Some(item) = self.framer.next_item() else {
                return;
            };
            match item {
                Item::Frame(frame) => {
                    arrival.stream_offset = frame.stream_offset;
                    let taken = self.intake.take(&frame, &arrival, registry);
                    self.settle(taken, now, registry);
                }
                Item::Garbage {
                    stream_offset,
                    bytes,
                    reason,
                } => {
                    arrival.stream_offset = stream_offset;
                    let detail = match reason {
                        QuarantineReason::TooLong => "a head declares more than max_segment_bytes",
                        QuarantineReason::CutOff => "the link ended inside a frame",
                        _ => "no frame in it",
                    }
                    .to_owned();
                    let record = quarantined(reason, detail, &arrival, Sender::default(), bytes.to_vec());
                    let (bytes, records) = (bytes.len(), vec![LogRecord::Quarantined(Box::new(record))]);
                    self.outputs.push_back(Output::Note(Note::Garbage { reason, bytes }));
                    let ticket = self.ticket();
                    self.in_flight.push_back(InFlight {
                        ticket,
                        id: ContentId::default(),
                        mn: None,
                    });
                    self.outputs.push_back(Output::Append { ticket, records });
                    self.count_garbage(bytes);
                }
            }
        }
    }

    /// Carries out the decision about a frame.
    fn settle(&mut self, taken: Taken, now: Time, registry: &RegistryIndex) {
        let mn = taken.sender.mn;
        let first_copy = self
            .in_flight
            .iter()
            .find(|packet| packet.id == taken.id && packet.mn == mn);
        let joined = first_copy
            .filter(|_| !taken.records.is_empty())
            .map(|packet| packet.ticket);
        self.outputs.push_back(Output::Note(Note::Packet {
            sender: taken.sender,
            dialect: taken.dialect,
            verdict: taken.verdict,
            complaints: taken.complaints,
            tolerated: taken.tolerated,
            repeat: joined.is_some(),
        }));
        match taken.verdict {
            Verdict::Refused | Verdict::Quarantined(QuarantineReason::WrongPassword) => {
                self.refused += 1;
                if self.refused >= self.config.refuse_after {
                    self.close(CloseReason::Refused);
                }
            }
            // A device whose every checksum is wrong looks like noise, and is treated like it.
            Verdict::Quarantined(QuarantineReason::BadCrc | QuarantineReason::NoKey | QuarantineReason::Garbage) => {
                self.count_garbage(taken.bytes);
            }
            Verdict::Accepted | Verdict::Answer | Verdict::Quarantined(_) => {
                // One bad device behind a gateway does not cut the others off.
                self.garbage_bytes = 0;
                self.refused = 0;
                self.identified = true;
            }
        }
        let newcomer = taken.newcomer.map(Note::Newcomer);
        self.outputs.extend(newcomer.map(Output::Note));
        let mut records = taken.records;
        if let Some(mn) = mn.filter(|_| taken.present && !records.is_empty()) {
            let came = self.meet(mn, now, registry);
            records.splice(0..0, came);
        }
        let ticket = joined.unwrap_or_else(|| self.ticket());
        if let Some(reply) = taken.reply {
            let queue = self.waiting.entry(mn).or_default();
            queue.push_back(Waiting {
                ticket,
                reply,
                durable: false,
            });
        }
        if joined.is_none() && !records.is_empty() {
            self.in_flight.push_back(InFlight {
                ticket,
                id: taken.id,
                mn,
            });
            self.outputs.push_back(Output::Append { ticket, records });
        }
    }

    /// Presence of a device seen on this link for the first time, or whose outlets the registry has changed since.
    fn meet(&mut self, mn: Mn, now: Time, registry: &RegistryIndex) -> Vec<LogRecord> {
        let revision = registry.registry().revision;
        if self.came.get(&mn).is_some_and(|met| met.revision == revision) {
            return Vec::new();
        }
        let new = !self.came.contains_key(&mn);
        if new && self.came.len() >= self.config.max_mns_per_link {
            self.close(CloseReason::TooManyMns);
            return Vec::new();
        }
        if new {
            self.outputs.push_back(Output::Note(Note::Came(mn)));
        }
        let met = self.came.entry(mn).or_default();
        met.revision = revision;
        let mut came = Vec::new();
        for outlet in registry.routes(mn, "", now).map(|route| route.outlet) {
            if !met.outlets.contains(&outlet) {
                met.outlets.push(outlet);
                came.push(presence(
                    &self.config,
                    self.link,
                    PresenceState::Came,
                    (mn, outlet),
                    now,
                ));
            }
        }
        came
    }

    fn count_garbage(&mut self, bytes: usize) {
        self.garbage_bytes += bytes;
        if self.garbage_bytes > self.config.max_garbage_bytes {
            self.close(CloseReason::Garbage);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if !self.closing {
            self.closing = true;
            self.outputs.push_back(Output::Close(reason));
        }
    }
}

/// The record of a device's coming or going.
pub(crate) fn presence(
    config: &IngestConfig,
    link: Link,
    state: PresenceState,
    (mn, outlet): (Mn, OutletId),
    now: Time,
) -> LogRecord {
    LogRecord::Entry(EntryBody::Presence(Presence {
        mn,
        outlet,
        ingest: config.id,
        state,
        epoch: link.epoch,
        peer: link.peer,
        received_at: now,
    }))
}
