//! The devices: each has an outlet of its own, sends minutes one after the other, and remembers what was answered.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use crate::support::{Link, frame};

/// Devices, each with an outlet of its own.
pub(crate) const DEVICES: usize = 6;
/// Minutes each device can send: within the 48 h in which a repeat is known and a window is kept.
pub(crate) const MINUTES: usize = 2_000;
/// Gases in each packet, each with a limit that it exceeds in an hour of its own: cases all along the run.
pub(crate) const FACTORS: [&str; 8] = [
    "a21026", "a21002", "a34013", "a21005", "a21024", "a21018", "a21001", "a21028",
];

/// A small generator, so that a seed says everything.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

pub(crate) fn mn(device: usize) -> String {
    format!("C{device:023}")
}

pub(crate) fn outlet(device: usize) -> String {
    format!("E{device}:DA001")
}

/// A registry without reference oxygen, so that the limit meets the values as sent. Every other enterprise is told by
/// short message (the webhook), the rest by mail.
pub(crate) fn registry() -> String {
    (0..DEVICES).fold(String::new(), |mut text, device| {
        let reach = if device % 2 == 0 {
            format!("phone = \"1390000000{device}\"")
        } else {
            format!("email = \"e{device}@example.com\"")
        };
        write!(
            text,
            "[[enterprise]]\nid = \"E{device}\"\nname = \"企业{device}\"\n[[enterprise.contact]]\n\
             role = \"environment_officer\"\nname = \"李主管{device}\"\n{reach}\n[[outlet]]\nid = \"{0}\"\n\
             enterprise = \"E{device}\"\nnumber = \"DA001\"\n",
            outlet(device)
        )
        .unwrap();
        for factor in FACTORS {
            write!(
                text,
                "[[outlet.factor]]\ncode = \"{factor}\"\nrange_high = \"200\"\n[[outlet.factor.limit]]\n\
                 window = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\n"
            )
            .unwrap();
        }
        let mn = mn(device);
        write!(
            text,
            "[[source]]\nmn = \"{mn}\"\noutlet = \"{}\"\nminute_interval_min = 1\n",
            outlet(device)
        )
        .unwrap();
        text
    })
}

/// What a device sends next, and what it was answered.
pub(crate) struct Device {
    pub(crate) number: usize,
    /// Its first minute.
    first: Time,
    /// The minute it sends next, or sent and has no answer to.
    pub(crate) next: usize,
    pub(crate) answered: BTreeSet<usize>,
}

impl Device {
    /// A device whose last minute is about now.
    pub(crate) fn new(number: usize, now: Time) -> Self {
        let span_ms = i64::try_from(MINUTES).unwrap() * MINUTE_MS;
        Self {
            number,
            first: now.plus(-span_ms).floor(HOUR_MS),
            next: 0,
            answered: BTreeSet::new(),
        }
    }

    pub(crate) fn data_time(&self, minute: usize) -> Time {
        self.first.plus(i64::try_from(minute).unwrap() * MINUTE_MS)
    }

    pub(crate) fn qn(&self, minute: usize) -> String {
        self.data_time(minute).plus(59_000).stamp17()
    }

    /// True where the hour of this minute is over the limit of the factor at this place.
    fn is_over(&self, minute: usize, place: usize) -> bool {
        minute / 60 == 1 + 2 * place + self.number % 2
    }

    /// What it sends next, until that is answered.
    pub(crate) fn packet(&self) -> String {
        let minute = self.next;
        let values = FACTORS
            .iter()
            .enumerate()
            .fold(String::new(), |mut text, (place, factor)| {
                let base = if self.is_over(minute, place) { 42 } else { 12 };
                // Never the same value for long, which would be a stuck analyser.
                let digit = (minute * 7 + place) % 10;
                write!(text, ";{factor}-Avg={base}.{digit},{factor}-Flag=N").unwrap();
                text
            });
        frame(&format!(
            "QN={};ST=31;CN=2051;PW=123456;MN={};Flag=5;CP=&&DataTime={}{values}&&",
            self.qn(minute),
            mn(self.number),
            self.data_time(minute).stamp14()
        ))
    }

    /// Sends, and waits for each answer, until the link breaks or `enough`. What has no answer is sent again on the
    /// next link.
    pub(crate) fn talk(mut self, to: SocketAddr, answers: &Sender<()>, enough: &AtomicBool) -> Self {
        let Ok(mut link) = Link::open(to) else { return self };
        while self.next < MINUTES && !enough.load(Ordering::Relaxed) {
            if link.send(self.packet().as_bytes()).is_err() {
                break;
            }
            let Ok(qn) = link.answer() else { break };
            assert_eq!(qn, self.qn(self.next), "an answer to another packet");
            self.answered.insert(self.next);
            self.next += 1;
            if answers.send(()).is_err() {
                break;
            }
        }
        self
    }
}
