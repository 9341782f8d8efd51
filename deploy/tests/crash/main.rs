//! The crash harness: a real plume, a fleet of devices that remember every answer they got, receivers that remember
//! every message, and `kill -9` at random moments.
//!
//! Afterwards, read from what plume keeps and from nothing plume says of itself:
//!
//! - every answered minute stands among `readings` exactly once, nothing stands there that was never sent;
//! - `packets` holds each packet as accepted once, every further copy as a repeat, and the books balance;
//! - each event stands once in the archive and once in the desk's trace, each case was opened once;
//! - each notice the desk calls sent was heard at least once, none was heard that the desk does not know, and a kill
//!   repeats at most the one message that was on its way.
//!
//! ```text
//! CRASH_SEED=7 CRASH_KILLS=500 cargo test -p plume --test crash -- --nocapture
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking and says its seed"
)]

mod fleet;
mod receiver;
#[path = "../support/mod.rs"]
mod support;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use fleet::{Chance, DEVICES, Device, MINUTES, registry};
use plume_schemas::time::Time;
use receiver::Receivers;
use support::{Running, Site};

/// Kills in an ordinary test run; `.ci/soak` asks for 500.
const USUAL_KILLS: u64 = 10;
/// Answers within which a kill falls, where there are few kills.
const MOST_ANSWERS: u64 = 600;
/// A kill that waits for a message goes ahead without one after so long.
const MESSAGE_WAIT: Duration = Duration::from_secs(5);
/// A plume that has not worked off what it has after so long is stuck.
const SETTLE_LIMIT: Duration = Duration::from_mins(10);

#[expect(clippy::disallowed_methods, reason = "a test's own switches")]
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

#[expect(clippy::disallowed_methods, reason = "devices have the real time")]
fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Time(i64::try_from(since.as_millis()).unwrap())
}

fn config(receivers: &Receivers) -> String {
    format!(
        "[archive]\nbatch_every_s = 1\npublish_every_s = 3600\n\
         [detect.window]\nsettle_s = 1\nlate_after_s = 1000000\n[detect.exceed]\nclear_hours = 1\n\
         [alert.notify]\ngroup_wait_s = 0\ngroup_interval_s = 0\nquiet_from_min = 0\nquiet_to_min = 0\n\
         rate_per_hour = 100000\n\
         retry_first_s = 1\nretry_max_s = 1\npoll_ms = 50\nrepeat_h = 0\n\
         [alert.mail]\nenabled = true\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [[alert.channel]]\ntype = \"webhook\"\nname = \"gateway\"\nurl = \"http://{}/notice\"\nsecret = \"\"\n\
         carries = [\"sms\"]\ntimeout_ms = 60000\n",
        receivers.mail.port(),
        receivers.webhook
    )
}

/// Looks at the books before a late kill, at most: some seconds of work.
const MOST_LOOKS: u64 = 400;

/// When a life of plume ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// In the middle of the devices' talk.
    Talking,
    /// So many looks at its books after the devices have stopped, while judge, desk and archive work off what came.
    Later(u64),
    /// When a receiver has taken a message and plume has not heard so.
    Telling,
}

impl End {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(4) {
            0 | 1 => Self::Talking,
            2 => Self::Later(chance.below(MOST_LOOKS)),
            _ => Self::Telling,
        }
    }

    fn wait(self, running: &Running, receivers: &Receivers) {
        match self {
            Self::Talking => {}
            Self::Later(looks) => (0..looks).for_each(|_| drop(running.get("/stats"))),
            // Where nothing is to be told this is one more late kill.
            Self::Telling => drop(receivers.trap().recv_timeout(MESSAGE_WAIT)),
        }
    }
}

/// Lets all devices talk to a running plume until `wanted` answers came; `end` says what then becomes of it.
fn round(devices: Vec<Device>, running: Running, wanted: u64, quiet: bool, end: impl FnOnce(Running)) -> Vec<Device> {
    let (sender, receiver) = channel();
    let enough = Arc::new(AtomicBool::new(false));
    let talks: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let (to, sender, enough) = (running.devices, sender.clone(), Arc::clone(&enough));
            std::thread::spawn(move || device.talk(to, &sender, &enough))
        })
        .collect();
    drop(sender);
    for _ in 0..wanted {
        if receiver.recv().is_err() {
            break;
        }
    }
    enough.store(quiet, Ordering::Relaxed);
    end(running);
    enough.store(true, Ordering::Relaxed);
    talks.into_iter().map(|talk| talk.join().unwrap()).collect()
}

/// Starts plume once more and lets it work off everything; again, where that brought something new.
fn settle(site: &Site, receivers: &Receivers) {
    let began = Instant::now();
    loop {
        receivers.next_life();
        let running = site.start();
        verdict::wait_for_desk(site, &running, began + SETTLE_LIMIT);
        assert!(running.stop());
        if verdict::is_settled(site) {
            return;
        }
        assert!(began.elapsed() < SETTLE_LIMIT, "it never comes to rest");
    }
}

#[test]
fn nothing_answered_is_lost_and_nothing_is_said_twice() {
    let (seed, kills) = (setting("CRASH_SEED", 20_260_117), setting("CRASH_KILLS", USUAL_KILLS));
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    let mut chance = Chance(seed);
    let receivers = Receivers::start();
    let site = Site::new(&config(&receivers));
    std::fs::write(site.dir.path().join("registry.toml"), registry()).unwrap();
    let now = now();
    let mut devices: Vec<Device> = (0..DEVICES).map(|number| Device::new(number, now)).collect();
    // Many kills share what the devices have to say.
    let most = ((DEVICES * MINUTES) as u64 / (kills + 1)).clamp(2, MOST_ANSWERS);
    for _ in 0..kills {
        receivers.next_life();
        let (wanted, end) = (chance.below(most), End::draw(&mut chance));
        let quiet = !matches!(end, End::Talking);
        devices = round(devices, site.start(), wanted, quiet, |running| {
            end.wait(&running, &receivers);
            running.kill();
        });
    }
    receivers.next_life();
    devices = round(devices, site.start(), most, true, |running| assert!(running.stop()));
    settle(&site, &receivers);
    let found = verdict::check(&site, &devices, &receivers.heard());
    println!("{kills} kills: {found:?}");
    found.check_worth(kills);
}
