//! `plume conformance`: of a device's packets in the archive, and on site from the device itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use plume_schemas::time::{MINUTE_MS, Time};

use crate::editions::now;
use crate::support::{Link, MN, Site, frame};

/// A minute of 2025 in clear, with a flow that is m³/h and a corrected value that is wrong.
fn packet(minute: Time) -> String {
    let (qn, data_time) = (now().stamp17(), minute.floor(MINUTE_MS).stamp14());
    frame(&format!(
        "QN={qn};ST=31;CN=2051;PW=123456;MN={MN};Flag=9;CP=&&DataTime={data_time};\
         a00000-Min=7000,a00000-Avg=7200,a00000-Max=7400,a00000-Flag=N;\
         a21026-Min=20.00,a21026-Avg=20.00,a21026-Max=20.00,a21026-ZsAvg=20.00,a21026-Flag=N;\
         a19001-Min=9.00,a19001-Avg=9.00,a19001-Max=9.00,a19001-Flag=N&&"
    ))
}

/// Twelve minutes of a device, each answered; the one before the last is missing.
fn speak(to: SocketAddr) {
    let mut link = Link::open(to).unwrap();
    let last = now().plus(-MINUTE_MS);
    for back in (0..12).rev().filter(|back| *back != 1) {
        link.send(packet(last.plus(-back * MINUTE_MS)).as_bytes()).unwrap();
        link.answer().unwrap();
    }
}

#[test]
fn a_device_of_the_registry_is_reported_on_from_the_log_and_the_archive() {
    let site = Site::new("");
    let path = site.dir.path().join("registry.toml");
    let registry = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        registry.replace("minute_interval_min = 10", "minute_interval_min = 1"),
    )
    .unwrap();
    let running = site.start();
    speak(running.devices);
    let json: serde_json::Value = serde_json::from_str(&running.get(&format!("/conformance?mn={MN}&last=2h"))).unwrap();
    let codes: Vec<&str> = json["departures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    for code in ["flow_per_hour", "missed", "field_missing"] {
        assert!(codes.contains(&code), "{code} is not in {codes:?}");
    }
    assert_eq!((&json["verdict"], &json["packets"]), (&"fails".into(), &11.into()));
    assert!(running.get("/conformance?mn=x&last=1y").contains("up to 31d"));

    // The officer's page says the same.
    let data = site.data();
    let enter = ["enter", "--data", data.to_str().unwrap(), "--role", "city_duty"];
    let (fine, link) = site.plume(&enter);
    assert!(fine, "{link}");
    let page = running.page(&link, &format!("/devices/{MN}/conformance"));
    for words in [
        "不符合：有错误须先改正",
        "废气流量像是按 m³/h 发送",
        "上传间隔",
        "设备时钟",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("123456"), "the password is shown: {page}");

    let args = ["conformance", "--mn", MN, "--config", "plume.toml"];
    let (fine, text) = site.plume(&args);
    assert!(
        !fine && text.contains("像是按 m³/h 发送") && text.contains("不符合"),
        "{text}"
    );
    assert!(text.contains("PW=******") && !text.contains("123456"), "{text}");
    assert!(running.stop());
    let (fine, text) = site.plume(&[&args[..], &["--lang", "en"]].concat());
    assert!(
        !fine && text.contains("exhaust flow looks like m³/h"),
        "of a stopped plume: {text}"
    );
    let (fine, text) = site.plume(&["conformance", "--mn", "FFFF", "--config", "plume.toml"]);
    assert!(!fine && text.contains("no packets of it"), "{text}");
}

#[test]
fn on_site_packets_are_kept_before_they_are_answered_and_the_report_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_plume"))
        .args([
            "conformance",
            "--listen",
            "127.0.0.1:0",
            "--keep",
            "kept.log",
            "--lang",
            "en",
        ])
        .current_dir(dir.path())
        .env_remove("PLUME_CONFIG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        word.split('；').next().and_then(|word| word.parse::<SocketAddr>().ok())
    });
    let address = address.unwrap_or_else(|| panic!("no address in {line}"));
    speak(address);
    let kept = std::fs::read_to_string(dir.path().join("kept.log")).unwrap();
    assert_eq!(kept.matches("CN=2051").count(), 11, "what was answered is kept");
    // Bytes of no protocol are shown as what they are.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("← ##") && text.contains("→ ##") && text.contains("CN=9014"),
        "{text}"
    );
    assert!(text.contains(&format!("conformance report  MN {MN}")), "{text}");
    assert!(text.contains("exhaust flow looks like m³/h"), "{text}");
    assert!(!text.contains("123456"), "{text}");
}
