//! `plume init`, `doctor`, `status`: what whoever looks after plume is told.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Link, MN, Site, minute_packet};

/// What `plume doctor --json` found, by code, and whether it called plume fit to run.
fn doctor(site: &Site) -> (bool, BTreeMap<String, Value>) {
    let (fine, text) = site.plume(&["doctor", "--json", "--config", "plume.toml"]);
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let by_code = findings
        .into_iter()
        .map(|finding| (finding["code"].as_str().unwrap().to_owned(), finding));
    (fine, by_code.collect())
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Changes a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

fn only_segment(site: &Site) -> std::path::PathBuf {
    let mut entries = fs::read_dir(site.data().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .find(|path| path.extension().is_some_and(|ending| ending == "log"))
        .unwrap()
}

#[test]
fn a_fresh_site_has_no_error() {
    let site = Site::new("");
    let (fine, found) = doctor(&site);
    assert!(fine, "{found:?}");
    assert!(found.contains_key("no_channel"), "{found:?}");
    let running = site.start();
    let (fine, found) = doctor(&site);
    assert!(fine, "a running plume holds its ports itself: {found:?}");
    assert!(running.stop());
    let (fine, found) = doctor(&site);
    assert!(fine, "{found:?}");
}

/// A site that has run, with thirty packets in its log.
fn used_site() -> Site {
    let site = Site::new("");
    let running = site.start();
    let mut link = Link::open(running.devices).unwrap();
    for minute in 0..30 {
        let (qn, at) = (
            format!("202601171000{minute:02}001"),
            format!("202601170900{minute:02}"),
        );
        link.send(minute_packet(MN, &qn, &at, "21.5").as_bytes()).unwrap();
        link.answer().unwrap();
    }
    drop(link);
    assert!(running.stop());
    site
}

/// Faults of the configuration and of what it names: the address that devices find taken, and a closed port for mail.
fn plant_in_configuration(site: &Site, held: &TcpListener) {
    let dir = site.dir.path();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = dir.join("plume.toml");
    let taken = format!(
        "listen = \"{}\"\nkeys_file = \"keys.toml\"\ntick",
        held.local_addr().unwrap()
    );
    rewrite(&config, "listen = \"127.0.0.1:0\"\ntick", &taken);
    rewrite(
        &config,
        "[admin]\nlisten = \"127.0.0.1:0\"",
        "[admin]\nlisten = \"0.0.0.0:0\"",
    );
    let ended = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ended.pem");
    let mail = format!(
        "[bus]\nmax_bytes = 1152921504606846976\n[alert.mail]\nenabled = true\nhost = \"127.0.0.1\"\nport = {closed}\n\
         tls = \"none\"\nca_file = \"{}\"\ntimeout_ms = 2000\n",
        ended.display()
    );
    fs::write(&config, fs::read_to_string(&config).unwrap() + &mail).unwrap();
    let keys = dir.join("keys.toml");
    fs::write(&keys, "[[device]]\nmn = \"M1\"\nkey = \"0123456789abcdef\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
}

fn plant_in_registry(site: &Site) {
    let registry = site.dir.path().join("registry.toml");
    let gaps = "[[enterprise]]\nid = \"91330100MA27X0AB2X\"\nname = \"无人可通知有限公司\"\n\
                [[outlet]]\nid = \"91330100MA27X0AB2X:DA009\"\nenterprise = \"91330100MA27X0AB2X\"\n\
                number = \"DA009\"\n";
    fs::write(&registry, fs::read_to_string(&registry).unwrap() + gaps).unwrap();
    rewrite(&registry, "password = \"123456\"", "");
}

fn plant_in_data(site: &Site) {
    let kept = site.data().join("state/registry.json");
    let kept = fs::File::options().append(true).open(kept).unwrap();
    let written = kept.metadata().unwrap().modified().unwrap();
    kept.set_modified(written + Duration::from_hours(1)).unwrap();
    damage(&only_segment(site));
    // Its first line: a last line that is not whole passes for one that was cut short.
    rewrite(&site.data().join("archive/manifest.jsonl"), "\"seq\":0", "\"seq\":9");
    // Half a file, without the pages that its write-ahead log would give back.
    let desk = site.data().join("desk.db");
    let bytes = fs::read(&desk).unwrap();
    fs::write(&desk, &bytes[..bytes.len() / 2]).unwrap();
    drop(fs::remove_file(desk.with_extension("db-wal")));
}

/// Every fault that can stand beside the others, planted at once.
#[test]
fn the_doctor_finds_what_is_planted() {
    let site = used_site();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    plant_in_configuration(&site, &held);
    plant_in_registry(&site);
    plant_in_data(&site);
    let (fine, found) = doctor(&site);
    assert!(!fine);
    let planted = [
        "port_devices",
        "admin_open",
        "disk_small",
        "mail_unreachable",
        "certificate_expired",
        "secrets_readable",
        "registry_no_device",
        "registry_no_limit",
        "registry_no_contact",
        "registry_no_password",
        "clock_back",
        "log_damaged",
        "archive_damaged",
        "desk_damaged",
    ];
    for code in planted {
        let finding = found
            .get(code)
            .unwrap_or_else(|| panic!("{code} was not found in {:?}", found.keys()));
        for part in ["zh", "en", "todo_zh", "todo_en"] {
            assert!(finding[part].as_str().unwrap().len() > 5, "{part} of {finding}");
        }
    }
    let contact = &found["registry_no_contact"];
    assert!(contact["zh"].as_str().unwrap().contains("无人可通知"), "{contact}");
    let (fine, text) = site.plume(&["doctor", "--config", "plume.toml"]);
    assert!(!fine && text.contains("→") && text.contains("端口"), "{text}");
}

/// The key that opens the devices' keys: missing, another one, open to others, beside what it locks.
#[test]
fn the_sealing_key_is_looked_at_before_a_start() {
    let site = Site::new("[keys]\nseal_file = \"seal.key\"\n");
    let check = || site.plume(&["check", "--config", "plume.toml"]);
    let (fine, text) = check();
    assert!(
        !fine && text.contains("seal.key") && text.contains("new-seal"),
        "{text}"
    );
    let new_seal = |name: &str| site.plume(&["keys", "new-seal", name]);
    let (fine, text) = new_seal("seal.key");
    assert!(fine, "{text}");
    let (fine, text) = check();
    assert!(fine, "{text}");
    let key = site.dir.path().join("seal.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, found) = doctor(&site);
    assert!(
        found["secrets_readable"]["en"].as_str().unwrap().contains("seal.key"),
        "{found:?}"
    );
    let data = site.data();
    fs::create_dir_all(data.join("state")).unwrap();
    rewrite(&site.dir.path().join("plume.toml"), "\"seal.key\"", "\"data/seal.key\"");
    fs::rename(&key, data.join("seal.key")).unwrap();
    let (_, found) = doctor(&site);
    assert!(found.contains_key("seal_key_place"), "{found:?}");

    // Keys of devices are sealed with it from the first start on; another key does not open them.
    let keys = format!("[[device]]\nmn = \"{MN}\"\nkey = \"0123456789abcdef\"\n");
    fs::write(site.dir.path().join("keys.toml"), keys).unwrap();
    let config = site.dir.path().join("plume.toml");
    rewrite(&config, "[ingest]\n", "[ingest]\nkeys_file = \"keys.toml\"\n");
    assert!(site.start().stop());
    assert!(data.join("state/keys.sealed").exists());
    fs::remove_file(data.join("seal.key")).unwrap();
    assert!(new_seal("data/seal.key").0);
    for finding in ["another key", "keys.sealed"] {
        let (fine, text) = check();
        assert!(!fine && text.contains(finding), "{text}");
    }
    let (fine, found) = doctor(&site);
    assert!(!fine, "{found:?}");
    let said = &found["seal_key"];
    assert!(
        said["todo_en"].as_str().unwrap().contains("do not make a new one"),
        "{said}"
    );
    rewrite(&config, "seal_file = \"data/seal.key\"", "seal_file = \"\"");
    let (fine, text) = check();
    assert!(!fine && text.contains("is not given"), "{text}");
}

#[test]
fn the_doctor_names_a_configuration_that_does_not_load_and_a_directory_that_cannot_be_written() {
    let site = Site::new("[nonsense]\n");
    let (fine, found) = doctor(&site);
    assert!(!fine && found.contains_key("config"), "{found:?}");

    let site = Site::new("");
    fs::write(site.dir.path().join("file"), "").unwrap();
    let data = site.data().display().to_string();
    rewrite(
        &site.dir.path().join("plume.toml"),
        &data,
        &format!("{}/file/data", site.dir.path().display()),
    );
    let (fine, found) = doctor(&site);
    assert!(!fine && found.contains_key("data_dir"), "{found:?}");

    let site = Site::new("");
    rewrite(
        &site.dir.path().join("registry.toml"),
        "value = \"35\"",
        "value = \"thirty\"",
    );
    let (fine, found) = doctor(&site);
    assert!(!fine && found.contains_key("registry"), "{found:?}");
}

#[test]
fn init_writes_a_configuration_that_runs_and_never_overwrites() {
    let site = Site::new("");
    let dir = site.dir.path().join("etc");
    let data = site.dir.path().join("var");
    let args = ["init", "--dir", "etc", "--data", data.to_str().unwrap()];
    let (fine, text) = site.plume(&args);
    assert!(fine && text.contains("plume doctor"), "{text}");
    let config = fs::read_to_string(dir.join("plume.toml")).unwrap();
    assert!(
        config.contains("# listen = \"0.0.0.0:9212\"") && config.contains(data.to_str().unwrap()),
        "{config}"
    );
    assert_eq!(
        fs::metadata(dir.join("plume.toml")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (fine, text) = site.plume(&["check", "--config", "etc/plume.toml"]);
    assert!(fine, "{text}");
    let (fine, text) = site.plume(&args);
    assert!(!fine && text.contains("is there already"), "{text}");
}

#[test]
fn status_says_how_plume_is_whether_it_runs_or_not() {
    let site = Site::new("");
    let running = site.start();
    let (fine, text) = site.plume(&["status", "--config", "plume.toml"]);
    assert!(fine && text.contains("backup_old") && text.contains("→"), "{text}");
    let (_, link) = site.plume(&["enter", "--data", site.data().to_str().unwrap(), "--role", "admin"]);
    let page = running.page(&link, "/system?lang=zh");
    assert!(page.contains("没有近期备份") && page.contains("plume backup"), "{page}");
    let metrics = running.get("/metrics");
    assert!(
        metrics.contains("plume_deploy_finding{code=\"backup_old\",grade=\"warning\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("plume_deploy_finding{code=\"judge_behind\",grade=\"error\"} 0"),
        "{metrics}"
    );
    assert!(running.stop());
    let (fine, text) = site.plume(&["status", "--config", "plume.toml"]);
    assert!(
        !fine && text.contains("not_running") && text.contains("balanced"),
        "{text}"
    );
}

/// What is wrong in a file never stops what runs: it says so, goes on with what it has, and takes the mended file.
#[test]
fn a_reload_with_errors_changes_nothing() {
    let site = Site::new("");
    let running = site.start();
    let (config, registry) = (
        site.dir.path().join("plume.toml"),
        site.dir.path().join("registry.toml"),
    );
    let (good_config, good_registry) = (
        fs::read_to_string(&config).unwrap(),
        fs::read_to_string(&registry).unwrap(),
    );
    let refused = |yes: bool| {
        // `/status` is worked out anew every few seconds: asked until it has heard, with a deadline.
        let deadline = Instant::now() + Duration::from_mins(1);
        while running.get("/status").contains("reload_refused") != yes {
            assert!(Instant::now() < deadline, "{}", running.get("/status"));
        }
    };
    fs::write(&config, "[ingest]\nlisen = 1\n").unwrap();
    running.signal("HUP");
    refused(true);
    fs::write(&config, &good_config).unwrap();
    running.signal("HUP");
    refused(false);
    fs::write(&registry, "nonsense").unwrap();
    running.signal("HUP");
    refused(true);
    let mut link = Link::open(running.devices).unwrap();
    link.send(minute_packet(MN, "20260117100000001", "20260117080000", "21.5").as_bytes())
        .unwrap();
    link.answer().unwrap();
    fs::write(&registry, good_registry).unwrap();
    running.signal("HUP");
    refused(false);
    let (fine, log) = running.stop_with_log();
    assert!(fine && log.contains("stays in force"), "{log}");
}

/// Intake with a link that sends and never reads, one that is idle, and many that are answered: the stop does not wait
/// for any of them.
#[test]
fn a_stop_takes_less_than_five_seconds() {
    let site = Site::new("");
    let running = site.start();
    let _idle = Link::open(running.devices).unwrap();
    let mut deaf = Link::open(running.devices).unwrap();
    for n in 0..200 {
        let packet = minute_packet(MN, &format!("20260117101000{n:03}"), "20260117100900", "21.5");
        deaf.send(packet.as_bytes()).unwrap();
    }
    let mut links: Vec<Link> = (0..50).map(|_| Link::open(running.devices).unwrap()).collect();
    for (n, link) in links.iter_mut().enumerate() {
        let packet = minute_packet(MN, &format!("20260117100000{n:03}"), "20260117080000", "21.5");
        link.send(packet.as_bytes()).unwrap();
        link.answer().unwrap();
    }
    let (fine, log) = running.stop_with_log();
    assert!(fine, "{log}");
    let took = log
        .split("took_ms=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let took: u64 = took.unwrap_or_else(|| panic!("{log}")).parse().unwrap();
    assert!(took < 5_000, "stopping took {took} ms:\n{log}");
}
