//! The crash harness: a real plume, a fleet of devices that remember every answer they got, and `kill -9` at random
//! moments.
//!
//! Afterwards: whatever was answered is among the readings exactly once, repeats are marked, each event stands
//! once, and the books
//! balance. `CRASH_SEED` and `CRASH_KILLS` choose the run; the seed is printed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking and says its seed"
)]

#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_bus::fs::RealFs;
use plume_schemas::time::{MINUTE_MS, Time};
use support::{Link, Site, minute_packet};

/// Devices, each with an outlet of its own.
const DEVICES: usize = 4;
/// Minutes each device can send: within the 48 h in which a repeat is known.
const MINUTES: usize = 2_000;
/// Kills in an ordinary test run; `.ci/soak` asks for 500.
const USUAL_KILLS: usize = 10;

/// A small generator, so that a seed says everything.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own switches")]
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn mn(device: usize) -> String {
    format!("C{device:023}")
}

fn outlet(device: usize) -> String {
    format!("E{device}:DA001")
}

/// A registry without reference oxygen, so that the limit meets the values as sent.
fn registry() -> String {
    (0..DEVICES).fold(String::new(), |mut text, device| {
        write!(
            text,
            "[[enterprise]]\nid = \"E{device}\"\nname = \"企业{device}\"\n\
             [[outlet]]\nid = \"{0}\"\nenterprise = \"E{device}\"\n\
             number = \"DA001\"\n[[outlet.factor]]\ncode = \"a21026\"\nrange_high = \"200\"\n[[outlet.factor.limit]]\n\
             window = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\n[[source]]\nmn = \"{1}\"\noutlet = \"{0}\"\n\
             minute_interval_min = 1\n",
            outlet(device),
            mn(device)
        )
        .unwrap();
        text
    })
}

/// What a device sends next, and what it was answered.
struct Device {
    number: usize,
    next: usize,
    answered: BTreeSet<usize>,
}

impl Device {
    fn data_time(minute: usize) -> Time {
        let first = Time::parse_stamp(b"20260116000000").unwrap();
        first.plus(i64::try_from(minute).unwrap() * MINUTE_MS)
    }

    fn packet(&self) -> String {
        let at = Self::data_time(self.next);
        // Every other group of three hours is over the limit.
        let value = if self.next / 180 % 2 == 1 { "42.5" } else { "12.5" };
        minute_packet(&mn(self.number), &at.plus(59_000).stamp17(), &at.stamp14(), value)
    }

    /// Sends, and waits for each answer, until the link breaks or `enough`.
    fn talk(mut self, to: SocketAddr, answers: &Sender<()>, enough: &AtomicBool) -> Self {
        let Ok(mut link) = Link::open(to) else { return self };
        while self.next < MINUTES && !enough.load(Ordering::Relaxed) {
            if link.send(self.packet().as_bytes()).is_err() || link.answer().is_err() {
                break;
            }
            self.answered.insert(self.next);
            self.next += 1;
            if answers.send(()).is_err() {
                break;
            }
        }
        self
    }
}

/// Lets all devices talk to a running plume until `answers` came, then does `end` to it.
fn round(
    devices: Vec<Device>,
    running: support::Running,
    wanted: u64,
    end: impl FnOnce(support::Running),
) -> Vec<Device> {
    let (sender, receiver) = channel();
    let enough = Arc::new(AtomicBool::new(false));
    let talks: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let (to, sender, enough) = (running.devices, sender.clone(), Arc::clone(&enough));
            std::thread::spawn(move || device.talk(to, &sender, &enough))
        })
        .collect();
    drop(sender);
    for _ in 0..wanted {
        if receiver.recv().is_err() {
            break;
        }
    }
    end(running);
    enough.store(true, Ordering::Relaxed);
    talks.into_iter().map(|talk| talk.join().unwrap()).collect()
}

#[test]
fn nothing_answered_is_lost_and_nothing_is_said_twice() {
    let (seed, kills) = (
        setting("CRASH_SEED", 20_260_117),
        setting("CRASH_KILLS", USUAL_KILLS as u64),
    );
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let mut chance = Chance(seed);
    let site = Site::new("[archive]\nbatch_every_s = 1\npublish_every_s = 3600\n[detect.window]\nsettle_s = 1");
    std::fs::write(site.dir.path().join("registry.toml"), registry()).unwrap();
    let mut devices: Vec<Device> = (0..DEVICES)
        .map(|number| Device {
            number,
            next: 0,
            answered: BTreeSet::new(),
        })
        .collect();
    for _ in 0..kills {
        let wanted = chance.below(200);
        devices = round(devices, site.start(), wanted, support::Running::kill);
    }
    devices = round(devices, site.start(), 100, |running| assert!(running.stop()));

    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["waiting"], 0, "{stats}");
    let reader = Reader::open(&site.data().join("archive"), Arc::new(RealFs)).unwrap();
    check_readings(&reader, &devices);
    check_events(&reader);
    let answered: usize = devices.iter().map(|device| device.answered.len()).sum();
    println!(
        "{answered} answered, archived {} repeats {} over {kills} kills",
        stats["archived"], stats["repeats"]
    );
    assert!(answered > 100);
}

/// Every answered minute stands once; nothing stands that was never sent.
fn check_readings(reader: &Reader, devices: &[Device]) {
    let mut spec = QuerySpec::all(Table::Readings);
    spec.columns = ["outlet", "measured_at"].map(str::to_owned).to_vec();
    let mut rows: BTreeMap<(String, i64), usize> = BTreeMap::new();
    for row in reader.query(&spec).unwrap() {
        match row.unwrap().as_slice() {
            [Field::Text(outlet), Field::Time(at)] => *rows.entry((outlet.clone(), at.0)).or_default() += 1,
            other => panic!("{other:?}"),
        }
    }
    for device in devices {
        for minute in 0..=device.next {
            let key = (outlet(device.number), Device::data_time(minute).0);
            let count = rows.remove(&key).unwrap_or(0);
            let expected = if device.answered.contains(&minute) {
                1..=1
            } else {
                0..=1
            };
            assert!(
                expected.contains(&count),
                "minute {minute} of device {} stands {count} times",
                device.number
            );
        }
    }
    assert!(rows.is_empty(), "readings nobody sent: {rows:?}");
}

fn check_events(reader: &Reader) {
    let mut spec = QuerySpec::all(Table::Events);
    spec.columns = vec!["event_id".to_owned()];
    let mut seen = BTreeSet::new();
    for row in reader.query(&spec).unwrap() {
        let id = row.unwrap()[0].to_string();
        assert!(seen.insert(id.clone()), "event {id} stands twice");
    }
}
