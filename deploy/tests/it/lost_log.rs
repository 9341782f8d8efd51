//! A log that somebody deleted: plume goes on, takes no new record for an old one, and stops well.

use std::fs;

use serde_json::Value;

use crate::support::{Link, MN, Running, Site, minute_packet};

/// Sends minutes of one hour, each answered.
fn send(running: &Running, minutes: std::ops::Range<u32>) {
    let mut link = Link::open(running.devices).unwrap();
    for minute in minutes {
        let (qn, at) = (
            format!("2026011712{minute:02}00001"),
            format!("2026011710{minute:02}00"),
        );
        link.send(minute_packet(MN, &qn, &at, "21.5").as_bytes()).unwrap();
        link.answer().unwrap();
    }
}

fn stats(site: &Site) -> Value {
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_plume_whose_log_was_deleted_archives_what_comes_and_stops_well() {
    let site = Site::new("");
    let running = site.start();
    send(&running, 0..20);
    assert!(running.stop());
    assert_eq!(stats(&site)["archived"], 20);
    fs::remove_dir_all(site.data().join("log")).unwrap();

    let running = site.start();
    send(&running, 20..25);
    assert_eq!(running.get("/readyz"), "ready\n");
    let (fine, log) = running.stop_with_log();
    assert!(fine && log.contains("the log is gone: it begins anew"), "{log}");
    let after = stats(&site);
    assert_eq!(
        (&after["archived"], &after["repeats"], &after["waiting"]),
        (&25.into(), &0.into(), &0.into()),
        "{after}"
    );

    // Once more, after a kill: what the archive had not read is lost, and said; the judge's memory is gone as well.
    let running = site.start();
    send(&running, 25..30);
    running.kill();
    fs::remove_dir_all(site.data().join("log")).unwrap();
    for entry in fs::read_dir(site.data().join("state")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "ckpt") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let running = site.start();
    send(&running, 30..40);
    assert!(running.stop());
    let last = stats(&site);
    assert_eq!(
        (&last["balanced"], &last["waiting"]),
        (&true.into(), &0.into()),
        "{last}"
    );
    let archived = last["archived"].as_u64().unwrap();
    assert!((35..=40).contains(&archived), "{last}");
    let (fine, text) = site.plume(&["verify", "--config", "plume.toml"]);
    assert!(!fine && text.contains("reports/0"), "what was lost is said: {text}");
}
