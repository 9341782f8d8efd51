//! A device that sent before it was registered: its packets wait, and are archived once it is.

use crate::editions::now;
use crate::support::{Link, Site, minute_packet};
use plume_schemas::time::MINUTE_MS;

const NEW: &str = "NEW000000000000000000001";

/// 一键建档: what waits says what it is, a person says whose; the packets are judged and archived, and a restart with the
/// same file of the registry knows the device.
#[test]
fn a_waiting_device_is_registered_from_its_packets() {
    let site = Site::new("");
    let run = |args: &[&str]| site.plume(&[&["quarantine"], args, &["--config", "plume.toml"]].concat());
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for minute in 0..3 {
        let at = now().floor(MINUTE_MS).plus((minute - 40) * 10 * MINUTE_MS);
        link.send(minute_packet(NEW, &at.stamp17(), &at.stamp14(), "21.5").as_bytes())
            .unwrap();
        link.answer().unwrap();
    }
    drop(link);
    let (fine, text) = run(&["waiting"]);
    for part in [NEW, "ST=31", "2051×3", "every 10 min", "factors: a21026"] {
        assert!(fine && text.contains(part), "{part} in {text}");
    }
    let (fine, json) = run(&["waiting", "--json"]);
    assert!(fine && !json.contains("123456"), "no password is shown: {json}");
    let register = |mn: &str, more: &[&str]| run(&[&["register", "--mn", mn, "--outlet", "DA009"], more].concat());
    let (fine, text) = register(NEW, &["--enterprise", "913301000000000001"]);
    assert!(!fine && text.contains("give its name"), "{text}");
    let (fine, text) = register("NOBODY", &["--enterprise", "913301000000000001"]);
    assert!(!fine && text.contains("no packets that wait"), "{text}");
    let named = [
        "--enterprise",
        "91330100MA27X0AB1C",
        "--outlet-name",
        "9号炉",
        "--keep-password",
        "--by",
        "王工",
    ];
    let (fine, text) = register(NEW, &named);
    assert!(fine && text.contains("3 packets taken, still set aside: 0"), "{text}");
    let (fine, text) = run(&["waiting"]);
    assert!(fine && text.contains("no device waits"), "{text}");
    let (fine, text) = register(NEW, &named);
    assert!(!fine && text.contains("or is registered"), "{text}");
    assert!(running.stop());
    let (balanced, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(balanced, "{text}");
    let columns = [
        "query",
        "packets",
        "--columns",
        "mn,outlet,verdict",
        "--format",
        "json",
        "--config",
        "plume.toml",
    ];
    let (fine, rows) = site.plume(&columns);
    let own = rows
        .lines()
        .filter(|row| row.contains(NEW) && row.contains("DA009") && row.contains("accepted"));
    assert!(fine && own.count() == 3, "{rows}");

    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    let at = now().floor(MINUTE_MS).plus(-10 * MINUTE_MS);
    link.send(minute_packet(NEW, &at.stamp17(), &at.stamp14(), "21.6").as_bytes())
        .unwrap();
    link.answer().unwrap();
    let (fine, text) = run(&["waiting"]);
    assert!(
        fine && text.contains("no device waits"),
        "after a restart it is known: {text}"
    );
    assert!(running.stop());
}

#[test]
fn packets_wait_for_the_registration_of_their_device() {
    let site = Site::new("");
    let readmit = || site.plume(&["quarantine", "readmit", "--mn", NEW, "--config", "plume.toml"]);
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for minute in 0..3 {
        let at = now().plus((minute - 10) * MINUTE_MS);
        let packet = minute_packet(NEW, &at.stamp17(), &at.floor(MINUTE_MS).stamp14(), "21.5");
        link.send(packet.as_bytes()).unwrap();
        assert_eq!(
            link.answer().unwrap(),
            at.stamp17(),
            "it is answered though nobody knows it"
        );
    }
    drop(link);
    let (fine, text) = readmit();
    assert!(!fine && text.contains("is not in the registry"), "{text}");
    assert!(running.stop());

    let path = site.dir.path().join("registry.toml");
    let registry = std::fs::read_to_string(&path).unwrap();
    let source =
        format!("\n[[source]]\nmn = \"{NEW}\"\noutlet = \"91330100MA27X0AB1C:DA001\"\nminute_interval_min = 1\n");
    std::fs::write(&path, registry + &source).unwrap();
    let running = site.start();
    let (fine, text) = readmit();
    assert!(fine && text.contains("3 packets taken, still set aside: 0"), "{text}");
    let (fine, text) = readmit();
    assert!(fine && text.contains("0 packets taken"), "{text}");
    assert!(running.stop());
    let (balanced, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(balanced, "{text}");
    let query = [
        "query",
        "packets",
        "--columns",
        "mn,verdict",
        "--format",
        "json",
        "--config",
        "plume.toml",
    ];
    let (fine, rows) = site.plume(&query);
    assert!(fine, "{rows}");
    let own = rows.lines().filter(|row| row.contains(NEW));
    assert_eq!(own.filter(|row| row.contains("accepted")).count(), 3, "{rows}");
    let (fine, text) = readmit();
    assert!(fine && text.contains("0 packets taken"), "with a stopped plume: {text}");
}
