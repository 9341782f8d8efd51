//! Configuration of the room: the `[ingest]` section. Every default lives in `deploy/default.toml`.

use std::sync::Arc;

use plume_schemas::ids::IngestId;
use serde::Deserialize;

use crate::hj212::sm4::KeyRing;
use crate::hj212::tolerance::Tolerances;

/// The `[ingest]` section.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    /// Address and port devices connect to.
    pub listen: String,
    /// Address and port devices connect to by TLS; empty for none.
    pub tls_listen: String,
    /// PEM file of the certificates shown there, the server's own first.
    pub tls_certificate: String,
    /// PEM file of the key.
    pub tls_key: String,
    /// Name of this ingest in every record it writes.
    pub id: IngestId,
    /// What to do with a device that is not in the registry.
    pub unknown_mn: UnknownMn,
    /// Departures from the frame format that are accepted, each with a complaint.
    pub tolerate: Tolerances,
    /// Longest data segment taken.
    pub max_segment_bytes: usize,
    /// Garbage since the last good packet after which a link is closed.
    pub max_garbage_bytes: usize,
    /// Refused packets in a row (wrong password, or unknown MN under `refuse`) after which a link is closed.
    pub refuse_after: u32,
    /// Links at a time.
    pub max_connections: usize,
    /// Links at a time from one address.
    pub max_connections_per_ip: usize,
    /// Different MNs on one link.
    pub max_mns_per_link: usize,
    /// Links of one registered device; its oldest is closed when there is one more.
    pub max_links_per_mn: usize,
    /// Packets of one link waiting to be durable; above it the link is not read.
    pub max_in_flight_packets: usize,
    /// A link without a byte for this long is closed.
    pub idle_timeout_s: u64,
    /// A link that has brought no valid packet after this long is closed.
    pub unidentified_timeout_s: u64,
    /// A peer that takes no answer for this long is closed.
    pub write_timeout_ms: u64,
    /// Quiet after which a frame without CR LF is taken as complete.
    pub tail_wait_ms: u64,
    /// Pause before a refused append is tried again; doubles up to `retry_max_ms`.
    pub retry_min_ms: u64,
    /// Longest pause between tries.
    pub retry_max_ms: u64,
    /// Time between Ticks, by the clock of plume (the virtual one in a demo).
    pub tick_interval_ms: i64,
    /// A forward step of the clock beyond the tick interval that is recorded as ClockStep; 0 records none.
    pub clock_step_ms: i64,
    /// How far DataTime may lie ahead of our clock.
    pub future_limit_ms: i64,
    /// DataTime before the first day of this year goes to quarantine.
    pub oldest_data_year: i32,
    /// DataTime older than this carries a complaint.
    pub far_data_time_h: i64,
    /// Complain of 2025 data that came in clear.
    pub expect_encryption_2025: bool,
    /// File with the keys of devices that encrypt (2025); empty for none. The host reads it.
    pub keys_file: String,
    /// What is in it; filled in by the host, never written in this section.
    #[serde(skip)]
    pub keys: Arc<KeyRing>,
}

/// The `[modbus]` section: how devices are polled. Which ones stands in the site file.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PollConfig {
    /// The site file, relative to the configuration; empty: nothing is polled.
    pub site: String,
    /// Time between two samples of a unit.
    pub sample_interval_ms: i64,
    /// Time a unit may take for one answer.
    pub timeout_ms: u64,
    /// Time a connection may take to open.
    pub connect_timeout_ms: u64,
    /// Further tries of a request within one sample.
    pub retries: u32,
    /// Pause before a connection that failed twice is tried again; doubles up to `reconnect_max_ms`.
    pub reconnect_min_ms: i64,
    /// Longest pause between tries to connect.
    pub reconnect_max_ms: i64,
    /// Longest rest of a unit that does not answer.
    pub rest_max_ms: i64,
    /// Samples in a row without an answer after which a unit is gone.
    pub gone_after: u32,
    /// How far a device's clock may be off without a complaint.
    pub clock_limit_ms: i64,
    /// Reports waiting to be durable while the log refuses; beyond it the newest are dropped and counted.
    pub queue_records: usize,
}

impl PollConfig {
    /// Checks ranges that types do not hold. Errors: the first setting outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules: [(&'static str, i64, std::ops::RangeInclusive<i64>, &'static str); 8] = [
            (
                "sample_interval_ms",
                self.sample_interval_ms,
                1_000..=5_000,
                "1000 to 5000 (HJ 212-2017 D.2: samples at most 5 s apart)",
            ),
            ("timeout_ms", wide(self.timeout_ms), 10..=60_000, "10 to 60000"),
            (
                "connect_timeout_ms",
                wide(self.connect_timeout_ms),
                10..=60_000,
                "10 to 60000",
            ),
            ("retries", i64::from(self.retries), 0..=5, "0 to 5"),
            ("reconnect_min_ms", self.reconnect_min_ms, 10..=60_000, "10 to 60000"),
            (
                "reconnect_max_ms",
                self.reconnect_max_ms,
                self.reconnect_min_ms..=600_000,
                "reconnect_min_ms to 600000",
            ),
            ("rest_max_ms", self.rest_max_ms, 1_000..=600_000, "1000 to 600000"),
            ("queue_records", wide(self.queue_records), 1..=1_000_000, "1 to 1000000"),
        ];
        let wrong = rules.into_iter().find(|(_, value, range, _)| !range.contains(value));
        wrong.map_or(Ok(()), |(key, value, _, expected)| {
            Err(ConfigError {
                section: "modbus",
                key,
                value: value.to_string(),
                expected,
            })
        })
    }
}

/// What to do with a device that is not in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMn {
    /// Silence; the link is closed after `refuse_after` packets.
    Refuse,
    /// Keep in quarantine until the device is registered; answer once durable.
    Quarantine,
    /// Make a report for the outlet `unregistered:<MN>`, with a complaint.
    AcceptAndFlag,
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{section}] {key} = {value} is out of range, expected {expected}")]
pub struct ConfigError {
    /// Of which section.
    pub section: &'static str,
    /// Which.
    pub key: &'static str,
    /// As set.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl ConfigError {
    /// What to try.
    pub fn hint(&self) -> String {
        format!("set {} to {}", self.key, self.expected)
    }
}

impl IngestConfig {
    /// Checks ranges that types do not hold. Errors: the first setting outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules: [(&'static str, i64, std::ops::RangeInclusive<i64>, &'static str); 13] = [
            (
                "max_segment_bytes",
                wide(self.max_segment_bytes),
                1024..=9999,
                "1024 (the standard's limit) to 9999",
            ),
            (
                "max_garbage_bytes",
                wide(self.max_garbage_bytes),
                1024..=i64::MAX,
                "at least 1024",
            ),
            (
                "max_connections",
                wide(self.max_connections),
                1..=1_000_000,
                "1 to 1000000",
            ),
            (
                "max_connections_per_ip",
                wide(self.max_connections_per_ip),
                1..=1_000_000,
                "1 to 1000000",
            ),
            (
                "max_mns_per_link",
                wide(self.max_mns_per_link),
                1..=100_000,
                "1 to 100000",
            ),
            ("max_links_per_mn", wide(self.max_links_per_mn), 1..=1_000, "1 to 1000"),
            (
                "max_in_flight_packets",
                wide(self.max_in_flight_packets),
                1..=10_000,
                "1 to 10000",
            ),
            ("tail_wait_ms", wide(self.tail_wait_ms), 1..=10_000, "1 to 10000"),
            ("retry_min_ms", wide(self.retry_min_ms), 1..=60_000, "1 to 60000"),
            (
                "retry_max_ms",
                wide(self.retry_max_ms),
                wide(self.retry_min_ms)..=600_000,
                "retry_min_ms to 600000",
            ),
            ("tick_interval_ms", self.tick_interval_ms, 100..=60_000, "100 to 60000"),
            ("clock_step_ms", self.clock_step_ms, 0..=i64::MAX, "0 or more"),
            (
                "future_limit_ms",
                self.future_limit_ms,
                0..=86_400_000,
                "0 to 86400000 (a day)",
            ),
        ];
        for (key, value, range, expected) in rules {
            if !range.contains(&value) {
                return Err(ConfigError {
                    section: "ingest",
                    key,
                    value: value.to_string(),
                    expected,
                });
            }
        }
        Ok(())
    }
}

fn wide(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The section as in `deploy/default.toml`, on any free port.
    pub(crate) fn config() -> IngestConfig {
        IngestConfig {
            listen: "127.0.0.1:0".to_owned(),
            tls_listen: String::new(),
            tls_certificate: String::new(),
            tls_key: String::new(),
            id: IngestId::new("ingest-1").unwrap(),
            unknown_mn: UnknownMn::Quarantine,
            tolerate: serde_json::from_str(
                r#"["short_length", "wrong_length", "lower_case_crc", "short_crc", "other_tail"]"#,
            )
            .unwrap(),
            max_segment_bytes: 8192,
            max_garbage_bytes: 65_536,
            refuse_after: 3,
            max_connections: 4096,
            max_connections_per_ip: 1024,
            max_mns_per_link: 256,
            max_links_per_mn: 8,
            max_in_flight_packets: 64,
            idle_timeout_s: 3900,
            unidentified_timeout_s: 120,
            write_timeout_ms: 10_000,
            tail_wait_ms: 300,
            retry_min_ms: 100,
            retry_max_ms: 5000,
            tick_interval_ms: 5000,
            clock_step_ms: 60_000,
            future_limit_ms: 300_000,
            oldest_data_year: 2000,
            far_data_time_h: 48,
            expect_encryption_2025: false,
            keys_file: String::new(),
            keys: Arc::default(),
        }
    }

    /// The section as in `deploy/default.toml`.
    pub(crate) fn poll_config() -> PollConfig {
        PollConfig {
            site: String::new(),
            sample_interval_ms: 4_000,
            timeout_ms: 1_000,
            connect_timeout_ms: 3_000,
            retries: 1,
            reconnect_min_ms: 1_000,
            reconnect_max_ms: 60_000,
            rest_max_ms: 60_000,
            gone_after: 3,
            clock_limit_ms: 60_000,
            queue_records: 10_000,
        }
    }

    #[test]
    fn samples_are_at_most_five_seconds_apart() {
        assert_eq!(poll_config().check(), Ok(()));
        let slow = PollConfig {
            sample_interval_ms: 5_001,
            ..poll_config()
        };
        assert!(slow.check().unwrap_err().to_string().contains("at most 5 s apart"));
    }

    #[test]
    fn ranges() {
        assert_eq!(config().check(), Ok(()));
        let wrong = IngestConfig {
            max_segment_bytes: 100,
            ..config()
        }
        .check()
        .unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "[ingest] max_segment_bytes = 100 is out of range, expected 1024 (the standard's limit) to 9999"
        );
        assert!(
            IngestConfig {
                retry_max_ms: 50,
                ..config()
            }
            .check()
            .is_err()
        );
    }
}
