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
    /// Keys of devices that encrypt (2025); filled in by the host, never written in this section.
    #[serde(skip)]
    pub keys: Arc<KeyRing>,
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
#[error("[ingest] {key} = {value} is out of range, expected {expected}")]
pub struct ConfigError {
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
        let rules: [(&'static str, i64, std::ops::RangeInclusive<i64>, &'static str); 12] = [
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
            keys: Arc::default(),
        }
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
