//! As much of an S3 server as the archive asks for, on a loopback port: objects with ETags, conditions, ranges, lists.
//! It can refuse one request, before or after doing what it asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was done.
    Before,
    /// It was done all the same.
    After,
}

#[derive(Debug, Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: AtomicUsize,
    refuse: Mutex<Option<(usize, Refusal)>>,
}

/// A server that runs as long as the test process.
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    state: Arc<State>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Stub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            state: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let state = Arc::clone(&stub.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(&state, stream.unwrap()));
            }
        });
        stub
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Names of all objects, bucket first.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.objects.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Refuses the request with this number, counted from the server's start.
    pub(crate) fn refuse(&self, request: usize, how: Refusal) {
        *self.state.refuse.lock().unwrap() = Some((request, how));
    }
}

fn serve(state: &State, stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let number = state.requests.fetch_add(1, Ordering::SeqCst);
        let refusal = state.refuse.lock().unwrap().filter(|(at, _)| *at == number);
        let answer = match refusal.map(|(_, how)| how) {
            Some(Refusal::Before) => refused(),
            Some(Refusal::After) => {
                answer(state, &request);
                refused()
            }
            None => answer(state, &request),
        };
        let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
        if !answer.headers.iter().any(|(name, _)| *name == "Content-Length") {
            write!(head, "Content-Length: {}\r\n", answer.body.len()).unwrap();
        }
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head += "\r\n";
        // In one piece: two would wait for each other's acknowledgement.
        let mut sent = head.into_bytes();
        sent.extend_from_slice(&answer.body);
        let written = writer.write_all(&sent);
        if written.is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Request {
        method,
        path: decoded(path.trim_start_matches('/')),
        query: pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect(),
        headers,
        body,
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn tag(content: &[u8]) -> String {
    let hash = plume_schemas::ids::ContentId::of(&[content]);
    format!("\"{hash}\"")
}

fn plain(status: &'static str) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn refused() -> Answer {
    plain("400 Bad Request")
}

fn answer(state: &State, request: &Request) -> Answer {
    let mut objects = state.objects.lock().unwrap();
    let found = objects.get(&request.path).cloned();
    let matches = request
        .headers
        .get("if-match")
        .is_none_or(|wanted| found.as_ref().is_some_and(|content| tag(content) == *wanted));
    match request.method.as_str() {
        "GET" if request.query.contains_key("list-type") => list(&objects, request),
        _ if !matches => plain("412 Precondition Failed"),
        "PUT" if request.headers.contains_key("if-none-match") && found.is_some() => plain("412 Precondition Failed"),
        "PUT" => {
            objects.insert(request.path.clone(), request.body.clone());
            Answer {
                headers: vec![("ETag", tag(&request.body))],
                ..plain("200 OK")
            }
        }
        "DELETE" => {
            objects.remove(&request.path);
            plain("204 No Content")
        }
        "GET" | "HEAD" => found.map_or_else(|| plain("404 Not Found"), |content| shown(request, &content)),
        _ => plain("501 Not Implemented"),
    }
}

fn shown(request: &Request, content: &[u8]) -> Answer {
    let mut headers = vec![
        ("ETag", tag(content)),
        ("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT".to_owned()),
    ];
    if request.method == "HEAD" {
        headers.push(("Content-Length", content.len().to_string()));
        return Answer {
            headers,
            ..plain("200 OK")
        };
    }
    let range = request
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Answer {
            headers,
            body: content.to_vec(),
            ..plain("200 OK")
        };
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let last = last.min(content.len() - 1);
    headers.push(("Content-Range", format!("bytes {first}-{last}/{}", content.len())));
    Answer {
        headers,
        body: content[first..=last].to_vec(),
        ..plain("206 Partial Content")
    }
}

fn list(objects: &BTreeMap<String, Vec<u8>>, request: &Request) -> Answer {
    let bucket = request.path.trim_end_matches('/');
    let prefix = request.query.get("prefix").map_or("", String::as_str);
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>");
    for (name, content) in objects {
        let key = name.strip_prefix(bucket).map(|key| key.trim_start_matches('/'));
        let Some(rest) = key.and_then(|key| key.strip_prefix(prefix)) else {
            continue;
        };
        if !rest.contains('/') {
            write!(
                body,
                "<Contents><Key>{prefix}{rest}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified>\
                 <ETag>{}</ETag><Size>{}</Size></Contents>",
                tag(content).replace('"', "&quot;"),
                content.len()
            )
            .unwrap();
        }
    }
    body += "</ListBucketResult>";
    Answer {
        body: body.into_bytes(),
        ..plain("200 OK")
    }
}
