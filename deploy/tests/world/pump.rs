//! One link of the server: what `ingest/src/link.rs` does between a socket and the bus, on the world's time.
//!
//! The engine inside ([`Session`]) is ingest's own. The order of things is that of `link.rs`: carry out what the
//! session
//! asks, start one append for all that waits, read no more than the session wants, answer what became durable.

use std::collections::VecDeque;
use std::sync::Arc;

use plume_bus::{BusError, NewRecord, Topic, TopicPartition};
use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::intake::{LogRecord, Verdict};
use plume_ingest::hj212::session::{Note, Output, Session, Ticket};
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::partition::partition_of;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::{SECOND_MS, Time};
use plume_schemas::wire::{encode_entry, encode_quarantined};

use crate::broken::{Broken, Held, Promise, hold};
use crate::canary::Canary;
use crate::chance::Chance;
use crate::counts::Counts;
use crate::disk::{Disk, Named, field};

/// What a link uses of the server it is on.
pub(crate) struct Around<'a> {
    /// True time.
    pub(crate) now: Time,
    /// The ingest's clock.
    pub(crate) received_at: Time,
    pub(crate) config: &'a Arc<IngestConfig>,
    pub(crate) registry: &'a RegistryIndex,
    pub(crate) disk: &'a Disk,
    pub(crate) partitions: u32,
    pub(crate) chance: &'a mut Chance,
    pub(crate) counts: &'a mut Counts,
    pub(crate) canary: Option<Canary>,
    /// The bus.
    pub(crate) append: &'a mut dyn FnMut(Vec<NewRecord>) -> Result<(), BusError>,
}

/// A polite device's packets on this link, from the device's side. A packet may be taken without its tail, so it is
/// *ready* before it is *whole*.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    written: u64,
    /// Where each packet is ready in the stream, and its name.
    coming: VecDeque<(u64, Named)>,
    read: u64,
    /// Packets that are ready, and where the last of them was.
    ready: u64,
    ready_at: u64,
    unanswered: VecDeque<Named>,
}

const TAIL_BYTES: u64 = 2;

impl Expected {
    /// The device wrote a packet.
    pub(crate) fn wrote(&mut self, packet: &[u8]) {
        self.written += packet.len() as u64;
        let named = crate::disk::name_of(packet).unwrap_or_default();
        self.coming.push_back((self.written - TAIL_BYTES, named));
    }

    fn read(&mut self, bytes: usize) {
        self.read += bytes as u64;
        while let Some((ready_at, named)) = self.coming.pop_front_if(|(ready_at, _)| *ready_at <= self.read) {
            self.unanswered.push_back(named);
            self.ready += 1;
            self.ready_at = ready_at;
        }
    }

    /// Packets that are there with their tails: only the last one can lack it.
    fn whole(&self) -> u64 {
        let lacking = self.ready > 0 && self.ready_at + TAIL_BYTES > self.read;
        self.ready - u64::from(lacking)
    }
}

#[derive(Debug)]
struct Appending {
    tickets: Vec<Ticket>,
    records: Vec<NewRecord>,
    until: Time,
    pause_ms: i64,
    durable: bool,
}

/// Steps of an append that an orderly stop waits for.
const MAX_FINAL_TRIES: usize = 8;

/// One link.
#[derive(Debug)]
pub(crate) struct Pump {
    session: Session,
    /// Present on links of polite devices.
    pub(crate) expected: Option<Expected>,
    queue: VecDeque<(Ticket, Vec<NewRecord>)>,
    appending: Option<Appending>,
    pub(crate) ended: bool,
    opened: Time,
    last_byte: Time,
    noted: u64,
    last_read: usize,
}

impl Pump {
    pub(crate) fn new(session: Session, polite: bool, now: Time) -> Self {
        Self {
            session,
            expected: polite.then(Expected::default),
            queue: VecDeque::new(),
            appending: None,
            ended: false,
            opened: now,
            last_byte: now,
            noted: 0,
            last_read: 0,
        }
    }

    /// A new engine for a link.
    pub(crate) fn session(
        config: &Arc<IngestConfig>,
        catalogue: &Arc<Catalogue>,
        link: plume_ingest::hj212::session::Link,
    ) -> Session {
        Session::new(Arc::clone(config), Arc::clone(catalogue), link)
    }

    /// True if the link is to be read.
    pub(crate) fn wants_bytes(&self) -> bool {
        !self.ended && self.session.wants_bytes()
    }

    /// True when nothing is left to do for an ended link.
    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.appending.is_none() && self.queue.is_empty()
    }

    /// When to call [`Self::work`] again.
    pub(crate) fn due(&self, config: &IngestConfig) -> Option<Time> {
        let append = self.appending.as_ref().map(|appending| appending.until);
        let reading = self.wants_bytes();
        let quiet = (reading && self.session.wants_quiet()).then(|| self.quiet_at(config));
        let silent = reading.then(|| self.silent_at(config));
        [append, quiet, silent].into_iter().flatten().min()
    }

    /// Bytes were read.
    pub(crate) fn read(&mut self, bytes: &[u8], around: &mut Around<'_>) {
        self.last_byte = around.now;
        self.last_read = bytes.windows(2).filter(|two| two == b"##").count();
        if let Some(expected) = &mut self.expected {
            expected.read(bytes.len());
        }
        self.session.handle_bytes(bytes, around.received_at, around.registry);
        around.counts.reads += 1;
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self, around: &mut Around<'_>) {
        if !self.ended {
            self.ended = true;
            self.session.handle_end(around.received_at, around.registry);
        }
    }

    /// Does all there is to do now. Returns what is sent.
    pub(crate) fn work(&mut self, around: &mut Around<'_>) -> Result<Vec<Vec<u8>>, Broken> {
        let mut sent = Vec::new();
        self.pass_time(around);
        loop {
            self.carry_out(around, &mut sent)?;
            self.start_append(around);
            if !self.go_on_appending(around)? {
                break;
            }
        }
        self.check_queues(around)?;
        Ok(sent)
    }

    /// The process stops in order: reads no more, tries each append to its end, answers what became durable.
    pub(crate) fn finish(&mut self, around: &mut Around<'_>) -> Result<Vec<Vec<u8>>, Broken> {
        self.end(around);
        let mut sent = self.work(around)?;
        // A bus that refuses now is not asked for ever: the devices send again.
        for _ in 0..MAX_FINAL_TRIES {
            if self.is_done() {
                break;
            }
            around.now = self.due(around.config).unwrap_or(around.now).max(around.now);
            sent.extend(self.work(around)?);
        }
        Ok(sent)
    }

    fn pass_time(&mut self, around: &mut Around<'_>) {
        if !self.wants_bytes() {
            return;
        }
        if self.session.wants_quiet() && around.now >= self.quiet_at(around.config) {
            self.session.handle_quiet(around.received_at, around.registry);
        }
        if around.now >= self.silent_at(around.config) {
            around.counts.idle_links += 1;
            self.end(around);
        }
    }

    fn quiet_at(&self, config: &IngestConfig) -> Time {
        self.last_byte.plus(milliseconds(config.tail_wait_ms))
    }

    fn silent_at(&self, config: &IngestConfig) -> Time {
        let idle = self.last_byte.plus(milliseconds(config.idle_timeout_s) * SECOND_MS);
        if self.session.is_identified() {
            return idle;
        }
        idle.min(
            self.opened
                .plus(milliseconds(config.unidentified_timeout_s) * SECOND_MS),
        )
    }

    fn carry_out(&mut self, around: &mut Around<'_>, sent: &mut Vec<Vec<u8>>) -> Held {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Append { ticket, records } => {
                    let records = records.iter().map(|record| place(record, around.partitions)).collect();
                    self.queue.push_back((ticket, records));
                }
                Output::Send(answer) => {
                    self.check_answer(&answer, around)?;
                    around.counts.answers += 1;
                    sent.push(answer);
                }
                Output::Note(note) => self.count(&note, around)?,
                Output::Close(_) => {
                    around.counts.closed_by_server += 1;
                    self.end(around);
                }
            }
        }
        self.check_balance(around)
    }

    fn count(&mut self, note: &Note, around: &mut Around<'_>) -> Held {
        match note {
            Note::Packet { verdict, repeat, .. } => {
                self.noted += 1;
                around.counts.packets += 1;
                around.counts.joined += u64::from(*repeat);
                let count = match verdict {
                    Verdict::Accepted => &mut around.counts.accepted,
                    Verdict::Quarantined(_) => &mut around.counts.quarantined,
                    Verdict::Refused => &mut around.counts.refused,
                    Verdict::Answer => &mut around.counts.device_answers,
                };
                *count += 1;
            }
            Note::Garbage { .. } => {
                around.counts.garbage += 1;
                hold(
                    self.expected.is_none() || self.ended,
                    Promise::Balanced,
                    around.now,
                    || format!("{note:?} on the open link of a device that sends none"),
                )?;
            }
            Note::Came(_) | Note::Newcomer(_) => {}
        }
        Ok(())
    }

    /// A polite device's packets, counted by its own bytes, are those the session decided about.
    fn check_balance(&self, around: &Around<'_>) -> Held {
        let Some(expected) = &self.expected else {
            return Ok(());
        };
        let (whole, ready) = (expected.whole(), expected.ready);
        let fits = whole <= self.noted && self.noted <= ready;
        hold(fits, Promise::Balanced, around.now, || {
            format!(
                "{} packets were decided about, {whole} to {ready} were received",
                self.noted
            )
        })
    }

    fn check_answer(&mut self, answer: &[u8], around: &Around<'_>) -> Held {
        let qn = field(answer, b"QN=");
        let mut named = qn.map(|qn| (qn, field(answer, b"MN=").unwrap_or_default()));
        if let Some(expected) = &mut self.expected {
            let next = expected.unanswered.pop_front();
            let fits = next.as_ref().map(|next| &next.0) == named.as_ref().map(|named| &named.0);
            hold(fits, Promise::AnswersInOrder, around.now, || {
                format!("answered {named:?}, next in line was {next:?}")
            })?;
            // A terse answer of 2005 names no MN.
            named = next;
        }
        let Some(named) = named else {
            return Ok(());
        };
        hold(
            around.disk.knows(&named),
            Promise::DurableBeforeAnswer,
            around.now,
            || format!("{named:?} is answered and not on the disk"),
        )
    }

    fn check_queues(&self, around: &Around<'_>) -> Held {
        let (packets, answers) = self.session.pending();
        // One read is taken whole.
        let limit = around.config.max_in_flight_packets + self.last_read + 1;
        hold(packets.max(answers) <= limit, Promise::Bounded, around.now, || {
            format!("{packets} packets on their way and {answers} answers waiting, the limit is {limit}")
        })
    }

    fn start_append(&mut self, around: &mut Around<'_>) {
        if self.appending.is_some() || self.queue.is_empty() {
            return;
        }
        let (tickets, records): (Vec<Ticket>, Vec<Vec<NewRecord>>) = self.queue.drain(..).unzip();
        if around.canary == Some(Canary::AnswersEarly) {
            tickets.iter().for_each(|ticket| self.session.handle_durable(*ticket));
        }
        self.appending = Some(Appending {
            tickets,
            records: records.into_iter().flatten().collect(),
            until: around.now.plus(disk_delay(around.chance)),
            pause_ms: milliseconds(around.config.retry_min_ms),
            durable: false,
        });
    }

    /// Goes on with the append on its way; false when there is nothing to do for it now.
    fn go_on_appending(&mut self, around: &mut Around<'_>) -> Result<bool, Broken> {
        let Some(appending) = self
            .appending
            .as_mut()
            .filter(|appending| appending.until <= around.now)
        else {
            return Ok(false);
        };
        if appending.durable {
            let tickets = std::mem::take(&mut appending.tickets);
            self.appending = None;
            self.last_byte = around.now;
            tickets
                .into_iter()
                .for_each(|ticket| self.session.handle_durable(ticket));
            return Ok(true);
        }
        match (around.append)(appending.records.clone()) {
            Ok(()) => {
                around.counts.appends += 1;
                appending.durable = true;
                appending.until = around.now.plus(disk_delay(around.chance));
            }
            Err(error) => {
                let storable = !matches!(error, BusError::TooLarge { .. } | BusError::UnknownPartition { .. });
                hold(storable, Promise::Balanced, around.now, || {
                    format!("the bus takes it never: {error}")
                })?;
                around.counts.refused_appends += 1;
                appending.until = around.now.plus(appending.pause_ms);
                appending.pause_ms = (appending.pause_ms * 2).min(milliseconds(around.config.retry_max_ms));
            }
        }
        Ok(true)
    }
}

/// How long the disk takes; now and then it stalls.
fn disk_delay(chance: &mut Chance) -> i64 {
    match chance.below(100) {
        0 => chance.within(500..15_000),
        _ => chance.within(0..4),
    }
}

fn milliseconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Where a record goes, as in ingest's store.
fn place(record: &LogRecord, partitions: u32) -> NewRecord {
    match record {
        LogRecord::Entry(entry) => {
            let outlet = match entry {
                EntryBody::Report(report) => report.outlet,
                EntryBody::Presence(presence) => presence.outlet,
                other => panic!("a session makes reports and presence, not {other:?}"),
            };
            let to = TopicPartition::new(Topic::Reports, partition_of(outlet, partitions));
            NewRecord::new(to, outlet.to_string(), encode_entry(entry))
        }
        LogRecord::Quarantined(record) => {
            let key = record.mn.map(|mn| mn.to_string()).unwrap_or_default();
            NewRecord::new(
                TopicPartition::new(Topic::Quarantine, 0),
                key,
                encode_quarantined(record),
            )
        }
    }
}
