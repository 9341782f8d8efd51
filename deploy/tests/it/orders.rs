//! `plume command` against a running plume with a device that obeys.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plume_ingest::hj212::encode::frame;

use crate::editions::now;
use crate::support::device::play;
use crate::support::{MN, Site};

#[test]
fn orders_reach_the_device_and_are_recorded() {
    let site = Site::new("");
    let running = site.start();
    let stop = AtomicBool::new(false);
    let command = |more: &[&str]| site.plume(&[&["command"][..], more, &["--config", "plume.toml"]].concat());
    std::thread::scope(|scope| {
        let device = scope.spawn(|| play(MN, running.devices, &stop));
        let (fine, text) = command(&["read-time", "--mn", MN, "--by", "王工"]);
        assert!(
            fine && text.contains("SystemTime = 20") && text.contains("执行成功"),
            "{text}"
        );
        let (fine, text) = command(&["set-realtime-interval", "--mn", MN, "--value", "60"]);
        assert!(
            fine && text.contains("设置实时数据间隔") && text.contains("ExeRtn=1 "),
            "{text}"
        );
        let (fine, text) = command(&["read-realtime-interval", "--mn", MN, "--json"]);
        assert!(fine && text.contains(r#"["RtdInterval","60"]"#), "{text}");
        let (fine, text) = command(&["realtime-off", "--mn", MN]);
        assert!(fine && text.contains("9013"), "{text}");
        let old = ["--from", "2026-01-01T00:00", "--to", "2026-01-01T05:00"];
        let (fine, text) = command(&[&["hours", "--mn", MN][..], &old].concat());
        assert!(!fine && text.contains("ExeRtn=100 没有数据 / no data"), "{text}");
        stop.store(true, Ordering::Relaxed);
        device.join().unwrap();
    });
    let (fine, text) = command(&["read-time", "--mn", "FFFF"]);
    assert!(!fine && text.contains("not in the registry"), "{text}");
    let (fine, text) = command(&["set-realtime-interval", "--mn", MN, "--value", "5"]);
    assert!(!fine && text.contains("30 to 3600"), "{text}");
    let (fine, text) = command(&["reboot", "--mn", MN]);
    assert!(!fine && text.contains("read-time"), "{text}");
    for guarded in [
        &["calibrate", "--factor", "a21026"][..],
        &["set-key"],
        &["set-password", "--value", "abc123"],
    ] {
        let (fine, text) = command(&[guarded, &["--mn", MN]].concat());
        assert!(!fine && text.contains("no permit for it is in force"), "{text}");
    }

    let mut page = TcpStream::connect(running.admin).unwrap();
    let ask = "POST /command HTTP/1.0\r\nOrigin: http://example.com\r\nContent-Length: 2\r\n\r\n{}";
    page.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 403"),
        "a web page gives no orders: {answer}"
    );

    let (fine, listed) = command(&["--list"]);
    assert!(
        fine && listed.contains("  王工  ") && listed.contains("→ ExeRtn=100 没有数据"),
        "{listed}"
    );
    let (fine, listed) = command(&["--list", "--json"]);
    assert!(fine, "{listed}");
    assert_eq!(listed.matches("\"by\":\"王工\"").count(), 1, "{listed}");
    assert_eq!(listed.matches("\"outcome\":\"done\"").count(), 5, "{listed}");
    assert!(!listed.contains("123456"), "the password is shown: {listed}");
    assert!(running.get("/metrics").contains("plume_ingest_orders_total 5"));
}

/// A device asks for the time: it is answered, and the clock it is sent is recorded like any other order.
#[test]
fn a_device_that_asks_for_the_time_is_sent_it() {
    let site = Site::new("");
    let running = site.start();
    let mut stream = TcpStream::connect(running.devices).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let qn = now().stamp17();
    let asks = format!("QN={qn};ST=31;CN=1013;PW=123456;MN={MN};Flag=5;CP=&&PolId=a21026&&");
    stream.write_all(&frame(asks.as_bytes())).unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 1024];
    while heard.matches("\r\n").count() < 2 {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{heard}");
        heard += &String::from_utf8_lossy(&buffer[..count]);
    }
    let (answer, order) = heard.split_once("\r\n").unwrap();
    assert!(answer.contains(&format!("QN={qn};ST=91;CN=9013;")), "{answer}");
    assert!(
        order.contains("CN=1012;PW=123456;") && order.contains("PolId=a21026;SystemTime=20"),
        "{order}"
    );
    let (fine, listed) = site.plume(&["command", "--list", "--config", "plume.toml"]);
    assert!(fine && listed.contains("device (1013)"), "{listed}");
}
