//! The hand-over at a stop, as docs/operations.md has it: no new packets, answers under way go out, and what was not
//! answered is sent again to whoever listens next. Nothing is lost by it and nothing is there twice.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Link, Site, minute_packet};

const DEVICES: usize = 8;
/// Packets that are answered before the stop.
const BEFORE: usize = 400;
/// Packets of each device afterwards.
const AFTER: usize = 5;
/// What docs/operations.md promises.
const STOP_LIMIT: Duration = Duration::from_secs(5);

fn mn(device: usize) -> String {
    format!("DRAIN{device:019}")
}

fn registry() -> String {
    let mut text = "[[enterprise]]\nid = \"E\"\nname = \"企业\"\n".to_owned();
    for device in 0..DEVICES {
        write!(
            text,
            "[[outlet]]\nid = \"E:DA{device:03}\"\nenterprise = \"E\"\nnumber = \"DA{device:03}\"\n\
             [[outlet.factor]]\ncode = \"a21026\"\nrange_high = \"200\"\n\
             [[source]]\nmn = \"{}\"\noutlet = \"E:DA{device:03}\"\nminute_interval_min = 1\n",
            mn(device)
        )
        .unwrap();
    }
    text
}

/// Sends from packet `next` on until there are `until` or the link ends; the first that was not answered.
fn talk(device: usize, to: SocketAddr, mut next: usize, until: usize, answered: &AtomicUsize) -> usize {
    let Ok(mut link) = Link::open(to) else { return next };
    while next < until {
        let at = format!("202601{:02}{:02}{:02}00", 1 + next / 1440, next / 60 % 24, next % 60);
        let packet = minute_packet(&mn(device), &format!("20260201{next:09}"), &at, "21.5");
        if link.send(packet.as_bytes()).is_err() || link.answer().is_err() {
            break;
        }
        next += 1;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    next
}

#[test]
fn a_stop_under_load_hands_over() {
    let site = Site::new("");
    std::fs::write(site.dir.path().join("registry.toml"), registry()).unwrap();
    let running = site.start();
    let (to, answered) = (running.devices, Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..DEVICES)
        .map(|device| {
            let answered = Arc::clone(&answered);
            std::thread::spawn(move || talk(device, to, 0, usize::MAX, &answered))
        })
        .collect();
    while answered.load(Ordering::Relaxed) < BEFORE {
        assert!(threads.iter().all(|thread| !thread.is_finished()), "a device gave up");
        std::thread::yield_now();
    }
    let began = Instant::now();
    let (fine, log) = running.stop_with_log();
    let took = began.elapsed();
    assert!(fine && took < STOP_LIMIT, "stopping took {took:?}:\n{log}");
    let next: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();

    let running = site.start();
    for (device, &next) in next.iter().enumerate() {
        let last = talk(device, running.devices, next, next + AFTER, &answered);
        assert_eq!(last, next + AFTER, "device {device} is answered again");
    }
    assert!(running.stop());
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: Value = serde_json::from_str(&text).unwrap();
    let sent: usize = next.iter().map(|next| next + AFTER).sum();
    assert_eq!(
        (&stats["balanced"], &stats["archived"]),
        (&true.into(), &sent.into()),
        "{stats}"
    );
    assert_eq!(
        (&stats["waiting"], &stats["quarantined"]),
        (&0.into(), &0.into()),
        "{stats}"
    );
    // At most the one packet of each device whose answer the stop took.
    assert!(stats["repeats"].as_u64().unwrap() <= DEVICES as u64, "{stats}");
    println!(
        "stopped in {took:?} after {} answers, repeats {}",
        answered.load(Ordering::Relaxed),
        stats["repeats"]
    );
}
