//! Polling as an operator meets it: `plume check` of maps, `plume modbus probe`, and a plume that runs and polls.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use plume_schemas::time::{MINUTE_MS, Time};

use crate::support::{MN, Running, Site};

/// Longest wait for the first minute: it is told when it is over, and one that began late is not told.
const PATIENCE: Duration = Duration::from_secs(150);

const MAP: &str = r#"
model = "meter"

[[register]]
name = "so2"
table = "input"
address = 10
type = "float32"
factor = "a21026"
unit = "mg/m3"
state = "dry_standard"

[[register]]
name = "o2"
table = "input"
address = 12
type = "float32"
factor = "a19001"
unit = "%"
state = "dry_standard"
"#;

/// A device with input registers 10 to 13: 21.5 and 6.25 as floats, low word first if `swapped`.
fn device(swapped: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap(), swapped));
        }
    });
    address
}

fn serve(mut stream: TcpStream, swapped: bool) {
    let words: [u16; 4] = if swapped {
        [0x0000, 0x41AC, 0x0000, 0x40C8]
    } else {
        [0x41AC, 0x0000, 0x40C8, 0x0000]
    };
    let mut request = [0; 12];
    while stream.read_exact(&mut request).is_ok() {
        let address = usize::from(u16::from_be_bytes([request[8], request[9]]));
        let count = usize::from(u16::from_be_bytes([request[10], request[11]]));
        let held = address.checked_sub(10).and_then(|from| words.get(from..from + count));
        let mut answer = request[..4].to_vec();
        match held {
            Some(words) => {
                answer.extend(u16::try_from(3 + 2 * count).unwrap().to_be_bytes());
                answer.extend([request[6], request[7], u8::try_from(2 * count).unwrap()]);
                answer.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            }
            None => answer.extend([0, 3, request[6], request[7] | 0x80, 2]),
        }
        stream.write_all(&answer).unwrap();
    }
}

/// A site that polls one device.
fn polled(address: SocketAddr, mn: &str, map: &str) -> Site {
    let site = Site::new("[modbus]\nsite = \"modbus.toml\"");
    let text = format!(
        "[[bus]]\nname = \"b\"\nconnect = \"tcp://{address}\"\n\n\
         [[bus.unit]]\nunit = 1\nmn = \"{mn}\"\nuse = \"meter\"\n"
    );
    std::fs::write(site.dir.path().join("modbus.toml"), text).unwrap();
    std::fs::create_dir(site.dir.path().join("modbus")).unwrap();
    std::fs::write(site.dir.path().join("modbus/meter.toml"), map).unwrap();
    site
}

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 502).into()
}

#[test]
fn check_names_the_line_of_a_map() {
    let site = polled(nowhere(), MN, &MAP.replace("unit = \"mg/m3\"", "unit = \"degC\""));
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine, "{text}");
    assert!(
        text.contains("modbus/meter.toml:10:1: `register[0].unit`: degC cannot be converted"),
        "{text}"
    );

    let site = polled(nowhere(), MN, MAP);
    let file = site.dir.path().join("modbus.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{good}[[bus.unit.register]]\nname = \"so2\"\naddress = 65535\n"),
    )
    .unwrap();
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine, "{text}");
    // The change is at fault, not the model it changes.
    assert!(
        text.contains("modbus.toml:11:1: `bus[0].unit[0].register[0].address`"),
        "{text}"
    );

    std::fs::write(&file, good.replace("use = ", "uses = ")).unwrap();
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(!fine && text.contains("modbus.toml:"), "{text}");
}

#[test]
fn check_warns_of_a_device_that_the_registry_does_not_have() {
    let site = polled(nowhere(), "DE0000000000000000000009", MAP);
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    assert!(
        text.contains("warning: `bus[0].unit[0].mn`") && text.contains("not in the registry"),
        "{text}"
    );
}

#[test]
fn the_example_maps_check() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let site = Site::new("[modbus]\nsite = \"modbus.toml\"");
    std::fs::copy(examples.join("modbus.toml"), site.dir.path().join("modbus.toml")).unwrap();
    let models = site.dir.path().join("modbus");
    std::fs::create_dir(&models).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(examples.join("modbus")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, models.join(path.file_name().unwrap())).unwrap();
        names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
    assert!(fine && !text.contains("warning"), "{text}");
    // Every model by itself, used as it is.
    for name in names {
        let text = format!(
            "[[bus]]\nname = \"b\"\nconnect = \"tcp://h:502\"\n\
             [[bus.unit]]\nunit = 1\nmn = \"{MN}\"\nuse = \"{name}\"\n"
        );
        std::fs::write(site.dir.path().join("modbus.toml"), text).unwrap();
        let (fine, text) = site.plume(&["check", "--config", "plume.toml"]);
        assert!(fine, "{name}: {text}");
    }
}

#[test]
fn the_probe_shows_values_words_and_what_looks_wrong() {
    let site = Site::new("");
    let map = site.dir.path().join("meter.toml");
    std::fs::write(&map, MAP).unwrap();
    let probe = |swapped: bool| {
        let address = device(swapped).to_string();
        site.plume(&[
            "modbus",
            "probe",
            &address,
            "--unit",
            "1",
            "--map",
            "meter.toml",
            "--once",
        ])
    };
    let (fine, text) = probe(false);
    assert!(fine, "{text}");
    for part in ["41AC 0000", "21.500 mg/m³", "6.250 %", "二氧化硫", "input 10"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("[?]"), "nothing looks wrong: {text}");
    let (fine, text) = probe(true);
    assert!(fine, "{text}");
    assert!(text.contains("[?]") && text.contains("order = \"CDAB\""), "{text}");
}

#[test]
fn the_probe_says_why_it_cannot() {
    let site = Site::new("");
    std::fs::write(site.dir.path().join("meter.toml"), MAP).unwrap();
    // A port that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let (fine, text) = site.plume(&["modbus", "probe", &free, "--map", "meter.toml", "--once"]);
    assert!(
        !fine && text.contains("cannot open tcp://") && text.contains("hint"),
        "{text}"
    );
    let (fine, text) = site.plume(&["modbus", "probe", "somewhere", "--map", "meter.toml"]);
    assert!(!fine && text.contains("is no address"), "{text}");
    std::fs::write(
        site.dir.path().join("meter.toml"),
        MAP.replace("address = 10", "address = ten"),
    )
    .unwrap();
    let (fine, text) = site.plume(&["modbus", "probe", &free, "--map", "meter.toml"]);
    assert!(!fine && text.contains("meter.toml:7:"), "{text}");
}

/// All counts of a metric together, whatever their labels.
fn count(running: &Running, metric: &str) -> u64 {
    let metrics = running.get("/metrics");
    let lines = metrics.lines().filter(|line| line.starts_with(metric));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Waits until a plume has counted so many.
fn wait_for(running: &Running, metric: &str, wanted: u64) {
    let began = Instant::now();
    while count(running, metric) < wanted {
        assert!(began.elapsed() < PATIENCE, "no {metric} in {PATIENCE:?}");
    }
}

/// Waits until a plume has reported the first minute of its life.
fn wait_for_minute(running: &Running) {
    wait_for(running, "plume_ingest_poll_minutes_total", 1);
}

/// One real minute: a plume that runs polls a device, and what it polled is counted in, archived, and balanced.
#[test]
#[ignore = "takes up to two minutes of real time: .ci/soak.d/modbus; the demo's smoke test polls on a fast clock"]
fn a_plume_that_runs_polls_and_archives() {
    let site = polled(device(false), MN, MAP);
    let running = site.start();
    wait_for_minute(&running);
    assert!(running.stop());
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["balanced"], true, "{stats}");
    assert!(stats["archived"].as_u64().unwrap() >= 1, "{stats}");
}

/// A kill within a minute: the one before stands in the archive, the running one is lost, the next is whole, and none
/// stands there twice.
#[test]
#[ignore = "takes up to five minutes of real time: .ci/soak.d/modbus"]
fn a_kill_costs_the_running_minute_and_no_other() {
    let site = polled(device(false), MN, MAP);
    let running = site.start();
    wait_for_minute(&running);
    // Half of a minute's fifteen samples: what is left after the kill makes no valid minute.
    let rounds = "plume_ingest_poll_rounds_total";
    wait_for(&running, rounds, count(&running, rounds) + 7);
    running.kill();
    let running = site.start();
    wait_for_minute(&running);
    assert!(running.stop());
    let columns = "measured_at,statistic,basis";
    let query = ["query", "readings", "--kind", "minute", "--factor", "a21026"];
    let (fine, text) = site.plume(
        &[
            &query[..],
            &["--columns", columns, "--data", "data", "--format", "json"],
        ]
        .concat(),
    );
    assert!(fine, "{text}");
    let rows: BTreeSet<&str> = text.lines().collect();
    assert_eq!(rows.len(), text.lines().count(), "a minute stands there twice: {text}");
    let minute = |row: &str| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let digits = row["measured_at"].as_str().unwrap().bytes().filter(u8::is_ascii_digit);
        Time::parse_stamp(&digits.take(14).collect::<Vec<u8>>()).unwrap()
    };
    let minutes: BTreeSet<Time> = rows.into_iter().map(minute).collect();
    let (first, last) = (*minutes.first().unwrap(), *minutes.last().unwrap());
    assert_eq!((minutes.len(), last.since(first)), (2, 2 * MINUTE_MS), "{text}");
}
