//! How fast a replay is, as a share of judging alone on all cores, measured in one run. A measurement, not a check.
//!
//! ```sh
//! cargo test --release -p plume --bin plume replay::speed -- --ignored --nocapture     # .ci/soak.d/replay
//! ```

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use plume_archive::{Archive, Reader, Signals};
use plume_bus::fs::RealFs;
use plume_detect::{Engine, Out, Partition};
use plume_ingest::hj212::session::{Link, Session};
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{IngestId, Inline};
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, SECOND_MS, Time};
use plume_schemas::wire;
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;
use rustix::time::{ClockId, clock_gettime};

use super::archived::Archived;
use super::rebuild_tests::{archive, mn, spoken};
use super::tests::settings;
use crate::config::Config;
use crate::finals::Finals;

/// Coal boilers, each with a logger that sends samples, minutes and hours.
const OUTLETS: usize = 12;
/// Parts of five days: what is read ahead lies on several, as in any replay worth measuring.
const HOURS: i64 = 96;
/// Each way is gone so often; the fastest counts, the others had company on the machine.
const RUNS: usize = 3;

fn start() -> Time {
    Time::parse_stamp(b"20260117060000").unwrap()
}

fn registry() -> Registry {
    let mut text = String::new();
    let factor = |code: &str, limit: &str| {
        std::fmt::format(format_args!(
            "[[outlet.factor]]\ncode = \"{code}\"\nreference_o2_pct = \"6\"\n\
             [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"{limit}\"\nsource = \"permit\"\n"
        ))
    };
    let factors = [("a21026", "35"), ("a21002", "50"), ("a34013", "10")].map(|(code, limit)| factor(code, limit));
    for number in 0..OUTLETS {
        let (mn, factors) = (mn(number), factors.concat());
        text += &std::fmt::format(format_args!(
            "[[outlet]]\nid = \"E:DA{number:03}\"\nenterprise = \"E\"\nnumber = \"DA{number:03}\"\n{factors}\
             [[source]]\nmn = \"{mn}\"\noutlet = \"E:DA{number:03}\"\n"
        ));
    }
    let mut registry: Registry = toml::from_str(&text).unwrap();
    (registry.revision, registry.recorded_at) = (1, start());
    registry
}

/// What the log holds after some hours.
fn log() -> Vec<EntryBody> {
    let registry = registry();
    let index = RegistryIndex::new(registry.clone());
    let config = Arc::new(Config::defaults().unwrap().ingest);
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let (mut bodies, end) = (Vec::new(), start().plus(HOURS * HOUR_MS));
    for number in 0..OUTLETS {
        let plant = Plant::new(PlantSpec::coal_boiler("锅炉", start()), number as u64);
        let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2017), plant, start());
        let mut device = Device::logger(LinkSpec::usual(mn(number), Dialect::Hj2017), logger, start());
        let peer = Link {
            peer: Inline::new("10.0.0.7:4711").unwrap(),
            epoch: number as u64 + 1,
        };
        let mut session = Session::new(Arc::clone(&config), Arc::clone(&catalogue), peer);
        bodies.extend(spoken(&mut device, &mut session, (start(), end), &index));
    }
    let ingest = IngestId::new("i1").unwrap();
    let ticks = (0..HOURS * HOUR_MS / (5 * SECOND_MS)).map(|number| {
        let received_at = start().plus(number * 5 * SECOND_MS);
        EntryBody::Tick(Tick { ingest, received_at })
    });
    bodies.extend(ticks);
    bodies.sort_by_key(EntryBody::received_at);
    bodies.insert(0, EntryBody::Registry(Box::new(registry)));
    bodies
}

/// Nothing waits in batches any more, as in days that are past.
fn published(root: &Path) -> Arc<Reader> {
    let signals = Signals::new(&prometheus::Registry::new()).unwrap();
    let config = Config::defaults().unwrap().archive;
    let mut archive = Archive::open(root, config, Arc::new(RealFs), signals).unwrap();
    archive.publish().unwrap();
    Arc::new(Reader::open(root, Arc::new(RealFs)).unwrap())
}

fn readings(entries: &[Entry]) -> usize {
    let reports = entries.iter().map(|entry| match &entry.body {
        EntryBody::Report(report) => report.readings.len(),
        _ => 0,
    });
    reports.sum()
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Readings judged, wall clock and processor time.
type Took = (usize, Duration, Duration);

/// Judges what `next` brings; the next entries are read meanwhile, as `plume replay --diff` does.
fn judge(mut next: impl FnMut() -> Option<Vec<Entry>> + Send) -> Took {
    let (began, spent) = (Instant::now(), processor_time());
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    let (mut out, mut judged) = (Out::default(), 0);
    std::thread::scope(|scope| {
        let (sender, coming) = sync_channel(1);
        scope.spawn(move || {
            while let Some(entries) = next() {
                if sender.send(entries).is_err() {
                    return;
                }
            }
        });
        for entries in coming {
            judged += readings(&entries);
            engine.steps(&entries, &mut out);
            out.clear();
        }
    });
    (judged, began.elapsed(), processor_time().saturating_sub(spent))
}

fn fastest(mut run: impl FnMut() -> Took) -> Took {
    (0..RUNS).map(|_| run()).min_by_key(|(_, wall, _)| *wall).unwrap()
}

fn from_packets(reader: &Arc<Reader>) -> Took {
    let mut archived = Archived::open(Arc::clone(reader), 0).unwrap().unwrap();
    judge(move || archived.next().unwrap())
}

fn from_readings(reader: &Arc<Reader>) -> Took {
    let mut finals = Finals::open(Arc::clone(reader), 1).unwrap().unwrap();
    judge(move || finals.next().unwrap())
}

#[test]
#[ignore = "a measurement of a release build: .ci/soak.d/replay"]
fn share_of_the_speed_of_judging_alone() {
    let bodies = log();
    let payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path(), &payloads);
    drop(payloads);
    let reader = published(dir.path());
    let entries: Vec<Entry> = (0..)
        .zip(bodies)
        .map(|(offset, body)| Entry {
            at: LogPosition { partition: 0, offset },
            body,
        })
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let alone = fastest(|| {
        let (began, spent) = (Instant::now(), processor_time());
        let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
        let mut out = Out::default();
        for some in entries.chunks(1_000) {
            engine.steps(some, &mut out);
            out.clear();
        }
        (
            readings(&entries),
            began.elapsed(),
            processor_time().saturating_sub(spent),
        )
    });
    let rate = |readings: usize, took: Duration| readings as f64 / took.as_secs_f64().max(1e-9) / 1e6;
    let bar = rate(alone.0, alone.2) * cores as f64;
    let mut told = std::io::stderr().lock();
    writeln!(
        told,
        "{} entries, {} readings, {cores} cores\njudging alone: {:.2} M readings a CPU second; x cores = {bar:.2} M",
        entries.len(),
        alone.0,
        rate(alone.0, alone.2)
    )
    .unwrap();
    for (what, (judged, wall, cpu)) in [
        ("readings", fastest(|| from_readings(&reader))),
        ("packets", fastest(|| from_packets(&reader))),
    ] {
        // Of each reading one is gone through, however often it came.
        assert!(judged * 10 > alone.0 * 7, "{what}: {judged} readings");
        writeln!(
            told,
            "from {what}: {:.2} M readings a second, {:.0} % of that; {:.2} M a CPU second",
            rate(judged, wall),
            rate(judged, wall) / bar * 100.0,
            rate(judged, cpu)
        )
        .unwrap();
    }
}
