//! What every handler shares: the desk behind the pages, places for live lists, and the stop.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use plume_schemas::entry::{EntryBody, Mark};
use plume_schemas::ids::{ContentId, OutletId};
use plume_schemas::registry::{Assembly, RegistryIndex, Source};
use plume_schemas::time::Time;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};

use super::ask::record;
use super::checks::ChecksQueue;
use super::enrol::EnrolQueue;
use super::history::HistoryQueue;
use super::inspect::InspectQueue;
use super::keys::KeyView;
use super::limits::{CONNECTIONS, HEADER_TIMEOUT, HEARTBEAT, HEARTBEAT_VIRTUAL, LIVE_CLIENTS};
use super::names::Names;
use super::orders::OrderQueue;
use super::pulse::{Devices, Life, Pulse, in_scope};
use super::registry::RegistryDesk;
use super::tail::Tail;
use super::wellbeing::Sentence;
use crate::Desk;
use crate::accounts::Viewer;
use crate::act::{ActError, UNDO_MS};
use crate::case::{Act, Family, State as CaseState};
use crate::entered::EntryError;
use crate::store::{CaseFilter, CaseRow, Order, Page, Store, StoreError};
use crate::words::{Lang, Saying, headline};

/// How the pages are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskOptions {
    /// Browsers reach the desk by HTTPS (a TLS proxy stands before it): cookies are sent over nothing else.
    pub secure_cookies: bool,
    /// The clock is virtual (D3): pages say so, and it is sent every second.
    pub virtual_clock: bool,
    /// Open connections.
    pub connections: usize,
    /// Live lists at one time.
    pub live_clients: usize,
    /// Within this time a request's headers must have come.
    pub header_timeout: Duration,
}

impl DeskOptions {
    /// The options with the limits of [`super::limits`].
    pub fn new(secure_cookies: bool, virtual_clock: bool) -> Self {
        Self {
            secure_cookies,
            virtual_clock,
            connections: CONNECTIONS,
            live_clients: LIVE_CLIENTS,
            header_timeout: HEADER_TIMEOUT,
        }
    }
}

/// An act meets the judge's own change of the case at most this often before it gives up.
const ACT_TRIES: u32 = 5;

/// A packet taken apart, by whoever knows the protocol: the desk does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What is to be said of the whole: length and checksum right or wrong.
    pub verdict: String,
    /// Its parts, in order.
    pub rows: Vec<DecodedRow>,
}

/// One part of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedRow {
    /// What it is.
    pub name: String,
    /// As sent.
    pub value: String,
    /// What it means, or what is wrong with it.
    pub note: String,
}

/// What plume itself cannot do at the moment. The pages say so on top, so that nobody takes silence for calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The log has no room: devices get no answer, and send again later.
    LogFull,
    /// The archive refuses files; the log keeps everything meanwhile.
    ArchiveStuck,
    /// The judge cannot store what it finds.
    JudgeStuck,
}

/// Takes a packet apart, in a language.
pub type Decoder = fn(&str, Lang) -> Decoded;

/// The exact bytes that a packet is answered with, by whoever knows the protocol; `None` where it gets no answer.
pub type Answerer = fn(&[u8]) -> Option<Vec<u8>>;

/// Marks on their way into the log, and who waits for the word that they are there.
#[derive(Debug)]
pub struct MarkBatch {
    /// The marks.
    pub marks: Vec<Mark>,
    /// Told once they are durable, or why they are not.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// The way of marks into the log, which the desk itself does not know.
#[derive(Clone, Debug)]
pub struct MarkQueue(mpsc::Sender<MarkBatch>);

impl MarkQueue {
    /// A way whose other end appends to the log.
    pub fn new(queue: mpsc::Sender<MarkBatch>) -> Self {
        Self(queue)
    }
}

/// A place among the live lists, given back when dropped.
pub(crate) type LivePlace = OwnedSemaphorePermit;

/// What every handler shares. Clones share it.
#[derive(Clone, Debug)]
pub struct DeskState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desk: Desk,
    options: DeskOptions,
    decoder: Option<Decoder>,
    marks: OnceLock<MarkQueue>,
    answerer: OnceLock<Answerer>,
    keys: OnceLock<KeyView>,
    history: OnceLock<HistoryQueue>,
    inspector: OnceLock<InspectQueue>,
    orders: OnceLock<OrderQueue>,
    checks: OnceLock<ChecksQueue>,
    registry: RegistryDesk,
    enrol: OnceLock<EnrolQueue>,
    tail: Mutex<Tail>,
    pulse: Mutex<Pulse>,
    /// Parts of a registry that is still on its way; every partition brings all of them.
    assembly: Mutex<Assembly>,
    troubles: Mutex<Vec<Trouble>>,
    sentences: Mutex<Vec<Sentence>>,
    live: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl DeskState {
    /// The pages of this desk.
    pub fn new(desk: Desk, options: DeskOptions) -> Self {
        Self::with_decoder(desk, options, None)
    }

    /// The pages of this desk, with 报文解析 where a decoder is given.
    pub fn with_decoder(desk: Desk, options: DeskOptions, decoder: Option<Decoder>) -> Self {
        Self(Arc::new(Inner {
            desk,
            options,
            decoder,
            marks: OnceLock::new(),
            answerer: OnceLock::new(),
            keys: OnceLock::new(),
            history: OnceLock::new(),
            inspector: OnceLock::new(),
            orders: OnceLock::new(),
            checks: OnceLock::new(),
            registry: RegistryDesk::default(),
            enrol: OnceLock::new(),
            tail: Mutex::default(),
            pulse: Mutex::default(),
            assembly: Mutex::default(),
            troubles: Mutex::default(),
            sentences: Mutex::default(),
            live: Arc::new(Semaphore::new(options.live_clients)),
            stop: watch::Sender::new(false),
        }))
    }

    /// Gives marks a way into the log; without one they are refused. Only the first counts.
    pub fn set_mark_queue(&self, queue: MarkQueue) {
        self.0.marks.get_or_init(|| queue);
    }

    /// Says how packets are answered, for the live tail. Only the first counts.
    pub fn set_answerer(&self, answerer: Answerer) {
        self.0.answerer.get_or_init(|| answerer);
    }

    /// The exact answer to a packet.
    pub(crate) fn answer(&self, raw: &[u8]) -> Option<Vec<u8>> {
        (self.0.answerer.get()?)(raw)
    }

    /// The last packets of all devices.
    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.0.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn history_queue(&self) -> &OnceLock<HistoryQueue> {
        &self.0.history
    }

    pub(super) fn inspect_queue(&self) -> &OnceLock<InspectQueue> {
        &self.0.inspector
    }

    pub(super) fn key_view(&self) -> &OnceLock<KeyView> {
        &self.0.keys
    }

    pub(super) fn enrol_queue(&self) -> &OnceLock<EnrolQueue> {
        &self.0.enrol
    }

    pub(super) fn registry_desk(&self) -> &RegistryDesk {
        &self.0.registry
    }

    pub(super) fn checks_queue(&self) -> &OnceLock<ChecksQueue> {
        &self.0.checks
    }

    pub(super) fn order_queue(&self) -> &OnceLock<OrderQueue> {
        &self.0.orders
    }

    /// Records marks; gives how many once they are durable.
    pub(crate) async fn record_marks(&self, viewer: &Viewer, marks: Vec<Mark>) -> Result<usize, EntryError> {
        let count = marks.len();
        let objects: Vec<String> = marks.iter().map(|mark| mark.outlet.to_string()).collect();
        let queue = self.0.marks.get().map(|queue| &queue.0);
        let recorded = record(queue, |done| MarkBatch { marks, done }).await;
        recorded.map_err(|detail| EntryError::Log { detail })?;
        // The marks are in the log, with who made them: a line that is not noted here is not lost.
        if let Err(error) = self.0.desk.note_marks(viewer, &objects).await {
            tracing::error!(%error, hint = error.hint(), "marks are recorded, but not noted in the log of operations");
        }
        Ok(count)
    }

    /// Takes a record of the reports topic: charts, signs of life, the book's clock and the registry in force all
    /// follow it.
    pub fn observe(&self, body: &EntryBody) {
        self.pulse().observe(body);
        match body {
            EntryBody::Report(report) => {
                self.tail().observe(report);
                self.0.desk.observe(report);
            }
            EntryBody::Registry(registry) => {
                // After a start the last days are read again: what was in force then is not in force now. And the
                // process holds one registry: what is in force already is not kept a second time.
                let in_force = self.0.desk.registry();
                let in_force = in_force.registry();
                if let Some(whole) = self
                    .assembly()
                    .take(registry)
                    .filter(|whole| whole.revision >= in_force.revision && whole != in_force)
                {
                    self.0.desk.set_registry(Arc::new(RegistryIndex::new(whole)));
                }
            }
            EntryBody::Tick(tick) => self.0.desk.log_says(tick.received_at),
            EntryBody::Presence(_)
            | EntryBody::ClockStep(_)
            | EntryBody::Mark(_)
            | EntryBody::Check(_)
            | EntryBody::Recomputed(_) => {}
        }
    }

    /// Says what plume cannot do from now on; none when all is well again.
    pub fn set_troubles(&self, troubles: Vec<Trouble>) {
        *self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }

    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn sentences(&self) -> &Mutex<Vec<Sentence>> {
        &self.0.sentences
    }

    fn assembly(&self) -> MutexGuard<'_, Assembly> {
        self.0.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.0.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last record of the log was written.
    pub(crate) fn last_record(&self) -> Option<Time> {
        self.pulse().last_record()
    }

    /// The devices this person may see.
    pub(crate) fn devices(&self, viewer: &Viewer) -> Devices {
        self.pulse().devices(viewer, &self.0.desk.registry(), self.now())
    }

    /// The engine behind the pages.
    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    pub(crate) fn store(&self) -> &Store {
        self.0.desk.store()
    }

    pub(crate) fn now(&self) -> Time {
        self.0.desk.now()
    }

    pub(crate) fn options(&self) -> DeskOptions {
        self.0.options
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        if self.0.options.virtual_clock {
            HEARTBEAT_VIRTUAL
        } else {
            HEARTBEAT
        }
    }

    /// What things are called, in this language.
    pub(crate) fn names(&self, lang: Lang) -> Names<'_> {
        Names::new(self.0.desk.registry(), self.0.desk.catalogue(), lang)
    }

    /// The sentence about a case.
    pub(crate) fn sentence(&self, case: &CaseRow, lang: Lang) -> String {
        let judgement = &case.judgement;
        let saying = match case.state {
            CaseState::Retracted => Saying::Retracted,
            CaseState::Retracting => Saying::Retracting,
            _ => Saying::of(judgement, case.certainty),
        };
        headline(
            &self.0.desk.tables().words,
            judgement,
            case.certainty,
            saying,
            self.0.desk.catalogue(),
            lang,
        )
    }

    /// Does what a person wants done to a case. Without a version it is done to the case as it is: what is said does
    /// not depend on what the judge may have added meanwhile.
    pub(crate) async fn act(
        &self,
        viewer: &Viewer,
        case: ContentId,
        act: &Act,
        version: Option<i64>,
    ) -> Result<(), ActError> {
        if let Some(version) = version {
            return self.0.desk.act(viewer, case, act, version).await.map(drop);
        }
        let mut tries = ACT_TRIES;
        loop {
            let row = self.store().case(viewer, case).await?.ok_or(ActError::NoSuchCase)?;
            match self.0.desk.act(viewer, case, act, row.version).await {
                Err(ActError::Changed { .. }) if tries > 1 => tries -= 1,
                done => return done.map(drop),
            }
        }
    }

    /// Seconds in which this person can take back their acknowledgement, if any are left.
    pub(crate) fn undo_left(&self, case: &CaseRow, viewer: &Viewer) -> Option<u64> {
        let by = case.acknowledged.as_ref().filter(|by| by.name == viewer.name)?;
        let left = self.0.desk.lived_ms(UNDO_MS) - self.now().since(by.at);
        u64::try_from(left / self.0.desk.lived_ms(1_000))
            .ok()
            .filter(|&seconds| seconds > 0)
    }

    /// How many cases there are.
    pub(crate) async fn count(&self, viewer: &Viewer, filter: &CaseFilter) -> Result<u64, StoreError> {
        let page = Page {
            order: Order::Latest,
            offset: 0,
            limit: 0,
        };
        Ok(self.store().cases(viewer, filter, page).await?.total)
    }

    /// True where an outlet is this person's to see.
    pub(crate) fn sees(&self, viewer: &Viewer, outlet: OutletId) -> bool {
        in_scope(outlet, viewer, &self.0.desk.registry())
    }

    /// How a device is, and when it was heard last.
    pub(crate) fn life_of(&self, source: &Source) -> (Life, Option<Time>) {
        self.pulse().life_of(source, self.now())
    }

    /// Live lists open, and how many there may be.
    pub(crate) fn live_lists(&self) -> (usize, usize) {
        let most = self.0.options.live_clients;
        (most - self.0.live.available_permits().min(most), most)
    }

    /// True where packets can be taken apart.
    pub(crate) fn decodes(&self) -> bool {
        self.0.decoder.is_some()
    }

    /// Takes a packet apart.
    pub(crate) fn decode(&self, packet: &str, lang: Lang) -> Option<Decoded> {
        Some((self.0.decoder?)(packet, lang))
    }

    /// Running windows that will probably exceed.
    pub(crate) async fn at_risk(&self, viewer: &Viewer) -> Result<u64, StoreError> {
        let filter = CaseFilter {
            states: vec![CaseState::Open],
            families: vec![Family::Near],
            ..CaseFilter::default()
        };
        self.count(viewer, &filter).await
    }

    /// Districts of the enterprises a viewer may see, in order.
    pub(crate) fn districts(&self, viewer: &Viewer) -> Vec<String> {
        let registry = self.0.desk.registry();
        let mut districts: Vec<String> = registry
            .registry()
            .enterprises
            .iter()
            .map(|enterprise| enterprise.district.clone())
            .filter(|district| !district.is_empty())
            .filter(|district| match &viewer.scope {
                crate::accounts::Scope::District(own) => own == district,
                _ => true,
            })
            .collect();
        districts.sort();
        districts.dedup();
        districts
    }

    /// The number of the last change, as it counts up.
    pub(crate) fn changes(&self) -> broadcast::Receiver<i64> {
        self.0.desk.changes()
    }

    /// A place among the live lists, or nothing where all are taken.
    pub(crate) fn live_place(&self) -> Option<LivePlace> {
        Arc::clone(&self.0.live).try_acquire_owned().ok()
    }

    /// Becomes true when the desk stops.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.0.stop.subscribe()
    }

    /// Ends the live lists.
    pub(crate) fn stop(&self) {
        self.0.stop.send_replace(true);
    }
}
