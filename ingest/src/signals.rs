//! What the room tells the operator: one function for each happening, which counts it and writes the log line.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use plume_bus::BusError;
use plume_schemas::ids::{Inline, Mn};
use plume_schemas::report::{ComplaintCode, QuarantineReason};
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::hj212::intake::Verdict;
use crate::hj212::session::{CloseReason, Note};
use crate::hj212::tolerance::Tolerances;

/// Why a link was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// `max_connections` are open.
    Limit,
    /// `max_connections_per_ip` are open from this address.
    PerIp,
    /// Its TLS handshake failed, or took too long.
    Handshake,
}

impl TurnedAway {
    const ALL: [Self; 3] = [Self::Limit, Self::PerIp, Self::Handshake];

    const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::PerIp => "per_ip",
            Self::Handshake => "handshake",
        }
    }
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed it.
    Peer,
    /// Reading failed.
    ReadError,
    /// The peer took no answer.
    WriteError,
    /// Nothing came for `idle_timeout_s`.
    Idle,
    /// No valid packet came for `unidentified_timeout_s`.
    Unidentified,
    /// The bus refused a record for good.
    Unstorable,
    /// plume is stopping.
    Stopping,
    /// Its device has `max_links_per_mn` newer ones.
    Superseded,
    /// The session closed it.
    Session(CloseReason),
}

impl Ended {
    const OWN: [Self; 8] = [
        Self::Peer,
        Self::ReadError,
        Self::WriteError,
        Self::Idle,
        Self::Unidentified,
        Self::Unstorable,
        Self::Stopping,
        Self::Superseded,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::ReadError => "read_error",
            Self::WriteError => "write_error",
            Self::Idle => "idle",
            Self::Unidentified => "unidentified",
            Self::Unstorable => "unstorable",
            Self::Stopping => "stopping",
            Self::Superseded => "superseded",
            Self::Session(reason) => reason.name(),
        }
    }
}

/// Metrics of the room.
#[derive(Clone, Debug)]
pub struct Signals {
    links_open: IntGauge,
    links_accepted: IntCounter,
    links_turned_away: IntCounterVec,
    links_ended: IntCounterVec,
    accept_errors: IntCounter,
    received_bytes: IntCounter,
    packets: IntCounterVec,
    repeats: IntCounter,
    quarantined: IntCounterVec,
    garbage_bytes: IntCounterVec,
    complaints: IntCounterVec,
    departures: Departures,
    devices_came: IntCounter,
    answers: IntCounter,
    orders: IntCounter,
    append_refused: IntCounter,
    append_seconds: Histogram,
    ticks: IntCounter,
    clock_steps: IntCounter,
}

impl Signals {
    /// Registers the metrics, each label at zero. Errors: a name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let verdicts = ["accepted", "answer", "quarantined", "refused"];
        let ended = Ended::OWN
            .into_iter()
            .chain(CloseReason::ALL.map(Ended::Session))
            .map(Ended::name);
        let reasons = || QuarantineReason::ALL.iter().map(|reason| reason.code());
        let codes = ComplaintCode::ALL.iter().map(|code| code.code());
        let m = Metrics(registry);
        Ok(Self {
            links_open: m.add(IntGauge::new("plume_ingest_links_open", "links open now")?)?,
            links_accepted: m.count("links_accepted", "links accepted")?,
            links_turned_away: m.by(
                "links_turned_away",
                "links not taken",
                TurnedAway::ALL.map(TurnedAway::name),
            )?,
            links_ended: m.by("links_ended", "links ended", ended)?,
            accept_errors: m.count("accept_errors", "accept failed and was tried again")?,
            received_bytes: m.count("received_bytes", "bytes read from links")?,
            packets: m.by("packets", "frames decided about; the reason is the verdict", verdicts)?,
            repeats: m.count(
                "repeats",
                "packets that came again while the first copy was on its way to disk",
            )?,
            quarantined: m.by("quarantined", "frames and runs of garbage set aside", reasons())?,
            garbage_bytes: m.by("garbage_bytes", "bytes outside any frame", reasons())?,
            complaints: m.by("complaints", "complaints about accepted packets", codes)?,
            departures: Departures::new(&m)?,
            devices_came: m.count("devices_came", "devices seen on a new link")?,
            answers: m.count("answers", "answers sent")?,
            orders: m.count("orders", "orders written to links, those sent again included")?,
            append_refused: m.count("append_refused", "appends the bus refused")?,
            append_seconds: m.add(Histogram::with_opts(append_seconds())?)?,
            ticks: m.count("ticks", "ticks appended")?,
            clock_steps: m.count("clock_steps", "forward steps of the clock recorded")?,
        })
    }

    pub(crate) fn link_opened(&self, peer: Inline<47>) {
        self.links_open.inc();
        self.links_accepted.inc();
        tracing::debug!(%peer, "link opened");
    }

    pub(crate) fn link_ended(&self, peer: Inline<47>, why: Ended) {
        self.links_open.dec();
        self.links_ended.with_label_values(&[why.name()]).inc();
        match why {
            Ended::Peer | Ended::Stopping | Ended::Idle => tracing::debug!(%peer, reason = why.name(), "link ended"),
            _ => tracing::info!(%peer, reason = why.name(), "link ended"),
        }
    }

    pub(crate) fn link_turned_away(&self, peer: std::net::SocketAddr, why: TurnedAway) {
        self.links_turned_away.with_label_values(&[why.name()]).inc();
        tracing::warn!(%peer, reason = why.name(), "link turned away");
    }

    pub(crate) fn accept_failed(&self, error: &std::io::Error) {
        self.accept_errors.inc();
        tracing::warn!(%error, "cannot accept a link, trying again");
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn answered(&self, count: u64) {
        self.answers.inc_by(count);
    }

    pub(crate) fn ordered(&self) {
        self.orders.inc();
    }

    pub(crate) fn noted(&self, peer: Inline<47>, note: &Note) {
        match note {
            Note::Came(mn) => self.came(peer, *mn),
            Note::Newcomer(newcomer) => {
                let serial = &newcomer.serial;
                tracing::info!(%peer, serial, "a logger without an MN asks to be activated (1001)");
            }
            Note::Garbage { reason, bytes } => {
                self.quarantined.with_label_values(&[reason.code()]).inc();
                self.garbage_bytes
                    .with_label_values(&[reason.code()])
                    .inc_by(*bytes as u64);
                tracing::info!(%peer, reason = reason.code(), bytes, "bytes outside any frame");
            }
            Note::Packet {
                sender,
                verdict,
                complaints,
                tolerated,
                repeat,
                ..
            } => {
                if *repeat {
                    self.repeats.inc();
                }
                for code in complaints {
                    self.complaints.with_label_values(&[code.code()]).inc();
                }
                if matches!(verdict, Verdict::Accepted | Verdict::Answer) {
                    self.departures.count(sender.mn, complaints, *tolerated);
                }
                let mn = sender.mn.as_ref().map(Mn::as_str).unwrap_or_default();
                let cn = sender.cn.unwrap_or(0);
                let name = match verdict {
                    Verdict::Accepted => "accepted",
                    Verdict::Answer => "answer",
                    Verdict::Refused => "refused",
                    Verdict::Quarantined(reason) => {
                        self.quarantined.with_label_values(&[reason.code()]).inc();
                        tracing::info!(%peer, mn, cn, reason = reason.code(), "packet set aside");
                        "quarantined"
                    }
                };
                self.packets.with_label_values(&[name]).inc();
                tracing::debug!(%peer, mn, cn, verdict = name, complaints = complaints.len(), repeat, "packet");
            }
        }
    }

    fn came(&self, peer: Inline<47>, mn: Mn) {
        self.devices_came.inc();
        tracing::info!(%peer, %mn, "device came");
    }

    pub(crate) fn append_refused(&self, error: &BusError) {
        self.append_refused.inc();
        tracing::warn!(%error, hint = error.hint(), "the bus takes nothing, devices wait for their answers");
    }

    pub(crate) fn append_took(&self, seconds: f64) {
        self.append_seconds.observe(seconds);
    }

    pub(crate) fn ticked(&self) {
        self.ticks.inc();
    }

    pub(crate) fn clock_stepped(&self, by_ms: i64) {
        self.clock_steps.inc();
        tracing::warn!(by_ms, "the clock stepped forward");
    }
}

fn append_seconds() -> HistogramOpts {
    let help = "time from handing packets to the bus until they are durable, tries included";
    HistogramOpts::new("plume_ingest_append_seconds", help).buckets(vec![
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
    ])
}

/// Devices whose departures are counted each for itself; those beyond are counted together, under no MN. A thousand
/// devices with a handful of departures each are what a Prometheus takes from one process without a thought.
pub const MAX_COUNTED_DEVICES: usize = 1_000;

/// What each device does otherwise than the standard: complaints, and tolerances its frames needed.
#[derive(Clone, Debug)]
struct Departures {
    counter: IntCounterVec,
    counted: Arc<Mutex<HashSet<Mn>>>,
}

impl Departures {
    fn new(m: &Metrics<'_>) -> Result<Self, prometheus::Error> {
        let help = "departures from the standard in accepted packets, by device (mn) and complaint or tolerance \
                    (reason); devices beyond the first thousand together";
        let opts = Opts::new("plume_ingest_departures_total", help);
        Ok(Self {
            counter: m.add(IntCounterVec::new(opts, &["mn", "reason"])?)?,
            counted: Arc::default(),
        })
    }

    fn count(&self, mn: Option<Mn>, complaints: &[ComplaintCode], tolerated: Tolerances) {
        if complaints.is_empty() && tolerated.is_empty() {
            return;
        }
        let counted = mn.filter(|mn| {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.contains(mn) || (counted.len() < MAX_COUNTED_DEVICES && counted.insert(*mn))
        });
        let mn = counted.as_ref().map(Mn::as_str).unwrap_or_default();
        for code in complaints {
            self.counter.with_label_values(&[mn, code.code()]).inc();
        }
        for tolerance in tolerated.iter() {
            let reason = format!("tolerated_{}", tolerance.name());
            self.counter.with_label_values(&[mn, reason.as_str()]).inc();
        }
    }
}

/// Makes and registers metrics named `plume_ingest_<noun>_total`.
struct Metrics<'a>(&'a Registry);

impl Metrics<'_> {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn count(&self, noun: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(format!("plume_ingest_{noun}_total"), help)?)
    }

    fn by(
        &self,
        noun: &str,
        help: &str,
        reasons: impl IntoIterator<Item = &'static str>,
    ) -> Result<IntCounterVec, prometheus::Error> {
        let name = format!("plume_ingest_{noun}_total");
        let metric = self.add(IntCounterVec::new(Opts::new(name, help), &["reason"])?)?;
        for reason in reasons {
            metric.with_label_values(&[reason]).reset();
        }
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hj212::tolerance::Tolerance;

    #[test]
    fn departures_are_counted_for_each_device_up_to_the_limit() {
        let registry = Registry::new();
        let departures = Departures::new(&Metrics(&registry)).unwrap();
        let tolerated = Tolerances::NONE.with(Tolerance::ShortLength);
        for device in 0..MAX_COUNTED_DEVICES + 5 {
            let mn = Mn::new(&format!("M{device}")).unwrap();
            departures.count(Some(mn), &[], Tolerances::NONE);
            departures.count(Some(mn), &[ComplaintCode::WrongLength], tolerated);
            departures.count(Some(mn), &[], tolerated);
        }
        let value = |mn: &str, reason: &str| departures.counter.with_label_values(&[mn, reason]).get();
        assert_eq!(
            (value("M7", "wrong_length"), value("M7", "tolerated_short_length")),
            (1, 2)
        );
        assert_eq!(
            (value("", "wrong_length"), value("", "tolerated_short_length")),
            (5, 10)
        );
        let series: usize = registry.gather().iter().map(|family| family.get_metric().len()).sum();
        assert_eq!(series, 2 * (MAX_COUNTED_DEVICES + 1));
    }
}
