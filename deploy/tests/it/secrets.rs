//! Secrets planted wherever a bureau has some, and looked for wherever something leaves plume: log lines at their most
//! talkative, metrics, status and the 系统 page, doctor, what backup and upgrade print, complaints about a broken
//! configuration, and the file for support.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Link, MN, Running, Site, frame, minute_packet};

const MAIL: &str = "planted-mail-password";
const SECRET: &str = "planted-webhook-secret";
const ADDRESS: &str = "planted-robot-key";
const HEADER: &str = "planted-header-token";
const SM4: &str = "plantedsm4key016";
const DEVICE: &str = "473829";
const WRONG: &str = "918273";
const PHONE: &str = "13900001234";
const PLANTED: [&str; 7] = [MAIL, SECRET, ADDRESS, HEADER, SM4, DEVICE, WRONG];

fn none_of(planted: &[&str], place: &str, text: &str) {
    for secret in planted {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} stands in {place}: {line:?}");
    }
}

fn planted_site() -> Site {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new(&format!(
        "[log]\nfilter = \"debug\"\n\
         [alert.mail]\nenabled = true\nhost = \"127.0.0.1\"\nport = {}\ntls = \"starttls\"\nusername = \"plume\"\n\
         password = \"{MAIL}\"\ntimeout_ms = 500\n\
         [[alert.channel]]\ntype = \"webhook\"\nname = \"hook\"\nurl = \"http://{closed}/hook?key={ADDRESS}\"\n\
         secret = \"{SECRET}\"\ncarries = [\"sms\"]\ntimeout_ms = 500\n\
         [[alert.channel]]\ntype = \"template\"\nname = \"robot\"\nurl = \"http://{closed}/robot?key={ADDRESS}\"\n\
         content_type = \"application/json\"\nheaders = {{ Authorization = \"Bearer {HEADER}\" }}\nbody = \"{{}}\"\n\
         carries = [\"voice\"]\nsigning = \"none\"\nsecret = \"\"\nsuccess_pointer = \"\"\nsuccess_value = \"\"\n\
         timeout_ms = 500\n",
        closed.port()
    ));
    let dir = site.dir.path();
    let config = fs::read_to_string(dir.join("plume.toml")).unwrap();
    fs::write(
        dir.join("plume.toml"),
        config.replacen("[ingest]\n", "[ingest]\nkeys_file = \"keys.toml\"\n", 1),
    )
    .unwrap();
    fs::write(
        dir.join("keys.toml"),
        format!("[[device]]\nmn = \"M1\"\nkey = \"{SM4}\"\n"),
    )
    .unwrap();
    let registry = fs::read_to_string(dir.join("registry.toml")).unwrap();
    assert!(registry.contains(PHONE), "the example's contact has this number");
    fs::write(
        dir.join("registry.toml"),
        registry.replace("password = \"123456\"", &format!("password = \"{DEVICE}\"")),
    )
    .unwrap();
    for name in ["plume.toml", "keys.toml"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    site
}

/// A wrong password, a wrong checksum, garbage that holds a password, and a good packet.
fn send_secrets(running: &Running) {
    let mut link = Link::open(running.devices).unwrap();
    let good = minute_packet(MN, "20260117100000001", "20260117080000", "21.5");
    let body = |pw: &str| {
        let packet = good.trim_end();
        let inner: String = packet.chars().skip(6).collect();
        let inner = inner.split("&&").take(2).collect::<Vec<_>>().join("&&") + "&&";
        frame(&inner.replace("123456", pw))
    };
    link.send(body(WRONG).as_bytes()).unwrap();
    link.send(body(DEVICE).replace("21.5", "21.6").as_bytes()).unwrap();
    link.send(format!("GET /?PW={WRONG};x HTTP/1.1\r\n\r\n").as_bytes())
        .unwrap();
    link.send(body(DEVICE).as_bytes()).unwrap();
    link.answer().unwrap();
}

/// A configuration with mistakes: what check, a reload and the support file say of it.
fn break_the_configuration(site: &Site, running: &Running, whole: &str) {
    for broken in [
        whole.replace(&format!("\"{MAIL}\""), &format!("\"{MAIL}")),
        whole.replace(&format!("password = \"{MAIL}\""), &format!("pasword = \"{MAIL}\"")),
        whole.replace(&format!("\"{SECRET}\""), &format!("[\"{SECRET}\"]")),
    ] {
        fs::write(site.dir.path().join("plume.toml"), broken).unwrap();
        running.signal("HUP");
        let (fine, check) = site.plume(&["check", "--config", "plume.toml"]);
        assert!(!fine, "{check}");
        none_of(&PLANTED, "a complaint", &check);
        let (_, _) = site.plume(&["support", "--config", "plume.toml", "--out", "broken.txt"]);
        none_of(
            &PLANTED,
            "broken.txt",
            &fs::read_to_string(site.dir.path().join("broken.txt")).unwrap(),
        );
    }
}

/// What a backup says of itself: its content has all secrets, its list and what backup and restore print has none.
fn list_a_backup(site: &Site) {
    let (fine, text) = site.plume(&["backup", "--config", "plume.toml", "--to", "backups"]);
    assert!(fine, "{text}");
    none_of(&PLANTED, "backup", &text);
    let backup = site
        .dir
        .path()
        .join(text.lines().find(|line| line.contains("plume-backup-")).unwrap());
    none_of(
        &PLANTED,
        "backup.json",
        &fs::read_to_string(backup.join("backup.json")).unwrap(),
    );
    let kept = fs::read_to_string(backup.join("conf/plume.toml")).unwrap();
    assert!(kept.contains(MAIL), "a restored host can send mail");
    let (fine, text) = site.plume(&[
        "restore",
        backup.to_str().unwrap(),
        "--data",
        "again",
        "--conf",
        "again-conf",
    ]);
    assert!(fine, "{text}");
    none_of(&PLANTED, "restore", &text);
}

#[test]
fn no_secret_leaves_by_logs_metrics_complaints_or_the_support_file() {
    let site = planted_site();
    let running = site.start();
    send_secrets(&running);
    let (_, test) = site.plume(&[
        "notify",
        "test",
        "--config",
        "plume.toml",
        "--channel",
        "sms",
        "--to",
        "1",
    ]);
    none_of(&PLANTED, "a channel that does not answer", &test);
    for page in ["/metrics", "/status", "/stats?text", "/readyz"] {
        none_of(&PLANTED, page, &running.get(page));
    }
    for command in ["doctor", "status", "stats", "check"] {
        let (_, text) = site.plume(&[command, "--config", "plume.toml"]);
        none_of(&PLANTED, command, &text);
    }
    let (_, upgrade) = site.plume(&["upgrade", "--check", "--config", "plume.toml"]);
    none_of(&PLANTED, "upgrade", &upgrade);
    let (_, link) = site.plume(&["enter", "--data", "data", "--role", "admin"]);
    let system = running.page(&link, "/system");
    assert!(system.contains("系统"), "{system}");
    none_of(&PLANTED, "the 系统 page", &system);
    list_a_backup(&site);

    let config = site.dir.path().join("plume.toml");
    let whole = fs::read_to_string(&config).unwrap();
    break_the_configuration(&site, &running, &whole);
    fs::write(&config, whole).unwrap();
    let log = site.dir.path().join("plume.log");
    let rumour = format!("password {MAIL}, PW={WRONG}; call {PHONE}\n");
    fs::write(&log, &rumour).unwrap();
    let (fine, text) = site.plume(&["support", "--config", "plume.toml", "--log", "plume.log"]);
    assert!(fine && text.contains("read it before you send it"), "{text}");
    let bundle = fs::read_to_string(site.dir.path().join("plume-support.txt")).unwrap();
    none_of(&PLANTED, "the support file", &bundle);
    none_of(&[PHONE, "li@example.com"], "the support file", &bundle);
    for section in ["doctor", "configuration", "/metrics", "formats", "plume.log"] {
        assert!(
            bundle.contains(&format!("===== {section}")) || bundle.contains(section),
            "{section} in {bundle}"
        );
    }
    assert!(
        bundle.contains("plume_ingest_") && bundle.contains("password ******"),
        "{bundle}"
    );
    let (fine, log) = running.stop_with_log();
    assert!(
        fine && log.contains("DEBUG"),
        "the most talkative log is looked at: {log}"
    );
    none_of(&PLANTED, "the log", &log);
}

#[test]
fn an_upgrade_is_checked_before_it_is_made() {
    let site = Site::new("");
    let running = site.start();
    assert!(running.stop());
    let check = ["upgrade", "--check", "--config", "plume.toml"];
    let (fine, text) = site.plume(&check);
    for part in ["upgrade_log", "upgrade_archive", "upgrade_desk"] {
        assert!(fine && text.contains(part), "{part} in {text}");
    }
    // A log of a version that is not known yet.
    let segment = fs::read_dir(site.data().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let segment = segment
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "log"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 9;
    fs::write(&segment, bytes).unwrap();
    let (fine, text) = site.plume(&check);
    assert!(!fine && text.contains("log format 9"), "{text}");
    let (fine, text) = site.plume(&["run", "--config", "plume.toml"]);
    assert!(
        !fine && text.contains("hint"),
        "an unknown log is refused, not mended: {text}"
    );
}
