//! The TCP server: accepts links within limits, carries bytes to sessions and answers back, and beats the clock into
//! the log.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plume_bus::Bus;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::{Clock, Time};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::MonotoneClock;
use crate::commit::{Commits, Committer};
use crate::config::{ConfigError, IngestConfig};
use crate::link;
use crate::links::Links;
use crate::signals::{Signals, TurnedAway};
use crate::store::{Store, beat};

/// Pause after a failed accept (usually out of file descriptors): long enough not to spin, short enough not to be
/// noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often the clock is looked at for the next Tick; a virtual clock may run hours in a real minute.
const TICK_POLL: Duration = Duration::from_millis(50);
/// After this long a stop no longer waits for links; their devices send again.
const STOP_TIMEOUT: Duration = Duration::from_millis(4500);

/// The room could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {listen} for devices")]
    Listen {
        /// As configured.
        listen: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A metric of that name exists already: the room was opened twice on one registry.
    #[error("cannot register the metrics of ingest")]
    Metrics {
        /// The registry's answer.
        #[from]
        source: prometheus::Error,
    },
}

impl IngestError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Listen { listen, .. } => {
                format!("is another program using {listen}? set [ingest] listen to a free address and port")
            }
            Self::Metrics { .. } => "start ingest once in a process, or with a registry of its own".to_owned(),
        }
    }
}

/// An open room.
#[derive(Debug)]
pub struct IngestHandle {
    /// Where devices connect; with port 0 in the configuration this is the port chosen.
    pub local_addr: SocketAddr,
    /// Ends when the room has stopped: no link left, every answer that was due and possible sent.
    pub join: JoinHandle<()>,
    /// For orders to devices.
    pub links: Links,
    /// For a poller beside it.
    pub common: Common,
}

/// What the TCP server and the poller of one ingest share: above all one clock, so that `received_at` is monotone over
/// both.
#[derive(Clone, Debug)]
pub struct Common {
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) clock: MonotoneClock,
    pub(crate) registry: watch::Receiver<Arc<RegistryIndex>>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) signals: Signals,
}

/// The room.
#[derive(Debug)]
pub struct Ingest;

/// What every link needs.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) store: S,
    pub(crate) clock: MonotoneClock,
    pub(crate) registry: watch::Receiver<Arc<RegistryIndex>>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) signals: Signals,
    pub(crate) links: Links,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) commits: Arc<Commits>,
}

impl Ingest {
    /// Opens the room: devices may connect as soon as this returns. When `shutdown` completes, no further link is
    /// accepted, what was read is made durable and answered, and `join` ends within five seconds.
    pub async fn start(
        config: IngestConfig,
        bus: Bus,
        clock: Clock,
        registry: watch::Receiver<Arc<RegistryIndex>>,
        catalogue: Arc<Catalogue>,
        metrics: &prometheus::Registry,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<IngestHandle, IngestError> {
        Self::start_with(config, bus, clock, registry, catalogue, metrics, shutdown).await
    }

    /// [`Self::start`] with another place for the records.
    pub async fn start_with<S: Store>(
        config: IngestConfig,
        store: S,
        clock: Clock,
        registry: watch::Receiver<Arc<RegistryIndex>>,
        catalogue: Arc<Catalogue>,
        metrics: &prometheus::Registry,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<IngestHandle, IngestError> {
        config.check()?;
        let signals = Signals::new(metrics)?;
        let cannot = |source| IngestError::Listen {
            listen: config.listen.clone(),
            source,
        };
        let listener = TcpListener::bind(&config.listen).await.map_err(cannot)?;
        let local_addr = listener.local_addr().map_err(cannot)?;
        tracing::info!(%local_addr, ingest = %config.id, "devices can connect");
        let (stopping, stop) = watch::channel(false);
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            store,
            clock: MonotoneClock::new(clock),
            registry,
            catalogue,
            signals,
            links: Links::default(),
            stop,
            commits: Arc::default(),
        });
        let common = Common {
            config: Arc::clone(&shared.config),
            clock: shared.clock.clone(),
            registry: shared.registry.clone(),
            catalogue: Arc::clone(&shared.catalogue),
            signals: shared.signals.clone(),
        };
        let links = shared.links.clone();
        let join = tokio::spawn(run(shared, listener, stopping, shutdown));
        Ok(IngestHandle {
            local_addr,
            join,
            links,
            common,
        })
    }
}

async fn run<S: Store>(
    shared: Arc<Shared<S>>,
    listener: TcpListener,
    stopping: watch::Sender<bool>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let committer = Committer {
        commits: Arc::clone(&shared.commits),
        store: shared.store.clone(),
        config: Arc::clone(&shared.config),
        signals: shared.signals.clone(),
        stop: shared.stop.clone(),
    };
    let committer = tokio::spawn(committer.run());
    let mut tasks = JoinSet::new();
    tasks.spawn(tick(Arc::clone(&shared)));
    let guests = Guests::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => accept(&shared, &guests, stream, peer, &mut tasks),
                Err(error) => {
                    shared.signals.accept_failed(&error);
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all_done = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, all_done).await.is_err() {
        tracing::warn!("links did not end in time, their devices will send again");
        tasks.shutdown().await;
    }
    // Nobody waits for it any more.
    committer.abort();
    tracing::info!("ingest has stopped");
}

/// Takes a link, or turns it away at a limit.
fn accept<S: Store>(
    shared: &Arc<Shared<S>>,
    guests: &Guests,
    stream: TcpStream,
    peer: SocketAddr,
    tasks: &mut JoinSet<()>,
) {
    match guests.admit(peer.ip(), &shared.config) {
        Ok(guest) => {
            let shared = Arc::clone(shared);
            tasks.spawn(async move {
                link::serve(shared, stream, peer).await;
                drop(guest);
            });
        }
        Err(why) => shared.signals.link_turned_away(peer, why),
    }
}

/// Open links by address.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<(usize, HashMap<IpAddr, usize>)>>);

/// One open link; leaves the count when dropped.
struct Guest {
    guests: Guests,
    ip: IpAddr,
}

impl Guests {
    fn admit(&self, ip: IpAddr, config: &IngestConfig) -> Result<Guest, TurnedAway> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_ip) = &mut *guests;
        if *all >= config.max_connections {
            return Err(TurnedAway::Limit);
        }
        let from_ip = by_ip.entry(ip).or_default();
        if *from_ip >= config.max_connections_per_ip {
            return Err(TurnedAway::PerIp);
        }
        *from_ip += 1;
        *all += 1;
        Ok(Guest {
            guests: self.clone(),
            ip,
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.0 -= 1;
        if let Some(from_ip) = guests.1.get_mut(&self.ip) {
            *from_ip -= 1;
            if *from_ip == 0 {
                guests.1.remove(&self.ip);
            }
        }
    }
}

/// Appends a Tick to every partition each `tick_interval_ms` of plume's clock. A refused Tick is not tried again: the
/// next one says more, and its absence is what the judge must see.
async fn tick<S: Store>(shared: Arc<Shared<S>>) {
    let mut stop = shared.stop.clone();
    let config = &shared.config;
    let mut last: Option<Time> = None;
    loop {
        let now = shared.clock.now();
        if last.is_none_or(|last| now.since(last) >= config.tick_interval_ms) {
            let step_ms = if config.clock_step_ms > 0 {
                config.clock_step_ms + config.tick_interval_ms
            } else {
                0
            };
            let records = beat(config.id, last, now, step_ms, shared.store.partitions());
            if let Some(by) = last
                .map(|last| now.since(last))
                .filter(|&by| step_ms > 0 && by > step_ms)
            {
                shared.signals.clock_stepped(by);
            }
            match shared.store.append(Arc::new(records)).await {
                Ok(()) => shared.signals.ticked(),
                Err(error) => shared.signals.append_refused(&error),
            }
            last = Some(now);
        }
        tokio::select! {
            () = tokio::time::sleep(TICK_POLL) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}
