//! A real plume in a directory of its own, and devices that speak raw HJ 212 to it.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::print_stdout, reason = "a test that fails shows what plume said")]

pub(crate) mod device;
pub(crate) mod officers;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use plume_ingest::hj212::crc;

/// The device of deploy/examples/registry.toml.
pub(crate) const MN: &str = "010000A8900016F000169DC0";
/// A read that waits longer than this has no answer coming.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Lines of a process's log that are shown where a test fails.
const LOG_LINES: usize = 60;

/// A directory with a configuration on free ports and the example registry.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "[plume]\ndata_dir = \"{}\"\ncheckpoint_interval_s = 1\n\
             [ingest]\nlisten = \"127.0.0.1:0\"\ntick_interval_ms = 200\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[desk]\nlisten = \"127.0.0.1:0\"\n{extra}\n",
            dir.path().join("data").display()
        );
        std::fs::write(dir.path().join("plume.toml"), config).unwrap();
        let registry = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/registry.toml");
        std::fs::copy(registry, dir.path().join("registry.toml")).unwrap();
        Self { dir }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a command of plume to its end: whether it succeeded, and what it printed (with errors where it did not).
    pub(crate) fn plume(&self, args: &[&str]) -> (bool, String) {
        let output = command().args(args).current_dir(self.dir.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            (true, text)
        } else {
            (false, text + &errors)
        }
    }

    /// Starts `plume run` and waits until it says that it is running.
    pub(crate) fn start(&self) -> Running {
        self.start_as(&[])
    }

    /// [`Self::start`] with more arguments.
    pub(crate) fn start_as(&self, more: &[&str]) -> Running {
        self.start_by(command(), more)
    }

    /// [`Self::start`] with more in its environment.
    pub(crate) fn start_in(&self, environment: &[(&str, &Path)]) -> Running {
        let mut command = command();
        command.envs(environment.iter().copied());
        self.start_by(command, &[])
    }

    fn start_by(&self, mut command: Command, more: &[&str]) -> Running {
        let mut child = command
            .args(["run", "--config", "plume.toml"])
            .args(more)
            .current_dir(self.dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("plume is running") {
            assert!(lines.read_line(&mut log).unwrap() > 0, "plume ended early:\n{log}");
        }
        // Somebody must read on, or plume would block on a full pipe.
        let rest = std::thread::spawn(move || {
            let mut rest = Vec::new();
            drop(lines.read_to_end(&mut rest));
            log + &String::from_utf8_lossy(&rest)
        });
        let run: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.data().join("state/run.json")).unwrap()).unwrap();
        // A process without that role has no address; nobody listens on port 0.
        let address = |key: &str| run[key].as_str().unwrap_or("0.0.0.0:0").parse().unwrap();
        Running {
            child,
            log: Some(rest),
            devices: address("ingest"),
            admin: address("admin"),
            desk: address("desk"),
        }
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plume"));
    command.env_remove("PLUME_CONFIG").stdin(Stdio::null());
    command
}

/// A running plume; killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: Option<JoinHandle<String>>,
    pub(crate) devices: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) desk: SocketAddr,
}

impl Running {
    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -9` where it has not ended; every log line of its life.
    pub(crate) fn end_with_log(mut self) -> String {
        drop(self.child.kill());
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }

    /// True once the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(self) -> bool {
        self.stop_with_log().0
    }

    /// The same, with every log line of its life.
    pub(crate) fn stop_with_log(mut self) -> (bool, String) {
        self.signal("TERM");
        let fine = self.child.wait().unwrap().success();
        (fine, self.log.take().unwrap().join().unwrap())
    }

    /// The body of an answer of the admin pages.
    pub(crate) fn get(&self, path: &str) -> String {
        ask(self.admin, path, "").1
    }

    /// Asks for something to be done; true when it was.
    pub(crate) fn post(&self, path: &str) -> bool {
        request(self.admin, "POST", path, "").0.starts_with("HTTP/1.1 200")
    }

    /// An answer of the programs' interface, to whoever the link of `plume enter` signs in.
    pub(crate) fn api(&self, link: &str, path: &str) -> serde_json::Value {
        let (_, token) = link.trim().split_once("/enter/").unwrap();
        let (_, body) = ask(self.desk, path, &format!("Authorization: Bearer {token}\r\n"));
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// A page of the desk, seen by whoever the link of `plume enter` signs in.
    pub(crate) fn page(&self, link: &str, path: &str) -> String {
        ask(self.desk, path, &self.cookie(link)).1
    }

    /// The header by which a browser is known that has followed this link.
    fn cookie(&self, link: &str) -> String {
        let (_, enter) = link.trim().split_once("/enter/").unwrap();
        let (head, _) = ask(self.desk, &format!("/enter/{enter}"), "");
        let cookies = head.lines().filter_map(|line| line.split_once(": "));
        let cookies = cookies.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let pairs = cookies.filter_map(|(_, cookie)| cookie.split(';').next());
        format!("Cookie: {}\r\n", pairs.collect::<Vec<_>>().join("; "))
    }

    /// A browser of whoever the link of `plume enter` signs in.
    pub(crate) fn visit(&self, link: &str) -> Visit {
        let (at, cookie) = (self.desk, self.cookie(link));
        let page = ask(at, "/", &cookie).1;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = rest.split('"').next().unwrap().to_owned();
        Visit { at, cookie, csrf }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        // What it said explains why the test failed.
        if let Some(log) = self.log.take().filter(|_| std::thread::panicking()) {
            show_end(&log.join().unwrap_or_default());
        }
    }
}

/// Shows the last lines of a log, for a test that fails.
pub(crate) fn show_end(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    drop(writeln!(std::io::stderr(), "{last}"));
}

/// A browser of somebody who is signed in.
pub(crate) struct Visit {
    at: SocketAddr,
    cookie: String,
    csrf: String,
}

impl Visit {
    pub(crate) fn get(&self, path: &str) -> String {
        ask(self.at, path, &self.cookie).1
    }

    /// Sends a form of our own; gives head and page.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> (String, String) {
        let encoded = |text: &str| {
            let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
            bytes.collect::<Vec<_>>().concat()
        };
        let fields = fields.iter().map(|(name, text)| format!("{name}={}", encoded(text)));
        let form: Vec<String> = std::iter::once(format!("csrf={}", self.csrf)).chain(fields).collect();
        self.send(path, "application/x-www-form-urlencoded", form.join("&").as_bytes())
    }

    /// Uploads files under their names.
    pub(crate) fn upload(&self, path: &str, files: &[(&str, &[u8])]) -> (String, String) {
        let part = "--x\r\nContent-Disposition: form-data; name=";
        let mut body = format!("{part}\"csrf\"\r\n\r\n{}\r\n", self.csrf).into_bytes();
        for (name, content) in files {
            body.extend(format!("{part}\"files\"; filename=\"{name}\"\r\n\r\n").bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--x--\r\n");
        self.send(path, "multipart/form-data; boundary=x", &body)
    }

    fn send(&self, path: &str, kind: &str, body: &[u8]) -> (String, String) {
        let Self { at, cookie, .. } = self;
        let mut stream = TcpStream::connect(at).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{cookie}Content-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        answer_of(stream)
    }
}

/// Where an answer leads.
pub(crate) fn location(head: &str) -> &str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("location"));
    found.unwrap_or_else(|| panic!("leads nowhere: {head}")).1
}

/// Head and body of the answer to a GET.
fn ask(at: SocketAddr, path: &str, headers: &str) -> (String, String) {
    request(at, "GET", path, headers)
}

fn request(at: SocketAddr, method: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    answer_of(stream)
}

fn answer_of(mut stream: TcpStream) -> (String, String) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}

/// A frame around a data segment.
pub(crate) fn frame(segment: &str) -> String {
    format!(
        "##{:04}{segment}{:04X}\r\n",
        segment.len(),
        crc::hj212(segment.as_bytes())
    )
}

/// A minute packet of 2017 with one SO2 value.
pub(crate) fn minute_packet(mn: &str, qn: &str, data_time: &str, value: &str) -> String {
    frame(&format!(
        "QN={qn};ST=31;CN=2051;PW=123456;MN={mn};Flag=5;CP=&&DataTime={data_time};a21026-Avg={value},a21026-Flag=N&&"
    ))
}

/// One link to a plume.
pub(crate) struct Link {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Link {
    pub(crate) fn open(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            heard: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// True when no answer comes within `limit`; one that does is taken.
    pub(crate) fn is_unanswered(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let answer = self.answer();
        self.stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        answer.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// The next answer's QN. Errors: the link ended.
    pub(crate) fn answer(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.heard.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.heard.drain(..end + 2).collect();
                let text = String::from_utf8_lossy(&line).into_owned();
                assert!(text.contains("CN=9014") || text.contains("CN=9013"), "{text}");
                let qn = text
                    .split("QN=")
                    .nth(1)
                    .and_then(|rest| rest.split(';').next())
                    .unwrap_or_default();
                return Ok(qn.to_owned());
            }
            let mut buffer = [0; 1024];
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.heard.extend_from_slice(&buffer[..count]),
            }
        }
    }
}
