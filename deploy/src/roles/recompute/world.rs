//! A log with its judge and its archive, without a plume around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use plume_archive::{Archive, Location, Pushed, Signals as ArchiveSignals};
use plume_bus::fs::RealFs;
use plume_bus::{Bus, NewRecord, Topic, TopicPartition};
use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Mark, MarkKind};
use plume_schemas::event::Event;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, OutletId};
use plume_schemas::judgement::Judgement;
use plume_schemas::reading::{Reading, ReportKind, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::Report;
use plume_schemas::time::{HOUR_MS, Span, Time};
use plume_schemas::wire;

use super::work::{RECOMPUTE, Said, Turned, Work};
use crate::admin::Health;
use crate::config::Config;
use crate::roles::detect::{Judge, Told};
use crate::roles::signals::Signals;
use crate::roles::{ARCHIVE, ARCHIVED, READ_LIMIT, at, consumer};

/// Where the data begin.
pub(super) fn start() -> Time {
    Time::parse_stamp(b"20260112000000").unwrap()
}

/// An hour of the first day.
pub(super) fn hour(number: i64) -> Time {
    start().plus(number * HOUR_MS)
}

pub(super) fn outlet() -> OutletId {
    OutletId::new("S00000:DA001").unwrap()
}

pub(super) fn settings() -> Settings {
    Config::defaults().unwrap().detect
}

/// What becomes of the packets of some hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Usual,
    /// Twenty more: over the limit.
    Over,
    /// They do not come.
    Lost,
}

pub(super) struct World {
    pub(super) bus: Bus,
    pub(super) dir: tempfile::TempDir,
    archive: Archive,
    judge: Judge,
    next: BTreeMap<TopicPartition, u64>,
    pub(super) stream: Stream,
    /// Reports that did not come.
    pub(super) lost: Vec<Report>,
    pub(super) work: Work,
}

impl World {
    pub(super) async fn new() -> Self {
        let (bus, dir) = (Bus::memory(1), tempfile::tempdir().unwrap());
        let told = Told {
            signals: Signals::new(&prometheus::Registry::new()).unwrap(),
            health: Health::default(),
            catalogue: Arc::new(Catalogue::embedded().unwrap()),
        };
        let root = dir.path().join("archive");
        let signals = ArchiveSignals::new(&prometheus::Registry::new()).unwrap();
        let archive = Archive::open(&root, Config::defaults().unwrap().archive, Arc::new(RealFs), signals).unwrap();
        let judge = Judge::open(&bus, dir.path(), 0, &settings(), told).await.unwrap();
        let work = Self::work(&bus, dir.path());
        let mut world = Self {
            archive,
            judge,
            next: BTreeMap::new(),
            stream: Stream::new(1, 1, start(), 4),
            lost: Vec::new(),
            work,
            bus,
            dir,
        };
        let registry = world.stream.first().body;
        world.take(vec![registry]).await;
        world
    }

    /// What a restart would begin with.
    pub(super) fn work(bus: &Bus, dir: &std::path::Path) -> Work {
        Work::new(bus.clone(), Location::directory(dir.join("archive")), settings(), 400)
    }

    /// The registry of the stream, with another limit from a moment on.
    pub(super) fn stricter_since(&self, since: Time, limit: i64, now: Time) -> EntryBody {
        let mut registry: Registry = self.stream.registry();
        (registry.revision, registry.recorded_at) = (2, now);
        let limits = &mut registry.outlets[0].factors[0].limits;
        limits[0].valid_to = Some(since);
        let mut stricter = limits[0].clone();
        (stricter.valid_from, stricter.valid_to) = (Some(since), None);
        stricter.value = Decimal {
            mantissa: limit,
            scale: 0,
        };
        limits.push(stricter);
        EntryBody::Registry(Box::new(registry))
    }

    /// Some hours go by.
    pub(super) async fn hours(&mut self, count: i64, fate: impl Fn(Time) -> Fate) {
        let mut bodies = Vec::new();
        let mut minute = Vec::new();
        for _ in 0..count * 60 {
            self.stream.next_minute(&mut minute);
            for entry in minute.drain(..) {
                let EntryBody::Report(mut report) = entry.body else {
                    bodies.push(entry.body);
                    continue;
                };
                // Hour packets are enough for hours to be judged; minutes would make the tests slow.
                if report.kind != ReportKind::Hour {
                    continue;
                }
                match fate(report.times.measured_at) {
                    Fate::Usual => {}
                    Fate::Over => report.readings.iter_mut().for_each(over),
                    Fate::Lost => {
                        self.lost.push(*report);
                        continue;
                    }
                }
                bodies.push(EntryBody::Report(report));
            }
        }
        self.take(bodies).await;
    }

    /// What was lost comes, received when it is now.
    pub(super) async fn find_lost(&mut self, now: Time) {
        let bodies = std::mem::take(&mut self.lost).into_iter().map(|mut report| {
            report.times.received_at = now;
            report.backfill = true;
            EntryBody::Report(Box::new(report))
        });
        let bodies = bodies.collect();
        self.take(bodies).await;
    }

    /// Entries come, are judged and archived.
    pub(super) async fn take(&mut self, bodies: Vec<EntryBody>) {
        for some in bodies.chunks(1_000) {
            let records = some.iter().map(|body| NewRecord {
                to: at(Topic::Reports, 0),
                key: String::new(),
                payload: Bytes::from(wire::encode_entry(body)),
            });
            self.bus.append(records.collect()).await.unwrap();
        }
        self.settle().await;
    }

    /// Judge and archive come to the log's end.
    pub(super) async fn settle(&mut self) {
        let line = at(Topic::Reports, 0);
        loop {
            let next = self
                .bus
                .committed(consumer("detect").unwrap(), line)
                .await
                .unwrap()
                .unwrap_or(0);
            let records = self.bus.read(line, next, READ_LIMIT).await.unwrap();
            if records.is_empty() {
                break;
            }
            self.judge.work(&records).await.unwrap();
        }
        for topic in ARCHIVED {
            let line = at(topic, 0);
            let next = self.next.entry(line).or_insert(0);
            loop {
                let records = self.bus.read(line, *next, READ_LIMIT).await.unwrap();
                let Some(last) = records.last() else { break };
                *next = last.offset + 1;
                for record in &records {
                    while self.archive.push(record).unwrap() == Pushed::Full {
                        self.archive.write(line).unwrap();
                    }
                }
            }
            self.archive.write(line).unwrap();
        }
        let done = self.archive.positions().into_iter().map(|done| (done.at, done.next));
        self.bus
            .commit(consumer(ARCHIVE).unwrap(), done.collect())
            .await
            .unwrap();
    }

    /// A turn that waits for nobody; judge and archive follow.
    pub(super) async fn turn(&mut self) -> Vec<Said> {
        let Turned::Done(said) = self.work.turn(0).await.unwrap() else {
            panic!("judge and archive are at the log's end");
        };
        self.settle().await;
        said
    }

    /// Where the next turn begins.
    pub(super) async fn position(&self) -> u64 {
        let place = at(Topic::Reports, 0);
        self.bus
            .committed(consumer(RECOMPUTE).unwrap(), place)
            .await
            .unwrap()
            .unwrap_or(0)
    }

    async fn all(&self, topic: Topic) -> Vec<Bytes> {
        let (mut all, mut next) = (Vec::new(), 0);
        loop {
            let records = self.bus.read(at(topic, 0), next, READ_LIMIT).await.unwrap();
            let Some(last) = records.last() else { return all };
            next = last.offset + 1;
            all.extend(records.into_iter().map(|record| record.payload));
        }
    }

    pub(super) async fn judgements(&self) -> Vec<Judgement> {
        let all = self.all(Topic::Judgements).await;
        all.iter().map(|bytes| wire::decode_judgement(bytes).unwrap()).collect()
    }

    pub(super) async fn events(&self) -> Vec<Event> {
        let all = self.all(Topic::Events).await;
        all.iter().map(|bytes| wire::decode_event(bytes).unwrap()).collect()
    }

    pub(super) async fn reports(&self) -> Vec<Bytes> {
        self.all(Topic::Reports).await
    }

    /// The whole log judged anew says what was said, to the byte.
    pub(super) async fn assert_replays(&self) {
        let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
        let mut out = Out::default();
        for (offset, bytes) in (0..).zip(self.reports().await) {
            let at = LogPosition { partition: 0, offset };
            let body = wire::decode_entry(&bytes).unwrap();
            engine.step(&Entry { at, body }, &mut out);
        }
        let judgements: Vec<Vec<u8>> = out.judgements.iter().map(wire::encode_judgement).collect();
        assert_eq!(judgements, self.all(Topic::Judgements).await);
        let events: Vec<Vec<u8>> = out.events.iter().map(wire::encode_event).collect();
        assert_eq!(events, self.all(Topic::Events).await);
    }
}

/// A calibration over some hours.
pub(super) fn mark(span: Span, withdrawn: bool, now: Time) -> EntryBody {
    EntryBody::Mark(Mark {
        id: ContentId::of(&[b"mark", &span.start.0.to_le_bytes()]),
        outlet: outlet(),
        factor: None,
        span,
        kind: MarkKind::Calibration,
        withdrawn,
        by: "李主管".to_owned(),
        note: String::new(),
        received_at: now,
    })
}

fn over(reading: &mut Reading) {
    if let Value::Decimal(decimal) = &mut reading.value {
        decimal.mantissa += 2_000;
    }
}

/// Whether a moment lies within hours of the first day.
pub(super) fn within(at: Time, hours: std::ops::Range<i64>) -> bool {
    (hour(hours.start)..hour(hours.end)).contains(&at)
}
