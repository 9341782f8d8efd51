//! A device that sent before it was registered: its packets wait, and are archived once it is.

use crate::editions::now;
use crate::support::{Link, Site, minute_packet};
use plume_schemas::time::MINUTE_MS;

const NEW: &str = "NEW000000000000000000001";

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
