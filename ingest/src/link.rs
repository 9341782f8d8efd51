//! One link: bytes from the socket into the session, its records onto the bus, its answers back.
//!
//! While one append is on its way, packets go on being read and wait for the next one together, so that order is kept
//! and the disk is asked once for many packets.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use plume_bus::NewRecord;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::hj212::complaints::inline;
use crate::hj212::session::{Link, Output, Session, Ticket};
use crate::signals::Ended;
use crate::store::{Appended, Store, append, place};
use crate::tcp::Shared;

/// Bytes read at once: a few packets, or a burst of backfill in some reads.
const READ_BYTES: usize = 8192;
/// Payload bytes in one append: well under the bus's own limit of 16 MiB for a batch.
const MAX_BATCH_BYTES: usize = 4 << 20;

type Appending = Pin<Box<dyn Future<Output = Appended> + Send>>;

struct Pump<S> {
    shared: Arc<Shared<S>>,
    link: Link,
    session: Session,
    writer: OwnedWriteHalf,
    /// Orders to the devices of this link.
    orders: mpsc::Receiver<Vec<u8>>,
    /// Records that wait for the append on its way to end.
    queue: Vec<(Ticket, Vec<NewRecord>)>,
    appending: Option<(Vec<Ticket>, Appending)>,
    ended: Option<Ended>,
    opened: Instant,
    last_byte: Instant,
}

/// Serves a link until it ends, and what came over it is safe.
pub(crate) async fn serve<S: Store>(shared: Arc<Shared<S>>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "answers may be delayed by Nagle's algorithm");
    }
    let link = Link {
        peer: inline(&peer.to_string()),
        epoch: shared.clock.next_epoch(),
    };
    shared.signals.link_opened(link.peer);
    let (mut reader, writer) = stream.into_split();
    let session = Session::new(Arc::clone(&shared.config), Arc::clone(&shared.catalogue), link);
    let now = Instant::now();
    let orders = shared.links.open(link.epoch);
    let mut pump = Pump {
        shared,
        link,
        session,
        writer,
        orders,
        queue: Vec::new(),
        appending: None,
        ended: None,
        opened: now,
        last_byte: now,
    };
    pump.run(&mut reader).await;
    pump.shared.links.close(pump.link.epoch);
    let ended = pump.ended.unwrap_or(Ended::Peer);
    pump.shared.signals.link_ended(pump.link.peer, ended);
}

impl<S: Store> Pump<S> {
    async fn run(&mut self, reader: &mut OwnedReadHalf) {
        let mut buffer = vec![0; READ_BYTES];
        let mut stop = self.shared.stop.clone();
        let mut order: Option<Vec<u8>> = None;
        loop {
            if let Some(frame) = order.take()
                && self.write(&frame).await
            {
                self.shared.signals.ordered();
            }
            self.carry_out().await;
            self.start_append();
            if self.ended.is_some() && self.appending.is_none() {
                return;
            }
            let reading = self.ended.is_none() && self.session.wants_bytes();
            let quiet = reading && self.session.wants_quiet();
            let (quiet_at, silent_at) = (self.last_byte + self.tail_wait(), self.silence_ends());
            tokio::select! {
                biased;
                appended = next(&mut self.appending) => self.appended(appended),
                _ = stop.wait_for(|stopping| *stopping), if self.ended.is_none() => self.end(Ended::Stopping),
                Some(frame) = self.orders.recv(), if self.ended.is_none() => order = Some(frame),
                read = reader.read(&mut buffer), if reading => match read {
                    Ok(0) => self.end(Ended::Peer),
                    Err(_) => self.end(Ended::ReadError),
                    Ok(count) => self.received(buffer.get(..count).unwrap_or_default()),
                },
                () = tokio::time::sleep_until(quiet_at), if quiet => {
                    let registry = Arc::clone(&self.shared.registry.borrow());
                    self.session.handle_quiet(self.shared.clock.now(), &registry);
                }
                () = tokio::time::sleep_until(silent_at), if reading => {
                    self.end(if self.session.is_identified() { Ended::Idle } else { Ended::Unidentified });
                }
            }
        }
    }

    fn tail_wait(&self) -> Duration {
        Duration::from_millis(self.shared.config.tail_wait_ms)
    }

    /// When the link is closed if nothing, or nothing valid, comes.
    fn silence_ends(&self) -> Instant {
        let idle = self.last_byte + Duration::from_secs(self.shared.config.idle_timeout_s);
        if self.session.is_identified() {
            return idle;
        }
        idle.min(self.opened + Duration::from_secs(self.shared.config.unidentified_timeout_s))
    }

    fn received(&mut self, bytes: &[u8]) {
        self.last_byte = Instant::now();
        self.shared.signals.received(bytes.len());
        let registry = Arc::clone(&self.shared.registry.borrow());
        self.session.handle_bytes(bytes, self.shared.clock.now(), &registry);
    }

    /// Reads no more; what was read still goes its way.
    fn end(&mut self, why: Ended) {
        if self.ended.is_none() {
            self.ended = Some(why);
            let registry = Arc::clone(&self.shared.registry.borrow());
            self.session.handle_end(self.shared.clock.now(), &registry);
        }
    }

    /// Does what the session asks for.
    async fn carry_out(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Append { ticket, records } => {
                    let partitions = self.shared.store.partitions();
                    self.queue
                        .push((ticket, records.iter().map(|record| place(record, partitions)).collect()));
                }
                Output::Send(bytes) => self.send(&bytes).await,
                Output::Note(note) => self.shared.signals.noted(self.link.peer, &note),
                Output::Close(reason) => self.end(Ended::Session(reason)),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        if self.write(bytes).await {
            self.shared.signals.answered();
        }
    }

    /// Writes a frame; false where the peer does not take it.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        if self.ended == Some(Ended::WriteError) {
            return false;
        }
        let limit = Duration::from_millis(self.shared.config.write_timeout_ms);
        let written = tokio::time::timeout(limit, self.writer.write_all(bytes)).await;
        let taken = matches!(written, Ok(Ok(())));
        // A peer that has closed its side may still read; one that takes nothing is gone.
        if !taken {
            self.end(Ended::WriteError);
        }
        taken
    }

    /// Hands what waits to the bus, if nothing is on its way.
    fn start_append(&mut self) {
        if self.appending.is_some() || self.queue.is_empty() {
            return;
        }
        let mut bytes = 0;
        let mut fits = |(_, records): &(Ticket, Vec<NewRecord>)| {
            let before = bytes;
            bytes += records.iter().map(|record| record.payload.len()).sum::<usize>();
            before == 0 || bytes <= MAX_BATCH_BYTES
        };
        let count = self.queue.iter().take_while(|one| fits(one)).count();
        let (tickets, records): (Vec<Ticket>, Vec<Vec<NewRecord>>) = self.queue.drain(..count).unzip();
        let shared = Arc::clone(&self.shared);
        let appending = async move {
            let records = records.into_iter().flatten().collect();
            append(
                shared.store.clone(),
                records,
                &shared.config,
                &shared.signals,
                shared.stop.clone(),
            )
            .await
        };
        self.appending = Some((tickets, Box::pin(appending)));
    }

    fn appended(&mut self, appended: Appended) {
        let tickets = self.appending.take().map(|(tickets, _)| tickets).unwrap_or_default();
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

/// The append on its way; waits for ever where there is none.
async fn next(appending: &mut Option<(Vec<Ticket>, Appending)>) -> Appended {
    match appending {
        Some((_, appending)) => appending.await,
        None => std::future::pending().await,
    }
}
