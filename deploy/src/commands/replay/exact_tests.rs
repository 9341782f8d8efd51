//! Live and replayed, byte for byte: real packets over midnight, restarts of the judge, packets that come again and
//! packets that come late, a limit that changes on the way with a second registry, a mark on what was judged. From the
//! log, from the archive, and from a memory that is archived.

use std::sync::Arc;

use plume_bus::{Bus, ReadLimit, Topic};
use plume_detect::{Engine, Out, Partition};
use plume_ingest::hj212::session::{Link, Session};
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Mark, MarkKind, Tick};
use plume_schemas::event::Edge;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, IngestId, Inline, OutletId};
use plume_schemas::judgement::Pane;
use plume_schemas::reading::ReportKind;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};
use plume_schemas::wire;
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use super::rebuild_tests::{archive, archive_with, mn, spoken};
use super::tests::{live, replay, settings};
use super::{Replay, Replayed, start};
use crate::config::Config;
use crate::roles::at;

const HOURS: i64 = 6;
const DEVICES: usize = 2;

fn origin() -> Time {
    Time::parse_stamp(b"20260117190000").unwrap()
}

/// Outlets with an hour limit of SO2, which is near 24 mg/m³ there.
fn registry(revision: u64, limit: u32) -> Registry {
    let mut text = "[[enterprise]]\nid = \"E\"\nname = \"甲热电\"\n".to_owned();
    for number in 0..DEVICES {
        let mn = mn(number);
        text += &std::fmt::format(format_args!(
            "[[outlet]]\nid = \"E:DA{number:03}\"\nenterprise = \"E\"\nnumber = \"DA{number:03}\"\n\
             [[outlet.factor]]\ncode = \"a21026\"\nrange_high = \"200\"\nreference_o2_pct = \"6\"\n\
             [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"{limit}\"\nsource = \"permit\"\n\
             [[source]]\nmn = \"{mn}\"\noutlet = \"E:DA{number:03}\"\n"
        ));
    }
    let mut registry: Registry = toml::from_str(&text).unwrap();
    let recorded_at = origin().plus(i64::try_from(revision - 1).unwrap() * HOURS / 2 * HOUR_MS);
    (registry.revision, registry.recorded_at) = (revision, recorded_at);
    registry
}

/// What came, in the order it came.
fn log() -> Vec<EntryBody> {
    let registries = [registry(1, 35), registry(2, 20)];
    let indexes = registries.clone().map(RegistryIndex::new);
    let config = Arc::new(Config::defaults().unwrap().ingest);
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let halfway = origin().plus(HOURS / 2 * HOUR_MS);
    let end = origin().plus(HOURS * HOUR_MS);
    let mut due: Vec<(Time, EntryBody)> = Vec::new();
    for number in 0..DEVICES {
        let plant = Plant::new(PlantSpec::coal_boiler("锅炉", origin()), 9 + number as u64);
        let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2017), plant, origin());
        let mut device = Device::logger(LinkSpec::usual(mn(number), Dialect::Hj2017), logger, origin());
        let link = Link {
            peer: Inline::new("10.0.0.7:4711").unwrap(),
            epoch: number as u64 + 1,
        };
        let mut session = Session::new(Arc::clone(&config), Arc::clone(&catalogue), link);
        for (index, span) in indexes.iter().zip([(origin(), halfway), (halfway, end)]) {
            let bodies = spoken(&mut device, &mut session, span, index);
            due.extend(bodies.into_iter().map(|body| (body.received_at(), body)));
        }
    }
    // Every ninth minute of the first device comes seventy minutes late.
    for (at, body) in &mut due {
        if let EntryBody::Report(report) = body
            && report.kind == ReportKind::Minute
            && report.outlet.as_str() == "E:DA000"
            && report.times.measured_at.0 / MINUTE_MS % 9 == 0
        {
            *at = at.plus(70 * MINUTE_MS);
            report.times.received_at = *at;
        }
    }
    let ingest = IngestId::new("i1").unwrap();
    for minute in 0..(HOURS + 2) * 60 {
        let received_at = origin().plus(minute * MINUTE_MS);
        due.push((received_at, EntryBody::Tick(Tick { ingest, received_at })));
    }
    for registry in registries {
        due.push((registry.recorded_at, EntryBody::Registry(Box::new(registry))));
    }
    let received_at = end.plus(HOUR_MS);
    let mark = Mark {
        id: ContentId::of(&[b"mark"]),
        outlet: OutletId::new("E:DA001").unwrap(),
        factor: None,
        span: Span::hour_of(halfway.plus(HOUR_MS)),
        kind: MarkKind::Calibration,
        withdrawn: false,
        by: "李主管".to_owned(),
        note: "季度校准".to_owned(),
        received_at,
    };
    due.push((received_at, EntryBody::Mark(mark)));
    let first = |body: &EntryBody| !matches!(body, EntryBody::Registry(_));
    due.sort_by_key(|(at, body)| (*at, first(body)));
    due.into_iter().map(|(_, body)| body).collect()
}

/// The judge's memory before `offset`.
fn memory(bodies: &[EntryBody], offset: usize) -> Vec<u8> {
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    for (place, body) in (0..).zip(bodies.iter().take(offset)) {
        let at = LogPosition {
            partition: 0,
            offset: place,
        };
        let body = body.clone();
        engine.step(&Entry { at, body }, &mut Out::default());
    }
    engine.checkpoint()
}

async fn from_archive(bus: &Bus, reader: Arc<plume_archive::Reader>, from: Option<&str>) -> (String, Replayed) {
    let (start, entries) = start::in_archive(bus, reader, 0, &settings(), from)
        .await
        .unwrap()
        .unwrap();
    let told = start.to_string();
    let replay = Replay::open(bus, entries, 0, start).await.unwrap();
    (told, replay.run().await.unwrap().unwrap())
}

#[tokio::test]
async fn live_log_and_archive_say_the_same_to_the_byte() {
    let (bus, data) = (Bus::memory(1), tempfile::tempdir().unwrap());
    let bodies = log();
    live(&bus, data.path(), &bodies, &settings()).await;
    let (_, of_log) = replay(&bus, data.path(), &settings(), None).await;
    let of_log = of_log.unwrap();

    let payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
    let dir = tempfile::tempdir().unwrap();
    let (told, whole) = from_archive(&bus, archive(dir.path(), &payloads), None).await;
    assert!(told.contains("from the beginning"), "{told}");
    let counts = |replayed: &Replayed| (replayed.entries, replayed.judgements, replayed.events);
    assert_eq!(counts(&whole), counts(&of_log));
    assert_eq!(whole.entries, bodies.len() as u64);

    let offset = bodies.len() * 2 / 3;
    let (kept, state) = (tempfile::tempdir().unwrap(), memory(&bodies, offset));
    let reader = archive_with(kept.path(), &payloads, Some((offset as u64, &state)));
    let (told, part) = from_archive(&bus, reader, Some("2026-01-31")).await;
    assert!(told.contains("the checkpoint of 2026-01-1"), "{told}");
    assert_eq!(part.entries, (bodies.len() - offset) as u64);
    assert!(part.judgements > 0 && part.judgements < whole.judgements, "{part:?}");

    // The story has in it what it is told for.
    let all = ReadLimit {
        records: usize::MAX,
        bytes: usize::MAX,
    };
    let judgements = bus.read(at(Topic::Judgements, 0), 0, all).await.unwrap();
    let late = judgements.iter().filter(|record| {
        let said = wire::decode_judgement(&record.payload).unwrap();
        said.pane == Pane::Late
    });
    assert!(late.count() > 2, "late data, a limit and a mark revise");
    let events = bus.read(at(Topic::Events, 0), 0, all).await.unwrap();
    let edges: Vec<Edge> = events
        .iter()
        .map(|record| wire::decode_event(&record.payload).unwrap().edge)
        .collect();
    assert!(edges.contains(&Edge::Opened), "{edges:?}");
}
