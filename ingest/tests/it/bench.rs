//! What the other modules share: a configuration, a registry, and a link driven by hand.

use std::sync::{Arc, OnceLock};

use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::{CloseReason, Link, Note, Output, Session, Ticket};
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::report::{Quarantined, Report};
use plume_schemas::time::Time;

/// The MN of the examples of 2017 and 2025.
pub(crate) const MN_2017: &str = "010000A8900016F000169DC0";
/// The MN of the examples of 2005.
pub(crate) const MN_2005: &str = "88888880000001";

/// The section as in `deploy/default.toml`, on any free port.
pub(crate) fn config() -> IngestConfig {
    let toml = include_str!("../data/ingest.toml");
    toml::from_str(toml).unwrap()
}

/// The embedded catalogue, read once for all tests.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    Arc::clone(CATALOGUE.get_or_init(|| Arc::new(Catalogue::embedded().unwrap())))
}

/// One source row for each (MN, outlet, more TOML).
pub(crate) fn registry(rows: &[(&str, &str, &str)]) -> RegistryIndex {
    let rows: Vec<String> = rows
        .iter()
        .map(|(mn, outlet, more)| format!("[[source]]\nmn = \"{mn}\"\noutlet = \"{outlet}\"\n{more}\n"))
        .collect();
    let mut registry: Registry = toml::from_str(&rows.concat()).unwrap();
    registry.revision = 7;
    RegistryIndex::new(registry)
}

/// Both MNs of the examples, one outlet each, no password.
pub(crate) fn example_registry() -> RegistryIndex {
    registry(&[(MN_2017, "E1:DA001", ""), (MN_2005, "E2:DA001", "")])
}

pub(crate) fn time(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

/// A session with a clock and a registry, whose host makes records durable when told.
pub(crate) struct Driven {
    pub(crate) session: Session,
    pub(crate) registry: RegistryIndex,
    pub(crate) now: Time,
    pub(crate) appended: Vec<(Ticket, Vec<LogRecord>)>,
    pub(crate) sent: Vec<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) closed: Option<CloseReason>,
}

impl Driven {
    pub(crate) fn new(config: IngestConfig, registry: RegistryIndex, now: &str) -> Self {
        let link = Link {
            peer: plume_schemas::ids::Inline::new("192.0.2.1:40000").unwrap(),
            epoch: 1,
        };
        Self {
            session: Session::new(Arc::new(config), catalogue(), link),
            registry,
            now: time(now),
            appended: Vec::new(),
            sent: Vec::new(),
            notes: Vec::new(),
            closed: None,
        }
    }

    /// The examples' devices, the day after their packets.
    pub(crate) fn examples() -> Self {
        Self::new(config(), example_registry(), "20160802001000")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(bytes, self.now, &self.registry);
        self.drain();
    }

    pub(crate) fn quiet(&mut self) {
        self.session.handle_quiet(self.now, &self.registry);
        self.drain();
    }

    pub(crate) fn end(&mut self) {
        self.session.handle_end(self.now, &self.registry);
        self.drain();
    }

    pub(crate) fn durable(&mut self, ticket: Ticket) {
        self.session.handle_durable(ticket);
        self.drain();
    }

    /// Everything appended so far is durable.
    pub(crate) fn all_durable(&mut self) {
        for at in 0..self.appended.len() {
            self.durable(self.appended[at].0);
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Append { ticket, records } => self.appended.push((ticket, records)),
                Output::Send(bytes) => self.sent.push(String::from_utf8(bytes).unwrap()),
                Output::Note(note) => self.notes.push(note),
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &LogRecord> {
        self.appended.iter().flat_map(|(_, records)| records)
    }

    pub(crate) fn reports(&self) -> Vec<&Report> {
        self.records()
            .filter_map(|record| match record {
                LogRecord::Entry(EntryBody::Report(report)) => Some(report.as_ref()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn quarantined(&self) -> Vec<&Quarantined> {
        self.records()
            .filter_map(|record| match record {
                LogRecord::Quarantined(record) => Some(record.as_ref()),
                LogRecord::Entry(_) => None,
            })
            .collect()
    }

    /// CNs of the answers sent, in order.
    pub(crate) fn answered(&self) -> Vec<String> {
        self.sent
            .iter()
            .map(|sent| sent.split("CN=").nth(1).unwrap().chars().take(4).collect())
            .collect()
    }
}
