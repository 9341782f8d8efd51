//! One link: bytes from the socket into the session, its records to the committers, its answers back.
//!
//! While one order is on its way, packets go on being read and wait for the next one together, so that order is kept
//! and the disk is asked once for many packets. A quiet link keeps no buffer: bytes are read onto the stack of whoever
//! runs it.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use plume_bus::NewRecord;
use plume_schemas::ids::Mn;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::commit::{Done, MAX_GROUP_BYTES};
use crate::hj212::complaints::inline;
use crate::hj212::intake::Newcomer;
use crate::hj212::session::{Link, Note, Output, Session, Ticket};
use crate::signals::Ended;
use crate::store::{Appended, Store, place};
use crate::tcp::Shared;
use crate::wire::Wire;

/// Bytes read at once: a few packets, or a burst of backfill in some reads.
const READ_BYTES: usize = 8192;

/// A link without a byte for so long gives its memory back: longer than a device in the middle of its backfill, shorter
/// than a minute, in which most devices speak once.
const REST_AFTER: Duration = Duration::from_secs(2);

/// Tickets on their way to disk, and where their end is told.
type Ordered = Option<(Vec<Ticket>, Done)>;

/// What a link waits for.
enum Came {
    /// A frame to send to the device.
    Command(Vec<u8>),
    /// Bytes, which the session has.
    Bytes,
    /// Nothing more.
    End(Ended),
}

struct Pump<S> {
    shared: Arc<Shared<S>>,
    link: Link,
    session: Session,
    stream: Wire,
    /// Commands to the devices of this link.
    commands: mpsc::Receiver<Vec<u8>>,
    /// Registered devices seen on it.
    met: Vec<Mn>,
    /// Records that wait for the order on its way to end.
    queue: Vec<(Ticket, Vec<NewRecord>)>,
    ended: Option<Ended>,
    opened: Instant,
    last_byte: Instant,
    /// Its memory was given back since the last byte.
    rested: bool,
}

/// Serves a link until it ends, and what came over it is safe.
pub(crate) async fn serve<S: Store>(shared: Arc<Shared<S>>, stream: Wire, peer: SocketAddr) {
    let link = Link {
        peer: inline(&peer.to_string()),
        epoch: shared.clock.next_epoch(),
    };
    shared.signals.link_opened(link.peer);
    let session = Session::new(Arc::clone(&shared.config), Arc::clone(&shared.catalogue), link);
    let now = Instant::now();
    let commands = shared.links.open(link.epoch);
    let mut pump = Pump {
        shared,
        link,
        session,
        stream,
        commands,
        met: Vec::new(),
        queue: Vec::new(),
        ended: None,
        opened: now,
        last_byte: now,
        rested: false,
    };
    pump.run().await;
    pump.shared.links.close(pump.link.epoch, &pump.met);
    let ended = pump.ended.unwrap_or(Ended::Peer);
    pump.shared.signals.link_ended(pump.link.peer, ended);
}

impl<S: Store> Pump<S> {
    async fn run(&mut self) {
        let mut stop = self.shared.stop.clone();
        let mut stopping = pin!(stop.wait_for(|stopping| *stopping));
        // Mostly it rings too early, because a byte came since, and is set again: that is cheaper than setting it with
        // every byte.
        let mut alarm = pin!(sleep_until(self.silence_ends()));
        let mut ordered: Ordered = None;
        let mut command: Option<Vec<u8>> = None;
        loop {
            if let Some(frame) = command.take()
                && self.write(&frame).await
            {
                self.shared.signals.ordered();
            }
            self.carry_out().await;
            if ordered.is_none() {
                ordered = self.order();
            }
            if self.ended.is_some() && ordered.is_none() {
                return;
            }
            let reading = self.ended.is_none() && self.session.wants_bytes();
            if reading && self.next_alarm() < alarm.deadline() {
                alarm.as_mut().reset(self.next_alarm());
            }
            tokio::select! {
                biased;
                (tickets, appended) = next(&mut ordered) => self.appended(tickets, appended),
                _ = &mut stopping, if self.ended.is_none() => self.end(Ended::Stopping),
                came = poll_fn(|cx| self.poll_came(cx, reading)), if self.ended.is_none() => match came {
                    Came::Command(frame) => command = Some(frame),
                    Came::Bytes => {}
                    Came::End(why) => self.end(why),
                },
                () = &mut alarm, if reading => {
                    self.alarmed();
                    alarm.as_mut().reset(self.next_alarm());
                }
            }
        }
    }

    /// A command for the device, or else what the peer sent.
    fn poll_came(&mut self, cx: &mut Context<'_>, reading: bool) -> Poll<Came> {
        match self.commands.poll_recv(cx) {
            Poll::Ready(Some(frame)) => return Poll::Ready(Came::Command(frame)),
            Poll::Ready(None) => return Poll::Ready(Came::End(Ended::Superseded)),
            Poll::Pending => {}
        }
        if reading { self.poll_read(cx) } else { Poll::Pending }
    }

    /// Reads what there is into the session.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes));
        Poll::Ready(match (read, bytes.filled()) {
            (Err(_), _) => Came::End(Ended::ReadError),
            (Ok(()), []) => Came::End(Ended::Peer),
            (Ok(()), bytes) => {
                self.received(bytes);
                Came::Bytes
            }
        })
    }

    fn received(&mut self, bytes: &[u8]) {
        self.last_byte = Instant::now();
        self.rested = false;
        self.shared.signals.received(bytes.len());
        let registry = Arc::clone(&self.shared.registry.borrow());
        self.session.handle_bytes(bytes, self.shared.clock.now(), &registry);
    }

    /// When the link has been quiet for long enough to take a frame for complete.
    fn quiet_at(&self) -> Option<Instant> {
        let wait = Duration::from_millis(self.shared.config.tail_wait_ms);
        self.session.wants_quiet().then(|| self.last_byte + wait)
    }

    /// When the link is closed if nothing, or nothing valid, comes.
    fn silence_ends(&self) -> Instant {
        let idle = self.last_byte + Duration::from_secs(self.shared.config.idle_timeout_s);
        if self.session.is_identified() {
            return idle;
        }
        idle.min(self.opened + Duration::from_secs(self.shared.config.unidentified_timeout_s))
    }

    /// When the link gives its memory back; not while something is on its way.
    fn rest_at(&self) -> Option<Instant> {
        (!self.rested).then(|| self.last_byte + REST_AFTER)
    }

    fn next_alarm(&self) -> Instant {
        let earlier = self.quiet_at().into_iter().chain(self.rest_at());
        earlier.fold(self.silence_ends(), Instant::min)
    }

    /// Does what is due by now.
    fn alarmed(&mut self) {
        let now = Instant::now();
        if self.quiet_at().is_some_and(|at| at <= now) {
            let registry = Arc::clone(&self.shared.registry.borrow());
            self.session.handle_quiet(self.shared.clock.now(), &registry);
        } else if self.rest_at().is_some_and(|at| at <= now) {
            self.session.rest();
            self.queue = Vec::new();
            self.rested = true;
        } else if self.silence_ends() <= now {
            self.end(if self.session.is_identified() {
                Ended::Idle
            } else {
                Ended::Unidentified
            });
        }
    }

    /// Reads no more; what was read still goes its way.
    fn end(&mut self, why: Ended) {
        if self.ended.is_none() {
            self.ended = Some(why);
            let registry = Arc::clone(&self.shared.registry.borrow());
            self.session.handle_end(self.shared.clock.now(), &registry);
        }
    }

    /// Does what the session asks for; answers leave together.
    async fn carry_out(&mut self) {
        loop {
            let (mut answers, mut count) = (Vec::new(), 0);
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Append { ticket, records } => {
                        let partitions = self.shared.store.partitions();
                        self.queue
                            .push((ticket, records.iter().map(|record| place(record, partitions)).collect()));
                    }
                    Output::Send(bytes) if count == 0 => (answers, count) = (bytes, 1),
                    Output::Send(bytes) => {
                        answers.extend_from_slice(&bytes);
                        count += 1;
                    }
                    Output::Note(note) => {
                        if let Note::Came(mn) = note {
                            self.met.push(mn);
                            let most = self.shared.config.max_links_per_mn;
                            self.shared.links.met(mn, self.link.epoch, most);
                        }
                        if let Note::Newcomer(newcomer) = &note {
                            self.shared.links.asks(Newcomer::clone(newcomer), self.link.epoch);
                        }
                        self.shared.signals.noted(self.link.peer, &note);
                    }
                    Output::Close(reason) => self.end(Ended::Session(reason)),
                }
            }
            if count == 0 {
                return;
            }
            self.send(&answers, count).await;
        }
    }

    async fn send(&mut self, answers: &[u8], count: u64) {
        if self.write(answers).await {
            self.shared.signals.answered(count);
        }
    }

    /// Writes frames; false where the peer does not take them.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        if self.ended == Some(Ended::WriteError) {
            return false;
        }
        let limit = Duration::from_millis(self.shared.config.write_timeout_ms);
        let write = async {
            self.stream.write_all(bytes).await?;
            // TLS may hold back the end of it.
            self.stream.flush().await
        };
        let written = tokio::time::timeout(limit, write).await;
        let taken = matches!(written, Ok(Ok(())));
        // A peer that has closed its side may still read; one that takes nothing is gone.
        if !taken {
            self.end(Ended::WriteError);
        }
        taken
    }

    /// Leaves what waits to the committers.
    fn order(&mut self) -> Ordered {
        if self.queue.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let mut fits = |(_, records): &(Ticket, Vec<NewRecord>)| {
            let before = bytes;
            bytes += records.iter().map(|record| record.payload.len()).sum::<usize>();
            before == 0 || bytes <= MAX_GROUP_BYTES
        };
        let count = self.queue.iter().take_while(|one| fits(one)).count();
        let mut tickets = Vec::with_capacity(count);
        let mut together = Vec::new();
        for (ticket, mut records) in self.queue.drain(..count) {
            tickets.push(ticket);
            if together.is_empty() {
                together = records;
            } else {
                together.append(&mut records);
            }
        }
        Some((tickets, self.shared.commits.order(together)))
    }

    fn appended(&mut self, tickets: Vec<Ticket>, appended: Appended) {
        match appended {
            Appended::Durable => {
                // While the bus refused the link was not read, so its silence was ours.
                self.last_byte = Instant::now();
                for ticket in tickets {
                    self.session.handle_durable(ticket);
                }
            }
            Appended::GivenUp => {
                self.queue.clear();
                self.end(Ended::Stopping);
            }
            Appended::Unstorable => self.end(Ended::Unstorable),
        }
    }
}

/// The end of the order on its way; waits for ever where there is none.
async fn next(ordered: &mut Ordered) -> (Vec<Ticket>, Appended) {
    let Some((_, done)) = ordered else {
        return std::future::pending().await;
    };
    // The committers outlive the links, unless a stop has run out of time.
    let appended = done.await.unwrap_or(Appended::GivenUp);
    let tickets = ordered.take().map(|(tickets, _)| tickets);
    (tickets.unwrap_or_default(), appended)
}
