//! What the role loops have to tell: one function per happening, logged and counted together.

use std::time::Duration;

use plume_bus::Record;
use plume_detect::twin::Left;
use plume_schemas::event::Event;
use plume_schemas::recompute::RecomputeCause;
use plume_schemas::wire::WireError;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::finding::{Finding, Grade};
use crate::status::words::Kind;

/// Handles of the loops' metrics. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    unreadable: IntCounterVec,
    lag: IntGaugeVec,
    finding: IntGaugeVec,
    judged: IntGauge,
    refusals: IntCounter,
    spooled: IntGaugeVec,
    unread_age: IntGauge,
    twins_left_out: IntGaugeVec,
    twins: IntCounter,
    recomputed: IntCounterVec,
    relay: RelayMetrics,
}

/// Of packets passed on to other platforms.
#[derive(Clone, Debug)]
struct RelayMetrics {
    packets: IntCounterVec,
    passed_over: IntCounterVec,
    up: IntGaugeVec,
    behind: IntGaugeVec,
}

impl RelayMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), &["relay"]);
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["relay", "partition"]);
        let packets = counter(
            "plume_deploy_relay_packets_total",
            "Packets that another platform has answered, or was sent where they want no answer",
        )?;
        let passed_over = counter(
            "plume_deploy_relay_passed_over_packets_total",
            "Packets that another platform left without an answer while it answered others",
        )?;
        let up = gauge("plume_deploy_relay_up", "1 while a link to another platform is open")?;
        let behind = gauge(
            "plume_deploy_relay_lag_records",
            "Records of the log that another platform does not have yet",
        )?;
        registry.register(Box::new(packets.clone()))?;
        registry.register(Box::new(passed_over.clone()))?;
        registry.register(Box::new(up.clone()))?;
        registry.register(Box::new(behind.clone()))?;
        Ok(Self {
            packets,
            passed_over,
            up,
            behind,
        })
    }
}

/// What was judged again, by why.
fn recompute_metric(registry: &Registry) -> prometheus::Result<IntCounterVec> {
    let recomputed = IntCounterVec::new(
        Opts::new(
            "plume_deploy_recomputed_windows_total",
            "Windows that the judge no longer remembered and of which something else is said since",
        ),
        &["why"],
    )?;
    registry.register(Box::new(recomputed.clone()))?;
    for why in RecomputeCause::ALL {
        recomputed.with_label_values(&[why.code()]).reset();
    }
    Ok(recomputed)
}

/// What this process judges, and how often it was refused.
fn judge_metrics(registry: &Registry) -> prometheus::Result<(IntGauge, IntCounter)> {
    let judged = IntGauge::new(
        "plume_deploy_judged_partitions",
        "Partitions that this process judges: all on one machine, its share of them on Kafka",
    )?;
    registry.register(Box::new(judged.clone()))?;
    let refusals = IntCounter::new(
        "plume_deploy_judge_refusals_total",
        "Times that brokers refused what a judge writes, as another had claimed its line or its transaction was ended",
    )?;
    registry.register(Box::new(refusals.clone()))?;
    Ok((judged, refusals))
}

/// What the pairing of outlets found, and what it left out.
fn twin_metrics(registry: &Registry) -> prometheus::Result<(IntCounter, IntGaugeVec)> {
    let twins_left_out = IntGaugeVec::new(
        Opts::new(
            "plume_deploy_twins_left_out_records",
            "Fingerprints that came too late to be paired, and pairs beyond the most that are kept open, since the \
             desk began to pair",
        ),
        &["why"],
    )?;
    registry.register(Box::new(twins_left_out.clone()))?;
    let twins = IntCounter::new(
        "plume_deploy_twin_events_total",
        "Events of pairs of outlets that the desk found; after a start it finds again what is kept",
    )?;
    registry.register(Box::new(twins.clone()))?;
    Ok((twins, twins_left_out))
}

impl Signals {
    /// Registers the metrics, each at zero.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let unreadable = IntCounterVec::new(
            Opts::new(
                "plume_deploy_unreadable_records_total",
                "Records of the log that could not be decoded and were skipped",
            ),
            &["topic"],
        )?;
        let lag = IntGaugeVec::new(
            Opts::new(
                "plume_deploy_lag_records",
                "Records of a topic that a consumer has not worked off yet",
            ),
            &["consumer", "topic", "partition"],
        )?;
        let finding = IntGaugeVec::new(
            Opts::new(
                "plume_deploy_finding",
                "1 while `plume status` says this of plume, by the finding's code",
            ),
            &["code", "grade"],
        )?;
        let (judged, refusals) = judge_metrics(registry)?;
        let spooled = IntGaugeVec::new(
            Opts::new(
                "plume_deploy_spooled_records",
                "Answered records in the spool of this machine that the brokers do not have yet",
            ),
            &["topic", "partition"],
        )?;
        registry.register(Box::new(spooled.clone()))?;
        let unread_age = IntGauge::new(
            "plume_deploy_unread_age_percent",
            "Share of the retention that the oldest unread record has used up, in steps; at 100 it expires",
        )?;
        registry.register(Box::new(unread_age.clone()))?;
        let (twins, twins_left_out) = twin_metrics(registry)?;
        let recomputed = recompute_metric(registry)?;
        let relay = RelayMetrics::new(registry)?;
        registry.register(Box::new(finding.clone()))?;
        registry.register(Box::new(unreadable.clone()))?;
        registry.register(Box::new(lag.clone()))?;
        for topic in plume_bus::Topic::ALL {
            unreadable.with_label_values(&[topic.as_str()]).reset();
        }
        Ok(Self {
            unreadable,
            lag,
            finding,
            judged,
            refusals,
            spooled,
            unread_age,
            twins_left_out,
            twins,
            recomputed,
            relay,
        })
    }

    /// Whether something is found of plume now; the sentence goes to the log when it begins and when it is over.
    pub(crate) fn finding(&self, kind: &Kind, found: Option<&Finding>) {
        let grade = match kind.grade {
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Error => "error",
        };
        let gauge = self.finding.with_label_values(&[kind.code, grade]);
        match (gauge.get() == 1, found) {
            (false, Some(found)) => tracing::warn!(
                code = kind.code,
                "{} / {} → {} / {}",
                found.zh,
                found.en,
                found.todo_zh,
                found.todo_en
            ),
            (true, None) => tracing::info!(code = kind.code, "已恢复 / over: {} / {}", kind.zh, kind.en),
            _ => {}
        }
        gauge.set(i64::from(found.is_some()));
    }

    /// A record could not be decoded: it is skipped, so that one bad record never stops a room.
    pub(crate) fn unreadable(&self, record: &Record, error: &WireError) {
        self.unreadable.with_label_values(&[record.from.topic.as_str()]).inc();
        tracing::error!(
            topic = record.from.topic.as_str(),
            partition = record.from.partition,
            offset = record.offset,
            %error,
            "record skipped: it cannot be read"
        );
    }

    /// A partition has become this process's to judge.
    pub(crate) fn judging(&self, partition: u32) {
        self.judged.inc();
        tracing::info!(partition, "judging");
    }

    /// A partition is no longer this process's to judge.
    pub(crate) fn let_go(&self, partition: u32) {
        self.judged.dec();
        tracing::info!(partition, "let go");
    }

    /// A judge that was to let its partition go has not come to its end in time, and is not waited for.
    pub(crate) fn given_up(&self, partition: u32, limit: Duration) {
        self.judged.dec();
        let limit_s = limit.as_secs();
        tracing::warn!(
            partition,
            limit_s,
            "let go, although its judge has not finished what it was at"
        );
    }

    /// The brokers refuse what a judge writes: another has its line, or they ended its transaction.
    pub(crate) fn refused(&self, partition: u32, error: &anyhow::Error) {
        self.refusals.inc();
        tracing::warn!(partition, error = %format_args!("{error:#}"), "what the judge writes is refused");
    }

    /// Something else is said of windows that the judge no longer remembered.
    pub(crate) fn recomputed(&self, outlet: plume_schemas::ids::OutletId, why: RecomputeCause, windows: usize) {
        self.recomputed.with_label_values(&[why.code()]).inc_by(windows as u64);
        tracing::info!(%outlet, why = why.code(), windows, "judged again");
    }

    /// How many records of a line wait in the spool.
    pub(crate) fn spooled(&self, line: plume_bus::TopicPartition, records: u64) {
        let labels = [line.topic.as_str(), &line.partition.to_string()];
        self.spooled
            .with_label_values(&labels)
            .set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// How much of the retention the oldest record left unread has used up; `sentence` says whose it is.
    #[cfg_attr(
        not(feature = "kafka"),
        expect(dead_code, reason = "only brokers let records expire unread")
    )]
    pub(crate) fn unread_age(&self, percent: u8, sentence: &str) {
        self.unread_age.set(percent.into());
        if percent >= super::NOT_READY_PERCENT {
            tracing::error!("{sentence}");
        } else if percent >= super::WARN_PERCENT {
            tracing::warn!("{sentence}");
        }
    }

    /// An event of a pair of outlets is stored, or was before.
    pub(crate) fn twin(&self, event: &Event) {
        self.twins.inc();
        tracing::debug!(event = %event.id, edge = %event.edge, "a pair of outlets");
    }

    /// Fingerprints or pairs were left out.
    pub(crate) fn twins_left_out(&self, left: Left) {
        for (why, count) in [("too_old", left.too_old), ("too_many", left.too_many)] {
            let gauge = self.twins_left_out.with_label_values(&[why]);
            if gauge.get() == 0 && count > 0 {
                tracing::warn!(
                    why,
                    "fingerprints were not paired: a judge is behind, or many outlets send the same values"
                );
            }
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Packets have come to another platform.
    pub(crate) fn relayed(&self, relay: &str, count: u64) {
        self.relay.packets.with_label_values(&[relay]).inc_by(count);
    }

    /// Another platform answers other devices' packets and not this one's: it is passed over, and stays in the archive.
    pub(crate) fn relay_passed_over(&self, relay: &str, mn: plume_schemas::ids::Mn) {
        self.relay.passed_over.with_label_values(&[relay]).inc();
        tracing::warn!(relay, %mn, "passed over: the platform answers others and not this; does it know the device?");
    }

    /// How it goes with another platform.
    pub(crate) fn relay_going(&self, relay: &str, partition: u32, (is_up, behind): (bool, u64)) {
        let labels = [relay, &partition.to_string()];
        self.relay.up.with_label_values(&labels).set(i64::from(is_up));
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        self.relay.behind.with_label_values(&labels).set(behind);
    }

    /// How many records a consumer has before it.
    pub(crate) fn lag(&self, consumer: &str, topic: plume_bus::Topic, partition: u32, records: u64) {
        let labels = [consumer, topic.as_str(), &partition.to_string()];
        self.lag
            .with_label_values(&labels)
            .set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// The log does not say how far anybody is.
    pub(crate) fn lag_unknown(&self) {
        tracing::debug!("the log does not say how far anybody is: no lag among the metrics");
        self.lag.reset();
    }
}
