//! The live tail of each device: its last packets as they came. Kept in memory, filled from the log, bounded in bytes;
//! what is older stands in the archive.

use std::collections::{HashMap, VecDeque};

use plume_schemas::ids::Mn;
use plume_schemas::report::Report;
use plume_schemas::time::Time;
use tokio::sync::watch;

use super::limits::{TAIL_BYTES, TAIL_PACKETS};

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// When it came.
    pub(crate) at: Time,
    /// 命令编码.
    pub(crate) cn: u16,
    /// The exact bytes.
    pub(crate) raw: Vec<u8>,
    /// What was wrong with it.
    pub(crate) complaints: Vec<&'static str>,
    /// Its number among all packets since the start, from 1.
    pub(crate) number: u64,
}

/// The tails of all devices.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    packets: HashMap<Mn, VecDeque<Heard>>,
    /// Whose packets came in which order, the oldest first; some of them are forgotten already.
    order: VecDeque<(Mn, u64)>,
    last: u64,
    bytes: usize,
    /// Who looks at a device hears of its packets, and of no other's.
    watched: HashMap<Mn, watch::Sender<u64>>,
}

impl Tail {
    /// Takes a report. Of several from one packet only the first brings the bytes.
    pub(crate) fn observe(&mut self, report: &Report) {
        if report.evidence.raw.is_empty() {
            return;
        }
        let mn = report.origin.mn;
        self.bytes += report.evidence.raw.len();
        self.last += 1;
        let number = self.last;
        self.order.push_back((mn, number));
        let own = self.packets.entry(mn).or_default();
        own.push_back(Heard {
            at: report.times.received_at,
            cn: report.evidence.cn,
            raw: report.evidence.raw.clone(),
            number,
            complaints: report
                .complaints
                .iter()
                .map(|complaint| complaint.code.code())
                .collect(),
        });
        if own.len() > TAIL_PACKETS {
            self.forget(mn);
        }
        self.tell(mn, number);
        while self.bytes > TAIL_BYTES {
            let Some((oldest, number)) = self.order.pop_front() else {
                break;
            };
            if self.has(oldest, number) {
                self.forget(oldest);
            }
        }
        if self.order.len() > 4 * TAIL_PACKETS * self.packets.len().max(1) {
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(mn, number)| self.has(*mn, *number));
            self.order = order;
        }
    }

    /// True while this packet is kept.
    fn has(&self, mn: Mn, number: u64) -> bool {
        let first = self.packets.get(&mn).and_then(VecDeque::front);
        first.is_some_and(|heard| heard.number <= number)
    }

    fn forget(&mut self, mn: Mn) {
        if let Some(own) = self.packets.get_mut(&mn) {
            self.bytes -= own.pop_front().map_or(0, |heard| heard.raw.len());
            if own.is_empty() {
                self.packets.remove(&mn);
            }
        }
    }

    fn tell(&mut self, mn: Mn, number: u64) {
        let Some(watched) = self.watched.get(&mn) else { return };
        // The last one who looked has gone.
        if watched.send(number).is_err() {
            self.watched.remove(&mn);
        }
    }

    /// Hears the number of each further packet of a device.
    pub(crate) fn watch(&mut self, mn: Mn) -> watch::Receiver<u64> {
        let watched = self.watched.entry(mn).or_insert_with(|| watch::Sender::new(0));
        watched.subscribe()
    }

    /// Number of the last packet of any device.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The last packets of a device, newest first.
    pub(crate) fn of(&self, mn: Mn) -> Vec<Heard> {
        self.packets.get(&mn).into_iter().flatten().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_schemas::ids::{ContentId, IngestId, Inline, OutletId};
    use plume_schemas::reading::ReportKind;
    use plume_schemas::report::{Dialect, Evidence, Origin, Times};

    fn report(mn: &str, second: i64, bytes: usize) -> Report {
        Report {
            outlet: OutletId::new("E:1").unwrap(),
            kind: ReportKind::Minute,
            times: Times {
                measured_at: Time(second * 1_000),
                sent_at: None,
                received_at: Time(second * 1_000),
            },
            origin: Origin {
                mn: Mn::new(mn).unwrap(),
                st: Inline::default(),
                dialect: Dialect::Hj2017,
                ingest: IngestId::new("i").unwrap(),
                peer: Inline::default(),
                registry_revision: 1,
            },
            backfill: false,
            readings: Vec::new(),
            complaints: Vec::new(),
            evidence: Evidence {
                packet: ContentId::of(&[b"x"]),
                raw: vec![b'#'; bytes],
                share: (0, 1),
                cn: 2051,
                qn: Inline::default(),
                part: (0, 0),
                key_id: None,
            },
        }
    }

    #[test]
    fn the_newest_packets_are_kept() {
        let mut tail = Tail::default();
        let most = i64::try_from(TAIL_PACKETS).unwrap();
        for second in 0..10 * most {
            tail.observe(&report("A", second, 10));
        }
        tail.observe(&report("A", 0, 0));
        let kept = tail.of(Mn::new("A").unwrap());
        assert_eq!((kept.len(), kept[0].at), (TAIL_PACKETS, Time(10_000 * most - 1_000)));
        assert_eq!(tail.bytes, 10 * TAIL_PACKETS);
        assert!(tail.order.len() <= 4 * TAIL_PACKETS, "{}", tail.order.len());
        assert_eq!(tail.of(Mn::new("B").unwrap()), []);
    }

    #[test]
    fn all_tails_together_are_bounded() {
        let mut tail = Tail::default();
        let large = TAIL_BYTES / 8;
        for second in 0..20 {
            tail.observe(&report(&format!("M{second}"), second, large));
        }
        assert!(tail.bytes <= TAIL_BYTES);
        assert_eq!(tail.of(Mn::new("M0").unwrap()), [], "the oldest went");
        assert_eq!(tail.of(Mn::new("M19").unwrap()).len(), 1);
        let held: usize = tail.packets.values().flatten().map(|heard| heard.raw.len()).sum();
        assert_eq!(held, tail.bytes);
    }

    #[test]
    fn only_a_devices_own_packets_are_told_and_nobody_is_kept_who_left() {
        let (mut tail, a) = (Tail::default(), Mn::new("A").unwrap());
        let mut ear = tail.watch(a);
        tail.observe(&report("B", 1, 10));
        assert!(!ear.has_changed().unwrap());
        tail.observe(&report("A", 2, 10));
        assert_eq!((*ear.borrow_and_update(), tail.last()), (2, 2));
        drop(ear);
        tail.observe(&report("A", 3, 10));
        assert!(tail.watched.is_empty());
    }
}
