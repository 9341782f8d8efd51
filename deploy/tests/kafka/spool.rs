//! Answers before the brokers have the records: the spool keeps them, and their order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plume_archive::{Reader, Table};
use plume_bus::{Topic, TopicPartition};

use crate::cluster::{Cluster, PARTITIONS, Part};
use crate::proxy::Network;
use crate::spooling::{int, rows};
use crate::{brokers, conclude, conclude_with, fleet, setting, talk};

/// Answers between two events.
const SOME_ANSWERS: usize = 300;
/// A spool that is not empty after so long is stuck.
const DRAIN_LIMIT: Duration = Duration::from_mins(5);
/// More than an ingest says at once before its spool goes out, and less than what waits of a line.
const LARGE_BYTES: usize = 8 << 10;
/// What waits is sent as large as it is.
const UNPACKED: &str = "&compression.type=none";

/// While no broker can be reached devices are answered all the same; the ingest is killed in the middle of it. When the
/// brokers are there again everything arrives, once and in order.
#[test]
fn a_spool_answers_without_brokers_and_loses_nothing() {
    let Some(_) = brokers("answers by the spool") else {
        return;
    };
    let network = Network::open(&setting("KAFKA_OUTSIDE").unwrap());
    let more = "ack = \"local\"\n";
    let mut cluster = Cluster::start_with(&network.brokers(), "spool", &Part::ONE_EACH, more);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    network.cut();
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    println!("{SOME_ANSWERS} answers while nothing is carried");
    cluster.kill_for_now(Part::Ingest);
    network.mend();
    cluster.begin(Part::Ingest);
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    wait_until_empty(&cluster);
    conclude(cluster, &devices);
}

/// The brokers store what a spool sends, but their answers get lost and the ingest is killed. Its next life sends the
/// same again: that is known as repeats, and behind it every device's minutes stand in the order they were sent in.
#[test]
fn what_a_spool_sends_again_is_known_and_keeps_its_order() {
    let Some(brokers) = brokers("a spool that sends again") else {
        return;
    };
    let network = Network::open(&setting("KAFKA_OUTSIDE").unwrap());
    let others = [Part::Desk, Part::Detect, Part::Archive];
    let mut cluster = Cluster::start_with(&brokers, "again", &others, "ack = \"local\"\n");
    cluster.begin_by(Part::Ingest, &network.brokers(), UNPACKED);
    let mut devices = talk(fleet(), &mut cluster, SOME_ANSWERS);
    network.cut();
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    cluster.kill_for_now(Part::Ingest);
    let before = stored(&cluster);
    network.mend();
    network.deafen_behind(LARGE_BYTES);
    cluster.begin_by(Part::Ingest, &network.brokers(), UNPACKED);
    let deadline = Instant::now() + DRAIN_LIMIT;
    while stored(&cluster) < before + SOME_ANSWERS as u64 / 2 {
        assert!(Instant::now() < deadline, "the brokers store nothing of the spool");
    }
    let is_deaf = network.is_deaf();
    cluster.kill_for_now(Part::Ingest);
    network.mend();
    cluster.begin_by(Part::Ingest, &network.brokers(), UNPACKED);
    devices = talk(devices, &mut cluster, SOME_ANSWERS);
    wait_until_empty(&cluster);
    conclude_with(cluster, &devices, |archives| {
        let repeats = check_order(archives);
        println!("{repeats} packets came twice");
        if !is_deaf {
            println!("SKIPPED: that something is sent again: it went to the brokers in pieces, so they were heard");
        }
        assert!(repeats > 0 || !is_deaf, "nothing was sent again");
    });
}

/// Records of reports on the brokers, whoever wrote them.
fn stored(cluster: &Cluster) -> u64 {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bus = cluster.bus().await;
        let mut records = 0;
        for partition in 0..PARTITIONS {
            let line = TopicPartition::new(Topic::Reports, partition);
            records += bus.range(line).await.unwrap().end;
        }
        bus.close().await.unwrap();
        records
    })
}

/// Each device's accepted packets stand in the order of their minutes; gives how many repeats stand beside them.
fn check_order(archives: &[Reader]) -> usize {
    let mut repeats = 0;
    let mut accepted: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for row in rows(archives, Table::Packets, &["mn", "packet", "qn", "verdict"]) {
        if row[3].to_string() == "accepted" {
            let packet = (int(&row[1]), row[2].to_string());
            accepted.entry(row[0].to_string()).or_default().push(packet);
        } else {
            repeats += 1;
        }
    }
    for (mn, mut packets) in accepted {
        packets.sort();
        let minutes: Vec<&String> = packets.iter().map(|(_, qn)| qn).collect();
        assert!(minutes.is_sorted(), "{mn} is out of order: {minutes:?}");
    }
    repeats
}

fn wait_until_empty(cluster: &Cluster) {
    let deadline = Instant::now() + DRAIN_LIMIT;
    loop {
        let waiting = spooled(cluster);
        if waiting == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} records stay in the spool");
    }
}

/// Records in the spool.
pub(crate) fn spooled(cluster: &Cluster) -> u64 {
    let metrics = cluster.get(Part::Ingest, "/metrics");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("plume_deploy_spooled_records{"));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}
