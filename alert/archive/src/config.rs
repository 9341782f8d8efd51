//! The `[archive]` section of the configuration; every default is in deploy's `default.toml`.

use plume_schemas::time::{MINUTE_MS, Time};

use crate::ArchiveError;

/// Section `[archive]`.
#[derive(Debug, Clone, serde::Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Directory of the archive; a relative one is below the data directory. `s3://BUCKET/PREFIX` is an object store.
    pub dir: std::path::PathBuf,
    /// How to reach the object store.
    pub s3: S3Config,
    /// Records after which a batch ends.
    pub batch_records: u64,
    /// Bytes of payload after which a batch ends: what waits in memory, times about three.
    pub batch_bytes: u64,
    /// Seconds of the log's own time after which a batch ends, counted from ten minutes past midnight, Beijing.
    pub batch_every_s: u64,
    /// Seconds of the log's own time after which what readers see is rebuilt with the new batches, counted alike.
    pub publish_every_s: u64,
    /// Rows from which what was published of a day that lasts is left as it lies when more comes.
    pub run_rows: u64,
    /// Days after which files are removed; 0 keeps them for ever.
    pub keep_days: u64,
    /// Days after which real-time samples are removed; 0 keeps them as long as the rest.
    pub keep_samples_days: u64,
    /// Bytes of what readers see beyond which the oldest days are removed; 0 sets no budget.
    pub max_bytes: u64,
}

/// Section `[archive.s3]`: an object store that speaks S3.
#[derive(Clone, serde::Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Its address; empty means the one AWS has for the region.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Who asks; empty means the identity of the machine.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { endpoint, region, .. } = self;
        write!(f, "S3Config({endpoint}, {region}, …)")
    }
}

impl ArchiveConfig {
    /// Checks the values. Errors: the first one that makes no sense.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let wrong = |key, found, expected| Err(ArchiveError::Config { key, found, expected });
        if !(1..=1_000_000).contains(&self.batch_records) {
            return wrong("batch_records", self.batch_records, "1 to 1000000");
        }
        if !(1_000..=1 << 30).contains(&self.batch_bytes) {
            return wrong("batch_bytes", self.batch_bytes, "1000 to 1073741824");
        }
        if !(1..=100_000_000).contains(&self.run_rows) {
            return wrong("run_rows", self.run_rows, "1 to 100000000");
        }
        for (key, seconds) in [
            ("batch_every_s", self.batch_every_s),
            ("publish_every_s", self.publish_every_s),
        ] {
            if seconds == 0 || 86_400 % seconds != 0 {
                return wrong(key, seconds, "a number of seconds that divides a day");
            }
        }
        Ok(())
    }

    /// Whether the archive lies in an object store, not in a directory of this machine.
    pub fn is_in_store(&self) -> bool {
        self.dir
            .to_str()
            .is_some_and(|dir| dir.starts_with(crate::location::S3))
    }

    /// The period of batches in which `at` lies.
    pub(crate) fn batch_period(&self, at: Time) -> Time {
        period(at, self.batch_every_s)
    }

    /// The period of publications in which `at` lies.
    pub(crate) fn publish_period(&self, at: Time) -> Time {
        period(at, self.publish_every_s)
    }
}

/// Periods begin so long after the full hour: by then the hour's own values have come and it has been judged (five
/// minutes of grace by default), so that readers see an hour soon after it, and a day is written once when it is over.
const SETTLING_MS: i64 = 10 * MINUTE_MS;

fn period(at: Time, every_s: u64) -> Time {
    let every_ms = i64::try_from(every_s).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
    at.plus(-SETTLING_MS).floor(every_ms)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn usual() -> ArchiveConfig {
        ArchiveConfig {
            dir: "archive".into(),
            s3: S3Config {
                endpoint: String::new(),
                region: "us-east-1".to_owned(),
                access_key_id: String::new(),
                secret_access_key: String::new(),
            },
            batch_records: 50_000,
            batch_bytes: 16 << 20,
            batch_every_s: 3_600,
            publish_every_s: 3_600,
            run_rows: 144_000,
            keep_days: 0,
            keep_samples_days: 0,
            max_bytes: 0,
        }
    }

    #[test]
    fn limits_name_their_key() {
        assert!(usual().check().is_ok());
        let broken = [
            ArchiveConfig {
                batch_records: 0,
                ..usual()
            },
            ArchiveConfig {
                batch_bytes: 10,
                ..usual()
            },
            ArchiveConfig { run_rows: 0, ..usual() },
            ArchiveConfig {
                batch_every_s: 7,
                ..usual()
            },
            ArchiveConfig {
                publish_every_s: 0,
                ..usual()
            },
        ];
        let keys = broken.map(|config| config.check().unwrap_err().to_string());
        assert_eq!(
            keys,
            [
                "archive.batch_records is 0, expected 1 to 1000000",
                "archive.batch_bytes is 10, expected 1000 to 1073741824",
                "archive.run_rows is 0, expected 1 to 100000000",
                "archive.batch_every_s is 7, expected a number of seconds that divides a day",
                "archive.publish_every_s is 0, expected a number of seconds that divides a day",
            ]
        );
    }
}
