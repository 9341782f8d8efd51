//! The load itself: connections that send, wait for answers and check each of them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::histogram::Histogram;
use crate::process::Usage;
use plume_benches::error::LoadError;
use plume_benches::packets::{Stamper, Template};

/// How long answers are waited for after the last packet was sent.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// Connections opened at once, so that a listener's backlog is not the thing measured.
const OPENED_AT_ONCE: usize = 64;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) outstanding: usize,
    pub(crate) duration: Duration,
    pub(crate) interval: Duration,
    pub(crate) template: Template,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Packets answered rightly.
    pub(crate) answered: u64,
    /// Answers that are not the one awaited: wrong bytes, wrong order.
    pub(crate) wrong: u64,
    /// Packets never answered.
    pub(crate) unanswered: u64,
    pub(crate) elapsed: Duration,
    /// Nanoseconds from the write to the answer.
    pub(crate) latency: Histogram,
    /// CPU time of the server, where its process is known.
    pub(crate) cpu: Option<Duration>,
    /// Resident memory of the server before and at the end, bytes.
    pub(crate) rss: Option<(u64, u64)>,
}

impl Measured {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Adds another round.
    pub(crate) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.unanswered += other.unanswered;
        self.elapsed += other.elapsed;
        self.latency.merge(&other.latency);
        self.cpu = match (self.cpu, other.cpu) {
            (Some(own), Some(more)) => Some(own + more),
            (own, more) => own.or(more),
        };
        self.rss = match (self.rss, other.rss) {
            (Some((before, _)), Some((_, after))) => Some((before, after)),
            (own, more) => own.or(more),
        };
    }

    /// Packets a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Microseconds of the server's CPU for each answered packet.
    pub(crate) fn cpu_us_per_packet(&self) -> Option<f64> {
        let cpu = self.cpu.filter(|_| self.answered > 0)?;
        Some(cpu.as_secs_f64() * 1e6 / self.answered as f64)
    }
}

/// Loads one server.
pub(crate) async fn measure(
    name: &'static str,
    target: SocketAddr,
    pid: Option<u32>,
    plan: &Plan,
) -> Result<Measured, LoadError> {
    let before = pid.map(Usage::of).transpose()?;
    let streams = connect(target, plan.connections).await?;
    let barrier = Arc::new(Barrier::new(plan.connections + 1));
    let mut tasks = JoinSet::new();
    for (connection, stream) in streams.into_iter().enumerate() {
        let sender = Sender {
            stream,
            stamper: Stamper::new(&plan.template, connection)?,
            flight: VecDeque::with_capacity(plan.outstanding),
            plan: plan.clone(),
            measured: Measured::new(name),
            unread: Vec::new(),
            stagger: stagger(plan, connection),
        };
        let start = Arc::clone(&barrier);
        tasks.spawn(async move {
            start.wait().await;
            sender.run().await
        });
    }
    let started = pid.map(Usage::of).transpose()?;
    let began = Instant::now();
    barrier.wait().await;
    let mut total = Measured::new(name);
    let mut end = None;
    while let Some(ended) = tasks.join_next().await {
        let (stream, measured) = ended??;
        // Connections stay open until all have ended, so that memory is measured with all of them.
        end.get_or_insert_with(Vec::new).push(stream);
        total.add(&measured);
    }
    total.elapsed = began.elapsed();
    if let (Some(before), Some(started), Some(pid)) = (before, started, pid) {
        let after = Usage::of(pid)?;
        total.cpu = Some(after.cpu.saturating_sub(started.cpu));
        total.rss = Some((before.rss_bytes, after.rss_bytes));
    }
    Ok(total)
}

/// Spreads paced connections over their interval.
fn stagger(plan: &Plan, connection: usize) -> Duration {
    let share = connection as f64 / plan.connections.max(1) as f64;
    plan.interval.mul_f64(share)
}

async fn connect(target: SocketAddr, connections: usize) -> Result<Vec<TcpStream>, LoadError> {
    let mut streams = Vec::with_capacity(connections);
    while streams.len() < connections {
        let mut opening = JoinSet::new();
        for _ in 0..OPENED_AT_ONCE.min(connections - streams.len()) {
            opening.spawn(TcpStream::connect(target));
        }
        while let Some(opened) = opening.join_next().await {
            let stream = opened?.map_err(LoadError::io("connecting"))?;
            stream.set_nodelay(true).map_err(LoadError::io("setting TCP_NODELAY"))?;
            streams.push(stream);
        }
    }
    Ok(streams)
}

struct Sender {
    stream: TcpStream,
    stamper: Stamper,
    flight: VecDeque<([u8; 17], Instant)>,
    plan: Plan,
    measured: Measured,
    unread: Vec<u8>,
    stagger: Duration,
}

impl Sender {
    async fn run(mut self) -> Result<(TcpStream, Measured), LoadError> {
        let began = Instant::now();
        let end = began + self.plan.duration;
        let mut next_send = began + self.stagger;
        let mut out = Vec::new();
        while Instant::now() < end {
            out.clear();
            let paced = !self.plan.interval.is_zero();
            while self.flight.len() < self.plan.outstanding && (!paced || Instant::now() >= next_send) {
                let qn = self.stamper.next(&mut out);
                self.flight.push_back((qn, Instant::now()));
                next_send += self.plan.interval;
            }
            if !out.is_empty() {
                self.stream.write_all(&out).await.map_err(LoadError::io("sending"))?;
            }
            let wake = if paced && self.flight.len() < self.plan.outstanding {
                next_send.min(end)
            } else {
                end
            };
            tokio::select! {
                open = read(&mut self.stream, &mut self.unread) => {
                    if !open? {
                        break;
                    }
                    self.check();
                }
                () = sleep_until(wake.into()) => {}
            }
        }
        // What is still in flight is waited for: an answer that never comes is the one thing a server must not do.
        while !self.flight.is_empty() {
            match timeout(LAST_ANSWERS, read(&mut self.stream, &mut self.unread)).await {
                Ok(Ok(true)) => self.check(),
                Ok(Ok(false)) | Err(_) => break,
                Ok(Err(error)) => return Err(error),
            }
        }
        self.measured.unanswered += self.flight.len() as u64;
        Ok((self.stream, self.measured))
    }

    /// Takes whole answers off what was read: each must be, byte for byte, the answer to the oldest packet in flight.
    fn check(&mut self) {
        let length = self.stamper.answer_len();
        let now = Instant::now();
        let mut used = 0;
        while let Some(answer) = self.unread.get(used..used + length) {
            used += length;
            let Some((qn, sent)) = self.flight.pop_front() else {
                self.measured.wrong += 1;
                continue;
            };
            if self.stamper.is_answer(answer, qn) {
                self.measured.answered += 1;
                let nanos = now.duration_since(sent).as_nanos();
                self.measured.latency.add(u64::try_from(nanos).unwrap_or(u64::MAX));
            } else {
                self.measured.wrong += 1;
            }
        }
        self.unread.drain(..used);
    }
}

/// Reads what there is; false at the end of the stream.
async fn read(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<bool, LoadError> {
    let count = stream
        .read_buf(unread)
        .await
        .map_err(LoadError::io("reading answers"))?;
    Ok(count > 0)
}
