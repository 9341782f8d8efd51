//! A real plume over real TCP: answers after durability, nothing lost over `kill -9`, books that balance.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Link, MN, Site, command, frame, minute_packet};

/// Moments that are neither in the future nor beyond the oldest year.
fn stamp(minute: u32) -> String {
    format!("20260117{:02}{:02}00", 8 + minute / 60, minute % 60)
}

fn packet(minute: u32) -> String {
    minute_packet(
        MN,
        &format!("20260117{:09}", 100_000_000 + minute),
        &stamp(minute),
        "21.5",
    )
}

#[test]
fn what_was_answered_survives_a_kill_and_the_books_balance() {
    let site = Site::new("");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for minute in 0..20 {
        link.send(packet(minute).as_bytes()).unwrap();
        link.answer().unwrap();
    }
    running.kill();

    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    // A repeat is answered again and kept once; a stranger waits in quarantine, answered; garbage is kept and not
    // answered.
    link.send(packet(3).as_bytes()).unwrap();
    link.answer().unwrap();
    link.send(minute_packet("DE0000000000000000000001", "20260117100000001", &stamp(0), "1").as_bytes())
        .unwrap();
    link.answer().unwrap();
    link.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    link.send(packet(21).as_bytes()).unwrap();
    link.answer().unwrap();
    drop(link);
    assert!(running.stop(), "a graceful stop succeeds");

    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["balanced"], true, "{stats}");
    assert_eq!(
        (&stats["archived"], &stats["repeats"]),
        (&21.into(), &1.into()),
        "{stats}"
    );
    assert_eq!(stats["quarantined"], 2, "{stats}");
    assert_eq!(stats["waiting"], 0, "{stats}");
    assert_eq!(stats["packets_in"], 24, "{stats}");
}

#[test]
fn wrong_checksums_and_wrong_passwords_are_met_with_silence() {
    let site = Site::new("");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    let mut broken = packet(0).into_bytes();
    let at = broken.len() - 6;
    broken[at..at + 4].copy_from_slice(b"0000");
    link.send(&broken).unwrap();
    let body = "CP=&&DataTime=20260117080100;a21026-Avg=21.5,a21026-Flag=N&&";
    let stranger = format!("QN=20260117100000009;ST=31;CN=2051;PW=999999;MN={MN};Flag=5;{body}");
    link.send(frame(&stranger).as_bytes()).unwrap();
    // The next good packet is the first one answered.
    link.send(packet(2).as_bytes()).unwrap();
    assert_eq!(link.answer().unwrap(), format!("20260117{:09}", 100_000_002));
    let metrics = running.get("/metrics");
    assert!(metrics.contains("plume_ingest_"), "{metrics}");
    assert_eq!(running.get("/healthz"), "ok\n");
    assert_eq!(running.get("/readyz"), "ready\n");
}

#[test]
fn stats_asks_the_plume_that_runs() {
    let site = Site::new("");
    let running = site.start();
    let (fine, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(fine && text.contains("balanced"), "{text}");
    let (fine, text) = site.plume(&["run", "--config", "plume.toml"]);
    assert!(
        !fine && text.contains("hint"),
        "a second plume in one directory says why it cannot: {text}"
    );
    drop(running);
}

/// A plume that is starting has its log open before it answers, and one that is stopping for a while after.
#[test]
fn stats_waits_for_a_plume_that_does_not_answer_yet() {
    let site = Site::new("");
    let running = site.start();
    let (announced, hidden) = (site.data().join("state/run.json"), site.data().join("state/run.hidden"));
    std::fs::rename(&announced, &hidden).unwrap();
    let mut stats = command();
    stats
        .args(["stats", "--config", "plume.toml"])
        .current_dir(site.dir.path());
    let mut stats = stats.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut errors = BufReader::new(stats.stderr.take().unwrap());
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("does not answer yet"), "{said}");
    std::fs::rename(&hidden, &announced).unwrap();
    let answered = stats.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&answered.stdout);
    assert!(answered.status.success() && text.contains("balanced"), "{text}");
    drop(running);
}

/// More outlets than one record of the log can name: the registry goes in parts, and devices at its end are known.
#[test]
fn a_bureau_with_thousands_of_outlets_is_registered() {
    let site = Site::new("");
    let path = site.dir.path().join("registry.toml");
    let mut registry = std::fs::read_to_string(&path).unwrap();
    let last = "LAST00000000000000002200".to_owned();
    for n in 1..=2_200 {
        let (outlet, mn) = (format!("91330100MA27X0AB1C:D{n:05}"), format!("LAST{n:020}"));
        write!(
            registry,
            "[[outlet]]\nid = \"{outlet}\"\nenterprise = \"91330100MA27X0AB1C\"\nnumber = \"D{n:05}\"\n\
             name = \"{n}号排放口，名称较长以接近真实档案\"\n\
             [[outlet.factor]]\ncode = \"a21026\"\nreference_o2_pct = \"6\"\n\
             [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\n\
             clause = \"排污许可证副本第二章表3，按登记内容逐项执行\"\n\
             [[source]]\nmn = \"{mn}\"\npassword = \"123456\"\noutlet = \"{outlet}\"\n"
        )
        .unwrap();
    }
    std::fs::write(&path, registry).unwrap();
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    link.send(minute_packet(&last, "20260117100000001", &stamp(0), "21.5").as_bytes())
        .unwrap();
    link.answer().unwrap();
    drop(link);
    assert!(running.stop());
    let kept = std::fs::metadata(site.data().join("state/registry.json")).unwrap();
    assert!(kept.len() > 1_000_000, "{} bytes would fit one record", kept.len());
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine && text.contains("\"archived\":1"), "{text}");
}
