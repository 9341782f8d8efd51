//! A production line without IO: simulated devices, plume's exchange engine, plume's judge.

use std::sync::Arc;

use plume_detect::{Engine, Out, Partition, Settings};
use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::{Link, Output as SessionOutput, Session};
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::event::Event;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{IngestId, Inline, Mn};
use plume_schemas::judgement::Judgement;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::time::{SECOND_MS, Time};
use plume_simulator::device::{Device, Moment, Output};
use plume_simulator::plant::Action;

/// Ticks of ingest.
const TICK_MS: i64 = 5 * SECOND_MS;

fn settings() -> Settings {
    toml::from_str(include_str!("../../../detect/tests/settings.toml")).unwrap()
}

fn ingest_config() -> IngestConfig {
    toml::from_str(include_str!("../../../ingest/tests/data/ingest.toml")).unwrap()
}

/// Devices, each with its session, and the judge of them all.
pub(crate) struct Line {
    links: Vec<(Device, Session)>,
    registry: RegistryIndex,
    engine: Engine,
    out: Out,
    offset: u64,
    pub(crate) now: Time,
    /// What the judge said, edges alone,
    pub(crate) events: Vec<Event>,
    /// … in full.
    pub(crate) judgements: Vec<Judgement>,
    /// Packets that were set aside.
    pub(crate) quarantined: usize,
}

impl Line {
    pub(crate) fn new(devices: Vec<Device>, registry: Registry, start: Time) -> Self {
        let config = Arc::new(ingest_config());
        let catalogue = Arc::new(Catalogue::embedded().unwrap());
        let link = Link {
            peer: Inline::new("192.0.2.1:40000").unwrap(),
            epoch: 1,
        };
        let links = devices
            .into_iter()
            .map(|device| (device, Session::new(Arc::clone(&config), Arc::clone(&catalogue), link)))
            .collect();
        let registry = Registry {
            revision: 1,
            recorded_at: start,
            ..registry
        };
        let mut line = Self {
            links,
            registry: RegistryIndex::new(registry.clone()),
            engine: Engine::new(settings(), Partition { index: 0, count: 1 }),
            out: Out::default(),
            offset: 0,
            now: start,
            events: Vec::new(),
            judgements: Vec::new(),
            quarantined: 0,
        };
        line.step(EntryBody::Registry(Box::new(registry)));
        for (device, _) in &mut line.links {
            device.link_up(Moment::real(start));
        }
        line
    }

    /// The enterprise of a device acts now.
    pub(crate) fn steer(&mut self, mn: Mn, action: Action) {
        for (device, _) in self.links.iter_mut().filter(|(device, _)| device.mn() == mn) {
            device.steer(action, self.now);
        }
    }

    /// On to the next moment at which something happens: a Tick, or a device has something to say.
    pub(crate) fn advance(&mut self) {
        let tick = self.now.floor(TICK_MS).plus(TICK_MS);
        let dues = self.links.iter().map(|(device, _)| device.due());
        let soonest = dues.flat_map(|due| [due.world, due.wire]).flatten().chain([tick]).min();
        self.now = soonest.unwrap_or(tick).max(self.now.plus(1));
        if self.now == tick {
            let ingest = IngestId::new("ingest-1").unwrap();
            self.step(EntryBody::Tick(Tick {
                ingest,
                received_at: self.now,
            }));
        }
        let mut bodies = Vec::new();
        let at = Moment::real(self.now);
        for (device, session) in &mut self.links {
            device.handle_timeout(at);
            while let Some(output) = device.poll_output(self.now) {
                if let Output::Write(bytes) = output {
                    session.handle_bytes(&bytes, self.now, &self.registry);
                    self.quarantined += drain(session, device, at, &mut bodies);
                }
            }
        }
        for body in bodies {
            self.step(body);
        }
    }

    fn step(&mut self, body: EntryBody) {
        let at = LogPosition {
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        self.engine.step(&Entry { at, body }, &mut self.out);
        self.events.append(&mut self.out.events);
        self.judgements.append(&mut self.out.judgements);
        self.out.clear();
    }
}

/// Makes durable at once what the session wants kept, and gives the device its answers. Counts what was set aside.
fn drain(session: &mut Session, device: &mut Device, at: Moment, bodies: &mut Vec<EntryBody>) -> usize {
    let mut quarantined = 0;
    while let Some(output) = session.poll_output() {
        match output {
            SessionOutput::Append { ticket, records } => {
                for record in records {
                    match record {
                        LogRecord::Entry(body) => bodies.push(body),
                        LogRecord::Quarantined(_) => quarantined += 1,
                    }
                }
                session.handle_durable(ticket);
            }
            SessionOutput::Send(bytes) => device.handle(&bytes, at),
            SessionOutput::Note(_) | SessionOutput::Close(_) => {}
        }
    }
    quarantined
}
