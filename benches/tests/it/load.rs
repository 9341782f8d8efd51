//! plume-load as it is used: the sink in a process, the load against it, every answer checked.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const PLUME_LOAD: &str = env!("CARGO_BIN_EXE_plume-load");

/// A sink, killed at the end of the test.
struct Sink {
    child: Child,
    address: String,
}

impl Sink {
    fn start() -> Self {
        let mut child = Command::new(PLUME_LOAD)
            .arg("sink")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn plume_load(args: &[&str]) -> String {
    let output = Command::new(PLUME_LOAD).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Answered, wrong and missing of a row.
fn row(text: &str, name: &str) -> Vec<u64> {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace()
        .skip(1)
        .take(3)
        .map(|number| number.parse().unwrap())
        .collect()
}

#[test]
fn a_load_is_answered_in_full() {
    let sink = Sink::start();
    for (outstanding, payload) in [("1", "425"), ("16", "700")] {
        let text = plume_load(&[
            "run",
            "--target",
            &sink.address,
            "--server-pid",
            &sink.child.id().to_string(),
            "--connections",
            "4",
            "--outstanding",
            outstanding,
            "--payload",
            payload,
            "--seconds",
            "1",
        ]);
        let row = row(&text, "server");
        assert!(row[0] > 4 && row[1] == 0 && row[2] == 0, "{text}");
    }
}

#[test]
fn comparing_measures_both_and_gives_the_ratio() {
    let sink = Sink::start();
    let pid = sink.child.id().to_string();
    let target = ["compare", "--target", &sink.address, "--server-pid", &pid];
    let text = plume_load(&[&target[..], &["--connections", "2", "--seconds", "1", "--rounds", "1"]].concat());
    for name in ["sink", "server"] {
        let row = row(&text, name);
        assert!(row[0] > 2 && row[1] == 0 && row[2] == 0, "{text}");
    }
    assert!(text.contains("% of the sink's rate"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let output = Command::new(PLUME_LOAD)
        .args(["run", "--target", "127.0.0.1:1", "--connections", "1", "--seconds", "1"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("error: connecting: ") && text.contains("\nhint: "),
        "{text}"
    );
}
