//! The desk on a real socket: slow headers, too many connections, and a stop that ends the live lists.

use std::net::SocketAddr;
use std::time::Duration;

use plume_alert::accounts::Role;
use plume_alert::desk::{DeskOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Bureau;

/// Longer than anything here takes; what runs into it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Serving {
    bureau: Bureau,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(options: DeskOptions) -> Serving {
    let bureau = Bureau::with(options).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let state = bureau.state.clone();
    let task = tokio::spawn(serve(listener, state, async move { drop(stopped.await) }));
    Serving {
        bureau,
        address,
        stop,
        task,
    }
}

async fn ask(serving: &Serving, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    let cookie = serving.bureau.cookie(Role::CityDuty);
    let request = format!("GET {path} HTTP/1.1\r\nhost: desk\r\ncookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until `word` has come.
async fn until(stream: &mut TcpStream, word: &str) -> String {
    let mut heard = String::new();
    let mut buffer = [0; 4_096];
    while !heard.contains(word) {
        let n = tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(n > 0, "the connection ended before `{word}`: {heard}");
        heard.push_str(&String::from_utf8_lossy(buffer.get(..n).unwrap()));
    }
    heard
}

async fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    drop(
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn a_stop_ends_live_lists_and_comes_to_an_end() {
    let serving = start(DeskOptions::new(false, false)).await;
    let mut list = ask(&serving, "/events").await;
    until(&mut list, "event: clock").await;
    serving.stop.send(()).unwrap();
    ends(&mut list).await;
    tokio::time::timeout(PATIENCE, serving.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn headers_that_never_end_are_cut_off() {
    let options = DeskOptions {
        header_timeout: Duration::from_millis(50),
        ..DeskOptions::new(false, false)
    };
    let serving = start(options).await;
    let mut slow = TcpStream::connect(serving.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: de").await.unwrap();
    ends(&mut slow).await;
    let mut page = ask(&serving, "/").await;
    assert!(
        until(&mut page, "\r\n").await.starts_with("HTTP/1.1 200"),
        "others are served"
    );
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_place() {
    let options = DeskOptions {
        connections: 1,
        ..DeskOptions::new(false, false)
    };
    let serving = start(options).await;
    let mut first = ask(&serving, "/").await;
    until(&mut first, "\r\n").await;
    let mut second = ask(&serving, "/").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second is not served beside the first");
    drop(first);
    until(&mut second, "HTTP/1.1 200").await;
}
