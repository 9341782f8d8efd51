//! `[[relay.platform]]`: a platform that packets are passed on to.

use plume_schemas::ids::Mn;
use plume_schemas::time::SECOND_MS;
use serde::Deserialize;

use super::upstream::Rules;
use crate::config::ConfigError;

/// Platforms one plume passes packets on to: a logger serves up to eight, and so does plume.
pub const MAX_RELAYS: usize = 8;
/// Letters of a name: it is part of a file's name and of a metric's label.
const MAX_NAME: usize = 32;

/// The `[relay]` section.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RelaySection {
    /// `[[relay.platform]]`: none is given, none is there.
    pub platform: Vec<RelayConfig>,
}

/// One `[[relay.platform]]`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// What it is called here: its position and its metrics go by it.
    pub name: String,
    /// Where the platform listens, host and port.
    pub to: String,
    /// Only packets of these devices; empty: of all.
    pub mns: Vec<Mn>,
    /// Packets in flight at a time.
    pub window: usize,
    /// How long an answer is waited for.
    pub timeout_s: u32,
    /// How often a packet is sent again on one link.
    pub resends: u32,
    /// Longest pause between two tries to connect.
    pub back_off_max_s: u32,
    /// Links in a row on which a packet may stay without an answer before it is passed over, where the platform answers
    /// others behind it.
    pub refused_after_links: u32,
}

impl RelayConfig {
    /// How it is sent.
    pub fn rules(&self) -> Rules {
        Rules {
            window: self.window,
            timeout_ms: i64::from(self.timeout_s) * SECOND_MS,
            resends: self.resends,
            back_off_max_ms: i64::from(self.back_off_max_s) * SECOND_MS,
            refused_after_links: self.refused_after_links,
        }
    }

    /// True for packets of a device that go this way.
    pub fn takes(&self, mn: Mn) -> bool {
        self.mns.is_empty() || self.mns.contains(&mn)
    }

    /// Checks ranges that types do not hold, and that names differ. Errors: the first that does not fit.
    pub fn check_all(relays: &[Self]) -> Result<(), ConfigError> {
        let wrong = |key, value: String, expected| ConfigError {
            section: "relay.platform",
            key,
            value,
            expected,
        };
        if relays.len() > MAX_RELAYS {
            return Err(wrong("name", relays.len().to_string(), "at most 8 sections"));
        }
        for (at, relay) in relays.iter().enumerate() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !(1..=MAX_NAME).contains(&relay.name.len()) || !relay.name.bytes().all(plain) {
                return Err(wrong("name", relay.name.clone(), "1 to 32 letters, digits and dashes"));
            }
            if relays.iter().skip(at + 1).any(|other| other.name == relay.name) {
                return Err(wrong("name", relay.name.clone(), "a name that no other section has"));
            }
            let ranges: [(&'static str, usize, std::ops::RangeInclusive<usize>, &'static str); 5] = [
                ("window", relay.window, 1..=64, "1 to 64"),
                ("timeout_s", wide(relay.timeout_s), 1..=99, "1 to 99"),
                ("resends", wide(relay.resends), 0..=99, "0 to 99"),
                (
                    "back_off_max_s",
                    wide(relay.back_off_max_s),
                    1..=3_600,
                    "1 to 3600 (an hour)",
                ),
                (
                    "refused_after_links",
                    wide(relay.refused_after_links),
                    1..=1_000,
                    "1 to 1000",
                ),
            ];
            if let Some((key, value, _, expected)) =
                ranges.into_iter().find(|(_, value, range, _)| !range.contains(value))
            {
                return Err(wrong(key, value.to_string(), expected));
            }
        }
        Ok(())
    }
}

fn wide(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
