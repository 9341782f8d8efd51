//! Packets are passed on to another platform by a plume that runs: through an outage, a `kill -9` in it, and the loss
//! of the log.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::frame::{Framer, Item};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::{ReplyKind, reply};
use plume_schemas::time::MINUTE_MS;

use crate::editions::now;
use crate::support::{Link, MN, Running, Site, minute_packet};

/// A busy machine may take so long for a step.
const PATIENCE: Duration = Duration::from_mins(1);

/// Another platform: takes packets and answers them until it is dropped.
struct Platform {
    at: SocketAddr,
    took: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Platform {
    fn open(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (took, stop) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::<AtomicBool>::default());
        let at = listener.local_addr().unwrap();
        let (kept, told) = (Arc::clone(&took), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut links: Vec<(TcpStream, Framer)> = Vec::new();
            while !told.load(Ordering::Relaxed) {
                if let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    links.push((stream, Framer::new(8_192)));
                }
                for (stream, framer) in &mut links {
                    serve(stream, framer, &kept);
                }
                std::thread::yield_now();
            }
        });
        Self {
            at,
            took,
            stop,
            thread: Some(thread),
        }
    }

    /// What it took, each packet once.
    fn took(&self) -> Vec<Vec<u8>> {
        let mut took = self.took.lock().unwrap().clone();
        took.sort();
        took.dedup();
        took
    }

    /// Waits until it has all of these.
    fn has(&self, packets: &[Vec<u8>], running: &Running) {
        let mut expected = packets.to_vec();
        expected.sort();
        let until = Instant::now() + PATIENCE;
        while self.took() != expected {
            assert!(
                Instant::now() < until,
                "{:?} of {}: {}",
                self.took().len(),
                expected.len(),
                running.get("/status")
            );
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(stream: &mut TcpStream, framer: &mut Framer, kept: &Mutex<Vec<Vec<u8>>>) {
    let mut buffer = [0; 4_096];
    let Ok(count @ 1..) = stream.read(&mut buffer) else {
        return;
    };
    framer.push(&buffer[..count]);
    while let Some(Item::Frame(frame)) = framer.next_item() {
        let packet = Packet::parse(frame.segment, &mut Complaints::default());
        kept.lock().unwrap().push(frame.raw.to_vec());
        if let Some(kind) = ReplyKind::wanted_by(&packet) {
            drop(stream.write_all(&reply(&packet, kind)));
        }
    }
}

/// Packets of the minutes from `first` on, sent to plume and answered by it.
fn send(running: &Running, first: i64, count: i64) -> Vec<Vec<u8>> {
    let mut link = Link::open(running.devices).unwrap();
    let packets = (first..first + count).map(|minute| {
        let at = now()
            .plus(-2 * 60 * MINUTE_MS)
            .floor(MINUTE_MS)
            .plus(minute * MINUTE_MS);
        let packet = minute_packet(
            MN,
            &at.plus(minute).stamp17(),
            &at.stamp14(),
            &format!("{}.5", 10 + minute),
        );
        link.send(packet.as_bytes()).unwrap();
        assert_eq!(link.answer().unwrap(), at.plus(minute).stamp17());
        packet.into_bytes()
    });
    packets.collect()
}

#[test]
fn another_platform_gets_every_packet_through_an_outage_a_kill_and_a_lost_log() {
    let platform = Platform::open("127.0.0.1:0".parse().unwrap());
    let at = platform.at;
    let site = Site::new(&format!(
        "[[relay.platform]]\nname = \"province\"\nto = \"{at}\"\nmns = []\nwindow = 4\ntimeout_s = 10\nresends = 3\n\
         back_off_max_s = 1\nrefused_after_links = 3\n"
    ));
    let running = site.start();
    let mut all = send(&running, 0, 5);
    platform.has(&all, &running);
    // The platform has a packet before its answer is heard and counted here.
    let until = Instant::now() + PATIENCE;
    let counted = "plume_deploy_relay_packets_total{relay=\"province\"} 5";
    while !running.get("/metrics").contains(counted) {
        assert!(Instant::now() < until, "the answers are not counted");
    }

    drop(platform);
    all.extend(send(&running, 5, 5));
    let metrics = running.get("/metrics");
    assert!(
        metrics.contains("plume_deploy_relay_packets_total{relay=\"province\"} 5"),
        "nothing is said to be there"
    );
    running.kill();
    let running = site.start();
    all.extend(send(&running, 10, 5));
    let platform = Platform::open(at);
    // This platform has what the one before had not confirmed: all it took is byte for byte what devices sent.
    let until = Instant::now() + PATIENCE;
    while all[5..].iter().any(|packet| !platform.took().contains(packet)) {
        assert!(Instant::now() < until, "{}", running.get("/status"));
    }
    assert!(platform.took().iter().all(|packet| all.contains(packet)));
    drop(platform);

    let lost = send(&running, 15, 5);
    assert!(running.post("/archive"));
    assert!(running.stop());
    std::fs::remove_dir_all(site.data().join("log")).unwrap();
    let running = site.start();
    let platform = Platform::open(at);
    let mut rest = lost;
    rest.extend(send(&running, 20, 5));
    let until = Instant::now() + PATIENCE;
    while rest.iter().any(|packet| !platform.took().contains(packet)) {
        assert!(Instant::now() < until, "{}", running.get("/status"));
    }
    // What a plume without its log says of its other parts is not told here.
    running.kill();
}
