//! Webhooks and gateways against an HTTP receiver in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use plume_alert::config::{AlertConfig, ChannelConfig};
use plume_alert::{Desk, DeskError, Heard};
use plume_schemas::time::Clock;
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{World, config, duty, near};

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    target: String,
    headers: HashMap<String, String>,
    body: String,
}

/// Answers every POST with what it is told to; requests so far.
struct Receiver {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Receiver {
    async fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            answer: Arc::new(Mutex::new((status, body.to_owned()))),
        };
        let (requests, answer) = (Arc::clone(&receiver.requests), Arc::clone(&receiver.answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&requests), Arc::clone(&answer)));
            }
        });
        receiver
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn set(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }
}

async fn serve(
    stream: TcpStream,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<(u16, String)>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            match header.trim().split_once(": ") {
                Some((name, value)) => drop(headers.insert(name.to_lowercase(), value.to_owned())),
                None => break,
            }
        }
        let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let body = String::from_utf8(body).unwrap();
        requests.lock().unwrap().push(Request { target, headers, body });
        let (status, text) = answer.lock().unwrap().clone();
        let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(reply.as_bytes()).await?;
    }
}

fn with_channel(channel: serde_json::Value) -> AlertConfig {
    let mut config = config();
    config.console.enabled = false;
    config.channels = vec![serde_json::from_value::<ChannelConfig>(channel).unwrap()];
    config
}

fn webhook(port: u16) -> AlertConfig {
    with_channel(json!({
        "type": "webhook", "name": "bus", "url": format!("http://127.0.0.1:{port}/hook"), "secret": "s3cret",
        "carries": ["sms"], "timeout_ms": 2000,
    }))
}

/// A template to the receiver; `differs` replaces parts.
fn template(url: &str, body: &str, differs: &serde_json::Value) -> AlertConfig {
    let mut channel = json!({
        "type": "template", "name": "x", "url": url, "content_type": "application/json", "body": body,
        "carries": ["sms"], "signing": "none", "secret": "", "success_pointer": "", "success_value": "",
        "timeout_ms": 2000,
    });
    for (key, value) in differs.as_object().unwrap() {
        channel[key] = value.clone();
    }
    with_channel(channel)
}

#[tokio::test]
async fn a_webhook_is_signed_so_that_its_receiver_can_check_it() {
    let receiver = Receiver::start(204, "").await;
    let world = World::with(webhook(receiver.port)).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        let signature = &request.headers["plume-signature"];
        let (stamp, hex) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        assert_eq!(stamp, (world.now().0 / 1_000).to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(format!("{stamp}.{}", request.body).as_bytes());
        let bytes: Vec<u8> = (0..32)
            .map(|i| u8::from_str_radix(hex.get(i * 2..i * 2 + 2).unwrap(), 16).unwrap())
            .collect();
        mac.verify_slice(&bytes).unwrap();
        let event: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"].as_str(), Some(request.headers["idempotency-key"].as_str()));
        assert_eq!(event["data"]["channel"], "sms");
    }
    let first: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    assert!(first["data"]["text"].as_str().unwrap().contains("37.2 mg/m³"));
}

#[tokio::test]
async fn a_gateway_says_later_that_a_message_arrived() {
    let receiver = Receiver::start(200, r#"{"code":0,"data":{"msgid":"M-77"}}"#).await;
    let receipts = json!({
        "secret": "r3ceipts", "answer_pointer": "/data/msgid", "id_pointer": "/msgid", "status_pointer": "/status",
        "delivered_value": "DELIVRD",
    });
    let url = format!("http://127.0.0.1:{}/send", receiver.port);
    let world = World::with(template(
        &url,
        r#"{"to":"{address}"}"#,
        &json!({ "receipts": receipts }),
    ))
    .await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let hear = async |name, secret, body: &str| world.desk.hear_receipt(name, secret, body.as_bytes()).await.unwrap();
    let delivered = async || {
        let case = world.only_case().await;
        let notices = world.desk.store().notices(&duty(), case.id).await.unwrap();
        notices
            .iter()
            .filter_map(|notice| notice.delivered_at)
            .collect::<Vec<_>>()
    };
    let good = r#"{"msgid":"M-77","status":"DELIVRD"}"#;
    assert_eq!(hear("y", "r3ceipts", good).await, Heard::Refused);
    for forged in ["", "r3ceipt", "r3ceipts "] {
        assert_eq!(hear("x", forged, good).await, Heard::Refused, "{forged:?}");
    }
    assert_eq!(hear("x", "r3ceipts", "<xml/>").await, Heard::Unreadable);
    assert_eq!(
        hear("x", "r3ceipts", r#"{"msgid":"M-77","status":"UNDELIV"}"#).await,
        Heard::NotDelivered
    );
    assert_eq!(
        hear("x", "r3ceipts", r#"{"msgid":"M-78","status":"DELIVRD"}"#).await,
        Heard::UnknownMessage
    );
    assert_eq!(delivered().await, []);
    assert_eq!(hear("x", "r3ceipts", good).await, Heard::Delivered);
    let first = delivered().await;
    assert_eq!(first, [world.now(); 2], "both messages have this id");
    // Said twice it is one arrival, at its first moment.
    world.pass_time(60_000);
    assert_eq!(hear("x", "r3ceipts", good).await, Heard::Delivered);
    assert_eq!(delivered().await, first);
}

#[tokio::test]
async fn statuses_decide_between_again_and_never() {
    let receiver = Receiver::start(503, "busy").await;
    let world = World::with(webhook(receiver.port)).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let case = world.only_case().await;
    assert!(
        world
            .notices(case.id)
            .await
            .contains(&"contractor/孙运维/sms/first/waiting/retry".to_owned())
    );
    receiver.set(302, "");
    world.pass_time(30_000);
    world.send_all().await;
    let notices = world.desk.store().notices(&duty(), case.id).await.unwrap();
    let refused = notices.iter().find(|notice| notice.state == "failed").unwrap();
    assert_eq!(refused.reason, "refused");
    assert!(
        refused.error.as_ref().unwrap().contains("HTTP 302"),
        "a redirect is not followed: {refused:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_says_no_with_200_is_understood() {
    let receiver = Receiver::start(200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#).await;
    let config = template(
        &format!("http://127.0.0.1:{}/send?key=k", receiver.port),
        r#"{"msgtype":"text","text":{"content":"{subject}"},"to":"{address}"}"#,
        &json!({ "headers": { "X-App": "plume" }, "success_pointer": "/errcode", "success_value": "0" }),
    );
    let world = World::with(config).await;
    world.apply(&near("20261121142500").from(1)).await;
    world.send_all().await;
    let case = world.only_case().await;
    let notices = world.desk.store().notices(&duty(), case.id).await.unwrap();
    let error = notices.iter().find_map(|notice| notice.error.clone()).unwrap();
    assert!(
        error.contains("api freq out of limit") && !error.contains("key=k"),
        "{error}"
    );
    receiver.set(200, r#"{"errcode":0}"#);
    world.pass_time(30_000);
    world.send_all().await;
    let requests = receiver.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.headers["x-app"], "plume");
    let body: serde_json::Value = serde_json::from_str(&last.body).unwrap();
    assert!(body["text"]["content"].as_str().unwrap().starts_with("【紧急】SO₂"));
    let states = world.notices(case.id).await;
    assert!(
        states.contains(&"enterprise/张环保/sms/first/sent/due".to_owned()),
        "{states:?}"
    );
}

#[tokio::test]
async fn robots_get_the_signature_they_ask_for() {
    let receiver = Receiver::start(200, r#"{"errcode":0,"code":0}"#).await;
    // The bodies of the examples that come with plume.
    let bodies = [
        (
            "dingtalk",
            r#"{"msgtype":"text","text":{"content":"{subject}\n{text}"}}"#,
        ),
        (
            "feishu",
            r#"{"timestamp":"{timestamp}","sign":"{sign}","msg_type":"text","content":{"text":"{subject}\n{text}"}}"#,
        ),
        ("none", r#"{"msgtype":"text","text":{"content":"{subject}\n{text}"}}"#),
    ];
    for (signing, body) in bodies {
        let examples = include_str!("../../../deploy/examples/channels.toml");
        assert!(examples.contains(&format!("body = '{body}'")), "{signing}: {body}");
        let url = format!("http://127.0.0.1:{}/robot", receiver.port);
        let config = template(&url, body, &json!({ "signing": signing, "secret": "SEC" }));
        let world = World::with(config).await;
        world.apply(&near("20261121142500").from(1)).await;
        world.send_all().await;
    }
    let requests = receiver.requests();
    // 2026-11-21 14:25:00 +08:00; expected values from Python's hmac and base64.
    assert!(
        requests[0].target.starts_with("/robot?timestamp=1795242300000&sign="),
        "{}",
        requests[0].target
    );
    let feishu: serde_json::Value = serde_json::from_str(&requests[2].body).unwrap();
    assert_eq!(feishu["timestamp"], "1795242300");
    assert_eq!(
        (
            requests[0].target.split("sign=").nth(1).unwrap(),
            feishu["sign"].as_str().unwrap()
        ),
        (DINGTALK_SIGN, FEISHU_SIGN)
    );
    // Each robot gets JSON that it takes: the text in its own place, quotes and line breaks escaped.
    let said = |at: usize, pointer: &str| {
        let body: serde_json::Value = serde_json::from_str(&requests[at].body).unwrap();
        body.pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap()
            .to_owned()
    };
    for text in [
        said(0, "/text/content"),
        said(2, "/content/text"),
        said(4, "/text/content"),
    ] {
        assert!(
            text.starts_with("【紧急】SO₂") && text.contains('\n') && text.contains("37.2 mg/m³"),
            "{text}"
        );
    }
    assert_eq!(feishu["msg_type"], "text");
    assert_eq!(
        requests[4].target, "/robot",
        "WeCom's key stands in the address, nothing is added"
    );
}

const DINGTALK_SIGN: &str = "TPGMGcwTMnDu7JH45aDYzdpqs7Q5bCLObuAyK4nIeXo%3D";
const FEISHU_SIGN: &str = "kVnZrSk+HY+zxopz4xaLiYU6U8c8Ng07VSNPXszXfTo=";

#[tokio::test]
async fn a_channel_that_cannot_work_is_refused_at_the_start() {
    let open = async |config: AlertConfig| {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("desk.db").display());
        let metrics = prometheus::Registry::new();
        let clock = Clock::new(|| plume_schemas::time::Time(0));
        Desk::open(&url, &config, clock, &metrics, None).await.map(drop)
    };
    let none = json!({});
    for (config, expected) in [
        (
            template("ftp://user:pw@host/x?key=k", "a", &none),
            "channel `x`: `host/x` is not an http or https address",
        ),
        (
            template("http://host/x", "{nonsense}", &none),
            "channel `x`: `{nonsense}` is no placeholder",
        ),
        (
            template("http://host/x", "a", &json!({ "headers": { "a b": "c" } })),
            "channel `x`: header `a b` cannot be sent",
        ),
    ] {
        let error: DeskError = open(config).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
