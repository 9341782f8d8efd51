//! plume's own exchange engine at the other end, without sockets: what it keeps, what it sets aside, what it answers.

use std::sync::Arc;

use plume_ingest::config::IngestConfig;
use plume_ingest::exchange::command::{Command, CommandResult};
use plume_ingest::exchange::engine::{self, Exchange, Rules};
use plume_ingest::exchange::gaps::{GapRules, Gaps};
use plume_ingest::exchange::heard::Heard;
use plume_ingest::exchange::order::span_fields;
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::{Link, Output, Session};
use plume_ingest::hj212::sm4::{CipherForm, DeviceKeys, Key, KeyRing};
use plume_schemas::entry::{EntryBody, PresenceState};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::Inline;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::report::{Complaint, ComplaintCode, Dialect, Quarantined, Report};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use plume_simulator::device::{Device, Moment};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::message::Message;
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;
use proptest::prelude::*;

use crate::world::{MN, World, at, mn};

/// plume with one registered device.
pub(crate) struct Platform {
    config: Arc<IngestConfig>,
    catalogue: Arc<Catalogue>,
    registry: RegistryIndex,
    session: Session,
    pub(crate) reports: Vec<Report>,
    pub(crate) quarantined: Vec<Quarantined>,
    exchange: Exchange,
    gaps: Gaps,
    /// Asks for hours that are missing.
    pub(crate) asks_for_gaps: bool,
    pub(crate) results: Vec<CommandResult>,
}

const RULES: Rules = Rules {
    timeout_ms: 10_000,
    resends: 3,
    longest_ms: 600_000,
    max_waiting: 16,
    set_time_when_asked: true,
};
const GAP_RULES: GapRules = GapRules {
    hours: 24,
    patience_ms: 15 * MINUTE_MS,
    tries: 2,
};

impl Platform {
    pub(crate) fn new() -> Self {
        Self::with_keys(KeyRing::default())
    }

    pub(crate) fn with_keys(keys: KeyRing) -> Self {
        let config: IngestConfig = toml::from_str(include_str!("../data/ingest.toml")).unwrap();
        let config = Arc::new(IngestConfig {
            keys: Arc::new(keys),
            ..config
        });
        let catalogue = Arc::new(Catalogue::embedded().unwrap());
        let source = format!("[[source]]\nmn = \"{MN}\"\noutlet = \"E:DA001\"\npassword = \"123456\"\nst = \"31\"\n");
        let registry: Registry = toml::from_str(&source).unwrap();
        Self {
            session: Session::new(Arc::clone(&config), Arc::clone(&catalogue), link()),
            exchange: Exchange::new(RULES, Arc::clone(&config.keys)),
            config,
            catalogue,
            registry: RegistryIndex::new(registry),
            reports: Vec::new(),
            quarantined: Vec::new(),
            gaps: Gaps::new(GAP_RULES),
            asks_for_gaps: false,
            results: Vec::new(),
        }
    }

    /// Something is to be asked of the device.
    pub(crate) fn order(&mut self, (cn, fields): (u16, Vec<(String, String)>), now: Time) {
        self.exchange
            .order(Command::new(mn(), (cn, fields), "test", now, HOUR_MS), now);
    }

    /// What the exchange has to say at this moment.
    pub(crate) fn tick(&mut self, now: Time) -> Vec<u8> {
        if self.asks_for_gaps {
            for (mn, span) in self.gaps.due(now) {
                self.exchange
                    .order(Command::new(mn, (2061, span_fields(span)), "gaps", now, HOUR_MS), now);
            }
        }
        self.exchange.handle_timeout(now);
        let mut bytes = Vec::new();
        while let Some(output) = self.exchange.poll_output() {
            match output {
                engine::Output::Send { bytes: frame, .. } => bytes.extend(frame),
                engine::Output::Ended(result) => self.results.push(result),
                engine::Output::Wanted(command) => self.exchange.order(command, now),
            }
        }
        bytes
    }

    fn hear(&mut self, record: &EntryBody, now: Time) {
        match record {
            EntryBody::Presence(presence) if presence.state == PresenceState::Came => {
                self.exchange.came(presence.mn, presence.epoch, now);
                self.gaps.came(presence.mn, now);
            }
            EntryBody::Presence(presence) => {
                self.exchange.gone(presence.mn, presence.epoch, now);
                self.gaps.gone(presence.mn);
            }
            EntryBody::Report(report) => {
                if let Some(heard) = Heard::of(report) {
                    if heard.cn == 2061 {
                        self.gaps.hour(heard.mn, heard.measured_at);
                    }
                    self.exchange.heard(&heard, now);
                }
            }
            _ => {}
        }
    }

    /// Takes bytes, makes at once durable what wants to be, gives the answers.
    pub(crate) fn take(&mut self, bytes: &[u8], now: Time) -> Vec<u8> {
        self.session.handle_bytes(bytes, now, &self.registry);
        let mut answers = self.drain(now);
        // Real bytes pause between two packets, which ends a frame without a tail.
        if self.session.wants_quiet() {
            self.session.handle_quiet(now, &self.registry);
            answers.extend(self.drain(now));
        }
        answers
    }

    /// The link has ended.
    pub(crate) fn end(&mut self, now: Time) {
        self.session.handle_end(now, &self.registry);
        self.drain(now);
        self.session = Session::new(Arc::clone(&self.config), Arc::clone(&self.catalogue), link());
    }

    fn drain(&mut self, now: Time) -> Vec<u8> {
        let mut answers = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Append { ticket, records } => {
                    for record in records {
                        if let LogRecord::Entry(entry) = &record {
                            self.hear(entry, now);
                        }
                        match record {
                            LogRecord::Entry(EntryBody::Report(report)) => self.reports.push(*report),
                            LogRecord::Entry(_) => {}
                            LogRecord::Quarantined(record) => self.quarantined.push(*record),
                        }
                    }
                    self.session.handle_durable(ticket);
                }
                Output::Send(bytes) => answers.extend(bytes),
                Output::Note(_) | Output::Close(_) => {}
            }
        }
        answers
    }
}

fn link() -> Link {
    Link {
        peer: Inline::new("192.0.2.1:40000").unwrap(),
        epoch: 1,
    }
}

#[test]
fn encrypted_data_are_opened_and_nothing_else_is_encrypted() {
    for form in [CipherForm::Raw, CipherForm::Literal] {
        let origin = at("20260117080000");
        let key = Key::parse("k3yOfTheSimulat0").unwrap();
        let link = LinkSpec {
            cipher: Some((key.clone(), form)),
            ..LinkSpec::usual(mn(), Dialect::Hj2025)
        };
        let plant = Plant::new(PlantSpec::coal_boiler("1号炉", origin), 4);
        let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2025), plant, origin);
        let keys = KeyRing::default();
        let literal = form == CipherForm::Literal;
        let current = key.clone();
        keys.insert(
            mn(),
            DeviceKeys {
                literal,
                ..DeviceKeys::of(current)
            },
        );
        let device = Device::logger(link, logger, origin);
        let mut world = World::new(device, origin).with_plume(Platform::with_keys(keys));
        let serial = Message::serial_number(origin, "a21026", "SN0000000000000000000001");
        world.device.say(serial, Moment::real(origin));
        world.run(origin.plus(5 * MINUTE_MS), |_| true);
        let platform = world.platform();
        assert!(
            platform.quarantined.is_empty(),
            "{form:?}: {:?}",
            platform.quarantined.first()
        );
        assert!(platform.reports.len() > 10 && world.device.counts().resent == 0);
        for report in &platform.reports {
            let clear = report.evidence.cn == 3019;
            assert_eq!(
                report.evidence.key_id,
                (!clear).then(|| key.id()),
                "CN {}",
                report.evidence.cn
            );
            // The literal form keeps the length of the clear packet, so its length field is wrong by nature.
            let length_alone = |complaint: &Complaint| literal && complaint.code == ComplaintCode::WrongLength;
            assert!(
                report.complaints.iter().all(length_alone),
                "{form:?}: {:?}",
                report.complaints
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Everything a well-behaved device sends, in any edition, is read without a complaint, kept once, and answered
    /// as it expects.
    #[test]
    fn well_behaved_devices_give_no_cause_for_complaint(
        seed: u64,
        dialect in prop::sample::select(vec![Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025]),
        incinerator: bool,
        minute_interval in prop::sample::select(vec![1_u8, 5, 10]),
        window in 1_usize..4,
        start_min in 0_i64..1_440,
        outage in prop::option::of((0_i64..60, 1_i64..30)),
    ) {
        let origin = at("20260116000000").plus(start_min * MINUTE_MS);
        let kind = if incinerator { PlantSpec::incinerator } else { PlantSpec::coal_boiler };
        let plant = kind("1号炉", origin);
        let spec = LoggerSpec {
            minute_interval_min: Some(minute_interval),
            equipment: vec!["SB1".to_owned(), "SB2".to_owned()],
            reports_restart: true,
            ..LoggerSpec::usual(dialect)
        };
        let link = LinkSpec { window, ..LinkSpec::usual(mn(), dialect) };
        let device = Device::logger(link, Logger::new(spec, Plant::new(plant, seed), origin), origin);
        let mut world = World::new(device, origin).with_plume(Platform::new());
        let down = |now: Time| outage.is_some_and(|(from, length)| {
            (from..from + length).contains(&(now.since(origin) / MINUTE_MS))
        });
        world.run(origin.plus(2 * HOUR_MS), |now| !down(now));
        let platform = world.platform();
        prop_assert!(platform.quarantined.is_empty(), "{:?}", platform.quarantined.first());
        let complaint = platform.reports.iter().find(|report| !report.complaints.is_empty());
        prop_assert!(complaint.is_none(), "{:?}", complaint);
        prop_assert_eq!(platform.reports.len(), world.written.len());
        prop_assert_eq!(world.answered.len(), world.written.len());
        let counts = world.device.counts();
        prop_assert_eq!((counts.stray_answers, counts.garbage_bytes, counts.resent), (0, 0, 0));
        prop_assert!(platform.reports.iter().all(|report| report.origin.dialect == dialect));
    }
}
