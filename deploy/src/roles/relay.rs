//! Passing packets on to other platforms: one loop for each platform and partition, which reads the log at a pace of
//! its own and delays nobody. Its position is a file, written after the platform has answered; where the log no longer
//! has what comes next, or is another log, the archive has it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use plume_bus::{ReadLimit, Topic, TopicPartition};
use plume_ingest::relay::config::RelayConfig;
use plume_ingest::relay::upstream::{Output, Parcel, Upstream};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{ContentId, Mn};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};
use plume_schemas::wire;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, at};

/// Between two looks at the clock: a hundredth of the usual timeout.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A platform may take so long to accept a link, or bytes.
const PEER_LIMIT: Duration = Duration::from_secs(10);
/// Answers are short.
const READ_BYTES: usize = 4_096;
/// Records read of the log at a time.
const READ: ReadLimit = ReadLimit {
    records: 500,
    bytes: 1 << 20,
};
/// The archive is read so much at a time: 500 devices make 25 MB in an hour.
const ARCHIVE_STEP_MS: i64 = HOUR_MS;
/// Clocks of several ingests differ by less; what is passed on twice is known there for a repeat.
const MARGIN_MS: i64 = MINUTE_MS;
/// A position goes to disk so often at most: what was answered since is sent again after a crash, byte for byte, and
/// known there for a repeat.
const KEEP_EVERY_MS: i64 = 1_000;

/// How far a platform has everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Offset in the log of what comes next.
    next: u64,
    /// When the record before it was received: from where to go on in the archive.
    received_at: Time,
    /// Hash of the record before it: another log has another one.
    last: Option<ContentId>,
}

/// How it goes with a platform, for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Going {
    /// A link is open.
    pub(crate) is_up: bool,
    /// Something waits for an answer since then.
    pub(crate) waits_since: Option<Time>,
    /// Records of the log that it does not have yet.
    pub(crate) behind: u64,
}

/// How it goes with all platforms. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relays(Arc<Mutex<BTreeMap<(String, u32), Going>>>);

impl Relays {
    fn set(&self, name: &str, partition: u32, going: Going) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((name.to_owned(), partition), going);
    }

    /// By name and partition.
    pub(crate) fn all(&self) -> BTreeMap<(String, u32), Going> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a loop for each platform and partition.
pub(crate) fn start(context: &Context, relays: &[RelayConfig], stop: &Stop, tasks: &mut JoinSet<anyhow::Result<()>>) {
    for relay in relays {
        for partition in 0..context.bus.partitions() {
            tasks.spawn(run(context.reading(), relay.clone(), partition, stop.clone()));
        }
    }
}

/// Passes packets on until told to stop.
async fn run(context: Context, relay: RelayConfig, partition: u32, stop: Stop) -> anyhow::Result<()> {
    let mut carrier = Carrier::open(context, relay, partition).await?;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut buffer = [0; READ_BYTES];
    while !stop.told() {
        carrier.fill(&stop).await?;
        carrier.upstream.handle_timeout(carrier.now());
        tokio::select! {
            done = carrier.carry_out() => done?,
            // A platform that takes seconds to accept a link does not hold up a stop.
            () = stop.clone().wait() => break,
        }
        let hungry = carrier.queue.is_empty();
        let (bus, line, cursor) = (carrier.context.bus.clone(), carrier.line(), carrier.cursor);
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.clone().wait() => break,
            () = bus.wait(line, cursor), if hungry => {}
            read = read(carrier.stream.as_mut(), &mut buffer) => carrier.heard(&read, &buffer),
        }
    }
    carrier.keep()
}

/// What the platform says; waits for ever where there is no link.
async fn read(stream: Option<&mut TcpStream>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// A record on its way to the exchange.
struct Item {
    place: Place,
    /// Nothing for this platform where missing.
    parcel: Option<Parcel>,
}

/// One platform, one partition.
struct Carrier {
    context: Context,
    relay: RelayConfig,
    partition: u32,
    upstream: Upstream,
    stream: Option<TcpStream>,
    /// Read, and not handed over yet.
    queue: VecDeque<Item>,
    /// Offset in the log of what is read next.
    cursor: u64,
    /// What comes before that in the archive: packets received in this span, of these offsets.
    stored: Option<(Span, std::ops::Range<u64>)>,
    /// Places behind records that are on their way.
    places: VecDeque<Place>,
    place: Place,
    kept: Option<(Place, Time)>,
    waits_since: Option<Time>,
}

impl Carrier {
    async fn open(context: Context, relay: RelayConfig, partition: u32) -> anyhow::Result<Self> {
        let now = context.clock.now();
        let range = context.bus.range(at(Topic::Reports, partition)).await?;
        let known = load(&path(&context.data_dir, &relay.name, partition))?;
        // A platform that is named for the first time gets what comes from now on.
        let first = Place {
            next: range.end,
            received_at: now,
            last: None,
        };
        let place = known.unwrap_or(first);
        let mut carrier = Self {
            upstream: Upstream::new(relay.rules(), place.next, now),
            context,
            relay,
            partition,
            stream: None,
            queue: VecDeque::new(),
            cursor: place.next,
            stored: None,
            places: VecDeque::new(),
            place,
            kept: None,
            waits_since: None,
        };
        carrier.keep()?;
        if carrier.is_another_log(&range).await? {
            // Whatever offsets it has: what was received since, as far as this log does not have it.
            carrier.fall_back(0..u64::MAX).await?;
        }
        Ok(carrier)
    }

    fn now(&self) -> Time {
        self.context.clock.now()
    }

    fn line(&self) -> TopicPartition {
        at(Topic::Reports, self.partition)
    }

    /// True where the record before the position is not the one that was there.
    async fn is_another_log(&self, range: &std::ops::Range<u64>) -> anyhow::Result<bool> {
        let Place { next, last, .. } = self.place;
        if next > range.end {
            return Ok(true);
        }
        if next <= range.start {
            return Ok(false);
        }
        let one = ReadLimit { records: 1, ..READ };
        let before = self.context.bus.read(self.line(), next - 1, one).await?;
        let same = |record: &plume_bus::Record| last.is_none_or(|last| last == ContentId::of(&[&record.payload]));
        Ok(!before.first().is_some_and(same))
    }

    /// The log does not hold what comes next: the archive does, up to where the log begins.
    async fn fall_back(&mut self, offsets: std::ops::Range<u64>) -> anyhow::Result<()> {
        let range = self.context.bus.range(self.line()).await?;
        let one = ReadLimit { records: 1, ..READ };
        let first = self.context.bus.read(self.line(), range.start, one).await?;
        let began = first
            .first()
            .and_then(|record| wire::decode_entry(&record.payload).ok());
        let end = began.map_or_else(|| self.now(), |entry| entry.received_at());
        let span = Span {
            start: self.place.received_at.plus(-MARGIN_MS),
            end: end.plus(MARGIN_MS),
        };
        let relay = &self.relay.name;
        tracing::warn!(relay, from = %span.start, "the log does not go back so far: goes on from the archive");
        self.stored = Some((span, offsets));
        self.cursor = range.start;
        Ok(())
    }

    /// Hands over what there is, as far as the platform takes more.
    async fn fill(&mut self, stop: &Stop) -> anyhow::Result<()> {
        while !stop.told() {
            while let Some(item) = self.queue.front() {
                if item.parcel.is_some() && self.upstream.room() == 0 {
                    return Ok(());
                }
                let now = self.now();
                let Some(Item { place, parcel }) = self.queue.pop_front() else {
                    break;
                };
                self.places.push_back(place);
                match parcel {
                    Some(parcel) => self.upstream.push(parcel, now),
                    None => self.upstream.skip(place.next),
                }
            }
            let more = if self.stored.is_some() {
                self.read_archive().await?;
                true
            } else {
                self.read_log().await?
            };
            if !more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads on in the log; false where there is nothing more.
    async fn read_log(&mut self) -> anyhow::Result<bool> {
        let range = self.context.bus.range(self.line()).await?;
        if self.cursor < range.start {
            self.fall_back(self.cursor..range.start).await?;
            return Ok(true);
        }
        let records = self.context.bus.read(self.line(), self.cursor, READ).await?;
        for record in &records {
            self.cursor = record.offset + 1;
            let Ok(entry) = wire::decode_entry(&record.payload) else {
                continue;
            };
            let place = Place {
                next: self.cursor,
                received_at: entry.received_at(),
                last: Some(ContentId::of(&[&record.payload])),
            };
            let parcel = match &entry {
                EntryBody::Report(report) => Parcel::of(report, self.cursor),
                _ => None,
            };
            let parcel = parcel.filter(|parcel| self.relay.takes(parcel.mn));
            self.queue.push_back(Item { place, parcel });
        }
        Ok(!records.is_empty())
    }

    /// Reads on in the archive, an hour at a time.
    async fn read_archive(&mut self) -> anyhow::Result<()> {
        let Some((span, offsets)) = self.stored.take() else {
            return Ok(());
        };
        let hour = Span {
            start: span.start,
            end: span.end.min(span.start.plus(ARCHIVE_STEP_MS)),
        };
        let (location, partition) = (self.context.archive.clone(), self.partition);
        let read = move || anyhow::Ok(super::archive::reader(&location)?.of_line(partition, hour)?);
        let packets = tokio::task::spawn_blocking(read).await??;
        for packet in packets {
            let Ok(mn) = Mn::new(&packet.mn) else { continue };
            if !offsets.contains(&packet.offset) || !self.relay.takes(mn) {
                continue;
            }
            let next = packet.offset + 1;
            let place = Place {
                next,
                received_at: packet.received_at,
                last: None,
            };
            let parcel = Parcel::from_raw(mn, &packet.raw, next);
            self.queue.push_back(Item { place, parcel });
        }
        if hour.end < span.end {
            let rest = Span {
                start: hour.end,
                ..span
            };
            self.stored = Some((rest, offsets));
        }
        Ok(())
    }

    /// Does what the exchange asks for.
    async fn carry_out(&mut self) -> anyhow::Result<()> {
        while let Some(output) = self.upstream.poll_output() {
            match output {
                Output::Connect => self.connect().await,
                Output::Write(bytes) => self.write(&bytes).await,
                Output::Close => self.stream = None,
                Output::Done(next) => {
                    while let Some(place) = self.places.front().filter(|_| self.place.next != next) {
                        self.place = *place;
                        self.places.pop_front();
                    }
                    let count = self.upstream.take_delivered();
                    self.context.signals.relayed(&self.relay.name, count);
                }
                Output::PassedOver(mn) => self.context.signals.relay_passed_over(&self.relay.name, mn),
            }
        }
        let now = self.now();
        let waits = self.upstream.waiting() > 0;
        self.waits_since = waits.then(|| self.waits_since.unwrap_or(now));
        if self
            .kept
            .is_none_or(|(place, at)| place != self.place && now.since(at) >= KEEP_EVERY_MS)
        {
            self.waits_since = waits.then_some(now);
            self.keep()?;
        }
        let end = self.context.bus.range(self.line()).await?.end;
        let going = Going {
            is_up: self.upstream.is_up(),
            waits_since: self.waits_since,
            behind: end.saturating_sub(self.place.next),
        };
        self.context.relays.set(&self.relay.name, self.partition, going);
        self.context
            .signals
            .relay_going(&self.relay.name, self.partition, (going.is_up, going.behind));
        Ok(())
    }

    async fn connect(&mut self) {
        let now = self.now();
        match tokio::time::timeout(PEER_LIMIT, TcpStream::connect(&self.relay.to)).await {
            Ok(Ok(stream)) => {
                tracing::info!(relay = self.relay.name, to = self.relay.to, "passing packets on");
                self.stream = Some(stream);
                self.upstream.connected(now);
            }
            failed => {
                let why = failed.map_or_else(
                    |_| "no answer".to_owned(),
                    |failed| failed.err().map(|error| error.to_string()).unwrap_or_default(),
                );
                tracing::info!(
                    relay = self.relay.name,
                    to = self.relay.to,
                    why,
                    "the platform cannot be reached"
                );
                self.upstream.closed(self.now());
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        let written = tokio::time::timeout(PEER_LIMIT, stream.write_all(bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.lost();
        }
    }

    fn heard(&mut self, read: &std::io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(count @ 1..) => {
                let now = self.now();
                self.upstream.handle(buffer.get(..*count).unwrap_or_default(), now);
            }
            Ok(0) | Err(_) => self.lost(),
        }
    }

    fn lost(&mut self) {
        if self.stream.take().is_some() {
            tracing::info!(relay = self.relay.name, "the link to the platform has ended");
            let now = self.now();
            self.upstream.closed(now);
        }
    }

    /// Writes the position: durable when this returns.
    fn keep(&mut self) -> anyhow::Result<()> {
        let path = path(&self.context.data_dir, &self.relay.name, self.partition);
        let fresh = path.with_extension("json.new");
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut file = fs::File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(&self.place)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().with_context(|| format!("write {}", path.display()))?;
        self.kept = Some((self.place, self.now()));
        Ok(())
    }
}

fn path(data_dir: &Path, name: &str, partition: u32) -> PathBuf {
    data_dir
        .join("state")
        .join("relay")
        .join(format!("{name}-{partition}.json"))
}

fn load(path: &Path) -> anyhow::Result<Option<Place>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "read {} (hint: without it everything from now on is passed on)",
                path.display()
            )
        })?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
