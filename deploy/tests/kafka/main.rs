//! Roles as processes of their own over a real Apache Kafka, `kill -9` on one of them at random, again and again.
//!
//! Afterwards: every answered minute stands among the archive's readings exactly once, each event was written once as
//! `read_committed` consumers see it that are not plume's (Kafka's own and confluent-kafka), the desk shows each once,
//! and one process that judges the same log without a stop says the same to the byte.
//!
//! The other tests change the number of judges, restart brokers, and cut the network, with the same verdict.
//!
//! ```text
//! KAFKA_SEED=7 KAFKA_KILLS=50 deploy/kafka/dev-broker -- cargo test -p plume --test kafka -- --nocapture
//! ```

#![cfg(feature = "kafka")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says its seed, and what it skips"
)]

mod archives;
mod brokers;
mod cluster;
#[path = "../crash/fleet.rs"]
#[allow(dead_code, reason = "the devices of the crash harness; this test uses its part")]
mod fleet;
mod grow;
mod lag;
mod orders;
mod proxy;
mod readers;
#[path = "../crash/receiver.rs"]
#[allow(dead_code, reason = "the verdict of the crash harness speaks of messages too")]
mod receiver;
mod restore;
mod spool;
mod spooling;
#[path = "../support/mod.rs"]
mod support;
#[path = "../crash/verdict.rs"]
#[allow(dead_code, reason = "the verdict of the crash harness; this test uses its part")]
mod verdict;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use cluster::{Cluster, Part};
use fleet::{Chance, DEVICES, Device};
use plume_schemas::time::Time;

/// Kills in an ordinary run; `.ci/soak.d/kafka` asks for 50.
const USUAL_KILLS: u64 = 8;
/// Answers within which a kill falls.
const MOST_ANSWERS: u64 = 500;
/// Answers that do not come for so long will not come.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);

#[expect(clippy::disallowed_methods, reason = "a test's own switches")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str, usual: u64) -> u64 {
    setting(name).and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn now() -> Time {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Time(i64::try_from(since.as_millis()).unwrap())
}

/// Lets all devices talk until `wanted` answers came, does `meanwhile`, and lets them finish.
fn round(
    devices: Vec<Device>,
    cluster: &mut Cluster,
    wanted: u64,
    meanwhile: impl FnOnce(&mut Cluster),
) -> Vec<Device> {
    let (sender, answers) = channel();
    let enough = Arc::new(AtomicBool::new(false));
    let to = cluster.devices();
    let talks: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let (sender, enough) = (sender.clone(), Arc::clone(&enough));
            std::thread::spawn(move || device.talk(to, &sender, &enough))
        })
        .collect();
    drop(sender);
    for _ in 0..wanted {
        if answers.recv().is_err() {
            break;
        }
    }
    meanwhile(cluster);
    enough.store(true, Ordering::Relaxed);
    talks.into_iter().map(|talk| talk.join().unwrap()).collect()
}

/// The brokers to test against, if any; `name` is what is skipped without them.
fn brokers(name: &str) -> Option<String> {
    let found = setting("KAFKA_BOOTSTRAP");
    if found.is_none() {
        println!("SKIPPED: {name}: no Apache Kafka; `deploy/kafka/dev-broker -- cargo test -p plume --test kafka`");
    }
    found
}

fn fleet() -> Vec<Device> {
    let now = now();
    (0..DEVICES).map(|number| Device::new(number, now)).collect()
}

fn answers(devices: &[Device]) -> usize {
    devices.iter().map(|device| device.answered.len()).sum()
}

/// Lets devices talk, on new links where the old ones broke, until they have had `more` answers.
fn talk(mut devices: Vec<Device>, cluster: &mut Cluster, more: usize) -> Vec<Device> {
    let (wanted, deadline) = (answers(&devices) + more, Instant::now() + ANSWER_LIMIT);
    while answers(&devices) < wanted {
        assert!(Instant::now() < deadline, "answers do not come again");
        let left = wanted - answers(&devices);
        devices = round(devices, cluster, left as u64, |_| {});
    }
    devices
}

/// Lets the cluster work off everything, and looks at what is left of it everywhere.
fn conclude(cluster: Cluster, devices: &[Device]) {
    conclude_with(cluster, devices, |_| {});
}

/// The same, with another look at the archives.
fn conclude_with(mut cluster: Cluster, devices: &[Device], look: impl FnOnce(&[plume_archive::Reader])) {
    let written = cluster.settle();
    let archives: Vec<_> = cluster.archives().map(verdict::archive).collect();
    let readings = verdict::check_readings(&archives, devices);
    verdict::check_owners(&archives);
    let packets = verdict::check_packets(&archives, devices);
    for stats in archives.iter().map(plume_archive::Reader::stats) {
        assert!(stats.balanced && stats.archived > 0, "{stats:?}");
    }
    let (cases, traces, _) = verdict::book(cluster.site(Part::Desk));
    let events = verdict::check_events(&archives, &traces);
    verdict::check_cases(&cases, &traces);
    assert_eq!(written.len(), events, "events on the brokers, and in the archive");
    cluster.replay();
    look(&archives);
    let answered = answers(devices);
    println!("{answered} answered, {packets} packets, {readings} readings, {events} events");
    assert!(answered > 100 && events > 0, "a run that met nothing proves nothing");
}

#[test]
fn a_role_killed_at_random_loses_nothing_and_says_nothing_twice() {
    let Some(brokers) = brokers("roles killed at random") else {
        return;
    };
    let (seed, kills) = (number("KAFKA_SEED", 20_260_118), number("KAFKA_KILLS", USUAL_KILLS));
    println!("KAFKA_SEED={seed} KAFKA_KILLS={kills}");
    let mut chance = Chance(seed);
    let mut cluster = Cluster::start(&brokers, "kills", &Part::TWO_JUDGES);
    let mut devices = fleet();
    let most = ((DEVICES * fleet::MINUTES) as u64 / (kills + 1)).clamp(2, MOST_ANSWERS);
    for kill in 0..kills {
        let (wanted, victim) = (chance.below(most), Part::draw(&mut chance, &Part::TWO_JUDGES));
        println!("kill {kill}: {victim:?} after {wanted} answers");
        devices = round(devices, &mut cluster, wanted, |cluster| cluster.kill(victim));
    }
    devices = round(devices, &mut cluster, most, |_| {});
    conclude(cluster, &devices);
}
