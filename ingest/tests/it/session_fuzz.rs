//! Any sequence of happenings on a link: an answer only after its packet is durable, each packet answered as often as
//! it came, no answer ever to an answer, and memory has its bounds.

use std::collections::{BTreeMap, BTreeSet};

use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::encode::frame;
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::Ticket;
use plume_schemas::entry::EntryBody;
use proptest::prelude::*;

use crate::bench::{Driven, MN_2017, config, example_registry};
use crate::house::qn;

/// Packets of one link that may wait for the disk.
const MAX_IN_FLIGHT: usize = 4;

#[derive(Clone, Debug)]
enum Happening {
    /// A packet with this number comes, cut in two at this place.
    Packet {
        number: u8,
        cn: u16,
        wants: bool,
        cut: usize,
    },
    /// The device answers something, and wants an answer to that.
    Reply { number: u8, cn: u16 },
    /// Bytes of no packet.
    Noise(Vec<u8>),
    /// One of the appends that are under way is durable.
    Durable(usize),
    /// Nothing came for a while.
    Quiet,
}

fn happening() -> impl Strategy<Value = Happening> {
    let noise = prop::collection::vec(prop::sample::select(b"abc \r\n&;=\x00\xff01".to_vec()), 1..40);
    let uploads = prop::sample::select(vec![2011_u16, 2051, 1013, 9015, 3020, 9999]);
    prop_oneof![
        6 => (any::<u8>(), uploads, any::<bool>(), any::<usize>())
            .prop_map(|(number, cn, wants, cut)| Happening::Packet { number, cn, wants, cut }),
        3 => (any::<u8>(), 9011_u16..=9014).prop_map(|(number, cn)| Happening::Reply { number, cn }),
        1 => noise.prop_map(Happening::Noise),
        4 => any::<usize>().prop_map(Happening::Durable),
        1 => Just(Happening::Quiet),
    ]
}

/// The same number is the same packet.
fn bytes(number: u8, cn: u16, flag: u8) -> Vec<u8> {
    let place = u32::from(cn) * 1_000 + u32::from(number);
    let content = match cn {
        9011..=9014 => "QnRtn=1",
        _ => "DataTime=20160802000000;a21026-Rtd=1.5,a21026-Flag=N",
    };
    let head = format!("QN=2016080{place:010};ST=31;CN={cn};PW=123456;MN={MN_2017};Flag={flag};");
    frame(format!("{head}CP=&&{content}&&").as_bytes())
}

/// QNs of the packets an append holds.
fn qns(records: &[LogRecord]) -> Vec<String> {
    let raw = records.iter().filter_map(|record| match record {
        LogRecord::Entry(EntryBody::Report(report)) => Some(&report.evidence.raw),
        LogRecord::Quarantined(record) => Some(&record.raw),
        LogRecord::Entry(_) => None,
    });
    let texts = raw.map(|raw| String::from_utf8_lossy(raw).into_owned());
    texts
        .filter(|text| text.contains("QN="))
        .map(|text| qn(&text).to_owned())
        .collect()
}

/// A link and what was expected of it.
struct Fuzzed {
    driven: Driven,
    durable: BTreeSet<Ticket>,
    safe: BTreeSet<String>,
    owed: BTreeMap<String, usize>,
}

impl Fuzzed {
    fn new() -> Self {
        let config = IngestConfig {
            max_in_flight_packets: MAX_IN_FLIGHT,
            ..config()
        };
        Self {
            driven: Driven::new(config, example_registry(), "20160802001000"),
            durable: BTreeSet::new(),
            safe: BTreeSet::new(),
            owed: BTreeMap::new(),
        }
    }

    fn under_way(&self) -> Vec<Ticket> {
        let all = self.driven.appended.iter().map(|(ticket, _)| *ticket);
        all.filter(|ticket| !self.durable.contains(ticket)).collect()
    }

    fn make_durable(&mut self, ticket: Ticket) {
        let held = self.driven.appended.iter().filter(|(other, _)| *other == ticket);
        self.safe.extend(held.flat_map(|(_, records)| qns(records)));
        self.durable.insert(ticket);
        self.driven.durable(ticket);
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            // A host reads no more while the session does not want it.
            Happening::Packet { .. } | Happening::Reply { .. } | Happening::Noise(_)
                if !self.driven.session.wants_bytes() => {}
            Happening::Packet { number, cn, wants, cut } => {
                let sent = bytes(*number, *cn, 4 | u8::from(*wants));
                if *wants || *cn == 1013 {
                    *self
                        .owed
                        .entry(qn(&String::from_utf8_lossy(&sent)).to_owned())
                        .or_default() += 1;
                }
                let (first, second) = sent.split_at(cut % sent.len());
                self.driven.bytes(first);
                self.driven.bytes(second);
            }
            Happening::Reply { number, cn } => self.driven.bytes(&bytes(*number, *cn, 5)),
            Happening::Noise(noise) => self.driven.bytes(noise),
            Happening::Durable(place) => {
                let waiting = self.under_way();
                if let Some(ticket) = waiting.get(place % waiting.len().max(1)) {
                    self.make_durable(*ticket);
                }
            }
            Happening::Quiet => self.driven.quiet(),
        }
    }

    fn answers(&self) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for sent in &self.driven.sent {
            *answers.entry(qn(sent).to_owned()).or_default() += 1;
        }
        answers
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_on_a_link(happenings in prop::collection::vec(happening(), 0..120)) {
        let mut link = Fuzzed::new();
        for happening in &happenings {
            link.happen(happening);
            for (qn, count) in link.answers() {
                prop_assert!(link.safe.contains(&qn), "{} was answered before it was durable", qn);
                prop_assert!(link.owed.get(&qn).is_some_and(|owed| count <= *owed), "{} is owed no answer", qn);
            }
            let (packets, answers) = link.driven.session.pending();
            // What came with the last read is taken whole.
            prop_assert!(packets.max(answers) <= MAX_IN_FLIGHT + 1, "{} and {} wait", packets, answers);
            prop_assert!(link.driven.closed.is_none(), "{:?}", link.driven.closed);
        }
        link.driven.quiet();
        for ticket in link.under_way() {
            link.make_durable(ticket);
        }
        prop_assert_eq!(link.driven.session.pending(), (0, 0));
        prop_assert_eq!(link.answers(), link.owed);
    }
}
