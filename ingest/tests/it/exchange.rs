//! Orders to devices: every CN of all editions from order to result, links lost between any two steps, two links for
//! one device, and any sequence of happenings with bounded memory.

use std::collections::BTreeMap;

use plume_ingest::exchange::command::{Command, CommandResult, Outcome};
use plume_ingest::exchange::engine::{Exchange, Output, Rules};
use plume_ingest::exchange::gaps::{GapRules, Gaps};
use plume_ingest::exchange::heard::Heard;
use plume_ingest::exchange::order::ORDERS;
use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::encode::{Group, Message, frame};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::device_replies;
use plume_schemas::ids::{Inline, Mn};
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use proptest::prelude::*;

use crate::bench::{Driven, MN_2005, MN_2017, time};

const RULES: Rules = Rules {
    timeout_ms: 10 * SECOND_MS,
    resends: 3,
    longest_ms: 600 * SECOND_MS,
    max_waiting: 16,
    set_time_when_asked: true,
};

fn start() -> Time {
    time("20160802001000")
}

/// What the log says of a frame of a device.
fn hear(frame: &[u8]) -> Heard {
    let mut driven = Driven::examples();
    driven.bytes(frame);
    let reports = driven.reports();
    let [report] = reports.as_slice() else {
        panic!("{} reports of {}", reports.len(), String::from_utf8_lossy(frame))
    };
    Heard::of(report).unwrap()
}

fn upload(dialect: Dialect, cn: u16) -> Message {
    let mn = if dialect == Dialect::Hj2005 { MN_2005 } else { MN_2017 };
    Message::upload(dialect, mn, cn, start()).data_time(start().plus(-HOUR_MS))
}

fn sample(dialect: Dialect) -> Heard {
    let message = upload(dialect, 2011).with(Group::factor("a21026", [("Rtd", "1.5"), ("Flag", "N")]));
    hear(&message.packets().unwrap()[0])
}

/// An exchange with one device that has spoken on a link.
struct Bench {
    exchange: Exchange,
    mn: Mn,
    now: Time,
    sent: Vec<(u64, Vec<u8>)>,
    ended: Vec<CommandResult>,
    wanted: Vec<Command>,
}

impl Bench {
    fn new(dialect: Dialect) -> Self {
        let heard = sample(dialect);
        let mut bench = Self {
            exchange: Exchange::new(RULES, std::sync::Arc::default()),
            mn: heard.mn,
            now: start(),
            sent: Vec::new(),
            ended: Vec::new(),
            wanted: Vec::new(),
        };
        bench.exchange.came(bench.mn, 1, bench.now);
        bench.hear(&heard);
        bench
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send { epoch, bytes, .. } => self.sent.push((epoch, bytes)),
                Output::Ended(result) => self.ended.push(result),
                Output::Wanted(command) => self.wanted.push(command),
            }
        }
    }

    fn hear(&mut self, heard: &Heard) {
        self.exchange.heard(heard, self.now);
        self.drain();
    }

    fn order(&mut self, cn: u16) {
        let command = Command::new(self.mn, (cn, Vec::new()), "王工", self.now, HOUR_MS);
        self.exchange.order(command, self.now);
        self.drain();
    }

    fn wait(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
        self.exchange.handle_timeout(self.now);
        self.drain();
    }

    /// What the device answers to the order that was sent last.
    fn replies(&self) -> Vec<Vec<u8>> {
        let (_, bytes) = self.sent.last().unwrap();
        let segment = &bytes[6..bytes.len() - 6];
        let mut complaints = Complaints::default();
        let packet = Packet::parse(segment, &mut complaints);
        assert!(complaints.list().is_empty(), "{:?}", complaints.list());
        device_replies(&packet)
    }

    fn outcomes(&self) -> Vec<&Outcome> {
        self.ended.iter().map(|result| &result.outcome).collect()
    }
}

#[test]
fn every_order_in_every_edition_is_answered_and_ends() {
    for dialect in [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025] {
        for order in ORDERS {
            let mut bench = Bench::new(dialect);
            bench.order(order.cn);
            let (epoch, bytes) = bench.sent.last().unwrap().clone();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(epoch, 1);
            assert!(
                text.contains(&format!(";CN={};PW=123456;MN={}", order.cn, bench.mn)),
                "{text}"
            );
            for reply in bench.replies() {
                bench.hear(&hear(&reply));
            }
            assert_eq!(
                bench.outcomes(),
                [&Outcome::Done { code: 1 }],
                "{} {dialect}",
                order.name
            );
            assert_eq!(bench.exchange.next_timeout(), None);
        }
    }
}

#[test]
fn what_the_device_told_is_in_the_result() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.order(1061);
    let replies = bench.replies();
    bench.hear(&hear(&replies[0]));
    let told = Message {
        body: vec![Group::single("RtdInterval", "30")],
        ..upload(Dialect::Hj2017, 1061)
    };
    bench.hear(&hear(&told.packets().unwrap()[0]));
    bench.hear(&hear(&replies[1]));
    assert_eq!(bench.ended[0].told, [("RtdInterval".to_owned(), "30".to_owned())]);
    assert_eq!(
        (bench.ended[0].packets, &bench.ended[0].outcome),
        (1, &Outcome::Done { code: 1 })
    );
}

#[test]
fn an_order_is_sent_again_three_times_and_given_up() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.order(1062);
    for times in 1..=4 {
        assert_eq!(bench.sent.len(), times);
        bench.wait(9_999);
        assert_eq!(bench.sent.len(), times, "too early");
        bench.wait(1);
    }
    assert!(
        bench.sent.windows(2).all(|two| two[0] == two[1]),
        "a resend is the same packet"
    );
    assert_eq!(bench.outcomes(), [&Outcome::NoAnswer { sent: 4 }]);
}

#[test]
fn a_device_that_takes_an_order_and_never_ends_it() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.order(2061);
    let taken = hear(&bench.replies()[0]);
    bench.hear(&taken);
    // Data keeps it going, but not for ever.
    let data = upload(Dialect::Hj2017, 2061).with(Group::factor("a21026", [("Avg", "1"), ("Flag", "N")]));
    let data = hear(&data.packets().unwrap()[0]);
    for _ in 0..100 {
        bench.wait(9_000);
        bench.hear(&data);
    }
    assert_eq!(bench.outcomes(), [&Outcome::NoResult]);
    assert_eq!(bench.sent.len(), 1);
    assert!(bench.ended[0].packets >= 60, "{:?}", bench.ended);
}

#[test]
fn refusals_have_their_code_and_the_next_order_goes_on() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.order(1063);
    bench.now = bench.now.plus(1);
    bench.order(1011);
    assert_eq!(bench.sent.len(), 1, "one at a time");
    let reply = bench.replies().remove(0);
    let refusal = String::from_utf8_lossy(&reply[6..reply.len() - 6]).replace("QnRtn=1", "QnRtn=8");
    bench.hear(&hear(&frame(refusal.as_bytes())));
    assert_eq!(bench.outcomes(), [&Outcome::Refused { code: 8 }]);
    assert_eq!(bench.sent.len(), 2);
}

/// Wherever the link is lost, the order begins again on the next link and ends once.
#[test]
fn a_link_lost_between_any_two_steps() {
    for steps in 0..=2 {
        let mut bench = Bench::new(Dialect::Hj2025);
        bench.order(1062);
        for reply in bench.replies().into_iter().take(steps) {
            bench.hear(&hear(&reply));
        }
        bench.exchange.gone(bench.mn, 1, bench.now);
        bench.wait(60 * SECOND_MS);
        bench.exchange.came(bench.mn, 2, bench.now);
        bench.hear(&sample(Dialect::Hj2025));
        if steps < 2 {
            assert_eq!(bench.sent.last().unwrap().0, 2, "after {steps} answers");
            for reply in bench.replies() {
                bench.hear(&hear(&reply));
            }
        }
        assert_eq!(bench.outcomes(), [&Outcome::Done { code: 1 }], "after {steps} answers");
    }
}

#[test]
fn the_newest_of_two_links_carries_orders() {
    let mut bench = Bench::new(Dialect::Hj2017);
    assert!(
        !bench.exchange.listens(bench.mn),
        "data matter to nobody once the device has spoken"
    );
    bench.exchange.came(bench.mn, 7, bench.now);
    assert!(bench.exchange.listens(bench.mn));
    bench.order(1062);
    assert_eq!(bench.sent.last().unwrap().0, 7);
    bench.exchange.gone(bench.mn, 7, bench.now);
    bench.drain();
    assert_eq!(bench.sent.last().unwrap().0, 1, "the older link takes over");
}

/// Several processes take packets: each hears of every link and every order; the one with the newest link carries it
/// out. The others forget it when that one says what came of it, and give it up themselves only long after that.
#[test]
fn an_order_is_left_to_whoever_holds_the_newest_link() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.exchange.came_elsewhere(bench.mn, 7, bench.now);
    bench.order(1062);
    assert_eq!(bench.sent, [], "another process holds link 7");
    bench.wait(HOUR_MS);
    assert_eq!(bench.outcomes(), [] as [&Outcome; 0], "that one may still be at it");
    bench.wait(RULES.longest_ms);
    assert_eq!(bench.outcomes(), [&Outcome::Unreachable], "it is no more");

    bench.order(1061);
    let theirs = CommandResult {
        id: Command::new(bench.mn, (1061, Vec::new()), "王工", bench.now, HOUR_MS).id,
        ..bench.ended[0].clone()
    };
    bench.exchange.settled(&theirs);
    assert!(!bench.exchange.is_busy(bench.mn));
    bench.order(1011);
    bench.exchange.gone(bench.mn, 7, bench.now);
    bench.drain();
    assert!(matches!(bench.sent[..], [(1, _)]), "the older link is this process's");
}

/// A device that asks for the time on a link of another process gets it from there.
#[test]
fn what_a_device_asks_for_is_answered_by_whoever_holds_its_link() {
    let mut bench = Bench::new(Dialect::Hj2017);
    let asks = Message {
        body: vec![Group::single("PolId", "w01018")],
        ..upload(Dialect::Hj2017, 1013)
    };
    let asks = hear(&asks.packets().unwrap()[0]);
    bench.exchange.came_elsewhere(bench.mn, 7, bench.now);
    bench.hear(&asks);
    assert_eq!(bench.wanted, []);
    bench.exchange.gone(bench.mn, 7, bench.now);
    bench.hear(&asks);
    assert_eq!(bench.wanted.len(), 1);
}

#[test]
fn orders_expire_where_the_device_stays_away_and_are_limited() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.exchange.gone(bench.mn, 1, bench.now);
    for _ in 0..20 {
        bench.now = bench.now.plus(1);
        bench.order(1062);
    }
    assert_eq!(bench.outcomes(), [&Outcome::TooMany; 4]);
    bench.wait(HOUR_MS);
    assert_eq!(bench.ended.len(), 20);
    assert!(
        bench.ended[4..]
            .iter()
            .all(|result| result.outcome == Outcome::Unreachable)
    );
    assert_eq!(
        bench.exchange.held(),
        (0, 0),
        "nothing is kept of a device without link and orders"
    );
}

#[test]
fn a_device_that_asks_for_the_time_gets_it() {
    let mut bench = Bench::new(Dialect::Hj2017);
    let asks = Message {
        body: vec![Group::single("PolId", "w01018")],
        ..upload(Dialect::Hj2017, 1013)
    };
    bench.hear(&hear(&asks.packets().unwrap()[0]));
    assert!(bench.sent.is_empty(), "it is recorded first");
    let wanted = bench.wanted.pop().unwrap();
    bench.now = bench.now.plus(2_000);
    bench.exchange.order(wanted, bench.now);
    bench.drain();
    let text = String::from_utf8(bench.sent[0].1.clone()).unwrap();
    assert!(
        text.contains("CN=1012") && text.contains("CP=&&PolId=w01018;SystemTime=20160802001002&&"),
        "{text}"
    );
}

#[test]
fn records_are_read_as_they_were_written_and_tell_no_secret() {
    let mut bench = Bench::new(Dialect::Hj2017);
    bench.order(1062);
    bench.wait(60 * SECOND_MS);
    bench.wait(60 * SECOND_MS);
    bench.wait(60 * SECOND_MS);
    bench.wait(60 * SECOND_MS);
    let result = &bench.ended[0];
    let record = result.to_record().unwrap();
    assert_eq!(&CommandResult::from_record(&record).unwrap(), result);
    assert!(!String::from_utf8(record).unwrap().contains("123456"));
    assert!(Command::from_record(b"{}").is_err());
}

/// A device that was away for two hours and sends nothing by itself.
#[test]
fn the_hours_of_an_outage_are_asked_for_newest_first_and_not_for_ever() {
    let rules = GapRules {
        hours: 24,
        patience_ms: 10 * MINUTE_MS,
        tries: 2,
    };
    let mut gaps = Gaps::new(rules);
    let mn = Mn::new(MN_2017).unwrap();
    let hour = |stamp: &str| time(stamp);
    gaps.came(mn, hour("20160801000000"));
    for stamp in ["20160801050000", "20160801060000", "20160801070000", "20160801080000"] {
        gaps.hour(mn, hour(stamp));
    }
    gaps.gone(mn);
    assert!(
        gaps.due(hour("20160801110000")).is_empty(),
        "a device that is away is not asked"
    );
    gaps.came(mn, hour("20160801111500"));
    assert!(
        gaps.due(hour("20160801112459")).is_empty(),
        "it has time to send by itself"
    );
    let due = gaps.due(hour("20160801112500"));
    let [(asked, span)] = due.as_slice() else {
        panic!("{due:?}")
    };
    assert_eq!(
        (*asked, span.start, span.end),
        (mn, hour("20160801090000"), hour("20160801100000"))
    );
    assert!(gaps.due(hour("20160801112501")).is_empty());
    gaps.hour(mn, hour("20160801100000"));
    let again = gaps.due(hour("20160801113500"));
    assert_eq!(
        (again[0].1.start, again[0].1.end),
        (hour("20160801090000"), hour("20160801090000"))
    );
    assert!(gaps.due(hour("20160801115000")).is_empty(), "two tries, then it rests");
    // A device that has just been connected owes nothing of before.
    let new = Mn::new(MN_2005).unwrap();
    gaps.came(new, hour("20160801080000"));
    gaps.hour(new, hour("20160801100000"));
    assert!(gaps.due(hour("20160801120500")).iter().all(|(mn, _)| *mn != new));
}

#[derive(Clone, Debug)]
enum Happening {
    Order(u8, u16),
    Heard(u8, u16, bool, Option<u16>),
    Came(u8, u64),
    Gone(u8, u64),
    Wait(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let cn = prop::sample::select(vec![1011_u16, 1013, 1062, 2012, 2061, 9011, 9012, 9013, 9014]);
    let device = 0_u8..4;
    prop_oneof![
        (device.clone(), cn.clone()).prop_map(|(device, cn)| Happening::Order(device, cn)),
        (device.clone(), cn, any::<bool>(), prop::option::of(0_u16..10))
            .prop_map(|(device, cn, right, code)| Happening::Heard(device, cn, right, code)),
        (device.clone(), 0_u64..20).prop_map(|(device, epoch)| Happening::Came(device, epoch)),
        (device, 0_u64..20).prop_map(|(device, epoch)| Happening::Gone(device, epoch)),
        (0_i64..30_000).prop_map(Happening::Wait),
    ]
}

proptest! {
    /// Whatever happens: each order ends exactly once, nothing is said without an order, a device that answers is
    /// never answered, and memory has its bounds.
    #[test]
    fn orders_end_once_whatever_happens(happenings in prop::collection::vec(happening(), 0..200)) {
        let mut exchange = Exchange::new(RULES, std::sync::Arc::default());
        let mn = |device: u8| Mn::new(&format!("PROP{device}")).unwrap();
        let (mut now, mut given) = (start(), BTreeMap::new());
        let (mut sent, mut qns) = (0_usize, BTreeMap::<Mn, String>::new());
        let mut drain = |exchange: &mut Exchange, given: &mut BTreeMap<_, u32>, qns: &mut BTreeMap<Mn, String>| {
            while let Some(output) = exchange.poll_output() {
                match output {
                    Output::Send { mn, bytes, .. } => {
                        sent += 1;
                        let text = String::from_utf8(bytes).unwrap();
                        prop_assert!(!text.contains("CN=901"), "an answer was answered: {}", text);
                        let qn = text.split("QN=").nth(1).unwrap().chars().take(17).collect();
                        qns.insert(mn, qn);
                    }
                    Output::Ended(result) => {
                        let times = given.get_mut(&result.id);
                        prop_assert!(times.is_some(), "the end of an order nobody gave");
                        *times.unwrap() += 1;
                    }
                    Output::Wanted(command) => prop_assert_eq!(command.cn, 1012),
                }
            }
            Ok(())
        };
        for happening in happenings {
            match happening {
                Happening::Order(device, cn) => {
                    now = now.plus(1);
                    let command = Command::new(mn(device), (cn, Vec::new()), "p", now, 5 * MINUTE_MS);
                    given.insert(command.id, 0);
                    exchange.order(command, now);
                }
                Happening::Heard(device, cn, right, code) => {
                    let qn = qns.get(&mn(device)).filter(|_| right).cloned().unwrap_or_default();
                    exchange.heard(&Heard {
                        mn: mn(device),
                        cn,
                        qn,
                        dialect: Dialect::Hj2017,
                        st: Inline::default(),
                        password: Inline::default(),
                        code,
                        measured_at: now,
                        told: vec![("RtdInterval".to_owned(), "30".to_owned())],
                    }, now);
                }
                Happening::Came(device, epoch) => exchange.came(mn(device), epoch, now),
                Happening::Gone(device, epoch) => exchange.gone(mn(device), epoch, now),
                Happening::Wait(ms) => {
                    now = now.plus(ms);
                    exchange.handle_timeout(now);
                }
            }
            drain(&mut exchange, &mut given, &mut qns)?;
            let (devices, orders) = exchange.held();
            prop_assert!(devices <= 4 && orders <= 4 * (RULES.max_waiting + 2), "{} {}", devices, orders);
        }
        // Time alone ends whatever is left: a wait for each order that can be before it.
        for _ in 0..400 {
            now = now.plus(RULES.longest_ms);
            exchange.handle_timeout(now);
            drain(&mut exchange, &mut given, &mut qns)?;
        }
        prop_assert_eq!(exchange.next_timeout(), None);
        prop_assert!(given.values().all(|&times| times == 1), "{:?}", given);
        prop_assert!(sent <= given.len() * 5 * 21, "{} packets", sent);
    }
}
