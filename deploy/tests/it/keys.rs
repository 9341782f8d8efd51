//! A logger of HJ 212-2025 from its first word to its third key, over TCP: it is activated, sends encrypted data, is
//! given a new key under a permit of two persons, asks for the next by itself, and goes on after plume was killed. No
//! key is found anywhere but in the logger.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plume_alert::accounts::Role;
use plume_ingest::hj212::sm4::{CipherForm, Key};
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::{DAY_MS, MINUTE_MS};
use plume_simulator::device::{Device, Moment};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use crate::editions::now;
use crate::support::device::play_device;
use crate::support::officers::officers;
use crate::support::{MN, Running, Site};

const FIRST: &str = "k3yOfTheFirstDay";
const SERIAL: &str = "6970000000001ABCDEFG1234";
/// A busy machine may take so long for a step.
const PATIENCE: Duration = Duration::from_mins(1);

fn logger() -> Device {
    let since = now().plus(-10 * MINUTE_MS);
    let plant = Plant::new(PlantSpec::coal_boiler("1号炉", since), 4);
    let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2025), plant, since);
    let link = LinkSpec {
        cipher: Some((Key::parse(FIRST).unwrap(), CipherForm::Raw)),
        serial: Some(SERIAL.to_owned()),
        ..LinkSpec::usual(Mn::new("UNNAMED").unwrap(), Dialect::Hj2025)
    };
    Device::logger(link, logger, now().plus(-5 * MINUTE_MS))
}

fn site() -> Site {
    let site = Site::new("[keys]\nseal_file = \"seal.key\"\n[log]\nfilter = \"debug\"");
    let dir = site.dir.path();
    let config = fs::read_to_string(dir.join("plume.toml")).unwrap();
    let with_keys = config.replacen("[ingest]\n", "[ingest]\nkeys_file = \"keys.toml\"\n", 1);
    fs::write(dir.join("plume.toml"), with_keys).unwrap();
    let keys = format!("[[device]]\nmn = \"{MN}\"\nkey = \"{FIRST}\"\n");
    fs::write(dir.join("keys.toml"), keys).unwrap();
    let (fine, text) = site.plume(&["keys", "new-seal", "seal.key"]);
    assert!(fine, "{text}");
    let accounts = [
        ("wang", Role::CityDuty),
        ("zhang", Role::CityDuty),
        ("reader", Role::ReadOnly),
    ];
    officers(&site.data(), &dir.join("password"), &accounts);
    site
}

fn key(device: &Mutex<Device>) -> Key {
    device.lock().unwrap().spec().cipher.clone().unwrap().0
}

/// Waits for something to become so; asking plume for its metrics paces it.
fn wait_for(what: &str, running: &Running, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < until,
            "{what} did not come: {}",
            running.get("/metrics")
        );
    }
}

/// Data that were made after this are answered.
fn goes_on(device: &Mutex<Device>, running: &Running, what: &str) {
    let (before, moment) = (device.lock().unwrap().counts().answered, Moment::real(now()));
    let line = plume_simulator::message::Message::log_line(moment.world, "a21026", "still here");
    device.lock().unwrap().say(line, moment);
    wait_for(what, running, || device.lock().unwrap().counts().answered > before);
}

/// The permit that lets plume give new keys, and every way in which there is none.
fn permit(site: &Site) {
    let run = |args: &[&str]| site.plume(&[args, &["--config", "plume.toml"]].concat());
    let as_who = |step: &[&str], login: &str| run(&[step, &["--login", login, "--password-file", "password"]].concat());
    let ask = [
        "permit",
        "ask",
        "--mn",
        MN,
        "--order",
        "set-key",
        "--consent-by",
        "李主管",
        "--document",
        "环函12号",
        "--consent-date",
        "2026-11-20",
    ];
    let (fine, text) = run(&["command", "set-key", "--mn", MN]);
    assert!(!fine && text.contains("no permit for it is in force"), "{text}");
    let (fine, text) = as_who(&ask, "reader");
    assert!(!fine && text.contains("officers on duty"), "{text}");
    let (fine, text) = as_who(&ask, "nobody");
    assert!(!fine, "{text}");
    let (fine, text) = as_who(&ask, "wang");
    assert!(fine && text.contains("waits for another person"), "{text}");
    let id = text.split_whitespace().next().unwrap().to_owned();
    let (fine, text) = run(&["command", "set-key", "--mn", MN]);
    assert!(!fine && text.contains("no permit"), "one person is not enough: {text}");
    let (fine, text) = as_who(&["permit", "agree", &id], "wang");
    assert!(!fine && text.contains("another person must agree"), "{text}");
    let (fine, text) = as_who(&["permit", "agree", &id], "zhang");
    assert!(fine && text.contains("agreed: zhang"), "{text}");
    let (fine, text) = run(&["command", "calibrate", "--mn", MN, "--factor", "a21026"]);
    assert!(
        !fine && text.contains("no permit"),
        "another order is not allowed by it: {text}"
    );
    let (fine, text) = run(&["permit", "list"]);
    assert!(
        fine && text.contains("李主管 环函12号 2026-11-20") && text.contains("set-key"),
        "{text}"
    );
}

#[test]
fn a_logger_is_activated_and_its_keys_change_and_stand_nowhere() {
    let site = site();
    let command = |args: &[&str]| site.plume(&[&["command"], args, &["--config", "plume.toml"]].concat());
    let running = site.start();
    let (device, stop) = (Mutex::new(logger()), AtomicBool::new(false));
    let mut keys = Vec::new();
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| play_device(&device, running.devices, &stop));
        let (fine, text) = command(&["activate", "--mn", MN, "--value", SERIAL]);
        assert!(fine && text.contains("ExeRtn=1"), "{text}");
        assert_eq!(device.lock().unwrap().mn().as_str(), MN);
        goes_on(&device, &running, "data under the first key");
        permit(&site);
        let (fine, text) = command(&["set-key", "--mn", MN, "--by", "王工"]);
        assert!(fine && text.contains("ExeRtn=1"), "{text}");
        keys.push(key(&device));
        assert_ne!(keys[0], Key::parse(FIRST).unwrap());
        goes_on(&device, &running, "data under the second key");
        let created = now().plus(-DAY_MS);
        device.lock().unwrap().ask_for_key(created, Moment::real(now()));
        wait_for("a key the device asked for", &running, || key(&device) != keys[0]);
        keys.push(key(&device));
        goes_on(&device, &running, "data under the third key");
        stop.store(true, Ordering::Relaxed);
        playing.join().unwrap();
    });
    for secret in keys.iter().map(Key::reveal) {
        assert!(!running.get("/metrics").contains(&secret));
    }
    running.kill();

    let running = site.start();
    stop.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| play_device(&device, running.devices, &stop));
        goes_on(&device, &running, "data after plume was killed");
        stop.store(true, Ordering::Relaxed);
        playing.join().unwrap();
    });
    let (fine, listed) = site.plume(&["keys", "list", "--config", "plume.toml"]);
    let id = keys.last().unwrap().id();
    assert!(fine && listed.contains(MN) && listed.contains(id.as_str()), "{listed}");
    let (_, orders) = command(&["--list", "--json"]);
    let (fine, text) = site.plume(&["support", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let support = fs::read_to_string(site.dir.path().join("plume-support.txt")).unwrap();
    let (fine, log) = running.stop_with_log();
    assert!(fine && log.contains("DEBUG"));
    let (balanced, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(balanced, "{text}");
    for secret in keys.iter().map(Key::reveal).chain([FIRST.to_owned()]) {
        let said = [&listed, &orders, &support, &log];
        assert!(said.iter().all(|text| !text.contains(&secret)), "a key is shown");
        let found = holding(&site.data(), secret.as_bytes());
        assert_eq!(found, Vec::<PathBuf>::new(), "a key stands in a file");
    }
}

/// Files below a directory that hold these bytes.
fn holding(dir: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes) {
            found.push(path);
        }
    }
    found
}
