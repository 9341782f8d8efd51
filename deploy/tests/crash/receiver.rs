//! Whoever is told: a webhook and a mail server on loopback that write down every message they take.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Which receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Webhook,
    Mail,
}

/// A message as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// In which life of plume, counted from 0.
    pub(crate) life: usize,
    /// Its idempotency key or Message-ID: the notice's id.
    pub(crate) key: String,
    /// By which receiver.
    pub(crate) way: Way,
}

#[derive(Default)]
struct Book {
    life: usize,
    heard: Vec<Heard>,
    /// The next message that was not heard before is taken and never answered; whoever is named here is told.
    trap: Option<Sender<()>>,
}

/// Both receivers. They run until the test ends.
#[derive(Clone)]
pub(crate) struct Receivers {
    book: Arc<Mutex<Book>>,
    pub(crate) webhook: SocketAddr,
    pub(crate) mail: SocketAddr,
}

impl Receivers {
    pub(crate) fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let webhook = serve(Arc::clone(&book), http);
        let mail = serve(Arc::clone(&book), smtp);
        Self { book, webhook, mail }
    }

    /// Another life of plume begins.
    pub(crate) fn next_life(&self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.life += 1;
        book.trap = None;
    }

    /// The next new message is taken and not answered. Resolves when that has happened: the moment at which a kill
    /// must lead to a second copy.
    pub(crate) fn trap(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.book.lock().unwrap_or_else(PoisonError::into_inner).trap = Some(sender);
        receiver
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }
}

/// Writes a message down; false where it must not be answered.
fn take(book: &Mutex<Book>, way: Way, key: &str) -> bool {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let known: BTreeSet<&str> = book.heard.iter().map(|heard| heard.key.as_str()).collect();
    let fresh = !known.contains(key);
    let life = book.life;
    book.heard.push(Heard {
        life,
        key: key.to_owned(),
        way,
    });
    match book.trap.take_if(|_| fresh) {
        Some(trapped) => trapped.send(()).is_err(),
        None => true,
    }
}

fn serve(book: Arc<Mutex<Book>>, talk: fn(&Mutex<Book>, TcpStream) -> std::io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let book = Arc::clone(&book);
            // A link ends with an error when plume is killed; that is the point.
            std::thread::spawn(move || drop(talk(&book, stream)));
        }
    });
    address
}

/// Waits until the other side is gone.
fn hang(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// As much HTTP/1.1 as a webhook needs: requests with a length, one after the other.
fn http(book: &Mutex<Book>, stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut key, mut length) = (String::new(), 0);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "idempotency-key" => value.trim().clone_into(&mut key),
                    "content-length" => length = value.trim().parse().unwrap(),
                    _ => {}
                }
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["id"], key, "the body names the same notice");
        if !take(book, Way::Webhook, &key) {
            return hang(stream);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// As much SMTP as a client needs (RFC 5321): greeting, envelope, data, quit.
fn smtp(book: &Mutex<Book>, stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.write_all(b"220 loopback\r\n")?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let key = message_id(&mut lines)?;
                if !take(book, Way::Mail, &key) {
                    return hang(stream);
                }
                stream.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => stream.write_all(b"250 fine\r\n")?,
        }
        line.clear();
    }
    Ok(())
}

/// Reads a message to its lone dot and gives the id in `Message-ID: <id@plume>`.
fn message_id(lines: &mut impl BufRead) -> std::io::Result<String> {
    let (mut key, mut line) = (String::new(), String::new());
    while lines.read_line(&mut line)? > 0 && line != ".\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("message-id")
        {
            let id = value.trim().trim_start_matches('<');
            id.split('@').next().unwrap_or_default().clone_into(&mut key);
        }
        line.clear();
    }
    Ok(key)
}
