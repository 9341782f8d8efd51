//! `kafka://host:port,host:port/prefix?option=value&…`, taken apart. Compiled without the carrier too, so that a
//! wrong address is told at once.

use std::collections::BTreeMap;
use std::fmt;

use crate::BusError;
#[cfg(feature = "kafka")]
use crate::kafka::Generation;

/// Topic names begin with this where the URL names no prefix.
const DEFAULT_PREFIX: &str = "plume";
/// Longest prefix: Apache Kafka takes topic names of 249 characters, and consumer names follow the prefix in groups.
const MAX_PREFIX_BYTES: usize = 64;
/// Options of librdkafka that plume's promises rest on; the URL may not set them.
const RESERVED: [&str; 10] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "acks",
    "enable.idempotence",
    "isolation.level",
    "transactional.id",
    "enable.auto.commit",
    "auto.offset.reset",
    "partition.assignment.strategy",
];

/// Where the brokers are, how the topics are called, and options for the client library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaUrl {
    /// `host:port,host:port`.
    pub(crate) brokers: String,
    /// Topics are `PREFIX.reports` and so on, consumer groups `PREFIX.detect` and so on.
    pub(crate) prefix: String,
    /// Options of librdkafka, passed through.
    pub(crate) options: BTreeMap<String, String>,
    /// Which topics, where it is not those in use.
    #[cfg(feature = "kafka")]
    pub(crate) generation: Option<Generation>,
}

impl KafkaUrl {
    /// Reads the whole URL. Errors: [`BusError::Url`]; [`BusError::Option`] for an option that is not the URL's to set.
    pub fn parse(url: &str) -> Result<Self, BusError> {
        let refused = || BusError::Url { url: url.to_owned() };
        let rest = url.strip_prefix("kafka://").ok_or_else(refused)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (brokers, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = if prefix.is_empty() { DEFAULT_PREFIX } else { prefix };
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let broker = |broker: &str| {
            matches!(broker.rsplit_once(':'), Some((host, port))
            if !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !brokers.split(',').all(broker) || prefix.len() > MAX_PREFIX_BYTES || !prefix.bytes().all(named) {
            return Err(refused());
        }
        let mut options = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(refused)?;
            if RESERVED.contains(&name) {
                return Err(BusError::Option {
                    option: "url",
                    value: pair.to_owned(),
                    expected: format!("no `{name}`: plume sets it, its promises rest on it"),
                });
            }
            if needs_tls(name, value) && !cfg!(feature = "kafka-tls") {
                return Err(BusError::Option {
                    option: "url",
                    value: pair.to_owned(),
                    expected: "a plume built with `--features kafka-tls` (Debian: libssl-dev); this one has no TLS"
                        .into(),
                });
            }
            options.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            options,
            #[cfg(feature = "kafka")]
            generation: None,
        })
    }

    /// The topics of a generation, in use or not.
    #[cfg(feature = "kafka")]
    #[must_use]
    pub fn in_generation(self, generation: Generation) -> Self {
        Self {
            generation: Some(generation),
            ..self
        }
    }
}

/// True of options that librdkafka takes only where it was built with OpenSSL.
fn needs_tls(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match name {
        "security.protocol" => value.contains("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => value.starts_with("scram"),
        _ => name.starts_with("ssl."),
    }
}

impl fmt::Display for KafkaUrl {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/{}", self.brokers, self.prefix)?;
        for (n, (name, value)) in self.options.iter().enumerate() {
            let value = if name.contains("password") { "…" } else { value };
            write!(f, "{}{name}={value}", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url = KafkaUrl::parse("kafka://a:9092,b:9093").unwrap();
        assert_eq!((url.brokers.as_str(), url.prefix.as_str()), ("a:9092,b:9093", "plume"));
        let url = KafkaUrl::parse("kafka://a:9092/province?linger.ms=3&sasl.password=secret").unwrap();
        assert_eq!(url.options["linger.ms"], "3");
        assert_eq!(url.options["sasl.password"], "secret");
        assert_eq!(url.to_string(), "kafka://a:9092/province?linger.ms=3&sasl.password=…");
        for bad in [
            "kafka://a",
            "kafka://:9092",
            "kafka://a:x",
            "kafka://a:1,",
            "kafka://a:1/x y",
            "kafka://a:1?linger.ms",
        ] {
            assert!(matches!(KafkaUrl::parse(bad), Err(BusError::Url { .. })), "{bad}");
        }
        for secure in [
            "security.protocol=SASL_SSL",
            "sasl.mechanism=SCRAM-SHA-512",
            "ssl.ca.location=/ca",
        ] {
            let refused = KafkaUrl::parse(&format!("kafka://a:1/p?{secure}"));
            assert_eq!(refused.is_ok(), cfg!(feature = "kafka-tls"), "{secure}");
        }
        for reserved in RESERVED {
            let url = format!("kafka://a:1/p?{reserved}=x");
            assert!(
                matches!(KafkaUrl::parse(&url), Err(BusError::Option { .. })),
                "{reserved}"
            );
        }
    }
}
