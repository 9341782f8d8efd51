//! Both READMEs are true: their commands are run, and what they print is compared with what stands there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};

use crate::support::{Running, Site};

/// A command of a README, and the lines below it. A line `…` stands for any lines.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The commands after `$ ` in fenced blocks, without the block's indent.
fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut fenced = false;
    for line in page.lines() {
        let text = line.trim_start();
        if text.starts_with("```") {
            fenced = !fenced;
        } else if let (true, Some(command)) = (fenced, text.strip_prefix("$ ")) {
            let (command, output) = (command.to_owned(), Vec::new());
            all.push(Shown { command, output });
        } else if let (true, Some(last)) = (fenced, all.last_mut()) {
            let indent = line.len() - text.len();
            let block = if last.command.starts_with("plume decode") { 0 } else { 3 };
            last.output
                .push(" ".repeat(indent.saturating_sub(block)) + text.trim_end());
        }
    }
    all
}

/// Whether `real` is what the README shows, where `…` skips ahead to the line after it.
fn agrees(output: &[String], real: &str) -> Result<(), String> {
    let mut lines = real.lines().map(str::trim_end);
    let mut skipping = false;
    for line in output {
        if line == "…" {
            skipping = true;
            continue;
        }
        let found = if skipping {
            lines.any(|real| real == line)
        } else {
            lines.next() == Some(line)
        };
        if !found {
            return Err(format!("the README shows\n{line}\nbut plume printed\n{real}"));
        }
        skipping = false;
    }
    match lines.find(|line| !line.is_empty()) {
        Some(more) if !skipping => Err(format!("plume printed more than the README shows:\n{more}")),
        _ => Ok(()),
    }
}

/// The text between the quotation marks of a command.
fn quoted(command: &str) -> &str {
    command.rsplit_once('\'').unwrap().0.rsplit_once('\'').unwrap().1
}

/// What `printf … | nc` prints: sends the packet, says that no more comes, and reads to the answer's end.
fn exchange(running: &Running, packet: &str) -> String {
    let mut stream = TcpStream::connect(running.devices).unwrap();
    stream.write_all(format!("{packet}\r\n").as_bytes()).unwrap();
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer.get(..length).unwrap().ends_with(b"\r\n") {
        length += stream.read(answer.get_mut(length..).unwrap()).unwrap();
    }
    stream.shutdown(Shutdown::Both).unwrap();
    String::from_utf8(answer.get(..length).unwrap().to_vec()).unwrap()
}

/// Runs one shown command; `None` where it needs what a test has not (a Modbus device).
fn run(site: &Site, running: &mut Option<Running>, command: &str) -> Option<String> {
    if command.starts_with("plume decode") {
        return Some(site.plume(&["decode", quoted(command)]).1);
    }
    if command.starts_with("plume check") {
        let example = std::fs::read_to_string(root().join("deploy/examples/plume.toml")).unwrap();
        let path = site.dir.path().join("mistaken.toml");
        std::fs::write(
            path,
            example.replace("\nlisten = \"0.0.0.0:9212\"", "\nlisen = \"0.0.0.0:9212\""),
        )
        .unwrap();
        let (fine, text) = site.plume(&["check", "--config", "mistaken.toml"]);
        assert!(!fine, "{text}");
        return Some(text.replace("mistaken.toml", "plume.toml"));
    }
    if command.starts_with("printf") {
        // Sent twice, as the balance below it says.
        let packet = quoted(command.rsplit_once(" | nc ").unwrap().0);
        let to = running.as_ref().unwrap();
        let first = exchange(to, packet);
        assert_eq!(exchange(to, packet), first, "a repeat is answered as the first");
        return Some(first);
    }
    if command.starts_with("plume stats") {
        // Killed and started again in between, as the sentence above it says.
        running.take().unwrap().kill();
        let again = site.start();
        let (_, text) = site.plume(&["stats", "--now", "--config", "plume.toml"]);
        assert!(again.stop());
        return Some(text);
    }
    assert!(command.starts_with("plume modbus probe"), "nobody runs `{command}`");
    None
}

fn holds(readme: &str) {
    let page = std::fs::read_to_string(root().join(readme)).unwrap();
    let site = Site::new("");
    let mut running = Some(site.start());
    let mut count = 0;
    for Shown { command, output } in shown(&page) {
        if let Some(real) = run(&site, &mut running, &command) {
            agrees(&output, &real).unwrap_or_else(|why| panic!("{readme}: {command}\n{why}"));
            count += 1;
        }
    }
    assert_eq!(count, 5, "commands of {readme} that were run");
}

#[test]
fn the_chinese_readme_shows_what_plume_prints() {
    holds("README.zh-CN.md");
}

#[test]
fn the_english_readme_shows_what_plume_prints() {
    holds("README.md");
}

/// Files and directories that the READMEs link to.
#[test]
fn links_of_the_readmes_lead_somewhere() {
    for readme in ["README.md", "README.zh-CN.md"] {
        let page = std::fs::read_to_string(root().join(readme)).unwrap();
        let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let broken: Vec<&str> = links
            .filter(|link| !link.starts_with("http"))
            .filter(|link| !root().join(link.split('#').next().unwrap_or(link)).exists())
            .collect();
        assert!(broken.is_empty(), "{readme}: {broken:?}");
    }
}
