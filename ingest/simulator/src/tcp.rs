//! The device side of TCP: devices against one address, paced by a clock that deploy gives. The only module here with
//! sockets.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plume_schemas::ids::Mn;
use plume_schemas::time::{Clock, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::device::{Device, Moment, Output};
use crate::plant::Action;
use crate::sender::{Answered, SendCounts};

/// A platform that does not accept within this time is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest wait between two tries: quick after a restart of the platform, gentle on one that stays away.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// A write that makes no progress for so long is a dead link.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// After a stop, packets in flight may still be answered for so long.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Longest sleep at a stretch, so that a clock that steps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Steering orders that may wait for one device.
const STEERING_QUEUE: usize = 16;
/// Answers are short; one read takes many of them.
const READ_BYTES: usize = 4_096;

/// How long the real clock takes until the world's clock shows a given moment. Real devices: the difference. A demo
/// at 60 times the speed: a sixtieth of it. A file played as fast as it is answered: the closure sets the world's
/// clock and gives zero (one device only, since it moves time for all).
#[derive(Clone)]
pub struct Pacer(Arc<dyn Fn(Time) -> Duration + Send + Sync>);

impl Pacer {
    /// A pacer from a function.
    pub fn new(until: impl Fn(Time) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(until))
    }

    /// For a world's clock that is the real one.
    pub fn real(clock: Clock) -> Self {
        Self::new(move |at| Duration::from_millis(u64::try_from(at.since(clock.now())).unwrap_or(0)))
    }

    fn until(&self, at: Time) -> Duration {
        (self.0)(at)
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pacer(..)")
    }
}

/// The enterprise of this device acts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steer {
    /// Whose plant.
    pub mn: Mn,
    /// What it does.
    pub action: Action,
    /// When, by the world's clock.
    pub at: Time,
}

/// Told of every answered packet, in the order of answers on its link.
pub type AnswerHook = Arc<dyn Fn(Answered) + Send + Sync>;

/// What devices run under.
#[derive(Clone)]
pub struct Conditions {
    /// The world's clock.
    pub clock: Clock,
    /// How the world's time passes.
    pub pacer: Pacer,
    /// Becomes true when all shall stop.
    pub stop: watch::Receiver<bool>,
    /// Told of every answer, if anybody wants to know.
    pub on_answer: Option<AnswerHook>,
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conditions")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What one device did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStats {
    /// Which.
    pub mn: Mn,
    /// What it sent and what came of it.
    pub counts: SendCounts,
    /// Links it had.
    pub links: u64,
    /// Tries to connect that failed.
    pub failed_connects: u64,
    /// Messages it could not deliver.
    pub undelivered: usize,
}

/// Runs devices until each has finished (files) or `conditions.stop` becomes true (plants). A link that breaks, or a
/// platform that is away, is no error: the device keeps what it measures and comes back. `steering` may be closed
/// early.
pub async fn run_devices(
    address: SocketAddr,
    devices: Vec<Device>,
    conditions: Conditions,
    steering: mpsc::Receiver<Steer>,
) -> Vec<DeviceStats> {
    let began = Instant::now();
    let mut orders = HashMap::new();
    let mut tasks = JoinSet::new();
    for (place, device) in devices.into_iter().enumerate() {
        let (order, orders_in) = mpsc::channel(STEERING_QUEUE);
        orders.insert(device.mn(), order);
        let mut runner = Runner {
            device,
            address,
            conditions: conditions.clone(),
            orders: orders_in,
            began,
            links: 0,
            failed_connects: 0,
        };
        tasks.spawn(async move { (place, runner.run().await) });
    }
    let dispatch = tokio::spawn(dispatch(steering, orders));
    let mut stats = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(ended) => stats.push(ended),
            Err(error) => tracing::error!(%error, "a simulated device stopped with a defect"),
        }
    }
    dispatch.abort();
    stats.sort_by_key(|(place, _)| *place);
    stats.into_iter().map(|(_, stats)| stats).collect()
}

async fn dispatch(mut steering: mpsc::Receiver<Steer>, orders: HashMap<Mn, mpsc::Sender<Steer>>) {
    while let Some(steer) = steering.recv().await {
        match orders.get(&steer.mn) {
            Some(order) if order.send(steer).await.is_ok() => {}
            _ => tracing::warn!(mn = %steer.mn, "no running device to steer"),
        }
    }
}

struct Runner {
    device: Device,
    address: SocketAddr,
    conditions: Conditions,
    orders: mpsc::Receiver<Steer>,
    began: Instant,
    links: u64,
    failed_connects: u64,
}

impl Runner {
    async fn run(&mut self) -> DeviceStats {
        let mut retry = FIRST_RETRY;
        while !self.stopped() && !self.device.finished() {
            if !self.device.wants_link(self.now().world) {
                self.idle(LONGEST_SLEEP).await;
                continue;
            }
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(self.address)).await {
                Ok(Ok(stream)) => {
                    retry = FIRST_RETRY;
                    self.links += 1;
                    self.converse(stream).await;
                }
                Ok(Err(error)) => self.refused(&error),
                Err(_) => self.refused(&io::Error::from(io::ErrorKind::TimedOut)),
            }
            if !self.stopped() && !self.device.finished() {
                self.idle(retry).await;
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
        DeviceStats {
            mn: self.device.mn(),
            counts: self.device.counts(),
            links: self.links,
            failed_connects: self.failed_connects,
            undelivered: self.device.undelivered(),
        }
    }

    fn now(&self) -> Moment {
        let wire = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        Moment {
            world: self.conditions.clock.now(),
            wire: Time(wire),
        }
    }

    fn stopped(&self) -> bool {
        // A sender that is gone will never stop us, so nobody wants us any more.
        *self.conditions.stop.borrow() || self.conditions.stop.has_changed().is_err()
    }

    fn refused(&mut self, error: &io::Error) {
        self.failed_connects += 1;
        tracing::debug!(mn = %self.device.mn(), address = %self.address, %error, "cannot connect");
    }

    /// Goes on measuring without a link.
    async fn idle(&mut self, most: Duration) {
        let wait = self.wait().min(most);
        tokio::select! {
            () = sleep(wait) => {}
            Some(steer) = self.orders.recv() => self.device.steer(steer.action, steer.at),
            _ = self.conditions.stop.changed() => {}
        }
        let now = self.now();
        self.device.handle_timeout(now);
    }

    /// Until the device wants to be called again.
    fn wait(&self) -> Duration {
        let due = self.device.due();
        let world = due.world.map(|at| self.conditions.pacer.until(at));
        let wire = due.wire.map(|at| {
            let ms = at.since(self.now().wire).max(0);
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        });
        world
            .into_iter()
            .chain(wire)
            .min()
            .unwrap_or(LONGEST_SLEEP)
            .min(LONGEST_SLEEP)
    }

    async fn converse(&mut self, mut stream: TcpStream) {
        let now = self.now();
        self.device.link_up(now);
        if let Err(error) = self.talk(&mut stream).await {
            tracing::debug!(mn = %self.device.mn(), %error, "link lost");
        }
        self.device.link_down();
    }

    /// Talks until the link ends: by the platform, by the device's own wish, or by a stop.
    async fn talk(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = [0_u8; READ_BYTES];
        let mut stop_by: Option<Instant> = None;
        while self.write_out(stream).await? {
            let wait = match stop_by {
                Some(_) if self.device.settled() => return Ok(()),
                Some(by) => by.saturating_duration_since(Instant::now()),
                None => self.wait(),
            };
            if self.device.finished() || stop_by.is_some() && wait.is_zero() {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = self.conditions.stop.changed(), if stop_by.is_none() => {
                    stop_by = Some(Instant::now() + STOP_GRACE);
                    self.device.stop_talking();
                }
                read = stream.read(&mut buffer) => {
                    let count = read?;
                    if count == 0 {
                        return Ok(());
                    }
                    let now = self.now();
                    self.device.handle(buffer.get(..count).unwrap_or_default(), now);
                }
                Some(steer) = self.orders.recv() => self.device.steer(steer.action, steer.at),
                () = sleep(wait) => {
                    let now = self.now();
                    self.device.handle_timeout(now);
                }
            }
        }
        Ok(())
    }

    /// Does what the device wants done; false when it wants the link closed.
    async fn write_out(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        loop {
            let world = self.now().world;
            match self.device.poll_output(world) {
                None => return Ok(true),
                Some(Output::Close) => return Ok(false),
                Some(Output::Answered(answered)) => {
                    if let Some(hook) = &self.conditions.on_answer {
                        hook(answered);
                    }
                }
                Some(Output::Write(bytes)) => match timeout(WRITE_TIMEOUT, stream.write_all(&bytes)).await {
                    Ok(written) => written?,
                    Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
                },
            }
        }
    }
}
