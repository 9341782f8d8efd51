//! Whoever is told: a webhook and a mail server on loopback that write down every message they take.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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
    /// Links that have not ended.
    open: usize,
    /// The next message that was not heard before is taken and never answered; whoever is named here is told.
    trap: Option<Sender<()>>,
}

/// What was heard, and the word that a link has ended.
#[derive(Default)]
struct Desk {
    book: Mutex<Book>,
    ended: Condvar,
}

/// Both receivers. They run until the test ends.
#[derive(Clone)]
pub(crate) struct Receivers {
    desk: Arc<Desk>,
    pub(crate) webhook: SocketAddr,
    pub(crate) mail: SocketAddr,
}

impl Receivers {
    pub(crate) fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let webhook = serve(Arc::clone(&desk), http);
        let mail = serve(Arc::clone(&desk), smtp);
        Self { desk, webhook, mail }
    }

    /// Another life of plume begins; the one before has ended. What it left in the sockets is its own word: links are
    /// accepted in order, so once a link of our own has come and gone, and none is open, all of it has been heard.
    pub(crate) fn next_life(&self) {
        for address in [self.webhook, self.mail] {
            let mut last = TcpStream::connect(address).unwrap();
            last.shutdown(Shutdown::Write).unwrap();
            last.read_to_end(&mut Vec::new()).unwrap();
        }
        let book = self.desk.book.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.desk.ended.wait_while(book, |book| book.open > 0);
        let mut book = waited.unwrap_or_else(PoisonError::into_inner);
        book.life += 1;
        book.trap = None;
    }

    /// The next new message is taken and not answered. Resolves when that has happened: the moment at which a kill
    /// must lead to a second copy.
    pub(crate) fn trap(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.desk.book.lock().unwrap_or_else(PoisonError::into_inner).trap = Some(sender);
        receiver
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.desk
            .book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .heard
            .clone()
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

fn serve(desk: Arc<Desk>, talk: fn(&Mutex<Book>, TcpStream) -> std::io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let desk = Arc::clone(&desk);
            desk.book.lock().unwrap_or_else(PoisonError::into_inner).open += 1;
            std::thread::spawn(move || {
                // A link ends with an error when plume is killed; that is the point.
                drop(talk(&desk.book, stream));
                desk.book.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
                desk.ended.notify_all();
            });
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
