//! What the room says of itself: one function per happening, which logs and counts.

use plume_schemas::event::Edge;
use plume_schemas::ids::ContentId;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::case::ActKind;
use crate::notify::{Channel, Reason};
use crate::tables::{TableError, TableKind};

/// Metrics of the desk's engine.
#[derive(Clone, Debug)]
pub struct Signals {
    events: IntCounterVec,
    repeats: IntCounter,
    ignored: IntCounter,
    unreadable: IntCounter,
    rates_failed: IntCounter,
    tables_unreadable: IntCounter,
    acts: IntCounterVec,
    refused_acts: IntCounter,
    notices: IntCounterVec,
    attempts_failed: IntCounterVec,
    outbox: IntGauge,
    send_seconds: Histogram,
    series_points: IntGauge,
}

/// The metrics could not be registered.
#[derive(Debug, thiserror::Error)]
#[error("cannot register metric `{name}`")]
pub struct SignalError {
    /// Which.
    pub name: &'static str,
    /// Why.
    pub source: prometheus::Error,
}

impl SignalError {
    /// What to try.
    pub fn hint(&self) -> String {
        "give every room a registry of its own, or open the desk once".into()
    }
}

/// Seconds a message may take to hand over: from a local relay to a slow greylisting server.
const SEND_BUCKETS_S: &[f64] = &[0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Signals {
    /// Registers every metric at zero.
    pub fn new(registry: &Registry) -> Result<Self, SignalError> {
        let this = Self {
            events: counters(
                registry,
                "plume_alert_events_total",
                "Events applied to the case book",
                "edge",
            )?,
            repeats: counter(
                registry,
                "plume_alert_repeated_events_total",
                "Events seen before and passed over",
            )?,
            ignored: counter(
                registry,
                "plume_alert_ignored_events_total",
                "Events that changed nothing: ends of breaches the book never heard of",
            )?,
            unreadable: counter(
                registry,
                "plume_alert_unreadable_events_total",
                "Records of the events topic that could not be read and were passed over",
            )?,
            tables_unreadable: counter(
                registry,
                "plume_alert_unreadable_tables_total",
                "Changed tables that could not be read, so that the shipped ones hold",
            )?,
            rates_failed: counter(
                registry,
                "plume_alert_failed_rates_total",
                "Times that transmission rates could not be counted",
            )?,
            acts: counters(registry, "plume_alert_acts_total", "Acts of people on cases", "kind")?,
            refused_acts: counter(
                registry,
                "plume_alert_refused_acts_total",
                "Acts of people that were refused",
            )?,
            notices: counters(
                registry,
                "plume_alert_notices_total",
                "Notices decided for good, by reason",
                "reason",
            )?,
            attempts_failed: counters(
                registry,
                "plume_alert_failed_attempts_total",
                "Attempts to send that failed",
                "channel",
            )?,
            outbox: gauge(registry, "plume_alert_outbox_notices", "Notices waiting in the outbox")?,
            send_seconds: histogram(registry, "plume_alert_send_seconds", "Time to hand over one message")?,
            series_points: gauge(registry, "plume_alert_series_points", "Minute values kept for charts")?,
        };
        for edge in Edge::ALL {
            this.events.with_label_values(&[edge.code()]);
        }
        for kind in ActKind::ALL {
            this.acts.with_label_values(&[kind.code()]);
        }
        for reason in Reason::ALL {
            this.notices.with_label_values(&[reason.code()]);
        }
        for channel in Channel::ALL {
            this.attempts_failed.with_label_values(&[channel.code()]);
        }
        Ok(this)
    }

    /// An event was applied.
    pub(crate) fn event_applied(&self, edge: Edge, case: ContentId) {
        self.events.with_label_values(&[edge.code()]).inc();
        tracing::info!(%case, edge = edge.code(), "case changed");
    }

    /// An event was applied before.
    pub(crate) fn event_repeated(&self, event: ContentId) {
        self.repeats.inc();
        tracing::debug!(%event, "repeated event passed over");
    }

    /// An event changed nothing.
    pub(crate) fn event_ignored(&self, event: ContentId, edge: Edge) {
        self.ignored.inc();
        tracing::debug!(%event, edge = edge.code(), "event of no known case passed over");
    }

    /// A record of the events topic was unreadable.
    pub(crate) fn event_unreadable(&self, partition: u32, offset: u64) {
        self.unreadable.inc();
        tracing::error!(partition, offset, "unreadable record of the events topic passed over");
    }

    /// A table that somebody changed cannot be read by this version; the one that comes with plume holds.
    pub(crate) fn table_unreadable(&self, kind: TableKind, error: &TableError) {
        self.tables_unreadable.inc();
        let table = kind.code();
        tracing::error!(table, %error, hint = error.hint(), "a changed table cannot be read; the shipped one holds");
    }

    /// Transmission rates could not be counted; digests go without them.
    pub(crate) fn rates_failed(&self, error: &str) {
        self.rates_failed.inc();
        tracing::warn!(error, "transmission rates could not be counted; `plume rate` says more");
    }

    /// A person did something.
    pub(crate) fn acted(&self, kind: ActKind, case: ContentId) {
        self.acts.with_label_values(&[kind.code()]).inc();
        tracing::info!(%case, act = kind.code(), "act on case");
    }

    /// A person was refused.
    pub(crate) fn act_refused(&self, kind: ActKind, why: &dyn std::fmt::Display) {
        self.refused_acts.inc();
        tracing::info!(act = kind.code(), %why, "act refused");
    }

    /// A notice was sent or will never be.
    pub(crate) fn notice_decided(&self, reason: Reason) {
        self.notices.with_label_values(&[reason.code()]).inc();
    }

    /// An attempt failed.
    pub(crate) fn attempt_failed(&self, channel: Channel, error: &dyn std::fmt::Display) {
        self.attempts_failed.with_label_values(&[channel.code()]).inc();
        tracing::warn!(channel = channel.code(), %error, "notice not sent");
    }

    /// A message was handed over.
    pub(crate) fn sent(&self, seconds: f64) {
        self.send_seconds.observe(seconds);
    }

    /// Notices waiting now.
    pub(crate) fn outbox_length(&self, waiting: u64) {
        self.outbox.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Minute values kept now.
    pub(crate) fn series_load(&self, points: u64) {
        self.series_points.set(i64::try_from(points).unwrap_or(i64::MAX));
    }
}

fn counter(registry: &Registry, name: &'static str, help: &str) -> Result<IntCounter, SignalError> {
    let made = IntCounter::new(name, help).map_err(|source| SignalError { name, source })?;
    registry
        .register(Box::new(made.clone()))
        .map_err(|source| SignalError { name, source })?;
    Ok(made)
}

fn counters(
    registry: &Registry,
    name: &'static str,
    help: &str,
    label: &'static str,
) -> Result<IntCounterVec, SignalError> {
    let made = IntCounterVec::new(Opts::new(name, help), &[label]).map_err(|source| SignalError { name, source })?;
    registry
        .register(Box::new(made.clone()))
        .map_err(|source| SignalError { name, source })?;
    Ok(made)
}

fn gauge(registry: &Registry, name: &'static str, help: &str) -> Result<IntGauge, SignalError> {
    let made = IntGauge::new(name, help).map_err(|source| SignalError { name, source })?;
    registry
        .register(Box::new(made.clone()))
        .map_err(|source| SignalError { name, source })?;
    Ok(made)
}

fn histogram(registry: &Registry, name: &'static str, help: &str) -> Result<Histogram, SignalError> {
    let options = HistogramOpts::new(name, help).buckets(SEND_BUCKETS_S.to_vec());
    let made = Histogram::with_opts(options).map_err(|source| SignalError { name, source })?;
    registry
        .register(Box::new(made.clone()))
        .map_err(|source| SignalError { name, source })?;
    Ok(made)
}
