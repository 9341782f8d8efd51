//! What the archive says of itself: one function per happening, which logs and counts.

use plume_bus::TopicPartition;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::ArchiveError;
use crate::operation::{Add, Expire, Replace};

/// Metrics of the archive.
#[derive(Clone, Debug)]
pub struct Signals {
    records: IntCounterVec,
    rows: IntCounterVec,
    batches: IntCounter,
    published_files: IntCounter,
    written_bytes: IntCounter,
    expired_rows: IntCounterVec,
    undecodable: IntCounter,
    errors: IntCounterVec,
    waiting_files: IntGauge,
}

impl Signals {
    /// Registers every metric, at zero. Errors: one of them is registered already.
    pub fn new(registry: &Registry) -> Result<Self, ArchiveError> {
        let this = Self {
            records: counters(
                registry,
                "plume_archive_records_total",
                "Records of the log whose batch is on disk",
                "topic",
            )?,
            rows: counters(registry, "plume_archive_rows_total", "Rows written in batches", "table")?,
            batches: counter(registry, "plume_archive_batches_total", "Batches written")?,
            published_files: counter(
                registry,
                "plume_archive_published_files_total",
                "Files that readers see, rebuilt",
            )?,
            written_bytes: counter(
                registry,
                "plume_archive_written_bytes_total",
                "Bytes of Parquet written",
            )?,
            expired_rows: counters(
                registry,
                "plume_archive_expired_rows_total",
                "Rows removed because they were older than is kept",
                "table",
            )?,
            undecodable: counter(
                registry,
                "plume_archive_undecodable_records_total",
                "Records that no decoder reads, kept in quarantine",
            )?,
            errors: counters(
                registry,
                "plume_archive_errors_total",
                "Writes that failed and are tried again",
                "reason",
            )?,
            waiting_files: registered(
                registry,
                IntGauge::new("plume_archive_waiting_files", "Batch files not yet published"),
                "plume_archive_waiting_files",
            )?,
        };
        for topic in crate::TOPICS {
            this.records.with_label_values(&[topic.as_str()]);
        }
        for table in crate::tables::Table::ALL {
            this.rows.with_label_values(&[table.name()]);
            this.expired_rows.with_label_values(&[table.name()]);
        }
        for reason in ["io", "parquet", "damaged", "other"] {
            this.errors.with_label_values(&[reason]);
        }
        Ok(this)
    }

    /// A batch is on disk and in the manifest.
    pub(crate) fn batch_written(&self, at: TopicPartition, batch: &Add) {
        let topic = at.topic.as_str();
        self.batches.inc();
        self.records.with_label_values(&[topic]).inc_by(batch.counts.records);
        for file in &batch.files {
            self.written_bytes.inc_by(file.bytes);
            self.rows.with_label_values(&[file.table()]).inc_by(file.rows);
        }
        tracing::debug!(%at, first = batch.first, next = batch.next, files = batch.files.len(), "archived a batch");
    }

    /// What readers see was rebuilt.
    pub(crate) fn published(&self, replace: &Replace, waiting: usize) {
        self.published_files.inc_by(replace.files.len() as u64);
        self.written_bytes
            .inc_by(replace.files.iter().map(|file| file.bytes).sum());
        self.waiting(waiting);
        tracing::info!(
            files = replace.files.len(),
            merged = replace.removed.len(),
            dropped_rows = replace.dropped,
            "published"
        );
    }

    /// Files older than is kept were removed.
    pub(crate) fn expired(&self, expire: &Expire) {
        for file in &expire.files {
            self.expired_rows.with_label_values(&[file.table()]).inc_by(file.rows);
        }
        tracing::info!(
            files = expire.files.len(),
            limit = expire.limit,
            "removed what is too old"
        );
    }

    /// The archive is larger than its budget, and nothing is left that may be removed.
    pub(crate) fn over_budget(bytes: u64, max_bytes: u64) {
        tracing::warn!(
            bytes,
            max_bytes,
            hint = "raise archive.max_bytes or make archive.keep_days smaller",
            "the archive is larger than its budget and holds nothing that may go"
        );
    }

    /// So many batch files wait to be published.
    pub(crate) fn waiting(&self, files: usize) {
        self.waiting_files.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// A record could not be decoded; it goes to the table `quarantine` with its bytes.
    pub(crate) fn undecodable(&self, at: TopicPartition, offset: u64, why: &dyn std::fmt::Display) {
        self.undecodable.inc();
        tracing::warn!(%at, offset, %why, "record cannot be decoded, archived as quarantine");
    }

    /// Offsets that the log no longer had.
    pub(crate) fn gap(at: TopicPartition, from: u64, to: u64) {
        tracing::warn!(%at, from, to, "records missing in the log, noted in the manifest");
    }

    /// A write failed.
    pub(crate) fn failed(&self, error: &ArchiveError) {
        self.errors.with_label_values(&[error.reason()]).inc();
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(%error, cause, hint = error.hint(), "archive could not write");
    }

    /// Opening found an operation begun and not finished.
    pub(crate) fn resumes(what: &str) {
        tracing::info!(what, "finishing what was begun before the last stop");
    }

    /// The last line of the manifest was cut off by a crash.
    pub(crate) fn torn_manifest(bytes: u64) {
        tracing::info!(bytes, "dropped the unfinished last line of the manifest");
    }
}

fn registered<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
    name: &'static str,
) -> Result<M, ArchiveError> {
    let register = |metric: M| registry.register(Box::new(metric.clone())).map(|()| metric);
    metric
        .and_then(register)
        .map_err(|source| ArchiveError::Metric { name, source })
}

fn counter(registry: &Registry, name: &'static str, help: &str) -> Result<IntCounter, ArchiveError> {
    registered(registry, IntCounter::new(name, help), name)
}

fn counters(registry: &Registry, name: &'static str, help: &str, label: &str) -> Result<IntCounterVec, ArchiveError> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), &[label]), name)
}
