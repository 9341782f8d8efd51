//! Servers that nobody here wrote: pymodbus (TCP, RTU over TCP, with faults), libmodbus (TCP, serial RTU over a pair of
//! pseudo-terminals by socat). What is not installed is skipped, aloud; `.ci/run` installs all of it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use plume_schemas::entry::PresenceState;
use plume_schemas::reading::{Basis, Value};
use plume_schemas::report::{ComplaintCode, Report};

use super::room::{Room, is_normal, mean};
use crate::bench::MN_2017;

const SILENT: &str = "DE0000000000000000000002";
const THIRD: &str = "DE0000000000000000000003";
/// The registers of both servers.
const MAP: &str = include_str!("../../servers/map.toml");
/// What a minute of them is.
const VALUES: [(&str, &str); 5] = [
    ("a21026", "21.500"),
    ("a19001", "6.250"),
    ("a34013", "42.0"),
    ("a01012", "-40.0"),
    ("a00000", "250.125"),
];

/// A foreign process; ends with its owner.
struct Foreign {
    child: Child,
    port: u16,
}

impl Foreign {
    /// Starts a server and waits for its line `listening PORT`.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line
            .strip_prefix("listening ")
            .and_then(|port| port.trim().parse().ok());
        let Some(port) = port else {
            panic!("the server said `{line}` and ended with {:?}", child.wait());
        };
        Self { child, port }
    }

    fn pymodbus(args: &[&str]) -> Option<Self> {
        let has = Command::new("python3")
            .args(["-c", "import pymodbus.simulator"])
            .output();
        if !has.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no pymodbus; pip install -r .ci/requirements.txt to poll a foreign server");
            return None;
        }
        let mut command = Command::new("python3");
        command.arg(servers().join("pymodbus_server.py")).args(args);
        Some(Self::start(command))
    }

    fn libmodbus(args: &[&str]) -> Option<Self> {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libmodbus_server_{}", args[0]));
        let built = Command::new("cc")
            .arg("-o")
            .arg(&program)
            .arg(servers().join("libmodbus_server.c"))
            .arg("-lmodbus")
            .output();
        if !built.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no libmodbus; apt-get install libmodbus-dev to poll a foreign server");
            return None;
        }
        let mut command = Command::new(program);
        command.args(args);
        Some(Self::start(command))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

fn bus(connect: &str, units: &[(u8, &str)]) -> String {
    let mut text = format!("[[bus]]\nname = \"foreign\"\nconnect = \"{connect}\"\n");
    for (unit, mn) in units {
        writeln!(text, "[[bus.unit]]\nunit = {unit}\nmn = \"{mn}\"\nuse = \"model\"").unwrap();
    }
    text
}

/// True when every value of a report is what the server holds.
#[track_caller]
fn assert_values(report: &Report) {
    for (factor, value) in VALUES {
        let reading = mean(report, factor, Basis::Standard).unwrap_or_else(|| panic!("no {factor}"));
        let Value::Decimal(found) = reading.value else {
            panic!("{factor} is {:?}", reading.value);
        };
        assert_eq!(found.to_string(), value, "{factor}");
    }
}

/// The first minute whose samples are all there, or enough of them.
async fn good_minute(connect: &str) {
    let room = Room::open(&bus(connect, &[(1, MN_2017)]), MAP, &[MN_2017]).await;
    let reports = room.wait(MN_2017, |reports| reports.iter().any(is_normal)).await;
    let good = reports.iter().find(|report| is_normal(report)).unwrap();
    assert_values(good);
    let raw = String::from_utf8(good.evidence.raw.clone()).unwrap();
    assert!(raw.lines().count() >= 3 + 12, "twelve samples are kept:\n{raw}");
    assert_eq!(room.presences(MN_2017).await[0].state, PresenceState::Came);
    room.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymodbus_over_tcp() {
    let Some(server) = Foreign::pymodbus(&["tcp"]) else {
        return;
    };
    good_minute(&format!("tcp://127.0.0.1:{}", server.port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymodbus_by_rtu_over_tcp() {
    let Some(server) = Foreign::pymodbus(&["rtu"]) else {
        return;
    };
    good_minute(&format!("rtu+tcp://127.0.0.1:{}", server.port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libmodbus_over_tcp() {
    let Some(server) = Foreign::libmodbus(&["tcp"]) else {
        return;
    };
    good_minute(&format!("tcp://127.0.0.1:{}", server.port)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libmodbus_over_a_serial_line() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
    let pty = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
    let Ok(socat) = Command::new("socat").args([pty(&theirs), pty(&ours)]).spawn() else {
        eprintln!("SKIPPED: no socat; apt-get install socat to poll a serial line");
        return;
    };
    let _socat = Foreign { child: socat, port: 0 };
    let mut patience = tokio::time::interval(std::time::Duration::from_millis(10));
    while !(theirs.exists() && ours.exists()) {
        patience.tick().await;
    }
    let Some(_server) = Foreign::libmodbus(&["rtu", theirs.to_str().unwrap()]) else {
        return;
    };
    good_minute(&format!("serial:{}?baud=19200&parity=none", ours.display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dead_unit_between_two_that_answer() {
    for framing in ["tcp", "rtu"] {
        let Some(server) = Foreign::pymodbus(&[framing]) else {
            return;
        };
        let scheme = if framing == "tcp" { "tcp" } else { "rtu+tcp" };
        let text = bus(
            &format!("{scheme}://127.0.0.1:{}", server.port),
            &[(1, MN_2017), (2, SILENT), (3, THIRD)],
        );
        let room = Room::open(&text, MAP, &[MN_2017, SILENT, THIRD]).await;
        for mn in [MN_2017, THIRD] {
            let reports = room.wait(mn, |reports| reports.iter().any(is_normal)).await;
            assert_values(reports.iter().find(|report| is_normal(report)).unwrap());
        }
        assert!(room.reports(SILENT).await.is_empty() && room.presences(SILENT).await.is_empty());
        assert!(room.count("plume_ingest_poll_rounds_total", "timeout") > 0);
        room.close().await;
    }
}

/// Answers cut off, under another transaction, late, and twice: samples may be missing, but no value is ever another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoilt_answers_never_shift_a_value() {
    for framing in ["tcp", "rtu"] {
        let Some(server) = Foreign::pymodbus(&[framing, "--faults"]) else {
            return;
        };
        let scheme = if framing == "tcp" { "tcp" } else { "rtu+tcp" };
        let text = bus(&format!("{scheme}://127.0.0.1:{}", server.port), &[(1, MN_2017)]);
        let room = Room::open(&text, MAP, &[MN_2017]).await;
        let spoilt = |report: &Report| {
            report
                .complaints
                .iter()
                .any(|one| one.code == ComplaintCode::MissedPoll)
        };
        let reports = room
            .wait(MN_2017, |reports| reports.len() >= 4 && reports.iter().any(spoilt))
            .await;
        let mut samples = 0;
        for report in &reports {
            let raw = String::from_utf8(report.evidence.raw.clone()).unwrap();
            for line in raw.lines().skip(3).filter(|line| !line.contains('!')) {
                let values: Vec<&str> = line.split(',').skip(1).collect();
                assert_eq!(
                    values,
                    ["21.500", "6.250", "42.0", "-40.0", "250.125"],
                    "{framing}: {raw}"
                );
                samples += 1;
            }
        }
        assert!(
            samples > 20,
            "{framing}: only {samples} samples in {} minutes",
            reports.len()
        );
        room.close().await;
    }
}
