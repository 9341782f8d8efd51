//! The desk's engine: events in, cases and notices kept, people's acts, changes out. `deploy` feeds it and runs its
//! outbox; the pages read and act through it.

mod daily;
mod digests;
mod faults;
mod feed;
mod people;
mod tables;
mod users;
mod worker;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, FactorCode, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::Report;
use plume_schemas::time::{Clock, Span, Time};
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::accounts::Chance;
use crate::config::{AlertConfig, ChannelConfig};
use crate::duty::Roster;
use crate::links::Links;
use crate::notify::{Audience, Channel};
use crate::rates::{RateRow, RateSource};
use crate::route::Listing;
use crate::series::{Point, SeriesStore};
use crate::signals::{SignalError, Signals};
use crate::sinks::console::ConsoleSink;
use crate::sinks::email::{EmailError, EmailSink};
use crate::sinks::template::TemplateSink;
use crate::sinks::webhook::WebhookSink;
use crate::sinks::{HttpError, SendError, Sink};
use crate::store::{Store, StoreError};
use crate::tables::{TableError, Tables};
use crate::words::Lang;
pub use faults::Heard;
pub use people::Finding;
pub use users::Invitation;

/// Changes kept for slow readers of the live list; one that falls further behind reads the page anew.
const CHANGES_KEPT: usize = 256;

/// Passwords hashed at one time: each takes 19 MiB and a core.
const HASHED_AT_ONCE: usize = 2;

/// The desk's engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    config: AlertConfig,
    clock: Clock,
    signals: Signals,
    catalogue: Catalogue,
    shipped: Tables,
    tables: RwLock<Arc<Tables>>,
    roster: RwLock<Arc<Roster>>,
    links: OnceLock<Links>,
    holder: OnceLock<String>,
    pace: OnceLock<u32>,
    chance: OnceLock<Chance>,
    rates: OnceLock<RateSource>,
    hashing: Semaphore,
    lease_until: AtomicI64,
    sinks: Vec<Sink>,
    carried: Vec<Channel>,
    registry: RwLock<Arc<RegistryIndex>>,
    series: Mutex<SeriesStore>,
    changes: broadcast::Sender<i64>,
    wake: Notify,
    /// The latest moment the log has spoken of, by the clock of its writers; the book's own timers run by it.
    log_time: AtomicI64,
}

/// The desk could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its metrics.
    #[error(transparent)]
    Signals(#[from] SignalError),
    /// Its mail section.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// A channel by HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The tables that come with it.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The factor catalogue.
    #[error("cannot read the factor catalogue: {detail}")]
    Catalogue {
        /// Why.
        detail: String,
    },
}

impl DeskError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Store(error) => error.hint(),
            Self::Signals(error) => error.hint(),
            Self::Email(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Tables(error) => error.hint(),
            Self::Catalogue { .. } => "the catalogue comes with plume; this binary is damaged".into(),
        }
    }
}

/// A channel could not be tried, or did not take the message.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// It cannot be set up.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// It did not take the message.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl TryError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Desk(error) => error.hint(),
            Self::Send(error) => error.hint(),
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It changed this case.
    Applied(ContentId),
    /// It was applied before.
    Repeated,
    /// It changes nothing: the end of a breach the book never heard of.
    Ignored,
}

/// The ways out that a configuration sets up.
fn sinks_of(config: &AlertConfig) -> Result<Vec<Sink>, DeskError> {
    let mut sinks = Vec::new();
    if config.mail.enabled {
        sinks.push(Sink::Email(EmailSink::new(&config.mail)?));
    }
    for channel in &config.channels {
        sinks.push(match channel {
            ChannelConfig::Webhook(webhook) => Sink::Webhook(WebhookSink::new(webhook)?),
            ChannelConfig::Template(template) => Sink::Template(TemplateSink::new(template)?),
        });
    }
    Ok(sinks)
}

/// Why the channels of a configuration cannot be set up, if they cannot: (what is wrong, what to try).
pub(crate) fn channel_problem(config: &AlertConfig) -> Option<(String, String)> {
    // Mail is checked by its own section, key by key.
    let mut channels = config.clone();
    channels.mail.enabled = false;
    let error = sinks_of(&channels).err()?;
    Some((error.to_string(), error.hint()))
}

impl Desk {
    /// Opens the desk's database at `store_url`, reads its tables and sets up its channels. `console` is where the
    /// console channel writes, if it is switched on.
    pub async fn open(
        store_url: &str,
        config: &AlertConfig,
        clock: Clock,
        metrics: &prometheus::Registry,
        console: Option<ConsoleSink>,
    ) -> Result<Self, DeskError> {
        let signals = Signals::new(metrics)?;
        let mut sinks = sinks_of(config)?;
        sinks.extend(console.filter(|_| config.console.enabled).map(Sink::Console));
        let carried = Channel::ALL
            .iter()
            .copied()
            .filter(|&channel| sinks.iter().any(|sink| sink.carries(channel)))
            .collect();
        let catalogue = Catalogue::embedded().map_err(|error| DeskError::Catalogue {
            detail: error.to_string(),
        })?;
        let shipped = Tables::embedded()?;
        let desk = Self(Arc::new(Inner {
            tables: RwLock::new(Arc::new(shipped.clone())),
            shipped,
            roster: RwLock::default(),
            links: OnceLock::new(),
            holder: OnceLock::new(),
            pace: OnceLock::new(),
            chance: OnceLock::new(),
            rates: OnceLock::new(),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            lease_until: AtomicI64::new(i64::MIN),
            store: Store::open(store_url).await?,
            config: config.clone(),
            clock,
            signals,
            catalogue,
            sinks,
            carried,
            registry: RwLock::default(),
            series: Mutex::new(SeriesStore::new(config.series.clone())),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            wake: Notify::new(),
            log_time: AtomicI64::new(i64::MIN),
        }));
        desk.reload_roster().await?;
        desk.reload_tables().await?;
        Ok(desk)
    }

    /// Names this process among several desks on one database (D18); without a name it is the only one. Only the
    /// first name counts.
    pub fn set_holder(&self, name: &str) {
        self.0.holder.get_or_init(|| name.to_owned());
    }

    /// Says that the clock runs `pace` times as fast as people live (a demo's): sessions and the undo last as long for
    /// people all the same. Only the first word counts.
    pub fn set_pace(&self, pace: u32) {
        self.0.pace.get_or_init(|| pace.max(1));
    }

    /// Says who counts transmission rates; without anybody none are shown. Only the first counts.
    pub fn set_rates(&self, source: RateSource) {
        self.0.rates.get_or_init(|| source);
    }

    /// Transmission rates of a span, of one outlet or of all; `None` where nobody counts them. Errors: why they could
    /// not be counted.
    pub(crate) async fn rates(&self, span: Span, outlet: Option<OutletId>) -> Result<Option<Vec<RateRow>>, String> {
        let Some(source) = self.0.rates.get().cloned() else {
            return Ok(None);
        };
        let counted = tokio::task::spawn_blocking(move || source.count(span, outlet)).await;
        let counted = counted.map_err(|error| error.to_string()).flatten();
        counted
            .map(Some)
            .inspect_err(|error| self.0.signals.rates_failed(error))
    }

    /// How far the desk's clock goes while people live through `ms`.
    pub(crate) fn lived_ms(&self, ms: i64) -> i64 {
        ms.saturating_mul(i64::from(self.0.pace.get().copied().unwrap_or(1)))
    }

    /// True while this desk is the active one: it applies events and sends. Others serve pages.
    pub fn is_active(&self) -> bool {
        self.now().0 < self.0.lease_until.load(Ordering::Relaxed)
    }

    async fn reload_roster(&self) -> Result<(), StoreError> {
        let roster = self.0.store.roster(self.now()).await?;
        *self.0.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
        Ok(())
    }

    /// Who is on duty when.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.0.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its database, for questions.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The moment it is.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// True where something is set up to carry messages of this channel.
    pub fn carries(&self, channel: Channel) -> bool {
        self.0.carried.contains(&channel)
    }

    /// Names and units of factors.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// What stands on the list of an audience now, by the routes.
    pub fn listing(&self, audience: Audience) -> Listing {
        self.tables().routes.listing(audience, self.now())
    }

    /// The language of notices.
    pub fn language(&self) -> Lang {
        self.0.config.language
    }

    /// The registry in force: names, contacts, limits.
    pub fn registry(&self) -> Arc<RegistryIndex> {
        Arc::clone(&self.0.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new revision of the registry.
    pub fn set_registry(&self, registry: Arc<RegistryIndex>) {
        *self.0.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }

    /// Next offset of a partition of the events topic to read.
    pub async fn resume_offset(&self, partition: u32) -> Result<u64, StoreError> {
        Ok(self.0.store.resume_offset(partition).await?.unwrap_or(0))
    }

    /// Takes a report of the log: its minutes go to the charts, its time moves the book's clock.
    pub fn observe(&self, report: &Report) {
        self.log_says(report.times.received_at);
        let mut series = self.series_store();
        series.observe(report);
        self.0.signals.series_load(series.load().0);
    }

    /// Tells the book's clock that the log has come to `at` (a Tick).
    pub fn log_says(&self, at: Time) {
        self.0.log_time.fetch_max(at.0, Ordering::Relaxed);
    }

    /// Minute values of one factor within `span`, oldest first.
    pub fn series(&self, outlet: OutletId, factor: FactorCode, span: Span) -> Vec<Point> {
        self.series_store().points(outlet, factor, span)
    }

    /// Factors of an outlet that have minute values.
    pub fn series_factors(&self, outlet: OutletId) -> Vec<FactorCode> {
        self.series_store().factors(outlet)
    }

    /// Change numbers as they come, for the live list. A reader that lags asks the store for what it missed.
    pub fn changes(&self) -> broadcast::Receiver<i64> {
        self.0.changes.subscribe()
    }

    fn changed(&self, seq: i64) {
        // Nobody listening is no error.
        drop(self.0.changes.send(seq));
        self.0.wake.notify_one();
    }

    fn series_store(&self) -> MutexGuard<'_, SeriesStore> {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
