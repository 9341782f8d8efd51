//! Packets are passed on to a real TCP receiver that answers, dies for an hour, comes back, and forgets: in virtual
//! time.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::encode::frame;
use plume_ingest::hj212::frame::{Framer, Item};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::{ReplyKind, reply};
use plume_ingest::relay::upstream::{Output, Parcel, Rules, Upstream};
use plume_schemas::ids::Mn;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use proptest::prelude::*;

use crate::bench::time;

const RULES: Rules = Rules {
    window: 4,
    timeout_ms: 10_000,
    resends: 3,
    back_off_max_ms: 60_000,
    refused_after_links: 3,
};

fn mn(number: u64) -> Mn {
    Mn::new(&format!("RELAY{}", number % 3)).unwrap()
}

/// The packet of a minute, by the device of its number; the edition changes with it.
fn packet(number: u64) -> Vec<u8> {
    let at = time("20260117080000").plus(i64::try_from(number).unwrap() * MINUTE_MS);
    let (qn, mn, data) = (at.stamp17(), mn(number), at.stamp14());
    let flag = [5, 9, 1][usize::try_from(number % 3).unwrap()];
    frame(
        format!("QN={qn};ST=31;CN=2051;PW=123456;MN={mn};Flag={flag};CP=&&DataTime={data};a21026-Avg={number}.5&&")
            .as_bytes(),
    )
}

fn parcel(number: u64) -> Parcel {
    Parcel::from_raw(mn(number), &packet(number), number + 1).unwrap()
}

/// A platform on a real socket, without threads: it is asked to work when the test says so.
struct Receiver {
    listener: Option<TcpListener>,
    at: SocketAddr,
    links: Vec<(TcpStream, Framer)>,
    /// Every packet it took, in order, repeats included.
    took: Vec<Vec<u8>>,
    /// It does not know this device.
    unknown: Option<Mn>,
}

impl Receiver {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            at: listener.local_addr().unwrap(),
            listener: Some(listener),
            links: Vec::new(),
            took: Vec::new(),
            unknown: None,
        }
    }

    /// It is gone: nobody listens, and every link ends.
    fn die(&mut self) {
        self.listener = None;
        self.links.clear();
    }

    fn rise(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        self.at = listener.local_addr().unwrap();
        self.listener = Some(listener);
    }

    /// Takes what has come and answers it.
    fn work(&mut self) {
        if let Some(listener) = &self.listener
            && let Ok((stream, _)) = listener.accept()
        {
            stream.set_nonblocking(true).unwrap();
            self.links.push((stream, Framer::new(8_192)));
        }
        for (stream, framer) in &mut self.links {
            let mut buffer = [0; 4_096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                framer.push(&buffer[..count]);
            }
            let mut answers = Vec::new();
            while let Some(Item::Frame(frame)) = framer.next_item() {
                let packet = Packet::parse(frame.segment, &mut Complaints::default());
                if self.unknown.is_some_and(|mn| packet.mn == Some(mn.as_str().as_bytes())) {
                    continue;
                }
                self.took.push(frame.raw.to_vec());
                answers.extend(ReplyKind::wanted_by(&packet).map(|kind| reply(&packet, kind)));
            }
            drop(stream.write_all(&answers.concat()));
        }
    }
}

/// plume, with its position on disk and a clock that the test moves.
struct Sender {
    upstream: Upstream,
    stream: Option<TcpStream>,
    waiting: VecDeque<u64>,
    /// What is on disk.
    position: u64,
    passed_over: u64,
    now: Time,
}

impl Sender {
    fn new() -> Self {
        let now = time("20260117080000");
        Self {
            upstream: Upstream::new(RULES, 0, now),
            stream: None,
            waiting: VecDeque::new(),
            position: 0,
            passed_over: 0,
            now,
        }
    }

    /// `kill -9`: what was on disk is all there is.
    fn killed(&mut self, made: u64) {
        self.upstream = Upstream::new(RULES, self.position, self.now);
        self.stream = None;
        self.waiting = (self.position..made).collect();
    }

    fn work(&mut self, to: SocketAddr) {
        while self.upstream.room() > 0
            && let Some(number) = self.waiting.pop_front()
        {
            self.upstream.push(parcel(number), self.now);
        }
        self.upstream.handle_timeout(self.now);
        while let Some(output) = self.upstream.poll_output() {
            match output {
                Output::Connect => match TcpStream::connect(to) {
                    Ok(stream) => {
                        stream.set_nonblocking(true).unwrap();
                        self.stream = Some(stream);
                        self.upstream.connected(self.now);
                    }
                    Err(_) => self.upstream.closed(self.now),
                },
                Output::Write(bytes) => {
                    let stream = self.stream.as_mut();
                    if stream.is_some_and(|stream| stream.write_all(&bytes).is_err()) {
                        self.stream = None;
                        self.upstream.closed(self.now);
                    }
                }
                Output::Close => self.stream = None,
                Output::Done(position) => self.position = position,
                Output::PassedOver(_) => self.passed_over += 1,
            }
        }
        let mut buffer = [0; 4_096];
        let read = self.stream.as_mut().map(|stream| stream.read(&mut buffer));
        match read {
            Some(Ok(count @ 1..)) => self.upstream.handle(&buffer[..count], self.now),
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Some(Ok(0) | Err(_)) => {
                self.stream = None;
                self.upstream.closed(self.now);
            }
            None => {}
        }
    }
}

/// Lets both work until everything made is at the platform.
fn finish(sender: &mut Sender, receiver: &mut Receiver, made: u64) {
    for _ in 0..200_000 {
        receiver.work();
        sender.work(receiver.at);
        if sender.position == made {
            return;
        }
        // Loopback takes what the scheduler gives it; the clock of the exchange stands meanwhile.
        if sender.stream.is_none() {
            sender.now = sender.now.plus(SECOND_MS);
        }
        std::thread::yield_now();
    }
    panic!("{} of {made} are there", sender.position);
}

#[test]
fn an_outage_of_an_hour_and_a_kill_in_it_lose_nothing_and_bytes_are_exact() {
    let (mut receiver, mut sender) = (Receiver::open(), Sender::new());
    sender.waiting = (0..30).collect();
    finish(&mut sender, &mut receiver, 30);
    receiver.die();
    let died = sender.now;
    let mut tries = 0;
    for made in 30..90 {
        sender.waiting.push_back(made);
        for _ in 0..60 {
            sender.now = sender.now.plus(SECOND_MS);
            let before = sender.upstream.next_timeout();
            sender.work(receiver.at);
            tries += u32::from(sender.upstream.next_timeout() != before);
        }
        if made == 60 {
            sender.killed(61);
        }
    }
    assert_eq!(sender.now.since(died), HOUR_MS);
    assert_eq!(sender.position, 30, "nothing is said to be there that is not");
    assert!(
        (60..90).contains(&tries),
        "{tries} tries in an hour: it backs off, and does not give up"
    );
    receiver.rise();
    finish(&mut sender, &mut receiver, 90);
    let mut distinct = receiver.took.clone();
    distinct.dedup();
    let expected: Vec<Vec<u8>> = (0..90).map(packet).collect();
    assert_eq!(distinct, expected, "every packet in its order, byte for byte");
    assert_eq!(sender.passed_over, 0);
}

#[test]
fn a_device_the_platform_does_not_know_holds_up_nobody_for_good() {
    let (mut receiver, mut sender) = (Receiver::open(), Sender::new());
    receiver.unknown = Some(mn(1));
    sender.waiting = (0..9).collect();
    let began = sender.now;
    for _ in 0..100_000 {
        receiver.work();
        sender.work(receiver.at);
        if sender.position == 9 {
            break;
        }
        sender.now = sender.now.plus(100);
        std::thread::yield_now();
    }
    assert_eq!(
        (sender.position, sender.passed_over),
        (9, 3),
        "after {} s",
        sender.now.since(began) / SECOND_MS
    );
    let mut others: Vec<Vec<u8>> = (0..9).filter(|number| number % 3 != 1).map(packet).collect();
    let mut took = receiver.took.clone();
    took.sort();
    took.dedup();
    others.sort();
    assert_eq!(took, others);
}

#[test]
fn answers_of_devices_polls_and_garbage_are_not_passed_on() {
    let reply = frame(b"QN=20260117080000000;ST=91;CN=9012;PW=123456;MN=M1;Flag=4;CP=&&ExeRtn=1&&");
    assert_eq!(Parcel::from_raw(mn(0), &reply, 1), None);
    assert_eq!(Parcel::from_raw(mn(0), b"garbage", 1), None);
    let silent = frame(b"QN=20260117080000000;ST=31;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20260117080000&&");
    let silent = Parcel::from_raw(mn(0), &silent, 7).unwrap();
    assert!(!silent.wants_answer);
    let mut upstream = Upstream::new(RULES, 0, Time(0));
    upstream.push(silent, Time(0));
    upstream.handle_timeout(Time(0));
    upstream.connected(Time(0));
    let outputs: Vec<Output> = std::iter::from_fn(|| upstream.poll_output()).collect();
    assert!(
        matches!(outputs[..], [Output::Connect, Output::Write(_), Output::Done(7)]),
        "{outputs:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the platform and the network do: the position never passes a packet that was not answered, never goes
    /// back, and memory has its bound.
    #[test]
    fn the_position_never_passes_a_packet_without_an_answer(
        happenings in prop::collection::vec((0_u8..6, 0_u64..6, 0_i64..40_000), 1..150)
    ) {
        let rules = Rules { refused_after_links: 1_000, ..RULES };
        let mut upstream = Upstream::new(rules, 0, Time(0));
        let (mut now, mut made, mut done) = (Time(0), 0_u64, 0_u64);
        let mut answered = std::collections::BTreeSet::new();
        for (what, number, wait) in happenings {
            match what {
                0 | 1 if upstream.room() > 0 => {
                    upstream.push(parcel(made), now);
                    made += 1;
                }
                2 => upstream.connected(now),
                3 => upstream.closed(now),
                4 => {
                    let number = done + number;
                    let raw = packet(number);
                    let packet = Packet::parse(&raw[6..raw.len() - 6], &mut Complaints::default());
                    let answer = ReplyKind::wanted_by(&packet).map(|kind| reply(&packet, kind)).unwrap();
                    answered.insert(number);
                    upstream.handle(&answer, now);
                }
                _ => {
                    now = now.plus(wait);
                    upstream.handle_timeout(now);
                }
            }
            while let Some(output) = upstream.poll_output() {
                if let Output::Done(position) = output {
                    prop_assert!(position > done && position <= made);
                    prop_assert!((done..position).all(|number| answered.contains(&number)), "{done}..{position}");
                    done = position;
                }
            }
            prop_assert!(upstream.waiting() <= rules.window);
        }
    }
}
