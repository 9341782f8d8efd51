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
use tokio_rustls::TlsAcceptor;

use crate::clock::MonotoneClock;
use crate::commit::{Commits, Committer};
use crate::config::{ConfigError, IngestConfig};
use crate::link;
use crate::links::Links;
use crate::signals::{Signals, TurnedAway};
use crate::store::{Store, beat};
use crate::wire::{TlsError, Wire, acceptor};

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
    /// TLS cannot be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
            Self::Tls(error) => error.hint().to_owned(),
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
    /// Where they connect by TLS, if anywhere.
    pub tls_addr: Option<SocketAddr>,
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
        let (listener, local_addr) = bind(&config.listen).await?;
        let secure = secure(&config).await?;
        let tls_addr = secure.as_ref().map(|secure| secure.at);
        let by_tls = tls_addr.map(tracing::field::display);
        tracing::info!(%local_addr, by_tls, ingest = %config.id, "devices can connect");
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
        let join = tokio::spawn(run(shared, (listener, secure), stopping, shutdown));
        Ok(IngestHandle {
            local_addr,
            tls_addr,
            join,
            links,
            common,
        })
    }
}

/// The listener for TLS.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    at: SocketAddr,
}

async fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), IngestError> {
    let cannot = |source| IngestError::Listen {
        listen: listen.to_owned(),
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let at = listener.local_addr().map_err(cannot)?;
    Ok((listener, at))
}

/// Listens for TLS, where that is wanted.
async fn secure(config: &IngestConfig) -> Result<Option<Secure>, IngestError> {
    if config.tls_listen.is_empty() {
        return Ok(None);
    }
    let acceptor = acceptor(&config.tls_certificate, &config.tls_key)?;
    let (listener, at) = bind(&config.tls_listen).await?;
    Ok(Some(Secure { listener, acceptor, at }))
}

/// The next link by TLS, before its handshake; waits for ever where there is no such listener.
async fn secure_link(secure: Option<&Secure>) -> (std::io::Result<(TcpStream, SocketAddr)>, TlsAcceptor) {
    match secure {
        Some(secure) => (secure.listener.accept().await, secure.acceptor.clone()),
        None => std::future::pending().await,
    }
}

async fn run<S: Store>(
    shared: Arc<Shared<S>>,
    (listener, secure): (TcpListener, Option<Secure>),
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
        let (accepted, acceptor) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => (accepted, None),
            (accepted, acceptor) = secure_link(secure.as_ref()) => (accepted, Some(acceptor)),
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => accept(&shared, &guests, (stream, acceptor), peer, &mut tasks),
            Err(error) => {
                shared.signals.accept_failed(&error);
                tokio::select! {
                    () = &mut shutdown => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    drop((listener, secure));
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
    (stream, acceptor): (TcpStream, Option<TlsAcceptor>),
    peer: SocketAddr,
    tasks: &mut JoinSet<()>,
) {
    match guests.admit(peer.ip(), &shared.config) {
        Ok(guest) => {
            let shared = Arc::clone(shared);
            tasks.spawn(async move {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "answers may be delayed by Nagle's algorithm");
                }
                match wired(&shared, stream, acceptor).await {
                    Some(wire) => link::serve(shared, wire, peer).await,
                    None => shared.signals.link_turned_away(peer, TurnedAway::Handshake),
                }
                drop(guest);
            });
        }
        Err(why) => shared.signals.link_turned_away(peer, why),
    }
}

/// The link itself, after its handshake where it has one; nothing where that fails, takes too long, or plume stops.
async fn wired<S: Store>(shared: &Shared<S>, stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Option<Wire> {
    let Some(acceptor) = acceptor else {
        return Some(Wire::Plain(stream));
    };
    let limit = Duration::from_secs(shared.config.unidentified_timeout_s);
    let mut stop = shared.stop.clone();
    // Apart: a link in clear does not pay for the size of a handshake.
    let handshake = Box::pin(acceptor.accept(stream));
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(limit, handshake) => shaken,
        _ = stop.wait_for(|stopping| *stopping) => return None,
    };
    let stream = shaken.ok()?.ok()?;
    Some(Wire::Tls(Box::new(stream)))
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
