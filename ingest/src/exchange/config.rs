//! The `[exchange]` section. Every default lives in `deploy/default.toml`.

use plume_schemas::time::SECOND_MS;
use serde::Deserialize;

use super::engine::Rules;
use super::gaps::GapRules;
use crate::config::ConfigError;

/// The `[exchange]` section: orders to devices.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ExchangeConfig {
    /// How long an answer is waited for.
    pub timeout_s: u32,
    /// How often an order is sent again.
    pub resends: u32,
    /// The longest one order may take.
    pub longest_s: u32,
    /// How long an order waits for a device that is away.
    pub patience_s: u32,
    /// Orders waiting for one device.
    pub max_waiting: u32,
    /// 1013 is followed by 1012.
    pub set_time_when_asked: bool,
    /// Hours back from now that are asked for after an outage; 0 asks for none.
    pub gap_hours: u32,
    /// How long a device may take to send an hour by itself.
    pub gap_patience_s: u32,
    /// How often an hour is asked for.
    pub gap_tries: u32,
}

impl ExchangeConfig {
    /// How orders are given.
    pub fn rules(&self) -> Rules {
        Rules {
            timeout_ms: ms(self.timeout_s),
            resends: self.resends,
            longest_ms: ms(self.longest_s),
            max_waiting: usize::try_from(self.max_waiting).unwrap_or(usize::MAX),
            set_time_when_asked: self.set_time_when_asked,
        }
    }

    /// How long an order waits for a device that is away.
    pub fn patience_ms(&self) -> i64 {
        ms(self.patience_s)
    }

    /// How far gaps are asked for; `None`: not at all.
    pub fn gap_rules(&self) -> Option<GapRules> {
        (self.gap_hours > 0).then(|| GapRules {
            hours: i64::from(self.gap_hours),
            patience_ms: ms(self.gap_patience_s),
            tries: self.gap_tries,
        })
    }

    /// Checks ranges that types do not hold. Errors: the first setting outside its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules: [(&'static str, u32, std::ops::RangeInclusive<u32>, &'static str); 8] = [
            ("timeout_s", self.timeout_s, 1..=99, "1 to 99 (OverTime has two digits)"),
            ("resends", self.resends, 0..=99, "0 to 99 (ReCount has two digits)"),
            ("longest_s", self.longest_s, 10..=86_400, "10 to 86400 (a day)"),
            ("patience_s", self.patience_s, 1..=86_400, "1 to 86400 (a day)"),
            ("max_waiting", self.max_waiting, 1..=1_000, "1 to 1000"),
            ("gap_hours", self.gap_hours, 0..=744, "0 to 744 (31 days)"),
            (
                "gap_patience_s",
                self.gap_patience_s,
                60..=86_400,
                "60 to 86400 (a day)",
            ),
            ("gap_tries", self.gap_tries, 1..=10, "1 to 10"),
        ];
        let wrong = rules.into_iter().find(|(_, value, range, _)| !range.contains(value));
        wrong.map_or(Ok(()), |(key, value, _, expected)| {
            Err(ConfigError {
                section: "exchange",
                key,
                value: value.to_string(),
                expected,
            })
        })
    }
}

fn ms(seconds: u32) -> i64 {
    i64::from(seconds) * SECOND_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let config = ExchangeConfig {
            timeout_s: 10,
            resends: 3,
            longest_s: 600,
            patience_s: 900,
            max_waiting: 16,
            set_time_when_asked: true,
            gap_hours: 24,
            gap_patience_s: 900,
            gap_tries: 2,
        };
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.gap_rules().map(|rules| rules.patience_ms), Some(900_000));
        let off = ExchangeConfig { gap_hours: 0, ..config };
        assert_eq!((off.check(), off.gap_rules()), (Ok(()), None));
        let wrong = ExchangeConfig {
            timeout_s: 100,
            ..config
        }
        .check()
        .unwrap_err();
        assert!(wrong.to_string().starts_with("[exchange] timeout_s = 100"), "{wrong}");
    }
}
