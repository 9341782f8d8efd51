//! A plume of several processes over one broker.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plume_schemas::wire;

use crate::fleet::{Chance, registry};
use crate::support::{Running, Site};
use crate::verdict;

/// A cluster that has not worked off what it has after so long is stuck.
const SETTLE_LIMIT: Duration = Duration::from_mins(5);
/// Partitions of each topic: more than workers, fewer than outlets.
pub(crate) const PARTITIONS: u32 = 4;

/// A process of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Desk,
    Ingest,
    Detect,
    /// A second judge: partitions change hands when one of the two dies.
    SecondDetect,
    Archive,
}

impl Part {
    /// In the order they are started: the desk records the registry, for which the others wait.
    const ALL: [Self; 5] = [
        Self::Desk,
        Self::Ingest,
        Self::Detect,
        Self::SecondDetect,
        Self::Archive,
    ];

    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let drawn = chance.below(Self::ALL.len() as u64);
        Self::ALL[usize::try_from(drawn).unwrap()]
    }

    fn role(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Ingest => "ingest",
            Self::Detect | Self::SecondDetect => "detect",
            Self::Archive => "archive",
        }
    }
}

/// The processes, each with a directory of its own.
pub(crate) struct Cluster {
    brokers: String,
    prefix: String,
    sites: BTreeMap<Part, Site>,
    running: BTreeMap<Part, Running>,
}

impl Cluster {
    /// Makes fresh topics and starts every part.
    pub(crate) fn start(brokers: &str, seed: u64) -> Self {
        let prefix = format!("k{}-{seed}", std::process::id());
        let config = format!(
            "[bus]\nurl = \"kafka://{brokers}/{prefix}?session.timeout.ms=6000\"\npartitions = {PARTITIONS}\n\
             [bus.kafka]\nreplication = 1\n[archive]\nbatch_every_s = 1\npublish_every_s = 3600\n\
             [detect.window]\nsettle_s = 1\nlate_after_s = 1000000\n[detect.exceed]\nclear_hours = 1\n"
        );
        let sites: BTreeMap<Part, Site> = Part::ALL.into_iter().map(|part| (part, Site::new(&config))).collect();
        for site in sites.values() {
            std::fs::write(site.dir.path().join("registry.toml"), registry()).unwrap();
        }
        let (made, text) = sites[&Part::Desk].plume(&["bus", "init", "--config", "plume.toml"]);
        assert!(made, "{text}");
        let mut cluster = Self {
            brokers: brokers.to_owned(),
            prefix,
            sites,
            running: BTreeMap::new(),
        };
        for part in Part::ALL {
            cluster.begin(part);
        }
        cluster
    }

    pub(crate) fn site(&self, part: Part) -> &Site {
        &self.sites[&part]
    }

    pub(crate) fn devices(&self) -> SocketAddr {
        self.running[&Part::Ingest].devices
    }

    pub(crate) fn begin(&mut self, part: Part) {
        let running = self.sites[&part].start_as(&["--role", part.role()]);
        self.running.insert(part, running);
    }

    /// `kill -9`, and a fresh start as by a supervisor.
    pub(crate) fn kill(&mut self, part: Part) {
        self.running.remove(&part).unwrap().kill();
        self.begin(part);
    }

    pub(crate) fn end(&mut self, part: Part) {
        assert!(self.running.remove(&part).unwrap().stop(), "{part:?} did not end well");
    }

    /// Stops the intake, waits until judge and desk have worked off everything, stops the rest. Gives the events as a
    /// consumer that is not plume's sees them: partition, offset, content.
    pub(crate) fn settle(&mut self) -> BTreeMap<(u32, u64), Vec<u8>> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        self.end(Part::Ingest);
        while let Some(line) = self.judge_is_behind() {
            assert!(Instant::now() < deadline, "the judge does not come to its end: {line}");
        }
        self.end(Part::Detect);
        self.end(Part::SecondDetect);
        let events = self.events();
        let last = |partition| {
            events
                .keys()
                .filter(|(at, _)| *at == partition)
                .map(|(_, offset)| offset + 1)
                .max()
        };
        for partition in 0..PARTITIONS {
            while self.applied(partition) < last(partition).unwrap_or(0) {
                assert!(Instant::now() < deadline, "the desk does not come to its end");
            }
        }
        self.end(Part::Desk);
        self.end(Part::Archive);
        events
    }

    /// A line of `plume bus lag` that says how far the judge is behind, if it is.
    fn judge_is_behind(&self) -> Option<String> {
        let (_, text) = self.sites[&Part::Desk].plume(&["bus", "lag", "--config", "plume.toml"]);
        let mut lines = text.lines().filter(|line| line.starts_with("detect")).peekable();
        assert!(lines.peek().is_some(), "{text}");
        let behind = |line: &&str| line.split_whitespace().nth(2) != Some("0");
        lines.find(behind).map(str::to_owned)
    }

    /// The next event of a partition that the desk has not taken.
    fn applied(&self, partition: u32) -> u64 {
        verdict::ask(&self.sites[&Part::Desk], async |store| {
            store.resume_offset(partition).await.unwrap().unwrap_or(0)
        })
    }

    /// Everything a `read_committed` console consumer of Kafka's own reads from the events, each with another id.
    fn events(&self) -> BTreeMap<(u32, u64), Vec<u8>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/dev-broker");
        let topic = format!("{}.events", self.prefix);
        let output = Command::new(script)
            .args([
                "tool",
                "org.apache.kafka.tools.consumer.ConsoleConsumer",
                "--bootstrap-server",
                &self.brokers,
            ])
            .args([
                "--topic",
                &topic,
                "--from-beginning",
                "--isolation-level",
                "read_committed",
            ])
            .args([
                "--timeout-ms",
                "5000",
                "--property",
                "print.partition=true",
                "--property",
                "print.offset=true",
            ])
            .args([
                "--property",
                "value.deserializer=org.apache.kafka.common.serialization.BytesDeserializer",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut ids = BTreeSet::new();
        let mut events = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.splitn(3, '\t');
            let mut number = |label: &str| {
                words
                    .next()
                    .unwrap()
                    .strip_prefix(label)
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            };
            let place = (u32::try_from(number("Partition:")).unwrap(), number("Offset:"));
            let content = unescape(words.next().unwrap());
            let event = wire::decode_event(&content).unwrap();
            assert!(
                ids.insert(event.id),
                "event {} was written twice, again at {place:?}",
                event.id
            );
            assert!(events.insert(place, content).is_none());
        }
        assert!(!events.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        events
    }
}

/// The bytes behind `Bytes.toString` of Kafka's client: printable ASCII as it is, everything else and the backslash as
/// `\\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        match tail {
            [b'x', high, low, after @ ..] if first == b'\\' => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}
