//! The desk's engine: events in, cases and notices kept, people's acts, changes out. `deploy` feeds it and runs its
//! outbox; the pages read and act through it.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use plume_schemas::entry::LogPosition;
use plume_schemas::event::Event;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::Report;
use plume_schemas::time::{Clock, DAY_MS, HOUR_MS, SECOND_MS, Span, Time};
use tokio::sync::{Notify, broadcast};

use crate::accounts::{Action, TOKEN_BYTES, Token, Viewer};
use crate::act::ActError;
use crate::book::{self, Applied, Effect, Patience};
use crate::case::{Act, ActKind, Case, Tags};
use crate::config::AlertConfig;
use crate::notify::{Channel, Maker, make};
use crate::outbox::{Pass, Sender};
use crate::route::{RouteError, Routes};
use crate::series::{Point, SeriesStore};
use crate::signals::{SignalError, Signals};
use crate::sinks::Sink;
use crate::sinks::console::ConsoleSink;
use crate::sinks::email::{EmailError, EmailSink};
use crate::store::db::Tx;
use crate::store::{CaseRow, Store, StoreError, log, outbox, write};
use crate::words::{Lang, Words, WordsError};

/// Changes kept for slow readers of the live list; one that falls further behind reads the page anew.
const CHANGES_KEPT: usize = 256;
/// Cases settled in one pass: a pass stays short, the rest comes in the next.
const MAX_SETTLED: i64 = 200;

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
    words: Words,
    routes: Routes,
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
    /// Its sentences.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// Its routes.
    #[error(transparent)]
    Routes(#[from] RouteError),
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
            Self::Words(error) => error.hint(),
            Self::Routes(error) => error.hint(),
            Self::Catalogue { .. } => "the catalogue comes with plume; this binary is damaged".into(),
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
        let mut sinks = Vec::new();
        if config.mail.enabled {
            sinks.push(Sink::Email(EmailSink::new(&config.mail)?));
        }
        sinks.extend(console.filter(|_| config.console.enabled).map(Sink::Console));
        let carried = Channel::ALL
            .iter()
            .copied()
            .filter(|&channel| sinks.iter().any(|sink| sink.carries(channel)))
            .collect();
        let catalogue = Catalogue::embedded().map_err(|error| DeskError::Catalogue {
            detail: error.to_string(),
        })?;
        Ok(Self(Arc::new(Inner {
            words: Words::embedded()?,
            routes: Routes::embedded()?,
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
        })))
    }

    /// Its database, for questions.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The moment it is.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Names and units of factors.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// The sentences.
    pub fn words(&self) -> &Words {
        &self.0.words
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

    /// Applies the event at `at` of the events topic: the case, its trace, its notices, the event's id and the offset
    /// are one transaction. On an error nothing has happened, and the event is to be given again.
    pub async fn apply(&self, at: LogPosition, event: &Event) -> Result<EventOutcome, StoreError> {
        self.log_says(event.at);
        let mut tx = self.0.store.begin().await?;
        if log::next_offset(&mut tx, at.partition).await? > at.offset {
            self.0.signals.event_repeated(event.id);
            return Ok(EventOutcome::Repeated);
        }
        log::advance(&mut tx, at.partition, at.offset + 1).await?;
        if !log::mark_applied(&mut tx, event).await? {
            tx.commit().await?;
            self.0.signals.event_repeated(event.id);
            return Ok(EventOutcome::Repeated);
        }
        let Some((case, seq)) = self.apply_in(&mut tx, event).await? else {
            tx.commit().await?;
            self.0.signals.event_ignored(event.id, event.edge);
            return Ok(EventOutcome::Ignored);
        };
        tx.commit().await?;
        self.0.signals.event_applied(event.edge, case);
        self.changed(seq);
        Ok(EventOutcome::Applied(case))
    }

    /// Passes over a record of the events topic that cannot be read.
    pub async fn skip(&self, at: LogPosition) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        if log::next_offset(&mut tx, at.partition).await? <= at.offset {
            log::advance(&mut tx, at.partition, at.offset + 1).await?;
            tx.commit().await?;
            self.0.signals.event_unreadable(at.partition, at.offset);
        }
        Ok(())
    }

    async fn apply_in(&self, tx: &mut Tx<'_>, event: &Event) -> Result<Option<(ContentId, i64)>, StoreError> {
        let registry = self.registry();
        let tags = tags_of(event, &registry);
        let known = write::case_for(tx, event).await?;
        let Some(applied) = book::apply(known, event, &tags, self.patience()) else {
            return Ok(None);
        };
        let (_, mut last) = write::save(tx, &applied).await?;
        for effect in &applied.effects {
            match effect {
                Effect::Tell(purpose) => {
                    let told = outbox::told(tx, applied.case.id).await?;
                    let maker = self.maker(&registry);
                    let now = self.now().max(event.at);
                    let notices = make(&maker, &applied.case, *purpose, event.id, &told, now);
                    outbox::add(tx, &notices).await?;
                }
                Effect::Judged(word) => {
                    for warning in write::warnings_of(tx, event, word.warned_by, word.window).await? {
                        if let Some(decided) = book::window_ended(warning, *word, event) {
                            (_, last) = write::save(tx, &decided).await?;
                        }
                    }
                }
            }
        }
        Ok(Some((applied.case.id, last)))
    }

    /// Does what a person asks to a case they may see, if nobody changed it since `expected_version`.
    pub async fn act(
        &self,
        viewer: &Viewer,
        case: ContentId,
        act: &Act,
        expected_version: i64,
    ) -> Result<CaseRow, ActError> {
        let done = self.try_act(viewer, case, act, expected_version).await;
        match &done {
            Ok(row) => {
                self.0.signals.acted(act.kind, case);
                self.changed(row.changed_seq);
            }
            Err(error) => self.0.signals.act_refused(act.kind, error),
        }
        done
    }

    async fn try_act(
        &self,
        viewer: &Viewer,
        id: ContentId,
        act: &Act,
        expected_version: i64,
    ) -> Result<CaseRow, ActError> {
        // Whether there is such a case is asked first: who may not see it learns nothing.
        if self.0.store.case(viewer, id).await?.is_none() {
            return Err(ActError::NoSuchCase);
        }
        if !viewer.may(Action::Act(act.kind)) {
            return Err(ActError::NotAllowed {
                role: viewer.role,
                act: act.kind,
            });
        }
        let mut tx = self.0.store.begin().await?;
        let case: Case = write::load(&mut tx, id).await?.ok_or(ActError::NoSuchCase)?;
        if case.version != expected_version {
            return Err(ActError::Changed {
                expected: expected_version,
                found: case.version,
            });
        }
        let receipt = match act.kind {
            ActKind::ReportFault => Some(tx.take("receipt", 1).await?),
            _ => None,
        };
        let applied: Applied = crate::act::act(case, viewer, act, receipt)?;
        write::save(&mut tx, &applied).await?;
        if act.kind == ActKind::Acknowledge {
            outbox::acknowledged(&mut tx, id, &viewer.name, act.at).await?;
        }
        tx.commit().await?;
        self.0.store.case(viewer, id).await?.ok_or(ActError::NoSuchCase)
    }

    /// Decides by the clock of the log what no event decided: outcomes of warned hours, closing of cases long over.
    pub async fn settle(&self) -> Result<usize, StoreError> {
        let now = Time(self.0.log_time.load(Ordering::Relaxed));
        let mut tx = self.0.store.begin().await?;
        let cases = write::to_settle(&mut tx, now, MAX_SETTLED).await?;
        if cases.is_empty() {
            return Ok(0);
        }
        let (mut count, mut last) = (0, 0);
        for case in cases {
            let exceeding = write::still_exceeding(&mut tx, &case).await?;
            if let Some(settled) = book::settle(case, now, exceeding) {
                (_, last) = write::save(&mut tx, &settled).await?;
                count += 1;
            }
        }
        tx.commit().await?;
        self.changed(last);
        Ok(count)
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

    /// A session of the demo for this viewer; its token is made from `chance`.
    pub async fn create_demo_session(&self, viewer: &Viewer, chance: [u8; TOKEN_BYTES]) -> Result<Token, StoreError> {
        let token = Token::new(chance);
        self.0.store.create_demo_session(viewer, &token, self.now()).await?;
        Ok(token)
    }

    /// One pass over the outbox at `now`.
    pub async fn send_due(&self, now: Time) -> Result<Pass, StoreError> {
        let registry = self.registry();
        let sender = Sender {
            store: &self.0.store,
            sinks: &self.0.sinks,
            config: &self.0.config.notify,
            registry: &registry,
            signals: &self.0.signals,
        };
        let pass = sender.pass(now).await?;
        let (_, waiting) = self.0.store.outbox_state().await?;
        self.0.signals.outbox_length(waiting);
        Ok(pass)
    }

    /// Sends, settles and sweeps until `shutdown` is done. Errors of the store are logged and tried again: a notice is
    /// late then, not lost.
    pub async fn run_outbox(&self, shutdown: impl Future<Output = ()>) {
        let poll = Duration::from_millis(u64::from(self.0.config.notify.poll_ms));
        let mut shutdown = std::pin::pin!(shutdown);
        let mut swept_at = self.now();
        loop {
            let now = self.now();
            let mut quiet = true;
            match self.send_due(now).await {
                Ok(pass) => quiet = pass.is_empty(),
                Err(error) => tracing::error!(%error, hint = error.hint(), "outbox pass failed"),
            }
            if let Err(error) = self.settle().await {
                tracing::error!(%error, hint = error.hint(), "settling failed");
            }
            if now.since(swept_at) > HOUR_MS {
                swept_at = now;
                if let Err(error) = self.sweep(now).await {
                    tracing::error!(%error, hint = error.hint(), "sweeping failed");
                }
            }
            let pause = async {
                // After work there may be more at once; after none, wait to be woken.
                if quiet {
                    tokio::select! {
                        () = self.0.wake.notified() => {}
                        () = tokio::time::sleep(poll) => {}
                    }
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = pause => {}
            }
        }
    }

    /// Forgets what is no longer needed to know a repeat.
    async fn sweep(&self, now: Time) -> Result<(), StoreError> {
        let before = now.plus(-i64::from(self.0.config.book.keep_applied_days) * DAY_MS);
        let mut tx = self.0.store.begin().await?;
        log::forget_applied(&mut tx, before).await?;
        tx.commit().await
    }

    fn changed(&self, seq: i64) {
        // Nobody listening is no error.
        drop(self.0.changes.send(seq));
        self.0.wake.notify_one();
    }

    fn series_store(&self) -> MutexGuard<'_, SeriesStore> {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self) -> Patience {
        Patience {
            outcome_ms: i64::from(self.0.config.book.outcome_wait_s) * SECOND_MS,
            close_ms: i64::from(self.0.config.book.close_resolved_after_s) * SECOND_MS,
        }
    }

    fn maker<'a>(&'a self, registry: &'a RegistryIndex) -> Maker<'a> {
        Maker {
            routes: &self.0.routes,
            words: &self.0.words,
            catalogue: &self.0.catalogue,
            registry,
            config: &self.0.config.notify,
            lang: self.0.config.language,
            carried: &self.0.carried,
        }
    }
}

/// Whose a case is: by the registry, else by the enterprise in the outlet's id.
fn tags_of(event: &Event, registry: &RegistryIndex) -> Tags {
    let outlet = registry.outlet(event.judgement.outlet);
    let by_id = event.judgement.outlet.as_str().split(':').next().unwrap_or_default();
    let enterprise = outlet
        .map(|outlet| outlet.enterprise)
        .or_else(|| EnterpriseId::new(by_id).ok())
        .unwrap_or_default();
    let known = registry.enterprise(enterprise);
    let text = |field: fn(&plume_schemas::registry::Enterprise) -> &String| {
        known.map_or_else(String::new, |e| field(e).clone())
    };
    Tags {
        enterprise,
        district: text(|e| &e.district),
        industry: text(|e| &e.industry),
        officer: text(|e| &e.officer),
        trial: outlet.is_some_and(|outlet| outlet.trial_until.is_some_and(|until| event.at < until)),
    }
}
