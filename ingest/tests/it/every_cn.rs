//! Every command number of every edition over real TCP: what a device sends under it and what it is answered, and what
//! may be asked of a device, from the order to its result.

use std::fmt::Write as _;
use std::sync::Arc;

use plume_ingest::exchange::command::{Command, Outcome};
use plume_ingest::exchange::engine::{Exchange, Output, Rules};
use plume_ingest::exchange::heard::Heard;
use plume_ingest::exchange::order::{GUARDED, ORDERS};
use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::encode::frame;
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::device_replies;
use plume_ingest::hj212::sm4::{KeyRing, Passwords};
use plume_schemas::codes::{Codes, Direction};
use plume_schemas::entry::EntryBody;
use plume_schemas::report::{Dialect, Report};
use plume_schemas::time::{HOUR_MS, SECOND_MS};

use crate::bench::{MN_2005, MN_2017, config, time};
use crate::house::{Device, House, OPEN};

const EDITIONS: [Dialect; 3] = [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025];

const RULES: Rules = Rules {
    timeout_ms: 10 * SECOND_MS,
    resends: 3,
    longest_ms: 600 * SECOND_MS,
    max_waiting: 16,
    set_time_when_asked: true,
};

fn mn(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Hj2005 { MN_2005 } else { MN_2017 }
}

/// A packet that wants an answer.
fn packet(dialect: Dialect, cn: u16, number: u32, body: &str) -> Vec<u8> {
    let version = match dialect {
        Dialect::Hj2005 => 0,
        Dialect::Hj2017 => 1,
        _ => 2,
    };
    let (qn, flag) = (format!("20160802000{number:06}"), version << 2 | 1);
    let mn = mn(dialect);
    frame(format!("QN={qn};ST=31;CN={cn};PW=123456;MN={mn};Flag={flag};CP=&&{body}&&").as_bytes())
}

/// What a device has to say under a number.
fn body(cn: u16) -> &'static str {
    match cn {
        1001 => "i23005-Info=6970000000001ABCDEFG1234;i23006-Info=BFEBFBFF000906E9",
        1011 => "SystemTime=20160802000000",
        1013 => "PolId=a21026",
        1014 => "SKCreateTime=20160701000000000",
        1061 => "RtdInterval=30",
        1063 => "MinInterval=10",
        1021 => "PolId=02;02-LowValue=1.1;02-UpValue=9.9",
        2021 => "DataTime=20160801000000;SB1-RS=1",
        2041 => "DataTime=20160801000000;SB1-RT=1.5",
        2052 => "DataTime=20160801000000;LA-Data=50.1",
        2062 => "DataTime=20160801000000;a21026-SampleRd=49.9,a21026-StandardValue=50.0,a21026-ResultType=1",
        2071 => "DataTime=20160801000000;02-Ala=1.1",
        2072 => "AlarmTime=20160801000000;02-Ala=1.1,AlarmType=1",
        2081 => "DataTime=20160801000000;RestartTime=20160801000000",
        2111 => "DataTime=20160801000000;a01901-Avg=900.1",
        3015 | 3023 => "DataTime=20160801000000;VaseNo=1",
        3017 => "PolId=a21026;CstartTime=000000;CTime=2",
        3018 => "PolId=a21026;Stime=5",
        3019 => "PolId=a21026;a21026-SN=010000A8900016F000169DC0",
        3020 => "DataTime=20160801000000;PolId=a21026;i11001-Info=//start//",
        9011 => "QnRtn=1",
        9012 => "ExeRtn=1",
        9013..=9021 => "",
        _ => "DataTime=20160801000000;a21026-Avg=1.5,a21026-Flag=N",
    }
}

/// Sends a packet, and behind it one that is always answered: gives what came before that answer.
async fn exchange(device: &mut Device, sent: &[u8], dialect: Dialect, number: u32) -> Vec<String> {
    device.send(sent).await;
    let sentinel = packet(
        dialect,
        2011,
        number,
        "DataTime=20160802000000;a21026-Rtd=1.5,a21026-Flag=N",
    );
    device.send(&sentinel).await;
    let last = format!("QN=20160802000{number:06}");
    let mut answers = Vec::new();
    loop {
        let answer = device.answer().await;
        if answer.contains(&last) {
            return answers;
        }
        answers.push(answer);
    }
}

fn reports(entries: &[EntryBody]) -> impl Iterator<Item = &Report> {
    entries.iter().filter_map(|entry| match entry {
        EntryBody::Report(report) => Some(report.as_ref()),
        _ => None,
    })
}

#[tokio::test]
async fn every_upload_of_every_edition_is_kept_and_answered_by_its_rule() {
    let codes = Codes::embedded().unwrap();
    let mut table = String::new();
    for dialect in EDITIONS {
        let house = House::open(config(), OPEN).await;
        let mut device = house.device().await;
        let rows = codes.commands().filter(|row| row.direction != Direction::Down);
        let mut numbers: Vec<u16> = rows
            .filter(|row| row.dialects.contains(&dialect) || row.dialects.is_empty())
            .map(|row| row.cn)
            .collect();
        numbers.dedup();
        for (place, cn) in (1_u32..).zip(numbers) {
            let (before, aside) = (house.entries().await.len(), house.quarantined().await.len());
            let sent = packet(dialect, cn, 2 * place, body(cn));
            let answers = exchange(&mut device, &sent, dialect, 2 * place + 1).await;
            let entries = house.entries().await;
            let kept = reports(&entries[before..]).find(|report| report.evidence.raw == sent);
            let kept = match (kept, house.quarantined().await.get(aside)) {
                (Some(report), None) => report.kind.code().to_owned(),
                (None, Some(reason)) => format!("set aside: {}", reason.code()),
                other => panic!("{dialect} {cn}: {other:?}"),
            };
            let answer = match answers.as_slice() {
                [] => "silence",
                [one] => one.trim_end(),
                more => panic!("{dialect} {cn}: {more:?}"),
            };
            writeln!(table, "{dialect} {cn} {kept:<24} {answer}").unwrap();
        }
        house.close().await;
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn every_order_in_every_edition_goes_over_the_link_and_ends() {
    for dialect in EDITIONS {
        let house = House::open(config(), OPEN).await;
        let mut device = house.device().await;
        let keys = KeyRing::default();
        let password = Passwords {
            next: Some("abc123".to_owned()),
            ..Passwords::default()
        };
        keys.insert_passwords(plume_schemas::ids::Mn::new(mn(dialect)).unwrap(), password);
        let mut core = Exchange::new(RULES, Arc::new(keys));
        let now = time("20160802001000");
        let hello = packet(dialect, 2011, 0, body(2011));
        assert_eq!(exchange(&mut device, &hello, dialect, 1).await.len(), 1);
        let mut heard = 0;
        // A new key is told in cipher: `keys.rs` has that.
        let all = ORDERS.iter().chain(GUARDED).filter(|order| order.cn != 1014);
        for (place, order) in (1_u32..).zip(all) {
            observe(&house, &mut core, &mut heard).await;
            let mn = plume_schemas::ids::Mn::new(mn(dialect)).unwrap();
            let command = Command::new(mn, (order.cn, Vec::new()), "王工", now, HOUR_MS);
            let permit = Some(command.id);
            core.order(Command { permit, ..command }, now);
            let Some(Output::Send { epoch, bytes, .. }) = core.poll_output() else {
                panic!("{dialect} {}: not sent", order.name)
            };
            assert!(house.handle.links.send(epoch, bytes.clone()));
            let came = device.answer().await;
            assert_eq!(came.as_bytes(), bytes, "{dialect} {}", order.name);
            let packet = Packet::parse(&bytes[6..bytes.len() - 6], &mut Complaints::default());
            let replies = device_replies(&packet).concat();
            let answers = exchange(&mut device, &replies, dialect, 100 + place).await;
            assert!(answers.is_empty(), "a device that answers was answered: {answers:?}");
            observe(&house, &mut core, &mut heard).await;
            let ended = core.poll_output();
            assert!(
                matches!(&ended, Some(Output::Ended(result)) if result.outcome == Outcome::Done { code: 1 }),
                "{dialect} {}: {ended:?}",
                order.name
            );
        }
        house.close().await;
    }
}

/// The exchange hears devices from the log.
async fn observe(house: &House, core: &mut Exchange, heard: &mut usize) {
    let now = time("20160802001000");
    let entries = house.entries().await;
    for entry in &entries[*heard..] {
        match entry {
            EntryBody::Presence(presence) => core.came(presence.mn, presence.epoch, now),
            EntryBody::Report(report) => {
                if let Some(said) = Heard::of(report) {
                    core.heard(&said, now);
                }
            }
            _ => {}
        }
    }
    *heard = entries.len();
}
