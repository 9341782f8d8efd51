//! What the poller tells the operator: one function for each happening, which counts it and writes the log line.

use plume_schemas::ids::Mn;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::OpenError;
use crate::modbus::minute::Minute;
use crate::modbus::read::Miss;

/// Metrics of the poller.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    requests: IntCounterVec,
    rounds: IntCounterVec,
    missed_samples: IntCounterVec,
    minutes: IntCounter,
    connects: IntCounter,
    connects_failed: IntCounter,
    units_present: IntGauge,
    dropped: IntCounter,
    lateness: Histogram,
    worst_lateness: IntGauge,
}

impl Signals {
    /// Registers the metrics, each label at zero. Errors: a name is taken.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let add = Adder(registry);
        let lateness = HistogramOpts::new(
            "plume_ingest_poll_lateness_seconds",
            "time from a sample's due moment until its first request",
        )
        .buckets(vec![0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
        Ok(Self {
            requests: add.by("requests", "requests to polled devices; ok, or why not")?,
            rounds: add.by("rounds", "samples of polled devices; ok, or why not")?,
            missed_samples: add.by("missed_samples", "samples missing in reported minutes, by reason")?,
            minutes: add.count("minutes", "minutes of polled devices reported")?,
            connects: add.count("connects", "connections to buses opened")?,
            connects_failed: add.count("connects_failed", "connections to buses that could not be opened")?,
            units_present: add.add(IntGauge::new(
                "plume_ingest_poll_units_present",
                "polled devices that answer now",
            )?)?,
            dropped: add.count("dropped_records", "records of polled devices that the log never took")?,
            lateness: add.add(Histogram::with_opts(lateness)?)?,
            worst_lateness: add.add(IntGauge::new(
                "plume_ingest_poll_worst_lateness_milliseconds",
                "largest lateness of a sample since the start",
            )?)?,
        })
    }

    pub(super) fn connected(&self) {
        self.connects.inc();
    }

    pub(super) fn refused(&self, bus: &str, error: &OpenError) {
        self.connects_failed.inc();
        tracing::debug!(bus, cause = %error.source, hint = error.hint(), "bus cannot be opened");
    }

    pub(super) fn asked(&self, missed: Option<Miss>) {
        self.requests.with_label_values(&[name(missed)]).inc();
    }

    pub(super) fn round(&self, missed: Option<Miss>, late_ms: i64) {
        self.rounds.with_label_values(&[name(missed)]).inc();
        self.lateness.observe(late_ms as f64 / 1000.0);
        if late_ms > self.worst_lateness.get() {
            self.worst_lateness.set(late_ms);
        }
    }

    pub(super) fn minute(&self, minute: &Minute) {
        self.minutes.inc();
        for (why, count) in minute.misses() {
            self.missed_samples
                .with_label_values(&[why.name()])
                .inc_by(u64::try_from(count).unwrap_or(0));
        }
    }

    pub(super) fn came(&self, bus: &str, mn: Mn) {
        self.units_present.inc();
        tracing::info!(bus, %mn, "polled device answers");
    }

    pub(super) fn gone(&self, bus: &str, mn: Mn, why: Miss) {
        self.units_present.dec();
        if why == Miss::Late {
            // plume itself has stopped asking.
            tracing::info!(bus, %mn, "polling of a device ends");
        } else {
            tracing::warn!(bus, %mn, %why, "polled device no longer answers");
        }
    }

    pub(super) fn dropped(&self, records: usize, why: &str) {
        self.dropped.inc_by(u64::try_from(records).unwrap_or(0));
        tracing::error!(records, why, "records of polled devices are lost");
    }
}

fn name(missed: Option<Miss>) -> &'static str {
    missed.map_or("ok", Miss::name)
}

/// Makes and registers metrics named `plume_ingest_poll_<noun>_total`.
struct Adder<'a>(&'a Registry);

impl Adder<'_> {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn count(&self, noun: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(format!("plume_ingest_poll_{noun}_total"), help)?)
    }

    fn by(&self, noun: &str, help: &str) -> Result<IntCounterVec, prometheus::Error> {
        let name = format!("plume_ingest_poll_{noun}_total");
        let metric = self.add(IntCounterVec::new(Opts::new(name, help), &["reason"])?)?;
        for reason in ["ok"].into_iter().chain(Miss::NAMES) {
            metric.with_label_values(&[reason]).reset();
        }
        Ok(metric)
    }
}
