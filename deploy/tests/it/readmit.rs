//! A device that sent before it was registered: its packets wait, and are archived once it is.

use crate::editions::now;
use crate::support::{Link, Site, location, minute_packet};
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

/// The same on the desk: an administrator reads what the packets say, chooses a limit, and one click registers the
/// device and takes its packets.
#[test]
fn a_waiting_device_is_registered_on_the_desk() {
    let site = Site::new("");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for minute in 0..3 {
        let at = now().floor(MINUTE_MS).plus((minute - 40) * 10 * MINUTE_MS);
        link.send(minute_packet(NEW, &at.stamp17(), &at.stamp14(), "21.5").as_bytes())
            .unwrap();
        link.answer().unwrap();
    }
    drop(link);
    let visit = |role: &str| {
        let (fine, enter) = site.plume(&["enter", "--data", site.data().to_str().unwrap(), "--role", role]);
        assert!(fine, "{enter}");
        running.visit(&enter)
    };
    let page = format!("/waiting/{NEW}");
    let officer = visit("city_duty");
    assert!(!officer.get("/waiting").contains(NEW) && !officer.get(&page).contains("a21026"));
    let admin = visit("admin");
    assert!(admin.get("/waiting").contains("2051×3"));
    let form = admin.get(&format!("{page}?industry=thermal_power_coal"));
    for part in ["HJ 212-2017", "10 min", "limit-a21026", "L010"] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert!(!form.contains("123456"), "no password is shown: {form}");
    let mut fields = vec![
        ("industry", "thermal_power_coal"),
        ("enterprise", "91330100MA27X0AB1C"),
        ("outlet", "DA009"),
        ("outlet_name", "9号炉"),
        ("password", "keep"),
        ("limit-a21026", "L010"),
    ];
    let (head, _) = officer.post(&page, &fields);
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    fields[1] = ("enterprise", "913301000000000001");
    let (head, text) = admin.post(&page, &fields);
    assert!(
        head.starts_with("HTTP/1.1 422") && text.contains("give its name"),
        "{text}"
    );
    fields[1] = ("enterprise", "91330100MA27X0AB1C");
    let (head, text) = admin.post(&page, &fields);
    assert!(location(&head).contains("taken=3&still=0"), "{head}{text}");
    let rows = admin.get("/registry/rows?of=91330100MA27X0AB1C:DA009");
    for part in ["9号炉", "L010", ">35</td>", NEW, "******"] {
        assert!(rows.contains(part), "{part}: {rows}");
    }
    assert!(!admin.get("/waiting").contains(&page));
    assert!(visit("audit").get("/audit").contains("一键建档"));
    assert!(running.stop());
    let (balanced, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(balanced && text.contains("\"archived\":3"), "{text}");
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
